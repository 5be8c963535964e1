# SPDX-License-Identifier: MPL-2.0
"""tokend-devices(7), followed by the letter: each kind of token that can be had here, from its package to a signature."""
import pathlib
import shutil
import unittest

import machine
import page
from harness import run, until
from test_doctor import doctor, type_in

PAGE = "tokend-devices.7"
SO_PIN, PIN = "87650000", "24681357"
ASKED = r"PIN of hsm:"


def skip_without(*programs):
    missing = [p for p in programs if not shutil.which(p)]
    return unittest.skipIf(missing, f"not installed: {' '.join(missing)}")


@unittest.skipUnless(pathlib.Path("/usr/lib/x86_64-linux-gnu").is_dir(), "the page has Debian's paths on amd64")
class Device(machine.Case):
    """The service runs with its own token, as the packages leave it."""

    kind = {"type": "ec"}
    algorithm = "ecdsa_sha256"

    @classmethod
    def configure(cls):
        run("systemctl", "start", "tokend.service")

    def follow(self, heading, answers=(), **words):
        terminal, shown = page.Terminal(answers), ""
        for block in page.manual_blocks(PAGE, heading):
            for word, value in words.items():
                block = block.replace(f"={word.replace('_', '-')}", f"={value}")
            shown = terminal.type_in(page.without_installing(block))
        self.assertEqual(terminal.answers, [], "every question was asked")
        self.assertRegex(shown, r"ok +module: .*shows the token \"hsm\"")
        self.assertEqual(machine.token("hsm")["state"], "ready")
        self.uses()
        self.mends()

    def undo(self):
        """What the page does beside the drop-in."""

    def mends(self):
        """Without the drop-in the doctor finds what lacks, and what it says mends it."""
        (machine.DROP_INS / "hsm.conf").unlink(missing_ok=True)
        self.undo()
        machine.stop_service()
        run("systemctl", "daemon-reload")
        for _ in range(8):
            bad = [f for f in doctor("hsm")[1] if f["result"] != "ok" and f["check"] not in ("daemon", "callers")]
            if not bad:
                break
            remedies = [f["remedy"] for f in bad if " && systemctl " in f["remedy"] or f["remedy"].startswith(("chown", "usermod"))]
            self.assertTrue(remedies, bad)
            type_in(remedies[0], PIN)
        run("systemctl", "start", "tokend.service")
        until(lambda: machine.token("hsm")["state"] == "ready", "the token is ready again")
        self.assertEqual([f for f in doctor("hsm")[1] if f["result"] != "ok"], [])

    def uses(self):
        """A key is made, and signs."""
        machine.call("Generate", token="hsm", nickname="k", **self.kind)
        self.sign(self.algorithm)

    def sign(self, algorithm):
        self.assertTrue(machine.call("Sign", key="hsm:k", algorithm=algorithm, message="bQ==")["signature"])

    def refused(self, **parameters):
        """A key that the page says is refused."""
        with self.assertRaises(machine.varlink.Error) as caught:
            machine.call("Generate", token="hsm", nickname="no", **parameters)
        return str(caught.exception)


class SoftHsm(Device):
    def test_softhsm(self):
        """SoftHSM2"""
        self.follow("SoftHSM2", [(r"enter SO PIN:", SO_PIN), (r"reenter SO PIN:", SO_PIN), (r"enter user PIN:", PIN),
                                 (r"reenter user PIN:", PIN), (ASKED, PIN)])


@skip_without("pkcsslotd")
class Opencryptoki(Device):
    kind = {"type": "rsa", "size": 2048}
    algorithm = "rsa_pkcs1_sha256"

    def undo(self):
        run("gpasswd", "--delete", "tokend", "pkcs11")

    def test_opencryptoki(self):
        """opencryptoki, whose software token refuses elliptic curves"""
        so, new_so, first, user = r"Enter the SO PIN:", r"ew SO PIN:", r"Enter user PIN:", r"ew user PIN:"
        self.follow("opencryptoki", [(so, "87654321"), (r"token label:", "hsm"), (so, "87654321"), (new_so, SO_PIN), (new_so, SO_PIN),
                                     (so, SO_PIN), (user, "11223344"), (user, "11223344"), (first, "11223344"), (user, PIN), (user, PIN),
                                     (ASKED, PIN)])
        for kind in ("ec", "ed25519"):
            self.assertIn("AlgorithmNotSupported", self.refused(type=kind))


@skip_without("swtpm", "tpm2_ptool", "tpm2-abrmd")
class Tpm(Device):
    @classmethod
    def configure(cls):
        super().configure()
        # The device: a TPM of software, in the place of /dev/tpm0.
        pathlib.Path("/var/lib/swtpm").mkdir(exist_ok=True)
        run("ip", "link", "set", "lo", "up")
        run("systemd-run", "--unit=swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", "dir=/var/lib/swtpm", "--server",
            "type=tcp,port=2321,bindaddr=127.0.0.1", "--ctrl", "type=tcp,port=2322,bindaddr=127.0.0.1", "--flags",
            "not-need-init,startup-clear")
        pathlib.Path("/etc/systemd/system/tpm2-abrmd.service").write_text(
            "[Service]\nType=dbus\nBusName=com.intel.tss2.Tabrmd\nUser=tss\nRestart=on-failure\nRestartSec=100ms\n"
            "ExecStart=/usr/sbin/tpm2-abrmd --tcti=swtpm:host=127.0.0.1,port=2321\n[Unit]\nStartLimitIntervalSec=0\n")
        run("systemctl", "daemon-reload")
        until(lambda: "0912" in pathlib.Path("/proc/net/tcp").read_text(), "the TPM listens")

    def test_tpm(self):
        """a TPM by tpm2-pkcs11, which refuses Ed25519 and long RSA"""
        self.follow("TPM 2", [(ASKED, PIN)], SO_PIN=SO_PIN, PIN=PIN)
        self.assertIn("AlgorithmNotSupported", self.refused(type="ed25519"))
        self.refused(type="rsa", size=4096)


@skip_without("p11-kit")
class P11Kit(Device):
    kind = {"type": "rsa", "size": 2048}
    algorithm = "rsa_pkcs1_sha256"

    @classmethod
    def configure(cls):
        super().configure()
        run("softhsm2-util", "--init-token", "--free", "--label", "hsm", "--pin", PIN, "--so-pin", SO_PIN)

    def undo(self):
        run("chown", "root", "/run/p11-kit-hsm/socket")

    def test_p11_kit(self):
        """a token that p11-kit server lends"""
        self.follow("p11-kit remote", [(ASKED, PIN)])
        self.sign("rsa_pss_sha256")

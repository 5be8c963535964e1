# SPDX-License-Identifier: MPL-2.0
"""tokendctl doctor under systemd: tried in the unit's own sandbox, and each remedy, typed as it is printed, mends the unit."""
import json
import pathlib
import shlex
import shutil
import subprocess

import machine
from harness import PIN, SOFTHSM, run, until

CREDSTORE = pathlib.Path("/etc/credstore")


def doctor(*arguments):
    done = subprocess.run(["tokendctl", "--json", "doctor", *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                          check=False)
    return done.returncode, json.loads(done.stdout)


def troubles(*arguments):
    return [f for f in doctor(*arguments)[1] if f["result"] != "ok"]


def type_in(remedy, pin=PIN):
    """As an operator would, who is asked for a PIN."""
    before, ask, after = remedy.partition("systemd-ask-password -n ")
    if ask:
        remedy = f"{before}printf %s {shlex.quote(pin)} | {after.split(chr(39) + ' | ', 1)[1]}"
    run("sh", "-c", remedy)


class Doctor(machine.Case):
    """One after the other: each begins without drop-ins."""

    def setUp(self):
        machine.stop_service()
        run("systemctl", "reset-failed")
        shutil.rmtree(machine.DROP_INS, ignore_errors=True)
        for path in CREDSTORE.glob("*"):
            path.unlink()
        machine.configure("")
        run("systemctl", "daemon-reload")

    def one(self, check, *words):
        """The first trouble of that check."""
        found = troubles()
        match = [f for f in found if f["check"] == check]
        self.assertTrue(match, found)
        for word in words:
            self.assertIn(word, match[0]["found"])
        return match[0]

    def test_fresh(self):
        """before the first start of what is installed all is well, and asking starts nothing"""
        status, findings = doctor()
        self.assertEqual([f for f in findings if f["result"] != "ok"], [])
        self.assertEqual(status, 0)
        self.assertTrue(any("in its sandbox, as tokend" in f["found"] for f in findings), findings)
        self.assertTrue(any("does not run: it was not asked" in f["found"] for f in findings), findings)
        self.assertEqual(machine.show("tokend.service", "ActiveState"), "inactive")
        self.assertEqual(run("tokend", "--check", "--try"), run("tokendctl", "doctor"))

    def test_softhsm(self):
        """a SoftHSM2 token as Debian's package and root's commands leave it is mended finding by finding, until it is ready"""
        run("softhsm2-util", "--init-token", "--free", "--label", "hsm", "--pin", PIN, "--so-pin", "87654321")
        machine.configure(f"[Token hsm]\nModule={SOFTHSM}\nUri=pkcs11:token=hsm\nPin=credential:hsm-pin\n")
        checks = []
        for _ in range(10):
            found = [f for f in troubles() if f["check"] in ("pin", "needs")]
            if not found:
                break
            checks.append(found[0]["check"])
            type_in(found[0]["remedy"])
        # The credential; the group, the paths of the unit, the owner of the token.
        self.assertEqual(checks, ["pin", "needs", "needs", "needs"])
        self.assertEqual(doctor(), (0, doctor()[1]))
        run("systemctl", "start", "tokend.service")
        self.assertEqual(machine.token("hsm")["state"], "ready")
        self.assertEqual(troubles("--login"), [])

    def test_home(self):
        """what lies in a home directory is hidden from the service"""
        home = pathlib.Path("/home/operator")
        home.mkdir(exist_ok=True)
        (home / "pin").write_text(PIN)
        (home / "pin").chmod(0o644)
        machine.configure(machine.make_token("home") + f"Pin=file:{home}/pin\n")
        type_in(self.one("pin", "Permission denied", "/home belongs to")["remedy"])
        self.assertEqual(self.one("pin")["result"], "warning")  # of its mode

    def test_audit(self):
        """the directory of the audit file is one that the unit gives"""
        machine.configure("[Daemon]\nAudit=file:/var/log/tokend/audit\n")
        type_in(self.one("directories", "/var/log/tokend is not there")["remedy"])
        self.assertEqual(troubles(), [])

    def test_credentials(self):
        """a credential whose file is absent, without which the unit would not start, and one that others can read"""
        machine.configure(machine.make_token("cred") + "Pin=credential:cred-pin\n")
        machine.drop_in("pin.conf", "[Service]\nLoadCredential=cred-pin:/etc/credstore/elsewhere\n")
        type_in(self.one("credentials", "No such file")["remedy"])
        self.assertEqual(troubles(), [])
        (CREDSTORE / "elsewhere").chmod(0o644)
        type_in(self.one("credentials", "0644")["remedy"])
        self.assertEqual(troubles("--login"), [])

    def test_callers(self):
        """units that are not known, and units of another user than the section's"""
        run("useradd", "--system", "pkiuser")
        unit = pathlib.Path("/etc/systemd/system/ca.service")
        instance = "[Instance ca]\nUser=pkiuser\nUnit=ca.service\nKeys=*\n"
        machine.configure(instance)
        self.assertEqual(self.one("callers", "not-found")["result"], "warning")
        unit.write_text("[Service]\nUser=tokend\nExecStart=/bin/true\n")
        run("systemctl", "daemon-reload")
        line = self.one("callers", "another user than pkiuser")["remedy"].removeprefix("write into [Instance ca]: ")
        machine.configure(instance.replace("User=pkiuser", line))
        self.assertEqual(troubles(), [])
        unit.unlink()

    def test_unit(self):
        """units that were changed on the disk are told, and a service that does not come up"""
        machine.drop_in("new.conf", "[Service]\n")
        run("systemctl", "start", "tokend.service")
        (machine.DROP_INS / "new.conf").write_text("[Service]\nEnvironment=A=1\n")
        type_in(self.one("unit", "were changed since")["remedy"])
        self.assertEqual(troubles(), [])
        machine.configure("[Token a]\nModul=x\n")
        run("systemctl", "restart", "--no-block", "tokend.service")
        until(lambda: machine.show("tokend.service", "ExecMainStatus") == "78", "the service has failed")
        machine.configure("")
        machine.drop_in("never.conf", "[Service]\nRestartSec=1h\n")
        self.assertEqual(doctor()[0], 1)
        self.one("daemon", "its last exit status is 78")

    def test_refused(self):
        """what the sandbox refuses a module is told with the lines of a drop-in: an address, a device, a file of a group"""
        source = pathlib.Path("/tmp/module.c")
        source.write_text("""
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
long C_GetFunctionList(void *p)
{
        struct sockaddr_in address = {AF_INET, htons(9), {htonl(0xc0000211)}};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd >= 0)
                connect(fd, (struct sockaddr *)&address, sizeof(address));
        open("/dev/hsm0", O_RDWR);
        open("/dev/mem", O_RDWR);
        open("/etc/softhsm/softhsm2.conf", O_RDONLY);
        open("/etc/shadow", O_RDONLY);
        return 5;
}
""")
        run("cc", "-w", "-shared", "-fPIC", "-o", "/usr/lib/vendor.so", source)
        machine.configure("[Token v]\nModule=/usr/lib/vendor.so\n")
        found = {f["found"].removeprefix("the module was refused ").split(":")[0]: f["remedy"] for f in troubles()}
        self.assertIn("AF_INET", found["the network"])
        self.assertIn("DeviceAllow=/dev/hsm0 rw", found["/dev/hsm0"])
        self.assertIn("SupplementaryGroups=softhsm", found["/etc/softhsm/softhsm2.conf"])
        self.assertEqual((found["/dev/mem"], found["/etc/shadow"]), ("", ""))
        type_in(found["/etc/softhsm/softhsm2.conf"])
        self.assertFalse([f for f in troubles() if "softhsm2.conf" in f["found"]])

# SPDX-License-Identifier: MPL-2.0
"""Tokens that are not SoftHSM2: what their modules refuse, and what is made all the same."""
import glob
import os
import shutil
import socket
import subprocess
import unittest

from harness import DEADLINE, Case, die_with_parent, openssl_verify, run, until
from test_faults import Faults
from varlink import b64, unb64

MESSAGE = b"m"


class Templates(Faults):
    """A token that refuses a part of the template of a new pair."""

    def generate(self, nickname="new", **more):
        return self.daemon.call("Generate", token="hsm", nickname=nickname, type="ec", **more)["key"]

    def test_usages_said_to_be_false(self):
        """a token that takes no usage that is said to be false makes the pair without these, and what it may do is told"""
        # Template inconsistent, a value, a type, read-only.
        for number, ckr in enumerate((0xd1, 0x13, 0x12, 0x10)):
            with self.subTest(ckr=hex(ckr)):
                if number == 0:
                    self.begin()
                worker, before = self.daemon.worker("hsm").pid, self.token.counts()
                self.token.set(f"C_GenerateKeyPair nofalse={ckr:#x}")
                key = self.generate(f"new{number}")
                tries = self.token.counts()["C_GenerateKeyPair"] - before["C_GenerateKeyPair"]
                # After two pairs the worker does not try the whole template any more.
                self.assertEqual(tries, 2 if number < 2 else 1)
                self.assertEqual(self.daemon.worker("hsm").pid, worker, self.daemon.log_text())
                self.assertTrue(key["sensitive"] and not key["extractable"], key)
                # SoftHSM2 gives a key what it was not told of: the reply says what the key may do.
                self.assertIn("sign", key["usage"])
                self.assertEqual(key, self.daemon.call("Get", key=f"hsm:new{number}")["key"])
                self.sign(key=f"hsm:new{number}")

    def test_vague_refusal(self):
        """a token that says nothing of why it refuses a usage that is said to be false is asked twice, and then without it"""
        for ckr in (0x5, 0x30, 0x80000001):
            with self.subTest(ckr=hex(ckr)):
                self.begin()
                self.token.set(f"C_GenerateKeyPair nofalse={ckr:#x}")
                before = self.token.counts()["C_GenerateKeyPair"]
                self.assertIn("sign", self.generate()["usage"])
                self.assertEqual(self.token.counts()["C_GenerateKeyPair"] - before, 3)
                self.assertEqual(self.daemon.token("hsm")["restarts"], 0)

    def test_whole_template_first(self):
        """a vague error that does not come again costs the new pair nothing of what it was to be"""
        self.begin()
        self.token.set("C_GenerateKeyPair ckr=0x5 count=1")
        self.assertEqual(self.generate(usage=["sign"])["usage"], ["sign"])
        self.assertEqual(self.daemon.token("hsm")["restarts"], 0)

    def test_refused(self):
        """a pair that is refused in every form is an error of that request: no worker ends, nothing is left, others sign"""
        self.begin()
        for ckr, name in ((0x5, "CKR_GENERAL_ERROR"), (0x30, "CKR_DEVICE_ERROR"), (0xd1, "CKR_TEMPLATE_INCONSISTENT")):
            self.token.set(f"C_GenerateKeyPair after ckr={ckr:#x}")
            self.assertEqual(self.fails("TokenError", self.generate), {"token": "hsm", "ckr": name})
            self.sign()
        self.token.set()
        self.assertEqual(self.daemon.token("hsm")["restarts"], 0)
        self.assertEqual([k["nickname"] for k in self.daemon.call("List", token="hsm")["keys"]], ["k"])
        self.generate()

    def test_refused_by_another_size(self):
        """what is no word about the template is not tried in another form"""
        self.begin()
        before = self.token.counts()["C_GenerateKeyPair"]
        self.token.set("C_GenerateKeyPair ckr=0x140")
        self.assertEqual(self.fails("TokenError", self.generate), {"token": "hsm", "ckr": "CKR_CURVE_NOT_SUPPORTED"})
        self.assertEqual(self.token.counts()["C_GenerateKeyPair"] - before, 1)

    def test_open_key(self):
        """a key that the token made extractable against the template is destroyed, and that is said"""
        self.begin()
        self.token.set("C_GenerateKeyPair weaken")
        self.assertEqual(self.fails("TokenError", self.generate), {"token": "hsm", "ckr": "CKR_TEMPLATE_INCONSISTENT"})
        self.assertNotIn("new", self.token.tool("--list-objects"))
        self.assertIn("that can be extracted", self.daemon.log_text())
        self.token.set()
        self.generate()

    def test_alias(self):
        """a claim whose handle is said to be a key's is withdrawn without that key being destroyed"""
        self.begin()
        self.token.set("C_CreateObject alias")
        self.generate()
        self.sign()
        objects = self.token.tool("--list-objects", "--type", "privkey")
        self.assertEqual(objects.count("Private Key Object"), 2, objects)
        self.daemon.call("Delete", key="hsm:new")
        self.generate()


def tpm_module():
    return next(iter(glob.glob("/usr/lib/*/libtpm2_pkcs11.so.1") + glob.glob("/usr/lib64/pkcs11/libtpm2_pkcs11.so")), None)


class Tpm:
    """swtpm, tpm2-abrmd (a TPM has room for three keys, and serves one program) and a store of tpm2-pkcs11."""

    PIN = "123456"

    def __init__(self, case):
        self.case, self.path, self.module = case, case.place.path, tpm_module()
        for name in ("tpm", "store"):
            (self.path / name).mkdir()
        port = self.start_tpm()
        self.start_bus()
        self.environment = {"TPM2_PKCS11_STORE": str(self.path / "store"), "TPM2_PKCS11_TCTI": "tabrmd:bus_type=session",
                            "TPM2TOOLS_TCTI": "tabrmd:bus_type=session", "TSS2_LOG": "all+NONE", "TPM2_PKCS11_LOG_LEVEL": "0",
                            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.path}/bus"}
        self.full = dict(os.environ, PYTHONWARNINGS="ignore", **self.environment)
        broker = self.keep("tpm2-abrmd", "--session", "--allow-root", f"--tcti=swtpm:host=127.0.0.1,port={port}")
        until(lambda: broker.poll() is not None or self.answers(), "the TPM answers")
        self.tool("tpm2_ptool", "init")
        self.tool("tpm2_ptool", "addtoken", "--pid=1", "--label=tpm", f"--userpin={self.PIN}", "--sopin=654321")
        self.pin = case.place.write("tpm.pin", self.PIN + "\n", 0o600)

    def keep(self, *argv):
        with open(self.path / "tpm.log", "ab") as log:
            process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env=getattr(self, "full", None), preexec_fn=die_with_parent)
        self.case.addClassCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.terminate()
        process.wait(DEADLINE)

    def start_tpm(self):
        """The module's transport wants the control channel on the next port: both are taken by chance, until they are free."""
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            tpm = self.keep("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.path}/tpm", "--server",
                            f"type=tcp,port={port},bindaddr=127.0.0.1", "--ctrl", f"type=tcp,port={port + 1},bindaddr=127.0.0.1",
                            "--flags", "not-need-init,startup-clear")
            if until(lambda: self.listens(port + 1) or tpm.poll() is not None, "swtpm listens") is True and tpm.poll() is None:
                return port

    @staticmethod
    def listens(port):
        # Not by a connection, which swtpm would serve.
        wanted = f":{port:04X} "
        with open("/proc/net/tcp", encoding="ascii") as table:
            return any(wanted in line.split(":", 1)[1] and " 0A " in line for line in table if ":" in line)

    def start_bus(self):
        config = self.case.place.write("bus.conf", f'<busconfig><type>session</type><listen>unix:path={self.path}/bus</listen>'
                                       '<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>'
                                       '<allow own="*"/></policy></busconfig>')
        self.keep("dbus-daemon", "--config-file", config, "--nofork", "--nopidfile")
        until((self.path / "bus").exists, "the bus listens")

    def answers(self):
        return subprocess.run(["tpm2_getrandom", "4"], capture_output=True, env=self.full, check=False).returncode == 0

    def tool(self, *argv):
        return run(*argv, env=self.full).decode()

    def objects(self):
        return self.tool("pkcs11-tool", "--module", self.module, "--token-label", "tpm", "--login", "--pin", self.PIN, "--list-objects")

    def section(self):
        return (f"[Token tpm]\nModule={self.module}\nUri=pkcs11:token=tpm\nPin=file:{self.pin}\nSessions=5\nRefresh=1s\nTimeout=20s\n"
                + "".join(f"Environment={k}={v}\n" for k, v in self.environment.items()))


@unittest.skipUnless(tpm_module(), "tpm2-pkcs11 is not installed")
@unittest.skipUnless(all(map(shutil.which, ("swtpm", "tpm2-abrmd", "dbus-daemon", "tpm2_ptool", "tpm2_getrandom"))),
                     "swtpm, tpm2-abrmd, dbus-daemon, tpm2_ptool or tpm2_getrandom is missing")
class TpmToken(Case):
    """Its one test: a look that sees another test's key on the TPM would replace the worker."""

    @classmethod
    def configure(cls):
        cls.tpm = Tpm(cls)
        cls.daemon = cls.start(cls.tpm.section())

    def generate(self, nickname, **kind):
        return self.daemon.call("Generate", token="tpm", nickname=nickname, timeoutMs=50000, **kind)["key"]

    def check(self, key, algorithm):
        reply = self.daemon.call("Sign", key=f"tpm:{key['nickname']}", algorithm=algorithm, message=b64(MESSAGE))
        self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), algorithm, MESSAGE, unb64(reply["signature"])))

    def test_pairs(self):
        """a TPM makes pairs, they sign, and no worker is lost for it; what it cannot make is refused by name"""
        worker = self.daemon.worker().pid
        rsa = self.generate("rsa", type="rsa", size=2048)
        ec = self.generate("ec", type="ec")
        for key in (rsa, ec):
            self.assertTrue(key["sensitive"] and not key["extractable"] and "sign" in key["usage"], key)
        self.fails("TokenError", self.generate, "big", type="rsa", size=8192)
        self.fails("AlgorithmNotSupported", self.generate, "ed", type="ed25519")
        for algorithm in ("rsa_pkcs1_sha256", "rsa_pss_sha256"):
            self.check(rsa, algorithm)
        self.check(ec, "ecdsa_sha256")
        # The module gives objects handles of others when the first one is gone: nothing is destroyed by such a handle.
        self.assertEqual(self.tpm.objects().count("Private Key Object"), 2, self.daemon.log_text())
        self.assertEqual(self.daemon.worker().pid, worker, self.daemon.log_text())
        certificate = self.daemon.call("io.tokend.Certificates.SelfSign", key="tpm:rsa", subject="CN=x", validityDays=1)["certificate"]
        self.assertEqual(certificate["nickname"], "rsa")
        self.daemon.call("io.tokend.Certificates.Delete", certificate="tpm:rsa")
        for key in ("rsa", "ec"):
            self.daemon.call("Delete", key=f"tpm:{key}")
        self.assertNotIn("Private Key Object", self.tpm.objects())


class TpmAgain(TpmToken):
    test_pairs = None

    def test_again(self):
        """a nickname that was deleted is made again, though a claim on it may be out of this worker's reach"""
        for _ in range(3):
            self.generate("again", type="ec")
            self.check(self.daemon.call("Get", key="tpm:again")["key"], "ecdsa_sha256")
            self.daemon.call("Delete", key="tpm:again")


if __name__ == "__main__":
    unittest.main()

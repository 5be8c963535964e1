# SPDX-License-Identifier: MPL-2.0
"""opencryptoki's software token: its library talks with a daemon of its own, pkcsslotd, over shared memory, and every path is compiled in.

The daemon, the token and tokend run in a mount and an IPC namespace of the test's own, so that nothing of the system's is touched.
"""
import glob
import os
import pathlib
import shutil
import subprocess
import unittest

from harness import DEADLINE, PLAIN, Case, Daemon, die_with_parent, openssl_verify, run, until
from varlink import b64, unb64

MESSAGE = b"message"
# Its own first PIN, 12345678, is refused.
PIN = "24681357"
MODULE = next(iter(glob.glob("/usr/lib/*/pkcs11/libopencryptoki.so") + glob.glob("/usr/lib*/opencryptoki/libopencryptoki.so")), None)
C = "io.tokend.Certificates."
# In the namespaces. $1: the test's directory.
BEGIN = """set -e
mount --bind "$1/lib" /var/lib/opencryptoki
mount -t tmpfs none /run
mount -t tmpfs none /var/log
mkdir -p /run/lock/opencryptoki/swtok /var/log/opencryptoki
mount --bind "$1/opencryptoki.conf" /etc/opencryptoki/opencryptoki.conf
exec pkcsslotd -f
"""


def can_unshare():
    return os.getuid() == 0 and subprocess.run(["unshare", "--mount", "--ipc", "mount", "-t", "tmpfs", "none", "/run"],
                                               capture_output=True, check=False).returncode == 0


class Namespaces:
    """Where pkcsslotd runs, with one token."""

    def __init__(self, case):
        self.path = case.place.path / "opencryptoki"
        (self.path / "lib/swtok/TOK_OBJ").mkdir(parents=True)
        # The daemon of the distribution looks for this group alone.
        run("chgrp", "-R", "pkcs11", self.path / "lib")
        run("chmod", "-R", "u=rwX,g=rwX,o=", self.path / "lib")
        (self.path / "opencryptoki.conf").write_text("version opencryptoki-3.1\nslot 0\n{\nstdll = libpkcs11_sw.so\n}\n")
        with open(self.path / "log", "wb") as log:
            self.daemon = subprocess.Popen(["unshare", "--mount", "--ipc", "--propagation", "private", "sh", "-c", BEGIN, "sh", self.path],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        case.addClassCleanup(self.end)
        until(lambda: self.daemon.poll() is not None or self.listens(), "pkcsslotd listens")
        if self.daemon.poll() is not None:
            raise AssertionError((self.path / "log").read_text())
        self.asks("-I", "87654321", "tok")
        self.asks("-P", "87654321", "76543210", "76543210")
        self.asks("-u", "76543210", "11223344", "11223344")
        self.asks("-p", "11223344", PIN, PIN)

    def inside(self, *argv):
        return ["nsenter", "--mount", "--ipc", f"--target={self.daemon.pid}", *map(str, argv)]

    def asks(self, option, *answers):
        run(*self.inside("pkcsconf", option, "-c", "0"), input="".join(a + "\n" for a in answers).encode(), stdin=None)

    def objects(self, kind):
        return run(*self.inside("pkcs11-tool", "--module", MODULE, "--token-label", "tok", "--login", "--pin", PIN, "--list-objects",
                                "--type", kind)).decode()

    def listens(self):
        return pathlib.Path(f"/proc/{self.daemon.pid}/root/run/pkcsslotd.socket").exists()

    def end(self):
        self.daemon.terminate()
        self.daemon.wait(DEADLINE)


@unittest.skipUnless(MODULE and shutil.which("pkcsslotd"), "opencryptoki is not installed")
@unittest.skipUnless(can_unshare(), "no mount and IPC namespace can be had: only root may")
class Opencryptoki(Case):
    @classmethod
    def configure(cls):
        cls.there = Namespaces(cls)
        # Not the sanitized ones: its library reads freed memory where objects of another process are gone.
        build = cls.place.path / "inside"
        build.mkdir()
        (build / "tokend").write_text("#!/bin/sh\nexec " + " ".join(cls.there.inside(PLAIN.resolve() / "tokend")) + ' "$@"\n')
        (build / "tokend").chmod(0o755)
        shutil.copy(PLAIN / "tokendctl", build)
        pin = cls.place.write("tok.pin", PIN + "\n", 0o600)
        cls.daemon = Daemon(cls.place, f"[Token tok]\nModule={MODULE}\nUri=pkcs11:token=tok\nPin=file:{pin}\nSessions=4\nRefresh=500ms\n",
                            build=build)
        cls.addClassCleanup(cls.daemon.stop)
        cls.daemon.start()

    def generate(self, nickname, **kind):
        return self.daemon.call("Generate", token="tok", nickname=nickname, timeoutMs=50000, **kind)["key"]

    def check(self, nickname, algorithm):
        key = self.daemon.call("Get", key=f"tok:{nickname}")["key"]
        reply = self.daemon.call("Sign", key=f"tok:{nickname}", algorithm=algorithm, message=b64(MESSAGE))
        self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), algorithm, MESSAGE, unb64(reply["signature"])))

    def test_keys(self):
        """opencryptoki's token makes pairs and keeps certificates; they are there once, sign, and are gone when they are deleted"""
        self.generate("rsa", type="rsa", size=2048)
        for algorithm in ("rsa_pkcs1_sha256", "rsa_pkcs1_sha512"):
            self.check("rsa", algorithm)
        self.assertEqual(self.there.objects("privkey").count("Private Key Object"), 1)
        self.fails("NicknameExists", self.generate, "rsa", type="rsa", size=2048)
        made = self.daemon.call(C + "SelfSign", key="tok:rsa", subject="CN=x", validityDays=1)["certificate"]
        self.assertEqual(made["nickname"], "rsa")
        self.assertEqual(self.daemon.token("tok")["restarts"], 0, self.daemon.log_text())
        worker = self.daemon.worker()
        worker.kill()
        until(worker.gone, "it is gone")
        self.check("rsa", "rsa_pkcs1_sha256")
        self.daemon.call(C + "Delete", certificate="tok:rsa")
        self.daemon.call("Delete", key="tok:rsa")
        self.assertNotIn("Private Key Object", self.there.objects("privkey"))
        self.assertNotIn("Certificate Object", self.there.objects("cert"))
        self.assertEqual(self.there.objects("data").strip(), "", "no claim is left")

    def test_refused(self):
        """what the token cannot make is refused by name, and nothing is left of it"""
        self.fails("AlgorithmNotSupported", self.generate, "ec", type="ec")
        self.fails("AlgorithmNotSupported", self.generate, "ed", type="ed25519")
        self.assertNotIn("ec", [key["nickname"] for key in self.daemon.call("List", token="tok")["keys"]])


if __name__ == "__main__":
    unittest.main()

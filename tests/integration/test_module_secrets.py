# SPDX-License-Identifier: MPL-2.0
"""Secret keys through the PKCS #11 module: on a token, and sealed, as the objects of a session."""
import subprocess

from harness import BUILD, PLAIN, Case, SoftToken, until
from test_module import SANITIZED


class Secrets(Case):
    TOKENS = ("hsm", "internal")

    @classmethod
    def configure(cls):
        cls.daemon = cls.start(SoftToken(cls.place, "hsm").section() +
                               f"[Token internal]\nModule=internal\nDirectory={cls.place.path}/internal\n")
        for token in cls.TOKENS:
            cls.daemon.wait_state(token, "ready")
            cls.daemon.call("Generate", token=token, nickname="rsa", type="rsa", size=2048, usage=["sign", "decrypt", "unwrap"])
            cls.daemon.call("Generate", token=token, nickname="ec", type="ec", usage=["sign", "derive"])

    def program(self, name, *arguments, build=BUILD):
        return subprocess.Popen([build / f"tests/{name}", build / "libtokend-pkcs11.so", *map(str, arguments)], stdin=subprocess.DEVNULL,
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env=dict(SANITIZED, TOKEND_SOCKET=str(self.daemon.socket)))

    def good(self, process, expect=""):
        output, _ = process.communicate(timeout=240)
        self.assertEqual(process.returncode, 0, output)
        self.assertIn(expect, output)

    def test_conformance(self):
        """every function, with every argument that is wrong, gives the CKR of the standard, on both tokens"""
        for token in self.TOKENS:
            with self.subTest(token):
                self.good(self.program("conformance_secrets", token), ", 0 failed")

    def test_threads(self):
        """sixteen threads wrap and unwrap through one module, and nothing leaks"""
        for token in self.TOKENS:
            with self.subTest(token):
                self.good(self.program("sealer", token, "threads", 16, 2))

    def test_forks(self):
        """children go on with their parent's sessions and sealed keys, whether they initialize again or not"""
        # The address sanitizer's allocator does not bear a fork while another thread is in it.
        self.good(self.program("sealer", "hsm", "fork", 12, build=PLAIN))

    def used(self, token):
        try:
            return self.daemon.token(token)["requests"]
        except OSError:
            return 0

    def test_killed_under_load(self):
        """broker, worker and daemon are killed and started while eight threads wrap and unwrap: none fails"""
        for token, count in (("hsm", 60), ("internal", 12)):
            process = self.program("sealer", token, "threads", 8, count)
            for end in (lambda: self.daemon.worker(token).kill(), lambda: self.daemon.broker().kill(), self.restart):
                before = self.used(token)
                until(lambda: self.used(token) > before + 20 or process.poll() is not None, "it goes on")
                self.assertIsNone(process.poll(), "it ended too early for the test")
                end()
            self.good(process)

    def restart(self):
        self.daemon.stop()
        self.daemon.start()

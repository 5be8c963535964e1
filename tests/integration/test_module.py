# SPDX-License-Identifier: MPL-2.0
"""The PKCS #11 module, as programs load it."""
import os
import subprocess

from harness import BUILD, PLAIN, ROOT, Case, OneToken, SoftToken, run, until

SANITIZED = dict(os.environ, ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1")


class Module(OneToken):
    instances = "[Instance all]\nUser=root\nKeys=*\nAllow=list sign sign-raw verify random generate delete delete-cert import decrypt derive\n"

    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.daemon = cls.start(cls.token.section() + f"[Token local]\nModule=internal\nDirectory={cls.place.path}/local\n",
                               instances=cls.instances)
        for token in ("hsm", "local"):
            cls.daemon.call("Generate", token=token, nickname="rsa", type="rsa", size=2048, usage=["sign", "decrypt"])
            cls.daemon.call("Generate", token=token, nickname="ec", type="ec", usage=["sign", "derive"])

    def environment(self, base=os.environ):
        return dict(base, TOKEND_SOCKET=str(self.daemon.socket))

    def test_conformance(self):
        """every function, with every argument that is wrong, gives the CKR of the standard, on both tokens"""
        for token in ("hsm", "local"):
            with self.subTest(token):
                done = subprocess.run([BUILD / "tests/conformance", BUILD / "libtokend-pkcs11.so", token], text=True, timeout=120,
                                      env=self.environment(SANITIZED), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertIn(", 0 failed", done.stdout)

    def signer(self, *arguments, token="hsm", module=BUILD / "libtokend-pkcs11.so", **environment):
        return subprocess.Popen([BUILD / "tests/signer", module, token, *map(str, arguments)], stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment(SANITIZED) | environment)

    def good(self, process):
        output, _ = process.communicate(timeout=240)
        self.assertEqual(process.returncode, 0, output)
        self.assertEqual(output, "")

    def signed(self):
        try:
            return self.daemon.token("hsm")["requests"]
        except OSError:
            return 0

    def test_hidden(self):
        """what a program would not see, because it is shown some keys alone, is not made; a key without a name is seen"""
        def tool(*arguments, **environment):
            done = subprocess.run(["pkcs11-tool", "--module", PLAIN / "libtokend-pkcs11.so", "--token-label", "hsm", *arguments],
                                  capture_output=True, text=True, env=self.environment() | environment, stdin=subprocess.DEVNULL,
                                  timeout=60, check=False)
            return done.returncode, done.stdout + done.stderr

        before = {key["id"] for key in self.call("List", token="hsm")["keys"]}
        make = ("--keypairgen", "--key-type", "EC:prime256v1", "--usage-sign")
        self.assertIn("CKR_ATTRIBUTE_VALUE_INVALID", tool(*make, "--label", "other", TOKEND_PKCS11_KEYS="web*")[1])
        self.assertIn("CKR_MECHANISM_INVALID", tool("--keypairgen", "--key-type", "EC:edwards25519", "--usage-sign",
                                                    TOKEND_PKCS11_ED25519="no")[1])
        self.assertEqual({key["id"] for key in self.call("List", token="hsm")["keys"]}, before)
        self.assertEqual(tool(*make, "--label", "web-1", TOKEND_PKCS11_KEYS="web*")[0], 0)
        self.assertEqual(tool(*make, "--id", "a7a7", TOKEND_PKCS11_KEYS="web*")[0], 0)
        self.assertIn("a7a7", tool("--list-objects", "--type", "privkey", TOKEND_PKCS11_KEYS="web*")[1])
        self.call("Delete", key="hsm:web-1")
        self.call("Delete", key="pkcs11:token=hsm;id=%a7%a7")

    def test_threads(self):
        """sixteen threads sign through one module, each with its session, and nothing leaks"""
        self.good(self.signer("threads", 16, 20))

    def test_exit(self):
        """C_Finalize in an atexit handler, while another thread signs, ends well"""
        self.good(self.signer("exit", 3))

    def test_no_daemon(self):
        """without a daemon there are no slots, at once, and nothing is printed"""
        self.good(self.signer("none", TOKEND_SOCKET=str(self.place.path / "nobody.sock")))

    def test_one_request(self):
        """a signature is one request to the device, whatever the program asks of the module around it"""
        self.good(self.signer("threads", 1, 1))
        before = self.signed()
        self.good(self.signer("threads", 1, 9))
        self.assertEqual(self.signed() - before, 18)  # each of the nine is verified too

    def test_killed_under_load(self):
        """broker, worker and daemon are killed and started while eight threads sign: none fails"""
        process = self.signer("threads", 8, 150)
        for end in (lambda: self.daemon.worker().kill(), lambda: self.daemon.broker().kill(), self.restart):
            before = self.signed()
            until(lambda: self.signed() > before + 20 or process.poll() is not None, "signatures go on")
            self.assertIsNone(process.poll(), "it ended too early for the test")
            end()
        self.good(process)

    def restart(self):
        self.daemon.stop()
        self.daemon.start()

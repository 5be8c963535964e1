# SPDX-License-Identifier: MPL-2.0
"""Keys and tokens that do not have every mechanism: what is allowed is done, what is not is refused by name, and no worker ends."""
from harness import openssl_verify, until
from test_faults import Faults, FaultyToken
from varlink import b64, unb64

C = "io.tokend.Certificates."
DIGEST = b64(bytes(range(32)))
FILE = b"a message, longer than its digest, that the device hashes"


class Mechanisms(Faults):
    def serve(self, **allowed):
        """A key for each name, with these mechanisms (pkcs11-tool's names) alone."""
        self.token = FaultyToken(self.place, self.id().rsplit(".", 1)[1].replace("_", "-")[:32], keys=("k",))
        for number, (label, mechanisms) in enumerate(allowed.items()):
            self.token.tool("--keypairgen", "--key-type", "rsa:2048", "--label", label, "--id", f"a{number}",
                            *(("--allowed-mechanisms", mechanisms) if mechanisms else ()))
        self.daemon = self.own(self.token.section("hsm", refresh="1h"))
        self.daemon.wait_state("hsm", "ready")

    def signs(self, key, algorithm, message=FILE, **more):
        told = self.daemon.call("Sign", key=f"hsm:{key}", algorithm=algorithm, message=b64(message), **more)
        spki = unb64(self.daemon.call("Get", key=f"hsm:{key}")["key"]["publicKey"])
        self.assertTrue(openssl_verify(self.place, spki, algorithm, message, unb64(told["signature"])))

    def refused(self, key, algorithm, **given):
        """By name, and the device is not asked."""
        before = self.token.settled().get("C_SignInit", 0)
        told = self.fails("AlgorithmNotSupported", self.daemon.call, "Sign", key=f"hsm:{key}", algorithm=algorithm, **given)
        self.assertEqual(told, {"key": f"hsm:{key}", "algorithm": algorithm})
        self.assertEqual(self.token.counts().get("C_SignInit", 0), before)

    def test_allowed(self):
        """a key that hashes itself signs messages, of its hash alone; others have what they are allowed"""
        self.serve(pss="RSA-PKCS-PSS", hashed_pss="SHA256-RSA-PKCS-PSS", pkcs1="RSA-PKCS", hashed_pkcs1="SHA384-RSA-PKCS,SHA512-RSA-PKCS",
                   free="")
        worker = self.daemon.worker("hsm").pid
        self.signs("pss", "rsa_pss_sha512")
        self.signs("pkcs1", "rsa_pkcs1_sha256")
        for message in (b"", FILE, bytes(90000)):
            self.signs("hashed_pss", "rsa_pss_sha256", message)
            self.signs("hashed_pkcs1", "rsa_pkcs1_sha384", message)
            self.signs("hashed_pkcs1", "rsa_pkcs1_sha512", message)
        for algorithm in ("rsa_pss_sha256", "rsa_pkcs1_sha256"):
            self.signs("free", algorithm)
        self.daemon.call("Sign", key="hsm:hashed_pss", algorithm="rsa_pss_sha256", message=b64(FILE), saltLength=0)
        self.refused("pss", "rsa_pkcs1_sha256", digest=DIGEST)
        self.refused("pss", "rsa_pkcs1_sha256", message=b64(FILE))
        self.refused("hashed_pss", "rsa_pss_sha256", digest=DIGEST)
        self.refused("hashed_pss", "rsa_pss_sha384", message=b64(FILE))
        self.refused("hashed_pss", "rsa_pkcs1_sha256", message=b64(FILE))
        self.refused("hashed_pkcs1", "rsa_pkcs1_sha256", message=b64(FILE))
        self.refused("hashed_pkcs1", "rsa_pkcs1", digest=DIGEST)
        self.daemon.call(C + "Request", key="hsm:hashed_pss", subject="CN=x", algorithm="rsa_pss_sha256")
        self.daemon.call(C + "SelfSign", key="hsm:hashed_pss", subject="CN=x", validityDays=9, algorithm="rsa_pss_sha256")
        self.fails("AlgorithmNotSupported", self.daemon.call, C + "Request", key="hsm:hashed_pss", subject="CN=x")
        self.assertEqual(self.daemon.worker("hsm").pid, worker)
        # As well with the next worker, which reads it anew.
        self.daemon.worker("hsm").kill()
        until(lambda: self.daemon.worker("hsm").pid != worker, "another worker")
        self.daemon.wait_state("hsm", "ready")
        self.signs("hashed_pss", "rsa_pss_sha256")
        self.refused("hashed_pss", "rsa_pss_sha256", digest=DIGEST)

    def test_tokendctl(self):
        """tokendctl gives the file where the digest is not taken, if it fits"""
        self.serve(hashed="SHA256-RSA-PKCS-PSS")
        for size, works in ((1000, True), (200000, False)):
            path = self.place.write("file", bytes(size))
            out = self.place.path / "signature"
            done = lambda: self.daemon.ctl("sign", "hsm:hashed", "--algorithm", "rsa_pss_sha256", "--in", path, "--out", out)
            if not works:
                self.assertRaises(AssertionError, done)
                continue
            done()
            self.daemon.ctl("verify", "hsm:hashed", "--algorithm", "rsa_pss_sha256", "--in", path, "--signature", out)

    def test_token(self):
        """likewise where the token lacks a mechanism"""
        self.serve(free="")
        self.token.set("C_GetMechanismList hide=0xd")
        self.daemon.stop()
        self.daemon.start()
        self.daemon.wait_state("hsm", "ready")
        for algorithm in ("rsa_pss_sha256", "rsa_pss_sha512", "rsa_pkcs1_sha256"):
            self.signs("free", algorithm)
        self.refused("free", "rsa_pss_sha256", digest=DIGEST)
        self.signs("k", "ecdsa_sha256")

    def test_decrypt(self):
        """a key that may not decrypt so says it by name, too"""
        self.serve(pss="RSA-PKCS-PSS")
        before = self.token.settled().get("C_DecryptInit", 0)
        self.assertIn("decrypt", self.daemon.call("Get", key="hsm:pss")["key"]["usage"])
        self.fails("AlgorithmNotSupported", self.daemon.call, "Decrypt", key="hsm:pss", algorithm="rsa_pkcs1", ciphertext=b64(bytes(256)))
        self.assertEqual(self.token.counts().get("C_DecryptInit", 0), before)

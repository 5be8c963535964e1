# SPDX-License-Identifier: MPL-2.0
"""Signatures of every algorithm, on both kinds of token, checked by openssl."""
import hashlib

from harness import Case, SoftToken, HASHES, openssl_verify
from varlink import b64, unb64

CURVES = {"secp256r1": 256, "secp384r1": 384, "secp521r1": 521}
MESSAGE = b"to be signed\0\xff" * 9


class Sign(Case):
    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.daemon = cls.start(cls.token.section() + "[Token internal]\nModule=internal\n"
                               f"Directory={cls.place.path}/internal\n")
        cls.keys = {}
        for token in ("hsm", "internal"):
            make = lambda **p: cls.daemon.call("Generate", token=token, **p)["key"]
            cls.keys[token] = {"rsa": make(nickname="rsa", type="rsa", size=2048)}
            for curve in CURVES:
                cls.keys[token][curve] = make(nickname=curve, type="ec", curve=curve)

    def good(self, key, algorithm, **what):
        signature = unb64(self.daemon.call("Sign", key=f"{key['token']}:{key['nickname']}", algorithm=algorithm,
                                           **what)["signature"])
        self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), algorithm, MESSAGE, signature),
                        f"{algorithm} {list(what)} of {key['token']}")

    def both(self, key, algorithm):
        digest = hashlib.new(algorithm.rpartition("_")[2], MESSAGE).digest()
        self.good(key, algorithm, digest=b64(digest))
        self.good(key, algorithm, message=b64(MESSAGE))

    def test_rsa_hsm(self):
        """RSA signatures, PKCS #1 and PSS, of digest and message, by SoftHSM2"""
        for scheme in ("rsa_pkcs1", "rsa_pss"):
            for name in HASHES:
                self.both(self.keys["hsm"]["rsa"], f"{scheme}_{name}")

    def test_rsa_internal(self):
        """RSA signatures, PKCS #1 and PSS, of digest and message, by the internal token"""
        for scheme in ("rsa_pkcs1", "rsa_pss"):
            for name in HASHES:
                self.both(self.keys["internal"]["rsa"], f"{scheme}_{name}")

    def test_ecdsa(self):
        """ECDSA signatures leave as DER, with every curve and hash, on both tokens"""
        for token in self.keys:
            for curve in CURVES:
                for name in HASHES:
                    self.both(self.keys[token][curve], f"ecdsa_{name}")

    def test_ecdsa_many(self):
        """a hundred ECDSA signatures of one key are all good, whatever their leading bytes"""
        key = self.keys["internal"]["secp521r1"]
        for _ in range(12):
            self.good(key, "ecdsa_sha512", message=b64(MESSAGE))
        with self.daemon.client() as client:
            digest = b64(hashlib.sha256(b"x").digest())
            for _ in range(50):
                client.send("Sign", {"key": "hsm:secp256r1", "algorithm": "ecdsa_sha256", "digest": digest})
            for _ in range(50):
                signature = client.result()["signature"]
                self.assertTrue(self.daemon.call("Verify", key="hsm:secp256r1", algorithm="ecdsa_sha256",
                                                 digest=digest, signature=signature)["valid"])

    def test_ed25519(self):
        """Ed25519 signs a message, and refuses a digest, where the token has CKM_EDDSA"""
        key = self.daemon.call("Generate", token="hsm", nickname="ed", type="ed25519")["key"]
        self.assertEqual((key["type"], key["curve"], key["size"]), ("ed25519", "ed25519", 255) if key["size"] == 255
                         else ("ed25519", "ed25519", 256))
        self.good(key, "ed25519", message=b64(MESSAGE))
        self.fails("InvalidParameter", self.daemon.call, "Sign", key="hsm:ed", algorithm="ed25519",
                   digest=b64(bytes(32)))

    def test_names(self):
        """a key is reached by token:nickname, by its nickname, and by an RFC 7512 URI of label or id"""
        key = self.keys["hsm"]["rsa"]
        percent = "".join("%" + key["id"][i:i + 2] for i in range(0, len(key["id"]), 2))
        for name in ("hsm:rsa", "rsa", "pkcs11:token=hsm;object=rsa", f"pkcs11:token=hsm;id={percent}",
                     f"pkcs11:id={percent};type=private"):
            with self.subTest(name):
                self.assertEqual(self.daemon.call("Get", key=name)["key"]["id"], key["id"])

    def test_verify(self):
        """Verify tells good from bad, by key and by public key alone"""
        for token in self.keys:
            for nickname, algorithm in (("rsa", "rsa_pkcs1_sha256"), ("rsa", "rsa_pss_sha384"),
                                        ("secp384r1", "ecdsa_sha384")):
                name, key = f"{token}:{nickname}", self.keys[token][nickname]
                signature = unb64(self.daemon.call("Sign", key=name, algorithm=algorithm,
                                                   message=b64(MESSAGE))["signature"])
                # The last byte but one: the last of a DER integer may be anything, and still well-formed.
                bad = signature[:-2] + bytes([signature[-2] ^ 1]) + signature[-1:]
                for who in ({"key": name}, {"publicKey": key["publicKey"]}):
                    ask = lambda sig, message=MESSAGE: self.daemon.call(
                        "Verify", **who, algorithm=algorithm, message=b64(message), signature=b64(sig))["valid"]
                    with self.subTest(f"{name} {algorithm} {list(who)}"):
                        self.assertIs(ask(signature), True)
                        self.assertIs(ask(bad), False)
                        self.assertIs(ask(signature, MESSAGE + b"x"), False)
                        self.assertIs(ask(b"\0"), False)

    def test_digest_length(self):
        """a digest of the wrong length is refused by name"""
        for length in (0, 20, 31, 33, 64):
            self.assertEqual(self.fails("InvalidParameter", self.daemon.call, "Sign", key="hsm:rsa",
                                        algorithm="rsa_pkcs1_sha256", digest=b64(bytes(length))),
                             {"parameter": "digest"})

    def test_one_of_two(self):
        """a Sign with both or neither of digest and message is refused"""
        for what in ({}, {"digest": b64(bytes(32)), "message": b64(b"x")}):
            self.fails("InvalidParameter", self.daemon.call, "Sign", key="hsm:rsa", algorithm="rsa_pkcs1_sha256",
                       **what)

    def test_null(self):
        """null for an optional parameter is the same as leaving it out"""
        self.good(self.keys["hsm"]["rsa"], "rsa_pkcs1_sha256", message=b64(MESSAGE), digest=None, timeoutMs=None)

    def test_random(self):
        """Random gives as many bytes as asked for, and other ones each time"""
        for length in (1, 32, 4096):
            self.assertEqual(len(unb64(self.daemon.call("Random", length=length)["bytes"])), length)
        self.assertNotEqual(self.daemon.call("Random", length=32), self.daemon.call("Random", length=32))

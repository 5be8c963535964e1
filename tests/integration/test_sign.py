# SPDX-License-Identifier: MPL-2.0
"""Signatures of every algorithm, on both kinds of token, checked by openssl."""
import hashlib
import os
import signal
import subprocess

from harness import Case, SoftToken, HASHES, openssl_verify, as_json, public_pem
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


# DigestInfo of SHA-1; TLS 1.0 signs MD5 and SHA-1 without one.
SHA1_INFO = bytes.fromhex("3021300906052b0e03021a05000414")


class Raw(Case):
    """rsa_pkcs1, rsa_pss_sha1, ecdsa, and salts of PSS of any length."""

    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.daemon = cls.start(cls.token.section() + f"[Token internal]\nModule=internal\nDirectory={cls.place.path}/internal\n")
        cls.keys = {}
        for token in ("hsm", "internal"):
            make = lambda **p: cls.daemon.call("Generate", token=token, **p)["key"]
            cls.keys[token] = {"rsa": make(nickname="rsa", type="rsa", size=2048)}
            for curve in CURVES:
                cls.keys[token][curve] = make(nickname=curve, type="ec", curve=curve)

    def verified(self, key, digest, signature, *options):
        """Whether openssl, given the digest itself, finds the signature good."""
        argv = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public_pem(self.place, unb64(key["publicKey"])), "-in",
                self.place.write("digest", digest), "-sigfile", self.place.write("signature", signature), *options]
        return subprocess.run(list(map(str, argv)), capture_output=True, stdin=subprocess.DEVNULL).returncode == 0

    def recovered(self, key, signature):
        """What openssl finds under the padding of PKCS #1."""
        return subprocess.run(["openssl", "pkeyutl", "-verifyrecover", "-pubin", "-inkey", public_pem(self.place, unb64(key["publicKey"])),
                               "-in", self.place.write("signature", signature), "-pkeyopt", "rsa_padding_mode:pkcs1"],
                              capture_output=True, stdin=subprocess.DEVNULL, check=True).stdout

    def sign(self, key, algorithm, **what):
        return unb64(self.daemon.call("Sign", key=f"{key['token']}:{key['nickname']}", algorithm=algorithm, **what)["signature"])

    def test_pkcs1(self):
        """rsa_pkcs1 pads whatever it is given, 1 byte to 11 less than the modulus, on both tokens"""
        for token in self.keys:
            key = self.keys[token]["rsa"]
            for block in (b"\0", b"\1", bytes(36), os.urandom(36), SHA1_INFO + hashlib.sha1(MESSAGE).digest(), os.urandom(83),
                          os.urandom(129), os.urandom(245)):
                signature = self.sign(key, "rsa_pkcs1", digest=b64(block))
                self.assertEqual(self.recovered(key, signature), block, token)
                self.assertTrue(self.daemon.call("Verify", key=f"{token}:rsa", algorithm="rsa_pkcs1", digest=b64(block),
                                                 signature=b64(signature))["valid"])
            for block in (b"", bytes(246), bytes(2048)):
                self.assertEqual(self.fails("InvalidParameter", self.daemon.call, "Sign", key=f"{token}:rsa", algorithm="rsa_pkcs1",
                                            digest=b64(block)), {"parameter": "digest"})
        self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), "rsa_pkcs1_sha1", MESSAGE,
                                       self.sign(key, "rsa_pkcs1", digest=b64(SHA1_INFO + hashlib.sha1(MESSAGE).digest()))))

    def test_ecdsa(self):
        """ecdsa signs a digest of 1 to 64 bytes on every curve, of which the leftmost bits count"""
        for token in self.keys:
            for curve, bits in CURVES.items():
                key = self.keys[token][curve]
                for length in (1, 20, 32, 48, 63, 64):
                    digest = os.urandom(length)
                    signature = self.sign(key, "ecdsa", digest=b64(digest))
                    self.assertTrue(self.verified(key, digest, signature), f"{token}, {curve}, {length}")
                    self.assertTrue(self.verified(key, digest[:bits // 8], signature), "the leftmost bits count")
                    self.assertTrue(self.daemon.call("Verify", key=f"{token}:{curve}", algorithm="ecdsa", digest=b64(digest),
                                                     signature=b64(signature))["valid"])
                for length in (0, 65):
                    self.assertEqual(self.fails("InvalidParameter", self.daemon.call, "Sign", key=f"{token}:{curve}",
                                                algorithm="ecdsa", digest=b64(bytes(length))), {"parameter": "digest"})

    def test_no_message(self):
        """what has no hash takes no message, and rsa_pss_sha1 hashes one"""
        for key, algorithm in (("rsa", "rsa_pkcs1"), ("secp256r1", "ecdsa")):
            self.assertEqual(self.fails("InvalidParameter", self.daemon.call, "Sign", key=f"hsm:{key}", algorithm=algorithm,
                                        message=b64(b"x")), {"parameter": "message"})
        for token in self.keys:
            key = self.keys[token]["rsa"]
            for what in ({"message": b64(MESSAGE)}, {"digest": b64(hashlib.sha1(MESSAGE).digest())}):
                self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), "rsa_pss_sha1", MESSAGE,
                                               self.sign(key, "rsa_pss_sha1", **what)))

    def test_salt(self):
        """saltLength of PSS, from 0 to what the key has room for, on both tokens"""
        digest = hashlib.sha256(MESSAGE).digest()
        for token in self.keys:
            key = self.keys[token]["rsa"]
            for salt in (0, 1, 20, 32, 221, 222):
                signature = self.sign(key, "rsa_pss_sha256", digest=b64(digest), saltLength=salt)
                options = ["-pkeyopt", "digest:sha256", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt"]
                self.assertTrue(self.verified(key, digest, signature, *options, f"rsa_pss_saltlen:{salt}"), f"{token}, {salt}")
                self.assertFalse(self.verified(key, digest, signature, *options, f"rsa_pss_saltlen:{salt + 1}"), f"{token}, {salt}")
            for salt in (-1, 223, 2049, 1 << 40):
                self.assertEqual(self.fails("InvalidParameter", self.daemon.call, "Sign", key=f"{token}:rsa",
                                            algorithm="rsa_pss_sha256", digest=b64(digest), saltLength=salt),
                                 {"parameter": "saltLength"})
        for key, algorithm in (("rsa", "rsa_pkcs1_sha256"), ("secp256r1", "ecdsa_sha256")):
            self.assertEqual(self.fails("InvalidParameter", self.daemon.call, "Sign", key=f"hsm:{key}", algorithm=algorithm,
                                        digest=b64(digest), saltLength=32), {"parameter": "saltLength"})

    def test_tokendctl(self):
        """tokendctl signs a file as the digest with rsa_pkcs1 and ecdsa, and takes --salt-length"""
        key, block = self.keys["hsm"]["rsa"], os.urandom(51)

        def signed(*argv):
            self.daemon.ctl("sign", "hsm:rsa", *argv, "--out", self.place.path / "out")
            return (self.place.path / "out").read_bytes()

        self.assertEqual(self.recovered(key, signed("--algorithm", "rsa_pkcs1", "--in", self.place.write("block", block))), block)
        self.assertEqual(self.recovered(key, signed("--algorithm", "rsa_pkcs1", "--digest", block.hex())), block)
        digest = hashlib.sha256(MESSAGE).digest()
        self.assertTrue(self.verified(key, digest, signed("--algorithm", "rsa_pss_sha256", "--salt-length", 7, "--digest", digest.hex()),
                                      "-pkeyopt", "digest:sha256", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:7"))
        for bad in ("-1", "x", "2049", ""):
            self.assertEqual(self.daemon.ctl("sign", "hsm:rsa", "--algorithm", "rsa_pss_sha256", "--salt-length", bad, "--digest",
                                             digest.hex(), check=False).returncode, 2)

    def test_no_certificates(self):
        """no certificate or request is signed with a raw algorithm"""
        for algorithm in ("rsa_pkcs1", "rsa_pss_sha1"):
            self.fails("AlgorithmNotSupported", self.daemon.call, "io.tokend.Certificates.Request", key="hsm:rsa", subject="CN=x",
                       algorithm=algorithm)

    def test_right(self):
        """the raw algorithms need sign-raw beside sign; what is named needs sign alone; each is recorded with what was signed"""
        path = self.place.path / "audit"
        token = SoftToken(self.place, "raw")
        section, instance = token.section(), f"[Instance me]\nUser={os.getuid()}\nKeys=*\nAllow=generate "
        daemon = self.own(f"Audit=file:{path}\n" + section, instances=instance + "sign\n")
        daemon.call("Generate", nickname="k", type="rsa", size=2048)
        digest = hashlib.sha256(MESSAGE).digest()
        raw = {"rsa_pkcs1": b"d" * 36, "rsa_pss_sha1": b"s" * 20}
        for algorithm, block in raw.items():
            self.assertEqual(self.fails("PermissionDenied", daemon.call, "Sign", key="k", algorithm=algorithm, digest=b64(block)),
                             {"operation": "sign-raw"})
        daemon.call("Sign", key="k", algorithm="rsa_pss_sha256", digest=b64(digest), saltLength=0)
        daemon.write_config(f"Audit=file:{path}\n" + section, instance + "sign sign-raw\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_notify("READY=1")
        for algorithm, block in raw.items():
            daemon.call("Sign", key="k", algorithm=algorithm, digest=b64(block))
        daemon.call("Sign", key="k", algorithm="rsa_pkcs1", digest=b64(b"l" * 245))
        signed = [r for r in map(as_json, path.read_text().splitlines()) if r["kind"] in ("sign", "denied")]
        self.assertEqual([(r["kind"], r["operation"], r["algorithm"], r.get("digest"), r.get("messageLength")) for r in signed],
                         [("denied", "sign-raw", "rsa_pkcs1", None, None), ("denied", "sign-raw", "rsa_pss_sha1", None, None),
                          ("sign", "sign", "rsa_pss_sha256", digest.hex(), None), ("sign", "sign", "rsa_pkcs1", "64" * 36, None),
                          ("sign", "sign", "rsa_pss_sha1", "73" * 20, None), ("sign", "sign", "rsa_pkcs1", None, 245)])

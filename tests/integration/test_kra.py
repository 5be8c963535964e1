# SPDX-License-Identifier: MPL-2.0
"""What a KRA and a TKS ask of a token, as Dogtag does it, with openssl at the other ends; and the vectors of RFC 5649, of RFC 3394
and of NIST's CAVP for KWP."""
import functools
import hashlib
import os

from harness import run
from test_faults import FaultyToken
from test_sealed import PREFIX, Tokens, aes
from varlink import b64, unb64

IV = bytes(range(16))
SPKI_OF = {"rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
           "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
           "rsa 1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
           "rsa 4096": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
           "ec 384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
           "ec 521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"]}
# NIST, CAVP, SP 800-38F: (key, plaintext, ciphertext) of KWP-AE and KWP-AD; of KWP-AD without a plaintext: what must fail.
KWP = [("6decf10a1caf8e3b80c7a4be8c9c84e8", "49", "01a7d657fc4a5b216f261cca4d052c2b"),
       ("a8e06da625a65b25cf5030826830b661", "43acff293120dd5d", "b6f967616dd8d772e9fea295a456dba7"),
       ("45c770fc267175072d70a38269c54685", "cc5fb15a17795c34", "78ffa3f03b65c55b812f355730af71ac"),
       ("7e2e47f35f2dbada22f1f00881b31cded4d82c2f86b74fcb", "b0", "ede089e95f4299a2bc1c3fa0e256e927"),
       ("484f45d03aeb902fa905260c7106b990dd556390b5d71346", "d842953706185a1fd7", "3b16d3575ca9b6cc951ead800f153be96b362833c926b8fd"),
       ("20e4ff6a88ffa9a2818b81702793d8a016722c2fa1ff445f24b9db293cb12069", "d2", "85011dc927b167f411b0b8e21b11d819"),
       ("96503e950d01ee1664de77ef6c0108aea2cffcffd0cf282e58a3fb982914ff9c", "e731cf7c44ac7722", "e5fa8bf0919d5a7163f2af43b3b549b8"),
       ("e154288c434eeb0879a793cf51f1912d691d430a196f33703b75cc68e8d599f2", "cf14bbdea4ac6c6e", "137f74b5bd90c57f140a1515140f2b6a")]
KWP_BAD = [("c32cb3e1e41a4b9f4de79989957866f5dd48dba38c22a6ebb80e14c84bdd9534", 8, "c29b05c2619a58ecc1d239e7a34273cd"),
           ("398444df32841be9e699c64faa92630c834564b8384876dceb471c4056fc8299", 8, "30032c9a3ed00d29512d8c725fa86a4b"),
           ("532b4699bb0a97dc426a511a7d0fe70dc7ba163106775677a5b2d75a4d5b93a0", 8, "e1e64a6bf74b137522e6c5f47ca859ae")]
OAEP = {"rsa_pkcs1": ["-pkeyopt", "rsa_padding_mode:pkcs1"],
        "rsa_oaep_sha1": ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha1", "-pkeyopt", "rsa_mgf1_md:sha1"],
        "rsa_oaep_sha256": ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256"]}


class Openssl:
    """The other end: a client of the KRA, a card, the owner of the storage key."""

    def __init__(self, place):
        self.place = place

    def encrypt(self, spki, algorithm, data):
        return run("openssl", "pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", self.place.write("o.spki", spki),
                   *OAEP[algorithm], "-in", self.place.write("o.in", data))

    def decrypt(self, pem, algorithm, data):
        return run("openssl", "pkeyutl", "-decrypt", "-inkey", pem, *OAEP[algorithm], "-in", self.place.write("o.in", data))

    def cipher(self, name, key, data, *more, iv=None):
        options = ["-iv", iv.hex()] if iv is not None else []
        return run("openssl", "enc", f"-{name}", "-K", key.hex(), *options, *more, "-in", self.place.write("o.in", data))

    def wrap(self, algorithm, key, data):
        if algorithm == "aes_kwp":
            return self.cipher(f"id-aes{len(key) * 8}-wrap-pad", key, data, "-e", iv=bytes.fromhex("a65959a6"))
        return self.cipher(f"aes-{len(key) * 8}-cbc", key, data, "-e", iv=IV)

    def unwrap(self, algorithm, key, data):
        if algorithm == "aes_kwp":
            return self.cipher(f"id-aes{len(key) * 8}-wrap-pad", key, data, "-d", iv=bytes.fromhex("a65959a6"))
        return self.cipher(f"aes-{len(key) * 8}-cbc", key, data, "-d", iv=IV)

    @functools.cache
    def private(self, kind):
        """A user's key: PKCS #8 in DER, and its SubjectPublicKeyInfo."""
        pem = self.place.path / f"user.{kind}.pem"
        run("openssl", "genpkey", *SPKI_OF[kind], "-out", pem)
        return run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", pem, "-outform", "DER"), self.public(pem)

    def public(self, pem, form="PEM"):
        return run("openssl", "pkey", "-in", pem, "-inform", form, "-pubout", "-outform", "DER")

    def same_key(self, der, spki):
        """A private key that came back, with zeros behind it as some tokens pad: is it the one of this public key?"""
        path = self.place.write("back.der", der)
        run("openssl", "pkey", "-in", path, "-inform", "DER", "-noout", "-check")
        return self.public(path, "DER") == spki


def iv_of(algorithm):
    return {} if algorithm == "aes_kwp" else {"iv": b64(IV)}


class Kra(Tokens):
    """Every row of what Dogtag's KRA calls. SoftHSM2 wraps with KWP alone, and knows OAEP with SHA-1 alone."""
    WRAPS = {"hsm": ["aes_kwp"], "internal": ["aes_kwp", "aes_cbc_pad"], "soft": ["aes_kwp", "aes_cbc_pad"]}
    PADDINGS = {"hsm": ["rsa_pkcs1", "rsa_oaep_sha1"], "internal": list(OAEP), "soft": list(OAEP)}

    @classmethod
    def configure(cls):
        super().configure()
        cls.openssl = Openssl(cls.place)
        cls.transport = {}
        cls.storage = cls.place.path / "storage.pem"
        run("openssl", "genpkey", *SPKI_OF["rsa"], "-out", cls.storage)
        for token in cls.TOKENS:
            key = cls.daemon.call("Generate", token=token, nickname="transport", type="rsa", size=2048, usage=["unwrap"])["key"]
            cls.transport[token] = unb64(key["publicKey"])

    def session_key(self, token, padding, usage):
        """The session key of a client, which it encrypts for the transport certificate."""
        secret = os.urandom(16)
        wrapped = self.openssl.encrypt(self.transport[token], padding, secret)
        return secret, self.call("Unwrap", key=f"{token}:transport", algorithm=padding, wrapped=b64(wrapped),
                                 template=aes(16, usage))["sealed"]

    def archive(self, token, padding, wrap, kind):
        """In: the client's session key and the user's private key. Out: both wrapped for the storage."""
        private, spki = self.openssl.private(kind)
        client, session = self.session_key(token, padding, ["unwrap"])
        user = self.call("Unwrap", key=session, algorithm=wrap, wrapped=b64(self.openssl.wrap(wrap, client, private)),
                         template={"type": kind, "usage": ["sign"]}, **iv_of(wrap))
        self.assertEqual(unb64(user["publicKey"]), spki, "the public half of what came in")
        storage = self.sealed(token, **aes(32, ["wrap", "unwrap"]))
        stored_user = self.call("Wrap", key=storage, algorithm=wrap, secret=user["sealed"], **iv_of(wrap))["wrapped"]
        stored_key = self.call("Wrap", publicKey=b64(self.openssl.public(self.storage)), algorithm=padding, secret=storage)["wrapped"]
        return spki, stored_user, stored_key

    def recover(self, token, padding, wrap, kind, stored_user, storage):
        """In: both from the storage. Out: the user's key, wrapped by the session key of who recovers it."""
        user = self.call("Unwrap", key=storage, algorithm=wrap, wrapped=stored_user, template={"type": kind, "usage": ["sign"]},
                         **iv_of(wrap))["sealed"]
        client, session = self.session_key(token, padding, ["wrap"])
        wrapped = self.call("Wrap", key=session, algorithm=wrap, secret=user, **iv_of(wrap))["wrapped"]
        return self.openssl.unwrap(wrap, client, unb64(wrapped))

    def test_round_trip(self):
        """a user's key, RSA and EC, is archived and recovered with PKCS #1 and OAEP, AES-CBC and KWP, on each token"""
        for token in self.TOKENS:
            for padding in self.PADDINGS[token]:
                for wrap in self.WRAPS[token]:
                    for kind in ("rsa", "ec"):
                        with self.subTest(token=token, padding=padding, wrap=wrap, kind=kind):
                            spki, stored_user, stored_key = self.archive(token, padding, wrap, kind)
                            # The storage key is openssl's to open: what lies in the database is what it should be.
                            key = self.openssl.decrypt(self.storage, padding, unb64(stored_key))
                            self.assertEqual(len(key), 32)
                            self.assertTrue(self.openssl.same_key(self.openssl.unwrap(wrap, key, unb64(stored_user)), spki))
                            # And back by way of the token.
                            back = self.openssl.encrypt(self.transport[token], padding, key)
                            storage = self.call("Unwrap", key=f"{token}:transport", algorithm=padding, wrapped=b64(back),
                                                template=aes(32, ["unwrap"]))["sealed"]
                            self.assertTrue(self.openssl.same_key(
                                self.recover(token, padding, wrap, kind, stored_user, storage), spki))

    def test_lacks(self):
        """what a token cannot do is AlgorithmNotSupported by its name"""
        token = FaultyToken(self.place, "lacks", keys=())
        daemon = self.own(token.section("hsm", "KeepAlive=1h\n", refresh="1h"))
        daemon.wait_state("hsm", "ready")
        call = lambda method, **more: daemon.call("io.tokend.Secrets." + method, **more)
        key = call("Generate", template=aes())["sealed"]
        pair = call("Generate", template={"type": "rsa", "size": 2048, "usage": ["sign"]})["sealed"]
        for algorithm, iv in (("aes_cbc_pad", 16), ("aes_cbc", 16), ("des3_ecb", 0), ("des3_cbc_pad", 8)):
            calls = token.settled()
            error = self.fails("AlgorithmNotSupported", call, "Wrap", key=key, algorithm=algorithm, secret=pair,
                               **({"iv": b64(bytes(iv))} if iv else {}))
            self.assertEqual(error["algorithm"], algorithm)
            self.assertEqual(error["key"][:len(PREFIX)], PREFIX)
            self.assertEqual(token.counts(), calls, "the device was not asked")
        wrapped = self.openssl.encrypt(self.transport["hsm"], "rsa_oaep_sha256", bytes(16))
        error = self.fails("AlgorithmNotSupported", self.call, "Unwrap", key="hsm:transport", algorithm="rsa_oaep_sha256",
                           wrapped=b64(wrapped), template=aes(16))
        self.assertEqual(error["algorithm"], "rsa_oaep_sha256")

    def test_encrypt_mode(self):
        """a key is archived in the mode that decrypts and encrypts it"""
        for token in self.TOKENS:
            client, session = self.session_key(token, "rsa_pkcs1", ["decrypt"])
            private, _ = self.openssl.private("rsa")
            plain = self.call("Decrypt", key=session, algorithm="aes_cbc_pad", iv=b64(IV),
                              ciphertext=b64(self.openssl.wrap("aes_cbc_pad", client, private)))["plaintext"]
            self.assertEqual(unb64(plain), private)
            storage = self.sealed(token, **aes(16, ["encrypt", "wrap"]))
            stored = self.call("Encrypt", key=storage, algorithm="aes_cbc_pad", iv=b64(IV), plaintext=plain)["ciphertext"]
            wrapped = self.call("Wrap", publicKey=b64(self.openssl.public(self.storage)), algorithm="rsa_pkcs1", secret=storage)["wrapped"]
            key = self.openssl.decrypt(self.storage, "rsa_pkcs1", unb64(wrapped))
            self.assertEqual(self.openssl.unwrap("aes_cbc_pad", key, unb64(stored)), private)

    def test_server_side(self):
        """a pair that is made for a user leaves wrapped, and signs before"""
        for token in self.TOKENS:
            for kind, more, algorithm in (("rsa", {"size": 2048}, "rsa_pkcs1_sha256"), ("ec", {"curve": "secp384r1"}, "ecdsa_sha384")):
                made = self.call("Generate", token=token, template={"type": kind, "usage": ["sign"], **more})
                client, session = self.session_key(token, "rsa_pkcs1", ["wrap"])
                for wrap in self.WRAPS[token]:
                    wrapped = self.call("Wrap", key=session, algorithm=wrap, secret=made["sealed"], **iv_of(wrap))["wrapped"]
                    self.assertTrue(self.openssl.same_key(self.openssl.unwrap(wrap, client, unb64(wrapped)), unb64(made["publicKey"])))
                signature = self.call("Sign", key=made["sealed"], algorithm=algorithm, message=b64(b"m"))["signature"]
                self.assertTrue(self.daemon.call("Verify", publicKey=made["publicKey"], algorithm=algorithm, message=b64(b"m"),
                                                 signature=signature)["valid"])

    def test_symmetric(self):
        """a symmetric secret of a user is archived and recovered, of each type"""
        for token in self.TOKENS:
            for template, length in ((aes(32), 32), ({"type": "des3", "usage": ["encrypt"]}, 24), ({"type": "generic", "length": 40, "usage": []}, 40)):
                secret = bytes(byte & 0xfe | (bin(byte >> 1).count("1") + 1) % 2 for byte in os.urandom(length))
                for wrap in self.WRAPS[token]:
                    client, session = self.session_key(token, "rsa_pkcs1", ["wrap", "unwrap"])
                    sealed = self.call("Unwrap", key=session, algorithm=wrap, wrapped=b64(self.openssl.wrap(wrap, client, secret)),
                                       template=template, **iv_of(wrap))["sealed"]
                    wrapped = self.call("Wrap", key=session, algorithm=wrap, secret=sealed, **iv_of(wrap))["wrapped"]
                    self.assertEqual(self.openssl.unwrap(wrap, client, unb64(wrapped)), secret)

    def test_user_keys(self):
        """user's keys of other sizes and curves pass through, and their public halves are told"""
        for token in self.TOKENS:
            for kind in [kind for kind in SPKI_OF if " " in kind]:
                for wrap in self.WRAPS[token]:
                    with self.subTest(token=token, kind=kind, wrap=wrap):
                        private, spki = self.openssl.private(kind)
                        client, session = self.session_key(token, "rsa_pkcs1", ["wrap", "unwrap"])
                        asked = {"key": session, "algorithm": wrap, **iv_of(wrap)}
                        user = self.call("Unwrap", wrapped=b64(self.openssl.wrap(wrap, client, private)),
                                         template={"type": kind.partition(" ")[0], "usage": ["sign"]}, **asked)
                        self.assertEqual(unb64(user["publicKey"]), spki)
                        back = self.call("Wrap", secret=user["sealed"], **asked)["wrapped"]
                        self.assertTrue(self.openssl.same_key(self.openssl.unwrap(wrap, client, unb64(back)), spki))

    def kek(self, token, key):
        """A wrapping key whose bytes the test knows."""
        by_transport = self.openssl.encrypt(self.transport[token], "rsa_pkcs1", key)
        return self.call("Unwrap", key=f"{token}:transport", algorithm="rsa_pkcs1", wrapped=b64(by_transport),
                         template=aes(len(key), ["wrap", "unwrap"]))["sealed"]

    def test_vectors(self):
        """RFC 5649's and NIST's vectors for KWP and RFC 3394's for KW, with keys that come in by the transport key"""
        kek = bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
        vectors = [("aes_kwp", kek, "c37b7e6492584340bed12207808941155068f738", "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"),
                   ("aes_kwp", kek, "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"),
                   ("aes_kw", bytes(range(16)), "00112233445566778899aabbccddeeff", "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"),
                   ("aes_kw", bytes(range(32)), "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
                    "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21")]
        vectors += [("aes_kwp", bytes.fromhex(key), *texts) for key, *texts in KWP]
        for token in self.TOKENS:
            for algorithm, key, data, wrapped in vectors:
                data, wrapped = bytes.fromhex(data), bytes.fromhex(wrapped)
                with self.subTest(token=token, algorithm=algorithm, length=len(data)):
                    sealed = self.kek(token, key)
                    template = {"type": "generic", "length": len(data), "usage": []}
                    unwrap = lambda: self.call("Unwrap", key=sealed, algorithm=algorithm, wrapped=b64(wrapped), template=template)["sealed"]
                    if token == "hsm" and len(data) % 8:
                        # It seals no key of such a length (docs/tokens.md).
                        self.fails("AlgorithmNotSupported", unwrap)
                        continue
                    self.assertEqual(unb64(self.call("Wrap", key=sealed, algorithm=algorithm, secret=unwrap())["wrapped"]), wrapped)
            for key, length, wrapped in KWP_BAD:
                error = self.fails("InvalidParameter", self.call, "Unwrap", key=self.kek(token, bytes.fromhex(key)), algorithm="aes_kwp",
                                   wrapped=b64(bytes.fromhex(wrapped)), template={"type": "generic", "length": length, "usage": []})
                self.assertEqual(error["parameter"], "wrapped")


class Tks(Tokens):
    """A TKS's master key, the keys of cards by SCP01 and SCP03, session keys, cryptograms."""
    CUID = bytes.fromhex("409062510000004a3a5b")

    @classmethod
    def configure(cls):
        super().configure()
        cls.openssl = Openssl(cls.place)
        for token in cls.TOKENS:
            cls.daemon.call("Generate", token=token, nickname="transport", type="rsa", size=2048, usage=["unwrap"])

    def known(self, token, secret, **template):
        """A key whose bytes the test knows."""
        spki = unb64(self.daemon.call("Get", key=f"{token}:transport")["key"]["publicKey"])
        return self.call("Unwrap", key=f"{token}:transport", algorithm="rsa_pkcs1",
                         wrapped=b64(self.openssl.encrypt(spki, "rsa_pkcs1", secret)), template=template)["sealed"]

    def cryptogram(self, key, data):
        return unb64(self.call("Encrypt", key=key, algorithm="des3_ecb", plaintext=b64(data))["ciphertext"])

    def des3(self, key, data):
        return self.openssl.cipher("des-ede3", (key + key[:8])[:24] if len(key) == 16 else key, data, "-e", "-nopad")

    def test_scp01(self):
        """card keys and session keys of SCP01 are what openssl computes, with a master key whose bytes are known"""
        master = bytes.fromhex("404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f")[:24]
        purposes = [bytes([0xff, 0xff]) + self.CUID[4:8] + bytes([0xf0, n]) + bytes([0xff, 0xff]) + self.CUID[4:8] + bytes([0x0f, n])
                    for n in (1, 2, 3)]
        for token in self.TOKENS:
            sealed = self.known(token, master, type="des3", usage=["derive", "encrypt"])
            for data in purposes:
                card = self.call("Derive", key=sealed, algorithm="des3_ecb_encrypt_data", data=b64(data),
                                 template={"type": "des2", "usage": ["encrypt", "derive"]})["sealed"]
                expected = self.des3(master, data)
                self.assertEqual(self.cryptogram(card, b"\x01" * 16), self.des3(expected, b"\x01" * 16), token)
                if token == "hsm":
                    continue
                # A DES2 key as a DES3 one: its first 8 bytes behind it.
                first = self.call("Derive", key=card, algorithm="extract", bit=0, template={"type": "generic", "length": 8, "usage": ["derive"]})
                whole = self.call("Derive", key=card, algorithm="concatenate", other=first["sealed"],
                                  template={"type": "des3", "usage": ["encrypt", "derive"]})["sealed"]
                self.assertEqual(self.cryptogram(whole, b"\x02" * 8), self.des3(expected, b"\x02" * 8), token)
                context = os.urandom(16)
                session = self.call("Derive", key=whole, algorithm="des3_ecb_encrypt_data", data=b64(context),
                                    template={"type": "des2", "usage": ["encrypt"]})["sealed"]
                self.assertEqual(self.cryptogram(session, b"\x03" * 8), self.des3(self.des3(expected, context), b"\x03" * 8), token)

    def test_scp01_by_encryption(self):
        """where a token lacks a derivation: bytes that the master key encrypts are wrapped bytes, and become a key"""
        for token in ("internal", "soft"):
            master, raw = os.urandom(24), os.urandom(16)
            sealed = self.known(token, master, type="des3", usage=["encrypt"])
            card = unb64(self.call("Encrypt", key=sealed, algorithm="des3_ecb", plaintext=b64(raw))["ciphertext"])
            helper = self.sealed(token, type="des3", usage=["encrypt", "unwrap"])
            wrapped = self.call("Encrypt", key=helper, algorithm="des3_ecb", plaintext=b64(card))["ciphertext"]
            key = self.call("Unwrap", key=helper, algorithm="des3_ecb", wrapped=wrapped, template={"type": "des2", "usage": ["encrypt"]})["sealed"]
            self.assertEqual(self.cryptogram(key, bytes(8)), self.des3(self.des3(master, raw), bytes(8)))

    def test_scp03(self):
        """card keys and cryptograms of SCP03: raw bytes become an AES key, and CMACs are made of its AES"""
        for token in self.TOKENS:
            master, context = os.urandom(32), os.urandom(32)
            sealed = self.known(token, master, **aes(32, ["encrypt", "derive"]))
            data = unb64(self.call("Encrypt", key=sealed, algorithm="aes_cbc", iv=b64(bytes(16)), plaintext=b64(context))["ciphertext"])
            self.assertEqual(data, self.openssl.cipher("aes-256-cbc", master, context, "-e", "-nopad", iv=bytes(16)))
            derived = self.call("Derive", key=sealed, algorithm="aes_ecb_encrypt_data", data=b64(context), template=aes(32, ["encrypt"]))["sealed"]
            card = self.openssl.cipher("aes-256-ecb", master, context, "-e", "-nopad")
            self.assertEqual(unb64(self.call("Encrypt", key=derived, algorithm="aes_ecb", plaintext=b64(bytes(16)))["ciphertext"]),
                             self.openssl.cipher("aes-256-ecb", card, bytes(16), "-e", "-nopad"))
            if token == "hsm":
                continue
            kek, raw = self.sealed(token, **aes(32, ["encrypt", "unwrap"])), os.urandom(16)
            wrapped = self.call("Encrypt", key=kek, algorithm="aes_cbc", iv=b64(bytes(16)), plaintext=b64(raw))["ciphertext"]
            key = self.call("Unwrap", key=kek, algorithm="aes_cbc", iv=b64(bytes(16)), wrapped=wrapped, template=aes(16, ["encrypt"]))["sealed"]
            self.assertEqual(unb64(self.call("Encrypt", key=key, algorithm="aes_ecb", plaintext=b64(bytes(16)))["ciphertext"]),
                             self.openssl.cipher("aes-128-ecb", raw, bytes(16), "-e", "-nopad"))

    def cmac(self, key, data):
        """RFC 4493, with the AES of the token alone, as Dogtag's TKS makes it."""
        encrypt = lambda block: unb64(self.call("Encrypt", key=key, algorithm="aes_cbc", iv=b64(bytes(16)), plaintext=b64(block))["ciphertext"])
        double = lambda block: ((int.from_bytes(block, "big") << 1 ^ (0x87 if block[0] & 0x80 else 0)) & (1 << 128) - 1).to_bytes(16, "big")
        subkey = double(encrypt(bytes(16)))
        if not data or len(data) % 16:
            subkey = double(subkey)
            data += b"\x80" + bytes(-(len(data) + 1) % 16)
        last = bytes(a ^ b for a, b in zip(data[-16:], subkey))
        return encrypt(data[:-16] + last)[-16:]

    def cmac_of_openssl(self, key, data):
        return bytes.fromhex(run("openssl", "mac", "-cipher", f"AES-{8 * len(key)}-CBC", "-macopt", f"hexkey:{key.hex()}",
                                 "-in", self.place.write("o.in", data), "CMAC").decode())

    def kdf(self, mac, constant, n_bits, context):
        """SP 800-108 in counter mode as SCP03 has it: label, separator, length, counter, context."""
        out = b"".join(mac(bytes(11) + bytes([constant, 0]) + n_bits.to_bytes(2, "big") + bytes([i]) + context)
                       for i in range(1, (n_bits + 127) // 128 + 1))
        return out[:n_bits // 8]

    def test_scp03_derivation(self):
        """the keys of a card, the session keys and both cryptograms of SCP03, by AES-CMAC and SP 800-108, as openssl computes them"""
        challenges = os.urandom(8) + os.urandom(8)
        for token in self.TOKENS:
            master = os.urandom(32)
            card_key = self.kdf(functools.partial(self.cmac_of_openssl, master), 0x04, 256, self.CUID)
            sealed = self.known(token, master, **aes(32, ["encrypt"]))
            raw = self.kdf(functools.partial(self.cmac, sealed), 0x04, 256, self.CUID)
            self.assertEqual(raw, card_key, token)
            # The raw bytes become keys of the token, and make the session keys.
            card = self.known(token, raw, **aes(32, ["encrypt"]))
            mac_key = self.kdf(functools.partial(self.cmac, card), 0x06, 128, challenges)
            self.assertEqual(mac_key, self.kdf(functools.partial(self.cmac_of_openssl, card_key), 0x06, 128, challenges), token)
            session = self.known(token, mac_key, **aes(16, ["encrypt"]))
            for constant in (0, 1):
                self.assertEqual(self.kdf(functools.partial(self.cmac, session), constant, 64, challenges),
                                 self.kdf(functools.partial(self.cmac_of_openssl, mac_key), constant, 64, challenges), token)

    def test_master(self):
        """a master key that lies on the token derives, encrypts and wraps, and is the same after the worker's death"""
        for token in self.TOKENS:
            self.call("Generate", token=token, nickname="#09#01", template={"type": "des3", "usage": ["encrypt", "decrypt", "wrap", "unwrap", "derive"]})
            name, data = f"{token}:#09#01", os.urandom(16)
            derive = lambda: self.call("Derive", key=name, algorithm="des3_ecb_encrypt_data", data=b64(data),
                                       template={"type": "des2", "usage": ["encrypt"]})["sealed"]
            card = self.cryptogram(name, data)
            first = self.cryptogram(derive(), bytes(8))
            self.assertEqual(first, self.des3(card, bytes(8)), "derived is what the master key encrypts")
            self.daemon.worker(token).kill()
            self.assertEqual(self.cryptogram(derive(), bytes(8)), first)
            plain = self.call("Decrypt", key=name, algorithm="des3_ecb", ciphertext=b64(card))["plaintext"]
            self.assertEqual(unb64(plain), data)

    def test_wraps(self):
        """a session key leaves under a shared secret by DES3-ECB, for the card, and under a public key, for the KRA"""
        storage = self.place.path / "kra.pem"
        run("openssl", "genpkey", *SPKI_OF["rsa"], "-out", storage)
        for token in ("internal", "soft"):
            shared, secret = os.urandom(24), os.urandom(16)
            kek = self.known(token, shared, type="des3", usage=["wrap"])
            key = self.known(token, secret, type="des2", usage=["encrypt"])
            wrapped = unb64(self.call("Wrap", key=kek, algorithm="des3_ecb", secret=key)["wrapped"])
            opened = self.openssl.cipher("des-ede3", shared, wrapped, "-d", "-nopad")
            parity = lambda data: bytes(byte & 0xfe for byte in data)
            self.assertEqual(parity(opened), parity(secret))
            out = self.call("Wrap", publicKey=b64(self.openssl.public(storage)), algorithm="rsa_pkcs1", secret=key)["wrapped"]
            self.assertEqual(parity(self.openssl.decrypt(storage, "rsa_pkcs1", unb64(out))), parity(secret))

    def test_ecdh(self):
        """a secret that is agreed on by ECDH, with a key of the token and a sealed one, is what openssl computes"""
        peer = self.place.path / "peer.pem"
        run("openssl", "genpkey", *SPKI_OF["ec"], "-out", peer)
        spki = self.openssl.public(peer)
        for token in self.TOKENS:
            permanent = self.daemon.call("Generate", token=token, nickname="agrees", type="ec", usage=["derive"])["key"]
            sealed = self.call("Generate", token=token, template={"type": "ec", "usage": ["derive"]})
            for name, public in ((f"{token}:agrees", permanent["publicKey"]), (sealed["sealed"], sealed["publicKey"])):
                secret = run("openssl", "pkeyutl", "-derive", "-inkey", peer, "-peerkey", self.place.write("token.spki", unb64(public)),
                             "-peerform", "DER")
                for given in (spki, spki[-65:]):
                    key = self.call("Derive", key=name, algorithm="ecdh", publicKey=b64(given), template=aes(32, ["encrypt"]))["sealed"]
                    self.assertEqual(unb64(self.call("Encrypt", key=key, algorithm="aes_ecb", plaintext=b64(bytes(16)))["ciphertext"]),
                                     self.openssl.cipher("aes-256-ecb", secret, bytes(16), "-e", "-nopad"))

    def test_ciphers(self):
        """every cipher encrypts as openssl does, and decrypts what it encrypted"""
        names = {"aes_ecb": ("aes-256-ecb", 0), "aes_cbc": ("aes-256-cbc", 16), "aes_cbc_pad": ("aes-256-cbc", 16),
                 "des3_ecb": ("des-ede3", 0), "des3_cbc": ("des-ede3-cbc", 8), "des3_cbc_pad": ("des-ede3-cbc", 8)}
        for token in self.TOKENS:
            secret, des = os.urandom(32), os.urandom(24)
            keys = {"aes": self.known(token, secret, **aes(32)), "des3": self.known(token, des, type="des3", usage=["encrypt", "decrypt"])}
            for algorithm, (name, n_iv) in names.items():
                kind = algorithm.partition("_")[0]
                pads, iv = algorithm.endswith("pad"), os.urandom(n_iv)
                for length in (16, 48, 64 * 1024 - 32) + ((1, 17) if pads else ()):
                    data, more = os.urandom(length), {"iv": b64(iv)} if n_iv else {}
                    out = unb64(self.call("Encrypt", key=keys[kind], algorithm=algorithm, plaintext=b64(data), **more)["ciphertext"])
                    self.assertEqual(hashlib.sha256(out).digest(), hashlib.sha256(self.openssl.cipher(
                        name, des if kind == "des3" else secret, data, "-e", *([] if pads else ["-nopad"]), iv=iv if n_iv else None)).digest(),
                        (token, algorithm, length))
                    self.assertEqual(unb64(self.call("Decrypt", key=keys[kind], algorithm=algorithm, ciphertext=b64(out), **more)["plaintext"]), data)
            for length in (0, 1, 33):
                data, nonce = os.urandom(length), b64(os.urandom(12))
                out = self.call("Encrypt", key=keys["aes"], algorithm="aes_gcm", iv=nonce, plaintext=b64(data), aad=b64(b"aad"))["ciphertext"]
                self.assertEqual(len(unb64(out)), length + 16)
                self.assertEqual(unb64(self.call("Decrypt", key=keys["aes"], algorithm="aes_gcm", iv=nonce, ciphertext=out, aad=b64(b"aad"))["plaintext"]),
                                 data)

# SPDX-License-Identifier: MPL-2.0
"""Secret keys on a token, and sealed keys, which lie nowhere: io.tokend.Secrets on SoftHSM2, on the internal token, and on a
softoken that is loaded as a module."""
import concurrent.futures
import os
import unittest

import varlink
from harness import Case, SoftToken, as_json, public_pem, run, until
from test_faults import FaultyToken, Softoken
from varlink import Client, b64, unb64

S = "io.tokend.Secrets."
PREFIX = "sealed:"
ALL = ["encrypt", "decrypt", "wrap", "unwrap", "derive", "sign"]


def aes(length=32, usage=ALL):
    return {"type": "aes", "length": length, "usage": list(usage)}


def unsealed(sealed):
    return bytearray(unb64(sealed.removeprefix(PREFIX)))


def sealed_of(data):
    return PREFIX + b64(bytes(data))


class Tokens(Case):
    """hsm: SoftHSM2; internal: NSS's own; soft: softoken as a module."""
    TOKENS = ("hsm", "internal", "soft")

    @classmethod
    def configure(cls):
        cls.hsm, cls.soft = FaultyToken(cls.place, "hsm", keys=()), Softoken(cls.place, "soft")
        cls.daemon = cls.start(cls.hsm.section(extra="KeepAlive=1h\n") + cls.soft.section(extra="KeepAlive=1h\n") +
                               f"[Token internal]\nModule=internal\nDirectory={cls.place.path}/internal\n")
        for token in cls.TOKENS:
            cls.daemon.wait_state(token, "ready")

    def call(self, method, **parameters):
        return self.daemon.call(S + method, **{k: v for k, v in parameters.items() if v is not None})

    def sealed(self, token="hsm", **template):
        return self.call("Generate", token=token, template=template or aes())["sealed"]

    def objects(self, token):
        """How many session objects the worker of a token has on its device."""
        self.daemon.ctl("probe", token)
        return getattr(self, token).counts()["objects"]


class Permanent(Tokens):
    def test_types(self):
        """secrets of every type are made on a token, listed with what they are, and deleted"""
        for token in self.TOKENS:
            made = {}
            for kind, length in (("aes", 16), ("aes", 24), ("aes", 32), ("des2", 16), ("des3", 24), ("generic", 20)):
                template = {"type": kind, "usage": ["derive", "encrypt"]}
                if kind in ("aes", "generic"):
                    template["length"] = length
                secret = self.call("Generate", token=token, nickname=f"{kind} {length}", template=template)["secret"]
                self.assertEqual((secret["token"], secret["nickname"], secret["type"], secret["length"]),
                                 (token, f"{kind} {length}", kind, length))
                self.assertEqual((sorted(secret["usage"]), secret["sensitive"], secret["extractable"], secret["neverExtractable"]),
                                 (["derive", "encrypt"], True, False, True))
                self.assertTrue(secret["local"] or token != "hsm", "softoken does not say it")
                made[secret["nickname"]] = secret
            listed = self.call("List", token=token)["secrets"]
            self.assertEqual({s["nickname"]: s for s in listed if s["nickname"] in made}, made)
            self.assertEqual(self.call("List", token=token, nickname="des2 16")["secrets"], [made["des2 16"]])
            for nickname in made:
                self.call("Delete", secret=f"{token}:{nickname}")
            self.assertFalse(made.keys() & {s["nickname"] for s in self.call("List", token=token)["secrets"]})
            self.fails("SecretNotFound", self.call, "Delete", secret=f"{token}:aes 16")

    def test_names(self):
        """a nickname is one thing's: a key's, a certificate's or a secret's"""
        for token in self.TOKENS:
            self.daemon.call("Generate", token=token, nickname="taken", type="ec")
            self.fails("NicknameExists", self.call, "Generate", token=token, nickname="taken", template=aes())
            self.call("Generate", token=token, nickname="mine", template=aes())
            self.fails("NicknameExists", self.daemon.call, "Generate", token=token, nickname="mine", type="ec")
            self.fails("KeyNotFound", self.daemon.call, "Get", key=f"{token}:mine")
            self.fails("SecretNotFound", self.call, "Encrypt", key=f"{token}:taken", algorithm="aes_ecb", plaintext=b64(bytes(16)))

    def test_ids(self):
        """a secret has the id that was given, or one of its own, and is found by it; an id that something has is refused"""
        for token in self.TOKENS:
            given = self.call("Generate", token=token, nickname="by id", template=aes(), id="0a0b")["secret"]
            other = self.call("Generate", token=token, nickname="by chance", template=aes())["secret"]
            self.assertEqual((given["id"], len(other["id"])), ("0a0b", 32))
            self.assertEqual(self.call("List", token=token, nickname="by id")["secrets"], [given])
            for taken in ("0a0b", other["id"]):
                error = self.fails("InvalidParameter", self.call, "Generate", token=token, nickname="second", template=aes(), id=taken)
                self.assertEqual(error["parameter"], "id")
        named, found = (self.call("Encrypt", key=key, algorithm="aes_ecb", plaintext=b64(bytes(16)))["ciphertext"]
                        for key in ("hsm:by id", "pkcs11:token=hsm;id=%0a%0b"))
        self.assertEqual(named, found)
        for wrong in ("0", "0g", "ab" * 65, "0a0"):
            error = self.fails("InvalidParameter", self.call, "Generate", token="hsm", nickname="third", template=aes(), id=wrong)
            self.assertEqual(error["parameter"], "id")
        error = self.fails("InvalidParameter", self.call, "Generate", token="hsm", template=aes(), id="0c")
        self.assertEqual(error["parameter"], "id")

    def test_never_wrapped(self):
        """a secret that lies on a token is never wrapped, and no key of the token is"""
        self.call("Generate", token="hsm", nickname="stays", template=aes())
        self.daemon.call("Generate", token="hsm", nickname="pair", type="rsa", size=2048)
        for secret in ("hsm:stays", "hsm:pair", "stays"):
            self.fails("InvalidParameter", self.call, "Wrap", key=self.sealed(), algorithm="aes_kwp", secret=secret)

    def test_never_copied(self):
        """no derivation copies bytes of a key that lies on a token into one that may leave it, and the device is not asked"""
        for token in ("internal", "soft"):
            for template in ({"type": "generic", "length": 32, "usage": ["derive"]}, {"type": "des2", "usage": ["derive"]}):
                self.call("Generate", token=token, nickname=f"copied {template['type']}", template=template)
            other = self.sealed(token, type="generic", length=16, usage=["derive"])
            asked = lambda: token == "soft" and self.soft.counts().get("C_DeriveKey", 0)
            before = asked()
            for nickname in ("copied generic", "copied des2"):
                for more in ({"algorithm": "extract"}, {"algorithm": "concatenate", "other": other}):
                    error = self.fails("AlgorithmNotSupported", self.call, "Derive", key=f"{token}:{nickname}",
                                       template={"type": "generic", "length": 16, "usage": ["sign"]}, **more)
                    self.assertEqual(error["algorithm"], more["algorithm"])
            self.assertEqual(asked(), before)

    def test_refused(self):
        """what no key can be is refused by the name of the parameter, and nothing is made"""
        bad = [{"type": "aes", "length": 17, "usage": ["wrap"]}, {"type": "aes", "usage": ["wrap"]}, {"type": "des3", "length": 16, "usage": ["wrap"]},
               {"type": "generic", "length": 0, "usage": ["derive"]}, {"type": "generic", "length": 513, "usage": ["derive"]},
               {"type": "aes", "length": 16, "usage": ["list"]}, {"type": "aes", "length": 16, "usage": [], "curve": "secp256r1"},
               {"type": "rc4", "length": 16, "usage": ["wrap"]}, {"type": "aes", "length": 16}, {"type": "rsa", "size": 1024, "usage": ["sign"]},
               {"type": "rsa", "size": 2049, "usage": ["sign"]}, {"type": "rsa", "size": 2048, "usage": ["encrypt"]},
               {"type": "ec", "curve": "ed25519", "usage": ["sign"]}, {"type": "ec", "size": 256, "usage": ["sign"]},
               {"type": "aes", "length": 16, "usage": ["wrap"], "more": 1}, []]
        for template in bad:
            error = self.fails("InvalidParameter", self.call, "Generate", token="hsm", template=template)
            self.assertEqual(error["parameter"], "template", template)
        for template in ({"type": "rsa", "size": 2048, "usage": ["sign"]}, {"type": "aes", "length": 16, "usage": []}):
            self.fails("InvalidParameter", self.call, "Generate", token="hsm", nickname="n", template=template)
        error = self.fails("InvalidParameter", self.call, "Generate", token="hsm", nickname="tokend:seal:default", template=aes())
        self.assertEqual(error["parameter"], "nickname")
        self.assertNotIn("n", [s["nickname"] for s in self.call("List", token="hsm")["secrets"]])

    def test_lacks(self):
        """what a token does not make is AlgorithmNotSupported"""
        error = self.fails("AlgorithmNotSupported", self.call, "Generate", token="internal",
                           template={"type": "generic", "length": 512, "usage": ["derive"]})
        self.assertEqual(error["algorithm"], "generic")


class Sealed(Tokens):
    def test_types(self):
        """keys of every type are made sealed, with the public half of a pair, and leave nothing on the token but what is open"""
        for token in self.TOKENS:
            for template in (aes(16), aes(24), aes(32), {"type": "des2", "usage": ALL}, {"type": "des3", "usage": ALL},
                             {"type": "generic", "length": 8, "usage": ["derive"]}, {"type": "generic", "length": 64, "usage": []}):
                made = self.call("Generate", token=token, template=template)
                self.assertTrue(made["sealed"].startswith(PREFIX))
                self.assertEqual((made.get("publicKey"), made.get("secret")), (None, None))
            for template in ({"type": "rsa", "size": 2048, "usage": ["sign"]}, {"type": "ec", "usage": ["sign"]},
                             {"type": "ec", "curve": "secp384r1", "usage": ["sign", "derive"]},
                             {"type": "ec", "curve": "secp521r1", "usage": ["sign"]}):
                pair = self.call("Generate", token=token, template=template)
                algorithm = "rsa_pkcs1_sha256" if template["type"] == "rsa" else "ecdsa_sha256"
                signature = self.call("Sign", key=pair["sealed"], algorithm=algorithm, message=b64(b"m"))["signature"]
                self.assertTrue(self.daemon.call("Verify", publicKey=pair["publicKey"], algorithm=algorithm, message=b64(b"m"),
                                                 signature=signature)["valid"])
                check = self.daemon.call("io.tokend.Certificates.Check", token=token, nicknames=[])
            self.assertEqual(check["found"], [])

    def test_lengths(self):
        """a generic secret that would come back longer is not sealed: SoftHSM2 pads it before it wraps it"""
        for length in (1, 13, 61):
            template = {"type": "generic", "length": length, "usage": ["derive"]}
            self.fails("AlgorithmNotSupported", self.call, "Generate", token="hsm", template=template)
            for token in ("internal", "soft"):
                made = self.call("Generate", token=token, template=template)["sealed"]
                wrapped = self.call("Wrap", key=self.sealed(token), algorithm="aes_cbc_pad", iv=b64(bytes(16)), secret=made)["wrapped"]
                self.assertEqual(len(unb64(wrapped)), (length // 16 + 1) * 16)

    def test_table(self):
        """a key in use is not opened again, and the table of a session stays small"""
        key = self.sealed()
        encrypt = lambda: self.call("Encrypt", key=key, algorithm="aes_ecb", plaintext=b64(bytes(16)))["ciphertext"]
        for _ in range(8):
            encrypt()
        before = self.hsm.counts()
        for _ in range(40):
            encrypt()
        after = self.hsm.counts()
        self.assertLess(after["C_UnwrapKey"] - before["C_UnwrapKey"], 4)
        for _ in range(100):
            self.sealed()
        # LIMIT_OPENED
        self.assertLessEqual(self.objects("hsm"), 32 * 2)

    def test_least_recently_used(self):
        """the key that was used last stays open, however many others come; one that was not used is opened again"""
        token = FaultyToken(self.place, "lru", keys=())
        daemon = self.own(token.section("hsm", "KeepAlive=1h\n", refresh="1h", sessions=2))
        daemon.wait_state("hsm", "ready")
        make = lambda: daemon.call(S + "Generate", template=aes())["sealed"]
        encrypt = lambda key: daemon.call(S + "Encrypt", key=key, algorithm="aes_ecb", plaintext=b64(bytes(16)))
        old, used = make(), make()
        for _ in range(8):
            encrypt(used)
        before = token.counts().get("C_UnwrapKey", 0)
        # Four times LIMIT_OPENED.
        for _ in range(128):
            make()
            encrypt(used)
        self.assertEqual(token.counts().get("C_UnwrapKey", 0), before)
        encrypt(old)
        self.assertEqual(token.counts()["C_UnwrapKey"], before + 1)

    def changed(self, good, n_bits):
        """What of a sealed key somebody may give back: cut, doubled, longer, of another version, with a bit changed at every place."""
        yield from (good[:n] for n in range(0, len(good), 3))
        yield from (good + good, good + b"\0", bytes(70000), good + bytes(70000), bytes([2]) + good[1:], bytes([0]) + good[1:])
        for at in range(len(good)):
            for bit in ([at % 8] if n_bits == 1 else range(8)):
                yield good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1:]

    def test_changed(self):
        """a sealed key of which any bit is changed, or that is cut, doubled, of 100 KiB or of another version, is NotOurSeal on each
        token, and the device is asked for no key"""
        for token, template, method, more in (
                ("hsm", aes(), "Encrypt", {"algorithm": "aes_ecb", "plaintext": b64(bytes(16))}),
                ("internal", aes(), "Encrypt", {"algorithm": "aes_ecb", "plaintext": b64(bytes(16))}),
                ("soft", {"type": "ec", "usage": ["sign"]}, "Sign", {"algorithm": "ecdsa_sha256", "digest": b64(bytes(32))})):
            good = unsealed(self.sealed(token, **template))
            self.call(method, key=sealed_of(good), **more)
            counts = lambda: None if token == "internal" else (getattr(self, token).counts().get("C_UnwrapKey", 0), self.objects(token))
            before, refused = counts(), lambda key: self.fails("NotOurSeal", self.call, method, key=key, **more)
            for data in self.changed(good, 8 if token == "hsm" else 1):
                self.assertIn(refused(sealed_of(data))["token"], self.TOKENS)
            for text in ("sealed:", "sealed:!", "sealed:" + "A" * 100 * 1024, PREFIX + b64(bytes(good))[:-1], "sealed:\u20ac"):
                refused(text)
            self.assertEqual(counts(), before, token)
            self.assertEqual(self.daemon.token(token)["restarts"], 0)
            self.call(method, key=sealed_of(good), **more)

    def test_tokens_of_one_instance(self):
        """a key that was sealed on one token is used on no other, with a secret or a private key of that one"""
        key, data = self.sealed("hsm"), b64(bytes(24))
        self.call("Generate", token="internal", nickname="wraps", template=aes())
        self.addCleanup(self.call, "Delete", secret="internal:wraps")
        self.daemon.call("Generate", token="internal", nickname="unwraps", type="rsa", size=2048, usage=["unwrap"])
        self.addCleanup(self.daemon.call, "Delete", key="internal:unwraps")
        self.fails("NotOurSeal", self.call, "Wrap", key="internal:wraps", algorithm="aes_kwp", secret=key)
        self.fails("NotOurSeal", self.call, "Wrap", key=self.sealed("internal"), algorithm="aes_kwp", secret=key)
        self.fails("NotOurSeal", self.call, "Wrap", key="internal:unwraps", algorithm="rsa_pkcs1", secret=key)
        self.fails("NotOurSeal", self.call, "Derive", key=self.sealed("internal"), algorithm="concatenate", other=key,
                   template={"type": "generic", "length": 64, "usage": []})
        # Renamed in the bytes.
        other = bytes(unsealed(key)).replace(b"hsm\0", b"soft\0")
        other = other[:1] + (5).to_bytes(4, "little") + other[5:]
        self.fails("NotOurSeal", self.call, "Unwrap", key=sealed_of(other), algorithm="aes_kwp", wrapped=data, template=aes(16))

    def test_idle(self):
        """a session without a request for KeepAlive= keeps no key open"""
        token = FaultyToken(self.place, "idle", keys=())
        daemon = self.own(token.section("hsm", "KeepAlive=300ms\n"))
        daemon.wait_state("hsm", "ready")
        key = daemon.call(S + "Generate", template=aes())["sealed"]
        destroyed = token.counts()["C_DestroyObject"]
        daemon.call(S + "Encrypt", key=key, algorithm="aes_ecb", plaintext=b64(bytes(16)))
        until(lambda: token.counts()["C_DestroyObject"] > destroyed, "what was open is closed")
        token.settled()
        daemon.ctl("probe", "hsm")
        self.assertEqual(token.counts()["objects"], 0)
        daemon.call(S + "Encrypt", key=key, algorithm="aes_ecb", plaintext=b64(bytes(16)))

    def test_limits(self):
        """each limit is reached: LIMIT_SEALED, LIMIT_WRAPPED, LIMIT_CIPHER, LIMIT_CIPHER_AAD, LIMIT_DERIVE_DATA, LIMIT_GENERIC_SECRET,
        LIMIT_SEALED_RSA_BITS_MIN"""
        key, gcm = self.sealed(), {"algorithm": "aes_gcm", "iv": b64(bytes(12))}
        good = self.call("Encrypt", key=key, **gcm, plaintext=b64(bytes(65536)))["ciphertext"]
        self.assertEqual(len(unb64(good)), 65536 + 16)
        self.call("Encrypt", key=key, **gcm, plaintext="", aad=b64(bytes(16384)))
        refused = lambda parameter, method, **more: self.assertEqual(
            self.fails("InvalidParameter", self.call, method, key=key, **more)["parameter"], parameter)
        refused("plaintext", "Encrypt", **gcm, plaintext=b64(bytes(65537)))
        refused("aad", "Encrypt", **gcm, plaintext="", aad=b64(bytes(16385)))
        # LIMIT_CIPHERTEXT
        self.assertEqual(unb64(self.call("Decrypt", key=key, **gcm, ciphertext=good)["plaintext"]), bytes(65536))
        refused("ciphertext", "Decrypt", algorithm="aes_ecb", ciphertext=b64(bytes(65568)))
        derive = {"algorithm": "aes_ecb_encrypt_data", "template": {"type": "generic", "length": 512, "usage": []}}
        self.call("Derive", key=key, **derive, data=b64(bytes(512)))
        refused("data", "Derive", **derive, data=b64(bytes(528)))
        refused("template", "Derive", algorithm="aes_ecb_encrypt_data", data=b64(bytes(512)),
                template={"type": "generic", "length": 513, "usage": []})
        for size, parameter in ((1023, "template"), (1024, "wrapped")):
            refused(parameter, "Unwrap", algorithm="aes_kwp", wrapped=b64(bytes(648)), template={"type": "rsa", "size": size, "usage": []})
        refused("wrapped", "Unwrap", algorithm="aes_kwp", wrapped=b64(bytes(8192)), template={"type": "rsa", "usage": []})
        refused("wrapped", "Unwrap", algorithm="aes_kwp", wrapped=b64(bytes(8200)), template={"type": "rsa", "usage": []})
        for length in (8192, 8193):
            self.fails("NotOurSeal", self.call, "Encrypt", key=sealed_of(b"\1" * length), algorithm="aes_ecb", plaintext=b64(bytes(16)))
        pair = self.sealed(type="rsa", size=4096, usage=["sign"])
        self.assertLess(len(unsealed(pair)), 8192)

    def test_usage(self):
        """a usage that a sealed key does not have is PermissionDenied, by its name"""
        key, data = self.sealed(**aes(usage=["encrypt"])), b64(bytes(16))
        self.call("Encrypt", key=key, algorithm="aes_ecb", plaintext=data)
        for word, method, more in (("decrypt", "Decrypt", {"algorithm": "aes_ecb", "ciphertext": data}),
                                   ("wrap", "Wrap", {"algorithm": "aes_kwp", "secret": self.sealed()}),
                                   ("unwrap", "Unwrap", {"algorithm": "aes_kwp", "wrapped": b64(bytes(24)), "template": aes(16)}),
                                   ("derive", "Derive", {"algorithm": "aes_ecb_encrypt_data", "data": data, "template": aes(16)})):
            error = self.fails("PermissionDenied", self.call, method, key=key, **more)
            self.assertEqual(error["operation"], word)
        pair = self.sealed(type="ec", usage=["derive"])
        error = self.fails("PermissionDenied", self.call, "Sign", key=pair, algorithm="ecdsa_sha256", message=b64(b"m"))
        self.assertEqual(error["operation"], "sign")


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Instances(Case):
    KRA, TKS, POOR = 61011, 61012, 61013
    RIGHTS = "generate wrap unwrap derive encrypt decrypt sign list delete"

    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        instances = (f"[Instance kra]\nUser={cls.KRA}\nKeys=kra*\nAllow={cls.RIGHTS}\n"
                     f"[Instance tks]\nUser={cls.TKS}\nKeys=tks*\nAllow={cls.RIGHTS}\n"
                     f"[Instance poor]\nUser={cls.POOR}\nKeys=*\n")
        cls.daemon = cls.start(cls.token.section(), instances=instances)

    def as_user(self, uid, method, **parameters):
        with Client(sock=varlink.connect_as(self.daemon.socket, uid, uid)) as client:
            return client.call(S + method, **parameters)

    def test_instances(self):
        """a sealed key opens for the instance that it was sealed for, and for no other, open or not"""
        kra, tks = (self.as_user(uid, "Generate", template=aes())["sealed"] for uid in (self.KRA, self.TKS))
        use = lambda uid, key: self.as_user(uid, "Encrypt", key=key, algorithm="aes_ecb", plaintext=b64(bytes(16)))
        for _ in range(6):
            use(self.KRA, kra)
            use(self.TKS, tks)
            self.fails("NotOurSeal", use, self.TKS, kra)
            self.fails("NotOurSeal", use, self.KRA, tks)
        data = unsealed(kra)
        data[data.index(b"kra"):][:3] = b"tks"
        at = data.index(b"kra")
        data[at:at + 3] = b"tks"
        self.fails("NotOurSeal", use, self.TKS, sealed_of(data))
        labels = self.token.tool("--list-objects", "--type", "secrkey")
        for label in ("tokend:seal:kra", "tokend:mac:kra", "tokend:seal:tks", "tokend:mac:tks"):
            self.assertEqual(labels.count(f"label:      {label}\n"), 1, labels)

    def test_rights(self):
        """each method needs its right, and none is among the default ones but list and sign"""
        key = self.as_user(self.KRA, "Generate", template=aes())["sealed"]
        data = b64(bytes(16))
        for right, method, more in (("generate", "Generate", {"template": aes()}),
                                    ("unwrap", "Unwrap", {"key": key, "algorithm": "aes_kwp", "wrapped": data, "template": aes()}),
                                    ("wrap", "Wrap", {"key": key, "algorithm": "aes_kwp", "secret": key}),
                                    ("derive", "Derive", {"key": key, "algorithm": "extract", "template": aes()}),
                                    ("encrypt", "Encrypt", {"key": key, "algorithm": "aes_ecb", "plaintext": data}),
                                    ("decrypt", "Decrypt", {"key": key, "algorithm": "aes_ecb", "ciphertext": data})):
            error = self.fails("PermissionDenied", self.as_user, self.POOR, method, **more)
            self.assertEqual(error["operation"], right)
        self.as_user(self.KRA, "Generate", nickname="kra master", template=aes())
        error = self.fails("PermissionDenied", self.as_user, self.POOR, "Delete", secret="kra master")
        self.assertEqual(error["operation"], "delete")
        self.fails("SecretNotFound", self.as_user, self.TKS, "Delete", secret="kra master")
        self.fails("SecretNotFound", self.as_user, self.TKS, "Encrypt", key="kra master", algorithm="aes_ecb", plaintext=data)
        self.fails("PermissionDenied", self.as_user, self.TKS, "Generate", nickname="kra 2", template=aes())
        self.assertEqual(self.as_user(self.TKS, "List")["secrets"], [])


class Lives(Case):
    """Each test has a daemon of its own."""

    def begin(self, label="hsm", **options):
        self.token = FaultyToken(self.place, label, keys=())
        self.daemon = self.own(self.token.section("hsm", "KeepAlive=1h\n", **options))
        self.daemon.wait_state("hsm", "ready")

    def call(self, method, **parameters):
        return self.daemon.call(S + method, **parameters)

    def encrypt(self, key):
        return self.call("Encrypt", key=key, algorithm="aes_ecb", plaintext=b64(bytes(16)))["ciphertext"]

    def test_restarts(self):
        """a sealed key opens after the worker, the broker and the daemon were started anew"""
        self.begin("restarts")
        key = self.call("Generate", template=aes())["sealed"]
        answer = self.encrypt(key)
        worker = self.daemon.worker()
        worker.kill()
        until(worker.gone, "the worker is gone")
        self.assertEqual(self.encrypt(key), answer)
        broker = self.daemon.broker()
        broker.kill()
        until(broker.gone, "the broker is gone")
        self.daemon.wait_state("hsm", "ready")
        self.assertEqual(self.encrypt(key), answer)
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(self.encrypt(key), answer)

    def test_other_token(self):
        """a key that was sealed on another token is NotOurSeal, though that token is called the same"""
        self.begin("first")
        key = self.call("Generate", template=aes())["sealed"]
        self.daemon.stop()
        self.begin("second")
        self.fails("NotOurSeal", self.encrypt, key)
        self.encrypt(self.call("Generate", template=aes())["sealed"])
        self.fails("NotOurSeal", self.encrypt, key)

    def test_repeated(self):
        """what a worker's death interrupts is done by the next one: making, wrapping, unwrapping, deriving, encrypting"""
        self.begin("repeated")
        key = self.call("Generate", template=aes())["sealed"]
        wrapped = self.call("Wrap", key=key, algorithm="aes_kwp", secret=key)["wrapped"]
        data = b64(bytes(16))
        for function, call in (("C_GenerateKey", lambda: self.call("Generate", template=aes())),
                               ("C_WrapKey", lambda: self.call("Wrap", key=key, algorithm="aes_kwp", secret=key)),
                               ("C_UnwrapKey", lambda: self.call("Unwrap", key=key, algorithm="aes_kwp", wrapped=wrapped, template=aes())),
                               ("C_DeriveKey", lambda: self.call("Derive", key=key, algorithm="aes_ecb_encrypt_data", data=data, template=aes(16))),
                               ("C_Encrypt", lambda: self.encrypt(key))):
            restarts = self.daemon.token("hsm")["restarts"]
            self.token.set(f"{function} crash count=1")
            call()
            self.assertEqual(self.daemon.token("hsm")["restarts"], restarts + 1, function)
            self.token.set(f"{function} ckr=0x30 count=1")
            call()
            self.token.set(f"{function} closeall count=1")
            call()
            self.token.set()

    def test_crash_while_made(self):
        """the worker dies at each step of the making of the keys that seal: there is one of each afterwards, and no claim"""
        for function in ("C_GenerateKey", "C_CreateObject", "C_DestroyObject"):
            for skip in range(2):
                for side in ("", " after"):
                    label = f"made{function}{skip}{len(side)}"
                    self.begin(label)
                    self.token.set(f"{function} crash skip={skip} count=1{side}")
                    key = self.call("Generate", template=aes())["sealed"]
                    self.token.set()
                    self.encrypt(key)
                    listed = self.token.tool("--list-objects")
                    for name in ("seal", "mac"):
                        self.assertEqual(listed.count(f"label:      tokend:{name}:default\n"), 1, (label, listed))
                    self.assertNotIn("Data object", listed, label)
                    self.daemon.stop()

    def test_two_hosts(self):
        """two daemons of one token make the keys that seal at the same moment: there is one of each, and each opens what the other sealed"""
        token = SoftToken(self.place, "shared")
        daemons = [self.own(token.section("hsm"), name=f"host{n}") for n in range(2)]
        for daemon in daemons:
            daemon.wait_state("hsm", "ready")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            sealed = list(pool.map(lambda daemon: daemon.call(S + "Generate", template=aes())["sealed"], daemons))
        answers = [[daemon.call(S + "Encrypt", key=key, algorithm="aes_ecb", plaintext=b64(bytes(16))) for daemon in daemons]
                   for key in sealed]
        for ours, theirs in answers:
            self.assertEqual(ours, theirs)
        listed = token.tool("--list-objects")
        for name in ("seal", "mac"):
            self.assertEqual(listed.count(f"label:      tokend:{name}:default\n"), 1, listed)

    def test_deleted_elsewhere(self):
        """a secret that another program has deleted is SecretNotFound, whatever was asked of it; no parameter is blamed"""
        self.begin("deleted", refresh="1h")
        key, data = self.call("Generate", template=aes())["sealed"], b64(bytes(16))
        wrapped = self.call("Wrap", key=key, algorithm="aes_kwp", secret=key)["wrapped"]
        for method, more in (("Encrypt", {"algorithm": "aes_ecb", "plaintext": data}), ("Wrap", {"algorithm": "aes_kwp", "secret": key}),
                             ("Unwrap", {"algorithm": "aes_kwp", "wrapped": wrapped, "template": aes()}),
                             ("Derive", {"algorithm": "aes_ecb_encrypt_data", "data": data, "template": aes(16)})):
            self.call("Generate", nickname="master", template=aes())
            self.token.tool("--delete-object", "--type", "secrkey", "--label", "master")
            self.assertEqual(self.fails("SecretNotFound", self.call, method, key="hsm:master", **more), {"secret": "hsm:master"}, method)
        self.assertEqual(self.daemon.token("hsm")["restarts"], 0, self.daemon.log_text())

    def test_foreign(self):
        """a key under the label of one that seals, which could be read or does more, seals nothing, and the log says why"""
        self.begin("foreign")
        self.token.tool("--keygen", "--key-type", "AES:32", "--label", "tokend:seal:default", "--id", "00" * 16, "--extractable")
        until(lambda: self.fails("TokenError", self.call, "Generate", template=aes()), "it is seen")
        self.assertIn("tokend did not make the key tokend:seal:default", self.daemon.log_text())


class BadInput(Tokens):
    """Each is a named error, leaves nothing on the token, and ends no worker."""

    @classmethod
    def configure(cls):
        super().configure()
        for token in cls.TOKENS:
            cls.daemon.call("Generate", token=token, nickname="transport", type="rsa", size=2048, usage=["unwrap"])

    def check(self, token, cases):
        """cases: (error, its parameter or None, method, parameters)."""
        key = self.sealed(token)
        self.call("Encrypt", key=key, algorithm="aes_ecb", plaintext=b64(bytes(16)))
        for error, parameter, method, more in cases:
            for _ in range(3):
                with self.subTest(token=token, method=method, **{k: v for k, v in more.items() if k != "key"}):
                    answer = self.fails(error, self.call, method, **{"key": key, **more})
                if parameter:
                    self.assertEqual(answer["parameter"], parameter, (token, method, more))
        if token != "internal":
            first = self.objects(token)
            for _ in range(12):
                for error, parameter, method, more in cases:
                    self.fails(error, self.call, method, **{"key": key, **more})
            # The keys themselves, five at most, may be open on a second session by now.
            self.assertLessEqual(self.objects(token), first + 5, token)
        status = self.daemon.token(token)
        self.assertEqual((status["restarts"], status.get("lastError")), (0, None), self.daemon.log_text())

    def test_ciphers(self):
        """ciphertext of a wrong length, an IV of a wrong length, a wrong padding, and GCM with a wrong tag"""
        for token in self.TOKENS:
            iv, gcm = b64(bytes(16)), b64(bytes(12))
            key = self.sealed(token)
            good = unb64(self.call("Encrypt", key=key, algorithm="aes_gcm", iv=gcm, plaintext=b64(b"m" * 40), aad=b64(b"a"))["ciphertext"])
            self.assertEqual(unb64(self.call("Decrypt", key=key, algorithm="aes_gcm", iv=gcm, ciphertext=b64(good), aad=b64(b"a"))["plaintext"]),
                             b"m" * 40)
            wrong = good[:-1] + bytes([good[-1] ^ 1])
            unpadded = self.call("Encrypt", key=key, algorithm="aes_cbc", iv=iv, plaintext=b64(bytes(32)))["ciphertext"]
            bad = lambda *parts: ("InvalidParameter", *parts)
            self.check(token, [
                bad("plaintext", "Encrypt", {"algorithm": "aes_ecb", "plaintext": b64(bytes(17))}),
                bad("plaintext", "Encrypt", {"algorithm": "aes_cbc", "iv": iv, "plaintext": b64(bytes(15))}),
                bad("plaintext", "Encrypt", {"algorithm": "aes_ecb", "plaintext": ""}),
                bad("ciphertext", "Decrypt", {"algorithm": "aes_cbc_pad", "iv": iv, "ciphertext": b64(bytes(15))}),
                bad("ciphertext", "Decrypt", {"algorithm": "aes_cbc_pad", "iv": iv, "ciphertext": ""}),
                bad("ciphertext", "Decrypt", {"key": key, "algorithm": "aes_cbc_pad", "iv": iv, "ciphertext": unpadded}),
                bad("iv", "Encrypt", {"algorithm": "aes_cbc", "iv": b64(bytes(15)), "plaintext": b64(bytes(16))}),
                bad("iv", "Encrypt", {"algorithm": "aes_cbc", "plaintext": b64(bytes(16))}),
                bad("iv", "Encrypt", {"algorithm": "aes_ecb", "iv": iv, "plaintext": b64(bytes(16))}),
                bad("iv", "Encrypt", {"algorithm": "aes_gcm", "iv": iv, "plaintext": b64(bytes(16))}),
                bad("aad", "Encrypt", {"algorithm": "aes_ecb", "plaintext": b64(bytes(16)), "aad": iv}),
                bad("ciphertext", "Decrypt", {"key": key, "algorithm": "aes_gcm", "iv": gcm, "ciphertext": b64(wrong), "aad": b64(b"a")}),
                bad("ciphertext", "Decrypt", {"key": key, "algorithm": "aes_gcm", "iv": gcm, "ciphertext": b64(good), "aad": b64(b"b")}),
                bad("ciphertext", "Decrypt", {"key": key, "algorithm": "aes_gcm", "iv": gcm, "ciphertext": b64(bytes(15))}),
                bad("algorithm", "Encrypt", {"algorithm": "aes_kw", "plaintext": b64(bytes(16))}),
                bad("algorithm", "Encrypt", {"algorithm": "", "plaintext": b64(bytes(16))}),
                ("AlgorithmNotSupported", None, "Encrypt", {"algorithm": "des3_ecb", "plaintext": b64(bytes(16))}),
            ])

    def by_transport(self, token, secret, padding="pkcs1"):
        """The secret, encrypted by openssl for the transport key."""
        spki = unb64(self.daemon.call("Get", key=f"{token}:transport")["key"]["publicKey"])
        return b64(run("openssl", "pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", self.place.write("t.spki", spki),
                       "-in", self.place.write("t.secret", secret), "-pkeyopt", f"rsa_padding_mode:{padding}"))

    def test_unwrap_rsa(self):
        """with RSA it is one error, whether nothing, too much or no key comes out, and no error of the token"""
        for token in self.TOKENS:
            for algorithm, padding in (("rsa_pkcs1", "pkcs1"), ("rsa_oaep_sha1", "oaep")):
                for wrapped in (self.by_transport(token, b"", padding), self.by_transport(token, bytes(40), padding), b64(b"\xff" * 256)):
                    for template in (aes(16), {"type": "generic", "length": 16, "usage": []}):
                        with self.subTest(token=token, algorithm=algorithm, template=template, wrapped=wrapped):
                            error = self.fails("InvalidParameter", self.call, "Unwrap", key=f"{token}:transport", algorithm=algorithm,
                                               wrapped=wrapped, template=template)
                            self.assertEqual(error["parameter"], "wrapped")
            status = self.daemon.token(token)
            self.assertEqual((status["restarts"], status.get("lastError")), (0, None), self.daemon.log_text())

    def test_unwrap(self):
        """wrapped bytes that are no key, and a template that does not fit what came out"""
        for token in self.TOKENS:
            key = self.sealed(token)
            wrap = lambda secret: self.call("Wrap", key=key, algorithm="aes_kwp", secret=secret)["wrapped"]
            short = wrap(self.sealed(token, **aes(16)))
            pair = wrap(self.sealed(token, type="ec", usage=["sign"]))
            # Whatever the token tells of the length of what came out.
            other = self.by_transport(token, os.urandom(20))
            changed = unb64(short)
            changed = b64(changed[:5] + bytes([changed[5] ^ 1]) + changed[6:])
            modulus = self.daemon.call("Get", key=f"{token}:transport")["key"]
            unwrap = lambda error, parameter, template, **more: (error, parameter, "Unwrap",
                                                                 {"key": key, "algorithm": "aes_kwp", "template": template, **more})
            bad = lambda *parts, **more: unwrap("InvalidParameter", *parts, **more)
            self.assertEqual(modulus["size"], 2048)
            self.check(token, [
                bad("wrapped", aes(16), wrapped=changed),
                bad("wrapped", aes(16), wrapped=b64(bytes(24))),
                bad("wrapped", aes(16), wrapped=b64(bytes(23))),
                bad("template", aes(32), wrapped=short),
                *[bad("wrapped", template, key=f"{token}:transport", algorithm="rsa_pkcs1", wrapped=other)
                  for template in (aes(16), aes(24), aes(32), {"type": "des2", "usage": []}, {"type": "des3", "usage": []})],
                bad("wrapped", {"type": "rsa", "usage": ["sign"]}, wrapped=b64(bytes(800))),
                bad("template", aes(16), wrapped=pair),
                bad("iv", aes(16), wrapped=short, iv=b64(bytes(8))),
                bad("label", aes(16), wrapped=short, label=b64(bytes(8))),
                bad("wrapped", aes(16), key=f"{token}:transport", algorithm="rsa_pkcs1", wrapped=b64(b"\x01" * 256)),
                bad("wrapped", aes(16), key=f"{token}:transport", algorithm="rsa_pkcs1", wrapped=b64(b"\x01" * 255)),
                bad("wrapped", aes(16), key=f"{token}:transport", algorithm="rsa_oaep_sha1", wrapped=b64(b"\x01" * 256)),
                unwrap("AlgorithmNotSupported", None, {"type": "rsa", "usage": ["sign"]}, wrapped=pair, algorithm="aes_kw"),
                unwrap("AlgorithmNotSupported", None, {"type": "rsa", "usage": ["sign"]}, wrapped=pair, algorithm="rsa_pkcs1",
                       key=f"{token}:transport"),
                unwrap("KeyNotFound", None, aes(16), wrapped=pair, algorithm="rsa_pkcs1", key=f"{token}:nothing"),
                unwrap("SecretNotFound", None, aes(16), wrapped=pair, key=f"{token}:nothing"),
            ])
            # An EC key whose template says RSA: tokens find that at one step or another.
            for template in ({"type": "rsa", "usage": ["sign"]}, {"type": "ec", "curve": "secp384r1", "usage": ["sign"]}):
                error = self.fails("InvalidParameter", self.call, "Unwrap", key=key, algorithm="aes_kwp", wrapped=pair, template=template)
                self.assertIn(error["parameter"], ("wrapped", "template"))
            self.assertEqual(self.daemon.token(token)["restarts"], 0, self.daemon.log_text())

    def test_derive(self):
        """data, bits and keys that do not fit"""
        for token in self.TOKENS:
            bad = lambda parameter, **more: ("InvalidParameter", parameter, "Derive", {"template": aes(16), **more})
            cases = [bad("data", algorithm="aes_ecb_encrypt_data", data=b64(bytes(17))), bad("data", algorithm="aes_ecb_encrypt_data", data=""),
                     bad("data", algorithm="aes_ecb_encrypt_data"), bad("template", algorithm="aes_ecb_encrypt_data", data=b64(bytes(16)), template=aes(32)),
                     bad("other", algorithm="aes_ecb_encrypt_data", data=b64(bytes(16)), other=self.sealed(token)),
                     bad("template", algorithm="aes_ecb_encrypt_data", data=b64(bytes(16)), template={"type": "rsa", "usage": ["sign"]}),
                     bad("other", algorithm="concatenate"), bad("publicKey", algorithm="ecdh", key="hsm:transport"),
                     bad("bit", algorithm="aes_ecb_encrypt_data", data=b64(bytes(16)), bit=1)]
            if token == "hsm":
                cases += [("AlgorithmNotSupported", None, "Derive", {"algorithm": "extract", "template": aes(16)}),
                          ("AlgorithmNotSupported", None, "Derive", {"algorithm": "concatenate", "other": self.sealed(token), "template": aes(16)})]
            else:
                cases += [bad("bit", algorithm="extract", bit=129), bad("bit", algorithm="extract", bit=2 ** 31 - 1),
                          bad("template", algorithm="concatenate", other=self.sealed(token, **aes(16)),
                              template={"type": "generic", "length": 49, "usage": []})]
            self.check(token, cases)
            pair = self.sealed(token, type="ec", usage=["derive"])
            for point in (b"", b"\x04" + bytes(64), b"\x04" + b"\x01" * 64, bytes(65), b"\x02" + b"\x01" * 32):
                self.fails("InvalidParameter", self.call, "Derive", key=pair, algorithm="ecdh", publicKey=b64(point),
                           template={"type": "generic", "length": 32, "usage": ["derive"]})
            self.assertEqual(self.daemon.token(token)["restarts"], 0, self.daemon.log_text())

    def test_wrap(self):
        """exactly one wrapping key, and a key that the algorithm wraps"""
        for token in self.TOKENS:
            secret, spki = self.sealed(token), self.daemon.call("Get", key=f"{token}:transport")["key"]["publicKey"]
            ec = self.call("Generate", token=token, template={"type": "ec", "usage": ["sign"]})
            self.check(token, [
                ("InvalidParameter", "publicKey", "Wrap", {"algorithm": "rsa_pkcs1", "publicKey": spki, "secret": secret}),
                ("InvalidParameter", "publicKey", "Wrap", {"key": None, "algorithm": "rsa_pkcs1", "publicKey": b64(unb64(spki)[:-1]), "secret": secret}),
                ("InvalidParameter", "key", "Wrap", {"key": None, "algorithm": "rsa_pkcs1", "secret": secret}),
                ("AlgorithmNotSupported", None, "Wrap", {"key": None, "algorithm": "rsa_pkcs1", "publicKey": ec["publicKey"], "secret": secret}),
                ("AlgorithmNotSupported", None, "Wrap", {"key": None, "algorithm": "aes_kwp", "publicKey": spki, "secret": secret}),
                ("AlgorithmNotSupported", None, "Wrap", {"key": None, "algorithm": "rsa_pkcs1", "publicKey": spki, "secret": ec["sealed"]}),
                ("AlgorithmNotSupported", None, "Wrap", {"algorithm": "aes_kw", "secret": ec["sealed"]}),
                *[("AlgorithmNotSupported", None, "Wrap", {"algorithm": "aes_kw", "secret": self.sealed(token, type="generic", length=20, usage=[])})
                  for token in [token] if token != "hsm"],
                ("InvalidParameter", "iv", "Wrap", {"algorithm": "aes_kwp", "secret": secret, "iv": b64(bytes(8))}),
                ("InvalidParameter", "algorithm", "Wrap", {"algorithm": "aes_gcm", "secret": secret}),
                ("NotOurSeal", None, "Wrap", {"algorithm": "aes_kwp", "secret": "sealed:AAAA"}),
            ])
            self.assertEqual(len(unb64(self.call("Wrap", key=f"{token}:transport", algorithm="rsa_pkcs1", secret=secret)["wrapped"])), 256)


class Ctl(Case):
    """tokendctl secrets, secret-generate, secret-delete, unwrap, wrap and encrypt; decrypt, derive and sign with such keys."""

    @classmethod
    def configure(cls):
        cls.daemon = cls.start(f"[Token internal]\nModule=internal\nDirectory={cls.place.path}/internal\n")

    def file(self, name):
        return str(self.place.path / name)

    def make(self, name, kind, usage, *more):
        """Returns how the key is named."""
        self.daemon.ctl("secret-generate", "--type", kind, "--usage", usage, *more, "--out", self.file(name))
        return "@" + self.file(name)

    def test_verbs(self):
        """a sealed key goes by way of files, wrapped and back; a secret on the token is listed; both encrypt alike where they are alike"""
        file = self.file
        kek = self.make("kek", "aes", "wrap,unwrap", "--length", "32")
        key = self.make("key", "aes", "encrypt", "--length", "16")
        self.assertEqual(os.stat(file("key")).st_mode & 0o777, 0o600)
        self.daemon.ctl("wrap", key, kek, "--algorithm", "aes_kwp", "--out", file("wrapped"))
        self.daemon.ctl("unwrap", kek, "--algorithm", "aes_kwp", "--type", "aes", "--length", "16", "--usage", "encrypt",
                        "--in", file("wrapped"), "--out", file("back"))
        self.place.write("plain", bytes(16))
        encrypt = lambda key: self.daemon.ctl("encrypt", key, "--algorithm", "aes_cbc", "--iv", "00" * 16, "--in", file("plain"), text=False)
        self.assertEqual(encrypt(key), encrypt("@" + file("back")))
        self.daemon.ctl("secret-generate", "internal:master", "--type", "aes", "--length", "16", "--usage", "encrypt,decrypt", "--id", "0a0b")
        self.assertIn("master", self.daemon.ctl("secrets"))
        self.assertEqual(len(encrypt("internal:master")), 16)
        padded = lambda *algorithm: self.daemon.ctl("encrypt", "internal:master", *algorithm, "--iv", "00" * 16, "--in", file("plain"), text=False)
        self.assertEqual(padded(), padded("--algorithm", "aes_cbc_pad"))
        self.assertNotEqual(encrypt("internal:master"), encrypt(key))
        self.assertEqual(self.daemon.ctl("secret-delete", "internal:master", check=False).returncode, 2)
        self.daemon.ctl("secret-delete", "internal:master", "--yes")
        self.assertNotIn("master", self.daemon.ctl("secrets"))
        self.assertEqual(self.daemon.ctl("secret-delete", "internal:master", "--yes", check=False).returncode, 1)

    def test_decrypt(self):
        """decrypt gives what encrypt was given, into a file that is its user's alone; another aad or another key does not"""
        key, plain = self.make("cipher", "aes", "encrypt,decrypt", "--length", "32"), self.place.write("text", b"a text")
        gcm = ("--algorithm", "aes_gcm", "--iv", "00" * 12)
        self.daemon.ctl("encrypt", key, *gcm, "--aad", "0102", "--in", plain, "--out", self.file("ciphertext"))
        decrypt = lambda *more, **options: self.daemon.ctl("decrypt", key, *gcm, *more, "--in", self.file("ciphertext"), **options)
        decrypt("--aad", "0102", "--out", self.file("decrypted"))
        self.assertEqual((self.place.path / "decrypted").read_bytes(), b"a text")
        self.assertEqual(os.stat(self.file("decrypted")).st_mode & 0o777, 0o600)
        self.assertEqual(as_json(decrypt("--aad", "0102", "--json")), {"plaintext": b64(b"a text")})
        for more, status in ((("--aad", "0103"), 1), ((), 1), (("--aad", "xy"), 2)):
            self.assertEqual(decrypt(*more, check=False).returncode, status, more)
        for more in (("--algorithm", "aes_kwp"), (), ("--algorithm", "rsa_pkcs1", "--iv", "00")):
            self.assertEqual(self.daemon.ctl("decrypt", key, *more, "--in", plain, check=False).returncode, 2, more)

    def test_derive(self):
        """keys are derived from sealed keys, by data, by a bit, by another key and by ECDH, as the protocol derives them"""
        base, ec = self.make("base", "aes", "derive,encrypt", "--length", "32"), self.make("ec", "ec", "derive")
        wanted = ("--type", "aes", "--length", "32", "--usage", "encrypt")
        spki = self.daemon.call(S + "Generate", template={"type": "ec", "usage": ["derive"]})["publicKey"]
        for key, options, same in (
                (base, ("--data", "07" * 32), {"algorithm": "aes_ecb_encrypt_data", "data": b64(b"\7" * 32)}),
                (base, (), {"algorithm": "extract"}),
                (ec, ("--public-key", self.place.write("peer.spki", unb64(spki))), {"algorithm": "ecdh", "publicKey": spki})):
            text = (self.place.path / key[1:]).read_text().strip()
            derived = self.daemon.ctl("derive", key, "--algorithm", same["algorithm"], *options, *wanted).strip()
            other = self.daemon.call(S + "Derive", key=text, template=aes(32, ["encrypt"]), **same)["sealed"]
            encrypted = [self.daemon.call(S + "Encrypt", key=one, algorithm="aes_ecb", plaintext=b64(bytes(16))) for one in (derived, other)]
            self.assertEqual(encrypted[0], encrypted[1], same)
        self.daemon.ctl("derive", base, "--algorithm", "concatenate", "--other", base, "--type", "generic", "--length", "64", "--usage", "derive",
                        "--out", self.file("long"))
        # Its second half begins at bit 256.
        self.daemon.ctl("derive", "@" + self.file("long"), "--algorithm", "extract", "--bit", "256", *wanted, "--out", self.file("half"))
        encrypted = [self.daemon.ctl("encrypt", key, "--algorithm", "aes_ecb", "--in", self.place.write("block", bytes(16)), text=False)
                     for key in (base, "@" + self.file("half"))]
        self.assertEqual(encrypted[0], encrypted[1])
        for more in ((), ("--type", "aes"), ("--algorithm", "extract"), ("--algorithm", "extract", "--bit", "x", *wanted)):
            self.assertEqual(self.daemon.ctl("derive", base, *more, check=False).returncode, 2, more)

    def test_sign(self):
        """a sealed private key signs; its public half is in the JSON of secret-generate"""
        made = as_json(self.daemon.ctl("secret-generate", "internal:", "--type", "ec", "--usage", "sign", "--json"))
        key, pem = self.place.write("signs", made["sealed"].encode()), public_pem(self.place, unb64(made["publicKey"]))
        text = self.place.write("signed", b"a text")
        self.daemon.ctl("sign", f"@{key}", "--algorithm", "ecdsa_sha256", "--in", text, "--out", self.file("signature"))
        run("openssl", "dgst", "-sha256", "-verify", pem, "-signature", self.file("signature"), text)
        for more in (("--algorithm", "rsa_pss_sha256", "--salt-length", "20"), ()):
            self.assertEqual(self.daemon.ctl("sign", f"@{key}", *more, "--in", text, check=False).returncode, 2)
        self.assertEqual(self.daemon.ctl("sign", f"@{text}", "--algorithm", "ecdsa_sha256", "--in", text, check=False).returncode, 1)

# SPDX-License-Identifier: MPL-2.0
"""What is recorded and counted of each method of io.tokend.Secrets: the kind, the algorithm, the key, the fingerprint of the sealed
key, and neither a key, a plaintext nor what they were wrapped or encrypted to."""
import os
import unittest

import varlink
from harness import Case, SoftToken, public_pem
from test_audit import read
from test_decrypt import encrypt
from test_sealed import PREFIX, S, aes, unsealed
from varlink import Client, b64, unb64

KRA, POOR = 61021, 61022
RIGHTS = "generate wrap unwrap derive encrypt decrypt sign list delete"
BLOCK = b64(b"plaintext, 16 by")


def fingerprint(sealed):
    """The first half of the MAC, which stands at the end (docs/sealed-keys.md)."""
    return unsealed(sealed)[-32:-16].hex()


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Records(Case):
    @classmethod
    def configure(cls):
        cls.token, cls.path = SoftToken(cls.place, "hsm"), cls.place.path / "audit"
        cls.daemon = cls.start(f"Audit=file:{cls.path}\n" + cls.token.section(),
                               instances=f"[Instance kra]\nUser={KRA}\nKeys=*\nAllow={RIGHTS}\n[Instance poor]\nUser={POOR}\nKeys=*\n")
        with cls.client() as client:
            key = client.call("Generate", token="hsm", nickname="rsa", type="rsa", size=2048, usage=["unwrap"])["key"]
        cls.spki = key["publicKey"]
        cls.pem = public_pem(cls.place, unb64(cls.spki))

    @classmethod
    def client(cls, uid=KRA):
        return Client(sock=varlink.connect_as(cls.daemon.socket, uid, uid))

    def recorded(self, n_before):
        return [r for r in read(self.path) if r["kind"] not in ("login", "start")][n_before:]

    def call(self, method, *, uid=KRA, **parameters):
        """What was answered, and the records of it."""
        before = len(self.recorded(0))
        with self.client(uid) as client:
            try:
                answer = client.call(S + method, **parameters)
            except varlink.Error as error:
                answer = error
        records = self.recorded(before)
        for record in records:
            self.assertEqual((record["uid"], record["pid"] > 0), (uid, True))
        return answer, records

    def expect(self, records, *expected):
        """Each: kind, result, key, algorithm, fingerprint."""
        self.assertEqual([(r["kind"], r["result"], r.get("key"), r.get("algorithm"), r.get("sealed")) for r in records], list(expected))
        for record in records:
            self.assertEqual((record["token"], record["instance"]), ("hsm", "kra"))

    def make(self, **template):
        return self.call("Generate", template=template or aes())[0]["sealed"]

    def test_kinds(self):
        """each method has a record of its kind, with the algorithm, the key and the fingerprint of the sealed key"""
        made, records = self.call("Generate", template=aes())
        key = made["sealed"]
        name, mark = PREFIX + fingerprint(key), fingerprint(key)
        self.expect(records, ("generate", "ok", None, "aes", mark))
        pair, records = self.call("Generate", template={"type": "ec", "usage": ["sign"]})
        self.expect(records, ("generate", "ok", None, "ec", fingerprint(pair["sealed"])))
        _, records = self.call("Generate", nickname="master", template=aes())
        self.expect(records, ("generate", "begun", "master", "aes", None), ("generate", "ok", "master", "aes", None))
        wrapped, records = self.call("Wrap", key=key, algorithm="aes_kwp", secret=pair["sealed"])
        self.expect(records, ("wrap", "ok", name, "aes_kwp", fingerprint(pair["sealed"])))
        _, records = self.call("Wrap", publicKey=self.spki, algorithm="rsa_pkcs1", secret=key)
        self.expect(records, ("wrap", "ok", None, "rsa_pkcs1", mark))
        back, records = self.call("Unwrap", key=key, algorithm="aes_kwp", wrapped=wrapped["wrapped"], template={"type": "ec", "usage": ["sign"]})
        self.expect(records, ("unwrap", "ok", name, "aes_kwp", fingerprint(back["sealed"])))
        back, records = self.call("Unwrap", key="rsa", algorithm="rsa_pkcs1", wrapped=b64(encrypt(self.pem, os.urandom(32), "rsa_pkcs1")),
                                  template=aes())
        self.expect(records, ("unwrap", "ok", "rsa", "rsa_pkcs1", fingerprint(back["sealed"])))
        back, records = self.call("Derive", key=key, algorithm="aes_ecb_encrypt_data", data=BLOCK, template=aes(16))
        self.expect(records, ("derive", "ok", name, "aes_ecb_encrypt_data", fingerprint(back["sealed"])))
        for used, called in ((key, name), ("master", "master")):
            out, records = self.call("Encrypt", key=used, algorithm="aes_ecb", plaintext=BLOCK)
            self.expect(records, ("encrypt", "ok", called, "aes_ecb", None))
            _, records = self.call("Decrypt", key=used, algorithm="aes_ecb", ciphertext=out["ciphertext"])
            self.expect(records, ("decrypt", "ok", called, "aes_ecb", None))
        digest = os.urandom(32)
        _, records = self.call("Sign", key=pair["sealed"], algorithm="ecdsa_sha256", digest=b64(digest))
        self.expect(records, ("sign", "ok", PREFIX + fingerprint(pair["sealed"]), "ecdsa_sha256", None))
        self.assertEqual(records[0]["digest"], digest.hex())
        _, records = self.call("Sign", key=pair["sealed"], algorithm="ecdsa_sha256", message=b64(b"a message"))
        self.assertEqual((records[0]["messageLength"], records[0].get("digest")), (9, None))
        _, records = self.call("Delete", secret="master")
        self.expect(records, ("delete", "begun", "master", None, None), ("delete", "ok", "master", None, None))

    def test_refused(self):
        """what is refused is recorded with the error, and a refusal of policy as denied"""
        key = self.make(**aes(usage=["encrypt"]))
        name = PREFIX + fingerprint(key)
        _, records = self.call("Decrypt", key=key, algorithm="aes_ecb", ciphertext=BLOCK)
        self.expect(records, ("denied", "PermissionDenied", name, "aes_ecb", None))
        self.assertEqual(records[0]["operation"], "decrypt")
        changed = key[:-8] + ("A" if key[-8] != "A" else "B") + key[-7:]
        _, records = self.call("Encrypt", key=changed, algorithm="aes_ecb", plaintext=BLOCK)
        self.expect(records, ("encrypt", "NotOurSeal", PREFIX + fingerprint(changed), "aes_ecb", None))
        _, records = self.call("Unwrap", key="rsa", algorithm="rsa_pkcs1", wrapped=b64(b"\1" * 256), template=aes())
        self.expect(records, ("unwrap", "InvalidParameter", "rsa", "rsa_pkcs1", None))
        for method, right, more in (("Wrap", "wrap", {"publicKey": self.spki, "algorithm": "rsa_pkcs1", "secret": key}),
                                    ("Encrypt", "encrypt", {"key": key, "algorithm": "aes_ecb", "plaintext": BLOCK}),
                                    ("Generate", "generate", {"template": aes()})):
            _, records = self.call(method, uid=POOR, **more)
            self.assertEqual([(r["kind"], r["result"], r["operation"], r["instance"]) for r in records],
                             [("denied", "PermissionDenied", right, "poor")])

    def test_nothing_secret(self):
        """no record and no line of the log has a key, a plaintext, or what they were wrapped or encrypted to"""
        secret, plain = os.urandom(32), os.urandom(48)
        wrapped = encrypt(self.pem, secret, "rsa_pkcs1")
        key = self.call("Unwrap", key="rsa", algorithm="rsa_pkcs1", wrapped=b64(wrapped), template=aes())[0]["sealed"]
        out = unb64(self.call("Encrypt", key=key, algorithm="aes_ecb", plaintext=b64(plain))[0]["ciphertext"])
        self.call("Decrypt", key=key, algorithm="aes_ecb", ciphertext=b64(out))
        self.call("Decrypt", key=key, algorithm="aes_cbc_pad", iv=b64(bytes(16)), ciphertext=b64(out))
        again = unb64(self.call("Wrap", key=key, algorithm="aes_kwp", secret=key)[0]["wrapped"])
        text = self.path.read_text() + self.daemon.log_text()
        self.assertIn(fingerprint(key), text)
        for data in (secret, plain, wrapped, out, again, bytes(unsealed(key))[:-32]):
            for form in (data[:24].hex(), b64(data[:24]), b64(data[-24:])):
                self.assertNotIn(form, text)

    def test_metrics(self):
        """each method is counted, of the token and of the method, by its end"""
        def samples():
            lines = (line.rpartition(" ") for line in self.daemon.ctl("metrics").splitlines() if not line.startswith("#"))
            return {name: float(value) for name, _, value in lines}

        key, before = self.make(), samples()
        self.call("Encrypt", key=key, algorithm="aes_ecb", plaintext=BLOCK)
        self.call("Decrypt", key=key, algorithm="aes_cbc_pad", iv=b64(bytes(16)), ciphertext=BLOCK)
        self.call("Derive", key=key, algorithm="aes_ecb_encrypt_data", data=BLOCK, template=aes(16))
        self.call("Wrap", key=key, algorithm="aes_kwp", secret=key)
        self.call("Unwrap", key=key, algorithm="aes_kwp", wrapped=b64(bytes(40)), template=aes())
        self.call("Unwrap", key="sealed:AAAA", algorithm="aes_kwp", wrapped=b64(bytes(40)), template=aes())
        after = samples()
        for method, result, n in (("Encrypt", "ok", 1), ("Decrypt", "InvalidParameter", 1), ("Derive", "ok", 1), ("Wrap", "ok", 1),
                                  ("Unwrap", "InvalidParameter", 1), ("Unwrap", "NotOurSeal", 1)):
            name = f'tokend_answers_total{{interface="io.tokend.Secrets",method="{method}",result="{result}"}}'
            self.assertEqual(after.get(name, 0) - before.get(name, 0), n, name)
        for name in ("cipher", "secret_derive", "wrap", "unwrap"):
            grown = [key for key in after if f'operation="{name}"' in key and after[key] > before.get(key, 0)]
            self.assertTrue(grown, name)
        # What was wrong with the callers' bytes is no error of the token.
        errors = 'tokend_token_errors_total{token="hsm"}'
        self.assertEqual(after[errors], before[errors])

# SPDX-License-Identifier: MPL-2.0
"""Keys that get their name later: made without one, named by Rename or by the Import of a certificate for them; and ids that a
caller chooses."""
import hashlib
import os
import signal
import struct
import subprocess
import time
import unittest

from harness import Case, SoftToken, as_json, public_pem, run, until
from test_audit import read
from test_faults import FaultyToken
import varlink
from varlink import Client, b64, unb64

C = "io.tokend.Certificates."
CA, EVE = 61041, 61042
RIGHTS = "list sign generate delete delete-cert request import"


def certificate(place, key):
    """A certificate for that public key, from somebody else's CA, DER."""
    ca = place.path / "ca.pem"
    if not ca.exists():
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", place.path / "ca.key", "-subj",
            "/CN=ca", "-out", ca)
    pem = public_pem(place, unb64(key["publicKey"]))
    request = place.path / "request.pem"
    other = place.path / "other.key"
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", other)
    run("openssl", "req", "-new", "-key", other, "-subj", "/CN=named", "-out", request)
    return run("openssl", "x509", "-req", "-in", request, "-force_pubkey", pem, "-CA", ca, "-CAkey", place.path / "ca.key",
               "-CAcreateserial", "-days", "3", "-outform", "DER")


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Unnamed(Case):
    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.daemon = cls.start(cls.token.section() + f"[Token internal]\nModule=internal\nDirectory={cls.place.path}/internal\n", instances=f"""
[Instance ca]
User={CA}
Keys=ca*
Allow={RIGHTS}
[Instance eve]
User={EVE}
Keys=*
Allow={RIGHTS}
""")

    @classmethod
    def as_user(cls, uid):
        return Client(sock=varlink.connect_as(cls.daemon.socket, uid, uid))

    def names(self, client, token):
        return [k["nickname"] for k in client.call("List", token=token)["keys"]]

    def test_generate(self):
        """a key without a nickname is called after its instance and its id, which is NSS's; it signs by that name"""
        for token in ("hsm", "internal"):
            for more in ({"type": "ec"}, {"type": "rsa", "size": 2048}):
                with self.as_user(CA) as ca:
                    key = ca.call("Generate", token=token, **more)["key"]
                    self.assertEqual(key["nickname"], "unnamed ca " + key["id"][:16])
                    self.assertEqual(len(key["id"]), 40)
                    for name in (f"{token}:{key['nickname']}", "pkcs11:token=%s;id=%s" % (
                            "hsm" if token == "hsm" else key["token"], "".join("%" + key["id"][i:i + 2] for i in range(0, 40, 2)))):
                        if token == "hsm" or not name.startswith("pkcs11"):
                            self.assertEqual(ca.call("Get", key=name)["key"], key)
                    algorithm = {"ec": "ecdsa_sha256", "rsa": "rsa_pkcs1_sha256"}[more["type"]]
                    self.assertIn("signature", ca.call("Sign", key=f"{token}:{key['nickname']}", algorithm=algorithm, digest=b64(bytes(32))))
                    ca.call("Delete", key=f"{token}:{key['nickname']}")
                    self.assertNotIn(key["nickname"], self.names(ca, token))

    def test_alone(self):
        """its maker alone sees and uses it: not an instance with Keys=*, and the maker although its Keys= does not match"""
        with self.as_user(CA) as ca, self.as_user(EVE) as eve:
            key = ca.call("Generate", token="hsm", type="ec")["key"]
            name = "hsm:" + key["nickname"]
            by_id = "pkcs11:id=" + "".join("%" + key["id"][i:i + 2] for i in range(0, 40, 2))
            self.assertIn(key["nickname"], self.names(ca, "hsm"))
            self.assertNotIn(key["nickname"], self.names(eve, "hsm"))
            for asked in (name, by_id):
                self.fails("KeyNotFound", eve.call, "Get", key=asked)
                self.fails("KeyNotFound", eve.call, "Sign", key=asked, algorithm="ecdsa_sha256", digest=b64(bytes(32)))
                self.fails("KeyNotFound", eve.call, "Delete", key=asked)
                self.fails("KeyNotFound", eve.call, "Rename", key=asked, nickname="eve's")
                self.assertEqual(ca.call("Get", key=asked)["key"]["id"], key["id"])
            der = certificate(self.place, key)
            self.fails("PermissionDenied", eve.call, C + "Import", token="hsm", nickname="eve's", certificate=b64(der))
            ca.call("Delete", key=name)

    def test_reserved(self):
        """nobody gives anything such a nickname; what only looks like one is a nickname as any"""
        with self.as_user(EVE) as eve:
            for name in ("unnamed ca 0123456789abcdef", "unnamed eve 01", "unnamed x ffffffffffffffff"):
                self.assertEqual(self.fails("InvalidParameter", eve.call, "Generate", token="hsm", nickname=name, type="ec"),
                                 {"parameter": "nickname"})
                eve.call("Generate", token="hsm", nickname="plain", type="ec")
                self.assertEqual(self.fails("InvalidParameter", eve.call, "Rename", key="hsm:plain", nickname=name), {"parameter": "nickname"})
                key = eve.call("Get", key="hsm:plain")["key"]
                self.assertEqual(self.fails("InvalidParameter", eve.call, C + "Import", token="hsm", nickname=name,
                                            certificate=b64(certificate(self.place, key))), {"parameter": "nickname"})
                eve.call("Delete", key="hsm:plain")
            for name in ("unnamed", "unnamed ca", "unnamed ca 0123456789abcdef0", "unnamed ca xyz", "unnamed two words 0123", "Unnamed ca 01"):
                eve.call("Generate", token="hsm", nickname=name, type="ec")
                eve.call("Delete", key="hsm:" + name)
            self.assertEqual(self.fails("InvalidParameter", eve.call, "Generate", token="hsm", nickname="", type="ec"),
                             {"parameter": "nickname"})

    def test_rename(self):
        """Rename gives it a nickname of Keys=, on both halves, that nothing else has; its id stays"""
        for token in ("hsm", "internal"):
            with self.as_user(CA) as ca, self.as_user(EVE) as eve:
                key = ca.call("Generate", token=token, type="ec")["key"]
                name = f"{token}:{key['nickname']}"
                eve.call("Generate", token=token, nickname="ca taken", type="ec")
                self.assertEqual(self.fails("NicknameExists", ca.call, "Rename", key=name, nickname="ca taken"),
                                 {"token": token, "nickname": "ca taken"})
                self.assertEqual(self.fails("PermissionDenied", ca.call, "Rename", key=name, nickname="other"), {"operation": "generate"})
                for bad in ("", "a:b", "x" * 129, "\x01"):
                    self.assertEqual(self.fails("InvalidParameter", ca.call, "Rename", key=name, nickname=bad), {"parameter": "nickname"})
                named = ca.call("Rename", key=name, nickname="ca signing")["key"]
                self.assertEqual(named, {**key, "nickname": "ca signing"})
                self.fails("KeyNotFound", ca.call, "Get", key=name)
                self.assertIn("ca signing", self.names(eve, token))
                self.assertIn("signature", ca.call("Sign", key=f"{token}:ca signing", algorithm="ecdsa_sha256", digest=b64(bytes(32))))
                again = ca.call("Rename", key=f"{token}:ca signing", nickname="ca other")["key"]
                self.assertEqual((again["id"], again["nickname"]), (key["id"], "ca other"))
                ca.call("Generate", token=token, nickname="ca signing", type="ec")
                for left in ("ca other", "ca signing", "ca taken"):
                    ca.call("Delete", key=f"{token}:{left}")
        listing = self.token.tool("--list-objects")
        self.assertNotIn("ca other", listing)

    def test_both_halves(self):
        """pkcs11-tool sees the new label on the private and on the public key, and no claim is left"""
        with self.as_user(CA) as ca:
            key = ca.call("Generate", token="hsm", type="ec")["key"]
            ca.call("Rename", key="hsm:" + key["nickname"], nickname="ca both")
            for kind in ("privkey", "pubkey"):
                self.assertIn("ca both", self.token.tool("--list-objects", "--type", kind))
            self.assertNotIn("tokend claim", self.token.tool("--list-objects", "--type", "data"))
            ca.call("Delete", key="hsm:ca both")
            self.assertNotIn("ca both", self.token.tool("--list-objects"))

    def test_import(self):
        """the Import of its certificate names it: certificate, private and public key have the nickname then"""
        for token in ("hsm", "internal"):
            with self.as_user(CA) as ca, self.as_user(EVE) as eve:
                key = ca.call("Generate", token=token, type="rsa", size=2048)["key"]
                name, der = f"{token}:{key['nickname']}", b64(certificate(self.place, key))
                request = lambda nickname, who=ca: who.call(C + "Import", token=token, nickname=nickname, certificate=der)["certificate"]
                self.assertEqual(self.fails("PermissionDenied", request, "other"), {"operation": "import"})
                eve.call("Generate", token=token, nickname="ca taken", type="ec")
                self.fails("NicknameExists", request, "ca taken")
                self.assertEqual(self.fails("InvalidParameter", ca.call, C + "SelfSign", key=name, subject="CN=x", validityDays=1),
                                 {"parameter": "key"})
                self.assertIn("request", ca.call(C + "Request", key=name, subject="CN=x"))
                made = request("ca named")
                self.assertEqual((made["nickname"], made["id"], made["hasPrivateKey"]), ("ca named", key["id"], True))
                named = ca.call("Get", key=f"{token}:ca named")["key"]
                self.assertEqual(named, {**key, "nickname": "ca named", "hasCertificate": True})
                self.fails("KeyNotFound", ca.call, "Get", key=name)
                self.fails("NicknameExists", request, "ca named")
                self.assertEqual(self.fails("InvalidParameter", request, "ca another"), {"parameter": "nickname"})
                ca.call(C + "Delete", certificate=f"{token}:ca named")
                for left in ("ca named", "ca taken"):
                    ca.call("Delete", key=f"{token}:{left}")

    def test_id(self):
        """a chosen id stays the key's; one that anything on the token has is refused"""
        for token in ("hsm", "internal"):
            with self.as_user(CA) as ca:
                for number, chosen in enumerate(("01", "ABCDEF", "ff" * 64)):
                    key = ca.call("Generate", token=token, nickname=f"ca {number}", type="ec", id=chosen)["key"]
                    self.assertEqual(key["id"], chosen.lower())
                    self.assertEqual(self.fails("InvalidParameter", ca.call, "Generate", token=token, nickname="ca again", type="ec",
                                                id=chosen), {"parameter": "id"})
                key = ca.call("Generate", token=token, type="ec", id="0102030405060708090a")["key"]
                self.assertEqual(key["nickname"], "unnamed ca 0102030405060708")
                # Another id that would give another key the same name.
                self.assertEqual(self.fails("InvalidParameter", ca.call, "Generate", token=token, type="ec", id="0102030405060708ff"),
                                 {"parameter": "id"})
                short = ca.call("Generate", token=token, type="ec", id="0a0b")["key"]
                self.assertEqual(short["nickname"], "unnamed ca 0a0b")
                # LIMIT_NEW_ID, LIMIT_NEW_ID_DIGITS
                for bad in ("", "0", "012", "xy", "ff" * 65, "0 "):
                    self.assertEqual(self.fails("InvalidParameter", ca.call, "Generate", token=token, nickname="ca bad", type="ec", id=bad),
                                     {"parameter": "id"})
                for name in self.names(ca, token):
                    ca.call("Delete", key=f"{token}:{name}")

    def test_tokendctl(self):
        """tokendctl generate TOKEN: makes a key without a name, --id chooses one, rename names it"""
        with self.as_user(EVE):
            pass
        daemon = self.own(SoftToken(self.place, "ctl").section("ctl"))
        key = as_json(daemon.ctl("generate", "ctl:", "--type", "ec", "--id", "a0" * 8, "--json"))["key"]
        self.assertEqual(key["nickname"], "unnamed default " + "a0" * 8)
        self.assertIn("named now", daemon.ctl("rename", "ctl:" + key["nickname"], "named now"))
        self.assertEqual(as_json(daemon.ctl("list", "--json"))["keys"][0]["nickname"], "named now")
        self.assertEqual(daemon.ctl("rename", "ctl:none", "x", check=False).returncode, 1)
        self.assertEqual(daemon.ctl("rename", "ctl:none", check=False).returncode, 2)


class Empty(Case):
    def test_empty_label(self):
        """a key without a label gets one by Rename"""
        token = SoftToken(self.place, "empty")
        token.tool("--keypairgen", "--key-type", "EC:prime256v1", "--id", "0a")
        daemon = self.own(token.section("empty"))
        key, = daemon.call("List")["keys"]
        self.assertEqual(key["nickname"], "")
        self.assertEqual(daemon.call("Rename", key="pkcs11:id=%0a", nickname="named")["key"], {**key, "nickname": "named"})
        self.assertIn("signature", daemon.call("Sign", key="empty:named", algorithm="ecdsa_sha256", digest=b64(bytes(32))))


class Crashes(Case):
    """A worker that dies at each step of a renaming: the key has one name, and no claim is left."""

    def begin(self, internal=False):
        label = f"t{len(os.listdir(self.place.path))}"
        self.token = FaultyToken(self.place, label, keys=())
        self.path = self.place.path / f"{label}.audit"
        self.daemon = self.own(f"Audit=file:{self.path}\n" + self.token.section("hsm", "KeepAlive=1h\n", refresh="1h"))
        return self.daemon.call("Generate", token="hsm", type="ec")["key"]

    def test_at_once(self):
        """of several that rename a key by the nickname that it had, one does, and it keeps that name; whoever gives its id comes after"""
        for by_id, says in ((False, "KeyNotFound"), (True, "last")):
            key = self.begin()
            old = self.daemon.call("List", token="hsm")["keys"][0]["nickname"]
            second = "pkcs11:id=" + "".join("%" + key["id"][i:i + 2] for i in range(0, len(key["id"]), 2)) if by_id else "hsm:" + old
            self.token.set("C_SetAttributeValue hold")
            with self.daemon.client() as one, self.daemon.client() as other:
                one.send("Rename", {"key": "hsm:" + old, "nickname": f"first {by_id}"})
                until(lambda: self.token.counts().get("held"), "the first is at it")
                other.send("Rename", {"key": second, "nickname": "last"})
                until(lambda: sum(self.daemon.token("hsm")[where] for where in ("queued", "inFlight")) == 2, "the second waits")
                self.token.set()
                self.assertEqual(one.result()["key"]["nickname"], f"first {by_id}")
                if by_id:
                    self.assertEqual(other.result()["key"]["nickname"], says)
                else:
                    self.fails(says, other.result)
            self.assertEqual(self.settled(), [("last" if by_id else "first False", key["id"])])

    def settled(self):
        until(lambda: self.daemon.token("hsm")["state"] == "ready", "the token is ready")
        until(lambda: not self.daemon.token("hsm").get("claims"), "no claim")
        return [(k["nickname"], k["id"]) for k in self.daemon.call("List", token="hsm")["keys"]]

    def each(self, function, n, ask, after):
        """Dies in the k-th call of the function, before or after it is made, for all k below n."""
        for k in range(n):
            for when in ("", " after"):
                with self.subTest(f"{function}{when} {k}"):
                    key = self.begin()
                    self.token.set(f"{function} crash{when} skip={k} count=1")
                    try:
                        ask(key)
                        said = "ok"
                    except varlink.Error as error:
                        said = error.name
                    self.token.set()
                    names = self.settled()
                    self.assertGreater(self.daemon.token("hsm")["restarts"], 0)
                    after(key, said, names)

    def test_rename(self):
        """Rename"""
        def after(key, said, names):
            self.assertIn(said, ("ok", "WorkerLost"))
            self.assertEqual(len(names), 1)
            name, key_id = names[0]
            self.assertEqual(key_id, key["id"])
            self.assertIn(name, (key["nickname"], "new name"))
            if said == "ok":
                self.assertEqual(name, "new name")
            ends = [r["result"] for r in read(self.path) if r["kind"] == "rename"]
            self.assertEqual(ends, ["begun", said])
            # Both halves have the name where the private key has it, and it can be used, renamed and deleted.
            self.daemon.call("Sign", key="hsm:" + name, algorithm="ecdsa_sha256", digest=b64(bytes(32)))
            if name == "new name":
                self.assertIn("new name", self.token.tool("--list-objects", "--type", "pubkey"))
            self.daemon.call("Rename", key="hsm:" + name, nickname="last name")
            self.daemon.call("Delete", key="hsm:last name")
            self.assertNotIn("name", self.token.tool("--list-objects").replace("unnamed", ""))

        ask = lambda key: self.daemon.call("Rename", key="hsm:" + key["nickname"], nickname="new name")
        self.each("C_SetAttributeValue", 2, ask, after)
        self.each("C_CreateObject", 1, ask, after)
        self.each("C_DestroyObject", 1, ask, after)

    def test_import(self):
        """an Import that names the key"""
        def after(key, said, names):
            self.assertIn(said, ("ok", "WorkerLost"))
            (name, key_id), = names
            self.assertEqual(key_id, key["id"])
            self.assertIn(name, (key["nickname"], "new name"))
            certificates = [c["nickname"] for c in self.daemon.call(C + "List", token="hsm")["certificates"]]
            self.assertIn(certificates, ([], ["new name"]))
            self.assertEqual(said == "ok", certificates == ["new name"])
            if certificates:
                self.assertEqual(name, "new name")
            else:
                self.ask(key)

        self.ask = lambda key: self.daemon.call(C + "Import", token="hsm", nickname="new name", certificate=b64(certificate(self.place, key)))
        self.each("C_SetAttributeValue", 2, self.ask, after)
        self.each("C_CreateObject", 2, self.ask, after)
        self.each("C_DestroyObject", 1, self.ask, after)

    def test_refused(self):
        """a token that takes no certificate, or no label: the key keeps its name, and the caller is told"""
        for fault, ask in (("C_SetAttributeValue ckr=0x10", "Rename"), ("C_SetAttributeValue ckr=0x10", "Import"),
                           ("C_SetAttributeValue ckr=0x5", "Rename"), ("C_CreateObject ckr=0x13 skip=1", "Import")):
            with self.subTest(fault):
                key = self.begin()
                der = b64(certificate(self.place, key))
                self.token.set(fault)
                if ask == "Rename":
                    self.fails("TokenError", self.daemon.call, "Rename", key="hsm:" + key["nickname"], nickname="new name")
                else:
                    self.fails("TokenError", self.daemon.call, C + "Import", token="hsm", nickname="new name", certificate=der)
                self.token.set()
                self.assertEqual(self.settled(), [(key["nickname"], key["id"])])

    def test_session_lost(self):
        """a session that is lost in the middle: it goes on in another, under the same claim"""
        for function in ("C_SetAttributeValue", "C_CreateObject"):
            for k in range(2):
                with self.subTest(f"{function} {k}"):
                    key = self.begin()
                    self.token.set(f"{function} ckr=0xb3 skip={k} count=1")
                    self.daemon.call(C + "Import", token="hsm", nickname="new name", certificate=b64(certificate(self.place, key)))
                    self.token.set()
                    self.assertEqual(self.settled(), [("new name", key["id"])])


class Hosts(Case):
    """Two daemons on one token."""

    def test_one_name(self):
        """two hosts that want one nickname, by Generate, Rename and Import: one gets it, the other NicknameExists"""
        token = SoftToken(self.place, "shared")
        one, two = (self.own(token.section("hsm", refresh="500ms"), name=name) for name in ("one", "two"))
        for turn in range(4):
            keys = [d.call("Generate", token="hsm", type="ec")["key"] for d in (one, two)]
            until(lambda: all(len(d.call("List")["keys"]) >= 2 for d in (one, two)), "both see both keys")
            name = f"name {turn}"
            with one.client() as a, two.client() as b:
                a.send("Rename", {"key": "hsm:" + keys[0]["nickname"], "nickname": name})
                if turn % 2:
                    b.send(C + "Import", {"token": "hsm", "nickname": name, "certificate": b64(certificate(self.place, keys[1]))})
                else:
                    b.send("Rename", {"key": "hsm:" + keys[1]["nickname"], "nickname": name})
                said = []
                for client in (a, b):
                    try:
                        client.result()
                        said.append("ok")
                    except varlink.Error as error:
                        said.append(error.name)
            self.assertEqual(sorted(said), ["NicknameExists", "ok"])
            self.assertEqual(token.tool("--list-objects", "--type", "privkey").count(f"label:      {name}\n"), 1)


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Shared(Case):
    """A key that two instances see, each under globs of its own."""

    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.daemon = cls.start(cls.token.section(), instances=f"""
[Instance ca]
User={CA}
Keys=ca* shared
Allow=list sign generate
[Instance eve]
User={EVE}
Keys=eve* shared
Allow=list generate
[Instance root]
User=root
Keys=*
Allow=list generate delete
""")

    def as_user(self, uid, method, **parameters):
        with Client(sock=varlink.connect_as(self.daemon.socket, uid, uid, ())) as client:
            return client.call(method, **parameters)

    def test_rename(self):
        """a key is renamed out of another instance's sight only with the right delete: for that instance it is deleted"""
        self.daemon.call("Generate", token="hsm", nickname="shared", type="ec")
        refused = self.fails("PermissionDenied", self.as_user, EVE, "Rename", key="hsm:shared", nickname="eve-stolen")
        self.assertEqual(refused, {"operation": "delete"})
        self.as_user(CA, "Sign", key="hsm:shared", algorithm="ecdsa_sha256", digest=b64(bytes(32)))
        self.as_user(EVE, "Generate", token="hsm", nickname="eve-one", type="ec")
        self.as_user(EVE, "Rename", key="hsm:eve-one", nickname="eve-two")
        self.daemon.call("Rename", key="hsm:shared", nickname="put away")

    def test_secret(self):
        """nobody gives a secret the nickname of a key that has none"""
        refused = self.fails("InvalidParameter", self.as_user, EVE, "io.tokend.Secrets.Generate", token="hsm",
                             nickname="unnamed eve 0102030405060708", template={"type": "aes", "length": 32, "usage": ["encrypt"]})
        self.assertEqual(refused["parameter"], "nickname")

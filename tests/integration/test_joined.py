# SPDX-License-Identifier: MPL-2.0
"""What objects of other programs say of each other: which names a key has from its certificates, and which halves are a pair."""
import os
import unittest

import varlink
from harness import PLAIN, Case, SoftToken, openssl_verify, public_pem, run, until
from objects import write
from test_names import CA, Authority
from varlink import Client, b64, unb64

C = "io.tokend.Certificates."
ALGORITHMS = {"rsa": "rsa_pkcs1_sha256", "ec": "ecdsa_sha256", "ed25519": "ed25519"}
ANY_SUBJECT = b"0\0"


def certificate(place, spki, begin="250101000000Z", subject="/CN=server"):
    """A certificate of that public key, valid from then on; DER. Its signature is not, which nobody here asks."""
    key, request, public = (place.path / name for name in ("any.key", "any.csr", "any.pub"))
    if not key.exists():
        run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    run("openssl", "req", "-new", "-key", key, "-subj", subject, "-out", request)
    public.write_bytes(public_pem(place, spki).read_bytes())
    # What is searched for below must not stand in the serial number.
    serial = int.from_bytes(os.urandom(8).replace(b"\x17", b"\x18"), "big")
    der = run("openssl", "x509", "-req", "-in", request, "-force_pubkey", public, "-signkey", key, "-set_serial", str(serial), "-days",
              "900", "-outform", "DER")
    at = der.index(b"\x17\x0d") + 2
    return der[:at] + begin.encode() + der[at + len(begin):]


class Joined(Case):
    def begin(self, instances="", extra=""):
        self.token = SoftToken(self.place, f"h{len(os.listdir(self.place.path))}")
        self.daemon = self.own(extra + self.token.section("t", refresh="200ms"), instances=instances)
        self.daemon.wait_state("t", "ready")
        self.call = self.daemon.call

    def restart(self):
        self.daemon.stop()
        self.daemon.start()
        self.daemon.wait_state("t", "ready")

    def next_worker(self):
        worker = self.daemon.worker("t")
        worker.kill()
        until(lambda: self.daemon.worker("t").pid != worker.pid, "another worker")
        self.daemon.wait_state("t", "ready")

    def names(self):
        return [key["nickname"] for key in self.call("List", token="t")["keys"]]

    def unlabelled(self, kind="ec"):
        """A key without a label, as NSS makes them."""
        key = self.call("Generate", token="t", nickname="tmp", type=kind, **({"size": 2048} if kind == "rsa" else {}))["key"]
        self.assertEqual(write(self.token, ("set", {"LABEL": b"tmp"}, {"LABEL": b""})), [2])
        until(lambda: self.names() == [""], "it has no nickname")
        return key

    def put(self, key, *labels_and_certificates):
        write(self.token, *[("create", {"CLASS": 1, "CERTIFICATE_TYPE": 0, "PRIVATE": False, "LABEL": label.encode(), "SUBJECT": ANY_SUBJECT,
                                        "ID": bytes.fromhex(key["id"]), "VALUE": der}) for label, der in labels_and_certificates])

    def dated(self, key, begin):
        return certificate(self.place, unb64(key["publicKey"]), begin)

    def is_key(self, key, *names):
        """Each name leads to it, and it signs."""
        for name in names:
            with self.subTest(name):
                for found in (self.call("Get", key=name)["key"], *self.call("List", token="t", nickname=name[2:])["keys"]):
                    self.assertEqual(found["id"], key["id"])
                signature = unb64(self.call("Sign", key=name, algorithm=ALGORITHMS[key["type"]], message=b64(b"m"))["signature"])
                self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), ALGORITHMS[key["type"]], b"m", signature))


class Renewed(Joined):
    """A key with several certificates, which has its nickname from one of them."""

    def test_order(self):
        """the oldest certificate names the key, whatever the order of handles; the labels of the others find it too"""
        for kind, dates in (("rsa", ("2025", "2024", "2026")), ("ec", ("2026", "2025", "2024")), ("ed25519", ("2024", "2024", "2024"))):
            with self.subTest(kind):
                self.begin()
                key = self.unlabelled(kind)
                labels = [f"Cert {date} {i}" for i, date in enumerate(dates)]
                for label, date in zip(labels, dates):
                    self.put(key, (label, self.dated(key, date[2:] + "0101000000Z")))
                until(lambda: len(self.call(C + "List", token="t")["certificates"]) == len(labels), "they are there")
                for again in (self.next_worker, self.restart, self.next_worker, lambda: None):
                    self.assertEqual(self.names(), [sorted(labels)[0]])
                    self.is_key(key, *(f"t:{label}" for label in labels))
                    again()
                self.assertEqual(self.call("Get", key=f"pkcs11:object={labels[2].replace(' ', '%20')}")["key"]["id"], key["id"])

    def test_come_and_go(self):
        """a certificate that comes while the key is used changes no name that it has; one that goes takes its own along"""
        self.begin()
        key = self.unlabelled()
        self.put(key, ("old", self.dated(key, "240101000000Z")))
        until(lambda: self.names() == ["old"], "it has its name")
        state = self.call("List", token="t")["state"]
        self.put(key, ("new", self.dated(key, "250101000000Z")))
        until(lambda: self.call("List", token="t", nickname="new")["keys"], "the new name leads to it")
        self.assertEqual(self.names(), ["old"])
        self.assertNotEqual(self.call("List", token="t")["state"], state)
        self.is_key(key, "t:old", "t:new")
        for taken in ("old", "new"):
            self.fails("NicknameExists", self.call, "Generate", token="t", nickname=taken, type="ec")
        self.call(C + "Delete", certificate="t:old")
        self.assertEqual(self.names(), ["new"])
        self.is_key(key, "t:new")
        self.fails("KeyNotFound", self.call, "Get", key="t:old")
        # A label of its own ends what certificates say.
        self.call("Rename", key="t:new", nickname="own")
        self.assertEqual(self.names(), ["own"])
        self.fails("KeyNotFound", self.call, "Get", key="t:new")
        self.is_key(key, "t:own")

    def test_delete(self):
        """by any of its names the key is deleted, and its certificates stay"""
        self.begin()
        key = self.unlabelled()
        self.put(key, ("old", self.dated(key, "240101000000Z")), ("new", self.dated(key, "250101000000Z")))
        until(lambda: self.call("List", token="t", nickname="new")["keys"], "the name leads to it")
        self.call("Delete", key="t:new")
        self.assertEqual(self.names(), [])
        self.assertEqual(len(self.call(C + "List", token="t")["certificates"]), 2)

    def test_audit_key(self):
        """the key of AuditKey= is the audit's by each of its names"""
        self.begin(extra=f"Audit=file:{self.place.path}/audit\nAuditKey=t:new\n")
        key = self.unlabelled()
        self.put(key, ("old", self.dated(key, "240101000000Z")), ("new", self.dated(key, "250101000000Z")))
        until(lambda: self.call("List", token="t", nickname="new")["keys"], "the name leads to it")
        for again in (self.next_worker, lambda: None):
            for name in ("t:old", "t:new"):
                self.fails("PermissionDenied", self.call, "Sign", key=name, algorithm="ecdsa_sha256", digest=b64(bytes(32)))
                self.fails("PermissionDenied", self.call, "Delete", key=name)
            again()

    def test_not_its_own(self):
        """certificates of another public key, or written by tokend, lend the key no name"""
        self.begin()
        other = self.call("Generate", token="t", nickname="other", type="ec")["key"]
        made = self.call(C + "SelfSign", key="t:other", subject="CN=x", validityDays=9)["certificate"]
        key = self.call("Generate", token="t", nickname="tmp", type="ec")["key"]
        write(self.token, ("set", {"LABEL": b"tmp"}, {"LABEL": b""}))
        self.put(key, ("theirs", self.dated(other, "200101000000Z")), ("hers", self.dated(key, "250101000000Z")))
        write(self.token, ("set", {"CLASS": 1, "LABEL": b"other"}, {"ID": bytes.fromhex(key["id"])}))
        self.restart()
        self.assertEqual(sorted(self.names()), ["hers", "other"])
        self.fails("KeyNotFound", self.call, "Get", key="t:theirs")
        self.assertEqual(self.call("Get", key="t:other")["key"]["id"], other["id"])
        self.assertEqual(self.call(C + "Get", certificate="t:other")["certificate"]["der"], made["der"])

    @unittest.skipUnless(os.getuid() == 0, "only root can be other users")
    def test_policy(self):
        """an instance sees the key by any name that its Keys= has, also after a reload and with another worker"""
        users = {"one": 61071, "two": 61072, "other": 61073}
        instances = "".join(f"[Instance {name}]\nUser={uid}\nKeys={name}*\nAllow=list sign generate\n" for name, uid in users.items())
        self.begin(instances=f"[Instance root]\nUser=0\nKeys=*\nAllow=list sign generate\n{instances}")
        key = self.unlabelled()
        self.put(key, ("one 2024", self.dated(key, "240101000000Z")), ("two 2025", self.dated(key, "250101000000Z")))
        until(lambda: self.call("List", token="t", nickname="two 2025")["keys"], "the name leads to it")

        def ids(name):
            with Client(sock=varlink.connect_as(self.daemon.socket, users[name], users[name])) as client:
                found = [found["id"] for found in client.call("List")["keys"]]
                by_id = "pkcs11:id=" + "".join(f"%{key['id'][i:i + 2]}" for i in range(0, len(key["id"]), 2))
                for at in (f"t:{name} 2024", f"t:{name} 2025", by_id):
                    try:
                        client.call("Sign", key=at, algorithm="ecdsa_sha256", digest=b64(bytes(32)))
                        found.append("signs")
                    except varlink.Error as error:
                        self.assertIn("KeyNotFound", str(error))
                return found
        for again in (self.next_worker, self.restart, lambda: None):
            self.assertEqual(ids("one"), [key["id"], "signs", "signs"])
            self.assertEqual(ids("two"), [key["id"], "signs", "signs"])
            self.assertEqual(ids("other"), [])
            again()
        # Whoever gives it a name that another does not see takes it away from that one.
        with Client(sock=varlink.connect_as(self.daemon.socket, users["one"], users["one"])) as client:
            self.fails("PermissionDenied", client.call, "Rename", key="t:one 2024", nickname="one own")

    def test_one_name(self):
        """two certificates of one label and one id are told apart by the serial number, and copies of one are deleted one by one"""
        self.begin()
        key = self.unlabelled()
        old, new = self.dated(key, "240101000000Z"), self.dated(key, "250101000000Z")
        self.put(key, ("c", old), ("c", new), ("c", new))
        until(lambda: len(self.call(C + "List", token="t")["certificates"]) == 3, "they are there")
        self.is_key(key, "t:c")
        serials = {c["der"]: c["serialNumber"] for c in self.call(C + "List", token="t")["certificates"]}
        self.fails("AmbiguousName", self.call, C + "Get", certificate="t:c")
        self.fails("AmbiguousName", self.call, C + "Delete", certificate="t:c")
        self.fails("CertificateNotFound", self.call, C + "Delete", certificate="t:c", serialNumber="00")
        for der in (old, new):
            got = self.call(C + "Get", certificate="t:c", serialNumber=serials[b64(der)])["certificate"]
            self.assertEqual(got["der"], b64(der))
        self.daemon.ctl("delete-cert", "t:c", "--serial", serials[b64(old)], "--yes")
        # A program deletes the first that the PKCS #11 module shows.
        self.put(key, ("c", old))
        until(lambda: len(self.call(C + "List", token="t")["certificates"]) == 3, "it is there again")
        run("pkcs11-tool", "--module", PLAIN / "libtokend-pkcs11.so", "--login", "--pin", "none", "--delete-object", "--type", "cert",
            "--label", "c", env=dict(os.environ, TOKEND_SOCKET=str(self.daemon.socket)))
        left = sorted(c["der"] for c in self.call(C + "List", token="t")["certificates"])
        self.assertEqual(len(left), 2)
        if left != [b64(new)] * 2:
            self.call(C + "Delete", certificate="t:c", serialNumber=serials[b64(old)])
            self.put(key, ("c", new))
            until(lambda: [c["der"] for c in self.call(C + "List", token="t")["certificates"]] == [b64(new)] * 2, "as before")
        for left in (2, 1):
            self.assertEqual([c["der"] for c in self.call(C + "List", token="t")["certificates"]], [b64(new)] * left)
            self.is_key(key, "t:c")
            self.call(C + "Delete", certificate="t:c")
        self.assertEqual(self.names(), [""])

    def test_internal(self):
        """a certificate that certutil renewed under one nickname, on an internal token"""
        ca, path = Authority(self.place), self.place.path / "internal"
        self.daemon = self.own(f"[Token t]\nModule=internal\nDirectory={path}\nRefresh=200ms\n")
        self.daemon.wait_state("t", "ready")
        self.call = self.daemon.call
        nss = ["-d", f"sql:{path}"]
        run("certutil", *nss, "--merge", "-f", path / "pin", "--source-dir", f"sql:{ca.database}", "-@", ca.pin)
        run("certutil", *nss, "-A", "-n", CA, "-t", ",,", "-f", path / "pin", "-i", self.place.write("new.der", ca.renewed))
        found = until(lambda: (lambda c: c if len(c) == 2 else None)(self.call(C + "List", token="t")["certificates"]), "both are there")
        self.assertEqual({c["serialNumber"]: c["der"] for c in found}, {"01": b64(ca.first), "02": b64(ca.renewed)})
        self.assertEqual(self.names(), [CA])
        self.call(C + "Delete", certificate=f"t:{CA}", serialNumber="01")
        self.restart()
        self.assertEqual(self.names(), [CA])
        self.assertEqual(self.call(C + "Get", certificate=f"t:{CA}")["certificate"]["serialNumber"], "02")


class Odd(Joined):
    """What lies on the token as a certificate, and is not exactly one in DER."""

    def test_listed(self):
        """it is listed with its bytes and deleted, and then its nickname is free"""
        self.begin()
        key = self.unlabelled()
        good = self.dated(key, "250101000000Z")
        at = good.index(b"\x17\x0d") + 2
        shapes = {"zeros behind": good + bytes(300), "ff behind": good + b"\xff" * 100, "a fraction": good[:at] + b"x" + good[at + 1:],
                  "pem": b"-----BEGIN CERTIFICATE-----\nAAAA\n", "nothing": b"", "zeros": bytes(1000), "indefinite": b"0\x80" + good[3:] + b"\0\0",
                  "half": good[:len(good) // 2], "long": b"0" + bytes(70000), "very long": bytes(200000)}
        self.put(key, *shapes.items())
        with_fields, without_bytes = {"zeros behind", "ff behind", "a fraction"}, {"long", "very long"}

        def listed():
            found = {c["nickname"]: c for c in self.call(C + "List", token="t")["certificates"]}
            return found if len(found) == len(shapes) else None
        for again in (self.next_worker, self.restart, lambda: None):
            for name, shown in until(listed, "all are listed").items():
                with self.subTest(name):
                    wanted = {"zeros behind": good, "ff behind": good}.get(name, b"" if name in without_bytes else shapes[name])
                    self.assertEqual(shown["der"], b64(wanted))
                    self.assertEqual(shown["subject"], "CN=server" if name in with_fields else "")
                    self.assertTrue(shown["hasPrivateKey"])
            self.assertEqual(self.names(), ["ff behind"])
            self.is_key(key, "t:zeros behind", "t:ff behind", "t:a fraction")
            self.fails("KeyNotFound", self.call, "Get", key="t:pem")
            again()
        self.daemon.ctl("certs", "t")
        self.daemon.ctl("certs", "t", "--pem")
        for name in shapes:
            self.call(C + "Delete", certificate=f"t:{name}")
        self.assertEqual(self.names(), [""])
        for name in ("pem", "very long"):
            self.call("Generate", token="t", nickname=name, type="ec")

    def test_not_imported(self):
        """none of it is imported"""
        self.begin()
        key = self.call("Generate", token="t", nickname="k", type="ec")["key"]
        good = self.dated(key, "250101000000Z")
        at = good.index(b"\x17\x0d") + 2
        for bad in (good + b"\0", good[:at] + b"x" + good[at + 1:], good[:-1], b"pem", b"0\0"):
            self.fails("NotACertificate", self.call, C + "Import", token="t", nickname="k", certificate=b64(bad))
        self.call(C + "Import", token="t", nickname="k", certificate=b64(good))

    def test_one_name(self):
        """two of one nickname and one id are told apart by how their bytes end"""
        self.begin()
        self.put({"id": "01"}, ("x", b"one"), ("x", b"two"))
        until(lambda: len(self.call(C + "List", token="t")["certificates"]) == 2, "both are listed")
        self.fails("AmbiguousName", self.call, C + "Delete", certificate="t:x")
        self.call(C + "Delete", certificate="pkcs11:token=" + self.token.label + ";object=x;x-der-tail=two")
        self.assertEqual([unb64(c["der"]) for c in self.call(C + "List", token="t")["certificates"]], [b"one"])


class Halves(Joined):
    """Pairs whose halves the CKA_ID does not join."""

    def pair(self, label, kind="EC:prime256v1"):
        """As pkcs11-tool makes it without --id: neither half has one."""
        self.token.tool("--keypairgen", "--key-type", kind, "--label", label)
        return until(lambda: self.call("List", token="t", nickname=label)["keys"], "it is listed")[0]

    def set(self, label, kind, **attributes):
        self.assertEqual(write(self.token, ("set", {"CLASS": {"public": 2, "private": 3}[kind], "LABEL": label.encode()}, attributes)), [1])

    def half(self, label):
        """The public half as the next workers have it, and as that of this one."""
        self.restart()
        found = self.call("Get", key=f"t:{label}")["key"]["publicKey"]
        self.next_worker()
        self.assertEqual(self.call("Get", key=f"t:{label}")["key"]["publicKey"], found)
        return found

    def left(self, label):
        return write(self.token, ("count", {"LABEL": label.encode()}))[0]

    def test_no_id(self):
        """a pair without an id is a pair: it signs, is certified and deleted, and its nickname is free then"""
        self.begin()
        for number, kind in enumerate(("EC:prime256v1", "EC:secp384r1", "rsa:2048", "EC:edwards25519")):
            with self.subTest(kind):
                label = f"plain {number}"
                key = self.pair(label, kind)
                self.assertEqual((key["id"], key["publicKey"]), ("", self.half(label)))
                algorithm = "ecdsa_sha384" if "384" in kind else ALGORITHMS[key["type"]]
                signature = unb64(self.call("Sign", key=f"t:{label}", algorithm=algorithm, message=b64(b"m"))["signature"])
                self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), algorithm, b"m", signature))
                made = 0
                if key["type"] != "ed25519":
                    self.call(C + "Request", key=f"t:{label}", subject="CN=x")
                    self.call(C + "SelfSign", key=f"t:{label}", subject="CN=x", validityDays=9)
                    self.call(C + "Delete", certificate=f"t:{label}")
                    self.assertFalse(self.call("Get", key=f"t:{label}")["key"]["hasCertificate"])
                    der = certificate(self.place, unb64(key["publicKey"]))
                    self.assertTrue(self.call(C + "Import", token="t", nickname=label, certificate=b64(der))["certificate"]["hasPrivateKey"])
                    self.assertTrue(self.call("Get", key=f"t:{label}")["key"]["hasCertificate"])
                    self.fails("NicknameExists", self.call, C + "SelfSign", key=f"t:{label}", subject="CN=x", validityDays=9)
                    made = 1
                self.assertEqual(self.left(label), 2 + made)
                self.call("Delete", key=f"t:{label}")
                self.assertEqual(self.left(label), made)
                if made:
                    self.assertFalse(self.call(C + "Get", certificate=f"t:{label}")["certificate"]["hasPrivateKey"])
                    self.call(C + "Delete", certificate=f"t:{label}")
                self.call("Generate", token="t", nickname=label, type="ec")

    def test_two_ids(self):
        """nor do two ids part what has one label"""
        self.begin()
        for other in (b"\x0b", b""):
            for kind in ("EC:prime256v1", "rsa:2048"):
                with self.subTest(kind, other=other):
                    key = self.pair("two", kind)
                    self.set("two", "private", ID=b"\x0a")
                    self.set("two", "public", ID=other)
                    self.assertEqual(self.half("two"), key["publicKey"])
                    self.call(C + "SelfSign", key="t:two", subject="CN=x", validityDays=9)
                    self.call(C + "Delete", certificate="t:two")
                    self.call("Rename", key="t:two", nickname="renamed")
                    self.assertEqual((self.left("two"), self.left("renamed")), (0, 2))
                    self.assertEqual(self.half("renamed"), key["publicKey"])
                    self.call("Delete", key="t:renamed")
                    self.assertEqual(self.left("renamed"), 0)

    def test_not_sure(self):
        """what may be another key's half is none: the key signs, and says what it lacks"""
        self.begin()
        self.pair("k")
        self.pair("more")
        self.set("more", "public", LABEL=b"k")
        self.unsure()
        # One of another size does not count.
        write(self.token, ("destroy", {"CLASS": 2, "LABEL": b"k"}))
        self.unsure()
        self.pair("large", "EC:secp384r1")
        self.set("large", "public", LABEL=b"k")
        self.unsure()
        self.call("Delete", key="t:k")
        self.assertEqual(self.left("k"), 1)

    def unsure(self):
        self.assertEqual(self.half("k"), "")
        self.call("Sign", key="t:k", algorithm="ecdsa_sha256", digest=b64(bytes(32)))
        for method, more in ((C + "Request", {"subject": "CN=x"}), (C + "SelfSign", {"subject": "CN=x", "validityDays": 9}),
                             ("Rename", {"nickname": "other"})):
            self.assertEqual(self.fails("InvalidParameter", self.call, method, key="t:k", **more), {"parameter": "key"})
            self.assertIn("public key", self.reason("InvalidParameter", self.call, method, key="t:k", **more))

    def test_claimed(self):
        """the public half of another private key, by its id or its label, is not taken; when that one goes, it is"""
        self.begin()
        other = self.pair("other")
        self.set("other", "private", ID=b"\x0c")
        self.set("other", "public", ID=b"\x0c")
        self.pair("k")
        write(self.token, ("destroy", {"CLASS": 2, "LABEL": b"k"}))
        self.set("other", "public", LABEL=b"k")
        self.assertEqual(self.half("k"), "")
        self.assertEqual(self.half("other"), other["publicKey"])
        # By the label: two private keys and one public one.
        self.set("other", "private", LABEL=b"k", ID=b"")
        self.set("k", "public", ID=b"")
        self.restart()
        self.assertEqual([key["publicKey"] for key in self.call("List", token="t")["keys"]], ["", ""])
        write(self.token, ("set", {"CLASS": 3}, {"LABEL": b"k"}))
        self.assertEqual(self.left("k"), 3)

    def test_comes_later(self):
        """a half that comes while the key is used is taken, and one that goes is not kept for the next worker"""
        self.begin()
        key = self.pair("k")
        self.set("k", "public", LABEL=b"away")
        self.assertEqual(self.half("k"), "")
        self.set("away", "public", LABEL=b"k")
        until(lambda: self.call("Get", key="t:k")["key"]["publicKey"] == key["publicKey"], "its half is there")
        self.call("Delete", key="t:k")
        self.assertEqual(self.left("k"), 0)

# SPDX-License-Identifier: MPL-2.0
"""A certificate takes the place of another one: at every moment one of the two is there."""
import json
import os
import threading
import unittest

import varlink
from harness import Case, SoftToken, run, until
from test_audit import read
from test_faults import FaultyToken
from test_claims import Shared, together
from varlink import Client, b64, unb64

C = "io.tokend.Certificates."
ROBOT, ADMIN, OTHER = 61021, 61022, 61023
INSTANCES = f"""
[Instance robot]
User={ROBOT}
Keys=web*
Allow=list import
[Instance admin]
User={ADMIN}
Keys=*
Allow=list sign generate delete delete-cert request import
[Instance other]
User={OTHER}
Keys=other*
Allow=list import
"""


class Authority:
    """A CA, by openssl."""

    def __init__(self, place):
        self.place = place
        self.serial = 0x100
        self.key, self.certificate = place.path / "ca.key", place.path / "ca.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.key,
            "-subj", "/CN=CA", "-days", "100", "-out", self.certificate)

    def issue(self, spki, subject="/CN=web", serial=None):
        """A certificate for a public key, DER; each has a serial number of its own."""
        self.serial += 1
        pem = run("openssl", "pkey", "-pubin", "-inform", "DER", input=spki, stdin=None)
        public = self.place.path / f"public-{self.serial}.pem"
        public.write_bytes(pem)
        # A request of another key, whose public key is then put in its place.
        request = run("openssl", "req", "-new", "-key", self.key, "-subj", subject)
        return run("openssl", "x509", "-req", "-CA", self.certificate, "-CAkey", self.key, "-set_serial", str(serial or self.serial),
                   "-days", "30", "-force_pubkey", public, "-outform", "DER", input=request, stdin=None)


class Reader:
    """A client that asks for a certificate by its nickname, and lists it, all the time; whatever it is told but one certificate is a
    fault."""

    def __init__(self, daemon, nickname):
        self.daemon, self.nickname, self.faults, self.n, self.ended = daemon, nickname, [], 0, False
        self.seen = set()
        self.thread = threading.Thread(target=self.read)

    def read(self):
        with self.daemon.client() as client:
            while not self.ended:
                try:
                    self.seen.add(client.call(C + "Get", certificate=self.nickname)["certificate"]["der"])
                    listed = client.call(C + "List", nickname=self.nickname)["certificates"]
                    if len(listed) != 1:
                        self.faults.append(f"{len(listed)} are listed")
                    if not client.call("Get", key=self.nickname)["key"]["hasCertificate"]:
                        self.faults.append("the key has none")
                except varlink.Error as error:
                    self.faults.append(str(error))
                self.n += 1

    def __enter__(self):
        self.thread.start()
        until(lambda: self.n > 0, "the first answer")
        return self

    def __exit__(self, *_):
        n = self.n
        until(lambda: self.n > n + 1 or not self.thread.is_alive(), "an answer after it")
        self.ended = True
        self.thread.join()


class Renewal(Case):
    """On SoftHSM2; the subclass is on NSS's token."""

    token = "hsm"

    @classmethod
    def configure(cls):
        cls.authority = Authority(cls.place)
        cls.soft = SoftToken(cls.place, "hsm")
        cls.audit = cls.place.path / "audit"
        cls.daemon = cls.start(f"Audit=file:{cls.audit}\n" + cls.soft.section())

    def call(self, method, **parameters):
        return self.daemon.call(method, **parameters)

    def key(self, nickname):
        return unb64(self.call("Generate", token=self.token, nickname=nickname, type="ec")["key"]["publicKey"])

    def bring(self, nickname, der, replace=None):
        return self.call(C + "Import", token=self.token, nickname=nickname, certificate=b64(der), replace=replace)

    def certificates(self, nickname):
        return [unb64(c["der"]) for c in self.call(C + "List", nickname=nickname)["certificates"]]

    def test_in_place(self):
        """the new certificate is there before the old one goes: a client that reads all the time sees one, and no error"""
        spki = self.key("web")
        last = self.authority.issue(spki)
        self.assertEqual(self.bring("web", last, True)["replaced"], [])
        with Reader(self.daemon, "web") as reader:
            for _ in range(12):
                old, last = self.authority.serial, self.authority.issue(spki)
                told = self.bring("web", last, True)
                self.assertEqual((told["replaced"], told["unchanged"]), ([f"{old:04x}"], False))
                self.assertEqual((told["certificate"]["der"], told["certificate"]["hasPrivateKey"]), (b64(last), True))
        self.assertEqual(reader.faults, [])
        self.assertGreater(len(reader.seen), 2)
        self.assertEqual(self.certificates("web"), [last])

    def test_another_subject(self):
        """likewise where the subject is another one, which a nickname of NSS's cannot be beside the first"""
        spki = self.key("moved")
        self.bring("moved", self.authority.issue(spki, "/CN=old.example"))
        with Reader(self.daemon, "moved") as reader:
            for name in ("new.example", "x" * 60, "y"):
                last = self.authority.issue(spki, f"/O=moved/CN={name}")
                self.assertEqual(len(self.bring("moved", last, True)["replaced"]), 1)
        self.assertEqual(reader.faults, [])
        made = self.call(C + "Get", certificate="moved")["certificate"]
        self.assertEqual((made["der"], made["subject"]), (b64(last), "CN=y,O=moved"))

    def test_same(self):
        """the very certificate again: nothing is done, and it is said; without replace it is NicknameExists"""
        der = self.authority.issue(self.key("same"))
        self.bring("same", der)
        self.fails("NicknameExists", self.bring, "same", der)
        told = self.bring("same", der, True)
        self.assertEqual((told["replaced"], told["unchanged"], told["certificate"]["der"]), ([], True, b64(der)))
        self.assertEqual(self.certificates("same"), [der])

    def test_another_key(self):
        """a certificate of another public key does not replace that of a key, whether its key is there or not"""
        first = self.authority.issue(self.key("mine"))
        self.bring("mine", first)
        alone = run("openssl", "pkey", "-in", self.authority.key, "-pubout", "-outform", "DER")
        self.assertEqual(self.fails("InvalidParameter", self.bring, "mine", self.authority.issue(alone), True),
                         {"parameter": "certificate"})
        self.assertEqual(self.fails("InvalidParameter", self.bring, "mine", self.authority.issue(self.key("yours")), True),
                         {"parameter": "nickname"})
        self.assertEqual(self.certificates("mine"), [first])

    def test_alone(self):
        """one that stands alone replaces one of the same public key, and no other"""
        spki = run("openssl", "pkey", "-in", self.authority.key, "-pubout", "-outform", "DER")
        self.bring("chain", self.authority.issue(spki, "/CN=chain"))
        last = self.authority.issue(spki, "/CN=chain 2")
        self.assertEqual(len(self.bring("chain", last, True)["replaced"]), 1)
        self.assertEqual(self.certificates("chain"), [last])
        other = run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-outform", "DER")
        other = run("openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER", input=other, stdin=None)
        self.fails("NicknameExists", self.bring, "chain", self.authority.issue(other, "/CN=chain"), True)
        self.assertEqual(self.certificates("chain"), [last])

    def test_issuer_and_serial(self):
        """NSS's database cannot hold two certificates of one issuer and serial number: that is said; another token holds both"""
        spki = self.key("serial")
        first = self.authority.issue(spki, serial=7)
        second = self.authority.issue(spki, subject="/CN=other", serial=7)
        self.bring("serial", first)
        if self.token == "internal":
            reason = self.reason("InvalidParameter", self.bring, "serial", second, True)
            self.assertIn("issuer and serial number", reason)
            self.assertIn("delete", reason)
            self.assertEqual(self.certificates("serial"), [first])
        else:
            self.bring("serial", second, True)
            self.assertEqual(self.certificates("serial"), [second])

    def test_records(self):
        """the audit has what is to go, that it went, and the import"""
        spki = self.key("recorded")
        self.bring("recorded", self.authority.issue(spki))
        old = f"{self.authority.serial:04x}"
        self.bring("recorded", self.authority.issue(spki), True)
        until(lambda: [r for r in self.records() if r["kind"] == "delete"], "the record of the removal")
        begun, gone, done = self.records()[-3:]
        self.assertEqual((begun["kind"], begun["result"]), ("import", "begun"))
        self.assertIn(old, begun["reason"])
        self.assertEqual((gone["kind"], gone["result"], gone["request"]), ("delete", "ok", begun["request"]))
        self.assertIn(old, gone["reason"])
        self.assertEqual((done["kind"], done["result"]), ("import", "ok"))

    def records(self):
        return [r for r in read(self.audit) if r.get("key") == "recorded" and r["kind"] != "generate"]

    def test_limit(self):
        """LIMIT_REPLACED: 16 certificates of one nickname, which other programs left, go at once; of one more none goes"""
        spki = self.key("many")
        key_id = self.call("Get", key="many")["key"]["id"]
        for n in range(17):
            self.another("many", self.authority.issue(spki), key_id)
        until(lambda: len(self.certificates("many")) == 17, "all are listed")
        last = self.authority.issue(spki)
        self.fails("NicknameExists", self.bring, "many", last, True)
        one = self.call(C + "List", nickname="many")["certificates"][0]
        self.call(C + "Delete", certificate="many", serialNumber=one["serialNumber"])
        self.assertEqual(len(self.bring("many", last, True)["replaced"]), 16)
        self.assertEqual(self.certificates("many"), [last])

    def another(self, nickname, der, key_id):
        path = self.place.path / "another.der"
        path.write_bytes(der)
        self.soft.tool("--write-object", path, "--type", "cert", "--label", nickname, "--id", key_id)

    def test_ctl(self):
        """tokendctl import --replace, and what it says; NicknameExists names it"""
        spki = self.key("by hand")
        path = self.place.path / "hand.der"
        path.write_bytes(self.authority.issue(spki))
        old = f"{self.authority.serial:04x}"
        name = f"{self.token}:by hand"
        self.daemon.ctl("import", name, path)
        path.write_bytes(self.authority.issue(spki))
        self.assertIn(b"--replace", self.daemon.ctl("import", name, path, check=False).stderr)
        done = self.daemon.ctl("import", name, path, "--replace", check=False)
        self.assertIn(old.encode(), done.stderr)
        done = self.daemon.ctl("import", name, path, "--replace", check=False)
        self.assertIn(b"nothing was done", done.stderr)
        done = self.daemon.ctl("--json", "import", name, path, "--replace", check=False)
        told = json.loads(done.stdout)
        self.assertEqual((told["replaced"], told["unchanged"], told["certificate"]["nickname"]), ([], True, "by hand"))


class RenewalOnNss(Renewal):
    token = "internal"

    @classmethod
    def configure(cls):
        cls.authority = Authority(cls.place)
        cls.audit = cls.place.path / "audit"
        cls.directory = cls.place.path / "nss"
        cls.daemon = cls.start(f"Audit=file:{cls.audit}\n[Token internal]\nModule=internal\nDirectory={cls.directory}\n"
                               "Refresh=500ms\n")

    # certutil puts no certificate beside one of tokend's nickname.
    test_limit = None

    def test_made_by_nss(self):
        """a key that certutil made has its name from its certificate; it keeps it when that is replaced, and goes on signing"""
        directory = self.place.path / "other"
        daemon = self.own(f"[Token internal]\nModule=internal\nDirectory={directory}\nRefresh=500ms\n")
        certutil = ["certutil", "-d", f"sql:{directory}", "-f", directory / "pin"]
        noise = self.place.write("noise", os.urandom(256).hex())
        run(*certutil, "-S", "-z", noise, "-n", "ca", "-s", "CN=by NSS", "-x", "-t", "CTu,Cu,Cu", "-k", "rsa", "-g", "2048")
        key = until(lambda: daemon.call("List", nickname="ca")["keys"], "the key is listed")[0]
        for subject in ("/CN=by NSS", "/CN=renamed"):
            der = self.authority.issue(unb64(key["publicKey"]), subject)
            with Reader(daemon, "ca") as reader:
                told = daemon.call(C + "Import", nickname="ca", certificate=b64(der), replace=True)
            self.assertEqual((len(told["replaced"]), told["certificate"]["hasPrivateKey"]), (1, True))
            self.assertEqual(reader.faults, [])
            self.assertRegex(run("certutil", "-L", "-d", f"sql:{directory}").decode(), r"(?m)^ca +u,u,u$")
            daemon.call("Sign", key="ca", algorithm="rsa_pkcs1_sha256", digest=b64(bytes(32)))


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Rights(Case):
    """A robot that renews has `import`, and may neither destroy a key nor take a certificate away."""

    @classmethod
    def configure(cls):
        cls.authority = Authority(cls.place)
        cls.soft = SoftToken(cls.place, "hsm")
        cls.daemon = cls.start(cls.soft.section(), instances=INSTANCES)

    def as_user(self, uid):
        return Client(sock=varlink.connect_as(self.daemon.socket, uid, uid))

    def test_robot(self):
        """`import` alone is enough; it is no `delete-cert`, and no way to another's certificate"""
        with self.as_user(ADMIN) as admin, self.as_user(ROBOT) as robot, self.as_user(OTHER) as other:
            spki = unb64(admin.call("Generate", nickname="web", type="ec")["key"]["publicKey"])
            first, second = self.authority.issue(spki), self.authority.issue(spki)
            robot.call(C + "Import", nickname="web", certificate=b64(first))
            for nickname in ("web", "other"):
                self.assertEqual(self.fails("PermissionDenied", other.call, C + "Import", nickname=nickname, certificate=b64(second),
                                            replace=True), {"operation": "import"})
            self.assertEqual(len(robot.call(C + "Import", nickname="web", certificate=b64(second), replace=True)["replaced"]), 1)
            self.assertEqual(self.fails("PermissionDenied", robot.call, C + "Delete", certificate="web"),
                             {"operation": "delete-cert"})
            self.assertEqual(self.fails("PermissionDenied", robot.call, "Delete", key="web"), {"operation": "delete"})

    def test_names(self):
        """a key without a label is called by each of its certificates: who would take it from another instance needs `delete`"""
        with self.as_user(ADMIN) as admin, self.as_user(ROBOT) as robot:
            self.soft.tool("--keypairgen", "--key-type", "EC:prime256v1", "--id", "0d01")
            key = until(lambda: [k for k in admin.call("List")["keys"] if k["id"] == "0d01"], "the key is listed")[0]
            path = self.place.path / "named.der"
            for name in ("web shared", "other shared"):
                path.write_bytes(self.authority.issue(unb64(key["publicKey"])))
                self.soft.tool("--write-object", path, "--type", "cert", "--label", name, "--id", "0d01")
            until(lambda: len(admin.call(C + "List")["certificates"]) >= 2, "both are listed")
            last = b64(self.authority.issue(unb64(key["publicKey"])))
            self.assertEqual(self.fails("PermissionDenied", robot.call, C + "Import", nickname="web shared", certificate=last,
                                        replace=True), {"operation": "delete"})
            self.assertEqual(len(admin.call(C + "Import", nickname="web shared", certificate=last, replace=True)["replaced"]), 1)
            self.assertEqual(admin.call("Get", key="pkcs11:id=%0d%01")["key"]["nickname"], "web shared")
            self.assertEqual(len(admin.call(C + "List", nickname="other shared")["certificates"]), 1)


class Interrupted(Case):
    """The worker, the broker or the supervisor dies at each step of it."""

    @classmethod
    def configure(cls):
        cls.authority = Authority(cls.place)

    def setUp(self):
        self.token = token = FaultyToken(self.place, f"h{len(os.listdir(self.place.path))}", ())
        self.daemon = self.own(token.section("hsm", "KeepAlive=1h\n", refresh="1h"))
        spki = unb64(self.daemon.call("Generate", nickname="k", type="ec")["key"]["publicKey"])
        self.ders = {"old": b64(self.authority.issue(spki)), "new": b64(self.authority.issue(spki, "/CN=renewed"))}
        self.bring("old")

    def bring(self, which, **more):
        return self.daemon.call(C + "Import", nickname="k", certificate=self.ders[which], **more)

    def there(self):
        """old, new, or both; a copy counts."""
        listed = [c["der"] for c in self.daemon.call(C + "List", token="hsm", nickname="k")["certificates"]]
        return sorted(which for der in listed for which in self.ders if self.ders[which] == der)

    def is_renewed_in_the_end(self):
        self.assertIn(self.there(), (["old"], ["new"], ["new", "old"]))
        self.daemon.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", digest=b64(bytes(32)))
        self.bring("new", replace=True)
        self.assertEqual(self.there(), ["new"])
        self.bring("old", replace=True)
        self.assertEqual(self.there(), ["old"])

    def test_worker(self):
        """the worker dies before or after each call that changes the token; a repeat ends well"""
        token = self.token
        done = set()
        # C_CreateObject: the claim, the certificate. C_DestroyObject: the old certificate, the claim.
        for call in ("C_CreateObject crash", "C_CreateObject crash after", "C_DestroyObject crash", "C_DestroyObject crash after"):
            for skip in (0, 1):
                with self.subTest(call, skip=skip):
                    pid = self.daemon.worker().pid
                    token.set(f"{call} skip={skip} count=1")
                    try:
                        self.bring("new", replace=True)
                        outcome = "ok"
                    except varlink.Error as error:
                        outcome = error.name
                    token.set()
                    self.assertIn(outcome, ("ok", "WorkerLost"))
                    until(lambda: self.daemon.worker().pid != pid, "another worker")
                    self.daemon.wait_state("hsm", "ready")
                    done.add((outcome, *self.there()))
                    self.is_renewed_in_the_end()
        self.assertEqual(done, {("WorkerLost", "old"), ("WorkerLost", "new", "old"), ("ok", "new")})

    def test_refused(self):
        """if the token does not let the old one go, the new one is taken back, and the error is the token's"""
        token = self.token
        token.set("C_DestroyObject ckr=0x1b count=1")
        self.addCleanup(token.set)
        self.assertEqual(self.fails("TokenError", self.bring, "new", replace=True)["ckr"], "CKR_ACTION_PROHIBITED")
        self.assertEqual(self.there(), ["old"])
        self.is_renewed_in_the_end()

    def test_lost_session(self):
        """if a session is lost in the middle, it goes on in another one, and one certificate is there at the end"""
        token = self.token
        for call in ("C_CreateObject", "C_DestroyObject"):
            for skip in (0, 1):
                for fault in ("0xb3", "0x6", "0x31"):
                    for after in ("", " after"):
                        with self.subTest(call, skip=skip, fault=fault, after=after):
                            token.set(f"{call} ckr={fault}{after} skip={skip} count=1")
                            self.bring("new", replace=True)
                            token.set()
                            self.assertEqual(self.there(), ["new"])
                            self.bring("old", replace=True)

    def test_all(self):
        """kill -9 of each process in the middle: the old one, the new one, or both; a repeat ends well"""
        token = self.token
        for name in ("worker", "broker", "supervisor"):
            for call in ("C_CreateObject", "C_DestroyObject"):
                with self.subTest(name, call=call):
                    before = token.counts().get(call, 0)
                    token.set(f"{call} delay_ms=400 skip=1 count=1")
                    with self.daemon.client() as client:
                        client.send(C + "Import", {"nickname": "k", "certificate": self.ders["new"], "replace": True})
                        until(lambda: token.counts().get(call, 0) > before + 1, "the call is made")
                        if name == "supervisor":
                            worker = self.daemon.worker()
                            self.daemon.process.kill()
                            self.daemon.reap()
                            # It ends when its call is over. systemd would have killed it before it starts another daemon.
                            until(worker.gone, "its worker has ended")
                            token.set()
                            self.daemon.start()
                        else:
                            victim = self.daemon.broker() if name == "broker" else self.daemon.worker()
                            victim.kill()
                            token.set()
                            until(victim.gone, "it is dead")
                    until(lambda: self.daemon.token("hsm")["state"] == "ready", "ready again")
                    self.is_renewed_in_the_end()


class Hosts(Shared):
    """Two hosts that share a token."""

    def test_at_once(self):
        """two hosts replace a certificate at once, by another one each: one is there at the end, and nobody is told what is not so"""
        authority = Authority(self.place)
        one, two = self.begin(SoftToken(self.place, "hsm"))
        spki = unb64(one.call("Generate", nickname="k", type="ec")["key"]["publicKey"])
        first = authority.issue(spki)
        one.call(C + "Import", nickname="k", certificate=b64(first))
        until(lambda: two.call(C + "List", nickname="k")["certificates"], "the other host sees it")
        for _ in range(5):
            new = [authority.issue(spki), authority.issue(spki)]

            def bring(daemon, der):
                return daemon.call(C + "Import", nickname="k", certificate=b64(der), replace=True)
            told = together(lambda: bring(one, new[0]), lambda: bring(two, new[1]))
            done = [der for der, answer in zip(new, told) if isinstance(answer, dict)]
            for answer in told:
                if not isinstance(answer, dict):
                    self.assertEqual(answer.name, "NicknameExists", str(answer))
            self.assertTrue(done, told)

            def seen(daemon):
                return [unb64(c["der"]) for c in daemon.call(C + "List", nickname="k")["certificates"]]
            until(lambda: seen(one) == seen(two) and len(seen(one)) == 1 and seen(one)[0] in done, f"both see one of those: {told}")

# SPDX-License-Identifier: MPL-2.0
"""What names a key that other programs put on the token, and that no client gains a right to it by what it put there before,
meanwhile or afterwards: docs/names-of-keys.md. The other programs are NSS's (pk12util, certutil) and pkcs11-tool."""
import hashlib
import os
import unittest

import varlink
from harness import PIN, SOFTHSM, Case, SoftToken, run, until
from test_faults import FaultyToken
from varlink import Client, b64

C = "io.tokend.Certificates."
CA = "caSigningCert cert-ca CA"
OWNER, EVE = 61031, 61032
RIGHTS = "list sign generate delete delete-cert request import"
INSTANCES = (f'[Instance ca]\nUser={OWNER}\nKeys="*cert-ca CA"\nAllow={RIGHTS}\n'
             f"[Instance eve]\nUser={EVE}\nKeys=eve*\nAllow={RIGHTS}\n")
SUBJECT = "CN=CA,O=EXAMPLE"


class Authority:
    """A CA in an NSS database of another host, whose key has no label: two certificates of the key, and the file that pk12util
    restores it from."""

    def __init__(self, place):
        self.path = place.path / f"ca{len(os.listdir(place.path))}"
        self.path.mkdir()
        self.pin, noise = place.write(f"{self.path.name}/pin", "secret123\n"), place.write(f"{self.path.name}/noise", os.urandom(4096))
        self.database, self.p12, self.key = (self.path / name for name in ("db", "p12", "key.pem"))
        self.database.mkdir()
        self.nss("certutil", "-N", "-f", self.pin)
        self.nss("certutil", "-S", "-f", self.pin, "-z", noise, "-n", CA, "-s", SUBJECT, "-x", "-t", "CTu,Cu,Cu", "-k", "rsa", "-g",
                 "2048", "-m", "1", "-v", "12")
        self.first = self.nss("certutil", "-L", "-n", CA, "-r")
        self.nss("certutil", "-R", "-f", self.pin, "-z", noise, "-k", CA, "-s", SUBJECT, "-o", self.path / "csr")
        self.nss("certutil", "-C", "-f", self.pin, "-c", CA, "-i", self.path / "csr", "-o", self.path / "renewed", "-m", "2")
        self.renewed = (self.path / "renewed").read_bytes()
        self.nss("pk12util", "-o", self.p12, "-n", CA, "-k", self.pin, "-W", "p")
        run("openssl", "pkcs12", "-in", self.p12, "-nocerts", "-nodes", "-passin", "pass:p", "-out", self.key)
        modulus = run("openssl", "rsa", "-in", self.key, "-noout", "-modulus").decode().strip().partition("=")[2]
        self.id = hashlib.sha1(bytes.fromhex(modulus)).hexdigest()

    def nss(self, program, *arguments):
        return run(program, "-d", f"sql:{self.database}", *arguments)


class Names:
    """The tests of either token. Each has a token and a daemon of its own: `make()` gives the token's section, `nss` runs a
    program of NSS on it."""

    def begin(self):
        self.daemon = self.own(self.make(), instances=INSTANCES)
        self.daemon.wait_state("t", "ready")
        return Authority(self.place)

    def restart(self):
        self.daemon.stop()
        self.daemon.start()
        self.daemon.wait_state("t", "ready")

    def ask(self, uid, method, **parameters):
        with Client(sock=varlink.connect_as(self.daemon.socket, uid, uid)) as client:
            return client.call(method, **parameters)

    def keys(self, uid):
        return sorted(key["nickname"] for key in self.ask(uid, "List")["keys"])

    def plant(self, certificate, nickname="eve1"):
        """eve's import of a certificate that is not hers."""
        return self.ask(EVE, C + "Import", token="t", nickname=nickname, certificate=b64(certificate))["certificate"]

    def restore(self, ca):
        self.nss("pk12util", "-i", ca.p12, "-k", self.pin, "-W", "p")

    def seen(self, ca, owner=(CA,)):
        """Now and after a restart: the owner sees these keys, and eve sees no key and cannot sign with the CA's."""
        by_id = "pkcs11:id=" + "".join(f"%{ca.id[i:i + 2]}" for i in range(0, len(ca.id), 2))
        for again in (True, False):
            until(lambda: self.keys(OWNER) == sorted(owner), f"the CA sees {owner}")
            self.assertEqual(self.keys(EVE), [])
            for name in ("t:eve1", by_id):
                self.fails("KeyNotFound", self.ask, EVE, "Sign", key=name, algorithm="rsa_pkcs1_sha256", digest=b64(bytes(32)))
            if again:
                self.restart()

    def test_restored(self):
        """a key that pk12util restores has the nickname of its file, whatever certificate of its subject was planted before"""
        for planted, running in (("first", False), ("renewed", False), ("renewed", True)):
            with self.subTest(planted, running=running):
                ca = self.begin()
                self.plant(getattr(ca, planted))
                if not running:
                    self.daemon.stop()
                self.restore(ca)
                if not running:
                    self.daemon.start()
                self.seen(ca)

    def test_own_key_of_its_subject(self):
        """nor does a certificate of eve's own key, with the CA's subject, lend it eve's nickname"""
        ca = self.begin()
        self.ask(EVE, "Generate", token="t", nickname="eve1", type="rsa", size=2048)
        made = self.ask(EVE, C + "SelfSign", key="t:eve1", subject=SUBJECT, validityDays=9)["certificate"]
        self.assertEqual(made["subject"], SUBJECT)
        self.restore(ca)
        until(lambda: self.keys(OWNER) == [CA], "the CA sees its key")
        self.assertEqual(self.keys(EVE), ["eve1"])
        self.ask(EVE, C + "Delete", certificate="t:eve1")
        self.ask(EVE, "Delete", key="t:eve1")
        self.seen(ca)

    def test_merged(self):
        """certutil brings the same certificate for a key without a label: the planted one stays as it is, and names no key"""
        ca = self.begin()
        planted = self.plant(ca.first)
        self.write_unlabelled(ca)
        self.nss("certutil", "-A", "-n", CA, "-t", ",,", "-f", self.pin, "-i", self.place.write("ca.der", ca.first))
        self.seen(ca, owner=())
        self.assertEqual(self.ask(EVE, C + "Get", certificate="t:eve1")["certificate"], planted)
        # What is to be done: the planted one goes, and the certificate comes once more.
        self.ask(EVE, C + "Delete", certificate="t:eve1")
        self.nss("certutil", "-A", "-n", CA, "-t", ",,", "-f", self.pin, "-i", self.place.path / "ca.der")
        self.seen(ca)

    def make_authority(self, name=CA, serial="1"):
        """Dogtag's way: NSS makes key and certificate on this very token."""
        noise = self.place.write("noise", os.urandom(4096))
        self.nss("certutil", "-S", "-f", self.pin, "-z", noise, "-n", name, "-s", SUBJECT, "-x", "-t", ",,", "-k", "rsa",
                 "-g", "2048", "-m", serial, "-v", "12")
        return self.nss("certutil", "-L", "-f", self.pin, "-n", self.on_token(name), "-r")

    def on_token(self, name):
        return name

    def test_made_here(self):
        """a key that certutil makes on the token has the nickname that certutil gave, whatever was planted of its subject, its issuer
        and its serial number, and whoever deletes what he planted"""
        ca = self.begin()
        self.plant(ca.first)
        self.ask(EVE, "Generate", token="t", nickname="eve2", type="rsa", size=2048)
        self.ask(EVE, C + "SelfSign", key="t:eve2", subject=SUBJECT, validityDays=9)
        made = self.make_authority(serial="7")
        until(lambda: CA in self.keys(OWNER), "the CA sees its key")
        for step in (lambda: None, self.restart, lambda: self.ask(EVE, C + "Delete", certificate="t:eve2"),
                     lambda: self.ask(EVE, "Delete", key="t:eve2"), lambda: self.ask(EVE, C + "Delete", certificate="t:eve1"),
                     self.restart):
            step()
            self.assertEqual(self.keys(OWNER), [CA])
            self.assertLessEqual(set(self.keys(EVE)), {"eve2"})
            for nickname in ("eve1", "eve3"):
                self.fails("PermissionDenied", self.plant, made, nickname)

    def test_generated_first(self):
        """of a key of which only the public half is on the token yet, no certificate is imported either"""
        ca = self.begin()
        self.write_public(ca)
        self.restart()
        for certificate in (ca.first, ca.renewed):
            self.fails("NotACertificate", self.plant, certificate)
        self.write_unlabelled(ca)
        self.seen(ca, owner=())
        self.nss("certutil", "-A", "-n", CA, "-t", ",,", "-f", self.pin, "-i", self.place.write("ca.der", ca.renewed))
        self.seen(ca)

    def test_there_before(self):
        """of a key that is on the token eve imports no certificate, and it goes on with the nickname that certutil gave it"""
        ca = self.begin()
        self.write_unlabelled(ca)
        self.nss("certutil", "-A", "-n", CA, "-t", ",,", "-f", self.pin, "-i", self.place.write("ca.der", ca.first))
        until(lambda: self.keys(OWNER) == [CA], "the CA sees its key")
        for certificate in (ca.first, ca.renewed):
            self.fails("PermissionDenied", self.plant, certificate)
        self.seen(ca)

    def test_doubled(self):
        """a planted certificate, and one that NSS put there under the CA's nickname: the latter names the key"""
        ca = self.begin()
        self.plant(ca.renewed)
        self.write_unlabelled(ca)
        self.nss("certutil", "-A", "-n", CA, "-t", ",,", "-f", self.pin, "-i", self.place.write("ca.der", ca.first))
        self.seen(ca)
        self.ask(EVE, C + "Delete", certificate="t:eve1")
        self.seen(ca)


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Internal(Names, Case):
    def make(self):
        self.path = self.place.path / f"internal{len(os.listdir(self.place.path))}"
        self.pin = self.path / "pin"
        return f"[Token t]\nModule=internal\nDirectory={self.path}\nRefresh=500ms\n"

    def nss(self, program, *arguments):
        return run(program, "-d", f"sql:{self.path}", *arguments)

    def write_public(self, ca):
        self.skipTest("NSS writes no public half alone")

    def write_unlabelled(self, ca):
        """By certutil --merge, out of the CA's own database, which loses its certificate before."""
        ca.nss("certutil", "-D", "-n", CA, "-f", ca.pin)
        self.nss("certutil", "--merge", "-f", self.pin, "--source-dir", f"sql:{ca.database}", "-@", ca.pin)


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Hsm(Names, Case):
    faulty = False

    def make(self):
        n = len(os.listdir(self.place.path))
        self.token = SoftToken(self.place, f"h{n}") if not self.faulty else FaultyToken(self.place, f"h{n}", keys=())
        if self.faulty:
            self.token.set("C_CreateObject modifiable")
        self.database, self.pin = self.place.path / f"db{n}", self.place.write(f"nss{n}.pin", PIN + "\n", 0o600)
        self.database.mkdir()
        run("certutil", "-N", "-d", f"sql:{self.database}", "-f", self.place.write("empty.pin", "\n"))
        run("modutil", "-dbdir", f"sql:{self.database}", "-add", "soft", "-libfile", SOFTHSM, "-force", env=self.token.environment)
        return self.token.section("t")

    def nss(self, program, *arguments):
        return self.seen_slot(run, program, "-d", f"sql:{self.database}", "-h", self.token.label, *arguments,
                              env=self.token.environment)

    def seen_slot(self, function, *arguments, **options):
        """SoftHSM hides its slot from a new process while another one writes."""
        def done():
            try:
                return [function(*arguments, **options)]
            except AssertionError as error:
                if "SEC_ERROR_NO_TOKEN" not in str(error) and "No slot with token named" not in str(error):
                    raise
                return None
        return until(done, "the slot is there")[0]

    def on_token(self, name):
        return f"{self.token.label}:{name}"

    def write_public(self, ca):
        der = ca.path / "public.der"
        run("openssl", "pkey", "-in", ca.key, "-pubout", "-outform", "DER", "-out", der)
        self.seen_slot(self.token.tool, "--write-object", der, "--type", "pubkey", "--id", ca.id)

    def write_unlabelled(self, ca):
        der = ca.path / "key.der"
        run("openssl", "pkey", "-in", ca.key, "-outform", "DER", "-out", der)
        self.seen_slot(self.token.tool, "--write-object", der, "--type", "privkey", "--id", ca.id, "--usage-sign")

    def test_another_key_of_its_id(self):
        """a certificate of the key's CKA_ID, but for another key, lends it no nickname; one for the key does"""
        ca, other = self.begin(), Authority(self.place)
        self.write_unlabelled(ca)
        for authority, label in ((other, "other cert-ca CA"), (ca, CA)):
            self.token.tool("--write-object", self.place.write("c.der", authority.first), "--type", "cert", "--label", label,
                            "--id", ca.id)
            self.restart()
            self.assertEqual(self.keys(OWNER), [CA] if authority is ca else [])
        self.seen(ca)

    def test_shared_id(self):
        """an EC key without a label, whose CKA_ID eve's own pair has too, gets neither her public half nor her nickname"""
        ca, der = self.begin(), self.place.path / "ec.der"
        run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-outform", "DER", "-out", der)
        self.token.tool("--write-object", der, "--type", "privkey", "--id", ca.id, "--usage-sign")
        self.token.make_key("eve1", ca.id)
        self.restart()
        self.ask(EVE, C + "SelfSign", key="t:eve1", subject=SUBJECT, validityDays=9)
        for again in (True, False):
            self.assertEqual(self.keys(EVE), ["eve1"])
            self.ask(EVE, "Sign", key="t:eve1", algorithm="ecdsa_sha256", digest=b64(bytes(32)))
            if again:
                self.restart()

    def test_not_modifiable_unknown(self):
        """on a token that does not know CKA_MODIFIABLE, NSS may make the planted certificate the key's: it names no key"""
        self.faulty = True
        ca = self.begin()
        planted = self.plant(ca.first)
        self.assertEqual(planted["subject"], SUBJECT)
        self.write_unlabelled(ca)
        self.nss("certutil", "-A", "-n", CA, "-t", ",,", "-f", self.pin, "-i", self.place.write("ca.der", ca.first))
        listed = self.token.tool("--list-objects", "--type", "cert")
        # It did: the planted one has the key's CKA_ID now, and there is no other.
        self.assertEqual((listed.count("Certificate Object"), listed.count(ca.id)), (1, 1), listed)
        self.seen(ca, owner=())

    def test_refused_attribute(self):
        """a token that refuses the attributes which keep a certificate apart gets one without them"""
        token = FaultyToken(self.place, "plain", keys=())
        self.daemon = self.own(token.section("t"), instances=INSTANCES)
        self.daemon.wait_state("t", "ready")
        for count in (1, 2, 3):
            with self.subTest(count=count):
                # Behind the claim on the nickname. Each set of attributes in turn.
                token.set(f"C_CreateObject ckr=0x12 skip=1 count={count}")
                self.assertEqual(self.plant(Authority(self.place).first, f"eve{count}")["subject"], SUBJECT)

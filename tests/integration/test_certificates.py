# SPDX-License-Identifier: MPL-2.0
"""io.tokend.Certificates: made, asked for, brought, listed, removed; and who may."""
import os
import re
import time
import unittest

import varlink
from harness import DEADLINE, PLAIN, Case, OneToken, SoftToken, run, until
from test_faults import FaultyToken
from varlink import Client, b64, unb64

C = "io.tokend.Certificates."
SUBJECT = "CN=CA Signing Certificate,OU=a\\, b,O=EXAMPLE"


def openssl(*arguments, der):
    return run("openssl", *arguments, input=der, stdin=None).decode()


def text_of(der):
    return openssl("x509", "-inform", "DER", "-noout", "-text", "-nameopt", "RFC2253", der=der)


class Certificates(OneToken):
    def made(self, nickname, **more):
        return self.call(C + "SelfSign", key=f"hsm:{nickname}", subject=more.pop("subject", SUBJECT),
                         validityDays=more.pop("validityDays", 30), **more)["certificate"]

    def foreign(self, subject="/CN=foreign", kind="rsa:2048"):
        """A certificate of a key that no token has."""
        name = f"f{len(os.listdir(self.place.path))}"
        argv = ["-newkey", kind] if ":" in kind else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:" + kind]
        return run("openssl", "req", "-x509", *argv, "-nodes", "-keyout", self.place.path / (name + ".key"), "-subj", subject,
                   "-days", "10", "-outform", "DER")

    def test_request(self):
        """openssl finds requests of every type, size and algorithm good, with their names"""
        self.key("q-rsa", "rsa", size=2048)
        self.key("q-256")
        self.key("q-384", curve="secp384r1")
        self.key("q-521", curve="secp521r1")
        for key, algorithm, found in (("q-rsa", None, "sha256WithRSAEncryption"),
                                      ("q-rsa", "rsa_pkcs1_sha512", "sha512WithRSAEncryption"),
                                      ("q-rsa", "rsa_pss_sha384", "rsassaPss"), ("q-256", None, "ecdsa-with-SHA256"),
                                      ("q-384", None, "ecdsa-with-SHA384"), ("q-521", None, "ecdsa-with-SHA512"),
                                      ("q-521", "ecdsa_sha256", "ecdsa-with-SHA256")):
            with self.subTest(key, algorithm=algorithm):
                der = unb64(self.call(C + "Request", key=key, subject=SUBJECT, algorithm=algorithm,
                                      dnsNames=["a.example", "*.b.example", "xn--bcher-kva.example"])["request"])
                text = openssl("req", "-inform", "DER", "-noout", "-text", "-verify", "-nameopt", "RFC2253", der=der)
                self.assertIn(f"Subject: {SUBJECT}", text)
                self.assertIn(f"Signature Algorithm: {found}", text)
                self.assertIn("DNS:a.example, DNS:*.b.example, DNS:xn--bcher-kva.example", text)
                key_text = openssl("req", "-inform", "DER", "-noout", "-pubkey", der=der).split("-----")[2]
                self.assertEqual(key_text.replace("\n", ""), self.call("Get", key=key)["key"]["publicKey"])

    def test_request_refused(self):
        """a request is refused for what does not fit: the algorithm, the subject, the names"""
        self.key("r-rsa", "rsa", size=2048)
        self.key("r-ec")
        self.key("r-ed", "ed25519")
        self.key("r-decrypt", "rsa", size=2048, usage=["decrypt"])
        for key, algorithm in (("r-rsa", "ecdsa_sha256"), ("r-ec", "rsa_pss_sha256"), ("r-ec", "ed25519"), ("r-ed", None),
                               ("r-ed", "ed25519"), ("r-decrypt", None)):
            with self.subTest(key, algorithm=algorithm):
                self.assertEqual(self.fails("AlgorithmNotSupported", self.call, C + "Request", key=key, subject="CN=x",
                                            algorithm=algorithm)["key"], key)
        for subject in ("", "CN", "nonsense", "CN=a,", "=x", "CN=\x01", "CN=" + "x" * 5000, "C=Germany"):
            with self.subTest(subject=subject[:20]):
                self.assertEqual(self.fails("InvalidParameter", self.call, C + "Request", key="r-ec", subject=subject),
                                 {"parameter": "subject"})
        for names in ([], ["a b"], ["-a.example"], ["a..b"], ["a.b."], ["x" * 64 + ".example"], ["*"], ["a.*.b"], ["10.0.0.1"],
                      ["b\u00fccher.example"], [".".join(["a" * 49] * 6)]):
            with self.subTest(names=names):
                self.assertEqual(self.fails("InvalidParameter", self.call, C + "Request", key="r-ec", subject="CN=x",
                                            dnsNames=names), {"parameter": "dnsNames"})
        self.assertEqual(self.fails("InvalidParameter", self.call, C + "Request", key="r-ec", subject="CN=x",
                                    algorithm="md5"), {"parameter": "algorithm"})
        with self.assertRaises(varlink.Error) as caught:
            self.call(C + "Request", key="hsm:nothing", subject="CN=x")
        self.assertEqual((caught.exception.full, caught.exception.parameters),
                         (C + "KeyNotFound", {"key": "hsm:nothing"}))

    def test_dns_limit(self):
        """LIMIT_DNS_NAMES: 64 names are taken, one more is not"""
        self.key("d-ec")
        names = [f"n{i}.example" for i in range(64)]
        der = unb64(self.call(C + "Request", key="d-ec", subject="CN=x", dnsNames=names)["request"])
        self.assertIn("DNS:n63.example", openssl("req", "-inform", "DER", "-noout", "-text", der=der))
        self.fails("InvalidParameter", self.call, C + "Request", key="d-ec", subject="CN=x", dnsNames=names + ["o.example"])

    def test_self_sign(self):
        """a CA certificate has what a CA's needs, bears the key's nickname and id, and openssl verifies it"""
        for kind, more in (("rsa", {"size": 2048}), ("ec", {"curve": "secp384r1"})):
            with self.subTest(kind):
                key = self.key(f"s {kind}", kind, **more)
                before = int(time.time() * 1e6)
                made = self.made(f"s {kind}", ca=True, validityDays=36500)
                der = unb64(made["der"])
                path = self.place.write(f"s-{kind}.pem", openssl("x509", "-inform", "DER", der=der))
                self.assertIn("OK", run("openssl", "verify", "-x509_strict", "-CAfile", path, path).decode())
                text = text_of(der)
                for word in ("CA:TRUE", "Certificate Sign", "CRL Sign", "Subject Key Identifier"):
                    self.assertIn(word, text)
                serial = openssl("x509", "-inform", "DER", "-noout", "-serial", der=der).strip().partition("=")[2].lower()
                self.assertEqual((made["token"], made["nickname"], made["id"], made["subject"], made["issuer"],
                                  made["hasPrivateKey"]), ("hsm", f"s {kind}", key["id"], SUBJECT, SUBJECT, True))
                self.assertEqual(made["serialNumber"].lstrip("0"), serial.lstrip("0"))
                self.assertLessEqual(made["notBeforeUSec"], before + 1000000)
                self.assertAlmostEqual((made["notAfterUSec"] - before) / 86400e6, 36500, delta=0.1)
                self.assertTrue(self.call("Get", key=f"s {kind}")["key"]["hasCertificate"])
                self.assertEqual(self.call(C + "Get", certificate=f"hsm:s {kind}")["certificate"], made)
                self.assertEqual(self.call(C + "List", nickname=f"s {kind}")["certificates"], [made])
                shown = self.token.tool("--list-objects", "--type", "cert")
                self.assertRegex(shown, rf"label: +s {kind}\n(?:.*\n)*?.*ID: +{key['id']}")

    def test_self_sign_server(self):
        """without ca the certificate is a server's: no CA, with its names"""
        self.key("tls")
        text = text_of(unb64(self.made("tls", subject="CN=host.example", dnsNames=["host.example"])["der"]))
        self.assertNotIn("CA:TRUE", text)
        self.assertIn("DNS:host.example", text)
        self.assertNotIn("Certificate Sign", text)

    def test_self_sign_refused(self):
        """LIMIT_VALIDITY_DAYS: 1 to 36500 days; a key has one certificate of its nickname"""
        self.key("once")
        for days in (0, 36501, -1, "1", None):
            with self.subTest(days=days):
                self.assertEqual(self.fails("InvalidParameter", self.made, "once", validityDays=days),
                                 {"parameter": "validityDays"})
        made = self.made("once", validityDays=1)
        self.assertEqual(self.fails("NicknameExists", self.made, "once"), {"token": "hsm", "nickname": "once"})
        self.assertEqual(self.call(C + "List", nickname="once")["certificates"], [made])

    def test_import_for_key(self):
        """a certificate of a key is imported under the key's nickname and with its id, and under no other"""
        key = self.key("mine", "rsa", size=2048)
        certificate = self.made("mine", ca=True)
        self.call(C + "Delete", certificate="mine")
        self.assertFalse(self.call("Get", key="mine")["key"]["hasCertificate"])
        self.assertEqual(self.fails("InvalidParameter", self.call, C + "Import", nickname="other name",
                                    certificate=certificate["der"]), {"parameter": "nickname"})
        back = self.call(C + "Import", token="hsm", nickname="mine", certificate=certificate["der"])["certificate"]
        self.assertEqual((back["id"], back["hasPrivateKey"], back["der"]), (key["id"], True, certificate["der"]))
        self.fails("NicknameExists", self.call, C + "Import", nickname="mine", certificate=certificate["der"])
        # The key does its work under its nickname still.
        self.call("Sign", key="mine", algorithm="rsa_pkcs1_sha256", digest=b64(bytes(32)))

    def test_import_alone(self):
        """a certificate of no key on the token stands alone, under a nickname that nothing bears"""
        self.key("a key")
        der = self.foreign()
        self.assertEqual(self.fails("NicknameExists", self.call, C + "Import", nickname="a key", certificate=b64(der)),
                         {"token": "hsm", "nickname": "a key"})
        made = self.call(C + "Import", nickname="alone", certificate=b64(der))["certificate"]
        self.assertEqual((made["subject"], made["hasPrivateKey"], made["der"]), ("CN=foreign", False, b64(der)))
        self.fails("NicknameExists", self.call, C + "Import", nickname="alone", certificate=b64(self.foreign("/CN=2")))
        self.fails("NicknameExists", self.key, "alone")
        self.fails("KeyNotFound", self.call, "Get", key="alone")

    def test_import_refused(self):
        """what is not one certificate in DER is refused, and nothing of it stays"""
        der = self.foreign("/CN=bad")
        before = self.listed()
        key = run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-outform", "DER")
        for name, bad in (("empty", b""), ("text", b"hello"), ("cut", der[:-1]), ("more", der + b"\0"), ("a key", key),
                          ("two", der + der), ("indefinite", b"\x30\x80" + der[4:] + b"\0\0"), ("zeros", bytes(1000)),
                          ("a request", unb64(self.request())), ("long", b"\x30\x83\x01\x00\x00" + bytes(65536))):
            with self.subTest(name):
                self.assertTrue(self.fails("NotACertificate", self.call, C + "Import", nickname="bad",
                                           certificate=b64(bad))["reason"])
        for nickname in ("", "x" * 129, "a:b", "a\nb", "\u0085"):
            with self.subTest(nickname=nickname[:10]):
                self.assertEqual(self.fails("InvalidParameter", self.call, C + "Import", nickname=nickname,
                                            certificate=b64(der)), {"parameter": "nickname"})
        self.fails("InvalidParameter", self.call, C + "Import", nickname="bad", certificate="not base64")
        self.fails("TokenNotFound", self.call, C + "Import", token="none", nickname="bad", certificate=b64(der))
        self.assertEqual(self.listed(), before)

    def test_import_twice(self):
        """NSS's databases cannot hold a certificate that they have under another nickname: that is said, and the worker stays"""
        der = self.foreign("/CN=twice")
        daemon = self.own(f"[Token internal]\nModule=internal\nDirectory={self.place.path}/twice\n")
        daemon.call(C + "Import", nickname="one", certificate=b64(der))
        for _ in range(2):
            self.assertEqual(self.fails("InvalidParameter", daemon.call, C + "Import", nickname="two", certificate=b64(der)),
                             {"parameter": "certificate"})
        daemon.call(C + "Import", nickname="two", certificate=b64(self.foreign("/CN=other")))
        self.assertEqual(daemon.token("internal")["restarts"], 0)

    def listed(self):
        with self.daemon.client() as client:
            return [c for part in client.more(C + "List") for c in part["certificates"]]

    def request(self):
        name = f"rq {len(os.listdir(self.place.path))}"
        self.place.write(name, "")
        self.key(name)
        return self.call(C + "Request", key=name, subject="CN=x")["request"]

    def test_every_byte(self):
        """a certificate with any one byte changed is taken or refused, never more than that"""
        der = self.foreign("/CN=x", "prime256v1")
        pid = self.daemon.worker().pid
        for at in range(0, len(der), 3):
            bad = der[:at] + bytes([der[at] ^ 0x41]) + der[at + 1:]
            try:
                self.call(C + "Import", nickname=f"byte {at}", certificate=b64(bad))
            except varlink.Error as error:
                self.assertIn(error.name, ("NotACertificate", "NicknameExists"), str(error))
        self.assertEqual(self.daemon.worker().pid, pid)

    def test_certificate_limit(self):
        """LIMIT_CERTIFICATE: a certificate of up to 64 KiB is imported and listed, a longer one refused"""
        def of(comment):
            path = self.place.write("big.cnf", f"[req]\ndistinguished_name=d\nx509_extensions=e\nprompt=no\n[d]\nCN=big\n[e]\n"
                                               f"nsComment=ASN1:UTF8:{'x' * comment}\n")
            return run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                       "-keyout", self.place.path / "big.key", "-config", path, "-days", "10", "-outform", "DER")
        fits = of(60000)
        made = self.call(C + "Import", nickname="big", certificate=b64(fits))["certificate"]
        self.assertEqual(unb64(made["der"]), fits)
        self.assertEqual(self.call(C + "Get", certificate="big")["certificate"], made)
        self.fails("NotACertificate", self.call, C + "Import", nickname="bigger", certificate=b64(of(66000)))

    def test_names(self):
        """a certificate is named by nickname, token and nickname, or URI; among certificates alone"""
        key = self.key("n")
        self.fails("CertificateNotFound", self.call, C + "Get", certificate="n")
        made = self.made("n")
        by_id = "".join("%" + key["id"][i:i + 2] for i in range(0, len(key["id"]), 2))
        for name in ("n", "hsm:n", "pkcs11:object=n", f"pkcs11:token=hsm;id={by_id}", f"pkcs11:object=n;id={by_id}"):
            self.assertEqual(self.call(C + "Get", certificate=name)["certificate"], made, name)
        self.assertEqual(self.fails("CertificateNotFound", self.call, C + "Get", certificate="hsm:none"),
                         {"certificate": "hsm:none"})
        self.assertEqual(self.fails("InvalidParameter", self.call, C + "Get", certificate="pkcs11:id=%zz"),
                         {"parameter": "certificate"})

    def test_ambiguous(self):
        """two certificates of one nickname are told apart by their ids"""
        for number, key_id in (("1", "0a01"), ("2", "0a02")):
            self.place.write("two.der", self.foreign("/CN=two " + number))
            self.token.tool("--write-object", self.place.path / "two.der", "--type", "cert", "--label", "two", "--id", key_id)
        until(lambda: len(self.call(C + "List", nickname="two")["certificates"]) == 2, "both are listed")
        self.assertEqual(self.fails("AmbiguousName", self.call, C + "Get", certificate="two"), {"key": "two"})
        self.assertEqual(self.call(C + "Get", certificate="pkcs11:id=%0a%02")["certificate"]["subject"], "CN=two 2")
        self.call(C + "Delete", certificate="pkcs11:object=two;id=%0a%01")
        self.assertEqual(self.call(C + "Get", certificate="two")["certificate"]["subject"], "CN=two 2")

    def test_delete(self):
        """a certificate is deleted, its key stays; a key is deleted, its certificate stays"""
        self.key("gone")
        made = self.made("gone")
        self.call(C + "Delete", certificate="gone")
        self.fails("CertificateNotFound", self.call, C + "Delete", certificate="gone")
        self.assertNotIn("gone", self.token.tool("--list-objects", "--type", "cert"))
        self.call("Sign", key="gone", algorithm="ecdsa_sha256", digest=b64(bytes(32)))
        self.call(C + "Import", nickname="gone", certificate=made["der"])
        self.call("Delete", key="gone")
        self.assertFalse(self.call(C + "Get", certificate="gone")["certificate"]["hasPrivateKey"])

    def test_pipelined(self):
        """Get sent ahead behind an import sees it, and replies come in order"""
        der = b64(self.foreign("/CN=pipe"))
        with self.daemon.client() as client:
            client.send(C + "Import", {"nickname": "pipe", "certificate": der})
            client.send(C + "Get", {"certificate": "pipe"})
            client.send(C + "Delete", {"certificate": "pipe"})
            client.send(C + "Get", {"certificate": "pipe"})
            self.assertEqual(client.result()["certificate"]["der"], der)
            self.assertEqual(client.result()["certificate"]["der"], der)
            self.assertEqual(client.result(), {})
            self.fails("CertificateNotFound", client.result)

    def test_interface(self):
        """the interface is described, on the socket of keys alone"""
        with self.daemon.client() as client:
            text = client.call("org.varlink.service.GetInterfaceDescription", interface=C[:-1])["description"]
        for word in ("method Check(", "error NotACertificate", "error OutcomeUnknown", "serialNumber: string"):
            self.assertIn(word, text)
        with Client(self.daemon.status_socket) as status:
            self.fails("InterfaceNotFound", status.call, C + "List")


class Interrupted(Case):
    """The worker dies over what puts a certificate on the token, or takes it off."""

    @classmethod
    def configure(cls):
        cls.token = FaultyToken(cls.place, "hsm", ())
        cls.daemon = cls.start(cls.token.section("hsm", "KeepAlive=1h\n", refresh="1h"))

    def call(self, method, **parameters):
        return self.daemon.call(method, **parameters)

    def die(self, when, call):
        """C_CreateObject: of the claim first, then of the certificate."""
        self.token.set(when)
        self.addCleanup(self.token.set)
        pid = self.daemon.worker().pid
        try:
            return call()
        finally:
            self.assertNotEqual(self.daemon.worker().pid, pid)
            self.daemon.wait_state("hsm", "ready")

    def test_import(self):
        """an import whose worker died is told from the next directory: it is there, or WorkerLost and it is not"""
        der = b64(run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.place.path / "i.key", "-subj",
                      "/CN=i", "-outform", "DER"))
        self.fails("WorkerLost", self.die, "C_CreateObject crash skip=1 count=1", lambda: self.call(
            C + "Import", nickname="i", certificate=der))
        self.assertEqual(self.call(C + "List", nickname="i")["certificates"], [])
        made = self.die("C_CreateObject crash after skip=1 count=1", lambda: self.call(
            C + "Import", nickname="i", certificate=der))["certificate"]
        self.assertEqual(self.call(C + "List", nickname="i")["certificates"], [made])
        self.assertEqual(made["der"], der)

    def test_self_sign(self):
        """likewise a self-signing"""
        self.call("Generate", nickname="s", type="ec")
        parameters = {"key": "s", "subject": "CN=s", "validityDays": 2, "ca": True}
        self.fails("WorkerLost", self.die, "C_CreateObject crash skip=1 count=1", lambda: self.call(
            C + "SelfSign", **parameters))
        self.assertEqual(self.call(C + "List", nickname="s")["certificates"], [])
        made = self.die("C_CreateObject crash after skip=1 count=1", lambda: self.call(C + "SelfSign", **parameters))
        self.assertEqual(self.call(C + "List", nickname="s")["certificates"], [made["certificate"]])

    def test_delete(self):
        """likewise a delete"""
        der = b64(run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.place.path / "d.key", "-subj",
                      "/CN=d", "-outform", "DER"))
        self.call(C + "Import", nickname="d", certificate=der)
        self.fails("WorkerLost", self.die, "C_DestroyObject crash count=1", lambda: self.call(C + "Delete", certificate="d"))
        self.assertEqual(len(self.call(C + "List", nickname="d")["certificates"]), 1)
        self.die("C_DestroyObject crash after count=1", lambda: self.call(C + "Delete", certificate="d"))
        self.assertEqual(self.call(C + "List", nickname="d")["certificates"], [])


class Check(OneToken):
    def check(self, *nicknames, **more):
        return self.call(C + "Check", nicknames=list(nicknames), **more)

    def test_check(self):
        """Check tells what lies there now, what collides, and which mechanisms are missing"""
        self.assertEqual(self.check("a", mechanisms=["CKM_RSA_PKCS", "CKM_ECDSA"]),
                         {"empty": True, "found": [], "collisions": [], "missingMechanisms": []})
        self.key("b")
        self.key("a")
        self.call(C + "SelfSign", key="a", subject="CN=a", validityDays=1)
        self.assertEqual(self.check("a", "c", "b", mechanisms=["CKM_RSA_PKCS", "CKM_CONCATENATE_BASE_AND_KEY"]),
                         {"empty": False, "found": ["a", "b"], "collisions": ["a", "b"],
                          "missingMechanisms": ["CKM_CONCATENATE_BASE_AND_KEY"]})
        # What another process puts there counts at once.
        self.token.make_key("by another", "0b01")
        self.assertIn("by another", self.check()["found"])

    def test_refused(self):
        """LIMIT_CHECK_NAMES: 256 names are taken, one more is not; a mechanism must be one"""
        self.assertEqual(self.check(*map(str, range(256)))["collisions"], [])
        self.assertEqual(self.fails("InvalidParameter", self.check, *map(str, range(257))), {"parameter": "nicknames"})
        for bad in ("", "a:b", "x" * 129):
            self.assertEqual(self.fails("InvalidParameter", self.check, bad), {"parameter": "nicknames"})
        for bad in ("", "CKM_NONE", "ckm_rsa_pkcs", "RSA_PKCS"):
            self.assertEqual(self.fails("InvalidParameter", self.check, "a", mechanisms=[bad]), {"parameter": "mechanisms"})
        self.fails("TokenNotFound", self.check, "a", token="none")

    def test_ctl(self):
        """tokendctl check knows the subsystems' nicknames, old and new, and what they need"""
        done = self.daemon.ctl("check", "hsm", "--subsystem", "kra", "--instance", "pki-1", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for nickname in ("storageCert cert-pki-1 KRA", "transportCert cert-pki-1", "Server-Cert cert-pki-1"):
            with self.subTest(nickname):
                self.key(nickname)
                done = self.daemon.ctl("--json", "check", "hsm", "--subsystem", "kra", "--instance", "pki-1", check=False)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(nickname.encode(), done.stdout.split(b"collisions")[1])
                self.call("Delete", key=nickname)
        done = self.daemon.ctl("check", "hsm", "--subsystem", "tks", "--instance", "pki-1", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"CKM_EXTRACT_KEY_FROM_KEY", done.stdout)
        for bad in (("check", "hsm"), ("check", "hsm", "--subsystem", "none", "--instance", "x"),
                    ("check", "hsm", "--subsystem", "ca")):
            self.assertEqual(self.daemon.ctl(*bad, check=False).returncode, 2)


OWNER, OTHER, WEAK, KEYS, CERTS = 61011, 61012, 61013, 61014, 61015
INSTANCES = f"""
[Instance owner]
User={OWNER}
Token=hsm
Keys=owner*
Allow=list sign generate delete delete-cert request import check
[Instance other]
User={OTHER}
Token=hsm
Keys=other* "* shared"
Allow=list sign generate delete delete-cert request import
[Instance keys]
User={KEYS}
Token=hsm
Keys=owner*
Allow=list delete
[Instance certs]
User={CERTS}
Token=hsm
Keys=owner*
Allow=list delete-cert
[Instance weak]
User={WEAK}
Token=hsm
Keys=*
"""


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Policy(Case):
    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.daemon = cls.start(cls.token.section(), instances=INSTANCES)
        with cls.as_user(OWNER) as owner:
            owner.call("Generate", nickname="owner ca", type="rsa", size=2048)
            cls.ca = owner.call(C + "SelfSign", key="owner ca", subject="CN=Owner", validityDays=30, ca=True)["certificate"]

    @classmethod
    def as_user(cls, uid):
        return Client(sock=varlink.connect_as(cls.daemon.socket, uid, uid))

    def test_anothers_key(self):
        """the certificate of another instance's key cannot be imported under a nickname of one's own, and gives no right on the key"""
        with self.as_user(OTHER) as other:
            for nickname in ("other ca", "owner ca", "ca shared"):
                self.assertEqual(self.fails("PermissionDenied", other.call, C + "Import", nickname=nickname,
                                            certificate=self.ca["der"]), {"operation": "import"})
            self.fails("KeyNotFound", other.call, "Sign", key="other ca", algorithm="rsa_pkcs1_sha256", digest=b64(bytes(32)))
            self.assertEqual(other.call("List")["keys"], [])
            self.assertEqual(other.call(C + "List")["certificates"], [])
        with self.as_user(OWNER) as owner:
            self.assertEqual(owner.call(C + "List")["certificates"], [self.ca])

    def test_anothers_key_without_certificate(self):
        """nor where that key has no certificate yet, or none of its own nickname"""
        with self.as_user(OWNER) as owner, self.as_user(OTHER) as other:
            owner.call(C + "Delete", certificate="owner ca")
            self.fails("PermissionDenied", other.call, C + "Import", nickname="other ca", certificate=self.ca["der"])
            owner.call(C + "Import", nickname="owner ca", certificate=self.ca["der"])

    def test_key_without_label(self):
        """nor where another key has no nickname at all"""
        self.token.tool("--keypairgen", "--key-type", "EC:prime256v1", "--id", "0c01")
        spki = until(lambda: self.unlabelled(), "the key without a label is listed")
        der = self.certificate_of(spki)
        with self.as_user(OTHER) as other:
            self.fails("PermissionDenied", other.call, C + "Import", nickname="other grab", certificate=b64(der))
            self.assertEqual(other.call("List")["keys"], [])

    def unlabelled(self):
        with self.as_user(WEAK) as weak:
            return next((k["publicKey"] for k in weak.call("List")["keys"] if k["id"] == "0c01"), None)

    def certificate_of(self, spki):
        """Anybody can have a certificate made of a public key that is known."""
        public = self.place.write("p.pem", run("openssl", "pkey", "-pubin", "-inform", "DER", input=unb64(spki), stdin=None))
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=evil", "-keyout",
            self.place.path / "evil.key", "-out", self.place.path / "evil.pem")
        return run("openssl", "x509", "-new", "-force_pubkey", public, "-subj", "/CN=evil", "-CA", self.place.path / "evil.pem",
                   "-CAkey", self.place.path / "evil.key", "-outform", "DER")

    def test_visible(self):
        """what the caller may not see does not exist for it, by whatever name"""
        by_id = "".join("%" + self.ca["id"][i:i + 2] for i in range(0, len(self.ca["id"]), 2))
        with self.as_user(OTHER) as other:
            for name in ("owner ca", "hsm:owner ca", f"pkcs11:id={by_id}"):
                self.fails("CertificateNotFound", other.call, C + "Get", certificate=name)
                self.fails("CertificateNotFound", other.call, C + "Delete", certificate=name)
                self.fails("KeyNotFound", other.call, C + "Request", key=name, subject="CN=x")
                self.fails("KeyNotFound", other.call, C + "SelfSign", key=name, subject="CN=x", validityDays=1)

    def test_rights(self):
        """each method has its right; SelfSign has two"""
        der = self.ca["der"]
        with self.as_user(WEAK) as weak, self.as_user(OTHER) as other:
            for method, right, parameters in (("Request", "request", {"key": "owner ca", "subject": "CN=x"}),
                                              ("SelfSign", "request", {"key": "owner ca", "subject": "CN=x", "validityDays": 1}),
                                              ("Import", "import", {"nickname": "x", "certificate": der}),
                                              ("Delete", "delete-cert", {"certificate": "owner ca"}),
                                              ("Check", "check", {"nicknames": []})):
                self.assertEqual(self.fails("PermissionDenied", weak.call, C + method, **parameters), {"operation": right})
            self.assertEqual(len(weak.call(C + "List")["certificates"]), 1)
            self.assertEqual(self.fails("PermissionDenied", other.call, C + "Check", nicknames=["other ca"]),
                             {"operation": "check"})
        with self.as_user(OWNER) as owner:
            self.assertEqual(owner.call(C + "Check", nicknames=["owner ca"])["collisions"], ["owner ca"])

    def test_delete_is_of_keys(self):
        """the right `delete` deletes keys and no certificate; `delete-cert` deletes certificates and no key"""
        with self.as_user(OWNER) as owner:
            owner.call("Generate", nickname="owner two", type="ec")
            owner.call(C + "SelfSign", key="owner two", subject="CN=two", validityDays=1)
        with self.as_user(KEYS) as keys:
            self.assertEqual(self.fails("PermissionDenied", keys.call, C + "Delete", certificate="owner two"),
                             {"operation": "delete-cert"})
        with self.as_user(CERTS) as certs:
            self.assertEqual(self.fails("PermissionDenied", certs.call, "Delete", key="owner two"), {"operation": "delete"})
            certs.call(C + "Delete", certificate="owner two")
        with self.as_user(KEYS) as keys:
            keys.call("Delete", key="owner two")

    def test_glob(self):
        """a certificate that stands alone is imported only under a nickname that Keys= has"""
        alone = run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.place.path / "g.key", "-subj",
                    "/CN=g", "-outform", "DER")
        with self.as_user(OTHER) as other:
            self.fails("PermissionDenied", other.call, C + "Import", nickname="owner root", certificate=b64(alone))
            other.call(C + "Import", nickname="root shared", certificate=b64(alone))
            other.call(C + "Delete", certificate="root shared")


class Many(Case):
    """10 000 certificates on one token."""

    N = 10000

    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        der = cls.place.path / "many.der"
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", cls.place.path / "many.key", "-subj",
            "/CN=many/O=A certificate of the usual length", "-outform", "DER", "-out", der)
        cls.token.tool("--write-object", der, "--type", "cert", "--label", "many 00000", "--id", "0d00")
        # SoftHSM keeps an object in a file: copies with another label are other objects.
        first = next(p for p in cls.token.store.rglob("*.object") if b"many 00000" in p.read_bytes())
        data = first.read_bytes()
        for i in range(1, cls.N):
            number = f"{i:05d}".encode()
            path = first.with_name(f"{i:08x}-0000-0000-0000-000000000000.object")
            path.write_bytes(data.replace(b"many 00000", b"many " + number))
            path.chmod(0o600)
        cls.daemon = cls.start(cls.token.section(refresh="60s", extra="StartTimeout=60s\nTimeout=60s"), build=PLAIN)
        until(lambda: cls.daemon.token("hsm")["certificates"] == cls.N, "all are there", 2 * DEADLINE)

    def test_list(self):
        """all are listed within a second, in order, in replies that keep the limit; without more there is ExpectedMore"""
        with self.daemon.client() as client:
            client.send(C + "List", {}, more=True)
            began, found, longest = time.monotonic(), [], 0
            while True:
                reply = client.receive()
                found += [c["nickname"] for c in reply["parameters"]["certificates"]]
                longest = max(longest, len(str(reply)))
                if not reply.get("continues"):
                    break
            taken = time.monotonic() - began
            self.assertEqual(found, [f"many {i:05d}" for i in range(self.N)])
            self.assertLessEqual(longest, 128 * 1024)
            self.assertLess(taken, 1)
            self.fails("ExpectedMore", client.call, C + "List")
            self.assertEqual(len(client.call(C + "List", nickname="many 04711")["certificates"]), 1)

    def test_check(self):
        """Check gives all their nicknames with more, and without it ExpectedMore"""
        with self.daemon.client() as client:
            parts = list(client.more(C + "Check", nicknames=["many 00007", "few"]))
            self.assertGreater(len(parts), 1)
            self.assertEqual([n for part in parts for n in part["found"]], [f"many {i:05d}" for i in range(self.N)])
            self.assertTrue(all(part["collisions"] == ["many 00007"] and not part["empty"] for part in parts))
            self.fails("ExpectedMore", client.call, C + "Check", nicknames=["few"])
        done = self.daemon.ctl("--json", "check", "hsm", "--subsystem", "ra", "--instance", "x", check=False)
        self.assertEqual((done.returncode, done.stdout.count(b"many ")), (0, self.N))

    def test_ctl(self):
        """tokendctl lists all of them, and the broker keeps no more than it must"""
        self.assertEqual(len(re.findall(r"(?m)^hsm ", self.daemon.ctl("certs"))), self.N)
        self.assertLess(self.daemon.broker().private_dirty(), 40 * 1024)

# SPDX-License-Identifier: MPL-2.0
"""Certificates as the worker makes, takes and lists them, asked as the broker asks; checked with openssl and certutil."""
import subprocess
import time
import unittest

from direct import Worker
from harness import Case, SoftToken, run

RSA, EC, ED25519 = 1, 2, 3
SIGN, DECRYPT = 1, 2
ALGORITHMS = {"rsa_pkcs1_sha256": 1, "rsa_pkcs1_sha384": 2, "rsa_pkcs1_sha512": 3, "rsa_pss_sha256": 4,
              "rsa_pss_sha384": 5, "rsa_pss_sha512": 6, "ecdsa_sha256": 7, "ecdsa_sha384": 8, "ecdsa_sha512": 9}


def names(*dns):
    return b"".join(name.encode() + b"\0" for name in dns)


def openssl(*arguments, **options):
    options.setdefault("stdin", None)
    if options.get("input") is None:
        options["stdin"] = subprocess.DEVNULL
        options.pop("input", None)
    return run("openssl", *arguments, **options).decode()


class Certificates(Case):
    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.worker = Worker(cls.place, cls.token.section(), environment={"SOFTHSM2_CONF": str(cls.token.conf)})
        cls.addClassCleanup(cls.worker.end)
        cls.rsa = cls.worker.generate("rsa", RSA, 2048, SIGN | DECRYPT)
        cls.ec = cls.worker.generate("ec")

    def request(self, key, subject, algorithm=0, dns=b""):
        return self.worker.ok("CERT_REQUEST", key=key["number"], subject=subject, algorithm=algorithm, dns_names=dns)

    def self_sign(self, key, subject, **more):
        more.setdefault("days", 365)
        return self.worker.number_of(self.worker.ok("SELF_SIGN", key=key["number"], subject=subject, **more))

    def invalid(self, word, name, **values):
        reply = self.worker.ask(name, **values)
        self.assertEqual(reply["status"], "REPLY_INVALID", reply)
        self.assertEqual(reply["parameter"], word, reply)

    def foreign(self, subject, key="ec_paramgen_curve:P-256", days=10, options=()):
        """A certificate that somebody else made, and its key's file."""
        key_file = self.place.path / "foreign.key"
        openssl("genpkey", "-algorithm", "EC" if key.startswith("ec") else "RSA", "-pkeyopt", key, "-out", key_file)
        der = self.place.path / "foreign.der"
        openssl("req", "-x509", "-new", "-key", key_file, "-subj", subject, "-days", days, "-outform", "DER", "-out", der,
                *options)
        return der.read_bytes()

    def issued_for(self, key, subject="/CN=issued"):
        """A certificate for the key of an entry, signed by somebody else."""
        pem = self.place.write("issued.pem", openssl("pkey", "-pubin", "-inform", "DER", "-in",
                                                     self.place.write("issued.spki", key["der"])))
        self.foreign("/CN=Issuer")
        ca = self.place.path / "ca.pem"
        openssl("x509", "-inform", "DER", "-in", self.place.path / "foreign.der", "-out", ca)
        request = self.place.path / "any.csr"
        openssl("req", "-new", "-key", self.place.path / "foreign.key", "-subj", subject, "-out", request)
        out = self.place.path / "issued.der"
        openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", self.place.path / "foreign.key", "-force_pubkey", pem,
                "-CAcreateserial", "-days", "5", "-outform", "DER", "-out", out)
        return out.read_bytes()

    def test_requests(self):
        """openssl verifies requests of every algorithm, and finds subject and names in them"""
        for name, number in ALGORITHMS.items():
            key = self.rsa if name.startswith("rsa") else self.ec
            with self.subTest(name):
                der = self.request(key, "CN=Zo\u00eb \u6f22,OU=A\\, B,O=EXAMPLE,C=DE", number,
                                   names("a.example", "*.b.example"))
                path = self.place.write("request.der", der)
                text = openssl("req", "-inform", "DER", "-in", path, "-verify", "-noout", "-subject", "-text", "-nameopt",
                               "RFC2253,-esc_msb,utf8")
                self.assertIn("subject=CN=Zo\u00eb \u6f22,OU=A\\, B,O=EXAMPLE,C=DE", text)
                self.assertIn("DNS:a.example, DNS:*.b.example", text)
                spki = openssl("req", "-inform", "DER", "-in", path, "-noout", "-pubkey")
                self.assertEqual(run("openssl", "pkey", "-pubin", "-outform", "DER", input=spki.encode(), stdin=None),
                                 key["der"])

    def test_default_algorithm(self):
        """without an algorithm a request is signed with SHA-256, or with what the curve wants"""
        p384 = self.worker.generate("p384", EC, 384)
        for key, algorithm in ((self.rsa, "sha256WithRSAEncryption"), (self.ec, "ecdsa-with-SHA256"), (p384, "ecdsa-with-SHA384")):
            path = self.place.write("request.der", self.request(key, "CN=x"))
            self.assertIn(f"Signature Algorithm: {algorithm}", openssl("req", "-inform", "DER", "-in", path, "-noout", "-text", "-verify"))

    def test_self_signed_ca(self):
        """a CA's certificate has what a CA needs, and openssl verifies it"""
        key = self.worker.generate("ca", RSA, 2048)
        for algorithm in ("rsa_pkcs1_sha256", "rsa_pss_sha384"):
            entry = self.self_sign(key, "CN=CA Signing Certificate,O=EXAMPLE", algorithm=ALGORITHMS[algorithm], ca=1)
            self.assertEqual((entry["nickname"], entry["id"], entry["kind"]), ("ca", key["id"], 2))
            self.assertEqual((entry["subject"], entry["issuer"]), ("CN=CA Signing Certificate,O=EXAMPLE",) * 2)
            path = self.place.write("ca.der", entry["der"])
            pem = self.place.path / "self.pem"
            openssl("x509", "-inform", "DER", "-in", path, "-out", pem)
            openssl("verify", "-check_ss_sig", "-CAfile", pem, "-purpose", "any", "-x509_strict", pem)
            text = openssl("x509", "-in", pem, "-noout", "-text", "-serial", "-ext",
                           "basicConstraints,keyUsage,subjectKeyIdentifier,authorityKeyIdentifier")
            self.assertRegex(text, r"X509v3 Basic Constraints: critical\s+CA:TRUE\n")
            self.assertRegex(text, r"X509v3 Key Usage: critical\s+Digital Signature, Certificate Sign, CRL Sign\n")
            self.assertRegex(text, r"X509v3 Subject Key Identifier: \n\s+([0-9A-F:]{59})\n[^$]*X509v3 Authority Key Identifier: "
                                   r"\n\s+(keyid:)?\1\n")
            self.assertIn("Version: 3", text)
            serial = openssl("x509", "-in", pem, "-noout", "-serial").strip().removeprefix("serial=")
            self.assertEqual(serial.lower(), entry["serial"])
            self.assertEqual(len(serial), 40)
            self.assertAlmostEqual((entry["not_after_usec"] - entry["not_before_usec"]) / 86400e6, 365, delta=0.01)
            self.worker.ok("CERT_DELETE", key=entry["number"])

    def test_self_signed_ca_decrypts(self):
        """a CA's key that decrypts has a certificate for that as well: else nobody encrypts to it"""
        key = self.worker.generate("ca-decrypts", RSA, 2048, SIGN | DECRYPT)
        entry = self.self_sign(key, "CN=CA", ca=1)
        text = openssl("x509", "-inform", "DER", "-in", self.place.write("ca-decrypts.der", entry["der"]), "-noout", "-text")
        self.assertRegex(text, r"Key Usage: critical\s+Digital Signature, Key Encipherment, Certificate Sign, CRL Sign\n")

    def test_self_signed_server(self):
        """a TLS server's certificate is none of a CA, and names its hosts"""
        key = self.worker.generate("Server-Cert", RSA, 2048, SIGN | DECRYPT)
        entry = self.self_sign(key, "CN=host.example", dns_names=names("host.example"), days=1)
        text = openssl("x509", "-inform", "DER", "-in", self.place.write("tls.der", entry["der"]), "-noout", "-text")
        self.assertRegex(text, r"Key Usage: critical\s+Digital Signature, Key Encipherment\n")
        self.assertIn("CA:FALSE", text)
        self.assertIn("DNS:host.example", text)
        reply = self.worker.ask("SELF_SIGN", key=key["number"], subject="CN=x", days=1)
        self.assertEqual(reply["status"], "REPLY_NICKNAME_EXISTS")

    def test_far_end(self):
        """a certificate may end in the year 9999, and not after it"""
        key = self.worker.generate("far")
        entry = self.self_sign(key, "CN=far", days=(253402300799 - 1) // 86400 - int(time.time()) // 86400 - 1)
        self.assertIn(" 9999 ", openssl("x509", "-inform", "DER", "-in", self.place.write("far.der", entry["der"]), "-noout", "-enddate"))
        for days in (0, 2913000, 0xffffffff):
            self.invalid("validityDays", "SELF_SIGN", key=key["number"], subject="CN=x", days=days)

    def test_bad_parameters(self):
        """a subject, a name, an algorithm that is none is refused with the parameter's name"""
        for subject in ("", "x", "CN=", "CN=a,", "CN=a\nb", "CN=a\\00", "C=DEU", "CN=" + "x" * 65, "O=a," * 300 + "O=b"):
            self.invalid("subject", "CERT_REQUEST", key=self.ec["number"], subject=subject)
            self.invalid("subject", "SELF_SIGN", key=self.ec["number"], subject=subject, days=1)
        for dns in (b"a", b"\0", b"a\0\0", b"a b\0", b"-a\0", b"a..b\0", b"a.\0", b"*\0", b"a.*\0", b"\xc3\xa9\0", b"a" * 64 + b"\0",
                    b"a." * 127 + b"a\0", b"a\0" * 65, b"1/2\0"):
            self.invalid("dnsNames", "CERT_REQUEST", key=self.ec["number"], subject="CN=x", dns_names=dns)
        for algorithm, key in ((1, self.ec), (7, self.rsa), (10, self.rsa), (99, self.rsa)):
            reply = self.worker.ask("CERT_REQUEST", key=key["number"], subject="CN=x", algorithm=algorithm)
            self.assertEqual(reply["status"], "REPLY_NOT_SUPPORTED", reply)
        self.assertEqual(self.worker.ask("CERT_REQUEST", key=999999, subject="CN=x")["status"], "REPLY_KEY_GONE")

    def test_many_names(self):
        """64 DNS names of the greatest length go into a request and a certificate"""
        label = "a" * 61
        dns = [f"{label}{i:02}.{'b' * 63}.{'c' * 63}.{'d' * 61}" for i in range(64)]
        self.assertEqual(max(map(len, dns)), 253)
        text = openssl("req", "-inform", "DER", "-in", self.place.write("many.der", self.request(self.ec, "CN=x", dns=names(*dns))),
                       "-noout", "-text", "-verify")
        self.assertEqual(text.count("DNS:"), 64)

    def test_import_for_key(self):
        """a certificate of a key bears its id and its nickname; it is not another key's, and there is one"""
        key = self.worker.generate("signed")
        der = self.issued_for(key)
        for other in (self.ec, self.rsa):
            self.invalid("", "IMPORT", key=other["number"], nickname=other["nickname"], der=der)
        self.invalid("nickname", "IMPORT", key=key["number"], nickname="another", der=der)
        self.assertEqual(self.worker.ask("IMPORT", key=key["number"], nickname="ec", der=der)["status"], "REPLY_NICKNAME_EXISTS")
        self.invalid("", "IMPORT", key=0, nickname="alone", der=der)
        entry = self.worker.number_of(self.worker.ok("IMPORT", key=key["number"], nickname="signed", der=der))
        self.assertEqual((entry["id"], entry["nickname"], entry["der"]), (key["id"], "signed", der))
        self.assertEqual((entry["subject"], entry["issuer"]), ("CN=issued", "CN=Issuer"))
        self.assertEqual(self.worker.ask("IMPORT", key=key["number"], nickname="signed", der=der)["status"], "REPLY_NICKNAME_EXISTS")
        self.assertTrue(self.worker.entries[key["number"]]["flags"] & 16)
        self.worker.ok("CERT_DELETE", key=entry["number"])
        self.assertFalse(self.worker.entries[key["number"]]["flags"] & 16)
        self.assertEqual(self.worker.ask("CERT_DELETE", key=entry["number"])["status"], "REPLY_KEY_GONE")

    def test_import_alone(self):
        """a certificate for no key here stands under a nickname that nothing bears"""
        der = self.foreign("/C=DE/O=Else/CN=Foreign CA")
        self.assertEqual(self.worker.ask("IMPORT", key=0, nickname="ec", der=der)["status"], "REPLY_NICKNAME_EXISTS")
        entry = self.worker.number_of(self.worker.ok("IMPORT", key=0, nickname="Foreign CA", der=der))
        self.assertEqual((entry["subject"], entry["flags"] & 32), ("CN=Foreign CA,O=Else,C=DE", 0))
        self.assertEqual(self.worker.ask("IMPORT", key=0, nickname="Foreign CA", der=der)["status"], "REPLY_NICKNAME_EXISTS")

    def test_not_a_certificate(self):
        """what is not exactly one certificate is refused: every cut of one, one with more behind it, a request, PEM"""
        der = self.foreign("/CN=whole")
        for n in range(0, len(der), 7):
            self.invalid("", "IMPORT", key=0, nickname="part", der=der[:n])
        for bad in (der + b"\0", der + der, b"\x30\x80" + der, self.request(self.ec, "CN=x"), b"-----BEGIN CERTIFICATE-----",
                    b"\x30\x03\x02\x01\x00", b"\xff" * 5000):
            self.invalid("", "IMPORT", key=0, nickname="part", der=bad)
        for nickname in ("", "a\nb", "a:b", "x" * 129):
            self.invalid("nickname", "IMPORT", key=0, nickname=nickname, der=der)

    def test_flipped(self):
        """a certificate with any bit of its frame flipped is refused or listed, and the worker lives"""
        der = bytearray(self.foreign("/CN=flip"))
        for bit in list(range(0, 64)) + list(range(64, 8 * len(der), 311)):
            other = bytearray(der)
            other[bit // 8] ^= 1 << bit % 8
            reply = self.worker.ask("IMPORT", key=0, nickname="flipped", der=bytes(other))
            self.assertIn(reply["status"], ("REPLY_OK", "REPLY_INVALID", "REPLY_CKR"))
            if reply["status"] == "REPLY_OK":
                self.worker.ok("CERT_DELETE", key=self.worker.number_of(reply["payload"])["number"])

    def test_others_find_the_pair(self):
        """certutil finds certificate and key under one nickname, pkcs11-tool under one id"""
        key = self.worker.generate("caSigningCert cert-x CA", RSA, 2048)
        self.self_sign(key, "CN=CA", ca=1)
        objects = self.token.tool("--list-objects")
        self.assertEqual(objects.count(key["id"].hex()), 3)
        self.assertNotIn("tokend claim", objects)
        database = self.place.path / "nssdb"
        database.mkdir()
        (database / "password").write_text("")
        run("certutil", "-N", "-d", f"sql:{database}", "--empty-password")
        run("modutil", "-dbdir", f"sql:{database}", "-add", "soft", "-libfile", self.token.module, "-force", env=self.token.environment)
        pin = self.place.write("token-pin", self.token.pin)
        certificates = run("certutil", "-L", "-d", f"sql:{database}", "-h", "hsm", "-f", pin, env=self.token.environment).decode()
        keys = run("certutil", "-K", "-d", f"sql:{database}", "-h", "hsm", "-f", pin, env=self.token.environment).decode()
        self.assertRegex(certificates, r"hsm:caSigningCert cert-x CA\s+u,u,u")
        self.assertRegex(keys, rf"{key['id'].hex()}\s+caSigningCert cert-x CA")

    def test_hostile_names(self):
        """what stands in certificates that others wrote is told as text, hostile or not"""
        subject = "/CN=bad\u0001\n,\\+\"name/O=\u00e9"
        der = self.foreign(subject, options=("-utf8",))
        path = self.place.write("hostile.der", der)
        self.token.tool("--write-object", path, "--type", "cert", "--label", "hostile", "--id", "aa")
        self.worker.ok("REFRESH", all=0)
        entry = next(e for e in self.worker.entries.values() if e["nickname"] == "hostile")
        self.assertEqual(entry["subject"], 'O=\u00e9,CN=bad\\01\\0a\\,\\+\\"name')


class Internal(Case):
    def test_internal(self):
        """on the internal token certificates lie in its databases, and certutil finds them; it holds no claims"""
        directory = self.place.path / "nss"
        worker = Worker(self.place, f"[Token internal]\nModule=internal\nDirectory={directory}\n", "internal")
        self.addCleanup(worker.end)
        key = worker.generate("tls", RSA, 2048, SIGN | DECRYPT)
        entry = worker.number_of(worker.ok("SELF_SIGN", key=key["number"], subject="CN=tls", days=3))
        worker.ok("REFRESH", all=1)
        self.assertEqual((worker.holds_claims, worker.claims), (0, []))
        self.assertEqual(worker.entries[key["number"]]["flags"] & 16, 16)
        listed = run("certutil", "-L", "-d", f"sql:{directory}").decode()
        self.assertRegex(listed, r"\ntls\s+u,u,u")
        keys = run("certutil", "-K", "-d", f"sql:{directory}", "-f", directory / "pin").decode()
        self.assertRegex(keys, rf"{key['id'].hex()}\s+tls")
        self.assertEqual(worker.ask("GENERATE", nickname="tls", id=b"1", key_type=2, size=256, usage=1)["status"],
                         "REPLY_NICKNAME_EXISTS")
        worker.ok("CERT_DELETE", key=entry["number"])


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MPL-2.0
"""The life of a subsystem: from the check of an empty token to its certificates, through tokendctl alone, with a CA on
libtokend that signs them. Then others look at what lies there: certutil, openssl, pkcs11-tool."""
import os
import re
import unittest

import varlink
from harness import BUILD, PIN, Case, SoftToken, run
from varlink import Client, b64

INSTANCE, SECOND = "pki-tomcat", 61021
CA = f"caSigningCert cert-{INSTANCE} CA"
SYSTEM = ((f"ocspSigningCert cert-{INSTANCE} CA", "ocsp", "CN=CA OCSP Signing Certificate,O=EXAMPLE"),
          (f"auditSigningCert cert-{INSTANCE} CA", "audit", "CN=CA Audit Signing Certificate,O=EXAMPLE"),
          (f"subsystemCert cert-{INSTANCE}", "subsystem", "CN=Subsystem Certificate,O=EXAMPLE"),
          (f"Server-Cert cert-{INSTANCE}", "server", "CN=ca.example,O=EXAMPLE"))
ALL = sorted([CA] + [nickname for nickname, _, _ in SYSTEM])
INSTANCES = f"""
[Instance first]
User=root
Token=hsm
Keys="* cert-{INSTANCE}" "* cert-{INSTANCE} CA"
Allow=list sign verify generate delete delete-cert request import check
[Instance second]
User={SECOND}
Token=hsm
Keys="* cert-second" "* cert-second CA"
Allow=list sign verify generate delete delete-cert request import check
"""
C = "io.tokend.Certificates."


class Life:
    """One subsystem on one token; made once, looked at by every test."""

    kind = ()

    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.daemon = cls.start(cls.token.section(), instances=INSTANCES)
        cls.checks = [cls.check()]
        cls.pem = {CA: cls.place.path / "ca.pem"}
        cls.daemon.ctl("generate", f"hsm:{CA}", *cls.kind)
        cls.daemon.ctl("self-sign", f"hsm:{CA}", "--subject", "CN=CA Signing Certificate,O=EXAMPLE", "--days", 7300, "--ca",
                       "--out", cls.pem[CA])
        for serial, (nickname, profile, subject) in enumerate(SYSTEM, 2):
            cls.issue(nickname, profile, subject, serial)
        cls.checks.append(cls.check())

    @classmethod
    def issue(cls, nickname, profile, subject, serial):
        request, cls.pem[nickname] = cls.place.path / f"{profile}.csr", cls.place.path / f"{profile}.pem"
        cls.daemon.ctl("generate", f"hsm:{nickname}", *cls.kind)
        dns = ("--dns", "ca.example") if profile == "server" else ()
        cls.daemon.ctl("request", f"hsm:{nickname}", "--subject", subject, *dns, "--out", request)
        run("openssl", "req", "-in", request, "-noout", "-verify")
        cls.pem[nickname].write_bytes(run(BUILD / "tests/issuer", cls.daemon.socket, f"hsm:{CA}", cls.pem[CA], request,
                                          serial, profile, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0")))
        cls.daemon.ctl("import", f"hsm:{nickname}", cls.pem[nickname])

    @classmethod
    def check(cls):
        return cls.daemon.ctl("check", "hsm", "--subsystem", "ca", "--instance", INSTANCE, check=False)

    def test_check(self):
        """check finds the empty token fit, and then every default nickname taken"""
        before, after = self.checks
        self.assertEqual(before.returncode, 0, before.stdout + before.stderr)
        self.assertIn(b"empty", before.stdout)
        self.assertEqual(after.returncode, 1)
        taken = after.stdout.decode().partition("taken:\n")[2]
        for nickname in ALL:
            self.assertIn(f"  {nickname}\n", taken)

    def test_list(self):
        """list and certs show every pair, each certificate with its key's id"""
        certificates = {c["nickname"]: c for c in self.daemon.call(C + "List")["certificates"]}
        keys = {k["nickname"]: k for k in self.daemon.call("List")["keys"]}
        self.assertEqual((sorted(certificates), sorted(keys)), (ALL, ALL))
        for nickname in ALL:
            self.assertEqual(certificates[nickname]["id"], keys[nickname]["id"])
            self.assertTrue(certificates[nickname]["hasPrivateKey"] and keys[nickname]["hasCertificate"])
        text = self.daemon.ctl("certs", "hsm")
        for nickname in ALL:
            self.assertIn(nickname, text)
        self.assertEqual(self.daemon.ctl("certs", "--pem").count("BEGIN CERTIFICATE"), len(ALL))

    def test_openssl(self):
        """openssl verifies the chain, each certificate for its purpose"""
        for nickname, profile, _ in SYSTEM:
            purpose = {"server": ["-purpose", "sslserver", "-verify_hostname", "ca.example"], "subsystem":
                       ["-purpose", "sslclient"], "ocsp": ["-purpose", "ocsphelper"]}.get(profile, [])
            self.assertIn("OK", run("openssl", "verify", "-x509_strict", *purpose, "-CAfile", self.pem[CA],
                                    self.pem[nickname]).decode())

    def test_certutil(self):
        """certutil finds every certificate with its key under its nickname, on a database with the module loaded"""
        database, pin = self.place.path / "nssdb", self.place.write("nss.pin", PIN + "\n", 0o600)
        empty = self.place.write("empty.pin", "\n")
        database.mkdir()
        environment = dict(self.token.environment)
        run("certutil", "-N", "-d", f"sql:{database}", "-f", empty, env=environment)
        run("modutil", "-dbdir", f"sql:{database}", "-add", "soft", "-libfile", self.token.module, "-force", env=environment)
        listed = run("certutil", "-L", "-d", f"sql:{database}", "-h", "hsm", "-f", pin, env=environment).decode()
        keys = run("certutil", "-K", "-d", f"sql:{database}", "-h", "hsm", "-f", pin, env=environment).decode()
        for nickname in ALL:
            # u: with its private key
            self.assertRegex(listed, rf"(?m)^hsm:{re.escape(nickname)} +u,u,u$")
            self.assertRegex(keys, rf"(?m)^<.*[0-9a-f]{{40}} +{re.escape(nickname)}$")
        self.assertEqual(len(re.findall(r"(?m)^<", keys)), len(ALL), keys)

    def test_pkcs11_tool(self):
        """pkcs11-tool shows private keys that are sensitive and were never to leave the token"""
        objects = self.token.tool("--list-objects", "--type", "privkey").split("Private Key Object")[1:]
        self.assertEqual(len(objects), len(ALL))
        for shown in objects:
            for word in ("sensitive", "always sensitive", "never extractable", "local"):
                self.assertIn(word, shown)
            self.assertNotIn(" extractable", shown.replace("never extractable", ""))

    @unittest.skipUnless(os.getuid() == 0, "only root can be other users")
    def test_second(self):
        """a second instance on the same token cannot see, use or take the names of the first"""
        der = self.daemon.call(C + "Get", certificate=CA)["certificate"]["der"]
        with Client(sock=varlink.connect_as(self.daemon.socket, SECOND, SECOND)) as second:
            self.assertEqual((second.call("List")["keys"], second.call(C + "List")["certificates"]), ([], []))
            for nickname in ALL:
                self.fails("KeyNotFound", second.call, "Get", key=nickname)
                self.fails("KeyNotFound", second.call, "Sign", key=nickname, algorithm="rsa_pkcs1_sha256",
                           digest=b64(bytes(32)))
                self.fails("KeyNotFound", second.call, "Delete", key=nickname)
                self.fails("KeyNotFound", second.call, C + "Request", key=nickname, subject="CN=x")
                self.fails("CertificateNotFound", second.call, C + "Get", certificate=nickname)
                self.fails("CertificateNotFound", second.call, C + "Delete", certificate=nickname)
                self.fails("PermissionDenied", second.call, "Generate", nickname=nickname, type="ec")
            for nickname in (CA, "caSigningCert cert-second CA"):
                self.fails("PermissionDenied", second.call, C + "Import", nickname=nickname, certificate=der)
            # Its own it can have.
            second.call("Generate", nickname="subsystemCert cert-second", type="ec")
            self.assertEqual([k["nickname"] for k in second.call("List")["keys"]], ["subsystemCert cert-second"])
            second.call("Delete", key="subsystemCert cert-second")


class Rsa(Life, Case):
    kind = ("--type", "rsa", "--size", "2048")


class Ec(Life, Case):
    kind = ("--type", "ec")

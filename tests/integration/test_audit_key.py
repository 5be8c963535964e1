# SPDX-License-Identifier: MPL-2.0
"""The key that AuditKey= names signs the heads of the audit file and nothing else, whatever an instance may do with other keys."""
import base64
import os
import signal

from harness import run, until
from test_audit import SIGN, Audited, read
from varlink import b64, unb64

C = "io.tokend.Certificates."
ALL = f"[Instance me]\nUser={os.getuid()}\nKeys=*\nAllow=list sign sign-raw verify generate delete delete-cert request import random " \
      "decrypt derive\n"


class AuditKey(Audited):
    def certificate(self, subject="CN=audit"):
        """A certificate of the audit's public key, which is public, by another issuer."""
        place = self.place
        ca = place.path / "ca.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", ca, "-out",
            place.path / "ca.crt", "-subj", "/CN=ca", "-days", "9")
        out = place.path / "forced.der"
        run("openssl", "x509", "-new", "-force_pubkey", self.key, "-subj", "/" + subject, "-days", "9", "-CA", place.path / "ca.crt",
            "-CAkey", ca, "-outform", "DER", "-out", out)
        return b64(out.read_bytes())

    def refuses_all(self, daemon, name):
        """Whoever may do everything else uses, changes and hides this name in no way."""
        denied = lambda method, **parameters: self.assertEqual(
            set(self.fails("PermissionDenied", daemon.call, method, **parameters)), {"operation"})
        denied("Sign", key=name, **SIGN)
        denied("Sign", key=name, algorithm="ecdsa_sha256", message=b64(b"tokend audit head 1\nseq=1\nhash=00\n"))
        denied(C + "Request", key=name, subject="CN=x")
        denied(C + "SelfSign", key=name, subject="CN=x", validityDays=2)
        denied("Delete", key=name)
        denied("Decrypt", key=name, algorithm="rsa_pkcs1", ciphertext=b64(bytes(256)))
        denied("Derive", key=name, publicKey=b64(b"\4" + bytes(64)))

    def test_name_is_kept(self):
        """no secret takes the name of a key that is still to be made"""
        path = self.directory() / "audit"
        daemon = self.own(f"Audit=file:{path}\nAuditKey=hsm:kept\n{self.token.section()}", instances=ALL)
        daemon.wait_state("hsm", "ready")
        self.fails("PermissionDenied", daemon.call, "io.tokend.Secrets.Generate", token="hsm", nickname="kept",
                   template={"type": "aes", "length": 32, "usage": ["encrypt"]})
        daemon.call("Generate", token="hsm", nickname="kept", type="ec")

    def test_everything(self):
        """no instance signs with the audit's key, deletes it, has it certified, or brings something of its name or public key"""
        path = self.directory() / "audit"
        # The token in a second section: the same key by another name.
        again = self.token.section("again").replace("Refresh=500ms", "Refresh=1d")
        for instances in (ALL, ""):
            with self.subTest(instances=bool(instances)):
                daemon = self.own(f"Audit=file:{path}\nAuditKey=hsm:audit\n{self.token.section()}{again}", instances=instances)
                daemon.wait_state("again", "ready")
                daemon.wait_state("hsm", "ready")
                uri = "pkcs11:token=hsm;object=audit"
                for name in ("hsm:audit", "audit", "again:audit"):
                    self.refuses_all(daemon, name)
                self.fails("AmbiguousName", daemon.call, "Sign", key=uri, **SIGN)
                for token in ("hsm", "again"):
                    for nickname in ("audit", "mine"):
                        self.fails("PermissionDenied", daemon.call, C + "Import", token=token, nickname=nickname,
                                   certificate=self.certificate())
                self.fails("NicknameExists", daemon.call, "Generate", token="hsm", nickname="audit", type="ec")
                # Everybody may see it, and verify with it: tokendctl audit verify --key does.
                self.assertEqual(daemon.call("Get", key="hsm:audit")["key"]["nickname"], "audit")
                self.assertIn("audit", [key["nickname"] for key in daemon.call("List")["keys"]])
                self.sign(daemon)
                daemon.stop()
                self.verify(path)

    def test_second_label(self):
        """nor a key of the same public key under another label, nor the certificate of that name"""
        path = self.directory() / "audit"
        der, public = self.place.path / "twin.der", self.place.path / "twin.pub"
        run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-outform", "DER", "-out", der)
        run("openssl", "pkey", "-in", der, "-inform", "DER", "-pubout", "-outform", "DER", "-out", public)
        for label, key_id in (("twin", "21"), ("mine", "22")):
            self.token.tool("--write-object", der, "--type", "privkey", "--label", label, "--id", key_id, "--usage-sign")
            self.token.tool("--write-object", public, "--type", "pubkey", "--label", label, "--id", key_id, "--usage-sign")
        # As another program would write it.
        self.token.tool("--write-object", self.place.write("c.der", unb64(self.certificate())), "--type", "cert", "--label", "twin",
                        "--id", "21")
        daemon = self.daemon_with(path, "AuditKey=hsm:twin", ALL)
        self.assertEqual(self.fails("PermissionDenied", daemon.call, C + "Delete", certificate="hsm:twin"),
                         {"operation": "delete-cert"})
        for name in ("hsm:twin", "hsm:mine"):
            self.refuses_all(daemon, name)

    def test_made(self):
        """whoever may generate makes the key that is not there yet, and cannot use it"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path, "AuditKey=hsm:made", ALL)
        self.fails("PermissionDenied", daemon.call, C + "Import", token="hsm", nickname="made", certificate=self.certificate())
        # Nor is it a key that somebody may have signed with before.
        daemon.call("Generate", token="hsm", nickname="before", type="ec")
        self.fails("PermissionDenied", daemon.call, "Rename", key="hsm:before", nickname="made")
        made = daemon.call("Generate", token="hsm", nickname="made", type="ec")["key"]
        self.refuses_all(daemon, "hsm:made")
        daemon.stop()
        head = [record for record in read(path) if record["kind"] == "head"][-1]
        self.assertEqual(head["publicKey"], base64.b64decode(made["publicKey"]).hex())

    def test_reload(self):
        """a delete that waits for its record while a reload makes the key the audit's is not done"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path, "AuditRequired=yes", ALL)
        daemon.call("Generate", token="hsm", nickname="later", type="ec")
        auditor = self.auditor(daemon).stop()
        with daemon.client() as client:
            client.send("Delete", {"key": "hsm:later"})
            until(lambda: sum(i["requests"] for i in daemon.status()["instances"]) == 2, "it is taken")
            text = daemon.config.read_text()
            changed = text.replace("AuditRequired=yes", "AuditRequired=yes\nAuditKey=hsm:later")
            daemon.config.write_text(changed + f"[Instance new]\nUser={os.getuid() + 1}\nKeys=*\nAllow=list\n")
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: len(daemon.status()["instances"]) == 2, "the configuration is in force")
            auditor.kill(signal.SIGCONT)
            self.fails("PermissionDenied", client.result)
        daemon.call("Get", key="hsm:later")
        daemon.config.write_text(text)
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: self.deleted(daemon), "the key is anybody's again")

    def deleted(self, daemon):
        try:
            daemon.call("Delete", key="hsm:later")
        except Exception as error:
            self.assertIn("PermissionDenied", str(error))
            return False
        return True

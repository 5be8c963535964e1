# SPDX-License-Identifier: MPL-2.0
"""The audit of the whole daemon, in a file: what is recorded, that the chain holds, and what happens when it cannot be
kept. The chain is verified by tokendctl, the records are read as JSON."""
import base64
import hashlib
import json
import os
import pathlib
import pwd
import signal
import subprocess
import threading
import unittest

from harness import BUILD, OneToken, Case, SoftToken, run, until
import varlink

DIGEST = hashlib.sha256(b"audit").digest()
SIGN = {"algorithm": "ecdsa_sha256", "digest": base64.b64encode(DIGEST).decode()}


def read(path):
    """Every record, in order, of the files that were rotated away and of the one that is written."""
    path = pathlib.Path(path)
    files = sorted((p for p in path.parent.glob(path.name + ".*") if not p.name.endswith((".torn", ".damaged"))),
                   key=lambda p: int(p.name.rpartition(".")[2]))
    records = []
    for file in files + ([path] if path.exists() else []):
        records += [json.loads(line) for line in file.read_text().splitlines()]
    return records


class Audited(Case):
    """A token, and a daemon with an audit file of its own for each test."""

    audit = ""
    instances = ""

    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.token.make_key("key", "01")
        cls.token.make_key("audit", "02")
        # The key as pkcs11-tool reads it, for the verification, which asks a daemon about signatures.
        out = cls.place.path / "audit.der"
        cls.token.tool("--read-object", "--type", "pubkey", "--label", "audit", "-o", out)
        cls.key = cls.place.write("audit.pem", run("openssl", "pkey", "-pubin", "-inform", "DER",
                                                   input=out.read_bytes(), stdin=None))
        cls.verifier = cls.start("Audit=none\n" + cls.token.section(), name="verifier")

    def verify(self, path, ok=True):
        """`tokendctl audit verify` of all files, in JSON."""
        done = self.verifier.ctl("--json", "audit", "verify", path, "--pubkey", self.key, check=False)
        self.assertEqual(done.returncode, 0 if ok else 1, done.stdout.decode() + done.stderr.decode())
        return json.loads(done.stdout)

    def directory(self):
        path = self.place.path / f"log{len(os.listdir(self.place.path))}"
        path.mkdir(mode=0o700)
        return path

    def daemon_with(self, path, audit="", instances="", **options):
        text = f"Audit=file:{path}\n{audit}\n"
        return self.own(text + self.token.section(), instances=instances, **options)

    def sign(self, daemon, **more):
        return daemon.call("Sign", key="hsm:key", **{**SIGN, **more})

    def state(self, daemon):
        return daemon.status()["audit"]


class Records(Audited):
    def test_every_kind(self):
        """sign, generate, delete, request, self-sign, import, probe, login, a denied call: each is recorded, and the chain holds"""
        path = self.directory() / "audit"
        user = pwd.getpwuid(os.getuid()).pw_name
        instance = (f"[Instance me]\nUser={user}\nKeys=*\nAllow=list sign verify generate delete request import\n")
        daemon = self.daemon_with(path, "AuditKey=hsm:audit", instance)
        self.sign(daemon)
        daemon.call("Sign", key="hsm:key", algorithm="ecdsa_sha256", message=base64.b64encode(b"m" * 33).decode())
        daemon.call("Generate", token="hsm", nickname="new", type="ec")
        daemon.call("io.tokend.Certificates.Request", key="hsm:new", subject="CN=new")
        made = daemon.call("io.tokend.Certificates.SelfSign", key="hsm:new", subject="CN=new", validityDays=2)
        daemon.call("io.tokend.Certificates.Delete", certificate="hsm:new")
        daemon.call("io.tokend.Certificates.Import", token="hsm", nickname="new",
                    certificate=made["certificate"]["der"])
        daemon.call("io.tokend.Certificates.Delete", certificate="hsm:new")
        daemon.call("Delete", key="hsm:new")
        self.fails("PermissionDenied", daemon.call, "Random", length=4)
        self.fails("KeyNotFound", daemon.call, "Sign", key="hsm:nothing", **SIGN)
        daemon.ctl("probe", "hsm")
        pid = daemon.pid
        records = read(path)
        by = {}
        for record in records:
            by.setdefault(record["kind"], []).append(record)
        self.assertLessEqual({"sign", "generate", "delete", "request", "self-sign", "import", "probe", "login", "denied"},
                             set(by), [r["kind"] for r in records])
        first, message, missing = by["sign"]
        self.assertEqual((first["result"], first["token"], first["key"], first["keyId"], first["algorithm"],
                          first["digest"], first["instance"], first["uid"], first["gid"], first["pid"], first["attempt"]),
                         ("ok", "hsm", "key", "01", "ecdsa_sha256", DIGEST.hex(), "me", os.getuid(), os.getgid(),
                          os.getpid(), 1))
        self.assertEqual((message["messageLength"], message.get("digest")), (33, None))
        self.assertEqual((missing["result"], missing["key"]), ("KeyNotFound", "hsm:nothing"))
        begun, done = by["generate"]
        self.assertEqual((begun["result"], done["result"], begun["request"], begun["key"]),
                         ("begun", "ok", done["request"], "new"))
        self.assertGreater(first["request"], 0)
        self.assertEqual([r["result"] for r in by["delete"]], ["begun", "ok"] * 3)
        self.assertEqual((by["denied"][0]["operation"], by["denied"][0]["result"]), ("random", "PermissionDenied"))
        self.assertEqual(by["login"][0]["token"], "hsm")
        self.assertEqual((by["probe"][0]["token"], by["probe"][0]["result"]), ("hsm", "ok"))
        text = path.read_text()
        self.assertNotIn(self.token.pin, text)
        self.assertNotIn("mmmmmmmm", text)
        self.assertNotIn(base64.b64encode(b"m" * 33).decode(), text)
        self.assertTrue(pid)
        daemon.stop()
        # Signed at the end, too: nothing is left that no head covers.
        self.verify(path)
        self.assertEqual(read(path)[-1]["kind"], "head", read(path)[-3:])


if __name__ == "__main__":
    unittest.main()

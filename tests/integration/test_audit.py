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

from harness import BUILD, OneToken, Case, SoftToken, run, stand_still, until
from test_faults import FaultyToken
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

    def auditor(self, daemon):
        return until(lambda: daemon.children("tokend-audit"), "tokend-audit")[0]

    def wait_out(self, daemon):
        """The one request is with the worker."""
        def look():
            token = daemon.token("hsm")
            return token["requests"] == 1 and token["queued"] == 0 and token["inFlight"]
        until(look, "it is out")


class Records(Audited):
    def test_every_kind(self):
        """sign, generate, delete, request, self-sign, import, probe, login, a denied call: each is recorded, and the chain holds"""
        path = self.directory() / "audit"
        user = pwd.getpwuid(os.getuid()).pw_name
        instance = (f"[Instance me]\nUser={user}\nKeys=*\nAllow=list sign verify generate delete delete-cert request import\n")
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
        self.assertEqual((missing["result"], missing["key"]), ("KeyNotFound", "nothing"))
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


class Load:
    """Clients that sign until they are told to stop, each digest once."""

    def __init__(self, daemon, clients=4):
        self.daemon, self.end = daemon, threading.Event()
        self.signed, self.failures, self.lock = set(), [], threading.Lock()
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        count = 0
        with self.daemon.client() as client:
            while not self.end.is_set():
                count += 1
                digest = hashlib.sha256(f"{number} {count}".encode()).digest()
                try:
                    client.call("Sign", key="hsm:key", algorithm="ecdsa_sha256",
                                digest=base64.b64encode(digest).decode())
                except (varlink.Error, varlink.Closed, OSError) as error:
                    with self.lock:
                        self.failures.append(error)
                else:
                    with self.lock:
                        self.signed.add(digest.hex())

    def progress(self, n=50):
        """Waits until n more were signed."""
        before = len(self.signed)
        until(lambda: len(self.signed) >= before + n, f"{n} more signatures; {self.failures[:1]}")

    def stop(self):
        self.end.set()
        for thread in self.threads:
            thread.join()


class Faults(Audited):
    def recorded(self, path, kind="sign", result="ok"):
        return [r["digest"] for r in read(path) if r["kind"] == kind and r["result"] == result]

    def test_killed(self):
        """tokend-audit is killed under load: no request fails, and no signature is without its record, required or not"""
        for required in ("no", "yes"):
            with self.subTest(required):
                path = self.directory() / "audit"
                daemon = self.daemon_with(path, f"AuditRequired={required}")
                load = Load(daemon)
                try:
                    for _ in range(3):
                        load.progress()
                        self.auditor(daemon).kill()
                    load.progress()
                finally:
                    load.stop()
                self.assertEqual(load.failures, [])
                self.assertTrue(self.state(daemon)["ok"])
                daemon.stop()
                self.assertLessEqual(load.signed, set(self.recorded(path)))
                self.verify(path)

    def test_stopped(self):
        """tokend-audit is stopped under load: with AuditRequired=no no request fails, and what was kept is written late"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path)
        load = Load(daemon)
        try:
            load.progress()
            auditor = self.auditor(daemon)
            auditor.stop()
            until(lambda: not self.state(daemon)["ok"], "the status says so", 20)
            self.assertIn("does not answer", self.state(daemon)["reason"])
            load.progress()
            auditor.kill(signal.SIGCONT)
            until(lambda: self.state(daemon)["ok"], "it is well again", 20)
            load.progress()
        finally:
            load.stop()
        self.assertEqual(load.failures, [])
        lost = self.state(daemon)["lost"]
        daemon.stop()
        self.assertLessEqual(len(load.signed - set(self.recorded(path))), lost)
        self.verify(path)

    def test_stopped_required(self):
        """tokend-audit is stopped: with AuditRequired=yes nothing is signed or made, and it goes on by itself"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path, "AuditRequired=yes")
        self.sign(daemon)
        auditor = self.auditor(daemon)
        auditor.stop()
        # One whose time is over before that of the audit: it gets its answer in time.
        self.fails("AuditUnavailable", self.sign, daemon, timeoutMs=500)
        self.fails("AuditUnavailable", self.sign, daemon)
        self.assertFalse(self.state(daemon)["ok"])
        self.assertIn("reason", self.fails("AuditUnavailable", daemon.call, "Generate", token="hsm", nickname="never",
                                           type="ec"))
        self.fails("AuditUnavailable", daemon.call, "io.tokend.Certificates.Request", key="hsm:key", subject="CN=x")
        with varlink.Client(daemon.status_socket) as client:
            self.fails("AuditUnavailable", client.call, "io.tokend.Status.Probe", token="hsm")
        # What is no use of a key goes on.
        self.assertEqual(len(daemon.call("List")["keys"]), 2)
        auditor.kill(signal.SIGCONT)
        until(lambda: self.state(daemon)["ok"], "it is well again", 20)
        self.sign(daemon)
        self.assertNotIn("never", daemon.ctl("list"))

    def test_disk_full(self):
        """the disk is full: AuditUnavailable, nothing is signed without a record, and it goes on by itself when there is room"""
        directory = self.directory()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=700", "none", directory],
                          capture_output=True).returncode:
            self.skipTest("no tmpfs can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", directory], check=True)
        path = directory / "audit"
        daemon = self.daemon_with(path, "AuditRequired=yes")
        self.sign(daemon)
        filler = directory / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 512)
            except OSError:
                pass
        load = Load(daemon)
        until(lambda: load.failures, "a refusal")
        load.stop()
        self.assertEqual({e.name for e in load.failures}, {"AuditUnavailable"})
        state = self.state(daemon)
        self.assertEqual((state["ok"], state["required"]), (False, True))
        self.assertIn("space", state["reason"])
        self.fails("AuditUnavailable", daemon.call, "Generate", token="hsm", nickname="never", type="ec")
        filler.unlink()
        until(lambda: self.state(daemon)["ok"], "there is room", 10)
        self.sign(daemon)
        daemon.stop()
        self.assertLessEqual(load.signed, set(self.recorded(path)))
        self.assertIn("audit-back", [r["kind"] for r in read(path)])
        self.verify(path)

    def test_no_directory(self):
        """a directory that is not there: nothing is done that must be recorded, and all goes on once it is made"""
        path = self.directory() / "later" / "audit"
        daemon = self.daemon_with(path, "AuditRequired=yes")
        self.assertIn("No such file", until(lambda: self.fails("AuditUnavailable", self.sign, daemon), "a word")["reason"])
        path.parent.mkdir(mode=0o700)
        until(lambda: self.state(daemon)["ok"], "it is well", 20)
        self.sign(daemon)
        self.assertEqual(len(self.recorded(path)), 1)

    def test_broker_killed(self):
        """the broker is killed under load: no signature that a client got is without its record"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path, "AuditRequired=yes")
        load = Load(daemon)
        try:
            load.progress()
            daemon.broker().kill()
        finally:
            load.stop()
        until(lambda: daemon.children("tokend-broker"), "another broker")
        self.sign(daemon)
        daemon.stop()
        self.assertLessEqual(load.signed, set(self.recorded(path)))
        logins = [r for r in read(path) if r["kind"] == "login"]
        self.assertEqual(len(logins), 1, "the worker did not log in again")
        self.verify(path)

    def test_rotation(self):
        """SIGUSR1 and AuditRotateSize= start a new file, whose chain goes on from the old one's"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path, "AuditRotateSize=4K\nAuditKey=hsm:audit\nAuditSignInterval=200ms")
        for _ in range(30):
            self.sign(daemon)
        until(lambda: list(path.parent.glob("audit.*")), "a file was rotated by its size")
        before = set(path.parent.glob("audit.*"))
        os.kill(daemon.pid, signal.SIGUSR1)
        until(lambda: set(path.parent.glob("audit.*")) - before, "and one by the signal")
        until(lambda: self.state(daemon)["signedSeq"], "a head is signed")
        self.sign(daemon)
        seq = self.state(daemon)["seq"]
        daemon.stop()
        self.assertEqual(len(self.recorded(path)), 31)
        files = sorted(path.parent.glob("audit.*"), key=lambda p: int(p.name.rpartition(".")[2]))
        done = self.verifier.ctl("audit", "verify", *files, path, "--pubkey", self.key, "--expect-seq", seq, check=False)
        self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())

    def test_cut_at_the_end(self):
        """verify asks the daemon that writes the file how far it reaches: an end that was cut off is named"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path, "AuditKey=hsm:audit\nAuditSignInterval=1h")
        for _ in range(5):
            self.sign(daemon)
        self.assertEqual(self.state(daemon)["file"], str(path))
        done = daemon.ctl("audit", "verify", path, "--pubkey", self.key, check=False)
        self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())
        copy = self.place.write("copy", b"".join(path.read_bytes().splitlines(True)[:-2]))
        self.assertEqual(daemon.ctl("audit", "verify", copy, "--pubkey", self.key, check=False).returncode, 0)
        with open(path, "r+b") as file:
            file.truncate(sum(map(len, file.read().splitlines(True)[:-2])))
        done = daemon.ctl("audit", "verify", path, "--pubkey", self.key, check=False)
        self.assertEqual(done.returncode, 1, done.stdout.decode())
        self.assertIn(b"the end was cut off", done.stderr)
        # The next record comes to a new file, and the gap shows.
        self.sign(daemon)
        aside, = path.parent.glob("audit.*.damaged")
        self.assertIn(b"are missing", daemon.ctl("audit", "verify", aside, path, "--pubkey", self.key, check=False).stdout)

    def test_repeat(self):
        """a signature that is made a second time, because the worker died, is recorded as a repeat"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path)
        worker = daemon.worker().stop()
        with daemon.client() as client:
            client.send("Sign", {"key": "hsm:key", **SIGN})
            self.wait_out(daemon)
            worker.kill()
            client.result()
        repeat, = [r for r in read(path) if r["kind"] == "repeat"]
        last, = [r for r in read(path) if r["kind"] == "sign"]
        self.assertEqual((repeat["operation"], repeat["attempt"], repeat["request"]), ("sign", 2, last["request"]))
        self.assertEqual((last["result"], last["attempt"]), ("ok", 2))

    def test_client_gone(self):
        """a signature whose client has gone is recorded all the same"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path)
        worker = daemon.worker().stop()
        with daemon.client() as client:
            client.send("Sign", {"key": "hsm:key", **SIGN})
            self.wait_out(daemon)
        until(lambda: not any(i["connections"] for i in daemon.status()["instances"]), "nobody is there")
        worker.kill(signal.SIGCONT)
        record = until(lambda: [r for r in read(path) if r["kind"] == "sign"], "the record")[0]
        self.assertEqual((record["result"], record["key"], record["digest"], record["pid"]),
                         ("ok", "key", DIGEST.hex(), os.getpid()))
        self.assertIn("nobody waited", record["reason"])

    def ends(self, path, nickname):
        """What the records say of the Generate of that nickname."""
        return [r["result"] for r in read(path) if r["kind"] == "generate" and r["key"] == nickname]

    def generate_and_go(self, daemon, nickname, **flags):
        """A client that asks for a key, and has gone before there is any, but not before the broker has taken what it asks."""
        taken = lambda: sum(instance["requests"] for instance in daemon.status()["instances"])
        with daemon.client() as client:
            client.call("List")
            before = taken()
            client.send("Generate", {"token": "hsm", "nickname": nickname, "type": "ec"}, **flags)
            until(lambda: taken() > before, "it is taken")
        until(lambda: not any(i["connections"] for i in daemon.status()["instances"]), "it has gone")

    def test_client_gone_held(self):
        """a client that goes while its Generate waits for its record: a oneway is carried out, any other dropped; each has an end"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path, "AuditRequired=yes")
        auditor = self.auditor(daemon).stop()
        self.generate_and_go(daemon, "oneway", oneway=True)
        self.generate_and_go(daemon, "gone")
        auditor.kill(signal.SIGCONT)
        until(lambda: len(self.ends(path, "oneway")) == 2 and len(self.ends(path, "gone")) == 2, "both have an end")
        self.assertEqual(self.ends(path, "oneway"), ["begun", "ok"])
        self.assertEqual(self.ends(path, "gone"), ["begun", "dropped"])
        daemon.call("Get", key="hsm:oneway")
        self.fails("KeyNotFound", daemon.call, "Get", key="hsm:gone")
        daemon.call("Delete", key="hsm:oneway")

    def test_denied_operation(self):
        """the record of a denied call names the word of Allow= that was missing, as its reply does"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path, "", f"[Instance me]\nUser={os.getuid()}\nKeys=*\nAllow=list request\n")
        denied = self.fails("PermissionDenied", daemon.call, "io.tokend.Certificates.SelfSign", key="hsm:key", subject="CN=x",
                            validityDays=2)
        self.assertEqual(denied, {"operation": "import"})
        record = [r for r in read(path) if r["kind"] == "denied"][-1]
        self.assertEqual((record["operation"], record["key"]), ("import", "key"))

    def test_client_gone_reload(self):
        """a oneway that waits for its record is carried out although its client, and then its instance, have gone"""
        path = self.directory() / "audit"
        instance = f"[Instance me]\nUser={os.getuid()}\nKeys=*\nAllow=list generate delete\n"
        daemon = self.daemon_with(path, "AuditRequired=yes", instance)
        auditor = self.auditor(daemon).stop()
        self.generate_and_go(daemon, "oneway", oneway=True)
        daemon.config.write_text(daemon.config.read_text().replace("Instance me", "Instance you"))
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: [i["name"] for i in daemon.status()["instances"]] == ["you"], "another instance")
        auditor.kill(signal.SIGCONT)
        until(lambda: self.ends(path, "oneway") == ["begun", "ok"], "it has an end")
        daemon.call("Delete", key="hsm:oneway")

    def test_client_gone_queued(self):
        """a client that goes while its Generate is queued: it is dropped, and that is recorded"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path)
        worker = daemon.worker().stop()
        with daemon.client() as client:
            client.send("Generate", {"token": "hsm", "nickname": "first", "type": "ec"})
            self.wait_out(daemon)
            with daemon.client() as second:
                second.call("List")
                second.send("Generate", {"token": "hsm", "nickname": "gone", "type": "ec"})
                until(lambda: daemon.token("hsm")["queued"], "it is queued")
            until(lambda: not daemon.token("hsm")["queued"], "it is not any more")
            worker.kill(signal.SIGCONT)
            client.result()
        self.assertEqual(self.ends(path, "first"), ["begun", "ok"])
        self.assertEqual(self.ends(path, "gone"), ["begun", "dropped"])
        daemon.call("Delete", key="hsm:first")

    def test_held_too_long(self):
        """a Generate whose record comes too late is not done, and the record that it has begun has an end"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path, "AuditRequired=yes")
        auditor = self.auditor(daemon).stop()
        self.fails("AuditUnavailable", daemon.call, "Generate", token="hsm", nickname="late", type="ec", timeoutMs=300)
        with daemon.client() as client:
            client.call("List")
            client.send("Generate", {"token": "hsm", "nickname": "never", "type": "ec", "timeoutMs": 300}, oneway=True)
        until(lambda: not any(i["connections"] for i in daemon.status()["instances"]), "it has gone")
        until(lambda: not self.state(daemon)["ok"], "nothing has been recorded for long", 20)
        auditor.kill(signal.SIGCONT)
        until(lambda: len(self.ends(path, "late")) == 2 and len(self.ends(path, "never")) == 2, "both have an end")
        for nickname in ("late", "never"):
            self.assertEqual(self.ends(path, nickname), ["begun", "AuditUnavailable"])
            self.fails("KeyNotFound", daemon.call, "Get", key=f"hsm:{nickname}")
        self.verify(path)

    def test_pin(self):
        """a PIN that is refused is recorded as a login that failed"""
        path = self.directory() / "audit"
        bad = self.place.write("bad.pin", "91827364\n", 0o600)
        section = self.token.section().replace(str(self.token.pin_file), str(bad))
        daemon = self.own(f"Audit=file:{path}\n{section}")
        record = until(lambda: [r for r in read(path) if r["kind"] == "login"], "the record")[0]
        self.assertEqual((record["token"], record["result"]), ("hsm", "failed"))
        self.assertIn("PIN", record["reason"])
        self.assertNotIn("91827364", path.read_text())

    def test_reload(self):
        """a reload takes the audit elsewhere, and back, without a request that fails"""
        directory = self.directory()
        daemon = self.own("Audit=none\n" + self.token.section())
        self.assertEqual(self.state(daemon)["mode"], "none")
        load = Load(daemon)
        try:
            for name in ("a", "b"):
                load.progress()
                daemon.write_config(f"Audit=file:{directory}/{name}\n" + self.token.section())
                os.kill(daemon.pid, signal.SIGHUP)
                until(lambda: (directory / name).exists() and self.recorded(directory / name), f"file {name} is written")
            load.progress()
        finally:
            load.stop()
        self.assertEqual(load.failures, [])
        self.assertEqual((self.state(daemon)["mode"], self.state(daemon)["ok"]), ("file", True))
        daemon.write_config("Audit=none\n" + self.token.section())
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: not daemon.children("tokend-audit"), "tokend-audit has ended")
        self.sign(daemon)
        for name in ("a", "b"):
            self.verify(directory / name)


class Ends(Audited):
    """What a client sent whole is done or denied, and recorded, although it closes at once."""

    def send_and_close(self, daemon, *calls):
        with daemon.client() as client:
            client.send_raw(b"".join(json.dumps({"method": varlink.KEYS + method, "parameters": parameters, **flags}).encode() + b"\0"
                                     for method, parameters, flags in calls))

    def ends(self, path, kind):
        return [(r["key"], r["result"]) for r in read(path) if r["kind"] == kind and r["result"] != "begun"]

    def test_oneways(self):
        """oneway calls that wait behind the first of their connection are done in their order, though the client closes at once"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path)
        names = [f"one{n}" for n in range(5)]
        self.send_and_close(daemon, *(("Generate", {"token": "hsm", "nickname": name, "type": "ec"}, {"oneway": True})
                                      for name in names),
                            ("Delete", {"key": "hsm:one0"}, {"oneway": True}))
        until(lambda: self.ends(path, "delete"), "the last is done")
        self.assertEqual(self.ends(path, "generate"), [(name, "ok") for name in names])
        self.assertEqual(self.ends(path, "delete"), [("one0", "ok")])
        for name in names[1:]:
            daemon.call("Delete", key=f"hsm:{name}")

    def test_behind_a_call(self):
        """a oneway behind a call that is with the worker waits for its end; other calls behind it are dropped"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path)
        generate = {"token": "hsm", "type": "ec"}
        worker = daemon.worker().stop()
        with daemon.client() as client:
            client.send("Generate", {**generate, "nickname": "first"})
            self.wait_out(daemon)
            client.send("Generate", {**generate, "nickname": "unwanted"})
            client.send("Delete", {"key": "hsm:first"}, oneway=True)
        worker.kill(signal.SIGCONT)
        until(lambda: self.ends(path, "delete"), "the last is done")
        self.assertEqual(self.ends(path, "delete"), [("first", "ok")])
        self.assertIn(("first", "ok"), self.ends(path, "generate"))
        self.assertNotIn(("unwanted", "ok"), self.ends(path, "generate"))
        self.fails("KeyNotFound", daemon.call, "Get", key="hsm:unwanted")

    def test_many(self):
        """more oneways than are taken at a time, and more bytes than are read at a time: each is done"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path)
        self.send_and_close(daemon, *(("Sign", {"key": "hsm:key", **SIGN}, {"oneway": True}) for _ in range(500)))
        until(lambda: len(self.ends(path, "sign")) == 500, "each is recorded")
        self.assertEqual(set(self.ends(path, "sign")), {("key", "ok")})
        until(lambda: not any(i["connections"] for i in daemon.status()["instances"]), "the connection is gone")

    def test_unit_awaited(self):
        """a client that closes while its unit is asked for: what it sent is done, or denied, and recorded"""
        path = self.directory() / "audit"
        daemon = self.daemon_with(path, instances=f"[Instance me]\nUser={os.getuid()}\nKeys=*\nAllow=list sign\n")
        stand_still(daemon.pid)
        try:
            self.send_and_close(daemon, ("Sign", {"key": "hsm:key", **SIGN}, {"oneway": True}))
            self.send_and_close(daemon, ("Delete", {"key": "hsm:key"}, {}))
            until(lambda: self.ends(path, "sign") and self.ends(path, "denied"), "both are recorded")
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        self.assertEqual(self.ends(path, "sign"), [("key", "ok")])
        self.assertEqual(self.ends(path, "denied"), [("key", "PermissionDenied")])

    def test_probe(self):
        """a Probe whose device answered an error is recorded with that error"""
        path = self.directory() / "audit"
        token = FaultyToken(self.place, "probed")
        daemon = self.own(f"Audit=file:{path}\n" + token.section("hsm", "KeepAlive=1h\n", refresh="1h"))
        token.set("C_GetTokenInfo ckr=0x54")
        done = json.loads(daemon.ctl("--json", "probe", "hsm", check=False).stdout)
        self.assertFalse(done["ok"])
        token.set()
        daemon.ctl("probe", "hsm")
        probes = [r for r in read(path) if r["kind"] == "probe"]
        self.assertEqual([(r["result"], r.get("ckr")) for r in probes], [("TokenError", done["ckr"]), ("ok", None)])
        self.assertIn(done["ckr"], done["reason"])
        self.assertIsNone(json.loads(daemon.ctl("--json", "probe", "hsm"))["reason"])

    def test_probe_failed(self):
        """a Probe of a token that has failed says why, and is recorded as what it is"""
        path = self.directory() / "audit"
        token = FaultyToken(self.place, "refused")
        token.pin_file.write_text("wrong-pin\n")
        daemon = self.own(f"Audit=file:{path}\n" + token.section("hsm"))
        reason = daemon.wait_state("hsm", "failed")["reason"]
        done = json.loads(daemon.ctl("--json", "probe", "hsm", check=False).stdout)
        self.assertEqual(done["reason"], f"the token is failed: {reason}")
        self.assertIn(reason, daemon.ctl("probe", "hsm", check=False).stdout.decode())
        self.assertEqual({r["result"] for r in read(path) if r["kind"] == "probe"}, {"TokenUnavailable"})


class Units(Audited):
    def test_no_unit(self):
        """an instance with Unit= does not match a caller that runs in no such unit; one behind it may"""
        user = pwd.getpwuid(os.getuid()).pw_name
        first = f"[Instance unit]\nUser={user}\nUnit=no-such-unit.service\nKeys=*\nAllow=list sign\n"
        daemon = self.own("Audit=none\n" + self.token.section(), instances=first)
        self.fails("PermissionDenied", self.sign, daemon)
        daemon = self.own("Audit=none\n" + self.token.section(),
                          instances=first + f"[Instance any]\nUser={user}\nKeys=*\nAllow=list\n")
        self.assertEqual(len(daemon.call("List")["keys"]), 2)
        self.fails("PermissionDenied", self.sign, daemon)

    def test_supervisor_stopped(self):
        """a supervisor that does not answer keeps nobody out for good: the unit then counts as unknown"""
        user = pwd.getpwuid(os.getuid()).pw_name
        daemon = self.own("Audit=none\n" + self.token.section(),
                          instances=f"[Instance unit]\nUser={user}\nUnit=x.service\nKeys=*\n"
                                    f"[Instance any]\nUser={user}\nKeys=*\n")
        stand_still(daemon.pid)
        try:
            self.sign(daemon)
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        self.sign(daemon)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MPL-2.0
"""Two features at once: a client that goes, a reload or a worker that dies, while an accelerator, a claim or the audit is at
work on the same request."""
import contextlib
import os
import signal
import struct
import subprocess
import time

from harness import Case, SoftToken, public_pem, stand_still, until
from test_audit import DIGEST, SIGN, read
from test_faults import FaultyToken
from varlink import Error, b64, unb64

RIGHTS = "list sign verify random generate delete"
SECRET_RIGHTS = RIGHTS + " decrypt encrypt derive wrap unwrap"
SECRETS = "io.tokend.Secrets."
AES = {"type": "aes", "length": 32, "usage": ["encrypt", "decrypt", "wrap", "unwrap", "derive"]}


def instance(name, allow=RIGHTS):
    return f"[Instance {name}]\nUser={os.getuid()}\nKeys=*\nAllow={allow}\n"


class Product(Case):
    def label(self, prefix):
        return f"{prefix}{len(os.listdir(self.place.path))}"

    def reload(self, daemon, config, instances=""):
        daemon.write_config(config, instances)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_notify("READY=1")

    def worker(self, daemon):
        """The one that serves hsm: a look has one word more in its command line."""
        def find():
            for worker in daemon.workers():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    if worker.command[1:] == [b"hsm", b""]:
                        return worker
            return None
        return until(find, "the worker of hsm")

    def nobody_is_there(self, daemon):
        until(lambda: not any(i["connections"] for i in daemon.status()["instances"]), "the client has gone")


class Away(Product):
    """A signature that the accelerator has when its client closes, or when a reload takes its token away."""

    def setUp(self):
        self.hsm = SoftToken(self.place, self.label("h"))
        self.accel = FaultyToken(self.place, self.label("a"), keys=())
        self.path = self.place.path / self.label("audit")
        self.accelerator = self.accel.section("accel", "Role=accelerator\nKeepAlive=1h\n", refresh="1h")
        self.internal = f"[Token internal]\nModule=internal\nDirectory={self.place.path / self.label('i')}\n"
        self.audit = f"Audit=file:{self.path}\n"
        self.daemon = self.own(self.audit + self.internal + self.hsm.section("hsm", "Accelerator=accel\n") + self.accelerator)
        self.broker = self.daemon.broker().pid
        self.daemon.call("Generate", token="hsm", nickname="k", type="ec", loadable=True)
        until(self.has_copy, "the accelerator has a copy of the key")
        self.n_signed = len(self.signed())

    def has_copy(self):
        self.daemon.call("Sign", key="hsm:k", **SIGN)
        return self.daemon.call("Get", key="hsm:k")["key"].get("acceleratedBy") == "accel"

    def signed(self):
        return [r for r in read(self.path) if r["kind"] == "sign"]

    def sign_there(self, client, **more):
        """Asks; the accelerator is at work on it when this returns."""
        self.accel.set("C_Sign delay_ms=2000")
        before = self.accel.counts().get("C_Sign", 0)
        client.send("Sign", {"key": "hsm:k", **SIGN, **more})
        until(lambda: self.accel.counts()["C_Sign"] > before, "the accelerator signs")

    def last_record(self):
        return until(lambda: self.signed()[self.n_signed:], "the record")[0]

    def test_client_closes(self):
        """a client that closes while the accelerator signs a digest for it: the broker lives, and the record has the digest"""
        with self.daemon.client() as client:
            self.sign_there(client)
        record = self.last_record()
        self.assertEqual((record["result"], record["key"], record["digest"]), ("ok", "k", DIGEST.hex()))
        self.accel.set()
        self.assertIn("signature", self.daemon.call("Sign", key="hsm:k", **SIGN))
        self.assertEqual(self.daemon.broker().pid, self.broker, "the broker is another")

    def test_client_closes_message(self):
        """a client that closes while the accelerator signs a message for it: the record has the length of the message"""
        with self.daemon.client() as client:
            self.accel.set("C_Sign delay_ms=2000")
            before = self.accel.counts().get("C_Sign", 0)
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m" * 33)})
            until(lambda: self.accel.counts()["C_Sign"] > before, "the accelerator signs")
        record = self.last_record()
        self.assertEqual((record["result"], record["messageLength"], record.get("digest")), ("ok", 33, None))
        self.assertEqual(self.daemon.broker().pid, self.broker, "the broker is another")

    def test_token_removed(self):
        """a reload takes the token away while the accelerator signs for it: the caller is told, and the record has the digest"""
        with self.daemon.client() as client:
            self.sign_there(client)
            self.reload(self.daemon, self.audit + self.internal + self.accelerator)
            self.assertEqual(self.fails("TokenNotFound", client.result), {"token": "hsm"})
        record = self.last_record()
        self.assertEqual((record["result"], record["key"], record["digest"]), ("TokenNotFound", "k", DIGEST.hex()))
        self.assertEqual(self.daemon.broker().pid, self.broker, "the broker is another")

    def test_token_removed_after_client(self):
        """a oneway signature is with the accelerator: its client goes, then a reload takes its token away"""
        with self.daemon.client() as client:
            client.call("List")
            before = self.accel.counts().get("C_Sign", 0)
            self.accel.set("C_Sign delay_ms=3000")
            client.send("Sign", {"key": "hsm:k", **SIGN}, oneway=True)
            until(lambda: self.accel.counts()["C_Sign"] > before, "the accelerator signs")
        self.nobody_is_there(self.daemon)
        self.reload(self.daemon, self.audit + self.internal + self.accelerator)
        self.assertEqual(self.last_record()["digest"], DIGEST.hex())
        self.assertEqual(self.daemon.broker().pid, self.broker, "the broker is another")


class Renamed(Product):
    """Reloads that rename the caller's [Instance] while its request is under way. What uses freed memory is for the sanitizer to
    find."""

    def stopped_at_work(self, daemon, worker):
        """Whether the worker, stopped, has something to do; else it goes on."""
        worker.stop()
        if daemon.token("hsm")["inFlight"]:
            return True
        worker.kill(signal.SIGCONT)
        return False

    def test_while_a_claim_is_waited_for(self):
        """two reloads rename the caller's instance, before its Generate begins and while it waits for a claim of another host"""
        token = SoftToken(self.place, self.label("h"))
        token.make_key("k", "01")
        name = b"elsewhere\0"
        claim = (b"\1" + struct.pack("<I", 32) + os.urandom(32) + struct.pack("<QB", 0, 1) + struct.pack("<I", 2) + b"id" +
                 struct.pack("<I", len(name)) + name + struct.pack("<Q", 1700000000000000))
        token.tool("--write-object", self.place.write("claim", claim), "--type", "data", "--label", "new",
                   "--application-label", "tokend claim", "--private")
        section = token.section("hsm", refresh="200ms")
        daemon = self.own(section, instances=instance("a"))
        broker, worker = daemon.broker().pid, self.worker(daemon).stop()
        with daemon.client() as client:
            client.send("Sign", {"key": "hsm:k", **SIGN})
            until(lambda: daemon.token("hsm")["inFlight"], "the Sign is with the worker")
            # It begins when the Sign before it has ended: as b.
            client.send("Generate", {"token": "hsm", "nickname": "new", "type": "ec", "timeoutMs": 8000})
            self.reload(daemon, section, instance("b"))
            worker.kill(signal.SIGCONT)
            self.assertIn("signature", client.result())
            until(lambda: daemon.token("hsm")["queued"], "the Generate waits for the claim")
            until(lambda: self.stopped_at_work(daemon, worker), "the worker has the Generate again")
            self.reload(daemon, section, instance("c"))
            worker.kill(signal.SIGCONT)
            self.fails("DeadlineExceeded", client.result)
        self.assertEqual(daemon.broker().pid, broker, "the broker is another")
        daemon.check_report(daemon.log_text())


class Lost(Product):
    def test_worker_dies_when_client_has_gone(self):
        """a signature whose client has gone and whose worker is killed is never recorded as made"""
        token = SoftToken(self.place, self.label("h"))
        token.make_key("k", "01")
        path = self.place.path / self.label("audit")
        daemon = self.own(f"Audit=file:{path}\n" + token.section("hsm"))
        worker = self.worker(daemon).stop()
        with daemon.client() as client:
            client.send("Sign", {"key": "hsm:k", **SIGN})
            until(lambda: daemon.token("hsm")["inFlight"], "the Sign is with the worker")
        self.nobody_is_there(daemon)
        worker.kill()
        record = until(lambda: [r for r in read(path) if r["kind"] == "sign"], "the record")[0]
        self.assertEqual((record["result"], record["key"], record["digest"]), ("WorkerLost", "k", DIGEST.hex()))
        self.assertIn("nobody waited", record["reason"])


class Recorded(Product):
    def begin(self):
        token = SoftToken(self.place, self.label("h"))
        token.make_key("k", "01")
        self.path = self.place.path / self.label("audit")
        self.daemon = self.own(f"Audit=file:{self.path}\n" + token.section("hsm"))
        return self.daemon

    def signed(self):
        return [r for r in read(self.path) if r["kind"] == "sign"]

    def test_long_names(self):
        """a caller cannot choose a name of a key that keeps its attempt out of the records: a long one is cut"""
        daemon = self.begin()
        for name in ("\x01" * 4096, "\u00e9" * 2000, "\u202e" * 1300):
            self.fails("KeyNotFound", daemon.call, "Sign", key=name, **SIGN)
            last = self.signed()[-1]
            self.assertEqual((last["result"], last["key"][-1]), ("KeyNotFound", "\u2026"))
            self.assertTrue(name.startswith(last["key"][:-1]), last["key"])
        self.assertEqual(len(self.signed()), 3)
        self.assertEqual(daemon.status()["audit"]["lost"], 0)

    def test_supervisor_stopped(self):
        """a supervisor that is stopped delays no new connection for the records' sake: they have no unit then"""
        daemon = self.begin()
        self.broker = daemon.broker().pid
        stand_still(daemon.pid)
        try:
            begun = time.monotonic()
            self.assertIn("signature", daemon.call("Sign", key="hsm:k", **SIGN))
            # Half of what it waits for a unit that decides who the caller is.
            self.assertLess(time.monotonic() - begun, 1)
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        self.assertEqual(self.signed()[-1]["result"], "ok")

    def test_unit_wanted_by_reload(self):
        """a reload brings the first Unit= while the supervisor has not said yet where the caller runs: it is nobody's then"""
        daemon = self.begin()
        stand_still(daemon.pid)
        try:
            client = daemon.client()
            self.addCleanup(client.close)
            self.assertIn("signature", client.call("Sign", key="hsm:k", **SIGN))
            daemon.config.write_text(daemon.config.read_text() + instance("unit") + "Unit=no-such-unit.service\n")
            daemon.process.send_signal(signal.SIGHUP)
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        daemon.wait_notify("READY=1")
        self.fails("PermissionDenied", client.call, "Sign", key="hsm:k", **SIGN)


class Secrets(Product):
    """Decrypt, Derive, Rename and the methods of io.tokend.Secrets beside an accelerator, a claim, the audit, a reload and a worker
    that dies."""

    def begin(self, extra="", section=""):
        self.token = FaultyToken(self.place, self.label("h"), keys=())
        self.path = self.place.path / self.label("audit")
        self.config = f"Audit=file:{self.path}\n{extra}"
        self.section = self.token.section("hsm", "KeepAlive=1h\n" + section, refresh="1h")
        self.daemon = self.own(self.config + self.section)
        self.broker = self.daemon.broker().pid
        self.daemon.call("Generate", token="hsm", nickname="rsa", type="rsa", size=2048, usage=["sign", "decrypt", "unwrap"])
        spki = unb64(self.daemon.call("Get", key="hsm:rsa")["key"]["publicKey"])
        self.pem = public_pem(self.place, spki)
        self.daemon.call("Generate", token="hsm", nickname="ec", type="ec", usage=["derive"])
        point = unb64(self.daemon.call("Get", key="hsm:ec")["key"]["publicKey"])[-65:]
        self.make_rows(spki, point)
        return self.daemon

    def make_rows(self, spki, point):
        """Every method that gives a secret or uses one: what it is asked, and the call of the device that does it."""
        seal = lambda **template: self.daemon.call(SECRETS + "Generate", token="hsm", template=template)["sealed"]
        key, pair = seal(**AES), seal(type="ec", usage=["sign"])
        block, wrapped = b64(bytes(16)), b64(self.encrypted(bytes(32)))
        self.rows = {
            "Decrypt": ("C_Decrypt", {"key": "hsm:rsa", "algorithm": "rsa_pkcs1", "ciphertext": b64(self.encrypted())}),
            "Derive": ("C_DeriveKey", {"key": "hsm:ec", "publicKey": b64(point)}),
            SECRETS + "Generate": ("C_GenerateKey", {"token": "hsm", "template": AES}),
            SECRETS + "Unwrap": ("C_UnwrapKey", {"key": "hsm:rsa", "algorithm": "rsa_pkcs1", "wrapped": wrapped, "template": AES}),
            SECRETS + "Wrap": ("C_WrapKey", {"publicKey": b64(spki), "algorithm": "rsa_pkcs1", "secret": key}),
            SECRETS + "Derive": ("C_DeriveKey", {"key": key, "algorithm": "aes_ecb_encrypt_data", "data": block, "template": {**AES, "length": 16}}),
            SECRETS + "Encrypt": ("C_Encrypt", {"key": key, "algorithm": "aes_ecb", "plaintext": block}),
            SECRETS + "Decrypt": ("C_Decrypt", {"key": key, "algorithm": "aes_ecb", "ciphertext": block}),
            SECRETS + "Sign": ("C_Sign", {"key": pair, "algorithm": "ecdsa_sha256", "digest": b64(DIGEST)}),
        }

    def encrypted(self, data=b"a secret"):
        return subprocess.run(["openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", self.pem], input=data, capture_output=True,
                              check=True).stdout

    def recorded(self, kind):
        return [r["result"] for r in read(self.path) if r["kind"] == kind]

    def ends(self, method):
        """The results that were recorded of methods of this kind."""
        return [r for r in self.recorded(method.rpartition(".")[2].lower()) if r != "begun"]

    def ends_with(self, method, n_before, result):
        until(lambda: len(self.ends(method)) > n_before, f"the record of {method}")
        self.assertEqual(self.ends(method)[n_before:], [result], method)

    def ask_slowly(self, client, method):
        """The device is at work on it when this returns."""
        function, asked = self.rows[method]
        self.token.set(f"{function} delay_ms=1500 count=1")
        before = self.token.counts().get(function, 0)
        client.send(method, asked)
        until(lambda: self.token.counts().get(function, 0) > before, f"the device is at work on {method}")

    def test_client_closes(self):
        """a client that closes while the device is at work on its secret: it is recorded, and nothing is left"""
        self.begin()
        for method in self.rows:
            before = len(self.ends(method))
            with self.daemon.client() as client:
                self.ask_slowly(client, method)
            self.ends_with(method, before, "ok")
            self.token.set()
        self.assertEqual(self.daemon.broker().pid, self.broker, "the broker is another")

    def test_token_removed(self):
        """a reload takes the token away while it is at work on a secret"""
        other = f"[Token internal]\nModule=internal\nDirectory={self.place.path / self.label('i')}\n"
        self.begin()
        for method in self.rows:
            before = len(self.ends(method))
            with self.daemon.client() as client:
                self.ask_slowly(client, method)
                self.reload(self.daemon, self.config + other)
                self.assertEqual(self.fails("TokenNotFound", client.result), {"token": "hsm"})
            self.ends_with(method, before, "TokenNotFound")
            self.token.set()
            self.reload(self.daemon, self.config + self.section)
        self.assertEqual(self.daemon.broker().pid, self.broker, "the broker is another")

    def test_withheld(self):
        """AuditRequired=yes: what cannot be recorded is not told: no plaintext, no secret, no sealed key"""
        self.begin("AuditRequired=yes\n")
        auditor, = self.daemon.children("tokend-audit")
        for method, (_, asked) in self.rows.items():
            auditor.stop()
            reply = self.fails("AuditUnavailable", self.daemon.call, method, **asked, timeoutMs=2000)
            self.assertEqual(list(reply), ["reason"])
            auditor.kill(signal.SIGCONT)
            until(lambda: self.daemon.status()["audit"]["ok"], "records are kept")
            self.assertTrue(self.daemon.call(method, **asked))

    def test_worker_dies_when_client_has_gone(self):
        """whose client has gone and whose worker is killed is never recorded as done"""
        self.begin()
        for method, (_, asked) in self.rows.items():
            before = len(self.ends(method))
            worker = self.worker(self.daemon).stop()
            with self.daemon.client() as client:
                client.send(method, asked)
                until(lambda: self.daemon.token("hsm")["inFlight"], "it is with the worker")
            self.nobody_is_there(self.daemon)
            restarts = self.daemon.token("hsm")["restarts"]
            worker.kill()
            self.ends_with(method, before, "WorkerLost")
            # The state that the broker has is the supervisor's, and may be the old one a moment longer.
            until(lambda n=restarts: self.daemon.token("hsm")["restarts"] > n, "the end of the worker is known")
            self.daemon.wait_state("hsm", "ready")

    def test_poison(self):
        """a key of which workers die whatever is asked of it but to sign: it is answered at once, and its neighbours are served"""
        self.begin()
        for method in ("Decrypt", SECRETS + "Encrypt", SECRETS + "Wrap"):
            function, asked = self.rows[method]
            self.token.set(f"{function} crash")
            for _ in range(2):
                self.fails("WorkerLost", self.daemon.call, method, **asked)
            calls = self.token.counts()[function]
            self.fails("WorkerLost", self.daemon.call, method, **asked)
            self.assertEqual(self.token.counts()[function], calls, f"{method} was sent")
            self.daemon.call("Sign", key="hsm:rsa", algorithm="rsa_pkcs1_sha256", digest=b64(DIGEST))
            self.token.set()
            self.assertTrue(until(lambda m=method, a=asked: self.done(m, a), "it is tried again"))

    def done(self, method, asked):
        try:
            return self.daemon.call(method, **asked)
        except Error as error:
            self.assertEqual(error.name, "WorkerLost")
            return None

    def test_deadline(self):
        """a device that hangs over a secret: DeadlineExceeded, and the token is there again afterwards"""
        self.begin(section="Timeout=2s\nGenerateTimeout=8s\n")
        for method, (function, asked) in self.rows.items():
            self.token.set(f"{function} hang count=1")
            self.assertEqual(self.fails("DeadlineExceeded", self.daemon.call, method, **asked, timeoutMs=500),
                             {"token": "hsm", "executed": True}, method)
            self.token.set()
            self.assertTrue(self.daemon.call(method, **asked), method)

    def test_renamed(self):
        """what was sent before a reload makes the caller another instance and begins behind it begins as that one: a key that was
        sealed for the old one is not its"""
        self.begin()
        config = self.config + self.section
        self.reload(self.daemon, config, instance("a", SECRET_RIGHTS))
        key = self.daemon.call(SECRETS + "Generate", token="hsm", template=AES)["sealed"]
        worker = self.worker(self.daemon).stop()
        with self.daemon.client() as client:
            client.send("Sign", {"key": "hsm:rsa", "algorithm": "rsa_pkcs1_sha256", "digest": b64(DIGEST)})
            until(lambda: self.daemon.token("hsm")["inFlight"], "the Sign is with the worker")
            # It waits for the one before it.
            client.send(SECRETS + "Encrypt", self.rows[SECRETS + "Encrypt"][1] | {"key": key})
            self.reload(self.daemon, config, instance("b", SECRET_RIGHTS))
            worker.kill(signal.SIGCONT)
            self.assertIn("signature", client.result())
            self.assertEqual(self.fails("NotOurSeal", client.result), {"token": "hsm"})

    def test_rename_waits_for_a_claim(self):
        """a Rename waits for the claim of another host, and ends with its deadline; nothing is renamed"""
        self.begin()
        key = self.daemon.call("Generate", token="hsm", type="ec")["key"]
        name = b"elsewhere\0"
        claim = (b"\1" + struct.pack("<I", 32) + os.urandom(32) + struct.pack("<QB", 0, 1) + struct.pack("<I", 2) + b"id" +
                 struct.pack("<I", len(name)) + name + struct.pack("<Q", 1700000000000000))
        self.token.tool("--write-object", self.place.write("claim", claim), "--type", "data", "--label", "new",
                        "--application-label", "tokend claim", "--private")
        self.assertEqual(self.fails("DeadlineExceeded", self.daemon.call, "Rename", key="hsm:" + key["nickname"], nickname="new",
                                    timeoutMs=3000)["token"], "hsm")
        # The worker may have it when its time is over: then its end is recorded when it comes.
        begun, end = until(lambda: len(self.recorded("rename")) == 2 and self.recorded("rename"), "it has an end")
        self.assertEqual((begun, end in ("DeadlineExceeded", "dropped")), ("begun", True), end)
        until(lambda: not self.daemon.token("hsm")["inFlight"], "nothing is at work")
        self.assertEqual(self.daemon.call("Get", key="hsm:" + key["nickname"])["key"], key)

    def test_accelerator(self):
        """a loadable key that decrypts: its signatures go to the accelerator, its decryptions stay on its own token"""
        accel = FaultyToken(self.place, self.label("a"), keys=())
        hsm = SoftToken(self.place, self.label("h"))
        daemon = self.own(hsm.section("hsm", "Accelerator=accel\n") + accel.section("accel", "Role=accelerator\nKeepAlive=1h\n", refresh="1h"))
        daemon.call("Generate", token="hsm", nickname="k", type="rsa", size=2048, usage=["sign", "decrypt"], loadable=True)
        self.pem = public_pem(self.place, unb64(daemon.call("Get", key="hsm:k")["key"]["publicKey"]))
        block = os.urandom(51)

        def sign(**more):
            return unb64(daemon.call("Sign", key="hsm:k", **more)["signature"])

        until(lambda: sign(algorithm="rsa_pkcs1_sha256", digest=b64(bytes(32))) and
              daemon.call("Get", key="hsm:k")["key"].get("acceleratedBy") == "accel", "the accelerator has a copy")
        before = accel.counts()
        self.assertEqual(unb64(daemon.call("Decrypt", key="hsm:k", algorithm="rsa_pkcs1", ciphertext=b64(self.encrypted()))["plaintext"]),
                         b"a secret")
        raw = sign(algorithm="rsa_pkcs1", digest=b64(block))
        salted = sign(algorithm="rsa_pss_sha256", digest=b64(block[:32]), saltLength=3)
        after = accel.counts()
        self.assertEqual((after.get("C_Decrypt", 0), after["C_Sign"] - before["C_Sign"]), (before.get("C_Decrypt", 0), 2))
        verify = lambda signature, data, *options: subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", self.pem, "-in", self.place.write("data", data), "-sigfile",
             self.place.write("signature", signature), *options], capture_output=True, stdin=subprocess.DEVNULL).returncode == 0
        self.assertTrue(verify(raw, block, "-pkeyopt", "rsa_padding_mode:pkcs1"))
        self.assertTrue(verify(salted, block[:32], "-pkeyopt", "digest:sha256", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt",
                               "rsa_pss_saltlen:3"))

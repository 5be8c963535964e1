# SPDX-License-Identifier: MPL-2.0
"""Each allocation of a program fails once, one after the other (no_memory.py): at its start, in each request, and at what the
supervisor does. What follows is a right answer, an error by name, or the end of that program with a status; never a signal, never a
wrong answer, and the next request is served.

A sample is tried. NO_MEMORY=whole (`make test-no-memory`) tries all, by their callers and then by their number in each request.
"""
import contextlib
import os
import re
import signal
import subprocess
import time

import no_memory
import varlink
from harness import DEADLINE, Case, Daemon, SoftToken, openssl_verify, run, until
from varlink import b64, unb64

WHOLE = os.environ.get("NO_MEMORY") == "whole"
C, S = "io.tokend.Certificates.", "io.tokend.Status."
SIGN = {"algorithm": "ecdsa_sha256", "message": b64(b"m")}
# What may be answered where memory was refused. With Closed nobody knows what became of it, as with OutcomeUnknown.
MAY_SAY = {"Overloaded", "OutcomeUnknown", "WorkerLost", "TokenUnavailable", "TokenError", "DeadlineExceeded", "AuditUnavailable"}
UNKNOWN = {"OutcomeUnknown", "Closed"}


class Lean(Case):
    """A daemon with two tokens and a file of records, of which one program is short of memory."""

    program, own, stride = "", False, 1

    @classmethod
    def configure(cls):
        cls.short = no_memory.Short(cls.place, cls.program, cls.own, 1 if WHOLE else cls.stride)
        cls.addClassCleanup(cls.short.close)
        cls.token = SoftToken(cls.place, "hsm")
        cls.token.make_key("k0", "01")
        cls.token.make_key("k1", "02")
        cls.certificate = cls.place.path / "c.der"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            cls.place.path / "c.key", "-subj", "/CN=x", "-days", "30", "-outform", "DER", "-out", cls.certificate)
        cls.daemon = Daemon(cls.place, f"Audit=file:{cls.place.path}/audit.log\n{cls.token.section('hsm')}\n[Token int]\n"
                            f"Module=internal\nDirectory={cls.place.path}/int\n", build=cls.short.build,
                            environment=cls.short.environment)
        cls.addClassCleanup(cls.daemon.stop)
        cls.daemon.start()
        cls.spki = unb64(cls.daemon.call("Get", key="hsm:k0")["key"]["publicKey"])

    def setUp(self):
        self.read = len(self.daemon.log_text())
        self.n_hits, self.unknown = 0, set()
        if not self.daemon.process:
            self.daemon.start()

    # ---- what is asked ----

    def ask(self, method, status=False, more=False, **parameters):
        path = self.daemon.status_socket if status else self.daemon.socket
        with varlink.Client(path, timeout=DEADLINE) as client:
            return list(client.more(method, **parameters)) if more else client.call(method, **parameters)

    def try_to(self, call, *arguments, also=frozenset(), **parameters):
        """What the call gave, or the name of why not."""
        try:
            return call(*arguments, **parameters)
        except varlink.Error as error:
            self.assertIn(error.name, MAY_SAY | also, f"{error}; no memory for {self.short.callers()}")
            self.assertNotEqual(error.parameters.get("ckr"), "CKR_OK", f"{error}; no memory for {self.short.callers()}")
            return error.name
        except (varlink.Closed, ConnectionError, FileNotFoundError):
            return "Closed"

    def healthy(self):
        """The next request is served: at once, or by the process that takes the place of the one that ended."""
        def signs():
            if self.daemon.process.poll() is not None:
                # It ended with a status: systemd would start it again.
                self.ended()
            try:
                return self.ask("Sign", key="hsm:k0", **SIGN)["signature"]
            except (varlink.Error, varlink.Closed, OSError):
                return None
        until(signs, f"it signs after it had no memory for {self.short.callers()}\n{self.news()}")

    def ended(self):
        status = self.daemon.process.wait()
        self.assertGreater(status, 0, f"tokend ended with {status}; no memory for {self.short.callers()}\n{self.news()}")
        self.daemon.process = None
        self.daemon.start()

    def news(self):
        return self.daemon.log_text()[self.read:]

    def judge_log(self):
        """No signal but those of this test, and nobody that did not answer."""
        log = self.news()
        self.read += len(log)
        for line in log.splitlines():
            if re.search(r"killed by signal (?!9 )|did not answer|Sanitizer", line):
                self.fail(f"{line}; no memory for {self.short.callers()}\n{log[-3000:]}")

    # ---- series ----

    def hit(self, before):
        """Whether an allocation failed since: what is asked may still have something to do behind its answer."""
        if self.short.hits == before:
            time.sleep(0.02)
        self.short.disarm()
        self.n_hits += self.short.hits != before
        return self.short.hits != before

    def until_none_is_left(self, work, by_number):
        n = 0
        while n < 100000:
            before = self.short.hits
            n += 1
            self.short.arm(n if by_number else 0)
            work()
            hit = self.hit(before)
            self.healthy()
            self.judge_log()
            if not hit:
                break

    def each(self, *works):
        for work in works:
            with self.subTest(work.__name__):
                self.until_none_is_left(work, False)
                if WHOLE:
                    self.until_none_is_left(work, True)
        self.assertGreater(self.n_hits, 0, "no allocation failed")

    # ---- requests ----

    def sign(self):
        reply = self.try_to(self.ask, "Sign", key="hsm:k0", **SIGN)
        if not isinstance(reply, str):
            self.assertTrue(openssl_verify(self.place, self.spki, "ecdsa_sha256", b"m", unb64(reply["signature"])))

    def sign_by_uri(self):
        self.try_to(self.ask, "Sign", key="pkcs11:token=hsm;object=k1", **SIGN)

    def verify(self):
        reply = self.try_to(self.ask, "Verify", key="hsm:k0", signature=b64(b"x" * 70), **SIGN)
        if not isinstance(reply, str):
            self.assertFalse(reply["valid"])

    def get(self):
        reply = self.try_to(self.ask, "Get", key="hsm:k0")
        if not isinstance(reply, str):
            self.assertEqual(unb64(reply["key"]["publicKey"]), self.spki)

    def listed(self):
        replies = self.try_to(self.ask, "List", more=True)
        if not isinstance(replies, str):
            self.assertEqual(sorted(k["nickname"] for r in replies for k in r["keys"]), ["k0", "k1"])

    def random(self):
        reply = self.try_to(self.ask, "Random", length=100)
        if not isinstance(reply, str):
            self.assertEqual(len(unb64(reply["bytes"])), 100)

    def request(self):
        reply = self.try_to(self.ask, C + "Request", key="hsm:k0", subject="CN=a,O=b", dnsNames=["a.example"])
        if not isinstance(reply, str):
            run("openssl", "req", "-inform", "DER", "-verify", "-noout", input=unb64(reply["request"]), stdin=None)

    def check(self):
        replies = self.try_to(self.ask, C + "Check", nicknames=["k1", "b"], mechanisms=["CKM_RSA_PKCS"], more=True)
        if not isinstance(replies, str):
            self.assertEqual((replies[-1]["collisions"], replies[-1]["missingMechanisms"]), (["k1"], []))

    def of_the_service(self):
        self.try_to(self.ask, "org.varlink.service.GetInfo")
        self.try_to(self.ask, S + "Get", status=True)
        reply = self.try_to(self.ask, S + "Metrics", status=True)
        if not isinstance(reply, str):
            self.assertTrue(reply["openMetrics"].endswith("# EOF\n"))
        self.try_to(self.ask, S + "Probe", status=True, token="hsm")

    def there(self, kind, nickname):
        """Whether the token has it, once it serves."""
        def look():
            try:
                replies = self.ask(("io.tokend.Keys." if kind == "keys" else C) + "List", more=True, nickname=nickname)
            except (varlink.Error, varlink.Closed, OSError):
                return None
            return [not any(r.get("unavailable") for r in replies) and sum(len(r[kind]) for r in replies)]
        return until(look, f"a list after it had no memory for {self.short.callers()}")[0]

    def change(self, kind, name, expected, method, **parameters):
        """A call after which there are `expected` of that name, if it succeeds; if it does not, it did nothing."""
        # What is not known yet when the next call is made may be as that call wants it.
        also = {"NicknameExists", "KeyNotFound"} if (kind, name) in self.unknown else frozenset()
        reply = self.try_to(self.ask, method, also=also, **parameters)
        before = 1 - expected
        self.unknown.discard((kind, name))
        if isinstance(reply, str) and reply in UNKNOWN:
            self.unknown.add((kind, name))
        if isinstance(reply, str) and reply in also:
            return expected
        found = self.there(kind, name)
        if not isinstance(reply, str):
            self.assertEqual(found, expected, self.short.callers())
        elif reply not in UNKNOWN:
            self.assertEqual(found, before, f"{reply}; no memory for {self.short.callers()}")
        return found

    def remove(self, method, kind, **parameters):
        """Until it is gone; whoever had no memory has some by now."""
        def gone():
            if self.there(kind, next(iter(parameters.values())).partition(":")[2]) == 0:
                return True
            self.try_to(self.ask, method, **parameters)
            return False
        until(gone, f"{parameters} is gone")

    def generate(self):
        if self.change("keys", "n", 1, "Generate", token="hsm", nickname="n", type="ec"):
            self.short.disarm()
            self.remove("Delete", "keys", key="hsm:n")

    def self_sign(self):
        if self.change("certificates", "k1", 1, C + "SelfSign", key="hsm:k1", subject="CN=a", validityDays=3):
            self.short.disarm()
            self.remove(C + "Delete", "certificates", certificate="hsm:k1")

    def imported(self):
        if self.change("certificates", "c", 1, C + "Import", token="hsm", nickname="c",
                       certificate=b64(self.certificate.read_bytes())):
            self.short.disarm()
            self.remove(C + "Delete", "certificates", certificate="hsm:c")

    def delete(self):
        armed = self.short.pause()
        if not self.there("keys", "d"):
            self.ask("Generate", token="hsm", nickname="d", type="ec")
        self.short.resume(armed)
        self.change("keys", "d", 0, "Delete", key="hsm:d")

    def requests(self):
        return (self.sign, self.sign_by_uri, self.verify, self.get, self.listed, self.random, self.request, self.check,
                self.of_the_service, self.generate, self.self_sign, self.imported, self.delete)

    # ---- events ----

    def reload(self):
        text = self.daemon.config.read_text()
        other = {"4": "5", "5": "4"}[re.search(r"Sessions=(\d)", text)[1]]
        self.daemon.config.write_text(re.sub(r"Sessions=\d", f"Sessions={other}", text))
        self.daemon.process.send_signal(signal.SIGHUP)
        until(lambda: self.daemon.process.poll() is not None or re.search("reload|stays in force", self.news()), "it reloads")

    def killed(self, name):
        for child in self.daemon.children(name):
            # It may have ended by itself.
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            until(child.gone, "it is gone")

    def worker_dies(self):
        self.killed("tokend-worker")

    def broker_dies(self):
        self.killed("tokend-broker")

    def audit_dies(self):
        self.killed("tokend-audit")

    # ---- starts ----

    def start_once(self):
        """One start: it serves, or ends with a status and says why."""
        self.read = len(self.daemon.log_text())
        self.daemon.start(wait=False)

        def decided():
            if self.daemon.process.poll() is not None:
                return "ended"
            try:
                return self.ask("Sign", key="hsm:k0", **SIGN)["signature"]
            except (varlink.Error, varlink.Closed, OSError):
                return None
        end = until(decided, f"it serves or ends after it had no memory for {self.short.callers()}\n{self.news()}")
        if end == "ended":
            status = self.daemon.process.wait()
            self.assertGreater(status, 0, f"no memory for {self.short.callers()}\n{self.news()}")
            self.assertTrue(self.news().strip(), f"it ended without a word: no memory for {self.short.callers()}")
            self.daemon.process = None
        else:
            self.short.disarm()
            # What was left out at the start is not missed later.
            self.daemon.process.send_signal(signal.SIGHUP)
            until(lambda: "reloaded" in self.news(), "it reloads")
            self.healthy()
            self.daemon.stop()
        self.judge_log()

    def starts(self):
        self.daemon.stop()
        hit, n = True, 0
        while hit:
            before = self.short.hits
            self.short.arm()
            self.start_once()
            hit = self.short.hits != before
            n += hit
        self.assertGreater(n, 0, "no allocation failed")


class Broker(Lean):
    program, stride = "tokend-broker", 4

    def test_starts(self):
        """the broker starts without memory: it ends with a status, and another serves; its records find their way"""
        before = len(self.daemon.log_text())
        self.starts()
        self.assertNotIn("records are not kept", self.daemon.log_text()[before:])

    def test_requests(self):
        """the broker has no memory in a request: a right answer, an error by name or the end of the connection, and nothing half done"""
        self.each(*self.requests())

    def test_events(self):
        """the broker has no memory at a reload, or where another process dies: it goes on, or ends with a status"""
        self.each(self.reload, self.worker_dies, self.audit_dies)


class Supervisor(Lean):
    program, stride = "tokend", 6

    def test_starts(self):
        """the supervisor starts without memory: it serves, or ends with a status and says why"""
        self.starts()

    def test_events(self):
        """the supervisor has no memory at a reload, where a process dies, or for what a request needs of it"""
        self.each(self.sign, self.generate, self.imported, self.reload, self.worker_dies, self.broker_dies, self.audit_dies)


class Worker(Lean):
    """Of the worker, what its own code asks for: the vendors' libraries end their process as they like."""

    program, own, stride = "tokend-worker", True, 6

    def test_starts(self):
        """the worker starts without memory: it says why it ends, and another serves"""
        self.starts()

    def test_requests(self):
        """the worker has no memory in a request: a right answer or an error by name, and nothing half done"""
        self.each(*self.requests())

    def test_events(self):
        """the worker has no memory at a reload, or where the broker dies"""
        self.each(self.reload, self.broker_dies)


class Audit(Lean):
    program = "tokend-audit"

    def test_starts(self):
        """tokend-audit starts without memory: another takes its place"""
        self.starts()

    def test_requests(self):
        """tokend-audit has no memory for a record: the request is answered all the same"""
        self.each(self.sign, self.generate, self.audit_dies, self.broker_dies)


class Ctl(Lean):
    """tokendctl, and with it libtokend."""

    program, stride = "tokendctl", 6

    def ctl(self, *arguments, right=None):
        """Each allocation of one command line fails: what it prints is right, or it says why and ends with another status."""
        hit, n = True, 0
        while hit:
            before = self.short.hits
            n += 1
            self.short.arm(n if WHOLE else 0)
            done = subprocess.run([str(self.short.build / "tokendctl"), "--socket", str(self.daemon.socket), "--status-socket",
                                   str(self.daemon.status_socket), *map(str, arguments)], capture_output=True, timeout=DEADLINE,
                                  stdin=subprocess.DEVNULL, env=dict(os.environ, **self.short.environment))
            hit = self.short.hits != before
            said = f"{arguments}: {done.returncode} {done.stderr.decode()}; no memory for {self.short.callers()}"
            self.assertGreaterEqual(done.returncode, 0, said)
            if done.returncode:
                self.assertTrue(hit and done.stderr, said)
            elif right:
                self.assertTrue(right(done.stdout), said)
            self.n_hits += hit

    def test_verbs(self):
        """tokendctl has no memory: what it prints is right, or it says why it ends"""
        good = self.place.path / "good"
        (self.place.path / "m").write_bytes(b"m")
        good.write_bytes(unb64(self.ask("Sign", key="hsm:k0", **SIGN)["signature"]))
        pem = run("openssl", "pkey", "-pubin", "-inform", "DER", input=self.spki, stdin=None)
        given = ("--algorithm", "ecdsa_sha256", "--in", self.place.path / "m")
        self.ctl("list", right=lambda out: b"k0" in out and b"k1" in out)
        self.ctl("list", "--json", right=lambda out: out.count(b'"nickname"') == 2)
        self.ctl("sign", "hsm:k0", *given, right=lambda out: openssl_verify(self.place, self.spki, "ecdsa_sha256", b"m", out))
        self.ctl("verify", "hsm:k0", *given, "--signature", good)
        self.ctl("pubkey", "hsm:k0", right=lambda out: out == pem)
        self.ctl("random", "20", right=lambda out: len(out) == 20)
        self.ctl("certs", "--pem")
        self.ctl("request", "hsm:k0", "--subject", "CN=a,O=b", "--dns", "a.example",
                 right=lambda out: run("openssl", "req", "-verify", "-noout", input=out, stdin=None) is not None)
        self.ctl("check", "hsm", "--subsystem", "ca", "--instance", "x")
        self.ctl("status", right=lambda out: b"hsm" in out and b"int" in out)
        self.ctl("metrics", right=lambda out: out.endswith(b"# EOF\n"))
        self.ctl("probe", "hsm")
        self.ctl("audit", "verify", self.place.path / "audit.log")
        self.assertGreater(self.n_hits, 20)

# SPDX-License-Identifier: MPL-2.0
"""What an operator has done with one token while the others serve: retry, drain, disable, enable."""
import signal

from harness import Case, SoftToken, until
from test_faults import FaultyToken
from test_succession import Successor
from varlink import Client, b64

STATUS = "io.tokend.Status."


class Maintenance(Case):
    """Each test has two tokens and a daemon of its own."""

    def begin(self, audit="none", wait=True):
        n = len(list(self.place.path.iterdir()))
        self.token, self.other = FaultyToken(self.place, f"m{n}"), SoftToken(self.place, f"o{n}")
        self.extra = "KeepAlive=1h\n"
        self.config = self.token.section("hsm", self.extra, refresh="1h") + self.other.section("other")
        self.daemon = self.own(f"Audit={audit}\n" + self.config, wait=wait)
        for token in ("hsm", "other") if wait else ("other",):
            self.daemon.wait_state(token, "ready")
        return self.daemon

    def do(self, method, token="hsm"):
        with Client(self.daemon.status_socket) as client:
            return client.call(STATUS + method, token=token)

    def signs(self, key="hsm:k"):
        return self.daemon.call("Sign", key=key, algorithm="ecdsa_sha256", message=b64(b"m"))

    def off(self, reason="drained by uid"):
        """The token is out of service, the other one serves."""
        found = self.daemon.token("hsm")
        self.assertEqual(found["state"], "disabled")
        self.assertIn(reason, found["reason"])
        error = self.fails("TokenUnavailable", self.signs)
        self.assertEqual((error["token"], error["state"]), ("hsm", "disabled"))
        self.assertTrue(self.do("Probe", "other")["ok"])
        self.assertEqual(len(self.daemon.workers()), 1)

    def test_drain(self):
        """drain waits for what is in flight, and the worker logs out and ends; enable brings the token back"""
        daemon = self.begin()
        self.token.set("C_Sign delay_ms=2000")
        with daemon.client() as client, Client(daemon.status_socket) as operator:
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            until(lambda: self.token.counts()["C_Sign"], "C_Sign is called")
            operator.send(STATUS + "Drain", {"token": "hsm"})
            until(lambda: daemon.token("hsm")["state"] == "disabled", "it takes no more")
            self.fails("TokenUnavailable", self.signs)
            client.result()
            answer = operator.result()
        self.assertEqual((answer["done"], answer["state"]), (True, "disabled"))
        self.off()
        self.assertGreater(self.token.counts()["C_CloseAllSessions"], 0)
        self.token.set()
        before = self.token.counts().get("C_Login", 0)
        answer = self.do("Enable")
        self.assertEqual((answer["done"], answer["state"]), (True, "ready"))
        self.assertEqual(self.token.counts()["C_Login"] - before, 1)
        self.signs()

    def test_overtaken(self):
        """enable during a drain: the drain is told that it was overtaken, nothing in flight is lost, and the token serves again"""
        daemon = self.begin()
        self.token.set("C_Sign hold count=1")
        with daemon.client() as client, Client(daemon.status_socket) as first, Client(daemon.status_socket) as second, \
                Client(daemon.status_socket) as third:
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            until(lambda: self.token.counts()["held"] == 1, "C_Sign is held")
            first.send(STATUS + "Drain", {"token": "hsm"})
            until(lambda: daemon.token("hsm")["state"] == "disabled", "it takes no more")
            second.send(STATUS + "Retry", {"token": "hsm"})
            until(lambda: "retry, says uid" in daemon.log_text(), "it was asked")
            third.send(STATUS + "Enable", {"token": "hsm"})
            for operator in (first, second):
                answer = operator.result()
                self.assertEqual((answer["done"], answer["reason"]), (False, "an operator wanted something else before it was done"))
            self.token.set()
            self.assertTrue(client.result()["signature"])
            answer = third.result()
        self.assertEqual((answer["done"], answer["state"]), (True, "ready"))
        self.signs()

    def test_retry_in_drain(self):
        """retry during a drain: the drain goes on, and the retry is told that the token is out of service"""
        daemon = self.begin()
        self.token.set("C_Sign hold count=1")
        with daemon.client() as client, Client(daemon.status_socket) as first, Client(daemon.status_socket) as second:
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            until(lambda: self.token.counts()["held"] == 1, "C_Sign is held")
            first.send(STATUS + "Drain", {"token": "hsm"})
            until(lambda: daemon.token("hsm")["state"] == "disabled", "it takes no more")
            second.send(STATUS + "Retry", {"token": "hsm"})
            until(lambda: "retry, says uid" in daemon.log_text(), "it was asked")
            self.token.set()
            self.assertTrue(client.result()["signature"])
            self.assertEqual([first.result()["done"], second.result()["done"]], [True, False])
        self.off()

    def test_retry_waits(self):
        """retry while the next worker starts already: it waits until that serves"""
        daemon = self.begin()
        self.token.set("C_Login hold count=1")
        daemon.worker(self.token.label).kill()
        until(lambda: self.token.counts()["held"] == 1, "the next one logs in")
        with Client(daemon.status_socket) as operator:
            operator.send(STATUS + "Retry", {"token": "hsm"})
            until(lambda: "retry, says uid" in daemon.log_text(), "it was asked")
            self.token.set()
            answer = operator.result()
        self.assertEqual((answer["done"], answer["state"]), (True, "ready"))

    def test_disable(self):
        """disable does not wait for what its worker has; a second one changes nothing"""
        self.begin()
        self.assertTrue(self.do("Disable")["done"])
        self.off("disabled by uid")
        self.assertTrue(self.do("Disable")["done"])
        self.off("disabled by uid")
        self.assertTrue(self.do("Enable")["done"])
        self.signs()
        self.assertTrue(self.do("Enable")["done"])

    def test_kept(self):
        """a token that is out of service stays so over reloads and the death of the broker; a section that changed is in force then"""
        daemon = self.begin()
        self.do("Drain")
        daemon.write_config(self.token.section("hsm", self.extra, sessions=2, refresh="1h") + self.other.section("other"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_notify("READY=1")
        self.off()
        broker = daemon.broker()
        broker.kill()
        until(broker.gone, "it is gone")
        daemon.wait_state("hsm", "disabled")
        self.off()
        self.assertTrue(self.do("Enable")["done"])
        self.assertEqual(daemon.token("hsm")["sessions"]["limit"], 2)

    def test_restart(self):
        """a restart of the service starts every token"""
        daemon = self.begin()
        self.do("Drain")
        daemon.stop()
        daemon.start()
        daemon.wait_state("hsm", "ready")

    def test_broker_dies_in_drain(self):
        """the broker dies while a token is drained: it is out of service all the same"""
        daemon = self.begin()
        self.token.set("C_Sign delay_ms=2000 count=1")
        with daemon.client() as client, Client(daemon.status_socket) as operator:
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            until(lambda: self.token.counts()["C_Sign"], "C_Sign is called")
            operator.send(STATUS + "Drain", {"token": "hsm"})
            until(lambda: daemon.token("hsm")["state"] == "disabled", "it takes no more")
            broker = daemon.broker()
            broker.kill()
            until(broker.gone, "it is gone")
        until(lambda: len(daemon.workers()) == 1, "its worker ends")
        daemon.wait_state("hsm", "disabled")
        self.off()

    def test_worker_dies_in_drain(self):
        """the worker dies while it is drained: nothing follows it, and nothing is done twice"""
        daemon = self.begin()
        self.token.set("C_Sign delay_ms=20000")
        with daemon.client() as client, Client(daemon.status_socket) as operator:
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            until(lambda: self.token.counts()["C_Sign"], "C_Sign is called")
            operator.send(STATUS + "Drain", {"token": "hsm"})
            until(lambda: daemon.token("hsm")["state"] == "disabled", "it takes no more")
            daemon.worker(str(self.token.faults)).kill()
            self.fails("TokenUnavailable", client.result)
            self.assertTrue(operator.result()["done"])
        self.off()

    def test_retry_pin(self):
        """a PIN that was mended is taken by retry, with one attempt; one that is wrong costs one attempt, and the answer says so"""
        daemon = self.begin()
        self.do("Drain")
        self.place.write(f"{self.token.label}.pin", "wrong\n", 0o600)
        logins = self.token.counts()["C_Login"]
        answer = self.do("Enable")
        self.assertEqual((answer["done"], answer["state"]), (False, "failed"))
        self.assertIn("PIN", answer["reason"])
        self.assertEqual(self.token.counts()["C_Login"] - logins, 1)
        done = daemon.ctl("retry", "hsm", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"PIN", done.stderr)
        self.assertEqual(self.token.counts()["C_Login"] - logins, 2)
        self.place.write(f"{self.token.label}.pin", self.token.pin + "\n", 0o600)
        self.assertIn("ready", daemon.ctl("retry", "hsm"))
        self.assertEqual(self.token.counts()["C_Login"] - logins, 3)
        self.signs()
        # What works is left alone.
        worker = daemon.worker(str(self.token.faults)).pid
        self.assertIn("ready", daemon.ctl("retry", "hsm"))
        self.assertEqual(daemon.worker(str(self.token.faults)).pid, worker)

    def test_retry_section(self):
        """retry puts a section in force that a reload did not, when it is mended"""
        daemon = self.begin()
        after = Successor(self.token, f"{self.token.label}-next")
        after.set("C_OpenSession ckr=0x30")
        daemon.write_config(after.section("hsm", self.extra, refresh="1h") + self.other.section("other"))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_notify("READY=1")
        self.assertFalse(daemon.status()["configuration"]["ok"])
        answer = self.do("Retry")
        self.assertEqual((answer["done"], answer["state"]), (False, "ready"))
        self.assertIn("CKR_DEVICE_ERROR", answer["reason"])
        after.set()
        answer = self.do("Retry")
        self.assertEqual((answer["done"], answer["state"]), (True, "ready"))
        self.assertTrue(daemon.status()["configuration"]["ok"])
        self.assertGreater(after.counts()["C_Login"], 0)

    def test_drain_while_it_starts(self):
        """a token that starts, and a newcomer that starts beside its worker, are taken out of service too"""
        daemon = self.begin()
        after = Successor(self.token, f"{self.token.label}-next")
        after.set("C_Login delay_ms=3000")
        daemon.write_config(after.section("hsm", self.extra, refresh="1h") + self.other.section("other"))
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: after.counters.exists() and after.counts().get("C_Login", 0) > 0, "the newcomer logs in")
        self.assertTrue(self.do("Drain")["done"])
        self.off()
        self.assertIn("out of service", daemon.status()["configuration"]["reason"])
        self.assertTrue(self.do("Enable")["done"])
        self.assertTrue(self.do("Retry")["done"])
        self.assertTrue(daemon.status()["configuration"]["ok"])

    def test_told(self):
        """who did it is in the status, in the log and in the records; the verbs of tokendctl say what came of it"""
        record = self.place.path / "records"
        daemon = self.begin(audit=f"file:{record}")
        self.assertIn("disabled: drained by uid 0", daemon.ctl("drain", "hsm"))
        self.assertIn("drained by uid 0", daemon.ctl("status"))
        self.assertIn("token hsm is disabled: drained by uid 0", daemon.log_text())
        self.assertIn('"done":true', daemon.ctl("--json", "enable", "hsm"))
        daemon.ctl("disable", "hsm")
        self.assertEqual(daemon.ctl("retry", "hsm", check=False).returncode, 1)
        self.assertEqual(daemon.ctl("drain", "nobody", check=False).returncode, 1)
        self.assertIn('tokend_token_state{token="hsm",state="disabled"} 1', daemon.ctl("metrics"))
        text = record.read_text()
        for word in ("drain", "enable", "disable", "retry"):
            self.assertRegex(text, rf'"kind":"maintain".*"operation":"{word}"')

# SPDX-License-Identifier: MPL-2.0
"""What a worker tells the broker of its token whatever happens meanwhile, and what it does with a session that was lost."""
from harness import Case, SoftToken, until
from test_faults import FaultyToken
from varlink import b64

MESSAGE = b64(b"m")


def worker_of(daemon, token):
    """By its command line: a daemon with an accelerator has several."""
    return until(lambda: next((w for w in daemon.workers() if w.command[1:2] == [token.encode()]), None), f"a worker of {token}")


def replace_broker(daemon, *tokens):
    """Until the new one serves the tokens, by the same workers."""
    workers = [worker_of(daemon, token).pid for token in tokens]
    old = daemon.broker()
    old.kill()
    until(old.gone, "the broker is gone")
    for token in tokens:
        daemon.wait_state(token, "ready")
    assert workers == [worker_of(daemon, token).pid for token in tokens], daemon.log_text()


def sign(daemon, key):
    return daemon.call("Sign", key=key, algorithm="ecdsa_sha256", message=MESSAGE)["signature"]


class Told(Case):
    """What is on the token is in the directory of the broker that there is."""

    def begin(self, name, extra="KeepAlive=1h\n", **options):
        self.token = FaultyToken(self.place, name)
        self.daemon = self.own(self.token.section("hsm", extra, **options))
        self.daemon.wait_state("hsm", "ready")

    def ids(self, nickname):
        return [key["id"] for key in self.daemon.call("List", token="hsm")["keys"] if key["nickname"] == nickname]

    def generate_meanwhile(self, name, fault):
        """A new broker has read the directory before a generate of the old one's is over."""
        self.begin(name)
        self.token.set(f"C_GenerateKeyPair {fault} count=1")
        before = self.token.counts()["C_GenerateKeyPair"]
        client = self.daemon.client()
        self.addCleanup(client.close)
        client.send("Generate", {"token": "hsm", "nickname": "new", "type": "ec"})
        until(lambda: self.token.counts()["C_GenerateKeyPair"] > before, "the call was made")
        replace_broker(self.daemon, "hsm")

    def test_generated_meanwhile(self):
        """a key whose making ends after the broker was replaced is listed by the new one, and signs"""
        self.generate_meanwhile("made", "hold")
        self.assertEqual(self.ids("new"), [])
        self.token.set()
        until(lambda: self.ids("new"), "it is listed")
        sign(self.daemon, "hsm:new")

    def test_two_creations(self):
        """a creation that a new broker sends waits for the one before it, whose look goes on; the worker lives"""
        self.begin("two", "KeepAlive=1h\nTimeout=20s\n", sessions=6)
        worker = worker_of(self.daemon, "hsm").pid
        self.token.set("C_Initialize hold count=1")
        client = self.daemon.client()
        self.addCleanup(client.close)
        client.send("Generate", {"token": "hsm", "nickname": "one", "type": "ec"})
        until(lambda: self.token.counts()["held"] == 1, "its look is in C_Initialize")
        replace_broker(self.daemon, "hsm")
        with self.daemon.client() as other:
            other.send("io.tokend.Certificates.SelfSign", {"key": "hsm:k", "subject": "CN=two", "validityDays": 1})
            until(lambda: self.daemon.token("hsm")["inFlight"] == 2, "both are with the worker")
            sign(self.daemon, "hsm:k")
            self.token.set()
            self.assertEqual(other.result()["certificate"]["subject"], "CN=two")
        until(lambda: self.ids("one"), "the first is listed, too")
        self.assertEqual(worker_of(self.daemon, "hsm").pid, worker, self.daemon.log_text())

    def test_changed_meanwhile(self):
        """a key that gets another id after a new broker read the directory is listed with that one, and signs"""
        self.generate_meanwhile("changed", "hold after")
        first = until(lambda: self.ids("new"), "it is listed")
        self.token.set()
        until(lambda: self.ids("new") not in ([], first), "it has its last id")
        self.assertEqual(len(self.ids("new")), 1)
        sign(self.daemon, "hsm:new")

    def test_seen_by_recovery(self):
        """what is new on the token when a session that never served is renewed reaches the broker"""
        self.begin("idle", "KeepAlive=1s\n", sessions=16, refresh="1h")
        logins = self.daemon.token("hsm")["logins"]
        self.token.make_key("other", "77")
        # Whichever asks its session first: of many threads hardly the one that has served.
        self.token.set("C_GetSessionInfo closeall count=1")
        until(lambda: self.daemon.token("hsm")["logins"] > logins, "it logged in again")
        until(lambda: self.ids("other") == ["77"], "it is listed")
        sign(self.daemon, "hsm:other")
        self.assertEqual(self.daemon.token("hsm")["restarts"], 0)


class Reused(Case):
    """A token that gives the handle of a session that it dropped to the next one."""

    def test_recovered(self):
        """the session that was opened for the one that was lost stays open"""
        token = FaultyToken(self.place, "reused")
        daemon = self.own(token.section("hsm", "KeepAlive=1s\n", sessions=3, refresh="1h"))
        daemon.wait_state("hsm", "ready")
        opened = token.counts()["C_OpenSession"]
        token.set("C_GetSessionInfo drop count=1")
        until(lambda: token.counts()["C_OpenSession"] > opened, "another is opened")
        # By the one thread, when it has recovered.
        sign(daemon, "hsm:k")
        self.assertEqual(daemon.token("hsm")["restarts"], 0, daemon.log_text())

    def test_public_keys(self):
        """a public key that was an object of the lost session is made anew"""
        hsm, accel = SoftToken(self.place, "p"), FaultyToken(self.place, "pa")
        daemon = self.own(hsm.section("hsm", "Accelerator=accel\n") +
                          accel.section("accel", "Role=accelerator\nKeepAlive=1s\n", sessions=2, refresh="1h"))
        for name in ("hsm", "accel"):
            daemon.wait_state(name, "ready")
        daemon.call("Generate", token="hsm", nickname="k", type="ec")
        signature = sign(daemon, "hsm:k")

        def verified_there():
            hits = daemon.token("accel")["acceleration"]["hits"]
            self.assertTrue(daemon.call("Verify", key="hsm:k", algorithm="ecdsa_sha256", message=MESSAGE,
                                        signature=signature)["valid"])
            return daemon.token("accel")["acceleration"]["hits"] > hits
        until(verified_there, "the accelerator verifies")
        before = accel.counts()
        self.assertGreater(before["C_CreateObject"], 0)
        accel.set("C_GetSessionInfo drop count=1")
        until(lambda: accel.counts()["C_OpenSession"] > before["C_OpenSession"], "another session is opened")
        until(verified_there, "the accelerator verifies again")
        self.assertEqual(accel.counts()["C_CreateObject"], before["C_CreateObject"] + 1)
        self.assertEqual(daemon.token("accel")["restarts"], 0)


class Copies(Case):
    """Copies of keys in an accelerator."""

    def begin(self, name, keep_alive):
        self.accel = FaultyToken(self.place, name + "a")
        self.daemon = self.own(SoftToken(self.place, name).section("hsm", "Accelerator=accel\n") + self.accel.section(
            "accel", f"Role=accelerator\nKeepAlive={keep_alive}\n", sessions=5, refresh="1h"))
        for token in ("hsm", "accel"):
            self.daemon.wait_state(token, "ready")

    def is_loaded(self, nickname):
        sign(self.daemon, "hsm:" + nickname)
        return self.daemon.call("Get", key="hsm:" + nickname)["key"].get("acceleratedBy") == "accel"

    def load(self, nickname):
        until(lambda: self.is_loaded(nickname), f"{nickname} is loaded", 20)

    def make(self, nickname):
        self.daemon.call("Generate", token="hsm", nickname=nickname, type="ec", loadable=True)
        self.load(nickname)

    def test_lost_with_session(self):
        """copies and transport key of a session that was lost are made anew, whatever handle the next session has"""
        self.begin("lost", "1h")
        self.make("a")
        before = self.accel.counts()
        self.accel.set("C_GetSessionInfo drop count=1")
        self.make("b")
        self.assertEqual(self.accel.counts()["C_GenerateKeyPair"], before["C_GenerateKeyPair"] + 1)
        self.load("a")
        # Each is two: the key that wraps, and the key.
        self.assertEqual(self.accel.counts()["C_UnwrapKey"], before["C_UnwrapKey"] + 4)
        self.assertEqual(self.daemon.token("accel")["restarts"], 0)

    def test_of_old_broker(self):
        """a copy that no broker knows of goes by itself, and one that the new broker uses stays"""
        self.begin("old", "5s")
        for nickname in ("used", "unused"):
            self.make(nickname)
        replace_broker(self.daemon, "hsm", "accel")
        self.load("used")
        before = self.accel.counts()
        self.daemon.call("Delete", key="hsm:unused")
        until(lambda: self.accel.counts()["C_DestroyObject"] > before["C_DestroyObject"], "its copy is destroyed")
        self.assertTrue(self.is_loaded("used"))
        self.assertEqual(self.accel.counts()["C_UnwrapKey"], before["C_UnwrapKey"])

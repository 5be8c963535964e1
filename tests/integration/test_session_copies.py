# SPDX-License-Identifier: MPL-2.0
"""Private keys that are used through copies which are objects of a session (SessionCopies=)."""
import signal

from harness import until
from objects import write
from test_faults import Faults
from varlink import Error

# Signatures of which the first makes the copies.
WARM = 20


class SessionCopies(Faults):
    """Each test has a token and a daemon of its own."""

    def warm(self, mode, **options):
        self.begin(f"SessionCopies={mode}\n", **options)
        for _ in range(WARM):
            self.is_good(self.sign()["signature"])
        return self.state()

    def state(self):
        return self.daemon.token("hsm")["sessionCopies"]

    def made(self):
        return self.token.counts().get("C_CopyObject", 0)

    def reload(self, mode):
        self.daemon.write_config(self.token.section("hsm", f"SessionCopies={mode}\nKeepAlive=1h\n", refresh="1h"))
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.wait_notify("READY=1")

    def still_two_calls(self):
        before = self.token.settled()
        for _ in range(20):
            self.sign()
        after = self.token.settled()
        self.assertEqual({name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)},
                         {"C_SignInit": 20, "C_Sign": 20})

    def test_yes(self):
        """yes: the first use copies the key, and a signature is two device calls from then on"""
        state = self.warm("yes")
        self.assertEqual((state["setting"], state["copies"]), ("yes", 1))
        self.assertEqual(self.made(), 1)
        self.still_two_calls()

    def test_no(self):
        """no: nothing is copied"""
        state = self.warm("no")
        self.assertEqual((state["setting"], state["copies"], self.made()), ("no", 0, 0))
        self.still_two_calls()

    def test_auto(self):
        """auto, the default: the first use shows whether a copy is faster, and the status says so"""
        state = self.warm("auto")
        self.assertEqual(state["setting"], "auto")
        self.assertEqual(state["faster"] + state["notFaster"], 1)
        self.assertEqual(state["copies"] > 0, state["faster"] == 1)
        self.still_two_calls()

    def test_refused(self):
        """a token that makes no copies, or has no room for them, signs without, and is not asked at each signature"""
        for ckr in ("0x54", "0x1b", "0x31", "0x30", "0x5"):
            with self.subTest(ckr=ckr):
                self.begin("SessionCopies=yes\n", before=(f"C_CopyObject ckr={ckr}",))
                for _ in range(WARM):
                    self.is_good(self.sign()["signature"])
                self.assertEqual(self.state()["copies"], 0)
                self.still_two_calls()
                self.assertLessEqual(self.made(), 2)

    def test_deadly(self):
        """a module that dies of the call, or does not come back: one worker ends of it, and the signatures are made"""
        for fault in ("crash", "hang"):
            with self.subTest(fault=fault):
                self.begin("Timeout=1s\n", before=(f"C_CopyObject {fault}",))
                for _ in range(WARM):
                    self.is_good(self.sign()["signature"])
                self.assertEqual(self.daemon.token("hsm")["restarts"], 1)
                self.assertGreater(self.state()["pausedUntilUSec"], 0)
                self.assertIn("no session copies of keys for", self.daemon.ctl("status"))

    def test_deleted(self):
        """a key that another process deletes is not used any longer than Refresh="""
        self.warm("yes", refresh="1s")
        self.token.tool("--delete-object", "--type", "privkey", "--id", "01")

        def is_gone():
            try:
                self.sign()
                return False
            except Error as error:
                return error.name == "KeyNotFound"
        until(is_gone, "the key is not used any more")
        for _ in range(WARM):
            self.fails("KeyNotFound", self.sign)

    def test_usage_taken(self):
        """a key whose usage another process takes away does not sign any longer than Refresh="""
        self.warm("yes", refresh="1s")
        write(self.token, ("set", {"CLASS": 3, "LABEL": b"k"}, {"SIGN": False}))

        def is_refused():
            try:
                self.sign()
                return False
            except Error:
                return True
        until(is_refused, "the key does not sign")

    def test_replaced(self):
        """another key of the same name signs as itself"""
        self.warm("yes", refresh="1s")
        before = self.daemon.call("Get", key="hsm:k")["key"]["publicKey"]
        for kind in ("privkey", "pubkey"):
            self.token.tool("--delete-object", "--type", kind, "--id", "01")
        self.token.make_key("k", "01")

        def is_listed():
            try:
                return self.daemon.call("Get", key="hsm:k")["key"]["publicKey"] != before
            except Error:
                return False
        until(is_listed, "the other key is listed")
        for _ in range(WARM):
            self.is_good(self.sign()["signature"])

    def test_lost(self):
        """sessions that are lost, a login that is lost, a worker that is killed: copies are made anew"""
        self.warm("yes")
        for fault in ("C_SignInit closeall count=1", "C_SignInit logout count=1", "C_Sign ckr=0xb3 count=1",
                      "C_SignInit ckr=0x60 count=1", "C_Sign ckr=0x101 count=1"):
            with self.subTest(fault=fault):
                self.token.set(fault)
                for _ in range(WARM):
                    self.is_good(self.sign()["signature"])
        self.daemon.worker("hsm").kill()
        for _ in range(WARM):
            self.is_good(self.sign()["signature"])
        self.assertEqual(self.state()["copies"], 1)

    def test_reload(self):
        """a reload that changes the setting is in force at once"""
        self.warm("auto")
        for mode, copies in (("no", 0), ("yes", 1), ("no", 0)):
            self.reload(mode)
            self.daemon.wait_state("hsm", "ready")
            for _ in range(WARM):
                self.is_good(self.sign()["signature"])
            until(lambda m=mode: self.state()["setting"] == m, "the setting is in force")
            self.assertEqual(self.state()["copies"], copies, mode)

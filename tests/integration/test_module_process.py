# SPDX-License-Identifier: MPL-2.0
"""A module that does to its process what is not its own: descriptors, threads, signals, limits, memory. Its worker alone pays for it,
and the token serves again by itself."""
import os
import time

from harness import PLAIN, SoftToken, children, until
from test_faults import Faults
import varlink


class Misbehaves(Faults):
    """One module misbehaves in one call of a signature; then it behaves again. No sanitizer is there, which would misbehave as well."""

    def begin(self, **options):
        super().begin("Timeout=2s\nStartTimeout=5s\n", build=PLAIN, **options)
        self.sign()
        self.broker = self.daemon.broker().pid

    def serves_again(self, fault, function="C_Sign", works=False, count=1):
        """After the fault it signs again, within 20 s; works: without another worker."""
        worker = self.daemon.worker().pid
        self.token.set(f"{function} {fault} count={count}")
        end = time.monotonic() + 20
        while True:
            try:
                self.sign(timeoutMs=5000)
                if self.token.counts()[function] and (works or self.daemon.worker().pid != worker):
                    break
            except varlink.Error as error:
                self.assertIn(error.name, ("WorkerLost", "TokenUnavailable", "DeadlineExceeded", "TokenError", "KeyNotFound"))
            self.assertLess(time.monotonic(), end, f"{fault}: it serves again\n{self.daemon.log_text()}")
            time.sleep(0.05)
        self.token.set()
        for _ in range(8):
            self.sign()
        self.assertEqual(self.daemon.worker().pid == worker, works, fault)
        self.assertEqual(self.daemon.broker().pid, self.broker, "the broker stays")
        self.assertEqual(self.daemon.token("hsm")["state"], "ready")
        return worker

    def test_descriptors(self):
        """it closes or replaces the channels of its process, one or all"""
        self.begin()
        for fault in ("close=3", "close=4", "closefrom=3", "replace=3", "replace=4"):
            with self.subTest(fault):
                self.serves_again(fault)

    def test_threads(self):
        """it ends the thread that calls it, or another one"""
        self.begin(sessions=4)
        for fault in ("end_thread", "end_other"):
            with self.subTest(fault):
                self.serves_again(fault, count=1 if fault == "end_thread" else 1000)

    def test_signals(self):
        """it takes all signals for itself: the worker ends all the same when it is told to"""
        self.begin()
        self.serves_again("alarm=1")
        self.serves_again("signals", works=True, count=1000)

    def test_limits(self):
        """it lowers the limits of its process"""
        self.begin()
        self.serves_again("limits=0")
        # The monitor says it, unless a token without descriptors had lost its objects a moment before.
        self.assertRegex(self.daemon.log_text(), "lowered a limit of its process|a fresh process sees objects")

    def signs(self):
        try:
            return self.sign(timeoutMs=2000)
        except (varlink.Error, varlink.Closed, OSError):
            return None

    def test_places(self):
        """umask, working directory, locale, environment: the next worker has them as they were"""
        self.begin()
        self.serves_again("places", works=True)
        self.daemon.worker().kill()
        until(self.signs, "it signs", 20)

    def test_child(self):
        """it leaves a child behind, which has the channels open: the child ends with the worker"""
        self.begin()
        worker = self.serves_again("fork", works=True)
        child = until(lambda: children(worker), "the child")[0]
        self.daemon.worker().kill()
        until(self.signs, "it signs", 20)
        until(child.gone, "the child has ended", 10)

    def test_eats(self):
        """LIMIT_WORKER_BYTES: it takes memory without end: the worker ends, and the token says why"""
        self.begin()
        self.serves_again("eat=300", count=6)
        self.assertIn("it may take no more than 1024", self.daemon.log_text())


class Counts(Faults):
    """What a module says that there is, and is not."""

    def refused(self, fault, words):
        """The token says why it is not served; the broker stays as small as it was."""
        self.begin(before=(fault,), wait=False, build=PLAIN)
        self.addCleanup(self.token.set)
        state = until(lambda: self.reason(words), f"the token says: {words}", 20)
        self.assertIn(state["state"], ("failed", "recovering"))
        self.assertLess(self.daemon.broker().private_dirty(), 16 << 10)

    def reason(self, words):
        try:
            state = self.daemon.token("hsm")
        except (OSError, varlink.Closed, StopIteration):
            return None
        return state if words in state["reason"] else None

    def test_mechanisms(self):
        """LIMIT_MECHANISMS: a token that says that it has millions of mechanisms"""
        self.refused("C_GetMechanismList mechanisms=5000000", "mechanisms")

    def test_slots(self):
        """LIMIT_SLOTS: a module that says that it has thousands of slots"""
        self.refused("C_GetSlotList slots=5000", "slots")

    def test_lengths(self):
        """attributes of absurd lengths: their objects are not listed, and no worker dies of them"""
        for length in (5000, 1 << 20, 1 << 40, (1 << 64) - 2):
            with self.subTest(length):
                self.begin(refresh="200ms")
                self.sign()
                worker = self.daemon.worker().pid
                self.token.set(f"C_GetAttributeValue length={length}")
                calls = self.token.counts()["C_GetAttributeValue"]
                until(lambda: self.token.counts()["C_GetAttributeValue"] > calls + 20, "they were read")
                self.token.set()
                until(lambda: self.is_listed(), "it is listed again", 20)
                self.sign()
                self.assertEqual(self.daemon.worker().pid, worker)

    def is_listed(self):
        try:
            return self.daemon.call("Get", key="hsm:k")
        except varlink.Error:
            return None

    def test_fifo(self):
        """a module that is a FIFO: the token says so, and nothing waits for it"""
        fifo = self.place.path / "module.fifo"
        os.mkfifo(fifo)
        token = SoftToken(self.place, "fifo")
        token.module = fifo
        self.daemon = self.own(token.section("hsm"), wait=False)
        until(lambda: self.reason("not a regular file"), "the token says why", 20)
        begun = time.monotonic()
        self.daemon.stop()
        self.assertLess(time.monotonic() - begun, 5)

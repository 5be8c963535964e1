# SPDX-License-Identifier: MPL-2.0
"""Processes are killed and stopped, and the service is stopped and reloaded, at random moments under eight clients that keep a
ledger: in the end the tokens hold what was acknowledged, by the word of pkcs11-tool and certutil.

`make soak` takes SOAK_SECONDS=, `make test-stops` takes SOAK_STOPS=; SOAK_SEED= repeats a run as far as the machine lets it.
"""
import os
import random
import re
import signal
import threading
import time

import chaos
from harness import Case, Process, SoftToken, until

SECONDS = float(os.environ.get("SOAK_SECONDS") or 12)
STOPS = int(os.environ.get("SOAK_STOPS") or 10)
SEED = os.environ.get("SOAK_SEED") or str(random.SystemRandom().randrange(1 << 32))
CLIENTS = 8


class Soak(Case):
    @classmethod
    def configure(cls):
        cls.ders = chaos.certificates(cls.place, 3 * CLIENTS)

    def setUp(self):
        self.random = random.Random(SEED)
        print(f"{self.id()}: SOAK_SEED={SEED}", flush=True)
        label = f"t{len(os.listdir(self.place.path))}"
        self.token = SoftToken(self.place, label)
        self.internal = self.place.path / f"{label}-internal"
        self.audit = self.place.path / f"{label}.audit"
        self.sections = (f"Audit=file:{self.audit}\n" + self.token.section("hsm", sessions=5) +
                         f"[Token int]\nModule=internal\nDirectory={self.internal}\nRefresh=500ms\nSessions=5\n")
        self.daemon = self.own(self.sections)
        self.logged = 0
        self.ledger, self.enough = chaos.Ledger(), threading.Event()
        self.clients = [chaos.Client(n, SEED, self.daemon, self.ledger, ("hsm", "int"), self.ders[n::CLIENTS], self.enough)
                        for n in range(CLIENTS)]
        self.addCleanup(self.enough.set)

    def begin(self):
        for client in self.clients:
            client.start()

    def end(self):
        """The clients end, when they have been served at all; everything is in order; the tokens are asked by others' programs."""
        for what in ("sign", "generate", "delete", "import"):
            until(lambda what=what: self.ledger.wrong or self.ledger.outcomes.get((what, "ok")), f"a {what}")
        self.enough.set()
        for client in self.clients:
            client.join()
        self.in_order()
        self.daemon.wait_state("hsm", "ready")
        self.daemon.wait_state("int", "ready")
        with self.daemon.client() as client:
            listed = {(k["token"], k["nickname"]) for r in client.more("List") for k in r["keys"]}
        self.daemon.stop()
        # What was recorded is whole, whoever was killed over it.
        self.daemon.ctl("audit", "verify", "--no-signatures", self.audit)
        held = {"hsm": chaos.on_softhsm(self.token), "int": chaos.on_nss(self.internal)}
        wrong = [line for token in held for line in chaos.judge(self.ledger, token, held[token])]
        self.assertFalse(wrong, f"{wrong}\nSOAK_SEED={SEED}\n{self.daemon.log_text()[-6000:]}")
        self.assertEqual(listed, {(token, name) for token in held for kind, name in held[token] if kind == "key"})
        self.assertFalse(chaos.bad_signatures(self.place, self.ledger))
        print(f"{self.id()}: {self.ledger.told()}", flush=True)

    def in_order(self):
        self.assertFalse(self.ledger.wrong, f"SOAK_SEED={SEED}\n{self.daemon.log_text()[-6000:]}")
        self.daemon.check_report(self.daemon.log_text())

    def reload(self):
        text = self.daemon.config.read_text()
        new = self.place.write("new.conf", re.sub(r"Sessions=\d", f"Sessions={self.random.choice((4, 5, 6))}", text))
        os.replace(new, self.daemon.config)
        self.daemon.process.send_signal(signal.SIGHUP)

    # ---- processes that are killed and stopped ----

    def is_writing_token(self, process):
        """Whether it is within the rewriting of token.object, which no kill survives (tokend-devices(7)). It is stopped."""
        try:
            return any(os.readlink(f"/proc/{process.pid}/fd/{fd}").endswith("/token.object")
                       for fd in os.listdir(f"/proc/{process.pid}/fd"))
        except (FileNotFoundError, ProcessLookupError):
            return False

    def is_stopped(self, process):
        try:
            return Process(process.pid).state in "TZ"
        except (FileNotFoundError, ProcessLookupError):
            return True

    def strike(self, victim):
        """One of the things that can happen to a process; what it was."""
        how = self.random.choice(("KILL", "KILL", "STOP", "TERM"))
        if how == "TERM":
            victim.kill(signal.SIGTERM)
            return how
        victim.kill(signal.SIGSTOP)
        until(lambda: self.is_stopped(victim), "it is stopped")
        if how == "STOP":
            self.enough.wait(self.random.choice((0.01, 0.1, 0.5, 1.5)))
        elif not self.is_writing_token(victim):
            victim.kill()
            return how
        victim.kill(signal.SIGCONT)
        return "STOP"

    def test_strikes(self):
        """children are killed and stopped at random under eight clients: the tokens hold what was acknowledged, whole and once"""
        self.begin()
        end = time.monotonic() + SECONDS
        struck = {}
        while time.monotonic() < end and not self.ledger.wrong:
            self.enough.wait(self.random.uniform(0, 0.8))
            children = self.daemon.children()
            if self.random.random() < 0.1:
                self.reload()
            if not children:
                continue
            victim = self.random.choice(sorted(children, key=lambda process: (process.name, process.pid)))
            try:
                key = (victim.name, self.strike(victim))
            except ProcessLookupError:
                continue
            struck[key] = struck.get(key, 0) + 1
        self.assertEqual(self.daemon.process.poll(), None, "the supervisor ended")
        print(f"{self.id()}: {', '.join(f'{name} {how} {n}' for (name, how), n in sorted(struck.items()))}", flush=True)
        self.end()

    # ---- orderly ends ----

    def has_begun(self):
        """Whether the supervisor that was started last has said something."""
        # Behind where the log was then: numbers of processes come again.
        return f"tokend[{self.daemon.pid}]" in self.daemon.log_text()[self.logged:]

    def test_stops(self):
        """the service is stopped and reloaded at random moments: every acknowledged object is there, whole, once"""
        self.begin()
        for _ in range(STOPS):
            self.enough.wait(self.random.choice((0, self.random.uniform(0, 0.3), self.random.uniform(0, 2))))
            self.in_order()
            if self.random.random() < 0.5:
                until(self.has_begun, "it handles signals")
                self.reload()
                continue
            # As systemd does without KillMode=mixed: to every process.
            for process in self.daemon.children() if self.random.random() < 0.3 else ():
                try:
                    process.kill(signal.SIGTERM)
                except ProcessLookupError:
                    pass
            self.daemon.process.send_signal(signal.SIGTERM)
            status = self.daemon.process.wait(timeout=60)
            # A signal that comes before main() ends any program.
            if status != -signal.SIGTERM or self.has_begun():
                self.assertEqual(status, 0, self.daemon.log_text()[-6000:])
            self.logged = len(self.daemon.log_text())
            self.daemon.start(wait=False)
        self.daemon.wait_notify("READY=1")
        self.end()

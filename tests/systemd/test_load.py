# SPDX-License-Identifier: MPL-2.0
"""Every process killed and stopped, under a load of four clients of libtokend that may see no failure."""
import machine
from harness import run, stand_still, until

# Pings are some seconds apart, and the service manager's watchdog has 10 s: what the wait for a stopped process may cost.
REPLACED_S = 40


class Load(machine.Case):
    @classmethod
    def configure(cls):
        machine.configure(machine.make_token() + machine.pin_file())
        run("systemctl", "start", "tokend.socket")
        machine.make_key("hsm:one")

    def setUp(self):
        run("systemctl", "start", "tokend.service")
        self.load = machine.Load("hsm:one")
        self.addCleanup(self.load.stop)

    def survived(self):
        done, failed, longest, text = self.load.turn()
        self.assertEqual(failed, 0, f"{failed} of {done + failed} failed, the first: {text}")
        self.assertGreater(done, 8)
        self.active()
        return longest

    def kill(self, name):
        old = machine.process(name)
        old.kill()
        machine.replaced(name, old)
        self.survived()

    def pause(self, name):
        old = machine.process(name)
        stand_still(old.pid)
        until(old.gone, f"{name}, standing still, is replaced", REPLACED_S)
        machine.process(name)
        self.survived()

    def test_supervisor_killed(self):
        """the supervisor is killed: the service is back and no client saw it"""
        self.kill("tokend")

    def test_broker_killed(self):
        """the broker is killed: another goes on with the same worker, and no client saw it"""
        worker = machine.process("tokend-worker").pid
        self.kill("tokend-broker")
        self.assertEqual(machine.process("tokend-worker").pid, worker)

    def test_worker_killed(self):
        """a worker is killed: another takes its place, and no client saw it"""
        broker = machine.process("tokend-broker").pid
        self.kill("tokend-worker")
        self.assertEqual(machine.process("tokend-broker").pid, broker)

    def test_supervisor_stopped(self):
        """the supervisor stands still: the watchdog of systemd replaces it, and no client saw it"""
        self.pause("tokend")
        self.assertIn("Watchdog timeout", self.journal("_PID=1"))

    def test_broker_stopped(self):
        """the broker stands still: the supervisor replaces it, and no client saw it"""
        supervisor = machine.main_pid()
        self.pause("tokend-broker")
        self.assertEqual(machine.main_pid(), supervisor)

    def test_worker_stopped(self):
        """a worker stands still: the supervisor replaces it, and no client saw it"""
        supervisor = machine.main_pid()
        self.pause("tokend-worker")
        self.assertEqual(machine.main_pid(), supervisor)

    def test_restart(self):
        """systemctl restart, five times: no client saw it"""
        for _ in range(5):
            run("systemctl", "restart", "tokend.service")
            self.survived()

    def test_reload(self):
        """systemctl reload, twenty times: no client saw it, and every process stays"""
        before = [machine.process(name).pid for name in ("tokend", "tokend-broker", "tokend-worker")]
        for _ in range(20):
            run("systemctl", "reload", "tokend.service")
        self.survived()
        self.assertEqual([machine.process(name).pid for name in ("tokend", "tokend-broker", "tokend-worker")], before)

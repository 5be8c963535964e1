# SPDX-License-Identifier: MPL-2.0
"""libtokend, through a C program that uses it as any other would."""
import os
import re
import subprocess

from harness import BUILD, OneToken, run, until

ENVIRONMENT = dict(os.environ, ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1",
                   # The child of a fork has threads too: that is what is tested.
                   TSAN_OPTIONS="die_after_fork=0")


class Library(OneToken):
    @classmethod
    def configure(cls):
        super().configure()
        cls.daemon.call("Generate", token="hsm", nickname="k", type="ec")

    def probe(self, *arguments, socket=None):
        return subprocess.Popen([str(BUILD / "tests/probe"), str(socket or self.daemon.socket), *map(str, arguments)],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                                env=ENVIRONMENT)

    def good(self, process):
        output, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, output)
        self.assertNotIn("Sanitizer", output)
        return output

    def requests(self):
        try:
            return self.daemon.token("hsm")["requests"]
        except (OSError, Exception):
            return 0

    def test_threads(self):
        """eight threads sign with one handle, and nothing leaks"""
        self.good(self.probe("threads", 200))

    def test_fork(self):
        """parent and child sign with one handle after a fork"""
        self.good(self.probe("fork"))

    def test_slow(self):
        """one thread's generate does not hold another's sign"""
        self.good(self.probe("slow", "slow-key"))

    def test_errors(self):
        """each error has its number, name and text, and no output is set"""
        self.good(self.probe("errors"))

    def test_standard_descriptors_closed(self):
        """a program that has none of the descriptors 0 to 2 prints nothing to the daemon"""
        process = subprocess.Popen([str(BUILD / "tests/probe"), str(self.daemon.socket), "print"], env=ENVIRONMENT,
                                   preexec_fn=lambda: [os.close(fd) for fd in range(3)])
        self.assertEqual(process.wait(timeout=120), 0)

    def test_deadline(self):
        """a call ends with its deadline though nobody answers"""
        self.good(self.probe("deadline", socket=self.place.path / "mute.sock"))

    def test_restart_under_load(self):
        """the daemon is stopped and started three times under load: no sign fails"""
        process = self.probe("threads", 1500)
        for _ in range(3):
            before = self.requests()
            until(lambda: self.requests() > before + 50 or process.poll() is not None, "signatures go on")
            self.daemon.stop()
            self.daemon.start()
        self.good(process)

    def test_broker_killed_under_load(self):
        """the broker is killed three times under load: no sign fails"""
        process = self.probe("threads", 1500)
        for _ in range(3):
            broker = self.daemon.broker()
            until(lambda: self.requests() > 50 or process.poll() is not None, "signatures go on")
            broker.kill()
            until(broker.gone, "it is gone")
        self.good(process)

    def test_worker_killed_under_load(self):
        """the worker is killed three times under load: no sign fails"""
        process = self.probe("threads", 1500)
        for _ in range(3):
            before = self.requests()
            until(lambda: self.requests() > before + 50 or process.poll() is not None, "signatures go on")
            self.daemon.worker().kill()
        self.good(process)

    def test_exports(self):
        """the shared library exports tokend_* with a version, and nothing else"""
        for line in run("nm", "-D", "--defined-only", BUILD / "libtokend.so").decode().splitlines():
            name = line.split()[-1]
            if line.split()[-2] != "A":
                self.assertRegex(name, r"^tokend_\w+@@LIBTOKEND_[\d.]+$")

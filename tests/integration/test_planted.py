# SPDX-License-Identifier: MPL-2.0
"""A broker or a module that was taken over gets nothing more.

The real broker with foreign code in it (tests/planted) runs in the place of tokend-broker, below a real supervisor, with its filter, as
the service's own user. Each life of it tries one thing. What it tries must be refused, or end it; and every other process must be the
same as before, and serve.
"""
import ctypes
import errno
import os
import re
import shutil
import struct
import subprocess

from harness import BUILD, DEADLINE, PLAIN, Case, Daemon, Process, SoftToken, children, until
from test_faults import FaultyToken
from varlink import Error, b64

KEYS = "io.tokend.Keys."
PLANTED = PLAIN / "tests/planted-broker"
SIGN = {"key": "hsm:a", "algorithm": "ecdsa_sha256", "digest": b64(bytes(32))}
# Another user than root where that can be: root may do what the service's user may not.
UID = os.getuid() or 65534
# What the log says of the end of a broker, by what the attempt's name is listed with.
ENDS = {"none": "exited with status 0", "sigsys": r"was killed by signal 31 \(Bad system call\)",
        "killed": "was killed: it (sent|does not read)", "any": "(exited with status 0|was killed)"}


def attempts():
    lines = subprocess.run([PLANTED, "--list"], check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split() for line in lines)


class NoLandlock(Daemon):
    """On a kernel without Landlock: the call that asks for it is answered ENOSYS."""

    def prepare(self):
        super().prepare()
        code = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 444, 0x06, 0, 0, 0x50000 | errno.ENOSYS, 0x06, 0, 0, 0x7fff0000)
        text = ctypes.create_string_buffer(code)
        program = struct.pack("HP", 4, ctypes.addressof(text))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program):
            raise OSError(ctypes.get_errno(), "no filter")


class Planted(Case):
    service = Daemon

    @classmethod
    def configure(cls):
        cls.build = cls.place.path / "build"
        cls.build.mkdir()
        # What receives the messages is sanitized. The planted broker is not: its filter would allow the sanitizer's calls.
        for name in ("tokend", "tokend-worker", "tokend-audit", "tokendctl"):
            shutil.copy(BUILD / name, cls.build)
        shutil.copy(PLANTED, cls.build / "tokend-broker")
        token = SoftToken(cls.place, "hsm")
        token.make_key("a", "01")
        cls.audit = cls.place.path / "audit"
        cls.audit.mkdir()
        cls.file = cls.audit / "log"
        daemon = cls.service(cls.place, f"Audit=file:{cls.file}\n" + token.section(), build=cls.build, uid=UID)
        for path in [cls.place.path, *cls.place.path.rglob("*")]:
            os.chown(path, UID, UID)
        cls.addClassCleanup(daemon.stop)
        cls.daemon = daemon.start()
        cls.token = token

    def same(self):
        return {process.pid: process.name for process in children(self.daemon.pid) if process.name != "tokend-broker"}

    def ended(self, name):
        """How the broker that tried it ended; None: not yet."""
        log = self.daemon.log_text()
        begun = log.find(f"planted: {name} begins")
        ended = re.search(r"the broker (.*); another is started", log[begun:]) if begun >= 0 else None
        return ended.group(1) if ended else None

    def run_attempts(self, chosen):
        before = self.same()
        self.assertEqual(sorted(before.values()), ["tokend-audit", "tokend-worker"])
        worker, audit = (next(p for p, n in before.items() if n == f"tokend-{name}") for name in ("worker", "audit"))
        targets = f"{self.daemon.pid} {worker} {audit} {os.getpid()} {self.token.pin_file} {self.token.store} {self.file}\n"
        orders = self.place.write("build/planted", targets + "\n".join(chosen) + "\n")
        os.chown(orders, UID, UID)
        self.daemon.broker().kill()
        for name, end in chosen.items():
            with self.subTest(name):
                how = until(lambda name=name: self.ended(name), f"{name} has ended; log:\n{self.daemon.log_text()[-4000:]}")
                self.assertRegex(how, ENDS[end])
        self.assertEqual(re.findall("NOT REFUSED.*", self.daemon.log_text()), [])
        self.daemon.check_report(self.daemon.log_text())
        # A look for a nickname, say, is no process that was there before.
        self.assertLessEqual(before.items(), self.same().items())
        self.assertIsNone(self.daemon.process.poll())
        self.daemon.call("Sign", **SIGN)
        self.assertEqual(self.daemon.token("hsm")["restarts"], 0)
        done = subprocess.run([BUILD / "tokendctl", "audit", "verify", self.file], capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        records = self.file.read_text()
        self.assertNotRegex(records, r'"headSigned":true|"signedSeq":1|"k\\u0069nd"')

    def test_service(self):
        """processes of the service are nobody's to trace, its user's neither"""
        for process in [self.daemon, *self.daemon.children()]:
            self.assertEqual((process.status("Uid") if process is not self.daemon else str(UID)).split()[0], str(UID))
            # The kernel gives what is not dumpable to root.
            self.assertEqual(os.stat(f"/proc/{process.pid}/mem").st_uid, 0)


class Calls(Planted):
    def test_calls(self):
        """code in a broker: every call by which it could reach files, processes, sockets or other views is refused, or ends it"""
        self.run_attempts({name: end for name, end in attempts().items() if end in ("none", "sigsys") and
                           not name.startswith(("control-", "worker-", "audit-", "nonsense-"))})


class Channels(Planted):
    def test_channels(self):
        """code in a broker: nonsense, floods and forged records on every channel end it, or nobody"""
        self.run_attempts({name: end for name, end in attempts().items()
                           if name.startswith(("control-", "worker-", "audit-", "nonsense-"))})
        records = self.file.read_text()
        self.assertGreaterEqual(records.count('"kind":"refused"'), 13)


class WithoutLandlock(Planted):
    service = NoLandlock

    def test_without_landlock(self):
        """a kernel without Landlock: it is told once and is no error, and the filters alone refuse the same"""
        self.run_attempts({name: end for name, end in attempts().items() if end == "none" and "nonsense" not in name})
        self.assertEqual(self.daemon.log_text().count("no Landlock"), 1)


class Module(Case):
    """A module of bad will, in a worker."""

    def test_reach(self):
        """a module can neither signal, trace nor read another process of the service, nor take its descriptors"""
        token, other = FaultyToken(self.place, "bad"), SoftToken(self.place, "other")
        daemon = Daemon(self.place, f"Audit=file:{self.place.path}/log\n" + token.section("bad") + other.section(), uid=UID)
        for path in [self.place.path, *self.place.path.rglob("*")]:
            os.chown(path, UID, UID)
        self.addCleanup(daemon.stop)
        daemon.start()
        own = next(w.pid for w in daemon.workers() if b"bad" in w.command)
        before = {process.pid: process.name for process in [Process(daemon.pid), *daemon.children()]}
        # A kernel that knows no bounds for signals (Landlock before version 6) leaves them.
        left = 0 if ctypes.CDLL(None).syscall(444, None, 0, 1) >= 6 else 3
        for pid, name in before.items():
            if pid == own:
                continue
            with self.subTest(name, pid=pid):
                token.set(f"C_Sign reach={pid}")
                try:
                    daemon.call("Sign", key="bad:k", algorithm="ecdsa_sha256", digest=b64(bytes(32)))
                except Error as error:
                    self.assertEqual(int(error.parameters["ckr"], 16) & ~left & 0x1ff, 0, error.parameters)
        self.assertEqual(before, {process.pid: process.name for process in [Process(daemon.pid), *daemon.children()]})


del Planted

# SPDX-License-Identifier: MPL-2.0
"""Tokens, configurations and a daemon for the tests; everything in a directory that goes away with the test.

Nothing here waits for a time to pass: the daemon says READY to a notify socket of ours, and what has no event is
asked for until it is so, or a deadline is over.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import varlink

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TOKEND_BUILD") or ROOT / "build")
PLAIN = pathlib.Path(os.environ.get("TOKEND_PLAIN") or ROOT / "build")
SOFTHSM = next((p for p in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so",
                            "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
                if os.path.exists(p)), "/usr/lib/softhsm/libsofthsm2.so")
PIN = "12345678"
DEADLINE = 60

# Idle connections by the thousand need descriptors on our side too.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, _hard), _hard))


def run(*argv, **options):
    """A command whose failure is the test's failure; its output."""
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([str(a) for a in argv], capture_output=True, timeout=DEADLINE * 2, **options)
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, argv))}: {done.returncode}\n{done.stdout.decode(errors='replace')}"
                             f"{done.stderr.decode(errors='replace')}")
    return done.stdout


def until(condition, what, deadline=DEADLINE):
    """Asks condition() until it gives something true, and returns that."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        time.sleep(0.02)


class Place:
    """A directory for one test, of a short name (a socket's path has 107 bytes), reachable by other users."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="tk-", dir="/tmp"))
        self.path.chmod(0o755)

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name, text, mode=0o644):
        path = self.path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path


class SoftToken:
    """A SoftHSM2 token with a configuration of its own."""

    def __init__(self, place, label, pin=PIN, module=SOFTHSM):
        self.place, self.label, self.pin, self.module = place, label, pin, module
        self.store = place.path / f"softhsm-{label}"
        self.store.mkdir(mode=0o700)
        self.conf = place.write(f"{label}.conf", f"directories.tokendir = {self.store}\nobjectstore.backend = file\n"
                                                 "log.level = ERROR\nslots.removable = false\n")
        self.pin_file = place.write(f"{label}.pin", pin + "\n", 0o600)
        self.environment = dict(os.environ, SOFTHSM2_CONF=str(self.conf))
        run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "87654321",
            env=self.environment)

    def section(self, name=None, extra="", sessions=4, refresh="500ms"):
        return (f"[Token {name or self.label}]\nModule={self.module}\nUri=pkcs11:token={self.label}\n"
                f"Pin=file:{self.pin_file}\nEnvironment=SOFTHSM2_CONF={self.conf}\nSessions={sessions}\n"
                f"Refresh={refresh}\n{extra}\n")

    def tool(self, *arguments):
        """pkcs11-tool, logged in. While another process logs in, SoftHSM leaves the token out of its slots: then nothing was done."""
        for again in (True, True, True, True, False):
            try:
                return run("pkcs11-tool", "--module", SOFTHSM, "--token-label", self.label, "--login", "--pin", self.pin,
                           *arguments, env=self.environment).decode()
            except AssertionError as failure:
                if "No slot with token named" not in str(failure) or not again:
                    raise

    def make_key(self, label, key_id, kind="EC:prime256v1"):
        return self.tool("--keypairgen", "--key-type", kind, "--label", label, "--id", key_id)

    def import_key(self, label, key_id):
        """An RSA key brought by softhsm2-util, which takes an id of any length."""
        path = self.place.path / "import.pem"
        run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path)
        run("softhsm2-util", "--import", path, "--token", self.label, "--label", label, "--id", key_id, "--pin", self.pin,
            env=self.environment)


class Process:
    """What /proc says of one process."""

    def __init__(self, pid):
        self.pid = pid
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text()
        self.name = fields[fields.index("(") + 1:fields.rindex(")")]
        rest = fields[fields.rindex(")") + 2:].split()
        self.state, self.parent = rest[0], int(rest[1])

    @property
    def command(self):
        return pathlib.Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")

    def status(self, key):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return line.split(":", 1)[1].strip()
        raise KeyError(key)

    def private_dirty(self):
        """KiB."""
        for line in pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1])
        raise KeyError("Private_Dirty")

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)

    def stop(self):
        stand_still(self.pid)
        return self

    def gone(self):
        try:
            return Process(self.pid).state == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True


def stand_still(pid):
    """Stops a process. When kill(2) returns its threads may still be running; when this returns all of them stand still."""
    os.kill(pid, signal.SIGSTOP)
    tasks = pathlib.Path(f"/proc/{pid}/task")

    def still():
        try:
            return all(task.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks.iterdir())
        except FileNotFoundError:
            return False  # a thread ended meanwhile
    until(still, f"{pid} stands still")


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                process = Process(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                continue
            if process.parent == pid and process.state != "Z":
                found.append(process)
    return found


def die_with_parent():
    """A daemon of a test that was killed must not outlive it."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def kill_family(process):
    """Ends a program that was started with start_new_session, and what it forked."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class Daemon:
    def __init__(self, place, config, build=BUILD, instances="", name="tokend", environment=None, uid=None):
        """uid: whose processes they are; None: ours."""
        self.uid = uid
        self.place, self.build, self.name = place, build, name
        self.socket = place.path / f"{name}.sock"
        self.status_socket = place.path / f"{name}-status.sock"
        self.state = place.path / f"{name}-state"
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.config = place.path / f"{name}.conf"
        self.log = place.path / f"{name}.log"
        self.environment = environment or {}
        self.process = None
        self.notify = None
        self.write_config(config, instances)

    def write_config(self, config, instances=""):
        self.config.write_text(f"[Daemon]\nSocket={self.socket}\nStatusSocket={self.status_socket}\n"
                               f"StateDirectory={self.state}\n\n{config}\n{instances}\n")

    def start(self, wait=True):
        notify_path = self.place.path / f"{self.name}.notify"
        notify_path.unlink(missing_ok=True)
        if self.notify:
            self.notify.close()
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(notify_path))
        notify_path.chmod(0o666)
        self.notify.settimeout(DEADLINE)
        environment = dict(os.environ, NOTIFY_SOCKET=str(notify_path), NSS_DISABLE_UNLOAD="1",
                           # LeakSanitizer wants ptrace, which the broker's sandbox refuses; and the worker
                           # ends by _exit with the vendor's memory still in place.
                           ASAN_OPTIONS="detect_leaks=0:handle_abort=1",
                           UBSAN_OPTIONS="print_stacktrace=1", **self.environment)
        environment.pop("WATCHDOG_USEC", None)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(self.build / "tokend"), "--config", str(self.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                                            preexec_fn=self.prepare)
        if wait:
            self.wait_notify("READY=1")
        return self

    def prepare(self):
        if self.uid not in (None, os.getuid()):
            os.setgroups([])
            os.setgid(self.uid)
            os.setuid(self.uid)
        # Another user loses it.
        die_with_parent()

    def wait_notify(self, word):
        while True:
            try:
                lines = self.notify.recv(65536).decode().splitlines()
            except TimeoutError:
                raise AssertionError(f"no {word} within {DEADLINE} s\n{self.log_text()}") from None
            if word in lines:
                return lines

    @property
    def pid(self):
        return self.process.pid

    def log_text(self):
        return self.log.read_text(errors="replace")

    def children(self, name=None):
        return [c for c in children(self.pid) if name is None or c.name == name]

    def broker(self):
        return until(lambda: self.children("tokend-broker"), "a broker")[0]

    def workers(self):
        return self.children("tokend-worker")

    def worker(self, token=None):
        """The worker of one token, told by its environment or command line."""
        def find():
            for worker in self.workers():
                try:
                    words = worker.command + pathlib.Path(f"/proc/{worker.pid}/environ").read_bytes().split(b"\0")
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if token is None or any(token.encode() in word for word in words):
                    return worker
            return None
        return until(find, f"a worker of {token}")

    def client(self, timeout=DEADLINE):
        return varlink.Client(self.socket, timeout=timeout)

    def call(self, method, **parameters):
        with self.client() as client:
            return client.call(method, **parameters)

    def status(self):
        with varlink.Client(self.status_socket) as client:
            return client.call("io.tokend.Status.Get")

    def token(self, name):
        return next(t for t in self.status()["tokens"] if t["name"] == name)

    def wait_state(self, token, state, deadline=DEADLINE):
        def look():
            try:
                found = self.token(token)
            except (OSError, varlink.Closed, StopIteration):
                return None
            return found if found["state"] == state else None
        return until(look, f"{token} is {state}; log:\n{self.log_text()}", deadline)

    def ctl(self, *arguments, check=True, stdin=None, text=True):
        """tokendctl; what it printed, or with check=False the finished process."""
        done = subprocess.run([str(self.build / "tokendctl"), "--socket", str(self.socket), "--status-socket",
                               str(self.status_socket), *map(str, arguments)], capture_output=True, input=stdin,
                              timeout=DEADLINE * 2)
        self.check_report(done.stderr.decode(errors="replace"))
        if not check:
            return done
        if done.returncode:
            raise AssertionError(f"tokendctl {arguments}: {done.returncode} {done.stderr.decode(errors='replace')}")
        return done.stdout.decode() if text else done.stdout

    @staticmethod
    def check_report(text):
        if "Sanitizer" in text or "runtime error:" in text:
            raise AssertionError("a sanitizer spoke:\n" + text)

    def stop(self):
        """SIGTERM; exit status 0, nothing left behind, no word of a sanitizer."""
        if not self.process:
            return
        family = self.children()
        try:
            if self.process.poll() is None:
                for member in [Process(self.pid)] + family:
                    if member.state == "T":
                        member.kill(signal.SIGCONT)
                self.process.send_signal(signal.SIGTERM)
            try:
                status = self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                raise AssertionError("SIGTERM did not end tokend\n" + self.log_text()) from None
            if status:
                raise AssertionError(f"tokend ended with {status}\n{self.log_text()}")
            until(lambda: all(member.gone() for member in family), "the children have ended", 10)
        finally:
            for member in family:
                if not member.gone():
                    member.kill()
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None
            self.notify.close()
            self.notify = None
        self.check_report(self.log_text())

    def reap(self):
        """After the test itself has killed the supervisor."""
        self.process.wait(timeout=30)
        self.process = None


def check_config(place, text, name="bad.conf", build=BUILD):
    """tokend --check of a whole file of this text."""
    path = place.write(name, text)
    return subprocess.run([str(build / "tokend"), "--check", "--config", str(path)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=DEADLINE)


class Case(unittest.TestCase):
    """A class of tests with a directory; `configure` makes what all of them share."""

    longMessage = True
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.place = Place()
        cls.addClassCleanup(cls.place.remove)
        cls.configure()

    @classmethod
    def configure(cls):
        pass

    @classmethod
    def start(cls, config, **options):
        daemon = Daemon(cls.place, config, **options)
        cls.addClassCleanup(daemon.stop)
        return daemon.start()

    def own(self, config, **options):
        """A daemon of this test alone."""
        options.setdefault("name", f"d{len(os.listdir(self.place.path))}")
        wait = options.pop("wait", True)
        daemon = Daemon(self.place, config, **options)
        self.addCleanup(daemon.stop)
        return daemon.start(wait)

    def fails(self, name, call, *arguments, **parameters):
        """The call ends with this error; its parameters."""
        with self.assertRaises(varlink.Error) as caught:
            call(*arguments, **parameters)
        self.assertEqual(caught.exception.name, name, str(caught.exception))
        self.assertNotEqual(caught.exception.reason, "", str(caught.exception))
        return caught.exception.parameters

    def reason(self, name, call, *arguments, **parameters):
        """The call ends with this error; the reason that it gives."""
        with self.assertRaises(varlink.Error) as caught:
            call(*arguments, **parameters)
        self.assertEqual(caught.exception.name, name, str(caught.exception))
        return caught.exception.reason


class OneToken(Case):
    """One SoftHSM2 token `hsm` and one daemon, for every test of the class."""

    options = ""
    instances = ""

    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.daemon = cls.start(cls.token.section(extra=cls.options), instances=cls.instances)

    def call(self, method, **parameters):
        return self.daemon.call(method, **parameters)

    def key(self, nickname, kind="ec", **more):
        return self.call("Generate", token="hsm", nickname=nickname, type=kind, **more)["key"]


# ---- openssl ----

HASHES = {"sha256": 32, "sha384": 48, "sha512": 64}


def public_pem(place, spki):
    path = place.path / "public.pem"
    path.write_bytes(run("openssl", "pkey", "-pubin", "-inform", "DER", "-outform", "PEM", input=spki, stdin=None))
    return path


def openssl_verify(place, spki, algorithm, message, signature):
    """Whether openssl finds the signature good."""
    data, good = place.write("data", message), place.write("signature", signature)
    pem = public_pem(place, spki)
    if algorithm == "ed25519":
        argv = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", pem, "-rawin", "-in", data, "-sigfile", good]
    else:
        argv = ["openssl", "dgst", "-" + algorithm.rpartition("_")[2], "-verify", pem, "-signature", good]
        if algorithm.startswith("rsa_pss"):
            argv += ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
        argv += [data]
    return subprocess.run(list(map(str, argv)), capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def as_json(text):
    return json.loads(text)

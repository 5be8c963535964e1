# SPDX-License-Identifier: MPL-2.0
"""Processes are killed, and the device goes away, under real programs that use the PKCS #11 module: for them each is a pause. `make
soak-module` goes on for SOAK_SECONDS=; `make test` does everything once."""
import contextlib
import glob
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

from harness import DEADLINE, PLAIN, ROOT, Case, until
from test_faults import FaultyToken

SECONDS = float(os.environ.get("SOAK_SECONDS") or 0)
AWAY_S = 2
RIGHTS = "list sign sign-raw verify generate request import"
OPENSSL_CONF = """openssl_conf = init
[init]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
MODULE_PATH = {module}
init = 0
"""
NGINX_CONF = """daemon off;
user www-data;
error_log error.log;
pid nginx.pid;
env TOKEND_SOCKET;
env OPENSSL_CONF;
ssl_engine pkcs11;
worker_processes 8;
events {{}}
http {{
    access_log off;
    ssl_session_cache off;
    ssl_session_tickets off;
    ssl_protocols TLSv1.2 TLSv1.3;
    {servers}
}}
"""
SERVER = """server {{
        listen 127.0.0.1:{port} ssl reuseport;
        ssl_certificate {key}.pem;
        ssl_certificate_key "engine:pkcs11:pkcs11:token=hsm;object={key};type=private";
        location / {{ return 200 "hello"; }}
    }}
    """


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Load:
    """What the clients of one test came to."""

    def __init__(self):
        self.lock = threading.Lock()
        self.done, self.failures, self.longest = 0, [], 0.0
        self.enough = threading.Event()

    def one(self, act):
        begun = time.monotonic()
        try:
            act()
        except Exception as failure:  # noqa: whatever a client meets counts
            with self.lock:
                self.failures.append(repr(failure))
            return
        with self.lock:
            self.done += 1
            self.longest = max(self.longest, time.monotonic() - begun)

    def many(self, act):
        while not self.enough.is_set() and not self.failures:
            self.one(act)


class Struck(Case):
    @classmethod
    def configure(cls):
        if os.geteuid() != 0:
            raise cls.skipTest(cls, "nginx changes to www-data, which root alone can do")

    def setUp(self):
        number = len(os.listdir(self.place.path))
        self.folder = self.place.path / f"f{number}"
        self.folder.mkdir(mode=0o755)
        self.token = FaultyToken(self.place, f"t{number}", keys=())
        self.daemon = self.own(self.token.section("hsm", sessions=6), instances=f"[Instance all]\nUser={os.getuid()}\n"
                               f"Keys=*\nAllow={RIGHTS}\n[Instance www]\nUser=33\nToken=hsm\nKeys=*\nAllow=list sign sign-raw\n")
        for nickname, kind in (("rsa", ("--type", "rsa", "--size", 2048)), ("ec", ("--type", "ec"))):
            self.daemon.ctl("generate", f"hsm:{nickname}", *kind)
            (self.folder / f"{nickname}.pem").write_text(self.daemon.ctl(
                "self-sign", f"hsm:{nickname}", "--subject", f"CN=localhost,OU={nickname}", "--dns", "localhost",
                "--days", 2))

    def needs(self, *programs):
        for program in programs:
            if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"):
                self.skipTest(f"{program} is not installed")

    # ---- what strikes ----

    def kill_broker(self):
        self.daemon.broker().kill()

    def kill_worker(self):
        self.daemon.worker().kill()

    def kill_daemon(self):
        family = self.daemon.children()
        os.kill(self.daemon.pid, signal.SIGKILL)
        self.daemon.reap()
        until(lambda: all(member.gone() for member in family), "its children have ended")
        self.daemon.start()

    def restart(self):
        self.daemon.stop()
        self.daemon.start()

    def device_away(self):
        self.token.set("* ckr=0x30")
        time.sleep(AWAY_S)
        self.token.set()

    def strike(self, done, alive):
        """Each once, and again while there is time, with twenty more signatures after each."""
        end = time.monotonic() + SECONDS
        while True:
            for strike in (self.kill_broker, self.kill_worker, self.kill_daemon, self.restart, self.device_away):
                strike()
                before = done()
                until(lambda before=before: done() >= before + 20 or not alive(), f"it goes on after {strike.__name__}")
                self.assertTrue(alive(), strike.__name__)
            if time.monotonic() >= end:
                return

    # ---- nginx ----

    def start_nginx(self):
        conf = self.folder / "openssl.cnf"
        conf.write_text(OPENSSL_CONF.format(module=PLAIN / "libtokend-pkcs11.so"))
        self.ports = {"rsa": free_port(), "ec": free_port()}
        servers = "".join(SERVER.format(key=key, port=port) for key, port in self.ports.items())
        (self.folder / "nginx.conf").write_text(NGINX_CONF.format(servers=servers))
        with open(self.folder / "nginx.log", "wb") as log:
            self.nginx = subprocess.Popen(["nginx", "-p", self.folder, "-c", "nginx.conf"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin", OPENSSL_CONF=str(conf),
                                                   TOKEND_SOCKET=str(self.daemon.socket)))
        self.addCleanup(self.nginx.wait)
        self.addCleanup(self.nginx.terminate)
        until(lambda: self.nginx.poll() is not None or len(self.nginx_workers()) == 8, "eight workers")
        self.assertIsNone(self.nginx.poll(), self.nginx_log())

    def nginx_workers(self):
        with contextlib.suppress(FileNotFoundError):
            with open(f"/proc/{self.nginx.pid}/task/{self.nginx.pid}/children", encoding="ascii") as pids:
                return pids.read().split()
        return []

    def nginx_log(self):
        return "".join(file.read_text(errors="replace")[-3000:] for file in self.folder.glob("*.log"))

    def handshake(self, key, version):
        context = ssl.create_default_context(cafile=self.folder / f"{key}.pem")
        context.minimum_version = context.maximum_version = version
        with socket.create_connection(("127.0.0.1", self.ports[key]), timeout=DEADLINE) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as tls:
                tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if b"hello" not in tls.makefile("rb").read():
                    raise AssertionError("no page")

    def test_nginx(self):
        """nginx with eight workers, TLS 1.2 and 1.3, RSA and EC: no handshake fails, and no worker is another one"""
        self.needs("nginx")
        if not glob.glob("/usr/lib/*/engines-3/pkcs11.so"):
            self.skipTest("OpenSSL's engine pkcs11 is not installed")
        self.start_nginx()
        workers = self.nginx_workers()
        load = Load()
        clients = [threading.Thread(target=load.many, args=(lambda key=key, version=version: self.handshake(key, version),))
                   for key in ("rsa", "ec") for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3) for _ in range(3)]
        for client in clients:
            client.start()
        try:
            until(lambda: load.done >= 50 or load.failures, "handshakes")
            self.strike(lambda: load.done, lambda: not load.failures)
        finally:
            load.enough.set()
            for client in clients:
                client.join()
        self.assertEqual(load.failures, [], f"of {load.done}\n{self.nginx_log()}")
        self.assertEqual(self.nginx_workers(), workers)
        # Each client waited for the device, and went on.
        self.assertGreater(load.longest, AWAY_S / 2)
        print(f"{load.done} handshakes, none failed; the longest took {load.longest:.1f} s")

    # ---- JSS ----

    def start_jss(self):
        database = self.folder / "db"
        database.mkdir()
        (self.folder / "pin").write_text("database\n")
        environment = dict(os.environ, TOKEND_SOCKET=str(self.daemon.socket), LD_LIBRARY_PATH="/usr/lib/jss")
        for command in (["certutil", "-N", "-d", f"sql:{database}", "-f", self.folder / "pin"],
                        ["modutil", "-force", "-dbdir", f"sql:{database}", "-add", "tokend", "-libfile", PLAIN / "libtokend-pkcs11.so"]):
            subprocess.run(command, env=environment, check=True, timeout=DEADLINE, capture_output=True, stdin=subprocess.DEVNULL)
        jars = ":".join(f"/usr/share/java/{name}.jar" for name in ("jss", "slf4j-api", "slf4j-nop", "commons-lang3"))
        self.java = subprocess.Popen(["java", "-Xmx256m", "-Djava.library.path=/usr/lib/jss", "-cp", jars,
                                      ROOT / "tests/integration/JssLoad.java", database, "database", "hsm", "16"], text=True, env=environment,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = []
        reader = threading.Thread(target=lambda: self.lines.extend(iter(self.java.stdout.readline, "")))
        reader.start()
        for end in (self.java.stdout.close, reader.join, self.java.wait, self.java.kill):  # the last one first
            self.addCleanup(end)

    def test_jss(self):
        """a Java program whose sixteen threads sign through JSS: none fails, and no signature is wrong"""
        self.needs("java", "certutil", "modutil")
        if not os.path.exists("/usr/share/java/jss.jar"):
            self.skipTest("JSS is not installed")
        self.start_jss()

        def made():
            counts = [line for line in self.lines[-20:] if line.strip().isdigit()]
            return int(counts[-1]) if counts else 0
        until(lambda: made() >= 50 or self.java.poll() is not None, "signatures", 120)
        self.assertIsNone(self.java.poll(), "".join(self.lines[-30:]))
        self.strike(made, lambda: self.java.poll() is None)
        self.java.stdin.close()
        self.assertEqual(self.java.wait(DEADLINE), 0, "".join(self.lines[-30:]))
        until(lambda: self.lines and "failed" in self.lines[-1], "its last line", 10)
        self.assertIn(", 0 failed", self.lines[-1])
        print(self.lines[-1].strip())

# SPDX-License-Identifier: MPL-2.0
"""Death, reload and stop of every process."""
import os
import pathlib
import signal
import threading
import time

import varlink
from harness import Case, Daemon, OneToken, Process, SoftToken, children, until
from varlink import b64

SIGN = {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")}


class Load:
    """Clients that sign until told to stop. `failures` has what did not succeed."""

    def __init__(self, daemon, n_clients=3, request=None):
        self.daemon, self.request = daemon, request or SIGN
        self.failures, self.done, self.stop = [], 0, threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(n_clients)]

    def run(self):
        with self.daemon.client() as client:
            while not self.stop.is_set():
                try:
                    client.call("Sign", **self.request)
                    self.done += 1
                except (varlink.Error, varlink.Closed, OSError) as error:
                    self.failures.append(repr(error))
                    return

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.more()
        return self

    def more(self, n=30):
        """Waits for n more signatures."""
        start = self.done
        until(lambda: self.done >= start + n or self.failures, "signatures go on")

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


class SocketFiles(OneToken):
    def test_removed(self):
        """a socket's file that is removed under the daemon is made again, with its mode; a connection that was there goes on"""
        for path, call in ((self.daemon.socket, lambda: self.call("List")), (self.daemon.status_socket, self.daemon.status)):
            with self.daemon.client() as client:
                mode = path.stat().st_mode
                path.unlink()
                until(path.exists, "it is there again")
                until(lambda path=path: path.stat().st_mode == mode, "callers may connect")
                call()
                client.call("List")
        self.assertEqual(self.daemon.log_text().count("is there again"), 2)

    def test_taken(self):
        """another file in the place of a socket's stays, and that is said once"""
        path = self.daemon.status_socket
        kept = path.rename(path.with_suffix(".kept"))
        path.write_text("mine")
        until(lambda: "another file is in its place" in self.daemon.log_text(), "it is said")
        path.unlink()
        until(path.exists, "it is there again")
        self.daemon.status()
        kept.unlink()
        self.assertEqual(self.daemon.log_text().count("another file is in its place"), 1)


class Death(OneToken):
    @classmethod
    def configure(cls):
        super().configure()
        cls.daemon.call("Generate", token="hsm", nickname="k", type="ec")

    def test_worker_killed_idle(self):
        """a worker killed while idle is replaced, and counted in restarts"""
        before, worker = self.daemon.token("hsm"), self.daemon.worker()
        worker.kill()
        until(lambda: worker.gone() and self.daemon.token("hsm")["restarts"] > before["restarts"], "it is replaced")
        self.call("Sign", **SIGN)
        self.assertEqual(self.daemon.wait_state("hsm", "ready")["restarts"], before["restarts"] + 1)

    def test_worker_killed_under_load(self):
        """a worker killed five times under load costs no request"""
        with Load(self.daemon) as load:
            for _ in range(5):
                worker = self.daemon.worker()
                worker.kill()
                until(worker.gone, "it is gone")
                load.more()
        self.assertEqual(load.failures, [])

    def test_broker_killed(self):
        """a broker killed is replaced; the worker, its login and the sockets stay as they were"""
        worker, broker, logins = self.daemon.worker().pid, self.daemon.broker(), self.daemon.token("hsm")["logins"]
        inode = os.stat(self.daemon.socket).st_ino
        for _ in range(3):
            broker = self.daemon.broker()
            broker.kill()
            until(broker.gone, "the old broker is gone")
            self.call("Sign", **SIGN)
        self.assertEqual(self.daemon.worker().pid, worker)
        self.assertEqual(os.stat(self.daemon.socket).st_ino, inode)
        self.assertEqual(self.daemon.wait_state("hsm", "ready")["logins"], logins)

    def test_broker_killed_in_mid_sign(self):
        """a broker killed under load: clients are cut off, connect again and are served"""
        with Load(self.daemon) as load:
            self.daemon.broker().kill()
            until(lambda: len(load.failures) == 3, "all clients are cut off")
        self.call("Sign", **SIGN)

    def test_broker_killed_while_worker_restarts(self):
        """broker and worker killed at once are both replaced"""
        broker, worker = self.daemon.broker(), self.daemon.worker()
        broker.kill()
        worker.kill()
        until(lambda: broker.gone() and worker.gone(), "both are gone")
        self.call("Sign", **SIGN)

    def test_worker_stopped(self):
        """a worker that hangs (SIGSTOP) is replaced, and what waited is served"""
        worker = self.daemon.worker()
        worker.stop()
        self.call("Sign", **SIGN)
        until(worker.gone, "the stopped one is gone")

    def test_broker_stopped(self):
        """a broker that hangs (SIGSTOP) is replaced"""
        broker = self.daemon.broker()
        broker.stop()
        until(broker.gone, "the stopped one is gone")
        self.call("Sign", **SIGN)

    def test_sandbox(self):
        """the broker is under seccomp, has no new privileges, and no file of the configuration or the PIN open"""
        broker = self.daemon.broker()
        self.assertEqual(broker.status("Seccomp"), "2")
        self.assertEqual(broker.status("NoNewPrivs"), "1")
        for fd in os.listdir(f"/proc/{broker.pid}/fd"):
            target = os.readlink(f"/proc/{broker.pid}/fd/{fd}")
            self.assertFalse(target.endswith((".pin", ".conf")), target)
        maps = pathlib.Path(f"/proc/{broker.pid}/maps").read_text()
        for library in ("libnss3", "softhsm", "softokn"):
            self.assertNotIn(library, maps)

    def test_supervisor_reads_no_client(self):
        """the supervisor has no vendor library, and no connection of a client"""
        with self.daemon.client() as client:
            client.call("List")
            maps = pathlib.Path(f"/proc/{self.daemon.pid}/maps").read_text()
        for library in ("libnss3", "softhsm", "json"):
            self.assertNotIn(library, maps)

    def test_dumps(self):
        """a worker can not be traced or dumped by its own user"""
        self.assertEqual(Process(self.daemon.worker().pid).status("CoreDumping") or "0", "0")
        pin = self.token.pin.encode()
        for process in [Process(self.daemon.pid)] + self.daemon.children():
            for file in ("cmdline", "environ"):
                self.assertNotIn(pin, pathlib.Path(f"/proc/{process.pid}/{file}").read_bytes())
        self.assertNotIn(self.token.pin, self.daemon.log_text())

    def test_descriptors(self):
        """a worker has its log, its two channels, and nothing of ours beyond"""
        for fd in os.listdir(f"/proc/{self.daemon.worker().pid}/fd"):
            target = os.readlink(f"/proc/{self.daemon.worker().pid}/fd/{fd}")
            self.assertNotIn("tokend.sock", target)
        broker = self.daemon.broker()
        before = len(os.listdir(f"/proc/{broker.pid}/fd"))
        for _ in range(3):
            worker = self.daemon.worker()
            worker.kill()
            until(worker.gone, "it is gone")
            self.call("Sign", **SIGN)
        until(lambda: len(os.listdir(f"/proc/{broker.pid}/fd")) <= before, "no descriptor is lost", 10)


class Supervisor(Case):
    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.token.make_key("k", "01")

    def test_killed(self):
        """a supervisor killed takes its children with it"""
        daemon = self.own(self.token.section())
        family = daemon.children()
        self.assertEqual(len(family), 2)
        daemon.process.kill()
        daemon.reap()
        until(lambda: all(member.gone() for member in family), "the children have ended", 15)

    def test_start_after_kill(self):
        """a daemon starts where a killed one left its sockets"""
        daemon = self.own(self.token.section())
        daemon.process.kill()
        daemon.reap()
        daemon.start()
        daemon.call("Sign", **SIGN)

    def test_second_daemon(self):
        """a second daemon on the same sockets is refused with status 1, and the first goes on"""
        daemon = self.own(self.token.section())
        import subprocess
        from harness import BUILD
        second = subprocess.run([str(BUILD / "tokend"), "--config", str(daemon.config)], capture_output=True, timeout=60,
                                stdin=subprocess.DEVNULL, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        self.assertEqual(second.returncode, 1, second.stderr)
        daemon.call("Sign", **SIGN)

    def test_ready_in_a_second(self):
        """from start to all tokens ready takes under a second"""
        from harness import PLAIN
        fastest = 99
        for _ in range(3):
            daemon = self.own(self.token.section(), build=PLAIN, wait=False)
            start = time.monotonic()
            daemon.wait_notify("READY=1")
            fastest = min(fastest, time.monotonic() - start)
            daemon.stop()
        self.assertLess(fastest, 1)

    def test_stop_drains(self):
        """SIGTERM: what is in flight is answered, then the exit status is 0 and the sockets are gone"""
        daemon = self.own(self.token.section())
        with daemon.client() as client:
            client.send("Generate", {"token": "hsm", "nickname": "slow", "type": "rsa", "size": 3072})
            until(lambda: daemon.token("hsm")["inFlight"], "it is in flight")
            daemon.process.send_signal(signal.SIGTERM)
            self.assertIn("key", client.result())
        daemon.stop()
        self.assertFalse(daemon.socket.exists())

    def test_stop_answers_what_was_sent(self):
        """SIGTERM: every request that was sent before it is answered, although the broker had not read it yet"""
        daemon = self.own(self.token.section())
        daemon.call("Generate", token="hsm", nickname="sent", type="ec")
        clients = [daemon.client() for _ in range(8)]
        for client in clients:
            client.call("Get", key="hsm:sent")
        broker = daemon.broker()
        broker.stop()
        for client in clients:
            for _ in range(20):
                client.send("Sign", {"key": "hsm:sent", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in daemon.log_text(), "it is stopping")
        broker.kill(signal.SIGCONT)
        for client in clients:
            for _ in range(20):
                self.assertIn("signature", client.result())
            client.close()
        self.assertEqual(daemon.process.wait(timeout=25), 0)

    def test_stop_does_not_wait_for_idlers(self):
        """SIGTERM ends with idle connections open, at once"""
        daemon = self.own(self.token.section())
        clients = [daemon.client() for _ in range(5)]
        start = time.monotonic()
        daemon.stop()
        self.assertLess(time.monotonic() - start, 4)
        for client in clients:
            self.assertEqual(client.closed(), [])
            client.close()

    def test_stop_with_hung_worker(self):
        """SIGTERM ends within seconds though a worker hangs"""
        daemon = self.own(self.token.section())
        daemon.worker().stop()
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(timeout=25), 0)

    def test_stop_twice(self):
        """a second SIGTERM while stopping changes nothing"""
        daemon = self.own(self.token.section())
        for _ in range(3):
            daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(timeout=25), 0)


class Reload(Case):
    @classmethod
    def configure(cls):
        cls.one, cls.two = SoftToken(cls.place, "hsm"), SoftToken(cls.place, "two")
        cls.one.make_key("k", "01")

    def test_nothing_changed(self):
        """a reload of the same files keeps every process, and costs no request"""
        daemon = self.own(self.one.section())
        family = sorted(c.pid for c in daemon.children())
        with Load(daemon) as load:
            for _ in range(3):
                daemon.process.send_signal(signal.SIGHUP)
                daemon.wait_notify("READY=1")
                load.more()
        self.assertEqual(load.failures, [])
        self.assertEqual(sorted(c.pid for c in daemon.children()), family)

    def test_add_and_remove(self):
        """a token that is added comes, one that is removed goes, the one that stays keeps its worker"""
        daemon = self.own(self.one.section())
        worker = daemon.worker("hsm").pid
        daemon.write_config(self.one.section() + self.two.section())
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: any(t["name"] == "two" and t["state"] == "ready" for t in daemon.status()["tokens"]), "two is ready")
        daemon.call("Generate", token="two", nickname=f"added {daemon.name}", type="ec")
        self.assertEqual(daemon.worker("hsm.conf").pid, worker)
        daemon.write_config(self.one.section())
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: len(daemon.status()["tokens"]) == 1 and len(daemon.workers()) == 1, "two is gone")
        self.fails("TokenNotFound", daemon.call, "List", token="two")
        self.assertEqual(daemon.worker().pid, worker)
        daemon.call("Sign", **SIGN)

    def test_changed_section(self):
        """a token whose section changed gets a new worker, and no request is lost"""
        daemon = self.own(self.one.section())
        worker = daemon.worker().pid
        with Load(daemon) as load:
            daemon.write_config(self.one.section(sessions=5))
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: [w.pid for w in daemon.workers()] not in ([worker], []), "a new worker")
            until(lambda: daemon.token("hsm")["sessions"]["limit"] == 5, "the new limit")
            load.more()
        self.assertEqual(load.failures, [])

    def test_bad_files(self):
        """a reload of bad files changes nothing, and the log says why with file and line"""
        daemon = self.own(self.one.section())
        family = sorted(c.pid for c in daemon.children())
        good = daemon.config.read_text()
        daemon.config.write_text(good + "Colour=red\n")
        line = len(daemon.config.read_text().splitlines())
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: f"{daemon.config}:{line}: " in daemon.log_text(), "the log says why")
        daemon.call("Sign", **SIGN)
        self.assertEqual(sorted(c.pid for c in daemon.children()), family)
        daemon.config.write_text(good)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.call("Sign", **SIGN)

    def test_policy_changes(self):
        """a reload changes the policy of connections that are open"""
        daemon = self.own(self.one.section())
        with daemon.client() as client:
            client.call("Sign", **SIGN)
            daemon.write_config(self.one.section(), "[Instance i]\nUser=0\nKeys=other\n")
            daemon.process.send_signal(signal.SIGHUP)

            def refused():
                with daemon.client() as fresh:
                    return not fresh.call("List")["keys"]
            until(refused, "the new policy is in force")


class Log(Case):
    def test_not_read(self):
        """a log that nobody reads stops neither the broker nor the supervisor; read again, it says how much is missing"""
        token = SoftToken(self.place, "hsm")
        daemon = Daemon(self.place, token.section(), instances=f"[Instance i]\nUser={os.getuid()}\nKeys=*\nAllow=random\n")
        os.mkfifo(daemon.log)
        reader = os.open(daemon.log, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.addCleanup(daemon.stop)
        daemon.start()
        with open(daemon.log, "wb", buffering=0, opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as writer:
            for size in (4096, 1):
                while writer.write(b"x" * size):
                    pass
        # What the harness reads from now on.
        daemon.log.unlink()
        daemon.log.touch()
        daemon.call("Random", length=1)
        with daemon.client(timeout=20) as client:
            self.fails("PermissionDenied", client.call, "Generate", token="hsm", nickname="k", type="ec")
        worker = daemon.worker()
        worker.kill()
        until(worker.gone, "it is gone")
        with daemon.client(timeout=20) as client:
            client.call("Random", length=1)
        log = b""

        def told():
            nonlocal log
            with daemon.client(timeout=20) as client:
                self.fails("PermissionDenied", client.call, "Generate", token="hsm", nickname="k", type="ec")
            try:
                log += os.read(reader, 1 << 20)
            except BlockingIOError:
                pass
            return b"log lines lost: " in log
        until(told, "the log says what is missing", 20)


class Clutter(Case):
    def test_children_only(self):
        """the processes are called tokend, tokend-broker and tokend-worker, the last two children of the first"""
        token = SoftToken(self.place, "hsm")
        daemon = self.own(token.section())
        self.assertEqual(Process(daemon.pid).name, "tokend")
        self.assertEqual(sorted(c.name for c in daemon.children()), ["tokend-broker", "tokend-worker"])
        for child in daemon.children():
            self.assertEqual(children(child.pid), [])

# SPDX-License-Identifier: MPL-2.0
"""What one user can cost another: memory, time, records, questions to the supervisor. Each user has an account."""
import contextlib
import json
import os
import random
import select
import signal
import socket
import time
import unittest

import varlink
from harness import PLAIN, Case, SoftToken, children, stand_still, until
from varlink import Client

ALICE, EVE, STRANGER = 6001, 6002, 6003
SIGN = {"key": "hsm:key", "algorithm": "ecdsa_sha256", "digest": "A" * 43 + "="}
INSTANCES = f"""
[Instance alice]
User={ALICE}
Keys=*
Allow=list sign

[Instance eve]
User={EVE}
Keys=*
Allow=list sign
"""


def message(method, parameters):
    return json.dumps({"method": f"io.tokend.Keys.{method}", "parameters": parameters}).encode() + b"\0"


class Flood:
    """Sends one message again and again on many connections, and reads what comes or does not."""

    def __init__(self, path, uid, n, text, reads=True):
        self.text, self.reads = text, reads
        self.socks = [varlink.connect_as(path, uid, uid, ()) for _ in range(n)]
        for sock in self.socks:
            sock.setblocking(False)

    def step(self):
        """One round; how many connections are left."""
        for sock in list(self.socks):
            try:
                with contextlib.suppress(BlockingIOError):
                    sock.send(self.text)
                if self.reads:
                    with contextlib.suppress(BlockingIOError):
                        if not sock.recv(1 << 16):
                            raise ConnectionResetError
            except OSError:
                sock.close()
                self.socks.remove(sock)
        return len(self.socks)

    def close(self):
        for sock in self.socks:
            sock.close()


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Accounts(Case):
    @classmethod
    def configure(cls):
        cls.hsm = SoftToken(cls.place, "hsm")
        cls.hsm.make_key("key", "01")
        cls.daemon = cls.start("MaxMemory=16M\nAudit=none\n" + cls.hsm.section(), instances=INSTANCES)

    def as_user(self, uid):
        return Client(sock=varlink.connect_as(self.daemon.socket, uid, uid, ()))

    def account(self, uid):
        return next((a for a in self.daemon.status()["accounts"] if a["uid"] == uid), {"bytes": 0, "connections": 0})

    def broker(self):
        return next(p for p in children(self.daemon.pid) if p.name == "tokend-broker")

    def test_account(self):
        """the status shows what each user takes, and what is given back"""
        with self.as_user(ALICE) as alice:
            alice.call("Sign", **SIGN)
            self.assertEqual(self.account(ALICE)["connections"], 1)
            self.assertGreater(self.account(ALICE)["bytes"], 0)
        until(lambda: self.account(ALICE)["bytes"] == 0, "all is given back")

    def test_slow_reader(self):
        """a user who sends and does not read has no more than his share, and what he took is given back"""
        # AddressSanitizer keeps what is freed, up to 256 MiB of it.
        self.daemon = self.own("MaxMemory=16M\nAudit=none\n" + self.hsm.section(), instances=INSTANCES, build=PLAIN)
        before = self.broker().private_dirty()
        flood = Flood(self.daemon.socket, EVE, 200, message("List", {}) * 40, reads=False)
        for _ in range(60):
            flood.step()
        with self.as_user(ALICE) as alice:
            self.assertIn("signature", alice.call("Sign", **SIGN))
        taken = sum(a["bytes"] for a in self.daemon.status()["accounts"])
        self.assertLessEqual(taken, 16 << 20)
        self.assertLess(self.broker().private_dirty() - before, 32 << 10)
        flood.close()
        until(lambda: self.account(EVE)["bytes"] == 0, "all is given back")

    def test_long_messages(self):
        """messages that never end, on many connections: the user's other connections are closed, another user's are not"""
        flood = Flood(self.daemon.socket, EVE, 300, b'{"method":"' + b"a" * 60000, reads=False)
        for _ in range(5):
            flood.step()
        self.assertLessEqual(sum(a["bytes"] for a in self.daemon.status()["accounts"]), 16 << 20)
        with self.as_user(ALICE) as alice:
            self.assertIn("signature", alice.call("Sign", **SIGN))
        flood.close()
        until(lambda: self.account(EVE)["bytes"] == 0, "all is given back")

    def test_stranger_stuffs(self):
        """LIMIT_STRANGER_CONTAINERS, LIMIT_STRANGER_MESSAGE: a stranger's stuffed message is refused before anything is built"""
        for text in (message("Sign", {"x": [{} for _ in range(20)]}), message("Sign", {"key": "k" * 5000})):
            with contextlib.closing(varlink.connect_as(self.daemon.socket, STRANGER, STRANGER, ())) as sock:
                sock.sendall(text)
                reply = b""
                while chunk := sock.recv(65536):
                    reply += chunk
                self.assertIn(b"InvalidParameter", reply)
        with self.as_user(STRANGER) as client:
            self.fails("PermissionDenied", client.call, "Sign", **SIGN)
            self.assertIn("interfaces", client.call("org.varlink.service.GetInfo"))

    def test_stuffed(self):
        """LIMIT_REQUEST_CONTAINERS: a stuffed request is refused before it costs milliseconds, and its connection goes on"""
        with self.as_user(ALICE) as alice:
            for stuff in ([{} for _ in range(600)], [1] * 5000):
                alice.send_raw(message("Sign", {**SIGN, "x": stuff}))
                self.assertEqual(self.fails("InvalidParameter", alice.result)["parameter"], "message")
            self.assertIn("signature", alice.call("Sign", **SIGN))

    def test_shown(self):
        """the status shows denials and the time that was spent on a user's requests"""
        with self.as_user(ALICE) as alice:
            for _ in range(20):
                self.fails("PermissionDenied", alice.call, "Delete", key="hsm:key")
            account = self.account(ALICE)
        self.assertEqual((account["denied"], account["questions"], account["unrecorded"]), (20, 0, 0))
        self.assertGreater(account["busyUSec"], 0)

    def test_strangers_wait(self):
        """64 strangers at full rate: each of another user's signatures is answered, and strangers are as well"""
        flood = Flood(self.daemon.socket, STRANGER, 60, message("Sign", SIGN) * 8)
        with self.as_user(ALICE) as alice:
            for _ in range(50):
                flood.step()
                self.assertIn("signature", alice.call("Sign", **SIGN))
        end = time.monotonic() + 20
        while not any(select.select(flood.socks, [], [], 0.1)[0]) and time.monotonic() < end:
            pass
        self.assertTrue(select.select(flood.socks, [], [], 0)[0], "a stranger is answered in the end")
        flood.close()


class Mix:
    """A generated mix of what clients may send, of many connections of several users."""

    def __init__(self, path, seed):
        self.path, self.random, self.socks = path, random.Random(seed), []

    def number(self, most):
        return int(most ** self.random.random())

    def text(self):
        pick = self.random.choice
        name, parameters = pick([("Sign", SIGN), ("Get", {"key": "hsm:key"}), ("List", {}), ("Random", {"length": 4096}),
                                 ("Sign", {"key": "hsm:key", "message": "A" * 4 * self.number(20000)}), ("Tokens", {}), ("No", {}),
                                 ("Delete", {"key": "hsm:key"}), ("Get", {"key": "k" * self.number(60000)})])
        value = {"method": f"io.tokend.Keys.{name}", "parameters": parameters}
        for flag in ("oneway", "more"):
            if self.random.random() < 0.1:
                value[flag] = True
        if self.random.random() < 0.2:
            value["x"] = pick([[{}] * self.number(5000), [1] * self.number(40000), "x" * self.number(100000), [[[[[[]]]]]]])
        data = json.dumps(value).encode() + b"\0"
        if self.random.random() < 0.1:
            data = data[:self.random.randrange(len(data))] + bytes(self.random.randrange(256) for _ in range(3))
        return data * self.number(100)

    def step(self):
        action = self.random.random()
        if action < 0.25 and len(self.socks) < 400 or not self.socks:
            uid = self.random.choice((ALICE, EVE, STRANGER))
            for sock in (varlink.connect_as(self.path, uid, uid, ()) for _ in range(self.number(8))):
                sock.setblocking(False)
                self.socks.append(sock)
            return
        sock = self.random.choice(self.socks)
        with contextlib.suppress(OSError):
            if action < 0.8:
                sock.send(self.text())
            elif action < 0.9:
                sock.recv(self.number(1 << 16))
            elif action < 0.95:
                sock.shutdown(socket.SHUT_WR)
            else:
                self.socks.remove(sock)
                sock.close()

    def close(self):
        for sock in self.socks:
            sock.close()


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Memory(Case):
    def test_mix(self):
        """MaxMemory= bounds the broker whatever clients send: a generated mix of everything; then memory goes back to the system"""
        hsm = SoftToken(self.place, "hsm")
        hsm.make_key("key", "01")
        seed = int(os.environ.get("MIX_SEED") or random.SystemRandom().randrange(1 << 32))
        # AddressSanitizer keeps what is freed, up to 256 MiB of it.
        daemon = self.own("MaxMemory=16M\nAudit=none\n" + hsm.section(), instances=INSTANCES, build=PLAIN)
        broker = daemon.broker()
        before = broker.private_dirty()
        mix = Mix(daemon.socket, seed)
        self.addCleanup(mix.close)
        with self.subTest(f"again with MIX_SEED={seed}"):
            for n in range(700):
                mix.step()
                if n % 50 == 0:
                    accounts = daemon.status()["accounts"]
                    self.assertLessEqual(sum(a["bytes"] for a in accounts), 16 << 20, accounts)
                    self.assertLess(broker.private_dirty() - before, 16 << 10, accounts)
            self.assertEqual(daemon.broker().pid, broker.pid)
            mix.close()
            until(lambda: all(a["uid"] == 0 or not a["bytes"] for a in daemon.status()["accounts"]), "all is given back")
            until(lambda: broker.private_dirty() - before < 2 << 10, "the system has it again")
            with Client(sock=varlink.connect_as(daemon.socket, ALICE, ALICE, ())) as alice:
                self.assertIn("signature", alice.call("Sign", **SIGN))


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Denials(Case):
    @classmethod
    def configure(cls):
        cls.hsm = SoftToken(cls.place, "hsm")
        cls.hsm.make_key("key", "01")
        cls.log = cls.place.path / "audit"
        cls.daemon = cls.start(f"Audit=file:{cls.log}\nAuditRequired=yes\n" + cls.hsm.section(), instances=INSTANCES)

    def records(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def test_counted(self):
        """LIMIT_DENIALS: of a stranger's denials ten are recorded in full, and then their number"""
        with Client(sock=varlink.connect_as(self.daemon.socket, STRANGER, STRANGER, ())) as client:
            for _ in range(200):
                self.fails("PermissionDenied", client.call, "Sign", **SIGN)
        until(lambda: any(r["kind"] == "denied" and r.get("count") for r in self.records()), "their number is recorded", 30)
        denied = [r for r in self.records() if r["kind"] == "denied" and r["uid"] == STRANGER]
        self.assertEqual(len(denied), 11)
        self.assertEqual(denied[-1]["count"], 190)

    def test_refused(self):
        """LIMIT_DENIALS: so it is with every call that ends before anything was begun, whatever its error"""
        vain = {"KeyNotFound": ("Sign", {**SIGN, "key": "hsm:no"}), "TokenNotFound": ("List", {"token": "no"}),
                "CertificateNotFound": ("io.tokend.Certificates.Get", {"certificate": "hsm:no"})}
        with Client(sock=varlink.connect_as(self.daemon.socket, ALICE, ALICE, ())) as client:
            before = self.log.stat().st_size
            for name, (method, parameters) in vain.items():
                for _ in range(200):
                    self.fails(name, client.call, method, **parameters)
        counted = lambda: [r for r in self.records() if r["kind"] == "denied" and r.get("uid") == ALICE and r.get("count")]
        until(counted, "their number is recorded", 30)
        self.assertLessEqual(len([r for r in self.records() if r.get("uid") == ALICE and not r.get("count")]), 10)
        self.assertLess(self.log.stat().st_size - before, 20000)


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Units(Case):
    @classmethod
    def configure(cls):
        cls.hsm = SoftToken(cls.place, "hsm")
        cls.hsm.make_key("key", "01")
        cls.daemon = cls.start("Audit=none\n" + cls.hsm.section(),
                               instances=f"[Instance unit]\nUser={EVE}\nUnit=no.service\nKeys=*\nAllow=list\n" + INSTANCES)

    def test_waits(self):
        """a caller whose unit the supervisor does not tell yet waits, and is then served"""
        stand_still(self.daemon.pid)
        try:
            with Client(sock=varlink.connect_as(self.daemon.socket, EVE, EVE, ())) as eve:
                eve.send("Sign", SIGN)
                # alice's instance has no Unit=: nobody is asked about her.
                with Client(sock=varlink.connect_as(self.daemon.socket, ALICE, ALICE, ())) as alice:
                    self.assertIn("signature", alice.call("Sign", **SIGN))
                self.assertFalse(select.select([eve.sock], [], [], 0)[0])
                os.kill(self.daemon.pid, signal.SIGCONT)
                self.assertIn("signature", eve.result())
        finally:
            os.kill(self.daemon.pid, signal.SIGCONT)

    def test_many_wait(self):
        """LIMIT_QUESTIONS: of a user's connections more than eight wait for the supervisor, and all are served in the end"""
        with contextlib.ExitStack() as stack:
            stand_still(self.daemon.pid)
            try:
                clients = [stack.enter_context(Client(sock=varlink.connect_as(self.daemon.socket, EVE, EVE, ())))
                           for _ in range(20)]
                for client in clients:
                    client.send("Sign", SIGN)
            finally:
                os.kill(self.daemon.pid, signal.SIGCONT)
            for client in clients:
                self.assertIn("signature", client.result())


if __name__ == "__main__":
    unittest.main()

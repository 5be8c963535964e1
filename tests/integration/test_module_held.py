# SPDX-License-Identifier: MPL-2.0
"""The PKCS #11 module while one of its requests is not answered, and what it asks of the daemon at all."""
import os
import subprocess

from harness import BUILD, DEADLINE, Case, kill_family, until
from relay import Relay
from test_faults import FaultyToken


class Held(Case):
    """Each test has a daemon of its own."""

    def setUp(self):
        number = len(os.listdir(self.place.path))
        self.token = FaultyToken(self.place, f"t{number}", keys=())
        self.daemon = self.own(self.token.section("hsm", refresh="1h"), instances=f"[Instance all]\nUser={os.getuid()}\nKeys=*\n"
                               "Allow=list sign verify generate delete\n")
        self.daemon.call("Generate", token="hsm", nickname="ec", type="ec")
        self.daemon.call("Generate", token="hsm", nickname="rsa", type="rsa", size=2048)
        self.relay = Relay(self.place.path / f"relay{number}", self.daemon.socket)
        self.addCleanup(self.relay.close)

    def begin(self, what):
        environment = dict(os.environ, TOKEND_SOCKET=str(self.relay.path), ASAN_OPTIONS="detect_leaks=0")
        self.process = subprocess.Popen([BUILD / "tests/held", BUILD / "libtokend-pkcs11.so", "hsm", what], text=True, env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.addCleanup(self.process.stdout.close)
        self.addCleanup(self.process.wait)
        self.addCleanup(kill_family, self.process)

    def ready(self):
        line = self.process.stdout.readline()
        self.assertEqual(line, "ready\n", line + (self.process.stdout.read() if line != "ready\n" else ""))

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def right(self):
        output, _ = self.process.communicate(timeout=DEADLINE)
        self.assertEqual((output, self.process.returncode), ("right\n", 0))

    def hold(self, what, method):
        """One request of the program is held, and it goes on."""
        self.relay.hold(method)
        self.begin(what)
        self.ready()
        self.relay.wait_held()
        self.go_on()

    def release(self):
        self.ready()
        self.relay.release()
        self.go_on()
        self.right()

    def test_signature(self):
        """while one signature is not answered, every other call, and a child, goes on: no lock is held across a request"""
        self.hold("signature", "Sign")
        self.release()

    def test_finalize(self):
        """C_Finalize and C_Initialize while another thread waits for a signature, which it gets"""
        self.hold("finalize", "Sign")
        self.release()

    def test_search(self):
        """a listing that comes late does not hide the key that was made after it was asked for"""
        self.begin_search("search")
        self.release()

    def begin_search(self, what):
        self.begin(what)
        self.ready()
        self.relay.hold("List")
        self.go_on()
        self.ready()
        self.relay.wait_held()
        self.go_on()

    def test_fork(self):
        """the child of a fork that happened while a thread asked for the objects sees what is deleted"""
        self.begin_search("fork")
        self.ready()
        self.daemon.call("Delete", key="hsm:rsa")
        self.relay.release()
        self.go_on()
        self.right()

    def take_device(self):
        self.token.set("C_OpenSession ckr=0x30")
        self.daemon.worker().kill()
        self.daemon.wait_state("hsm", "recovering")

    def forget_objects(self):
        """Another broker, which has not heard of the token's objects."""
        self.daemon.broker().kill()
        until(lambda: self.token_state() == "recovering", "another broker knows of it")

    def test_recovering(self):
        """a token that is recovering shows each object once"""
        self.begin("recovering")
        self.ready()
        self.take_device()
        self.go_on()
        self.ready()
        self.forget_objects()
        self.go_on()
        self.right()
        self.token.set()

    def test_awaited(self):
        """a program that starts while nobody knows a token's objects waits for them, and finds its key"""
        self.take_device()
        self.forget_objects()
        self.begin("awaited")
        self.ready()
        self.go_on()
        until(lambda: ("List", "hsm") in [(method, given.get("token")) for method, given in self.relay.requests], "it waits for the token")
        self.token.set()
        self.right()

    def token_state(self):
        try:
            return self.daemon.token("hsm")["state"]
        except (OSError, StopIteration):
            return None

    def test_counted(self):
        """ten signatures, in parts and at once, each in a session of its own with questions for sizes, are ten messages"""
        self.begin("counted")
        self.ready()
        self.relay.requests.clear()
        self.go_on()
        self.right()
        self.assertEqual([method for method, _ in self.relay.requests], ["Sign"] * 10)

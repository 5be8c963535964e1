# SPDX-License-Identifier: MPL-2.0
"""What requests that wait cost the broker: a message that is short on the wire and large in memory is not kept."""
import json
import os
import signal
import threading

from harness import PLAIN, Case, Process, SoftToken, until
from varlink import b64

SIGN = {"key": "hsm:k", "algorithm": "ecdsa_sha256"}
N_CONNECTIONS, N_REQUESTS = 4, 20
# An empty object or array is 2 bytes on the wire and up to 1 KiB in memory.
N_CONTAINERS = 4000


class Unfolded(Case):
    """On the plain build: a sanitizer keeps what is freed."""

    def setUp(self):
        token = SoftToken(self.place, f"h{len(os.listdir(self.place.path))}")
        token.make_key("k", "01")
        self.daemon = self.own(token.section("hsm"), build=PLAIN)
        self.broker = Process(self.daemon.broker().pid)
        self.worker = self.daemon.worker()

    def requests(self):
        return sum(i["requests"] for i in self.daemon.status()["instances"])

    def waiting(self, request):
        """KiB that a connection with that many of these requests takes, which wait behind a signature."""
        clients = [self.daemon.client() for _ in range(N_CONNECTIONS)]
        for client in clients:
            self.addCleanup(client.close)
        before, taken = self.broker.private_dirty(), self.requests()
        self.worker.stop()
        for client in clients:
            client.send("Sign", {**SIGN, "message": b64(b"m")})
            client.send_raw(request * N_REQUESTS)
        until(lambda: self.requests() == taken + N_CONNECTIONS * (N_REQUESTS + 1), "they are all taken")
        grown = self.broker.private_dirty() - before
        self.worker.kill(signal.SIGCONT)
        for client in clients:
            self.assertIn("signature", client.result())
            for _ in range(N_REQUESTS):
                client.receive()
        return grown / N_CONNECTIONS

    def test_containers(self):
        """requests that wait are small, however many empty objects and arrays are in their messages, and wherever those are"""
        for name, container in (("objects", "{}"), ("arrays", "[]")):
            many = "[" + ",".join([container] * N_CONTAINERS) + "]"
            get = '"method":"io.tokend.Keys.Get"'
            messages = {"a member that varlink lacks": f'{{{get},"parameters":{{"key":"hsm:k"}},"x":{many}}}',
                        "a parameter that the method lacks": f'{{{get},"parameters":{{"key":"hsm:k","x":{many}}}}}',
                        "a parameter of another type": f'{{{get},"parameters":{{"key":{many}}}}}',
                        "a method that is unknown": f'{{"method":"io.tokend.Keys.Take","parameters":{{"x":{many}}}}}'}
            for place, message in messages.items():
                with self.subTest(place=place, container=name):
                    self.assertLess(self.waiting(message.encode() + b"\0"), 2048, "KiB for one connection")

    def test_long_messages(self):
        """LIMIT_REQUESTS_BYTES: of long requests that were sent ahead some are taken, the others when those are answered"""
        request = json.dumps({"method": "io.tokend.Keys.Sign",
                              "parameters": {**SIGN, "message": b64(b"m" * 90000)}}).encode() + b"\0"
        taken, n = self.requests(), 8
        with self.daemon.client() as client:
            sender = threading.Thread(target=client.send_raw, args=(request * n,))
            self.worker.stop()
            sender.start()
            until(lambda: self.requests() == taken + 3, "three are taken")
            # Another client is served meanwhile, and they stay three.
            for _ in range(50):
                self.daemon.call("Get", key="hsm:k")
            self.assertEqual(self.requests(), taken + 3 + 50)
            self.worker.kill(signal.SIGCONT)
            for _ in range(n):
                self.assertIn("signature", client.result())
            sender.join()

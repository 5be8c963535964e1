# SPDX-License-Identifier: MPL-2.0
"""The wire: varlink itself, and everything a client can send that it should not. Rows of "bad input"."""
import array
import json
import os
import socket
import time

import varlink
from harness import OneToken, Process, ROOT, until
from varlink import Client, b64


def padded(message, length):
    """The JSON of message, of this length in bytes: blanks are allowed in it."""
    text = json.dumps(message).encode()
    return text[:-1] + b" " * (length - len(text)) + b"}"


class Service(OneToken):
    def both(self):
        for path in (self.daemon.socket, self.daemon.status_socket):
            client = Client(path)
            self.addCleanup(client.close)
            yield client

    def own_interface(self, client):
        return "io.tokend.Keys" if client.path == self.daemon.socket else "io.tokend.Status"

    def test_info(self):
        """GetInfo on both sockets: vendor, product, version, url and the interfaces"""
        for client in self.both():
            info = client.call("org.varlink.service.GetInfo")
            self.assertEqual(set(info), {"vendor", "product", "version", "url", "interfaces"})
            own = self.own_interface(client)
            for interface in ("org.varlink.service", own):
                self.assertIn(interface, info["interfaces"])

    def test_descriptions(self):
        """GetInterfaceDescription gives the files of proto/, word for word"""
        for client in self.both():
            for name in client.call("org.varlink.service.GetInfo")["interfaces"]:
                text = client.call("org.varlink.service.GetInterfaceDescription", interface=name)["description"]
                self.assertEqual(text, (ROOT / f"proto/{name}.varlink").read_text())

    def test_unknown_interface(self):
        """InterfaceNotFound: for a description, and for a method"""
        for client in self.both():
            self.assertEqual(self.fails("InterfaceNotFound", client.call, "org.varlink.service.GetInterfaceDescription",
                                        interface="no.such"), {"interface": "no.such"})
            self.assertEqual(self.fails("InterfaceNotFound", client.call, "no.such.Method"), {"interface": "no.such"})

    def test_unknown_method(self):
        """MethodNotFound"""
        for client in self.both():
            method = self.own_interface(client) + ".Fly"
            self.assertEqual(self.fails("MethodNotFound", client.call, method), {"method": method})

    def test_invalid_parameter(self):
        """InvalidParameter: missing, of the wrong type, unknown"""
        with self.daemon.client() as client:
            for parameter, method, parameters in (
                    ("key", "Get", {}), ("key", "Get", {"key": 1}), ("key", "Get", {"key": None}), ("key", "Get", {"key": ["a"]}),
                    ("colour", "Get", {"key": "hsm:x", "colour": "red"}), ("length", "Random", {"length": 1.5}),
                    ("length", "Random", {"length": "1"}), ("length", "Random", {"length": True}),
                    ("length", "Random", {"length": 10 ** 30}),
                    ("algorithm", "Sign", {"key": "hsm:x", "algorithm": "md5", "digest": b64(bytes(32))}),
                    ("digest", "Sign", {"key": "hsm:x", "algorithm": "ecdsa_sha256", "digest": "%%%%"}),
                    ("digest", "Sign", {"key": "hsm:x", "algorithm": "ecdsa_sha256", "digest": b64(bytes(32))[:-1]}),
                    ("interface", "org.varlink.service.GetInterfaceDescription", {})):
                with self.subTest(f"{method} {parameters}"):
                    self.assertEqual(self.fails("InvalidParameter", client.call, method, **parameters), {"parameter": parameter})

    def test_error_interface(self):
        """an error bears the name of the interface that declares it"""
        for method, parameters, full in (("Get", {"key": "hsm:x"}, "io.tokend.Keys.KeyNotFound"),
                                         ("Get", {}, "org.varlink.service.InvalidParameter")):
            with self.assertRaises(varlink.Error) as caught:
                self.call(method, **parameters)
            self.assertEqual(caught.exception.full, full)

    def test_parameters_left_out(self):
        """a request without parameters, with null and with an empty object are the same"""
        with self.daemon.client() as client:
            for text in (b'', b',"parameters":{}', b',"parameters":null'):
                client.send_raw(b'{"method":"org.varlink.service.GetInfo"' + text + b'}\0')
                self.assertIn("interfaces", client.result())

    def test_oneway(self):
        """a oneway call gets no reply, not even an error"""
        with self.daemon.client() as client:
            client.send("Get", {"key": "hsm:nothing"}, oneway=True)
            client.send("Random", {"length": 3}, oneway=True)
            client.send("Random", {"length": 1})
            self.assertEqual(len(varlink.unb64(client.result()["bytes"])), 1)

    def test_pipelining_in_order(self):
        """replies leave in the order of the requests, slow and quick ones mixed"""
        self.key("order")
        with self.daemon.client() as client:
            wanted = []
            for turn in range(60):
                if turn % 3 == 0:
                    client.send("Sign", {"key": "hsm:order", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
                    wanted.append("signature")
                elif turn % 3 == 1:
                    client.send("Get", {"key": "hsm:order"})
                    wanted.append("key")
                else:
                    client.send("Random", {"length": 8})
                    wanted.append("bytes")
            self.assertEqual([next(iter(client.result())) for _ in wanted], wanted)

    def test_expected_more(self):
        """ExpectedMore: a List whose reply would pass the message limit wants more, and then comes in pieces (LIMIT_MESSAGE, LIMIT_CHANNEL_MESSAGE)"""
        # An internal token: it is asked for no look at each key.
        daemon = self.own(f"[Token internal]\nModule=internal\nDirectory={self.place.path}/many\n")
        with daemon.client() as client:
            for number in range(280):
                client.send("Generate", {"token": "internal", "nickname": f"{number:03}".ljust(128, "x"), "type": "ec"})
                if number % 40 == 39:
                    for _ in range(40):
                        client.result()
        self.fails("ExpectedMore", daemon.call, "List", token="internal")
        with daemon.client() as client:
            replies = list(client.more("List", token="internal"))
        self.assertGreater(len(replies), 1)
        self.assertTrue(all(len(json.dumps(r)) <= 140_000 for r in replies))
        self.assertEqual(len({k["id"] for r in replies for k in r["keys"]}), 280)


class BadInput(OneToken):
    """Nothing a client sends ends the daemon, blocks another, or costs unbounded memory."""

    @classmethod
    def configure(cls):
        super().configure()
        cls.daemon.call("Generate", token="hsm", nickname="k", type="ec")
        cls.broker = cls.daemon.broker().pid

    def tearDown(self):
        """After each: the same broker, and others are served."""
        self.assertEqual(len(self.sign()), 1)
        self.assertEqual(self.daemon.broker().pid, self.broker)

    def sign(self):
        return self.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))

    def is_closed(self, data):
        """The daemon closes after data; at most an error reply comes before."""
        with self.daemon.client(10) as client:
            try:
                client.send_raw(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            for reply in client.closed():
                self.assertIn("error", reply)

    def test_not_json(self):
        """bytes that are not JSON close the connection"""
        for data in (b"\xfe\xed\xfa\xce\0", b"hello\0", b"{\0", b"{'method':'x'}\0", b'{"method":"x"}}\0', b'{"method":NaN}\0',
                     b'{"a":1,}\0', b'{"method":"io.tokend.Keys.List"} trailing\0', b'{"method":"io.tokend.Keys.List"}{}\0',
                     b'{"method":"a\nb"}\0', b"/* x */{}\0"):
            with self.subTest(data):
                self.is_closed(data)

    def test_not_an_object(self):
        """JSON that is not an object closes the connection"""
        for data in (b"[]\0", b"1\0", b'"x"\0', b"null\0", b"true\0"):
            with self.subTest(data):
                self.is_closed(data)

    def test_no_method(self):
        """an object that is no request is refused or closed, and never answered with success"""
        for data in (b"{}\0", b'{"method":1}\0', b'{"parameters":{}}\0', b'{"method":"x","parameters":[]}\0',
                     b'{"method":"io.tokend.Keys.List","more":1}\0', b'{"method":""}\0', b'{"method":"nodot"}\0'):
            with self.subTest(data), self.daemon.client(10) as client:
                client.send_raw(data)
                client.sock.shutdown(socket.SHUT_WR)
                for reply in client.closed():
                    self.assertIn("error", reply)

    def test_message_limit(self):
        """LIMIT_MESSAGE: a message of 128 KiB is answered, one byte more closes the connection"""
        message = {"method": "io.tokend.Keys.Random", "parameters": {"length": 1}}
        with self.daemon.client() as client:
            client.send_raw(padded(message, 128 * 1024) + b"\0")
            self.assertIn("bytes", client.result())
        self.is_closed(padded(message, 128 * 1024 + 1) + b"\0")
        self.is_closed(b"x" * (128 * 1024 + 1))

    def test_large_message_is_signed(self):
        """a message to sign that nearly fills the limit goes through to the token"""
        message = b64(b"z" * 97_000)
        signature = self.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=message)["signature"]
        self.assertTrue(self.call("Verify", key="hsm:k", algorithm="ecdsa_sha256", message=message, signature=signature)["valid"])

    def test_depth(self):
        """LIMIT_JSON_DEPTH: sixteen levels are read, seventeen close the connection"""
        def nested(depth):
            inner = depth - 2
            return b'{"method":"io.tokend.Keys.Get","parameters":{"key":' + b"[" * inner + b"]" * inner + b"}}\0"
        with self.daemon.client() as client:
            client.send_raw(nested(16))
            self.fails("InvalidParameter", client.result)
        self.is_closed(nested(17))
        self.is_closed(nested(60000))

    def test_nul_flood(self):
        """a flood of NULs closes the connection"""
        self.is_closed(b"\0" * 100_000)

    def test_not_utf8(self):
        """bytes that are not UTF-8 close the connection"""
        for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3"):
            with self.subTest(bad):
                self.is_closed(b'{"method":"io.tokend.Keys.Get","parameters":{"key":"' + bad + b'"}}\0')

    def test_nul_in_string(self):
        """a string with U+0000 in it is refused, by the name of what it stands in"""
        with self.daemon.client() as client:
            client.send_raw(b'{"method":"io.tokend.Keys.Get","parameters":{"key":"hsm:k\\u0000x"}}\0')
            self.assertEqual(client.receive(), {"error": "org.varlink.service.InvalidParameter",
                                                "parameters": {"parameter": "key", "reason": "a string must not contain U+0000"}})

    def test_duplicate_keys(self):
        """a parameter given twice is not taken silently for the last"""
        with self.daemon.client(10) as client:
            client.send_raw(b'{"method":"io.tokend.Keys.Get","parameters":{"key":"hsm:nope","key":"hsm:k"}}\0')
            client.sock.shutdown(socket.SHUT_WR)
            for reply in client.closed():
                self.assertIn("error", reply)

    def test_cut_anywhere(self):
        """a message cut anywhere, the rest never coming or coming later, harms nobody"""
        whole = json.dumps({"method": "io.tokend.Keys.Random", "parameters": {"length": 4}}).encode() + b"\0"
        for cut in range(len(whole)):
            with self.daemon.client() as client:
                client.send_raw(whole[:cut])
                client.sock.shutdown(socket.SHUT_WR)
                self.assertEqual(client.closed(), [])
        with self.daemon.client() as client:
            for byte in whole:
                client.send_raw(bytes([byte]))
            self.assertIn("bytes", client.result())

    def test_half_closed(self):
        """a client that closes its sending side still gets its replies"""
        with self.daemon.client() as client:
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            client.sock.shutdown(socket.SHUT_WR)
            self.assertIn("signature", client.result())
            self.assertEqual(client.closed(), [])

    def test_gone_in_mid_sign(self):
        """clients that go away in mid-sign leave nothing behind"""
        for _ in range(50):
            with self.daemon.client() as client:
                for _ in range(8):
                    client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
        until(lambda: self.daemon.token("hsm")["inFlight"] == 0 and self.daemon.token("hsm")["queued"] == 0, "all is settled", 20)

    def test_never_reads(self):
        """a client that never reads its replies is bounded, and blocks nobody"""
        with self.daemon.client() as client:
            client.sock.setblocking(False)
            request = json.dumps({"method": "io.tokend.Keys.Random", "parameters": {"length": 4096}}).encode() + b"\0"
            sent, idle_since = 0, time.monotonic()
            # Until nothing was taken for a while: the daemon has stopped reading.
            while time.monotonic() - idle_since < 1:
                try:
                    sent += client.sock.send(request * 50)
                    idle_since = time.monotonic()
                except BlockingIOError:
                    self.sign()
                self.assertLess(sent, 20_000_000, "the daemon reads without end")
            memory = int(Process(self.broker).status("VmRSS").split()[0])
            self.assertLess(memory, 200_000)

    def test_requests_per_connection(self):
        """LIMIT_REQUESTS_PER_CONNECTION: two hundred requests sent ahead are all answered, no more than 64 at a time"""
        with self.daemon.client() as client:
            for _ in range(200):
                client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            most = 0
            for number in range(200):
                if number % 10 == 0:
                    token = self.daemon.token("hsm")
                    most = max(most, token["queued"] + token["inFlight"])
                self.assertIn("signature", client.result())
        self.assertLessEqual(most, 64)

    def test_thousand_connections(self):
        """a thousand connections that say nothing leave the others served"""
        clients = [self.daemon.client() for _ in range(1000)]
        try:
            self.sign()
            self.assertEqual(self.daemon.token("hsm")["state"], "ready")
        finally:
            for client in clients:
                client.close()

    def test_descriptor_passed(self):
        """a descriptor passed along is closed, and the request answered or the connection closed"""
        read, write = os.pipe()
        with self.daemon.client(10) as client:
            text = b'{"method":"io.tokend.Keys.Random","parameters":{"length":1}}\0'
            client.sock.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [write] * 20))])
            os.close(write)
            try:
                self.assertIn("bytes", client.result())
            except varlink.Closed:
                pass
            os.set_blocking(read, True)
            self.sign()
            # Every copy is closed: the pipe is at its end.
            os.set_blocking(read, False)
            until(lambda: self.at_end(read), "the daemon holds no copy", 5)
        os.close(read)

    @staticmethod
    def at_end(fd):
        try:
            return os.read(fd, 1) == b""
        except BlockingIOError:
            return False

    def test_nickname_limit(self):
        """LIMIT_NICKNAME: 128 bytes of UTF-8 are a nickname, 129 are not"""
        long = "é" * 64
        self.assertEqual(self.key(long)["nickname"], long)
        self.assertEqual(self.fails("InvalidParameter", self.key, long + "x"), {"parameter": "nickname"})

    def test_string_limits(self):
        """LIMIT_NAME, LIMIT_SUBJECT, LIMIT_WORD: a string of so many bytes is looked at, one byte more is refused"""
        request = "io.tokend.Certificates.Request"
        for method, parameters, name, limit, error in (
                ("Get", {}, "key", 4096, "KeyNotFound"),
                (request, {"key": "hsm:nothing"}, "subject", 4096, "KeyNotFound"),
                ("List", {}, "token", 256, "TokenNotFound")):
            with self.subTest(method, parameter=name):
                self.fails(error, self.call, method, **parameters, **{name: "x" * limit})
                self.assertEqual(self.fails("InvalidParameter", self.call, method, **parameters, **{name: "x" * (limit + 1)}),
                                 {"parameter": name})

    def test_random_limit(self):
        """LIMIT_RANDOM: 1 to 4096 bytes"""
        self.assertEqual(len(varlink.unb64(self.call("Random", length=4096)["bytes"])), 4096)
        for length in (0, -1, 4097):
            self.assertEqual(self.fails("InvalidParameter", self.call, "Random", length=length), {"parameter": "length"})

    def test_timeout_limit(self):
        """LIMIT_TIMEOUT_MS: 600 000 is the most, and nothing below 1"""
        sign = lambda timeout: self.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"), timeoutMs=timeout)
        sign(600_000)
        for timeout in (600_001, -1, 0):
            self.assertEqual(self.fails("InvalidParameter", sign, timeout), {"parameter": "timeoutMs"})

    def test_rsa_limits(self):
        """LIMIT_RSA_BITS_MIN, LIMIT_RSA_BITS_MAX: 2048 is made, what lies outside is refused at once"""
        self.assertEqual(self.key("rsa-min", "rsa", size=2048)["size"], 2048)
        for size in (2047, 8193, 16384):
            self.assertEqual(self.fails("InvalidParameter", self.key, "rsa-out", "rsa", size=size), {"parameter": "size"})

    def test_rsa_8192(self):
        """LIMIT_RSA_BITS_MAX: RSA-8192 is made, and a Sign of others goes on meanwhile"""
        with self.daemon.client(180) as client:
            client.send("Generate", {"token": "hsm", "nickname": "rsa-max", "type": "rsa", "size": 8192, "timeoutMs": 170_000})
            self.sign()
            self.assertEqual(client.result()["key"]["size"], 8192)
        self.call("Sign", key="hsm:rsa-max", algorithm="rsa_pss_sha512", message=b64(b"m"))

    def test_status_connections(self):
        """LIMIT_STATUS_CONNECTIONS: 64 to the status socket, the next is closed, the keys are served"""
        clients = [Client(self.daemon.status_socket) for _ in range(64)]
        try:
            for client in clients:
                client.call("org.varlink.service.GetInfo")
            with Client(self.daemon.status_socket, timeout=10) as client:
                self.assertEqual(client.closed(), [])
            self.sign()
        finally:
            for client in clients:
                client.close()
        self.daemon.wait_state("hsm", "ready")

    def test_key_id_limit(self):
        """LIMIT_KEY_ID: a key with an id of 128 bytes is listed, one of 129 is not"""
        self.token.import_key("id-128", "ab" * 128)
        self.token.import_key("id-129", "cd" * 129)
        found = until(lambda: self.call("List", token="hsm", nickname="id-128")["keys"], "the first is listed", 15)
        self.assertEqual(found[0]["id"], "ab" * 128)
        until(lambda: self.daemon.token("hsm")["keys"], "keys are counted", 5)
        self.assertEqual(self.call("List", token="hsm", nickname="id-129")["keys"], [])

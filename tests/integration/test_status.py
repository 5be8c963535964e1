# SPDX-License-Identifier: MPL-2.0
"""What operators see: the status, tokendctl, and the memory that it all takes."""
import hashlib
import json
import os
import shutil
import subprocess
import unittest

from harness import PLAIN, ROOT, Case, OneToken, SoftToken, openssl_verify, run, until
from varlink import Client, b64, unb64


class Status(OneToken):
    @classmethod
    def configure(cls):
        super().configure()
        cls.daemon.call("Generate", token="hsm", nickname="k", type="ec")

    def test_fields(self):
        """Get has every field, of the types that the interface gives"""
        status = self.daemon.status()
        self.assertIsInstance(status["version"], str)
        self.assertGreater(status["startedUSec"], 1_500_000_000_000_000)
        token, = status["tokens"]
        for field in ("name", "role", "state", "reason", "module", "label", "manufacturer", "model", "serial"):
            self.assertIsInstance(token[field], str, field)
        for field in ("sinceUSec", "queued", "inFlight", "requests", "errors", "restarts", "logins", "keys"):
            self.assertIsInstance(token[field], int, field)
        self.assertEqual((token["name"], token["role"], token["state"], token["module"], token["label"]),
                         ("hsm", "keys", "ready", self.token.module, "hsm"))
        self.assertIn("SoftHSM", token["manufacturer"] + token["model"])
        self.assertEqual(set(token["sessions"]), {"open", "busy", "limit"})
        self.assertEqual(token["sessions"]["limit"], 4)
        self.assertLessEqual(token["sessions"]["open"], 4)
        self.assertEqual((token["keys"], token["logins"]), (1, 1))

    def test_instances(self):
        """the implied instance is listed with its counts"""
        for instance in self.daemon.status()["instances"]:
            for field in ("connections", "requests", "denied", "queued", "errors"):
                self.assertIsInstance(instance[field], int, field)

    def test_counts(self):
        """requests and errors are counted"""
        before = self.daemon.token("hsm")
        for _ in range(5):
            self.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))
        self.assertEqual(self.daemon.token("hsm")["requests"], before["requests"] + 5)

    def test_latency(self):
        """latency of the device and of the whole request are told apart, in microseconds"""
        for _ in range(10):
            self.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))
        text = json.dumps(self.daemon.token("hsm"))
        for word in ("p50", "p99", "p999", "count"):
            self.assertIn(word, text)

    def test_only_status_here(self):
        """keys are not served on the status socket, nor the status on the keys' socket"""
        with Client(self.daemon.status_socket) as client:
            self.assertRaises(Exception, client.call, "List")
        with self.daemon.client() as client:
            self.assertRaises(Exception, client.call, "io.tokend.Status.Get")

    @unittest.skipUnless(shutil.which("varlinkctl"), "no varlinkctl")
    def test_varlinkctl(self):
        """varlinkctl info, list-methods, validate-idl and call work"""
        address = f"unix:{self.daemon.socket}"
        self.assertIn("io.tokend.Keys", run("varlinkctl", "info", address).decode())
        self.assertIn("io.tokend.Keys.Sign", run("varlinkctl", "list-methods", address, "io.tokend.Keys").decode())
        for file in (ROOT / "proto").glob("*.varlink"):
            run("varlinkctl", "validate-idl", file)
        reply = run("varlinkctl", "call", "-j", address, "io.tokend.Keys.Random", json.dumps({"length": 4}))
        self.assertEqual(len(unb64(json.loads(reply)["bytes"])), 4)


class Ctl(OneToken):
    def done(self, *arguments, **options):
        return self.daemon.ctl(*arguments, check=False, **options)

    def test_whole_life(self):
        """generate, list, pubkey, sign, verify and delete, checked by openssl"""
        ctl, place = self.daemon.ctl, self.place
        key = json.loads(ctl("--json", "generate", "hsm:ctl", "--type", "rsa", "--size", "2048"))
        key = key.get("key", key)
        self.assertEqual((key["nickname"], key["size"]), ("ctl", 2048))
        self.assertIn("ctl", ctl("list"))
        self.assertIn("ctl", ctl("list", "hsm"))
        pem = place.write("ctl.pem", ctl("pubkey", "hsm:ctl"))
        self.assertEqual(ctl("pubkey", "hsm:ctl", "--der", text=False), unb64(key["publicKey"]))
        data = place.write("big", os.urandom(3_000_000))
        ctl("sign", "hsm:ctl", "--algorithm", "rsa_pkcs1_sha256", "--in", data, "--out", place.path / "big.sig")
        run("openssl", "dgst", "-sha256", "-verify", pem, "-signature", place.path / "big.sig", data)
        self.assertEqual(self.done("verify", "hsm:ctl", "--algorithm", "rsa_pkcs1_sha256", "--signature", place.path / "big.sig",
                                   "--in", data).returncode, 0)
        self.assertEqual(self.done("verify", "hsm:ctl", "--algorithm", "rsa_pkcs1_sha256", "--signature", place.path / "big.sig",
                                   "--in", pem).returncode, 1)
        self.assertEqual(self.done("delete", "hsm:ctl").returncode, 2)
        ctl("delete", "hsm:ctl", "--yes")
        self.assertNotIn("ctl", [k["nickname"] for k in json.loads(ctl("--json", "list"))["keys"]])

    def test_sign_sources(self):
        """sign takes a digest in hex, a file, or standard input, and gives raw bytes or base64"""
        key = self.key("sources", "ec", curve="secp384r1")
        digest = hashlib.sha384(b"text").hexdigest()
        sign = lambda *a, **o: self.daemon.ctl("sign", "hsm:sources", "--algorithm", "ecdsa_sha384", *a, **o)
        for signature in (sign("--digest", digest, text=False), sign("--in", "-", stdin=b"text", text=False),
                          unb64(sign("--in", self.place.write("text", "text"), "--base64").strip())):
            self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), "ecdsa_sha384", b"text", signature))

    def test_ed25519(self):
        """sign of an Ed25519 key sends the message"""
        key = self.key("ctl-ed", "ed25519")
        signature = self.daemon.ctl("sign", "hsm:ctl-ed", "--algorithm", "ed25519", "--in", "-", stdin=b"hello", text=False)
        self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), "ed25519", b"hello", signature))

    def test_random(self):
        """random gives its bytes to standard output"""
        self.assertEqual(len(self.daemon.ctl("random", "100", text=False)), 100)

    def test_status(self):
        """status names the tokens and their state, as a table and as JSON"""
        text = self.daemon.ctl("status")
        self.assertIn("hsm", text)
        self.assertIn("ready", text)
        self.assertIn(f"keys are served at the socket {self.daemon.socket}\n", text)
        text = self.daemon.ctl("--socket", f"{self.daemon.socket}.gone", "status")
        self.assertIn(f"nobody can connect to the socket {self.daemon.socket}.gone: No such file or directory\n", text)
        self.assertEqual(json.loads(self.daemon.ctl("--json", "status"))["tokens"][0]["state"], "ready")

    def test_no(self):
        """exit status 1 and the error's name where the daemon says no"""
        done = self.done("pubkey", "hsm:nothing")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"KeyNotFound", done.stderr)

    def test_usage(self):
        """exit status 2 for usage"""
        for arguments in ((), ("fly",), ("sign",), ("generate", "hsm:x"), ("list", "--colour"), ("random", "many"),
                          ("sign", "hsm:x", "--algorithm", "ecdsa_sha256", "--digest", "zz")):
            self.assertEqual(self.done(*arguments).returncode, 2, arguments)

    def test_unreachable(self):
        """exit status 3 where nobody listens"""
        done = subprocess.run([str(self.daemon.build / "tokendctl"), "--socket", f"{self.place.path}/nobody", "list"],
                              capture_output=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 3, done.stderr)

    def test_environment(self):
        """the sockets come from TOKEND_SOCKET and TOKEND_STATUS_SOCKET too"""
        run(self.daemon.build / "tokendctl", "list", env=dict(os.environ, TOKEND_SOCKET=str(self.daemon.socket)))
        run(self.daemon.build / "tokendctl", "status", env=dict(os.environ, TOKEND_STATUS_SOCKET=str(self.daemon.status_socket)))


class Memory(Case):
    def test_private_dirty(self):
        """idle, supervisor and broker have under 2 MiB of private memory each, a worker under 6 MiB (plain build)"""
        daemon = self.own(SoftToken(self.place, "hsm").section() + "[Token internal]\nModule=internal\n", build=PLAIN)
        for token in ("hsm", "internal"):
            daemon.call("Generate", token=token, nickname="k", type="ec")
            for _ in range(20):
                daemon.call("Sign", key=f"{token}:k", algorithm="ecdsa_sha256", message=b64(b"m"))
        from harness import Process
        self.assertLess(Process(daemon.pid).private_dirty(), 2048)
        self.assertLess(daemon.broker().private_dirty(), 2048)
        for worker in daemon.workers():
            self.assertLess(worker.private_dirty(), 6144)

    def test_no_growth(self):
        """ten thousand signatures and two thousand connections leave the broker and the worker as large as before"""
        daemon = self.own(SoftToken(self.place, "two").section(refresh="100ms"), build=PLAIN)
        daemon.call("Generate", nickname="k", type="ec")

        def work(n_connections, n_signatures):
            for _ in range(n_connections):
                daemon.call("Get", key="k")
            with daemon.client() as client:
                for _ in range(n_signatures // 50):
                    for _ in range(50):
                        client.send("Sign", {"key": "k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
                    for _ in range(50):
                        client.result()
        work(500, 3000)
        processes = [daemon.broker(), *daemon.workers()]
        before = [p.private_dirty() for p in processes]
        work(2000, 10000)
        for process, kib in zip(processes, before):
            self.assertLess(process.private_dirty(), kib + 400, process.name)

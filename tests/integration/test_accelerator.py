# SPDX-License-Identifier: MPL-2.0
"""The accelerator beside the HSM: what goes there, what becomes of it when the accelerator does not answer, and that
nothing of a key's copy is to be had."""
import os
import pathlib
import random
import re
import socket
import struct
import threading
import time

from harness import Case, SoftToken, openssl_verify, run, until
from test_faults import FaultyToken
from varlink import b64, unb64

MESSAGE = b"to be signed"


def acceleration(daemon, token):
    return daemon.token(token)["acceleration"]


def worker_of(daemon, token):
    """By its command line: environments hold paths, and those any word."""
    return until(lambda: next((w for w in daemon.workers() if w.command[1:2] == [token.encode()]), None), f"a worker of {token}")


class Load:
    """Clients that ask one thing after the other; what failed is kept."""

    def __init__(self, daemon, ask, n=4):
        self.daemon, self.ask = daemon, ask
        self.done, self.failed, self.answers = 0, [], []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(n)]
        for thread in self.threads:
            thread.start()

    def run(self):
        try:
            with self.daemon.client() as client:
                while not self.stopping.is_set():
                    try:
                        answer = self.ask(client)
                    except Exception as error:
                        self.failed.append(repr(error))
                        return
                    self.done += 1
                    if len(self.answers) < 200:
                        self.answers.append(answer)
        except Exception as error:
            self.failed.append(repr(error))

    def more(self, n=50):
        """Until so many more were answered."""
        goal = self.done + n
        until(lambda: self.done >= goal or self.failed, f"{n} more answers")

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class Accelerated(Case):
    """An HSM, an internal token, and an accelerator that fails on demand."""

    hsm_extra = internal_extra = "Accelerator=accel\n"
    accel_extra = ""

    @classmethod
    def configure(cls):
        cls.hsm = SoftToken(cls.place, "hsm")
        cls.accel = FaultyToken(cls.place, "accel", keys=("own",))
        cls.trace = cls.place.path / "trace"
        cls.daemon = cls.start(cls.tokens())

    @classmethod
    def tokens(cls):
        return (cls.hsm.section(extra=cls.hsm_extra) +
                f"[Token internal]\nModule=internal\nDirectory={cls.place.path}/internal\n{cls.internal_extra}" +
                cls.accel.section(extra="Role=accelerator\nKeepAlive=1h\n" + cls.accel_extra +
                                  f"Environment=TESTMODULE_TRACE={cls.trace}\n", sessions=5, refresh="1h"))

    def setUp(self):
        self.accel.set()
        self.daemon.wait_state("accel", "ready")
        # One that was hung is asked again once it has said something.
        until(self.is_used, "the accelerator is used", 30)

    def is_used(self):
        before = self.hits()
        self.daemon.call("Random", length=1)
        return self.hits() > before

    def hits(self, token="accel"):
        return acceleration(self.daemon, token)["hits"]

    def make(self, nickname, token="hsm", **more):
        more.setdefault("type", "ec")
        return self.daemon.call("Generate", token=token, nickname=nickname, **more)["key"]

    def sign(self, name, algorithm="ecdsa_sha256", client=None, **more):
        ask = client.call if client else self.daemon.call
        return ask("Sign", key=name, algorithm=algorithm, message=b64(MESSAGE), **more)["signature"]

    def load(self, ask, n=4):
        load = Load(self.daemon, ask, n)
        self.addCleanup(load.stop)
        return load

    def good(self, key, algorithm, signature):
        self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), algorithm, MESSAGE, unb64(signature)))

    def catastrophes(self):
        """Each as a name, what brings it about, and what ends it."""
        daemon, accel = self.daemon, self.accel

        def hung():
            accel.set("C_Verify hang", "C_Sign hang", "C_GenerateRandom hang")

        def stopped():
            worker_of(daemon, "accel").stop()

        def going():
            worker_of(daemon, "accel").kill(18)

        def killed():
            worker_of(daemon, "accel").kill()

        def removed():
            accel.set("C_GetSlotList absent", "C_Verify ckr=0x32", "C_Sign ckr=0x32", "C_GenerateRandom ckr=0x32")

        def full():
            accel.set("C_VerifyInit ckr=0x31", "C_SignInit ckr=0x31", "C_GenerateRandom ckr=0x31")

        return [("killed", killed, lambda: None), ("killed again", killed, lambda: None), ("stopped", stopped, going),
                ("hung", hung, accel.set), ("removed", removed, accel.set), ("without memory", full, accel.set)]

    def outlives(self, ask, hits, seconds):
        """No request of a load fails through all of them, and after each the accelerator does so many more in that time."""
        load = self.load(ask)
        for name, fault, mend in self.catastrophes():
            with self.subTest(name):
                load.more(20)
                fault()
                load.more(40)
                mend()
                self.daemon.wait_state("accel", "ready")
                before = self.hits()
                until(lambda: self.hits() > before + hits or load.failed, f"it is used again; {self.daemon.log_text()}", seconds)
                self.assertEqual(load.failed, [])
        load.stop()
        self.assertEqual(load.failed, [])
        return load


class Public(Accelerated):
    """Verify and Random."""

    @classmethod
    def configure(cls):
        super().configure()
        cls.key = cls.daemon.call("Generate", token="hsm", nickname="k", type="ec")["key"]
        cls.signature = cls.daemon.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(MESSAGE))["signature"]

    def verify(self, client=None, **more):
        ask = client.call if client else self.daemon.call
        return ask("Verify", **{"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(MESSAGE),
                                "signature": self.signature, **more})["valid"]

    def test_tokendctl_shows_it(self):
        """`tokendctl status` has a table of what the accelerator did"""
        self.verify()
        rows = [line.split() for line in self.daemon.ctl("status").splitlines()]
        head = rows.index(["TOKEN", "ROLE", "DONE", "FALLBACKS", "LOADS", "COPIES"])
        row = next(row for row in rows[head:] if row[0] == "accel")
        self.assertEqual([row[1]] + [int(n) for n in row[2:]],
                         ["accelerator"] + list(acceleration(self.daemon, "accel").values()))

    def test_there(self):
        """Verify of every algorithm and Random are done on the accelerator, by its own C_Verify and C_GenerateRandom"""
        for nickname, more, algorithms in (
                ("r", {"type": "rsa", "size": 2048}, ("rsa_pkcs1_sha256", "rsa_pss_sha384")),
                ("p", {"type": "ec", "curve": "secp384r1"}, ("ecdsa_sha384",)), ("e", {"type": "ed25519"}, ("ed25519",))):
            key = self.make(nickname, **more)
            for algorithm in algorithms:
                with self.subTest(algorithm):
                    good = self.sign("hsm:" + nickname, algorithm)
                    wrong = bytearray(unb64(good))
                    wrong[-2] ^= 1
                    before, calls = self.hits(), self.accel.counts()["C_Verify"]
                    for who in ({"key": "hsm:" + nickname}, {"key": None, "publicKey": key["publicKey"]}):
                        self.assertIs(self.verify(algorithm=algorithm, signature=good, **who), True)
                        self.assertIs(self.verify(algorithm=algorithm, signature=b64(wrong), **who), False)
                        self.assertIs(self.verify(algorithm=algorithm, signature=good, message=b64(b"x"), **who), False)
                    self.assertEqual(self.hits() - before, 6)
                    self.assertEqual(self.accel.counts()["C_Verify"] - calls, 6)
        before, calls = self.hits(), self.accel.counts()["C_GenerateRandom"]
        self.assertEqual(len(unb64(self.daemon.call("Random", length=77)["bytes"])), 77)
        self.assertEqual((self.hits() - before, self.accel.counts()["C_GenerateRandom"] - calls), (1, 1))

    def test_objects_are_bounded(self):
        """a key that is verified with again is no new object, and of many keys few are kept"""
        for _ in range(5):
            self.verify()
        counts = self.accel.counts()
        for _ in range(40):
            self.assertTrue(self.verify())
        made = self.accel.counts()["C_CreateObject"] - counts["C_CreateObject"]
        self.assertLessEqual(made, 5, "one for each session at most")
        keys = [b64(run("openssl", "ec", "-pubout", "-outform", "DER", stdin=None, input=run(
            "openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"))) for _ in range(40)]
        counts = self.accel.counts()

        def gone():
            """One thread may get the same few keys in each round, and an accelerator that is late gets none."""
            for key in keys[random.randrange(len(keys)):] + keys:
                self.assertFalse(self.verify(key=None, publicKey=key))
            after = self.accel.counts()
            made, gone = (after[f] - counts[f] for f in ("C_CreateObject", "C_DestroyObject"))
            self.assertLessEqual(made - gone, 3 * 32)
            return gone
        until(gone, "an object is gone")

    def test_bad_keys(self):
        """a public key that is none, and a device error for it, cost nobody but the caller anything"""
        point = bytearray(unb64(self.key["publicKey"]))
        point[-1] ^= 1
        restarts = self.daemon.token("accel")["restarts"]
        for _ in range(3):
            try:
                self.assertFalse(self.verify(key=None, publicKey=b64(point)))
            except Exception as error:
                self.assertIn("InvalidParameter", repr(error))
        self.accel.set("C_Verify ckr=0x30 count=3")
        for _ in range(3):
            self.assertTrue(self.verify())
        self.assertEqual(self.daemon.token("accel")["restarts"], restarts)
        self.assertTrue(self.verify())

    def test_weak_exponents(self):
        """an RSA key whose exponent is 1, or even, verifies nothing, there or elsewhere"""
        def der(tag, *parts):
            body = b"".join(parts)
            size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big") if len(body) > 127 else b""
            return bytes([tag]) + (bytes([0x80 | len(size)]) + size if size else bytes([len(body)])) + body
        for exponent in (1, 2, 65536):
            number = exponent.to_bytes(exponent.bit_length() // 8 + 1, "big")
            key = der(0x30, der(0x30, bytes.fromhex("06092a864886f70d0101010500")),
                      der(3, b"\0", der(0x30, der(2, b"\0" + b"\xff" * 256), der(2, number))))
            self.assertEqual(self.fails("InvalidParameter", self.verify, key=None, publicKey=b64(key), signature=b64(bytes(256)),
                                        algorithm="rsa_pkcs1_sha256"), {"parameter": "publicKey"})

    def test_not_seen(self):
        """an accelerator's own keys are nobody's, and nothing is made there"""
        self.assertEqual({k["token"] for k in self.daemon.call("List")["keys"]}, {"hsm"})
        for call, parameters in (("List", {"token": "accel"}), ("Generate", {"token": "accel", "nickname": "x", "type": "ec"})):
            self.assertEqual(self.fails("TokenNotFound", self.daemon.call, call, **parameters), {"token": "accel"})
        self.fails("KeyNotFound", self.daemon.call, "Get", key="accel:own")
        self.fails("KeyNotFound", self.daemon.call, "Get", key="pkcs11:token=accel;object=own")

    def test_faults(self):
        """whatever becomes of the accelerator, each Verify and each Random is answered, and goes back to it afterwards"""
        def ask(client):
            self.assertTrue(self.verify(client))
            return client.call("Random", length=16)
        self.outlives(ask, 10, 30)
        self.assertGreater(acceleration(self.daemon, "accel")["fallbacks"], 0)

    def test_share(self):
        """an accelerator that hangs holds a request for a part of its time, and the next ones not at all"""
        self.verify()
        self.accel.set("C_Verify delay_ms=3000")
        begun = time.monotonic()
        self.assertTrue(self.verify())
        self.assertLess(time.monotonic() - begun, 2.5)
        begun = time.monotonic()
        before = [acceleration(self.daemon, token)["fallbacks"] for token in ("hsm", "accel")]
        for _ in range(5):
            self.assertTrue(self.verify())
        self.assertLess(time.monotonic() - begun, 2)
        self.assertEqual([acceleration(self.daemon, token)["fallbacks"] for token in ("hsm", "accel")],
                         [n + 5 for n in before], "they count for both")


class Without(Case):
    """Tokens of which none is an accelerator."""

    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.daemon = cls.start(cls.token.section())

    def test_nothing(self):
        """without an accelerator nothing counts as a fallback"""
        self.daemon.call("Generate", token="hsm", nickname="k", type="ec")
        signature = self.daemon.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(MESSAGE))["signature"]
        self.assertTrue(self.daemon.call("Verify", key="hsm:k", algorithm="ecdsa_sha256", message=b64(MESSAGE),
                                         signature=signature)["valid"])
        self.daemon.call("Random", length=8)
        self.assertEqual(acceleration(self.daemon, "hsm"), {"hits": 0, "fallbacks": 0, "loads": 0, "copies": 0})


class Loadable(Accelerated):
    """Keys that may be copied into the accelerator."""

    def key_of(self, name):
        return self.daemon.call("Get", key=name)["key"]

    def is_loaded(self, name):
        """Asks for signatures until one of them is the accelerator's."""
        def look():
            self.sign(name, self.algorithm(name))
            return self.key_of(name).get("acceleratedBy") == "accel"
        until(look, f"{name} is loaded; {self.daemon.log_text()}", 20)

    def algorithm(self, name):
        return {"rsa": "rsa_pkcs1_sha256", "ec": "ecdsa_sha256", "ed25519": "ed25519"}[self.key_of(name)["type"]]

    def test_loaded(self):
        """keys of both tokens are loaded when first used, sign there with every algorithm, and show it"""
        for token in ("hsm", "internal"):
            for nickname, more, algorithms in (
                    ("r", {"type": "rsa", "size": 2048}, ("rsa_pkcs1_sha256", "rsa_pss_sha256", "rsa_pkcs1_sha512")),
                    ("p", {"type": "ec"}, ("ecdsa_sha256", "ecdsa_sha512")),
                    ("q", {"type": "ec", "curve": "secp521r1"}, ("ecdsa_sha512",))):
                with self.subTest(f"{token} {nickname}"):
                    key = self.make(nickname, token, loadable=True, **more)
                    name = f"{token}:{nickname}"
                    self.assertEqual((key["sensitive"], key["extractable"], key["neverExtractable"]), (True, True, False))
                    self.assertIsNone(key.get("acceleratedBy"))
                    self.is_loaded(name)
                    before, calls = self.hits(), self.accel.counts()["C_Sign"]
                    for algorithm in algorithms:
                        self.good(key, algorithm, self.sign(name, algorithm))
                    self.assertEqual((self.hits() - before, self.accel.counts()["C_Sign"] - calls), (len(algorithms),) * 2)
                    self.assertIn(name, [f"{k['token']}:{k['nickname']}" for k in self.daemon.call("List")["keys"]
                                         if k.get("acceleratedBy") == "accel"])

    def test_attributes(self):
        """the accelerator's own module says of each copy: sensitive, not extractable, a session object, for signing alone"""
        for nickname, more in (("ar", {"type": "rsa", "size": 2048}), ("ae", {"type": "ec"})):
            for token in ("hsm", "internal"):
                self.make(nickname, token, loadable=True, **more)
                self.is_loaded(f"{token}:{nickname}")
        lines = [dict(word.split("=") for word in line.split()) for line in self.trace.read_text().splitlines()]
        copies = [line for line in lines if line["class"] == "3"]
        self.assertGreaterEqual(len(copies), 4)
        for line in copies:
            self.assertEqual({k: v for k, v in line.items() if k not in ("class", "wrapped")},
                             {"token": "0", "private": "1", "sensitive": "1", "extractable": "0", "sign": "1", "decrypt": "0",
                              "unwrap": "0", "derive": "0", "value": "-1", "exponent": "-1"})
        wrapping = [line for line in lines if line["class"] == "4"]
        self.assertEqual({(line["token"], line["sensitive"], line["extractable"]) for line in wrapping}, {("0", "1", "0")})
        self.assertEqual(len({line["wrapped"] for line in lines}), len(lines), "no wrapping key served twice")
        self.assertNotIn("ar", self.accel.tool("-O"), "nothing lasting is there")

    def test_weakened(self):
        """an accelerator that makes another object of a copy than it was told is not used, and the key signs where it is"""
        self.accel.set("C_UnwrapKey weaken")
        key = self.make("weak", loadable=True)
        loads = acceleration(self.daemon, "hsm")["loads"]
        for _ in range(20):
            self.good(key, "ecdsa_sha256", self.sign("hsm:weak"))
        until(lambda: "no copy of the key" in self.daemon.log_text(), "it is said")
        self.assertEqual(acceleration(self.daemon, "hsm")["loads"], loads)
        self.assertIsNone(self.key_of("hsm:weak").get("acceleratedBy"))

    def test_wrong_copy(self):
        """a copy that does not sign as its key would is found out before it serves"""
        self.accel.set("C_Sign garbage")
        key = self.make("wrong", loadable=True)
        for _ in range(20):
            self.good(key, "ecdsa_sha256", self.sign("hsm:wrong"))
        until(lambda: "does not belong to the public key" in self.daemon.log_text(), "it is said")
        self.assertIsNone(self.key_of("hsm:wrong").get("acceleratedBy"))

    def test_not_loadable(self):
        """a key that was not made loadable stays where it is, and one that was imported as extractable as well"""
        self.make("stays")
        self.hsm.tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", "readable", "--id", "77", "--extractable",
                      "--usage-sign")
        self.hsm.import_key("imported", "7766")
        until(lambda: {"imported", "readable"} <= {k["nickname"] for k in self.daemon.call("List", token="hsm")["keys"]},
              "they are listed")
        loads = acceleration(self.daemon, "hsm")["loads"]
        for _ in range(10):
            self.sign("hsm:stays")
            self.sign("hsm:imported", "rsa_pkcs1_sha256")
        self.assertEqual(acceleration(self.daemon, "hsm")["loads"], loads)
        self.assertFalse(self.key_of("hsm:stays")["extractable"])

    def test_ordinary(self):
        """a loadable key has a certificate and a nickname as any other; its copy goes with it when it is deleted"""
        key = self.make("ordinary", loadable=True)
        self.fails("NicknameExists", self.make, "ordinary", loadable=True)
        self.is_loaded("hsm:ordinary")
        certificate = self.daemon.call("io.tokend.Certificates.SelfSign", key="hsm:ordinary", subject="CN=x",
                                       validityDays=9)["certificate"]
        self.assertEqual((certificate["nickname"], certificate["id"]), ("ordinary", key["id"]))
        run("openssl", "verify", "-CAfile", self.pem(certificate["der"]), self.pem(certificate["der"]))
        self.is_loaded("hsm:ordinary")
        self.assertTrue(self.key_of("hsm:ordinary")["hasCertificate"])
        copies = acceleration(self.daemon, "accel")["copies"]
        destroyed = self.accel.counts()["C_DestroyObject"]
        self.daemon.call("Delete", key="hsm:ordinary")
        until(lambda: acceleration(self.daemon, "accel")["copies"] == copies - 1, "one copy less")
        until(lambda: self.accel.counts()["C_DestroyObject"] > destroyed, "it was destroyed")

    def test_hurried(self):
        """a request whose deadline is shorter than what the accelerator takes keeps nobody else from it; many such do, until it answers"""
        self.make("hurried", loadable=True)
        self.is_loaded("hsm:hurried")
        hurried = {"key": "hsm:hurried", "algorithm": "ecdsa_sha256", "message": b64(MESSAGE), "timeoutMs": 40}
        self.accel.set("C_Sign delay_ms=100")
        with self.daemon.client() as client:
            client.send("Sign", hurried)
            self.assertNotIn("InvalidParameter", client.receive().get("error", ""))
            before = self.hits()
            client.call("Sign", **{**hurried, "timeoutMs": 10000})
            self.assertEqual(self.hits(), before + 1)
            self.accel.set("C_Sign hang")
            for _ in range(4):
                client.send("Sign", hurried)
                client.receive()
            begun = time.monotonic()
            for _ in range(100):
                client.send("Sign", hurried)
                client.receive()
            # At half of its deadline each it would take 2 s at least.
            self.assertLess(time.monotonic() - begun, 1.5)

    def test_deleted_while_loading(self):
        """a key that is deleted while it is copied leaves no copy behind"""
        self.make("stays there", loadable=True)
        self.is_loaded("hsm:stays there")
        before = self.accel.settled()
        self.make("fleeting", loadable=True)
        self.accel.set("C_UnwrapKey delay_ms=300")
        self.sign("hsm:fleeting")
        until(lambda: self.accel.counts()["C_UnwrapKey"] > before["C_UnwrapKey"], "it is copied")
        self.daemon.call("Delete", key="hsm:fleeting")
        until(lambda: self.accel.counts()["C_DestroyObject"] == before["C_DestroyObject"] + 2,
              "the key that wrapped it and the copy are destroyed")

    def test_ed25519(self):
        """keys of a kind that no token wraps are not made loadable"""
        self.assertEqual(self.fails("AlgorithmNotSupported", self.make, "ed", type="ed25519", loadable=True)["algorithm"],
                         "ed25519")

    def pem(self, der):
        return self.place.write("certificate.pem", run("openssl", "x509", "-inform", "DER", input=unb64(der), stdin=None))

    def test_lives(self):
        """copies are used again after the broker or the key's worker was replaced, and made again after the accelerator's was"""
        key = self.make("lives", loadable=True)
        self.is_loaded("hsm:lives")
        unwrapped = self.accel.counts()["C_UnwrapKey"]
        self.daemon.broker().kill()
        until(self.answers, "a new broker")
        self.daemon.wait_state("accel", "ready")
        self.is_loaded("hsm:lives")
        worker_of(self.daemon, "hsm").kill()
        self.daemon.wait_state("hsm", "ready")
        self.is_loaded("hsm:lives")
        self.assertEqual(self.accel.counts()["C_UnwrapKey"], unwrapped, "nothing was copied again")
        worker_of(self.daemon, "accel").kill()
        until(lambda: self.key_of("hsm:lives").get("acceleratedBy") is None, "its copies are forgotten")
        self.daemon.wait_state("accel", "ready")
        self.is_loaded("hsm:lives")
        self.assertGreater(self.accel.counts()["C_UnwrapKey"], unwrapped)
        self.good(key, "ecdsa_sha256", self.sign("hsm:lives"))

    def answers(self):
        try:
            return self.daemon.status()
        except OSError:
            return None

    def test_away(self):
        """while the key's own token is away its copy signs"""
        key = self.make("away", loadable=True)
        self.is_loaded("hsm:away")
        worker = worker_of(self.daemon, "hsm")
        worker.stop()
        try:
            for _ in range(10):
                self.good(key, "ecdsa_sha256", self.sign("hsm:away", timeoutMs=3000))
        finally:
            worker.kill(18)

    def test_faults(self):
        """whatever becomes of the accelerator, each signature is made and is good, and they go back to it afterwards"""
        keys = {f"{token}:f": self.make("f", token, loadable=True) for token in ("hsm", "internal")}
        for name in keys:
            self.is_loaded(name)
        names = iter(list(keys) * 100000)
        lock = threading.Lock()

        def ask(client):
            with lock:
                name = next(names)
            return name, self.sign(name, client=client, timeoutMs=8000)
        load = self.outlives(ask, 20, 60)
        self.assertGreater(acceleration(self.daemon, "hsm")["fallbacks"], 0)
        for name, signature in load.answers[::4]:
            self.good(keys[name], "ecdsa_sha256", signature)

    def test_slow_load(self):
        """an accelerator that hangs while a copy is made holds no signature back for long"""
        self.make("slow", loadable=True)
        self.accel.set("C_UnwrapKey delay_ms=2000")
        begun = time.monotonic()
        for _ in range(20):
            self.sign("hsm:slow", timeoutMs=1500)
        self.assertLess(time.monotonic() - begun, 5)

    def test_apart(self):
        """of the channel between the two workers neither the broker nor the supervisor has an end; the broker never saw a
        wrapped key"""
        self.make("apart", loadable=True)
        self.is_loaded("hsm:apart")
        ends = peers_of_sockets()
        processes = {"hsm": worker_of(self.daemon, "hsm").pid, "accel": worker_of(self.daemon, "accel").pid,
                     "broker": self.daemon.broker().pid, "supervisor": self.daemon.pid}
        held = {name: sockets_of(pid) for name, pid in processes.items()}
        pairs = [(one, ends[one]) for one in held["hsm"] if ends.get(one) in held["accel"]]
        self.assertEqual(len(pairs), 1, "one channel between the two")
        for end in pairs[0]:
            for name in ("broker", "supervisor"):
                self.assertNotIn(end, held[name], name)
        self.assertTrue(any(ends.get(one) in held["broker"] for one in held["hsm"]), "its request channel does end there")
        signature = self.sign("hsm:apart")
        memory = memory_of(processes["broker"])
        self.assertTrue(unb64(signature) in memory or signature.encode() in memory, "memory is really searched")
        for line in self.trace.read_text().splitlines():
            wrapped = bytes.fromhex(re.search("wrapped=([0-9a-f]+)", line)[1])
            self.assertNotIn(wrapped[:64], memory)


class OneThread(Accelerated):
    """A key's token with one session for all requests."""

    @classmethod
    def tokens(cls):
        return super().tokens().replace("Sessions=4", "Sessions=3", 1)

    def test_slow_copy(self):
        """while its only thread waits for an accelerator that takes no copy, no signature comes too late"""
        key = self.make("k", loadable=True)
        self.accel.set("C_UnwrapKey delay_ms=3000")
        loading = self.accel.counts()["C_UnwrapKey"]
        until(lambda: self.sign("hsm:k", timeoutMs=1000) and self.accel.counts()["C_UnwrapKey"] > loading, "a copy is made")
        for _ in range(20):
            self.good(key, "ecdsa_sha256", self.sign("hsm:k", timeoutMs=1000))


class NoCopies(OneThread):
    """An accelerator without a session for copies."""

    @classmethod
    def tokens(cls):
        return super().tokens().replace("Sessions=5", "Sessions=2", 1)

    test_slow_copy = None

    def test_nobody_waits(self):
        """a token's only thread does not wait for an accelerator that takes no copies"""
        key = self.make("k", loadable=True)
        until(lambda: self.sign("hsm:k") and "does not answer" in self.daemon.log_text(), "a copy is asked for")
        for _ in range(20):
            self.good(key, "ecdsa_sha256", self.sign("hsm:k", timeoutMs=300))
        self.assertNotIn("Resource temporarily unavailable", self.daemon.log_text())


class Few(Accelerated):
    """An accelerator with room for two copies."""

    accel_extra = "AcceleratedKeys=2\n"

    def loaded(self):
        return {k["nickname"] for k in self.daemon.call("List")["keys"] if k.get("acceleratedBy")}

    def use(self, nickname):
        until(lambda: self.sign("hsm:" + nickname) and nickname in self.loaded(), f"{nickname} is loaded", 20)

    def test_least_recently_used(self):
        """the copy that was used least recently makes room; more keys than there is room for all sign"""
        keys = {n: self.make(n, loadable=True) for n in "abc"}
        self.use("a")
        self.use("b")
        self.use("a")
        self.use("c")
        self.assertEqual(self.loaded(), {"a", "c"})
        self.assertEqual(acceleration(self.daemon, "accel")["copies"], 2)
        for _ in range(10):
            for nickname, key in keys.items():
                self.good(key, "ecdsa_sha256", self.sign("hsm:" + nickname))
        self.assertLessEqual(acceleration(self.daemon, "accel")["copies"], 2)


class Refused(Accelerated):
    """Where no key can be loaded."""

    hsm_extra = ""
    internal_extra = ""

    def test_no_accelerator_named(self):
        """loadable is refused by name on a token that names no accelerator, and nothing is made"""
        for token in ("hsm", "internal"):
            error = self.fails("AlgorithmNotSupported", self.make, "no", token, loadable=True)
            self.assertEqual(set(error), {"key", "algorithm"})
        self.assertEqual(self.daemon.call("List", nickname="no")["keys"], [])
        self.assertFalse(self.make("yes", loadable=False)["extractable"])


def peers_of_sockets():
    """The inode of each UNIX socket, and of the one at its other end."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as netlink:
        body = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, 0xffffffff, 0, 4, 0xffffffff, 0xffffffff)
        netlink.send(struct.pack("=IHHII", 16 + len(body), 20, 0x301, 1, 0) + body)
        found = {}
        while True:
            data = netlink.recv(1 << 20)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == 3:
                    return found
                if kind == 2:
                    raise OSError(-struct.unpack_from("=i", data, 16)[0], "sock_diag")
                inode, = struct.unpack_from("=I", data, 20)
                at = 16 + 16
                while at + 4 <= length:
                    n, attribute = struct.unpack_from("=HH", data, at)
                    if attribute == 2:
                        found[inode], = struct.unpack_from("=I", data, at + 4)
                    at += (n + 3) & ~3
                data = data[(length + 3) & ~3:]


def sockets_of(pid):
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            continue
        if match:
            found.add(int(match[1]))
    return found


def memory_of(pid):
    """All that the process may write to, but huge reservations."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            start, end = (int(x, 16) for x in span.split("-"))
            if "w" not in rights or end - start > 1 << 28:
                continue
            try:
                memory.seek(start)
                found.append(memory.read(end - start))
            except OSError:
                continue
    return b"\xff\0\xff".join(found)

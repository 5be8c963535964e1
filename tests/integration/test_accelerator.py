# SPDX-License-Identifier: MPL-2.0
"""The accelerator beside the HSM: what goes there, what becomes of it when the accelerator does not answer, and that
nothing of a key's copy is to be had."""
import threading
import time

from harness import Case, SoftToken, openssl_verify, until
from test_faults import FaultyToken
from varlink import b64, unb64

MESSAGE = b"to be signed"


def acceleration(daemon, token):
    return daemon.token(token)["acceleration"]


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
        cls.daemon = cls.start(cls.tokens())

    @classmethod
    def tokens(cls):
        return (cls.hsm.section(extra=cls.hsm_extra) +
                f"[Token internal]\nModule=internal\nDirectory={cls.place.path}/internal\n{cls.internal_extra}" +
                cls.accel.section(extra="Role=accelerator\nKeepAlive=1h\n" + cls.accel_extra, sessions=5, refresh="1h"))

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
        keys = [self.make(f"many{i}") for i in range(40)]
        counts = self.accel.counts()
        for _ in range(4):
            for key in keys:
                self.assertFalse(self.verify(key=None, publicKey=key["publicKey"]))
        after = self.accel.counts()
        made, gone = (after[f] - counts[f] for f in ("C_CreateObject", "C_DestroyObject"))
        self.assertLessEqual(made - gone, 3 * 32)
        self.assertGreater(gone, 0)

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
        load = self.load(ask)
        for name, fault, mend in self.catastrophes():
            with self.subTest(name):
                load.more(20)
                fault()
                load.more(40)
                mend()
                self.daemon.wait_state("accel", "ready")
                before = self.hits()
                until(lambda: self.hits() > before + 10 or load.failed, "the accelerator works again", 30)
                self.assertEqual(load.failed, [])
        load.stop()
        self.assertEqual(load.failed, [])
        self.assertGreater(acceleration(self.daemon, "accel")["fallbacks"], 0)

    def catastrophes(self):
        return catastrophes(self)

    def test_share(self):
        """an accelerator that hangs holds a request for a part of its time, and the next ones not at all"""
        self.verify()
        self.accel.set("C_Verify delay_ms=3000")
        begun = time.monotonic()
        self.assertTrue(self.verify())
        self.assertLess(time.monotonic() - begun, 2.5)
        begun = time.monotonic()
        for _ in range(5):
            self.assertTrue(self.verify())
        self.assertLess(time.monotonic() - begun, 2)


def catastrophes(case):
    """Each as a name, what brings it about, and what ends it."""
    daemon, accel = case.daemon, case.accel

    def hung():
        accel.set("C_Verify hang", "C_Sign hang", "C_GenerateRandom hang")

    def stopped():
        daemon.worker("accel").kill(19)

    def going():
        daemon.worker("accel").kill(18)

    def killed():
        daemon.worker("accel").kill()

    def removed():
        accel.set("C_GetSlotList absent", "C_Verify ckr=0x32", "C_Sign ckr=0x32", "C_GenerateRandom ckr=0x32")

    def full():
        accel.set("C_VerifyInit ckr=0x31", "C_SignInit ckr=0x31", "C_GenerateRandom ckr=0x31")

    return [("killed", killed, lambda: None), ("killed again", killed, lambda: None), ("stopped", stopped, going),
            ("hung", hung, accel.set), ("removed", removed, accel.set), ("without memory", full, accel.set)]


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

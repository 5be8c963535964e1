# SPDX-License-Identifier: MPL-2.0
"""Tokens that misbehave: a module (tests/module) stands before SoftHSM2, counts its calls, and fails on demand."""
import os
import shutil
import signal
import struct
import time

from harness import BUILD, SOFTHSM, Case, SoftToken, openssl_verify, run, until
from varlink import Error, b64, unb64

MODULE = BUILD / "tests/libtestmodule.so"
SOFTOKEN = "/usr/lib/x86_64-linux-gnu/libsoftokn3.so"
RECORD = struct.Struct("40sQ")


class FaultyToken(SoftToken):
    """A SoftHSM2 token behind the module that counts and fails."""

    def __init__(self, place, label, keys=("k",)):
        super().__init__(place, label)
        for number, key in enumerate(keys):
            self.make_key(key, f"{number + 1:02x}")
        self.module = MODULE
        self.faults = place.path / f"{label}.faults"
        self.counters = place.path / f"{label}.counters"
        self.set()

    def set(self, *lines):
        new = self.place.write(f"{self.label}.faults.new", "".join(line + "\n" for line in lines))
        os.replace(new, self.faults)

    def settled(self):
        """The counts, once nothing is called any more: the look after a change is over."""
        last = {}

        def same():
            nonlocal last
            before, last = last, self.counts()
            time.sleep(0.2)
            return last if before == last else None
        return until(same, "no more device calls", 20)

    def counts(self):
        data = self.counters.read_bytes()
        # The file is there a moment before its contents.
        rows = (RECORD.unpack_from(data, i * RECORD.size) for i in range(min(128, len(data) // RECORD.size)))
        return {name.rstrip(b"\0").decode(): calls for name, calls in rows if name.rstrip(b"\0")}

    def section(self, name=None, extra="", **options):
        return super().section(name, f"Environment=TESTMODULE_TARGET={SOFTHSM} TESTMODULE_COUNTERS={self.counters} "
                               f"TESTMODULE_FAULTS={self.faults}\n{extra}", **options)


class Softoken(FaultyToken):
    """A copy of NSS's softoken, loaded as a PKCS #11 module like any vendor's, behind the module that counts and fails."""

    def __init__(self, place, label):
        self.place, self.label, self.pin = place, label, "Softoken.1"
        self.store = place.path / f"softoken-{label}"
        self.store.mkdir(mode=0o700)
        self.library = self.store / "libvendor.so"
        shutil.copy(SOFTOKEN, self.library)
        self.pin_file = place.write(f"{label}.pin", self.pin + "\n", 0o600)
        run("certutil", "-N", "-d", f"sql:{self.store}", "-f", self.pin_file)
        self.module = MODULE
        self.faults = place.path / f"{label}.faults"
        self.counters = place.path / f"{label}.counters"
        self.set()

    def section(self, name=None, extra="", sessions=4, refresh="500ms"):
        parameters = f"configDir='sql:{self.store}' tokenDescription='{self.label}' dbTokenDescription='{self.label}' flags="
        return (f"[Token {name or self.label}]\nModule={self.module}\nUri=pkcs11:token={self.label}\nPin=file:{self.pin_file}\n"
                f"Environment=TESTMODULE_TARGET={self.library} TESTMODULE_COUNTERS={self.counters} "
                f"TESTMODULE_FAULTS={self.faults} \"TESTMODULE_PARAMETERS={parameters}\"\n"
                f"Sessions={sessions}\nRefresh={refresh}\n{extra}\n")


class Faults(Case):
    """Each test has a token and a daemon of its own."""

    def begin(self, extra="", keys=("k",), instances="", before=(), wait=True, build=BUILD, **options):
        label = f"t{len(os.listdir(self.place.path))}"
        self.token = FaultyToken(self.place, label, keys)
        self.token.module = build / "tests/libtestmodule.so"
        self.token.set(*before)
        options.setdefault("refresh", "1h")
        self.daemon = self.own(self.token.section("hsm", extra + "KeepAlive=1h\n", **options), instances=instances, wait=wait,
                               build=build)
        return self.daemon

    def sign(self, **more):
        return self.daemon.call("Sign", **{"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m"), **more})

    def is_good(self, signature, key="hsm:k"):
        key = self.daemon.call("Get", key=key)["key"]
        self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), "ecdsa_sha256", b"m", unb64(signature)))


class Endless(Faults):
    def test_endless(self):
        """a search that never ends is given up: the token is failed and says why, its worker ends, the broker stays"""
        self.begin(refresh="200ms")
        self.sign()
        broker, worker = self.daemon.broker(), self.daemon.worker()
        self.token.set("C_FindObjects endless")
        state = self.daemon.wait_state("hsm", "failed")
        self.assertIn("lists more than 100000 objects", state["reason"])
        # A search of each class may have been ended at once: some hundred thousand handles, not more.
        self.assertLess(self.token.counts()["C_FindObjects"], 20000)
        until(worker.gone, "the worker has ended")
        self.assertFalse(broker.gone())
        self.fails("TokenUnavailable", self.sign)


class Calls(Faults):
    def test_two_calls(self):
        """in steady state a signature is exactly two device calls, with every algorithm"""
        # Keys that are there: one that is made is looked for.
        self.token = FaultyToken(self.place, "calls")
        self.token.make_key("rsa", "05", "rsa:2048")
        self.token.make_key("ed", "06", "EC:edwards25519")
        self.daemon = self.own(self.token.section("hsm", "KeepAlive=1h\n", refresh="1h"))
        for key, algorithm in (("k", "ecdsa_sha256"), ("k", "ecdsa_sha512"), ("rsa", "rsa_pkcs1_sha256"),
                               ("rsa", "rsa_pss_sha384"), ("ed", "ed25519")):
            self.sign(key=f"hsm:{key}", algorithm=algorithm)
            before = self.token.settled()
            for _ in range(50):
                self.sign(key=f"hsm:{key}", algorithm=algorithm)
            after = self.token.counts()
            self.assertEqual({n: after[n] - before[n] for n in after if after[n] != before[n]}, {"C_SignInit": 50, "C_Sign": 50},
                             algorithm)

    def test_no_calls(self):
        """Get, List, a Sign that does not fit, and the status make no device call"""
        self.begin()
        self.sign()
        before = self.token.settled()
        for _ in range(10):
            self.daemon.call("Get", key="hsm:k")
            self.daemon.call("List")
            self.daemon.status()
            self.fails("AlgorithmNotSupported", self.sign, algorithm="rsa_pss_sha256")
            self.fails("InvalidParameter", self.sign, message=None, digest=b64(b"short"))
        self.assertEqual(self.token.counts(), before)

    def test_session_budget(self):
        """Sessions= is all that is ever open on the device: a token that has no more never says CKR_SESSION_COUNT"""
        self.begin(before=["C_OpenSession max=3"], sessions=3)
        clients = [self.daemon.client() for _ in range(8)]
        for client in clients:
            for _ in range(20):
                client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
        for client in clients:
            for _ in range(20):
                client.result()
            client.close()
        token = self.daemon.token("hsm")
        self.assertLessEqual(token["sessions"]["open"], 3)
        self.assertEqual((token["errors"], token["restarts"]), (0, 0))

    def test_token_maximum(self):
        """Sessions= is capped by the token's own maximum"""
        self.begin(before=["C_GetTokenInfo limit=3", "C_OpenSession max=3"], sessions=6)
        self.sign()
        self.assertEqual(self.daemon.token("hsm")["sessions"]["limit"], 3)

    def test_fewer_sessions(self):
        """a device that gives fewer sessions than asked for is used with what it gives"""
        self.begin(before=["C_OpenSession max=3"], sessions=6)
        self.sign()
        self.assertLessEqual(self.daemon.token("hsm")["sessions"]["open"], 3)


class Errors(Faults):
    def test_session_class(self):
        """a session or handle that the device has lost is renewed, and the caller sees nothing of it"""
        self.begin()
        for ckr in ("0xb3", "0xb0", "0x101", "0x82", "0x60"):
            for function in ("C_SignInit", "C_Sign"):
                with self.subTest(f"{function} {ckr}"):
                    self.token.set(f"{function} ckr={ckr} count=1")
                    self.is_good(self.sign()["signature"])
        self.assertEqual(self.daemon.token("hsm")["restarts"], 0)

    def test_busy_class(self):
        """a device that is busy once is asked once more"""
        self.begin()
        for ckr in ("0xb1", "0x31", "0x02", "0x06"):
            with self.subTest(ckr):
                self.token.set(f"C_Sign ckr={ckr} count=1")
                self.is_good(self.sign()["signature"])

    def test_device_class(self):
        """a device that is gone and comes back, its session too: the worker is replaced, the interrupted sign runs again"""
        self.begin()
        for ckr in ("0x30", "0x32", "0xe0", "0xe1", "0x05", "0x190"):
            with self.subTest(ckr):
                before = self.daemon.token("hsm")["restarts"]
                self.token.set(f"C_Sign ckr={ckr} count=1", f"C_GetSessionInfo ckr={ckr} count=1")
                self.is_good(self.sign()["signature"])
                until(lambda: self.daemon.token("hsm")["restarts"] > before, "the worker was replaced", 10)

    def test_vague_class(self):
        """an error of the device whose session and token are well: once more in another session, and then the caller is told"""
        self.begin()
        self.sign()
        before, logins = self.token.settled(), self.daemon.token("hsm")["logins"]
        for ckr, name in (("0x30", "CKR_DEVICE_ERROR"), ("0x05", "CKR_GENERAL_ERROR"), ("0x32", "CKR_DEVICE_REMOVED")):
            with self.subTest(ckr):
                self.token.set(f"C_Sign ckr={ckr} count=1")
                self.is_good(self.sign()["signature"])
                self.token.set(f"C_Sign ckr={ckr} count=2")
                self.assertEqual(self.fails("TokenError", self.sign)["ckr"], name)
        token, after = self.daemon.token("hsm"), self.token.settled()
        self.assertEqual((token["state"], token["restarts"], token["logins"]), ("ready", 0, logins))
        self.assertEqual({call: after[call] - before[call] for call in ("C_Sign", "C_Login", "C_Initialize")},
                         {"C_Sign": 12, "C_Login": 0, "C_Initialize": 0})

    def test_other_token(self):
        """where session and token give errors as well it is the device that is lost"""
        self.begin()
        for call in ("C_GetSessionInfo", "C_GetTokenInfo"):
            with self.subTest(call):
                before = self.daemon.token("hsm")["restarts"]
                self.token.set("C_Sign ckr=0x30 count=1", f"{call} ckr=0x30 count=1")
                self.is_good(self.sign()["signature"])
                until(lambda: self.daemon.token("hsm")["restarts"] > before, "the worker was replaced", 10)

    def test_no_memory(self):
        """Overloaded: a module that has no memory in this process, twice; the token is not blamed for it"""
        self.begin()
        self.sign()
        self.token.set("C_Sign ckr=0x02")
        parameters = self.fails("Overloaded", self.sign)
        self.assertEqual(parameters["token"], "hsm")
        self.assertGreater(parameters["retryAfterMs"], 0)
        token = self.daemon.token("hsm")
        self.assertEqual((token["state"], token["restarts"], token.get("lastError")), ("ready", 0, None))
        self.token.set()
        self.sign()

    def test_token_error(self):
        """TokenError: what the device says of the request itself is told by its name, and costs nothing else"""
        self.begin()
        self.token.set("C_Sign ckr=0x200")
        worker = self.daemon.worker().pid
        self.assertEqual(self.fails("TokenError", self.sign), {"token": "hsm", "ckr": "CKR_FUNCTION_REJECTED"})
        token = self.daemon.token("hsm")
        self.assertEqual((token["state"], token["lastError"]["ckr"]), ("ready", "CKR_FUNCTION_REJECTED"))
        self.token.set()
        self.sign()
        self.assertEqual(self.daemon.worker().pid, worker)

    def test_short_signature(self):
        """a signature of the wrong length never leaves the worker"""
        self.begin()
        self.token.set("C_Sign short")
        with self.assertRaises(Exception) as caught:
            self.sign()
        self.assertIn(caught.exception.name, ("TokenError", "WorkerLost"))

    def test_worker_lost(self):
        """WorkerLost: a request that ends the worker alone is not tried a third time, and the next one is served"""
        self.begin()
        before = self.token.counts()["C_Sign"]
        self.token.set("C_Sign crash")
        self.assertEqual(self.fails("WorkerLost", self.sign), {"token": "hsm"})
        self.assertLessEqual(self.token.counts()["C_Sign"] - before, 2)
        self.token.set()
        self.is_good(self.sign()["signature"])

    def test_innocent_neighbours(self):
        """when a worker dies under several requests, all that are innocent are answered"""
        self.begin(sessions=6)
        with self.daemon.client() as client:
            self.token.set("C_Sign delay_ms=300 count=3", "C_Sign crash skip=3 count=1")
            for _ in range(12):
                client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            for _ in range(12):
                self.assertIn("signature", client.result())

    def test_hang(self):
        """a call that outlives Timeout= ends the worker; its request is tried once more, alone, where its deadline leaves Timeout="""
        self.begin("Timeout=1s\n")
        self.token.set("C_Sign hang count=1")
        self.is_good(self.sign()["signature"])
        before = self.token.counts()["C_Sign"]
        self.token.set("C_Sign hang count=1")
        self.fails("WorkerLost", self.sign, timeoutMs=1500)
        self.assertEqual(self.token.counts()["C_Sign"] - before, 1)
        self.is_good(self.sign()["signature"])
        before = self.token.counts()["C_Sign"]
        self.token.set("C_Sign hang")
        self.fails("WorkerLost", self.sign)
        self.assertEqual(self.token.counts()["C_Sign"] - before, 2)

    def test_hang_spares_others(self):
        """while one call hangs, other sessions sign on"""
        self.begin("Timeout=5s\n")
        self.token.set("C_Sign hang count=1")
        with self.daemon.client() as client:
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            until(lambda: self.daemon.token("hsm")["inFlight"] == 1, "it hangs", 10)
            for _ in range(5):
                self.sign(timeoutMs=4000)
            self.assertIn("signature", client.result())

    def test_slow_in_time(self):
        """a call that is slow but in time is only slow"""
        self.begin("Timeout=5s\n")
        self.token.set("C_Sign delay_ms=700")
        self.is_good(self.sign()["signature"])
        self.assertEqual(self.daemon.token("hsm")["restarts"], 0)

    def test_deadline_exceeded(self):
        """DeadlineExceeded: executed tells whether the request had reached the device"""
        self.begin(sessions=3)
        self.token.set("C_Sign delay_ms=1500")
        threads = self.daemon.token("hsm")["sessions"]["limit"]
        clients = [self.daemon.client() for _ in range(threads + 2)]
        for client in clients:
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m"), "timeoutMs": 400})
        executed = sorted(self.fails("DeadlineExceeded", client.result)["executed"] for client in clients)
        self.assertEqual((executed[0], executed[-1]), (False, True))
        for client in clients:
            client.close()
        self.token.set()
        until(lambda: self.daemon.token("hsm")["inFlight"] == 0, "the late answers are dropped", 10)
        self.is_good(self.sign()["signature"])

    def test_overloaded(self):
        """Overloaded: a queue that is full says so, with a hint when to come again; the rest is served"""
        self.begin(instances="[Instance i]\nUser=0\nKeys=*\nMaxQueued=2\n", sessions=2)
        self.token.set("C_Sign delay_ms=100")
        with self.daemon.client() as client:
            for _ in range(20):
                client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            replies = [client.receive() for _ in range(20)]
        refused = [r for r in replies if "error" in r]
        self.assertTrue(0 < len(refused) < 20, len(refused))
        for reply in refused:
            self.assertEqual(reply["error"], "io.tokend.Keys.Overloaded")
            self.assertEqual(reply["parameters"]["token"], "hsm")
            self.assertGreater(reply["parameters"]["retryAfterMs"], 0)

    def test_fairness(self):
        """a flood from one instance delays another's request by at most a round"""
        if os.getuid():
            self.skipTest("only root can be other users")
        import varlink
        self.begin(instances="[Instance flood]\nUser=61001\nKeys=*\n[Instance calm]\nUser=61002\nKeys=*\n", sessions=2)
        self.token.set("C_Sign delay_ms=20")
        flood = varlink.Client(sock=varlink.connect_as(self.daemon.socket, 61001, 61001))
        calm = varlink.Client(sock=varlink.connect_as(self.daemon.socket, 61002, 61002))
        request = {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")}
        for _ in range(60):
            flood.send("Sign", request)
        until(lambda: self.daemon.token("hsm")["queued"] > 40, "the flood is there", 10)
        calm.call("Sign", **request)
        self.assertGreater(self.daemon.token("hsm")["queued"], 30)
        flood.close()
        calm.close()


class Verdicts(Faults):
    """A key whose signatures fail, beside others."""

    def begin(self, bad, **options):
        super().begin(keys=("k", "other"), sessions=6, **options)
        self.sign()
        self.bad = self.daemon.call("Generate", token="hsm", nickname="bad", type="rsa", size=2048)["key"]
        self.token.settled()
        self.token.set(*(f"{line} label=bad" for line in bad))
        self.before = self.daemon.token("hsm")

    def ask_bad(self):
        """The name of its error; None: it signs."""
        try:
            self.sign(key="hsm:bad", algorithm="rsa_pkcs1_sha256")
        except Error as error:
            return error.name
        return None

    def restarts(self):
        return self.daemon.token("hsm")["restarts"] - self.before["restarts"]

    def test_hot_loop(self):
        """a key whose signature fails, asked for all the time: its caller is told, the worker stays, the device is hardly asked"""
        for ckr, name in (("0x5", "CKR_GENERAL_ERROR"), ("0x30", "CKR_DEVICE_ERROR"), ("0x6", "CKR_FUNCTION_FAILED")):
            with self.subTest(name):
                self.begin([f"C_Sign ckr={ckr}"])
                before = self.token.counts()["C_Sign"]
                with self.daemon.client() as client, self.daemon.client() as neighbour:
                    for _ in range(300):
                        error = self.fails("TokenError", client.call, "Sign", key="hsm:bad", algorithm="rsa_pkcs1_sha256", message=b64(b"m"))
                        self.assertEqual(error, {"token": "hsm", "ckr": name})
                        neighbour.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))
                # With each failure the time doubles: 300 requests are over long before the tenth.
                self.assertLess(self.token.counts()["C_Sign"] - before - 300, 30)
                token = self.daemon.token("hsm")
                self.assertEqual((self.restarts(), token["logins"], token["state"]), (0, self.before["logins"], "ready"))
                self.token.set()
                until(lambda: self.ask_bad() is None, "the key signs again", 20)
                self.daemon.stop()

    def test_ends_workers(self):
        """a key that ends the worker, asked for all the time: after two requests it is answered at once, and the others sign"""
        self.begin(["C_Sign crash"])
        for _ in range(20):
            self.assertEqual(self.ask_bad(), "WorkerLost")
            self.sign()
        self.assertLessEqual(self.restarts(), 4)

    def test_device(self):
        """errors for everything, from a token that says that it is well, are the device's: the worker is replaced, and what was asked is done"""
        self.begin([])
        # As long as the library was not initialized anew.
        self.token.set("C_Sign ckr=0x30 until=C_Initialize", "C_SignInit ckr=0x30 until=C_Initialize")
        with self.daemon.client() as one, self.daemon.client() as two:
            def done():
                for client, key, algorithm in ((one, "k", "ecdsa_sha256"), (two, "bad", "rsa_pkcs1_sha256")):
                    client.send("Sign", {"key": f"hsm:{key}", "algorithm": algorithm, "message": b64(b"m")})
                return [client.receive() for client in (one, two)]
            until(lambda: all("error" not in reply for reply in done()), "both sign", 20)
        self.assertEqual(self.restarts(), 1)

    def test_only_key(self):
        """errors of the only key that is used, for 5 s without a success, are the device's"""
        self.begin([])
        self.token.set("C_Sign ckr=0x30 until=C_Initialize")
        until(lambda: self.ask_bad() is None, "it signs", 20)
        self.assertEqual(self.restarts(), 1)


class Changes(Faults):
    """What changes a token is never repeated blindly."""

    def generate(self, nickname="new", **more):
        return self.daemon.call("Generate", token="hsm", nickname=nickname, type="ec", **more)

    def test_generate_settled(self):
        """a Generate whose worker died after the device had done it is found out: success, and one key"""
        self.begin()
        self.token.set("C_GenerateKeyPair crash after count=1")
        key = self.generate()["key"]
        self.assertEqual(key["nickname"], "new")
        self.assertEqual(len(self.daemon.call("List", nickname="new")["keys"]), 1)
        self.sign(key="hsm:new")

    def test_generate_lost(self):
        """a Generate whose worker died before is WorkerLost, and there is no key"""
        self.begin()
        before = self.token.counts()["C_GenerateKeyPair"]
        self.token.set("C_GenerateKeyPair crash count=1")
        self.fails("WorkerLost", self.generate)
        self.assertEqual(self.token.counts()["C_GenerateKeyPair"] - before, 1)
        self.fails("KeyNotFound", self.daemon.call, "Get", key="hsm:new")
        self.generate()

    def test_generate_general_error(self):
        """CKR_GENERAL_ERROR of a Generate: what it made is removed, it is tried with less under its claim, and then refused"""
        self.begin()
        for number, after in enumerate(("", " after")):
            with self.subTest(after):
                self.token.set(f"C_GenerateKeyPair{after} ckr=0x5 count=1")
                self.generate(f"new {number}")
                self.assertEqual(len(self.daemon.call("List", nickname=f"new {number}")["keys"]), 1)
                before = self.token.counts()["C_GenerateKeyPair"]
                self.token.set(f"C_GenerateKeyPair{after} ckr=0x5")
                self.assertEqual(self.fails("TokenError", self.generate, "other"), {"token": "hsm", "ckr": "CKR_GENERAL_ERROR"})
                self.assertEqual(self.token.counts()["C_GenerateKeyPair"] - before, 5)
                self.assertEqual(self.token.tool("--list-objects").count("other"), 0)
        self.assertEqual(self.daemon.token("hsm")["restarts"], 0)

    def test_generate_device_lost(self):
        """a Generate whose device was lost: settled that nothing was made, it runs on the next worker"""
        self.begin()
        self.token.set("C_GenerateKeyPair ckr=0x5 count=1", "C_GetSessionInfo ckr=0x5 count=1 since=C_GenerateKeyPair")
        self.generate()
        self.assertEqual(len(self.daemon.call("List", nickname="new")["keys"]), 1)
        self.assertEqual(self.daemon.token("hsm")["restarts"], 1)

    def test_outcome_unknown(self):
        """OutcomeUnknown: a Generate that was interrupted and cannot be settled"""
        self.begin()
        # The look before it logs in twice, and must succeed.
        self.token.set("C_GenerateKeyPair crash after count=1", "C_Login ckr=0xa4 skip=2")
        self.assertEqual(self.fails("OutcomeUnknown", self.generate), {"token": "hsm", "operation": "generate"})

    def test_delete_interrupted(self):
        """a Delete that was interrupted is not repeated blindly: it is settled or unknown"""
        self.begin()
        before = self.token.counts()["C_DestroyObject"]
        self.token.set("C_DestroyObject crash count=1")
        try:
            self.daemon.call("Delete", key="hsm:k")
        except Exception as error:
            self.assertIn(error.name, ("OutcomeUnknown", "WorkerLost"))
        self.assertLessEqual(self.token.counts()["C_DestroyObject"] - before, 2)

    def test_delete_refused_and_forgotten(self):
        """a Delete that the token refused, and whose handle it does not know since, is no KeyNotFound: the key may be there"""
        self.begin()
        self.token.set("C_DestroyObject ckr=0x6 count=1", "C_DestroyObject ckr=0x82 count=1")
        self.assertEqual(self.fails("OutcomeUnknown", self.daemon.call, "Delete", key="hsm:k"), {"token": "hsm", "operation": "delete"})
        self.sign()
        self.assertEqual(self.daemon.call("Delete", key="hsm:k"), {})

    def test_delete_vague(self):
        """a vague error of a Delete that does not come again is none"""
        self.begin()
        self.token.set("C_DestroyObject ckr=0x5 count=1")
        self.assertEqual(self.daemon.call("Delete", key="hsm:k"), {})
        self.assertEqual(self.daemon.token("hsm")["restarts"], 0)
        self.fails("KeyNotFound", self.sign)

    def test_generate_timeout(self):
        """a Generate that outlives GenerateTimeout= ends the worker, and is not repeated"""
        self.begin("GenerateTimeout=1s\n")
        before = self.token.counts()["C_GenerateKeyPair"]
        self.token.set("C_GenerateKeyPair hang count=1")
        with self.assertRaises(Exception) as caught:
            self.generate()
        self.assertIn(caught.exception.name, ("WorkerLost", "OutcomeUnknown"))
        self.assertEqual(self.token.counts()["C_GenerateKeyPair"] - before, 1)
        self.sign()

    def test_one_generate_at_a_time(self):
        """two Generates on one token run one after the other, and a Sign between them is not held up"""
        self.begin(sessions=4)
        self.token.set("C_GenerateKeyPair delay_ms=600")
        clients = [self.daemon.client() for _ in range(2)]
        for number, client in enumerate(clients):
            client.send("Generate", {"token": "hsm", "nickname": f"g{number}", "type": "ec"})
        until(lambda: self.daemon.token("hsm")["inFlight"] == 1, "one is on the device", 5)
        self.assertEqual(self.daemon.token("hsm")["queued"], 1)
        self.sign(timeoutMs=500)
        for client in clients:
            client.result()
            client.close()


class Pin(Faults):
    def failed(self, *faults):
        """A start that ends in `failed`; how often C_Login was called."""
        daemon = self.begin("StartTimeout=2s\n", before=faults, wait=False)
        token = daemon.wait_state("hsm", "failed")
        self.assertIn("PIN", token["reason"].upper())
        self.fails("TokenUnavailable", self.sign)
        return self.token.counts().get("C_Login", 0)

    def test_wrong(self):
        """a wrong PIN is tried once"""
        self.assertEqual(self.failed("C_Login ckr=0xa0"), 1)

    def test_locked(self):
        """CKR_PIN_LOCKED and CKR_PIN_EXPIRED: failed, after one attempt"""
        self.assertEqual(self.failed("C_Login ckr=0xa4"), 1)
        self.assertEqual(self.failed("C_Login ckr=0xa3"), 1)

    def test_last_try(self):
        """CKF_USER_PIN_FINAL_TRY and CKF_USER_PIN_LOCKED seen before login: failed, without an attempt"""
        self.assertEqual(self.failed("C_GetTokenInfo flags=0x20000"), 0)
        self.assertEqual(self.failed("C_GetTokenInfo flags=0x40000"), 0)

    def test_broker_killed(self):
        """a wrong PIN is not tried again because a broker died"""
        self.failed("C_Login ckr=0xa0")
        broker = self.daemon.broker()
        broker.kill()
        until(broker.gone, "it is gone")
        self.daemon.wait_state("hsm", "failed")
        self.assertEqual(self.token.counts()["C_Login"], 1)

    def refused_to_look(self):
        """A token that serves, and a look that was refused the PIN; how often C_Login was called by then."""
        self.begin()
        logins = self.token.settled()["C_Login"]
        self.token.set("C_Login ckr=0xa0")
        self.fails("TokenError", self.daemon.call, "Generate", token="hsm", nickname="new", type="ec")
        self.assertEqual(self.token.counts()["C_Login"], logins + 1)
        return logins + 1

    def test_refused_to_look(self):
        """a PIN that was refused to a look is tried by no other look, and by no worker: the next start is `failed`"""
        logins = self.refused_to_look()
        self.fails("TokenError", self.daemon.call, "Generate", token="hsm", nickname="new", type="ec")
        self.sign()
        self.daemon.worker().kill()
        self.assertIn("PIN", self.daemon.wait_state("hsm", "failed")["reason"])
        self.fails("TokenUnavailable", self.sign)
        # A reload does not try it either, while it is the same.
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.wait_notify("READY=1")
        self.assertEqual(self.daemon.token("hsm")["state"], "failed")
        self.assertEqual(self.token.counts()["C_Login"], logins)
        self.token.set()
        self.token.pin_file.touch()
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.wait_state("hsm", "ready")
        self.daemon.call("Generate", token="hsm", nickname="new", type="ec")

    def test_refused_and_changed(self):
        """a PIN that was refused to a look, and that has changed since, is tried by the next worker, and by looks after it"""
        self.refused_to_look()
        self.token.set()
        self.token.pin_file.touch()
        worker = self.daemon.worker()
        worker.kill()
        until(worker.gone, "it is gone")
        self.sign()
        self.daemon.call("Generate", token="hsm", nickname="new", type="ec")

    def test_changed_meanwhile(self):
        """the file that an operator puts there while the wrong PIN is being refused was not tried: a reload tries it"""
        self.token = FaultyToken(self.place, "meanwhile")
        self.token.set("C_Login delay_ms=1500 count=1")
        right = self.token.pin_file.read_text()
        self.token.pin_file.write_text("not the pin\n")
        daemon = self.own(self.token.section("hsm", "KeepAlive=1h\n", refresh="1h"), wait=False)
        until(lambda: self.token.counters.exists() and self.token.counts().get("C_Login"), "it logs in")
        self.token.pin_file.write_text(right)
        self.assertIn("PIN", daemon.wait_state("hsm", "failed")["reason"])
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_state("hsm", "ready")

    def test_look_abstains(self):
        """CKF_USER_PIN_COUNT_LOW: somebody tried a wrong PIN. A look tries none, and the next worker does, since ours was not refused"""
        self.begin()
        logins = self.token.settled()["C_Login"]
        self.token.set("C_GetTokenInfo flags=0x10000")
        self.fails("TokenError", self.daemon.call, "Generate", token="hsm", nickname="new", type="ec")
        self.assertEqual(self.token.counts()["C_Login"], logins)
        worker = self.daemon.worker()
        worker.kill()
        until(worker.gone, "it is gone")
        self.sign()
        self.token.set()
        self.daemon.call("Generate", token="hsm", nickname="new", type="ec")


class Start(Faults):
    def test_absent_and_back(self):
        """a token that is removed is recovering, and ready again by itself when it is back"""
        self.begin(refresh="300ms")
        self.token.set("C_GetSlotList absent", "C_Sign ckr=0x32", "C_GetSessionInfo ckr=0x32")
        with self.daemon.client() as client:
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            token = self.daemon.wait_state("hsm", "recovering")
            self.assertTrue(token["reason"])
            self.token.set()
            self.assertIn("signature", client.result())
        self.daemon.wait_state("hsm", "ready")

    def test_uri_while_all_start(self):
        """a URI that may mean each of two tokens that start waits for the one, and then for the other"""
        slow = FaultyToken(self.place, "slow", ("k",))
        slow.set("C_Initialize hold")
        daemon = self.own(f"{slow.section('slow')}[Token other]\nModule=internal\nDirectory={self.place.path}/other\n", wait=False)
        daemon.wait_state("slow", "starting")
        with daemon.client() as client:
            client.send("Sign", {"key": "pkcs11:token=slow;object=k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            daemon.wait_state("other", "ready")
            slow.set()
            self.assertIn("signature", client.result())

    def test_device_back(self):
        """a device that gives errors to every start is tried twice a second, and ready soon after it is back"""
        for call in ("C_GetSlotList absent", "C_Initialize ckr=0x30", "C_OpenSession ckr=0x30"):
            with self.subTest(call):
                self.begin()
                self.token.set("C_Sign ckr=0x32", "C_GetSessionInfo ckr=0x32", call)
                with self.daemon.client() as client:
                    client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
                    # An absent device is no restart: the starts of the module are what is counted.
                    starts = self.token.counts()["C_Initialize"]
                    times = []
                    # As many tries in vain that a back-off would have grown to seconds.
                    while len(times) < 6:
                        starts = until(lambda n=starts: (lambda m: m if m > n else None)(self.token.counts()["C_Initialize"]), "a start")
                        times.append(time.monotonic())
                    self.token.set()
                    self.assertIn("signature", client.result())
                # The pauses are the same, so that none is much longer than the others, however busy the machine is.
                pauses = sorted(b - a for a, b in zip(times[1:], times[2:]))
                self.assertLess(pauses[len(pauses) // 2], 2, pauses)
                self.daemon.stop()

    def test_crash_at_start(self):
        """a module that crashes at its start is tried again with pauses, and serves once it works"""
        daemon = self.begin("StartTimeout=1s\n", before=["C_Initialize crash"], wait=False)
        until(lambda: self.token.counters.exists() and self.token.counts().get("C_Initialize", 0) >= 3, "three tries", 20)
        daemon.wait_notify("READY=1")
        self.assertLess(self.token.counts()["C_Initialize"], 40)
        self.fails("TokenUnavailable", self.sign, timeoutMs=300)
        self.token.set()
        self.sign()

    def test_hang_at_start(self):
        """whatever call of the start hangs is given up after Timeout=, and the module started again: StartTimeout= is not waited for"""
        for call in ("C_Initialize", "C_GetSlotList", "C_GetTokenInfo", "C_GetMechanismList", "C_OpenSession", "C_GetSessionInfo",
                     "C_Login", "C_FindObjectsInit"):
            with self.subTest(call):
                self.begin("StartTimeout=10min\nTimeout=500ms\n", before=[f"{call} hang count=1"], wait=False)
                self.daemon.wait_state("hsm", "ready")
                self.assertIn("did not come back within 500 ms", self.daemon.log_text())
                self.sign()
                self.daemon.stop()

    def test_hang_of_all(self):
        """where every call hangs for a while requests wait, and are answered soon after; another token's never wait"""
        self.token = FaultyToken(self.place, "stuck")
        other = SoftToken(self.place, "beside")
        other.make_key("k", "01")
        daemon = self.daemon = self.own(self.token.section("hsm", "StartTimeout=10min\nTimeout=1s\nKeepAlive=1h\n", refresh="1h") +
                                        other.section("other", refresh="1h"))
        self.sign()
        with daemon.client() as client:
            hung = self.token.counts()["C_SignInit"]
            self.token.set("* hang")
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            until(lambda: self.token.counts()["C_SignInit"] > hung, "it hangs")
            begun, worst = time.monotonic(), 0
            while daemon.token("hsm")["restarts"] == 0 or daemon.worker("hsm").gone():
                before = time.monotonic()
                daemon.call("Sign", key="other:k", algorithm="ecdsa_sha256", message=b64(b"m"))
                worst = max(worst, time.monotonic() - before)
                self.assertLess(before - begun, 60)
            self.token.set()
            back = time.monotonic()
            self.assertIn("signature", client.result())
            self.assertLess(worst, 0.9, "a token beside it waits less than Timeout=")
            self.assertLess(time.monotonic() - back, 20)

    def test_slow_login_short_timeout(self):
        """a login that takes longer than Timeout= succeeds in the end: each start in a row has twice the time"""
        self.begin("StartTimeout=10min\nTimeout=500ms\n", before=["C_Login delay_ms=1500"], wait=False)
        self.daemon.wait_state("hsm", "ready")
        self.is_good(self.sign()["signature"])

    def test_slow_login(self):
        """READY does not wait longer than StartTimeout= for a slow token, and its requests wait for it"""
        daemon = self.begin("StartTimeout=1s\nTimeout=10s\n", before=["C_Login delay_ms=3000"], wait=False)
        daemon.wait_notify("READY=1")
        self.is_good(self.sign()["signature"])

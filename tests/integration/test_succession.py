# SPDX-License-Identifier: MPL-2.0
"""A section that changes gets its worker beside the one that serves: what fails does not take the token down."""
import re
import signal
import threading

from harness import Case, SoftToken, until
from test_faults import FaultyToken
from varlink import b64, unb64


class Successor(FaultyToken):
    """The same token, with faults and counters of its own: what a section that changed names."""

    def __init__(self, token, name):
        for key in ("place", "label", "pin", "pin_file", "environment", "conf", "store"):
            setattr(self, key, getattr(token, key))
        self.module = token.module
        self.faults = self.place.path / f"{name}.faults"
        self.counters = self.place.path / f"{name}.counters"
        self.name = name
        self.set()

    def set(self, *lines):
        self.faults.write_text("".join(line + "\n" for line in lines))


class Signing:
    """A client that signs all the time; every signature succeeds."""

    def __init__(self, case, daemon):
        self.case, self.daemon, self.n, self.faults = case, daemon, 0, []

    def __enter__(self):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        until(lambda: self.n > 3, "signatures")
        return self

    def run(self):
        with self.daemon.client() as client:
            while not self.stop.is_set() and not self.faults:
                try:
                    client.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))
                    self.n += 1
                except Exception as error:  # pylint: disable=broad-exception-caught
                    self.faults.append(repr(error))

    def goes_on(self):
        n = self.n
        until(lambda: self.n > n + 3 or self.faults, "more signatures")

    def __exit__(self, *error):
        self.stop.set()
        self.thread.join()
        self.case.assertEqual(self.faults, [])


class Succession(Case):
    """Each test has a token and a daemon of its own."""

    def begin(self, keys=("k",), extra=""):
        label = f"t{len(list(self.place.path.iterdir()))}"
        self.token = FaultyToken(self.place, label, keys)
        self.extra = "KeepAlive=1h\n" + extra
        self.daemon = self.own(self.token.section("hsm", self.extra, refresh="1h"))
        self.ready = self.daemon.wait_state("hsm", "ready")
        self.worker = self.daemon.worker().pid
        return self.daemon

    def successor(self, *faults):
        token = Successor(self.token, f"{self.token.label}-next{len(list(self.place.path.iterdir()))}")
        token.set(*faults)
        return token

    def hup(self, config):
        self.daemon.write_config(config)
        self.daemon.process.send_signal(signal.SIGHUP)

    def reload(self, config):
        self.hup(config)
        self.daemon.wait_notify("READY=1")

    def configuration(self):
        return self.daemon.status()["configuration"]

    def is_in_force(self):
        return self.configuration()["ok"]

    def refused(self, *words):
        """Waits until the section is refused; what is told of it."""
        def told():
            found = self.configuration()
            return found if not found["ok"] and "is not in force, the section before it is" in found["reason"] else None
        found = until(told, f"the section is refused; log:\n{self.daemon.log_text()}")
        self.assertRegex(found["reason"], r"\.conf:\d+: \[Token hsm\] ")
        for word in words:
            self.assertIn(word, found["reason"])
        metrics = self.daemon.ctl("metrics")
        self.assertRegex(metrics, r"(?m)^tokend_config_ok 0$")
        self.assertIn("the section before it stays", self.daemon.log_text())
        return found

    def works(self, worker=None):
        """The token serves, with that worker."""
        found = self.daemon.token("hsm")
        self.assertEqual(found["state"], "ready")
        self.daemon.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))
        if worker:
            self.assertEqual([w.pid for w in self.daemon.workers()], [worker])

    def begins(self, token, function, ask):
        before = token.counts().get(function, 0)
        ask()
        until(lambda: token.counts().get(function, 0) > before, f"{function} is called")

    # ---- it comes up ----

    def test_nothing_fails(self):
        """a section that changes has another worker, and no request notices"""
        daemon = self.begin()
        with Signing(self, daemon) as signing:
            for sessions in (3, 2, 4):
                worker = daemon.worker().pid
                self.reload(self.token.section("hsm", self.extra, sessions=sessions, refresh="1h"))
                self.assertTrue(self.is_in_force(), self.configuration())
                self.assertEqual(daemon.token("hsm")["sessions"]["limit"], sessions)
                until(lambda: [w.pid for w in daemon.workers()] != [worker] and len(daemon.workers()) == 1, "another worker")
                signing.goes_on()
        found = daemon.token("hsm")
        self.assertEqual((found["state"], found["sinceUSec"]), ("ready", self.ready["sinceUSec"]))

    def test_in_flight(self):
        """a signature that the old worker has is finished there, while the new one serves"""
        daemon = self.begin()
        self.token.set("C_Sign delay_ms=3000")
        after = self.successor()
        with daemon.client() as client:
            self.begins(self.token, "C_Sign",
                        lambda: client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")}))
            self.reload(after.section("hsm", self.extra, refresh="1h"))
            self.assertTrue(self.is_in_force(), self.configuration())
            daemon.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))
            self.assertGreater(after.counts()["C_Sign"], 0)
            self.assertEqual(len(daemon.workers()), 2)
            client.result()
        until(lambda: len(daemon.workers()) == 1, "the old worker ends")

    def test_generate_in_flight(self):
        """the newcomer waits for a Generate, and requests that change nothing go on meanwhile"""
        daemon = self.begin()
        self.token.set("C_GenerateKeyPair delay_ms=3000 count=1")
        with daemon.client() as client, Signing(self, daemon) as signing:
            self.begins(self.token, "C_GenerateKeyPair",
                        lambda: client.send("Generate", {"token": "hsm", "nickname": "new", "type": "ec"}))
            self.hup(self.successor().section("hsm", self.extra, refresh="1h"))
            until(lambda: len(daemon.workers()) == 2, "two workers")
            signing.goes_on()
            client.result()
            daemon.wait_notify("READY=1")
            until(self.is_in_force, "the section is in force")
            signing.goes_on()
        self.assertEqual(sorted(k["nickname"] for k in daemon.call("List", token="hsm")["keys"]), ["k", "new"])
        daemon.call("Sign", key="hsm:new", algorithm="ecdsa_sha256", message=b64(b"m"))

    def test_generate_while_it_starts(self):
        """a Generate that is under way while a newcomer starts is the old worker's: its claim and its pair are left alone"""
        daemon = self.begin()
        self.token.set("C_GenerateKeyPair delay_ms=2000 count=1")
        after = self.successor()
        with daemon.client() as client:
            self.begins(self.token, "C_GenerateKeyPair",
                        lambda: client.send("Generate", {"token": "hsm", "nickname": "new", "type": "ec"}))
            self.hup(after.section("hsm", self.extra, refresh="1h"))
            until(lambda: after.counters.exists() and after.counts().get("C_Login", 0) > 0, "the newcomer logs in")
            client.result()
        daemon.wait_notify("READY=1")
        self.assertNotIn("that an earlier worker left", daemon.log_text())
        self.assertTrue(self.is_in_force(), self.configuration())

    def test_another_token(self):
        """a section that means another token now: its keys alone are there, and none is mixed with the other's"""
        daemon = self.begin(keys=("k", "a"))
        old = {k["nickname"]: k["publicKey"] for k in daemon.call("List", token="hsm")["keys"]}
        other = FaultyToken(self.place, f"{self.token.label}-b", ("k", "b"))
        sealed = daemon.call("io.tokend.Secrets.Generate", token="hsm",
                             template={"type": "aes", "length": 32, "usage": ["encrypt"]})["sealed"]
        self.reload(other.section("hsm", self.extra, refresh="1h"))
        self.assertTrue(self.is_in_force(), self.configuration())
        new = {k["nickname"]: k["publicKey"] for k in daemon.call("List", token="hsm")["keys"]}
        self.assertEqual(sorted(new), ["b", "k"])
        self.assertNotEqual(new["k"], old["k"])
        self.assertEqual(daemon.token("hsm")["label"], other.label)
        self.fails("KeyNotFound", daemon.call, "Sign", key="hsm:a", algorithm="ecdsa_sha256", message=b64(b"m"))
        self.fails("NotOurSeal", daemon.call, "io.tokend.Secrets.Encrypt", key=sealed, algorithm="aes_ecb",
                   plaintext=b64(bytes(16)))

    # ---- it does not ----

    def test_refused(self):
        """a section that cannot work leaves the token as it is, and says which line is not in force and why"""
        daemon = self.begin()
        good = self.token.section("hsm", self.extra, refresh="1h")
        for bad, words in ((re.sub("Module=.*", "Module=/nowhere/lib.so", good), ("/nowhere/lib.so",)),
                           (re.sub("token=[^\n]*", "token=nobody", good), ("no slot",)),
                           (re.sub("(?m)^Pin=.*", "Pin=file:/nowhere/pin", good), ("/nowhere/pin",))):
            self.reload(bad)
            self.refused(*words)
            self.works(self.worker)
        self.reload(good)
        self.assertTrue(self.is_in_force(), self.configuration())
        self.assertEqual(self.configuration()["reason"], "")
        self.works(self.worker)

    def test_refused_then_mended(self):
        """the same section is tried again by the next reload"""
        daemon = self.begin()
        after = self.successor("C_OpenSession ckr=0x30")
        section = after.section("hsm", self.extra, refresh="1h")
        self.reload(section)
        self.refused("CKR_DEVICE_ERROR")
        after.set()
        self.reload(section)
        self.assertTrue(self.is_in_force(), self.configuration())
        self.assertNotEqual(daemon.worker().pid, self.worker)

    def test_wrong_pin(self):
        """a wrong PIN in a section that changed costs one attempt, and the token serves on"""
        self.begin()
        after = self.successor()
        after.pin_file = self.place.write(f"{after.name}.pin", "wrong\n", 0o600)
        section = after.section("hsm", self.extra, refresh="1h")
        for _ in range(3):
            self.reload(section)
            self.refused("PIN")
            self.assertEqual(after.counts()["C_Login"], 1)
        self.works(self.worker)
        self.place.write(f"{after.name}.pin", self.token.pin + "\n", 0o600)
        self.reload(section)
        self.assertTrue(self.is_in_force(), self.configuration())

    def test_too_slow(self):
        """a newcomer that is not up within StartTimeout= is given up"""
        self.begin()
        self.reload(self.successor("C_Login delay_ms=20000").section(
            "hsm", self.extra + "StartTimeout=1s\n", refresh="1h"))
        self.refused("StartTimeout=")
        self.works(self.worker)

    def test_no_list(self):
        """a newcomer that cannot list the token's objects does not take over"""
        self.begin(extra="Timeout=1s\nGenerateTimeout=1s\n")
        self.hup(self.successor("C_FindObjects ckr=0x30").section(
            "hsm", self.extra + "StartTimeout=1s\n", refresh="1h"))
        self.refused()
        self.works(self.worker)

    # ---- a token with room for one ----

    def test_alone(self):
        """a token that has no room for two at once: the old worker ends first, and nothing fails"""
        daemon = self.begin()
        # As often as the worker tries it.
        after = self.successor("C_OpenSession ckr=0xb1 count=3")
        with Signing(self, daemon) as signing:
            self.reload(after.section("hsm", self.extra, refresh="1h"))
            self.assertTrue(self.is_in_force(), self.configuration())
            signing.goes_on()
        self.assertIn("no room for a second worker", daemon.log_text())
        self.assertNotEqual(daemon.worker().pid, self.worker)

    def test_alone_in_vain(self):
        """a token that has no room for two, and a section that does not work: the one before serves again"""
        daemon = self.begin()
        with Signing(self, daemon) as signing:
            after = self.successor("C_OpenSession ckr=0xb1")
            self.reload(after.section("hsm", self.extra, refresh="1h"))
            self.refused("CKR_SESSION_COUNT")
            daemon.wait_state("hsm", "ready")
            signing.goes_on()

    # ---- meanwhile ----

    def newcomer(self):
        """A newcomer that is at its login for long; its section."""
        after = self.successor("C_Login delay_ms=3000")
        section = after.section("hsm", self.extra, refresh="1h")
        self.hup(section)
        until(lambda: after.counters.exists() and after.counts().get("C_Login", 0) > 0, "the newcomer logs in")
        self.assertIn("not in force yet", self.configuration()["reason"])
        return after, section

    def test_several_reloads(self):
        """of several reloads in a row the last one counts"""
        daemon = self.begin()
        with Signing(self, daemon) as signing:
            self.newcomer()
            self.newcomer()
            self.hup(self.token.section("hsm", self.extra, sessions=2, refresh="1h"))
            until(lambda: self.is_in_force() and daemon.token("hsm")["sessions"]["limit"] == 2, "the last one is in force")
            signing.goes_on()

    def test_taken_back(self):
        """a reload takes the change back while the newcomer starts"""
        self.begin()
        self.newcomer()
        self.reload(self.token.section("hsm", self.extra, refresh="1h"))
        self.assertTrue(self.is_in_force(), self.configuration())
        until(lambda: len(self.daemon.workers()) == 1, "the newcomer ends")
        self.works(self.worker)

    def test_worker_dies(self):
        """the worker that serves dies while the newcomer starts: nobody waits longer than for the first that serves"""
        daemon = self.begin()
        self.newcomer()
        daemon.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))
        next(w for w in daemon.workers() if w.pid == self.worker).kill()
        daemon.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))
        until(self.is_in_force, "the section is in force")
        self.works()

    def test_newcomer_dies(self):
        """the newcomer dies: the token serves, and the reason is told"""
        daemon = self.begin()
        self.newcomer()
        next(w for w in daemon.workers() if w.pid != self.worker).kill()
        self.refused("killed")
        self.works(self.worker)

    def test_broker_dies(self):
        """the broker dies while the newcomer starts: the next one knows of both"""
        daemon = self.begin()
        self.newcomer()
        broker = daemon.broker()
        broker.kill()
        until(broker.gone, "it is gone")
        self.assertIn("not in force yet", until(self.configuration, "an answer")["reason"])
        self.works()
        until(self.is_in_force, "the section is in force")
        until(lambda: len(daemon.workers()) == 1, "one worker")
        self.works()

    def test_stop(self):
        """SIGTERM while the newcomer starts"""
        self.begin()
        self.newcomer()
        self.daemon.stop()

    def test_removed(self):
        """a reload removes the token while the newcomer starts"""
        daemon = self.begin()
        self.newcomer()
        other = SoftToken(self.place, f"{self.token.label}-other")
        self.reload(other.section("other"))
        daemon.wait_state("other", "ready")
        until(lambda: len(daemon.workers()) == 1, "its processes end")
        self.assertTrue(self.is_in_force(), self.configuration())

    def test_random_goes_on(self):
        """what needs no key goes to whichever serves"""
        daemon = self.begin()
        self.newcomer()
        self.assertEqual(len(unb64(daemon.call("Random", length=16)["bytes"])), 16)
        until(self.is_in_force, "the section is in force")
        self.assertEqual(len(unb64(daemon.call("Random", length=16)["bytes"])), 16)

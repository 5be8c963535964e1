# SPDX-License-Identifier: MPL-2.0
"""A token that goes, comes back, or is another one now, while the service runs."""
import os

from harness import SOFTHSM, Case, SoftToken, run, until
from test_faults import FaultyToken
from varlink import Error, b64


class Presence(Case):
    """Each test has a token and a daemon of its own."""

    def begin(self, label, extra="", **options):
        self.token = SoftToken(self.place, label)
        self.token.make_key("k", "01")
        self.daemon = self.own(self.token.section("hsm", extra, **options))
        self.sign()

    def sign(self, key="k", **more):
        return self.daemon.call("Sign", key=f"hsm:{key}", algorithm="ecdsa_sha256", message=b64(b"m"), **more)

    def outcome(self, **more):
        try:
            self.sign(**more)
        except Error as error:
            return error.name
        return "signed"

    def softhsm(self, *argv):
        run("softhsm2-util", *argv, env=self.token.environment)

    def make_anew(self, pin=None):
        self.softhsm("--delete-token", "--token", self.token.label)
        self.softhsm("--init-token", "--free", "--label", self.token.label, "--pin", pin or self.token.pin, "--so-pin", "87654321")

    def test_store_away(self):
        """while the token's store is away its keys are not said not to exist: the token recovers, and signs when it is back"""
        self.begin("away")
        away = self.place.path / "elsewhere"
        os.rename(self.token.store, away)
        self.token.store.mkdir()
        seen = set()

        def recovering():
            seen.add(self.outcome(timeoutMs=1000))
            return self.daemon.token("hsm")["state"] == "recovering"
        until(recovering, "the token is said to be gone")
        self.assertIn("no slot has a token", self.daemon.token("hsm")["reason"])
        seen.add(self.outcome(timeoutMs=300))
        self.assertNotIn("KeyNotFound", seen)
        self.token.store.rmdir()
        with self.daemon.client() as client:
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m"), "timeoutMs": 30000})
            os.rename(away, self.token.store)
            self.assertIn("signature", client.result())

    def test_last_key_deleted(self):
        """a key that another program deleted is KeyNotFound, though it was the last one on the token"""
        self.begin("last")
        self.token.tool("--delete-object", "--type", "privkey", "--id", "01")
        until(lambda: self.outcome() == "KeyNotFound", "it is gone")
        self.assertEqual((self.daemon.token("hsm")["state"], self.daemon.token("hsm")["restarts"]), ("ready", 0))

    def test_another_token(self):
        """a token of the same label and PIN in the place of the worker's is taken: its keys are listed, and it makes new ones"""
        self.begin("anew")
        serial = self.daemon.token("hsm")["serial"]
        self.make_anew()
        self.token.make_key("k2", "02")
        until(lambda: self.outcome(key="k2", timeoutMs=5000) == "signed", "the new token's key signs")
        self.assertNotEqual(self.daemon.token("hsm")["serial"], serial)
        self.assertEqual(self.outcome(), "KeyNotFound")
        # Likewise where the first that is asked for is a new key.
        self.make_anew()

        def generate():
            try:
                return self.daemon.call("Generate", token="hsm", nickname="new", type="ec", timeoutMs=5000)
            except Error as error:
                self.assertNotEqual(error.name, "NicknameExists")
                return None
        until(generate, "a key is made on it")

    def test_another_pin(self):
        """a token that wants another PIN now is failed where it is another token, and else works on, with a reason"""
        self.begin("pin")
        worker = self.daemon.worker("hsm").pid
        run("pkcs11-tool", "--module", SOFTHSM, "--token-label", "pin", "--login", "--pin", self.token.pin, "--change-pin", "--new-pin",
            "99999999", env=self.token.environment)
        # What changes the token has a look come after it.
        self.daemon.call("Delete", key="hsm:k")
        until(lambda: "refused the PIN" in self.daemon.token("hsm")["reason"], "the status says it")
        self.assertEqual((self.daemon.token("hsm")["state"], self.daemon.worker("hsm").pid), ("ready", worker))

    def test_another_token_and_pin(self):
        """a token in the place of the worker's that wants another PIN is failed"""
        self.begin("both")
        self.make_anew(pin="99999999")
        until(lambda: self.daemon.token("hsm")["state"] == "failed", "an operator has to act")


class Slow(Case):
    def test_slow_look(self):
        """a look that takes longer than StartTimeout= is let go on as long as it makes progress"""
        token = FaultyToken(self.place, "slow", keys=[f"k{i}" for i in range(8)])
        daemon = self.own(token.section("hsm", "StartTimeout=1s\nTimeout=10s\nKeepAlive=1h\n", refresh="1h"))
        daemon.wait_state("hsm", "ready")
        token.set("C_GetAttributeValue delay_ms=300")
        daemon.call("Delete", key="hsm:k0")
        until(lambda: len(daemon.workers()) == 2, "a look has begun")
        until(lambda: len(daemon.workers()) == 1, "it has ended")
        self.assertNotIn("it is ended", daemon.log_text())


if __name__ == "__main__":
    import unittest
    unittest.main()

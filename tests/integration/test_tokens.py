# SPDX-License-Identifier: MPL-2.0
"""Several tokens in one daemon, and tokens that do not come up."""
import os

from harness import PIN, SOFTHSM, Case, SoftToken, openssl_verify, until
from varlink import b64, unb64


class Several(Case):
    @classmethod
    def configure(cls):
        one, two = SoftToken(cls.place, "one"), SoftToken(cls.place, "two", pin="another-pin")
        cls.daemon = cls.start(one.section() + two.section() + "[Token internal]\nModule=internal\n")

    def test_side_by_side(self):
        """two SoftHSM2 tokens of different SOFTHSM2_CONF and an internal token sign side by side"""
        clients = {}
        for name in ("one", "two", "internal"):
            key = self.daemon.call("Generate", token=name, nickname="same name", type="ec")["key"]
            self.assertEqual(key["token"], name)
            clients[name] = (self.daemon.client(), key)
        for client, key in clients.values():
            for _ in range(20):
                client.send("Sign", {"key": f"{key['token']}:same name", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
        for client, key in clients.values():
            for _ in range(20):
                signature = unb64(client.result()["signature"])
            self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), "ecdsa_sha256", b"m", signature))
            client.close()
        self.assertEqual(len(self.daemon.workers()), 3)
        self.assertEqual({k["token"] for k in self.daemon.call("List")["keys"]}, {"one", "two", "internal"})

    def test_first_token(self):
        """a nickname alone, where nothing is configured, is on the first token"""
        self.daemon.call("Generate", token="one", nickname="alone", type="ec")
        self.daemon.call("Generate", token="two", nickname="on two", type="ec")
        self.assertEqual(self.daemon.call("Get", key="alone")["key"]["token"], "one")
        self.fails("KeyNotFound", self.daemon.call, "Get", key="on two")
        self.assertEqual(self.daemon.call("Generate", nickname="made without", type="ec")["key"]["token"], "one")

    def test_token_not_found(self):
        """TokenNotFound"""
        for method, more in (("List", {}), ("Generate", {"nickname": "x", "type": "ec"})):
            self.assertEqual(self.fails("TokenNotFound", self.daemon.call, method, token="nowhere", **more), {"token": "nowhere"})

    def test_colon(self):
        """what stands before a colon is a token only if one bears that name"""
        self.fails("KeyNotFound", self.daemon.call, "Get", key="nowhere:x")


class Faulty(Case):
    """A good token beside one that does not come up."""

    @classmethod
    def configure(cls):
        cls.good = SoftToken(cls.place, "good")

    def beside(self, section, state, *words):
        """Starts with good and section; the bad one's status; good works, and what asks for the bad is told why."""
        daemon = self.own(self.good.section() + section + "StartTimeout=2s\n")
        token = daemon.wait_state("bad", state)
        for word in words:
            self.assertIn(word.lower(), token["reason"].lower())
        if not any(k["nickname"] == "k" for k in daemon.call("List", token="good")["keys"]):
            daemon.call("Generate", token="good", nickname="k", type="ec")
        daemon.call("Sign", key="good:k", algorithm="ecdsa_sha256", message=b64(b"m"))
        refused = self.fails("TokenUnavailable", daemon.call, "Generate", token="bad", nickname="x", type="ec", timeoutMs=700)
        self.assertEqual((refused["token"], refused["state"]), ("bad", state))
        self.assertTrue(refused["reason"])
        return daemon, token

    def test_wrong_pin(self):
        """a wrong PIN: failed, after one attempt, which is not repeated, also when a reload changes nothing"""
        bad = SoftToken(self.place, "bad")
        bad.pin_file.write_text("wrong-pin\n")
        daemon, token = self.beside(bad.section(), "failed", "PIN")
        self.assertNotIn("wrong-pin", daemon.log_text())
        restarts = token["restarts"]
        daemon.call("Sign", key="good:k", algorithm="ecdsa_sha256", message=b64(b"m"))
        daemon.process.send_signal(1)
        daemon.wait_notify("READY=1")
        after = daemon.token("bad")
        self.assertEqual((after["state"], after["restarts"]), ("failed", restarts))
        self.assertEqual(len(daemon.workers()), 1)

    def test_wrong_pin_mended(self):
        """a wrong PIN that the operator mends works after a reload"""
        bad = SoftToken(self.place, "bad2")
        bad.pin_file.write_text("wrong-pin\n")
        daemon, _ = self.beside(bad.section("bad"), "failed", "PIN")
        replacement = self.place.write("new.pin", PIN + "\n", 0o600)
        os.replace(replacement, bad.pin_file)
        daemon.process.send_signal(1)
        daemon.wait_state("bad", "ready")
        daemon.call("Generate", token="bad", nickname="k", type="ec")

    def test_missing_pin_file(self):
        """a PIN file that is missing: the token says so"""
        bad = SoftToken(self.place, "bad3")
        bad.pin_file.unlink()
        self.beside(bad.section("bad"), "recovering", "bad3.pin", "No such file")

    def test_odd_pin_files(self):
        """what an editor added to a PIN file is said before an attempt is made; CR LF, `=` and a blank without a line end are fine"""
        token = SoftToken(self.place, "odd", pin="a b=c ")
        odd = {"lines": b"a b=c \n\n", "crs": b"a b=c \r\r\n", "blank": b"a b=c \n", "mark": b"\xef\xbb\xbfa b=c",
               "conf": b"hardware-odd=a b=c", "label": b"odd=a b=c", "internal": b"internal=a b=c"}
        words = {"mark": "byte order mark", "conf": "NAME=PIN", "label": "NAME=PIN", "internal": "NAME=PIN"}
        plain = SoftToken(self.place, "plain")
        good = {token: b"a b=c ", plain: PIN.encode() + b"\r\n"}
        sections = ""
        for each, pin in good.items():
            each.pin_file.write_bytes(pin)
            sections += each.section()
        for name, pin in odd.items():
            sections += token.section(f"t-{name}").replace(str(token.pin_file), str(self.place.write(f"{name}.odd", pin, 0o600)))
        daemon = self.own(sections)
        for each in good:
            daemon.wait_state(each.label, "ready")
        for name in odd:
            with self.subTest(name):
                seen = daemon.wait_state(f"t-{name}", "failed")
                self.assertIn(words.get(name, "white space or a second line end"), seen["reason"])
                self.assertIn(f"{name}.odd", seen["reason"])
                self.assertEqual(seen["logins"], 0)
                self.assertNotIn("a b=c", seen["reason"])
        self.assertNotIn("a b=c", daemon.log_text())

    def test_pin_file_irregular(self):
        """a PIN file that is none: said, and not waited for"""
        bad = SoftToken(self.place, "bad9")
        fifo = self.place.path / "bad9.fifo"
        os.mkfifo(fifo)
        self.beside(bad.section("bad").replace(str(bad.pin_file), str(fifo)), "recovering", str(fifo), "not a regular file")

    def test_pin_limit(self):
        """LIMIT_PIN: a PIN of 513 bytes is refused before the token sees it"""
        bad = SoftToken(self.place, "bad4")
        bad.pin_file.write_text("x" * 513)
        self.beside(bad.section("bad"), "recovering", "bad4.pin", "too long")

    def test_missing_module(self):
        """a module that is not there: its state and reason, the others work"""
        self.beside("[Token bad]\nModule=/nowhere/module.so\n", "recovering")

    def test_not_a_module(self):
        """a file that is no module: its state and reason, the others work"""
        self.beside(f"[Token bad]\nModule={self.place.write('text.so', 'this is text')}\n", "recovering")

    def test_not_a_pkcs11_module(self):
        """a library that is no PKCS #11 module: its state and reason, the others work"""
        self.beside("[Token bad]\nModule=/lib/x86_64-linux-gnu/libz.so.1\n", "recovering")

    def test_absent_token(self):
        """a token that is not there: recovering, and ready once it appears, without a restart of the daemon"""
        bad = SoftToken(self.place, "bad5")
        hidden = self.place.path / "hidden"
        os.rename(bad.store, hidden)
        bad.store.mkdir()
        daemon, _ = self.beside(bad.section("bad"), "recovering")
        # Its Uri= says that this cannot be on it: nobody waits for it.
        self.fails("KeyNotFound", daemon.client(timeout=10).call, "Get", key="pkcs11:token=nope;object=k")
        bad.store.rmdir()
        os.rename(hidden, bad.store)
        daemon.wait_state("bad", "ready", 15)
        daemon.call("Generate", token="bad", nickname="k", type="ec")

    def test_waiting_request(self):
        """a request for a token that is recovering waits, and is served when the token comes"""
        late = SoftToken(self.place, "late")
        late.make_key("k", "01")
        hidden = self.place.path / "hidden-late"
        os.rename(late.store, hidden)
        late.store.mkdir()
        daemon = self.own(late.section(extra="StartTimeout=1s\n"))
        daemon.wait_state("late", "recovering")
        with daemon.client() as client:
            client.send("Sign", {"key": "late:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")})
            until(lambda: daemon.token("late")["queued"] == 1, "the request waits", 10)
            late.store.rmdir()
            os.rename(hidden, late.store)
            self.assertIn("signature", client.result())

    def test_without_pin(self):
        """a token that wants a login and has no Pin=: its state and reason, the others work"""
        bad = SoftToken(self.place, "bad6")
        self.beside(f"[Token bad]\nModule={SOFTHSM}\nUri=pkcs11:token=bad6\nEnvironment=SOFTHSM2_CONF={bad.conf}\n",
                    "recovering", "pin= is not configured")

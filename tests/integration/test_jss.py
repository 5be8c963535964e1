# SPDX-License-Identifier: MPL-2.0
"""A KRA and a TKS as Dogtag runs them: JSS calls the PKCS #11 module, and openssl is at the other ends."""
import os
import shutil
import subprocess
import threading
import time

from harness import PLAIN, ROOT, Case, SoftToken, run, until
from test_kra import IV, OAEP, SPKI_OF, Openssl

JARS = ["jss", "jss-symkey", "slf4j-api", "slf4j-nop", "commons-lang3"]
CARD = bytes(range(1, 11))
ENC, KEK = 1, 3


def of_card(kind):
    """What a key of a card is made of by SCP01 as Dogtag does it: the card's serial number and the kind of key, twice."""
    half = CARD[0:2] + CARD[4:8]
    return half + bytes([0xF0, kind]) + half + bytes([0x0F, kind])


class Authority(Case):
    """SoftHSM2 wraps private keys with KWP alone, knows OAEP with SHA-1 alone, and does not extract nor concatenate."""
    TOKENS = ("hsm", "nss")
    WRAPS = {"hsm": ["aes_kwp"], "nss": ["aes_kwp", "aes_cbc_pad"]}
    PADDINGS = {"hsm": ["rsa_pkcs1", "rsa_oaep_sha1"], "nss": list(OAEP)}

    @classmethod
    def configure(cls):
        cls.openssl = Openssl(cls.place)
        cls.storage = cls.place.path / "storage.pem"
        cls.transport = {}
        run("openssl", "genpkey", *SPKI_OF["rsa"], "-out", cls.storage)
        cls.daemon = cls.start(SoftToken(cls.place, "hsm").section() +
                               f"[Token nss]\nModule=internal\nDirectory={cls.place.path}/nss\n")
        for token in cls.TOKENS:
            cls.daemon.wait_state(token, "ready")
            cls.daemon.ctl("generate", f"{token}:transport", "--type", "rsa", "--size", "2048", "--usage", "sign,decrypt,unwrap")
            pem = cls.place.write(f"{token}.pem", cls.daemon.ctl("self-sign", f"{token}:transport", "--subject", f"CN={token}", "--days", "30"))
            key = run("openssl", "x509", "-in", pem, "-noout", "-pubkey")
            cls.transport[token] = run("openssl", "pkey", "-pubin", "-in", cls.place.write(f"{token}.pub", key), "-outform", "DER")

    def setUp(self):
        super().setUp()
        for program in ("java", "certutil", "modutil"):
            if not shutil.which(program):
                self.skipTest(f"{program} is not installed")
        if not os.path.exists("/usr/share/java/jss-symkey.jar"):
            self.skipTest("JSS is not installed")

    def start_java(self, token):
        database = self.place.path / f"db-{self.id()}-{token}"
        database.mkdir()
        pin = self.place.write("pin", b"database\n")
        environment = dict(os.environ, TOKEND_SOCKET=str(self.daemon.socket), LD_LIBRARY_PATH="/usr/lib/jss")
        for command in (["certutil", "-N", "-d", f"sql:{database}", "-f", pin],
                        ["modutil", "-force", "-dbdir", f"sql:{database}", "-add", "tokend", "-libfile", PLAIN / "libtokend-pkcs11.so"]):
            subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True, stdin=subprocess.DEVNULL)
        self.java = subprocess.Popen(["java", "-Xmx256m", "-Djava.library.path=/usr/lib/jss", "-cp",
                                      ":".join(f"/usr/share/java/{jar}.jar" for jar in JARS),
                                      ROOT / "tests/integration/JssAuthority.java", database, "database", token], text=True,
                                     env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for end in (self.java.stdout.close, self.java.wait, self.java.stdin.close):  # the last one first
            self.addCleanup(end)

    def ask(self, *words):
        """A call of the Java program, and what it answers; what the native code prints is passed over."""
        said = []
        self.java.stdin.write(" ".join("-" if w is None else w.hex() if isinstance(w, bytes) else str(w) for w in words) + "\n")
        self.java.stdin.flush()
        for line in self.java.stdout:
            said.append(line)
            if line.startswith("= "):
                self.assertFalse(line.startswith("= failed"), (words[0], "".join(said[-20:])))
                return bytes.fromhex(line[2:])
        raise AssertionError(f"{words[0]}: the program ended\n" + "".join(said[-30:]))

    def session_key(self, token, padding, usage, length=16):
        secret = os.urandom(16)
        wrapped = self.openssl.encrypt(self.transport[token], padding, secret)
        self.ask("unwrap", "session", "transport", padding, None, wrapped, usage, length)
        return secret

    def archive(self, token, padding, wrap, kind):
        """In: the client's session key and the user's private key. Out: both wrapped for the storage."""
        private, spki = self.openssl.private(kind)
        iv = IV if wrap == "aes_cbc_pad" else None
        client = self.session_key(token, padding, "UNWRAP")
        self.ask("unwrap-private", "user", "session", wrap, iv, self.openssl.wrap(wrap, client, private), kind, spki)
        self.ask("generate", "storage", "aes", 128)
        user = self.ask("wrap-private", "user", "storage", wrap, iv)
        return user, self.ask("wrap", "storage", self.openssl.public(self.storage), padding, None), spki

    def recover(self, token, padding, wrap, kind, stored_user, key, spki):
        """In: what is in the storage. Out: the user's key, wrapped by the session key of who recovers it."""
        iv = IV if wrap == "aes_cbc_pad" else None
        self.ask("unwrap", "storage", "transport", padding, None, self.openssl.encrypt(self.transport[token], padding, key), "UNWRAP", 16)
        self.ask("unwrap-private", "user", "storage", wrap, iv, stored_user, kind, spki)
        client = self.session_key(token, padding, "WRAP")
        return self.openssl.unwrap(wrap, client, self.ask("wrap-private", "user", "session", wrap, iv))

    def round_trip(self, token, padding, wrap, kind):
        user, stored_key, spki = self.archive(token, padding, wrap, kind)
        key = self.openssl.decrypt(self.storage, padding, stored_key)
        self.assertEqual(len(key), 16)
        self.assertTrue(self.openssl.same_key(self.openssl.unwrap(wrap, key, user), spki))
        self.assertTrue(self.openssl.same_key(self.recover(token, padding, wrap, kind, user, key, spki), spki))

    def test_kra(self):
        """users' keys are archived and recovered by JSS, with each padding and wrapping of each token"""
        for token in self.TOKENS:
            self.start_java(token)
            for padding in self.PADDINGS[token]:
                for wrap in self.WRAPS[token]:
                    for kind in ("rsa", "ec"):
                        with self.subTest(token=token, padding=padding, wrap=wrap, kind=kind):
                            self.round_trip(token, padding, wrap, kind)

    def test_kra_ciphers(self):
        """a KRA that encrypts: what a client's key encrypted is read in parts; keys whose length nobody says; pairs made for users"""
        data = os.urandom(1000)
        for token in self.TOKENS:
            self.start_java(token)
            client = self.session_key(token, "rsa_pkcs1", "DECRYPT")
            self.assertEqual(self.ask("decrypt", "session", "aes_cbc_pad", IV, self.openssl.wrap("aes_cbc_pad", client, data), 100), data)
            client = self.session_key(token, "rsa_pkcs1", "ENCRYPT", length=0)
            self.assertEqual(self.openssl.unwrap("aes_cbc_pad", client, self.ask("encrypt", "session", "aes_cbc_pad", IV, data, 37)), data)
            for kind in ("rsa", "ec"):
                spki = self.ask("pair", "made", kind)
                client = self.session_key(token, "rsa_pkcs1", "WRAP")
                der = self.openssl.unwrap("aes_kwp", client, self.ask("wrap-private", "made", "session", "aes_kwp", None))
                self.assertTrue(self.openssl.same_key(der, spki))

    def test_tks(self):
        """keys of cards, by the native code of Dogtag's TKS: what they encrypt is what openssl encrypts with the same keys"""
        self.start_java("nss")
        self.ask("master", "#02#01")
        self.assertIn(b"#02#01", self.ask("masters"))
        keys = {kind: self.ask("encrypt", "#02#01", "des3_ecb", None, of_card(kind), 16) for kind in (ENC, KEK)}
        data, one, other = os.urandom(16), os.urandom(8), os.urandom(8)

        def des3(key, plain, *options):
            return self.openssl.cipher("des-ede3-ecb" if not options else "des-ede3-cbc", key + key[:8], plain, "-e", "-nopad", *options)
        self.assertEqual(self.ask("card", "data", "#02#01", CARD, data, None), des3(keys[KEK], data))
        wrapped = self.ask("card", "kek", "#02#01", CARD, one, other)
        made = self.openssl.cipher("des-ede3-ecb", keys[KEK] + keys[KEK][:8], wrapped, "-d", "-nopad")
        self.assertEqual(self.ask("encrypt", "made", "des3_ecb", None, data, 16), des3(made, data))
        # The session keys of SCP01 come of both challenges, crosswise; a cryptogram is the last block of a CBC.
        session = des3(keys[ENC], one[4:] + other[:4] + one[:4] + other[4:])
        self.assertEqual(self.ask("card", "cryptogram", "#02#01", CARD, one, other),
                         des3(session, one + other + b"\x80" + bytes(7), "-iv", bytes(8).hex())[-8:])
        for secret in self.daemon.call("io.tokend.Secrets.List", token="nss")["secrets"]:
            self.daemon.call("io.tokend.Secrets.Delete", secret=f"nss:{secret['nickname']}")

    def test_killed_under_load(self):
        """worker, broker and daemon are killed while a KRA archives and recovers: it takes longer, and nothing fails"""
        self.start_java("hsm")
        turns, enough = [], threading.Event()

        def work():
            while not enough.is_set():
                self.round_trip("hsm", "rsa_pkcs1", "aes_kwp", "ec")
                turns.append(time.monotonic())
        thread = threading.Thread(target=work)
        thread.start()
        try:
            for end in (lambda: self.daemon.worker("hsm").kill(), lambda: self.daemon.broker().kill(), self.restart):
                before = len(turns)
                until(lambda: len(turns) > before + 2 or not thread.is_alive(), "it goes on", 60)
                self.assertTrue(thread.is_alive(), "nothing failed")
                end()
            before = len(turns)
            until(lambda: len(turns) > before + 2 or not thread.is_alive(), "it goes on", 60)
            self.assertTrue(thread.is_alive(), "nothing failed")
        finally:
            enough.set()
            thread.join()

    def restart(self):
        self.daemon.stop()
        self.daemon.start()

# SPDX-License-Identifier: MPL-2.0
"""All that the threads of one worker do at the same time: signatures, objects that come and go, renewals of the directory, copies
for the accelerator. `make tsan` runs this with the worker under ThreadSanitizer."""
import threading

from harness import Case, SoftToken, run, until
from varlink import Error, b64, unb64

MESSAGE = b"to be signed"
ROUNDS = 12
CERTIFICATES = "io.tokend.Certificates."


class Threads(Case):
    @classmethod
    def configure(cls):
        cls.hsm, cls.accel = SoftToken(cls.place, "hsm"), SoftToken(cls.place, "accel")
        internal = f"[Token internal]\nModule=internal\nDirectory={cls.place.path}/internal\nSessions=5\nRefresh=100ms\n"
        cls.daemon = cls.start(
            cls.hsm.section(extra="Accelerator=accel\nKeepAlive=1s\n", sessions=6, refresh="100ms") + internal +
            cls.accel.section(extra="Role=accelerator\nAcceleratedKeys=2\n", sessions=5, refresh="100ms"))
        for token in ("hsm", "accel", "internal"):
            cls.daemon.wait_state(token, "ready")
        with cls.daemon.client() as client:
            cls.keys = {token: {name: cls.make(client, token, name, loadable=token == "hsm") for name in "abc"}
                        for token in ("hsm", "internal")}

    @staticmethod
    def make(client, token, nickname, **more):
        return client.call("Generate", token=token, nickname=nickname, type="ec", timeoutMs=60000, **more)["key"]

    def sign(self, client, name):
        return client.call("Sign", key=name, algorithm="ecdsa_sha256", message=b64(MESSAGE))["signature"]

    def check(self, client, key, signature):
        self.assertTrue(client.call("Verify", publicKey=key["publicKey"], algorithm="ecdsa_sha256", message=b64(MESSAGE),
                                    signature=signature)["valid"], key)

    def signs(self, client, token, keys):
        for _ in range(ROUNDS):
            for name, key in keys.items():
                self.check(client, key, self.sign(client, f"{token}:{name}"))
            self.assertEqual(len(unb64(client.call("Random", length=32)["bytes"])), 32)

    def makes(self, client, token):
        """Each key is new, and under the same name as the one before it."""
        for _ in range(ROUNDS // 2):
            key = self.make(client, token, "comes and goes", **({"loadable": True} if token == "hsm" else {}))
            self.check(client, key, self.sign(client, f"{token}:comes and goes"))
            client.call(CERTIFICATES + "SelfSign", key=f"{token}:comes and goes", subject="CN=x", validityDays=1)
            client.call(CERTIFICATES + "Delete", certificate=f"{token}:comes and goes")
            client.call("Delete", key=f"{token}:comes and goes")

    def looks(self, client, token):
        for _ in range(ROUNDS * 4):
            names = {key["nickname"] for reply in client.more("List", token=token) for key in reply["keys"]}
            self.assertTrue(names >= {"a", "b", "c"}, names)
            list(client.more(CERTIFICATES + "List", token=token))
            collisions = [name for reply in client.more(CERTIFICATES + "Check", token=token, nicknames=["a", "nobody"])
                          for name in reply["collisions"]]
            self.assertEqual(collisions, ["a"])
            for name in ("comes and goes", "halves"):
                try:
                    client.call("Verify", key=f"{token}:{name}", algorithm="ecdsa_sha256", message=b64(MESSAGE),
                                signature=b64(b"0" * 70))
                except Error as error:
                    self.assertIn(error.name, ("KeyNotFound", "TokenError", "AlgorithmNotSupported"), error)

    def all_at_once(self, work):
        """Each row in a thread with a client of its own."""
        failed = []

        def ask_all(ask, *arguments):
            try:
                with self.daemon.client() as own:
                    ask(own, *arguments)
            except Exception as error:
                failed.append(f"{ask.__name__} {arguments[:1]}: {error!r}")

        threads = [threading.Thread(target=ask_all, args=row) for row in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])

    def test_objects(self):
        """signatures, new objects, deletes, lists and copies go on beside each other and beside renewals, and are right"""
        self.all_at_once([row for token, keys in self.keys.items() for row in (
            (self.signs, token, keys), (self.signs, token, keys), (self.makes, token), (self.looks, token))])

    def halves(self, client):
        """Another program writes the private half of a key, and the public half once that is listed. (While the worker writes
        as well SoftHSM hides what others write, until they write again.)"""
        private, public = self.place.path / "half.key", self.place.path / "half.pub"
        run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-outform", "DER", "-out", private)
        run("openssl", "pkey", "-in", private, "-inform", "DER", "-pubout", "-outform", "DER", "-out", public)

        def shown():
            return [key for reply in client.more("List", token="hsm", nickname="halves") for key in reply["keys"]]

        def write(*arguments):
            """pkcs11-tool does not find the token where SoftHSM is in the middle of a renewal."""
            def written():
                try:
                    return self.hsm.tool("--write-object", *arguments, "--label", "halves", "--id", "0f")
                except AssertionError:
                    return None
            until(written, "pkcs11-tool writes")

        for _ in range(2):
            write(private, "--type", "privkey", "--usage-sign")
            until(shown, "the private half is listed")
            write(public, "--type", "pubkey")
            until(lambda: any(key["publicKey"] for key in shown()), "the public half is joined")
            self.sign(client, "hsm:halves")
            client.call("Delete", key="hsm:halves")
            until(lambda: not shown(), "the key is gone")

    def test_halves(self):
        """a key's public half that comes later is joined while its key is looked at"""
        keys = self.keys["hsm"]
        self.all_at_once([(self.halves,), (self.signs, "hsm", keys), (self.looks, "hsm"), (self.looks, "hsm")])

# SPDX-License-Identifier: MPL-2.0
"""Keys: made, named, listed, removed; by tokend and by others."""
import hashlib
import re

from harness import Case, OneToken, SoftToken, openssl_verify, public_pem, run, until
import varlink
from varlink import b64, unb64


class Generate(OneToken):
    def objects(self, label, kind):
        text = self.token.tool("--list-objects", "--type", kind)
        return [o for o in re.split(r"(?=^(?:Private|Public) Key Object)", text, flags=re.M) if f"label:      {label}\n" in o]

    def test_types(self):
        """every type, size and curve is made as asked, and openssl reads its public key"""
        for kind, more, size, curve in (("rsa", {"size": 2048}, 2048, None), ("rsa", {}, 3072, None),
                                        ("rsa", {"size": 4096}, 4096, None), ("ec", {}, 256, "secp256r1"),
                                        ("ec", {"curve": "secp384r1"}, 384, "secp384r1"),
                                        ("ec", {"curve": "secp521r1"}, 521, "secp521r1"),
                                        ("ed25519", {}, None, "ed25519")):
            with self.subTest(kind, **more):
                key = self.key(f"t-{kind}-{size}", kind, **more)
                self.assertEqual((key["token"], key["type"], key.get("curve")), ("hsm", kind, curve))
                if size:
                    self.assertEqual(key["size"], size)
                self.assertEqual(key["usage"], ["sign"])
                self.assertEqual([key[f] for f in ("sensitive", "extractable", "neverExtractable", "local",
                                                   "hasCertificate")], [True, False, True, True, False])
                self.assertRegex(key["id"], r"^([0-9a-f]{2})+$")
                text = run("openssl", "pkey", "-pubin", "-inform", "DER", "-noout", "-text",
                           input=unb64(key["publicKey"]), stdin=None).decode()
                if size:
                    self.assertIn(f"({size} bit)", text)

    def test_attributes(self):
        """pkcs11-tool finds both halves with label and id, private, sensitive, never extractable, and no usage but the one asked for"""
        for kind in ("rsa", "ec"):
            nickname = f"attributes {kind}"
            key = self.key(nickname, kind, **({"size": 2048} if kind == "rsa" else {}))
            private, public = self.objects(nickname, "privkey"), self.objects(nickname, "pubkey")
            self.assertEqual((len(private), len(public)), (1, 1), private + public)
            for half in private + public:
                self.assertIn(f"ID:         {key['id']}\n", half)
            self.assertRegex(private[0], r"Usage: +sign\n")
            self.assertRegex(public[0], r"Usage: +verify\n")
            for word in ("sensitive", "always sensitive", "never extractable", "local"):
                self.assertIn(word, private[0])
            self.assertNotIn(nickname, run("pkcs11-tool", "--module", self.token.module, "--token-label", "hsm",
                                           "--list-objects", "--type", "privkey", env=self.token.environment).decode())

    def test_usage(self):
        """usage is what was asked for"""
        key = self.key("decrypts", "rsa", size=2048, usage=["decrypt", "unwrap"])
        self.assertEqual(sorted(key["usage"]), ["decrypt", "unwrap"])
        text = self.objects("decrypts", "privkey")[0]
        self.assertRegex(text, r"Usage: +decrypt, unwrap\n")
        self.fails("AlgorithmNotSupported", self.call, "Sign", key="hsm:decrypts", algorithm="rsa_pkcs1_sha256",
                   digest=b64(bytes(32)))
        key = self.key("derives", "ec", usage=["sign", "derive"])
        self.assertEqual(sorted(key["usage"]), ["derive", "sign"])

    def test_collision(self):
        """a nickname that a key bears is refused, and the key stays as it was"""
        before = self.key("taken")
        self.assertEqual(self.fails("NicknameExists", self.key, "taken"), {"token": "hsm", "nickname": "taken"})
        self.assertEqual(self.call("Get", key="hsm:taken")["key"], before)
        self.assertEqual(len(self.call("List", nickname="taken")["keys"]), 1)

    def test_collision_certificate(self):
        """a nickname that a certificate bears is refused"""
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.place.path / "other.key", "-subj",
            "/CN=other", "-outform", "DER", "-out", self.place.path / "other.der")
        self.token.tool("--write-object", self.place.path / "other.der", "--type", "cert", "--label", "a certificate", "--id",
                        "c0ffee")
        self.assertEqual(self.fails("NicknameExists", self.key, "a certificate"),
                         {"token": "hsm", "nickname": "a certificate"})

    def test_collision_others_key(self):
        """a nickname that a key bears which another process has just made is refused"""
        self.token.make_key("made by another", "aa01")
        self.fails("NicknameExists", self.key, "made by another")

    def test_same_nickname_at_once(self):
        """of ten Generates of one nickname at once, one succeeds and nine are told that it exists"""
        clients = [self.daemon.client() for _ in range(10)]
        for client in clients:
            client.send("Generate", {"token": "hsm", "nickname": "contended", "type": "ec"})
        replies = [client.receive() for client in clients]
        for client in clients:
            client.close()
        self.assertEqual(sorted(r.get("error", "ok") for r in replies),
                         ["io.tokend.Keys.NicknameExists"] * 9 + ["ok"])

    def test_nicknames(self):
        """a nickname of spaces, of UTF-8 and of globs works; with a colon or a control character it is refused"""
        for nickname in ("with spaces", "Schlüssel 鍵", "*?[x]", "a=b;c", "-"):
            self.assertEqual(self.key(nickname)["nickname"], nickname)
            self.assertEqual(self.call("Get", key=f"hsm:{nickname}")["key"]["nickname"], nickname)
        self.fails("InvalidParameter", self.key, "a\u0000b")
        for nickname in ("", "a:b", "a\nb", "\x7f", "a\u0085b"):
            self.assertEqual(self.fails("InvalidParameter", self.key, nickname), {"parameter": "nickname"}, repr(nickname))

    def test_bad_parameters(self):
        """a size, curve, type or usage that does not exist, or does not fit the type, is refused by name"""
        for parameter, more in (("size", {"type": "rsa", "size": 2047}), ("size", {"type": "rsa", "size": 1024}),
                                ("size", {"type": "rsa", "size": 8193}), ("size", {"type": "rsa", "size": -2048}),
                                ("size", {"type": "ec", "size": 256}), ("curve", {"type": "rsa", "curve": "secp256r1"}),
                                ("curve", {"type": "ec", "curve": "secp256k1"}), ("type", {"type": "dsa"}),
                                ("usage", {"type": "ec", "usage": ["fly"]}), ("usage", {"type": "ec", "usage": "sign"}),
                                ("usage", {"type": "ec", "usage": []}), ("nickname", {"type": "ec", "nickname": 7}),
                                ("token", {"type": "ec", "token": 7}), ("timeoutMs", {"type": "ec", "timeoutMs": "1"})):
            with self.subTest(str(more)):
                self.assertEqual(self.fails("InvalidParameter", self.call, "Generate",
                                            **{"token": "hsm", "nickname": "never", **more}), {"parameter": parameter})
        self.fails("KeyNotFound", self.call, "Get", key="hsm:never")

    def test_delete(self):
        """Delete takes both halves away, and the nickname is free again"""
        self.key("short-lived")
        self.assertEqual(self.call("Delete", key="hsm:short-lived"), {})
        self.assertEqual(self.fails("KeyNotFound", self.call, "Get", key="hsm:short-lived"), {"key": "hsm:short-lived"})
        self.fails("KeyNotFound", self.call, "Delete", key="hsm:short-lived")
        self.assertNotIn("short-lived", self.token.tool("--list-objects"))
        self.key("short-lived")

    def test_order(self):
        """a Generate sent ahead holds back the Get behind it, which then finds the key"""
        with self.daemon.client() as client:
            client.send("Generate", {"token": "hsm", "nickname": "ahead", "type": "rsa", "size": 2048})
            client.send("Get", {"key": "hsm:ahead"})
            client.send("Delete", {"key": "hsm:ahead"})
            client.send("Get", {"key": "hsm:ahead"})
            made = client.result()["key"]
            self.assertEqual(client.result()["key"], made)
            client.result()
            self.fails("KeyNotFound", client.result)

    def test_list(self):
        """List shows all keys, or those of a nickname, or those of a token; with more the replies add up to the same"""
        self.key("listed")
        everything = self.call("List")["keys"]
        self.assertIn("listed", [k["nickname"] for k in everything])
        self.assertEqual([k["nickname"] for k in self.call("List", nickname="listed")["keys"]], ["listed"])
        self.assertEqual(self.call("List", nickname="nowhere")["keys"], [])
        with self.daemon.client() as client:
            pieces = [k for reply in client.more("List", token="hsm") for k in reply["keys"]]
        everything = self.call("List", token="hsm")["keys"]
        key = lambda k: k["id"]
        self.assertEqual(sorted(pieces, key=key), sorted(everything, key=key))


class Others(OneToken):
    """Keys that tokend did not make."""

    def seen(self, nickname):
        return until(lambda: self.call("List", token="hsm", nickname=nickname)["keys"], f"{nickname} is listed", 15)

    def test_pkcs11_tool(self):
        """a key made by pkcs11-tool is listed and signs, without a restart"""
        self.token.make_key("from pkcs11-tool", "01ab")
        key, = self.seen("from pkcs11-tool")
        self.assertEqual((key["id"], key["type"], key["curve"]), ("01ab", "ec", "secp256r1"))
        signature = unb64(self.call("Sign", key="hsm:from pkcs11-tool", algorithm="ecdsa_sha256",
                                    message=b64(b"m"))["signature"])
        self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), "ecdsa_sha256", b"m", signature))

    def test_miss(self):
        """a key that was made a moment ago is found by name alone, without a List (a look for a miss is made once a second)"""
        self.token.make_key("a moment ago", "02ab")

        def signs():
            try:
                return self.call("Sign", key="hsm:a moment ago", algorithm="ecdsa_sha256", message=b64(b"m"))
            except varlink.Error as error:
                self.assertEqual(error.name, "KeyNotFound")
                return None
        until(signs, "it signs", 5)

    def test_after_own_write(self):
        """a key made by another after tokend itself wrote is listed too, and what tokend made stays"""
        for turn in range(4):
            self.key(f"own {turn}")
            self.token.make_key(f"other {turn}", f"03{turn:02x}")
            self.key(f"own again {turn}")
            self.seen(f"other {turn}")
            self.call("Sign", key=f"hsm:other {turn}", algorithm="ecdsa_sha256", message=b64(b"m"))
            self.call("Sign", key=f"hsm:own again {turn}", algorithm="ecdsa_sha256", message=b64(b"m"))

    def test_removed_by_another(self):
        """a key that another process deletes is gone from the list within seconds"""
        self.token.make_key("goes away", "0401")
        self.seen("goes away")
        self.token.tool("--delete-object", "--type", "privkey", "--id", "0401")
        self.token.tool("--delete-object", "--type", "pubkey", "--id", "0401")
        until(lambda: not self.call("List", token="hsm", nickname="goes away")["keys"], "the key is gone", 20)
        self.fails("KeyNotFound", self.call, "Sign", key="hsm:goes away", algorithm="ecdsa_sha256", message=b64(b"m"))

    def test_ambiguous(self):
        """AmbiguousName: two keys of one nickname are told apart by id"""
        for number in ("0501", "0502"):
            self.token.make_key("twins", number)
        until(lambda: len(self.call("List", token="hsm", nickname="twins")["keys"]) == 2, "both are listed", 15)
        self.assertEqual(self.fails("AmbiguousName", self.call, "Sign", key="hsm:twins", algorithm="ecdsa_sha256",
                                    message=b64(b"m")), {"key": "hsm:twins"})
        self.fails("NicknameExists", self.key, "twins")
        self.assertEqual(self.call("Get", key="pkcs11:token=hsm;id=%05%02")["key"]["id"], "0502")
        self.call("Sign", key="pkcs11:token=hsm;object=twins;id=%05%01", algorithm="ecdsa_sha256", message=b64(b"m"))

    def test_no_public_half(self):
        """an EC key whose public half is nowhere on the token is listed without it and signs; the token stays ready"""
        self.token.make_key("half", "0801")
        public = unb64(self.seen("half")[0]["publicKey"])
        self.token.tool("--delete-object", "--type", "pubkey", "--id", "0801")
        daemon = self.own(self.token.section(extra="Timeout=5s\n"))
        key = daemon.call("Get", key="hsm:half")["key"]
        self.assertEqual((key["publicKey"], key["type"], key["usage"]), ("", "ec", ["sign", "decrypt", "unwrap", "derive"]))
        request = {"key": "hsm:half", "algorithm": "ecdsa_sha256", "message": b64(b"m")}
        signature = daemon.call("Sign", **request)["signature"]
        self.assertTrue(openssl_verify(self.place, public, "ecdsa_sha256", b"m", unb64(signature)))
        self.fails("AlgorithmNotSupported", daemon.call, "Verify", signature=signature, **request)
        self.assertEqual(daemon.token("hsm")["restarts"], 0)
        self.assertEqual(daemon.ctl("pubkey", "hsm:half", check=False).returncode, 1)

    def test_no_id(self):
        """a key without an id is listed, has the public half of its label, and signs; the token stays ready"""
        self.token.tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", "no id")
        key, = self.seen("no id")
        self.assertEqual(key["id"], "")
        restarts = self.daemon.token("hsm")["restarts"]
        signature = unb64(self.call("Sign", key="hsm:no id", algorithm="ecdsa_sha256", message=b64(b"m"))["signature"])
        self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), "ecdsa_sha256", b"m", signature))
        self.daemon.worker().kill()
        self.call("Sign", key="hsm:no id", algorithm="ecdsa_sha256", message=b64(b"m"))
        self.assertEqual(self.daemon.token("hsm")["restarts"], restarts + 1)
        self.call("Delete", key="hsm:no id")

    def test_one_id_twice(self):
        """two pairs of one id and different labels: each key has its own public half, and Delete takes no other's"""
        for nickname in ("first", "second"):
            self.token.make_key(nickname, "0901")
        for nickname in ("first", "second"):
            key, = self.seen(nickname)
            signature = unb64(self.call("Sign", key=f"hsm:{nickname}", algorithm="ecdsa_sha256",
                                        message=b64(b"m"))["signature"])
            self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), "ecdsa_sha256", b"m", signature))
        self.call("Delete", key="hsm:first")
        self.assertEqual(self.call("Get", key="hsm:second")["key"]["publicKey"], key["publicKey"])

    def test_certutil(self):
        """a key and certificate made by certutil on the token bear the certificate's nickname"""
        database, noise = self.place.path / "certutil", self.place.write("noise", b"x" * 2048)
        database.mkdir(exist_ok=True)
        empty = self.place.write("empty", "")
        environment = self.token.environment
        run("certutil", "-N", "-d", f"sql:{database}", "-f", empty, env=environment)
        run("modutil", "-dbdir", f"sql:{database}", "-add", "soft", "-libfile", self.token.module, "-force",
            env=environment)
        run("certutil", "-S", "-d", f"sql:{database}", "-h", "hsm", "-n", "Server-Cert", "-s", "CN=localhost", "-x", "-t", ",,",
            "-k", "rsa", "-g", "2048", "-z", noise, "-f", self.token.pin_file, env=environment)
        key, = self.seen("Server-Cert")
        self.assertEqual((key["type"], key["size"], key["hasCertificate"]), ("rsa", 2048, True))
        signature = unb64(self.call("Sign", key="hsm:Server-Cert", algorithm="rsa_pss_sha256", message=b64(b"m"))["signature"])
        self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), "rsa_pss_sha256", b"m", signature))
        self.fails("NicknameExists", self.key, "Server-Cert")
        self.call("Delete", key="hsm:Server-Cert")
        self.assertIn("Server-Cert", self.token.tool("--list-objects", "--type", "cert"))

    def test_impostor_certificate(self):
        """a certificate that someone puts beside a labelled key gives them no key of that nickname"""
        key = self.key("the real name")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.place.path / "x.key", "-subj", "/CN=x",
            "-outform", "DER", "-out", self.place.path / "x.der")
        self.token.tool("--write-object", self.place.path / "x.der", "--type", "cert", "--label", "impostor", "--id", key["id"])
        until(lambda: self.call("Get", key="hsm:the real name")["key"]["hasCertificate"], "the certificate is seen", 15)
        self.fails("KeyNotFound", self.call, "Get", key="hsm:impostor")

    def test_long_label(self):
        """a key whose label is too long for a nickname is listed with an empty one and reached by id"""
        self.token.make_key("x" * 129, "0601")
        key = until(lambda: [k for k in self.call("List", token="hsm")["keys"] if k["id"] == "0601"], "it is listed", 15)[0]
        self.assertEqual(key["nickname"], "")
        self.call("Sign", key="pkcs11:token=hsm;id=%06%01", algorithm="ecdsa_sha256", message=b64(b"m"))


class Internal(Case):
    @classmethod
    def configure(cls):
        cls.directory = cls.place.path / "internal"
        cls.pin = cls.place.write("internal.pin", "internal-pin\n", 0o600)
        cls.daemon = cls.start(f"[Token internal]\nModule=internal\nDirectory={cls.directory}\nPin=file:{cls.pin}\n"
                               "Refresh=500ms\n")

    def test_made(self):
        """the internal token is made where it is absent, and certutil opens it with the PIN"""
        self.daemon.call("Generate", token="internal", nickname="mine", type="ec")
        listed = run("certutil", "-K", "-d", f"sql:{self.directory}", "-f", self.pin).decode()
        self.assertIn("mine", listed)

    def test_certutil(self):
        """a key made by certutil on the internal token is listed and signs"""
        noise = self.place.write("noise", b"y" * 2048)
        run("certutil", "-S", "-d", f"sql:{self.directory}", "-n", "from certutil", "-s", "CN=x", "-x", "-t", ",,", "-k", "ec", "-q",
            "nistp256", "-z", noise, "-f", self.pin)
        key, = until(lambda: self.daemon.call("List", nickname="from certutil")["keys"], "it is listed", 15)
        signature = unb64(self.daemon.call("Sign", key="from certutil", algorithm="ecdsa_sha256", message=b64(b"m"))["signature"])
        self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), "ecdsa_sha256", b"m", signature))

    def test_no_ed25519(self):
        """AlgorithmNotSupported: a type that the token cannot make is refused by name"""
        parameters = self.fails("AlgorithmNotSupported", self.daemon.call, "Generate", token="internal", nickname="ed",
                                type="ed25519")
        self.assertEqual(set(parameters), {"key", "algorithm"})

    def test_default_token(self):
        """no [Token] at all: an internal token in StateDirectory, with a PIN of its own in a file nobody else reads"""
        daemon = self.own("")
        key = daemon.call("Generate", nickname="default", type="ec")["key"]
        self.assertEqual(key["token"], "internal")
        for path in daemon.state.rglob("*"):
            if path.is_file():
                self.assertEqual(path.stat().st_mode & 0o077, 0, path)
        daemon.stop()
        daemon.start()
        self.assertEqual(daemon.call("Get", key="default")["key"], key)
        daemon.call("Sign", key="default", algorithm="ecdsa_sha256", digest=b64(hashlib.sha256(b"").digest()))

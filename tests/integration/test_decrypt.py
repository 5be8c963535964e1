# SPDX-License-Identifier: MPL-2.0
"""Decrypt and Derive on both kinds of token, judged by openssl: what comes out, what is refused, that nobody can tell one wrong
padding from another, and that nothing secret stays in the daemon."""
import bisect
import contextlib
import math
import os
import random
import re
import subprocess
import sys
import time

from harness import PLAIN, Case, SoftToken, as_json, public_pem, until
from test_faults import FaultyToken
from varlink import b64, unb64

CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
FIELD = {"secp256r1": 32, "secp384r1": 48, "secp521r1": 66}
HASHES = ("sha1", "sha256", "sha384", "sha512")
BAD = {"parameter": "ciphertext"}


def openssl(*argv, data=None):
    return subprocess.run(["openssl", *map(str, argv)], input=data, capture_output=True, check=True).stdout


def encrypt(pem, data, algorithm, label=b""):
    scheme, _, name = algorithm.removeprefix("rsa_").partition("_")
    options = [f"rsa_padding_mode:{scheme}"] + ([f"rsa_oaep_md:{name}"] if name else [])
    options += [f"rsa_oaep_label:{label.hex()}"] if label else []
    return openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", pem, *[x for o in options for x in ("-pkeyopt", o)], data=data)


def modulus(pem):
    return int(openssl("rsa", "-pubin", "-in", pem, "-noout", "-modulus").decode().split("=")[1], 16)


class Both(Case):
    """A SoftHSM2 token and an internal one, with keys that decrypt and derive."""

    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.path = cls.place.path / "audit"
        cls.daemon = cls.start(f"Audit=file:{cls.path}\n" + cls.token.section() +
                               f"[Token internal]\nModule=internal\nDirectory={cls.place.path}/internal\n")
        cls.pem = {}
        for token in ("hsm", "internal"):
            key = cls.daemon.call("Generate", token=token, nickname="rsa", type="rsa", size=2048, usage=["decrypt", "unwrap"])["key"]
            cls.pem[token] = public_pem(cls.place, unb64(key["publicKey"])).rename(cls.place.path / f"{token}.pem")
            for curve in CURVES:
                cls.daemon.call("Generate", token=token, nickname=curve, type="ec", curve=curve, usage=["derive"])
            cls.daemon.call("Generate", token=token, nickname="signs", type="rsa", size=2048)
            cls.daemon.call("Generate", token=token, nickname="ecdsa", type="ec")

    def decrypt(self, token, ciphertext, algorithm="rsa_pkcs1", **more):
        return unb64(self.daemon.call("Decrypt", key=f"{token}:rsa", algorithm=algorithm, ciphertext=b64(ciphertext), **more)["plaintext"])


class Decrypt(Both):
    def test_pkcs1(self):
        """RSA PKCS #1, from nothing to 11 bytes less than the modulus, on both tokens"""
        for token, pem in self.pem.items():
            for length in (0, 1, 48, 245):
                data = os.urandom(length)
                self.assertEqual(self.decrypt(token, encrypt(pem, data, "rsa_pkcs1")), data, token)

    def test_oaep(self):
        """RSA OAEP with each hash and with a label; what a token lacks is AlgorithmNotSupported"""
        for token, pem in self.pem.items():
            for name in HASHES:
                for label in (b"", b"a label"):
                    data, algorithm = os.urandom(32), f"rsa_oaep_{name}"
                    ask = lambda **more: self.decrypt(token, encrypt(pem, data, algorithm, label), algorithm,
                                                      **({"label": b64(label)} if label else {}), **more)
                    if token == "hsm" and (name != "sha1" or label):
                        # SoftHSM 2.6 has OAEP with SHA-1 alone, and does nothing with a label.
                        self.assertEqual(self.fails("AlgorithmNotSupported", ask), {"key": "hsm:rsa", "algorithm": algorithm})
                    else:
                        self.assertEqual(ask(), data, f"{token} {algorithm} {label}")

    def test_other_label(self):
        """a ciphertext of one label does not decrypt with another, or with none"""
        for given, asked in ((b"one", b"two"), (b"one", None), (b"", b"two")):
            ciphertext = encrypt(self.pem["internal"], b"x", "rsa_oaep_sha256", given)
            self.assertEqual(self.fails("InvalidParameter", self.decrypt, "internal", ciphertext, "rsa_oaep_sha256",
                                        label=asked and b64(asked)), BAD)

    def wrong(self, token):
        """Ciphertexts of what is not padded as PKCS #1 says, by name; each different every time."""
        n = modulus(self.pem[token])
        raw = lambda block: pow(int.from_bytes(block, "big"), 65537, n).to_bytes(256, "big")
        some = lambda length: bytes(random.choices(range(1, 256), k=length))
        return {
            "first byte": lambda: raw(b"\x01\x02" + some(200) + b"\0" + os.urandom(53)),
            "block type": lambda: raw(b"\0\x01" + some(200) + b"\0" + os.urandom(53)),
            "no end": lambda: raw(b"\0\x02" + some(254)),
            "short padding": lambda: raw(b"\0\x02" + some(5) + b"\0" + os.urandom(248)),
            "long plaintext": lambda: raw(b"\0\x02" + some(7) + b"\0" + some(246)),
            "random": lambda: raw(b"\0" + os.urandom(255)),
        }

    def test_wrong_padding(self):
        """whatever is wrong with the padding, and whatever the number is, one error; no worker is ended for it"""
        workers = sorted(p.pid for p in self.daemon.workers())
        for token, pem in self.pem.items():
            n = modulus(pem)
            odd = [bytes(256), bytes(255) + b"\1", (n - 1).to_bytes(256, "big"), n.to_bytes(256, "big"), b"\xff" * 256]
            for algorithm in ("rsa_pkcs1", "rsa_oaep_sha1"):
                for ciphertext in odd + [make() for make in self.wrong(token).values()]:
                    try:
                        plaintext = self.decrypt(token, ciphertext, algorithm)
                        # Softoken rejects implicitly: other bytes, the same each time, as nobody can tell from a good padding.
                        self.assertEqual((token, algorithm), ("internal", "rsa_pkcs1"))
                        self.assertEqual(plaintext, self.decrypt(token, ciphertext, algorithm))
                    except Exception as error:
                        self.assertEqual((error.name, error.parameters, error.reason),
                                         ("InvalidParameter", BAD, "it cannot be decrypted so with this key"))
        self.assertEqual(sorted(p.pid for p in self.daemon.workers()), workers)
        for token in self.pem:
            self.assertFalse(self.daemon.token(token).get("lastError", {}).get("ckr"), "the status tells what the token said")

    def time(self, makers, times):
        """Appends the seconds of more Decrypts, asked for in turns of another order each time."""
        with self.daemon.client() as client:
            for _ in range(250):
                for name in random.sample(sorted(makers), len(makers)):
                    ciphertext = b64(makers[name]())
                    begun = time.perf_counter()
                    client.send("Decrypt", {"key": "hsm:rsa", "algorithm": "rsa_pkcs1", "ciphertext": ciphertext})
                    with contextlib.suppress(Exception):
                        client.result()
                    times[name].append(time.perf_counter() - begun)

    def test_same_time(self):
        """the times of two kinds of wrong padding are of one distribution; of a right and a wrong one they are not"""
        kinds = self.wrong("hsm")
        good = encrypt(self.pem["hsm"], os.urandom(53), "rsa_pkcs1")
        makers = {"right": lambda: good, **{name: kinds[name] for name in ("block type", "no end", "short padding")}}
        wrong, times = sorted(set(makers) - {"right"}), {name: [] for name in makers}

        def apart(a, b):
            """The distance of Kolmogorov and Smirnov, in that of which two samples of one distribution are further apart once in ten
            million times."""
            a, b = sorted(times[a]), sorted(times[b])
            bound = math.sqrt(-math.log(1e-7 / 2) / len(a))
            return max(abs(bisect.bisect_right(a, x) / len(a) - bisect.bisect_right(b, x) / len(b)) for x in a + b) / bound

        # A difference that is there must be seen first: a wrong padding is tried twice. On a busy machine that takes more samples, which
        # are added to those that there are: so many that the same is seen of the wrong ones.
        for _ in range(16):
            self.time(makers, times)
            seen = min(apart("right", name) for name in wrong)
            if seen > 1:
                break
        self.assertGreater(seen, 1, "a wrong padding, which is tried twice, is not seen to take longer than a right one")
        for a in wrong:
            for b in wrong:
                self.assertLess(apart(a, b), 1, f"{a}, {b}")

    def test_refused(self):
        """what does not fit the key, the algorithm or the length (LIMIT_OAEP_LABEL, LIMIT_SIGNATURE) is refused by name"""
        good = encrypt(self.pem["hsm"], b"x", "rsa_pkcs1")
        call = lambda **more: {**{"key": "hsm:rsa", "algorithm": "rsa_pkcs1", "ciphertext": b64(good)}, **more}
        for length in (1, 255, 257, 512, 2048):
            self.assertEqual(self.fails("InvalidParameter", self.daemon.call, "Decrypt", **call(ciphertext=b64(b"c" * length))), BAD)
        for bad, parameter in ((call(ciphertext=""), "ciphertext"), (call(ciphertext=b64(bytes(2048 + 1))), "ciphertext"),
                               (call(algorithm="rsa_pkcs1_sha256"), "algorithm"), (call(algorithm="rsa_oaep_md5"), "algorithm"),
                               (call(label=b64(b"l")), "label"),
                               (call(algorithm="rsa_oaep_sha1", label=b64(bytes(1024 + 1))), "label"), (call(iv=b64(b"x")), "iv")):
            self.assertEqual(self.fails("InvalidParameter", self.daemon.call, "Decrypt", **bad), {"parameter": parameter})
        for key in ("hsm:signs", "hsm:ecdsa", "hsm:secp256r1", "internal:signs"):
            self.assertEqual(self.fails("AlgorithmNotSupported", self.daemon.call, "Decrypt", **call(key=key)),
                             {"key": key, "algorithm": "rsa_pkcs1", **({"usage": "decrypt"} if key.endswith("signs") else {})})
        self.fails("KeyNotFound", self.daemon.call, "Decrypt", **call(key="hsm:none"))

    def test_empty_label(self):
        """an empty label is none, as in io.tokend.Secrets"""
        cipher = encrypt(self.pem["hsm"], b"x", "rsa_oaep_sha1")
        plain = self.daemon.call("Decrypt", key="hsm:rsa", algorithm="rsa_oaep_sha1", ciphertext=b64(cipher), label="")
        self.assertEqual(plain["plaintext"], b64(b"x"))

    def test_records(self):
        """each use is recorded with its algorithm, and neither ciphertext nor plaintext is"""
        data = os.urandom(40)
        ciphertext = encrypt(self.pem["hsm"], data, "rsa_pkcs1")
        self.decrypt("hsm", ciphertext)
        self.fails("InvalidParameter", self.decrypt, "hsm", self.wrong("hsm")["no end"]())
        records = [r for r in map(as_json, self.path.read_text().splitlines()) if r["kind"] == "decrypt"][-2:]
        self.assertEqual([(r["result"], r["token"], r["key"], r["algorithm"], r.get("ckr"), r.get("digest")) for r in records],
                         [("ok", "hsm", "rsa", "rsa_pkcs1", None, None), ("InvalidParameter", "hsm", "rsa", "rsa_pkcs1", None, None)])
        text = self.path.read_text() + self.daemon.log_text()
        for secret in (data, ciphertext):
            for form in (secret.hex(), b64(secret)):
                self.assertNotIn(form, text)

    def test_tokendctl(self):
        """tokendctl decrypts a file; what it writes is its user's alone"""
        out = self.place.path / "plain"
        cipher = self.place.write("cipher", encrypt(self.pem["internal"], b"plain text", "rsa_oaep_sha256", b"l"))
        self.daemon.ctl("decrypt", "internal:rsa", "--algorithm", "rsa_oaep_sha256", "--label", b"l".hex(), "--in", cipher, "--out", out)
        self.assertEqual((out.read_bytes(), out.stat().st_mode & 0o777), (b"plain text", 0o600))
        said = self.daemon.ctl("decrypt", "internal:rsa", "--algorithm", "rsa_oaep_sha256", "--label", b"l".hex(), "--in", cipher, "--json")
        self.assertEqual(as_json(said), {"plaintext": b64(b"plain text")})
        self.assertEqual(as_json(self.daemon.ctl("decrypt", "internal:rsa", "--label", b"l".hex(), "--in", cipher, "--json")), {"plaintext": b64(b"plain text")})
        for argv in (("--algorithm", "rsa_pkcs1_sha256"), ("--algorithm", "rsa_oaep_sha1", "--label", "xyz")):
            self.assertEqual(self.daemon.ctl("decrypt", "internal:rsa", *argv, "--in", cipher, check=False).returncode, 2)
        self.assertEqual(self.daemon.ctl("decrypt", "internal:rsa", "--algorithm", "rsa_oaep_sha1", "--in", cipher, check=False).returncode, 1)
        self.assertEqual(self.daemon.ctl("sign", "internal:rsa", "--algorithm", "rsa_oaep_sha1", "--in", cipher, check=False).returncode, 2)


class Derive(Both):
    def peer(self, curve):
        """(private key's file, SubjectPublicKeyInfo, point)"""
        private = self.place.path / f"peer-{curve}-{random.random()}.pem"
        openssl("ecparam", "-name", {"secp256r1": "prime256v1"}.get(curve, curve), "-genkey", "-noout", "-out", private)
        spki = openssl("pkey", "-in", private, "-pubout", "-outform", "DER")
        return private, spki, spki[-(1 + 2 * FIELD[curve]):]

    def agreed(self, private, token, curve):
        """What openssl makes of the peer's private key and the key of the token."""
        key = self.daemon.call("Get", key=f"{token}:{curve}")["key"]
        return openssl("pkeyutl", "-derive", "-inkey", private, "-peerkey", public_pem(self.place, unb64(key["publicKey"])))

    def derive(self, token, curve, peer):
        return unb64(self.daemon.call("Derive", key=f"{token}:{curve}", publicKey=b64(peer))["secret"])

    def test_ecdh(self):
        """ECDH on every curve of both tokens, with a point and with a SubjectPublicKeyInfo, as openssl does it"""
        for token in self.pem:
            for curve in CURVES:
                private, spki, point = self.peer(curve)
                secret = self.agreed(private, token, curve)
                self.assertEqual(len(secret), FIELD[curve])
                self.assertEqual(self.derive(token, curve, point), secret)
                self.assertEqual(self.derive(token, curve, spki), secret)

    def test_leading_zeros(self):
        """a coordinate that begins with zeros is as long as any other"""
        n_zeros = 0
        for token in self.pem:
            with self.daemon.client() as client:
                key = self.daemon.call("Get", key=f"{token}:secp521r1")["key"]
                # Of a curve of 521 bits every second coordinate begins with a zero byte.
                for _ in range(12):
                    private, _, point = self.peer("secp521r1")
                    secret = unb64(client.call("Derive", key=f"{token}:secp521r1", publicKey=b64(point))["secret"])
                    self.assertEqual(secret, openssl("pkeyutl", "-derive", "-inkey", private, "-peerkey",
                                                     public_pem(self.place, unb64(key["publicKey"]))))
                    n_zeros += secret[0] == 0
        self.assertGreater(n_zeros, 0)

    def test_refused(self):
        """a point that is not on the curve, of another curve, in another form or of LIMIT_PUBLIC_POINT is InvalidParameter; no worker is
        ended for it"""
        workers = sorted(p.pid for p in self.daemon.workers())
        other = {"secp256r1": "secp384r1", "secp384r1": "secp521r1", "secp521r1": "secp256r1"}
        for token in self.pem:
            for curve in CURVES:
                size = FIELD[curve]
                _, spki, point = self.peer(curve)
                _, spki_of_other, point_of_other = self.peer(other[curve])
                compressed = bytes([2 + (point[-1] & 1)]) + point[1:1 + size]
                off = point[:-1] + bytes([point[-1] ^ 1])
                for bad in (off, spki[:-1] + bytes([spki[-1] ^ 1]), bytes(1 + 2 * size), b"\4" + bytes(2 * size), b"\4" + b"\xff" * 2 * size,
                            point[:-1], point + b"\0", b"\0", compressed, point_of_other, spki_of_other, spki[:-1], b"\x30\x80" + spki,
                            bytes([6 + (point[-1] & 1)]) + point[1:]):
                    self.assertEqual(self.fails("InvalidParameter", self.derive, token, curve, bad), {"parameter": "publicKey"}, bad.hex())
            for bad in ("", b64(bytes(256 + 1)), "x"):
                self.assertEqual(self.fails("InvalidParameter", self.daemon.call, "Derive", key=f"{token}:secp256r1", publicKey=bad),
                                 {"parameter": "publicKey"})
            for key in (f"{token}:rsa", f"{token}:ecdsa"):
                refused = self.fails("AlgorithmNotSupported", self.daemon.call, "Derive", key=key, publicKey=b64(point))
                usage = {"usage": "derive"} if key.endswith("ecdsa") else {}
                self.assertEqual(refused, {"key": key, "algorithm": "ecdh", **usage})
        self.assertEqual(sorted(p.pid for p in self.daemon.workers()), workers)

    def test_records(self):
        """each use is recorded, and the secret is not"""
        private, _, point = self.peer("secp256r1")
        secret = self.derive("hsm", "secp256r1", point)
        record = [r for r in map(as_json, self.path.read_text().splitlines()) if r["kind"] == "derive"][-1]
        self.assertEqual((record["result"], record["key"], record["algorithm"]), ("ok", "secp256r1", "ecdh"))
        text = self.path.read_text() + self.daemon.log_text()
        self.assertNotIn(secret.hex(), text)
        self.assertNotIn(b64(secret), text)

    def test_tokendctl(self):
        """tokendctl derives with a peer's public key in PEM, in DER and as a point"""
        private, spki, point = self.peer("secp256r1")
        secret, out = self.agreed(private, "internal", "secp256r1"), self.place.path / "secret"
        pem = openssl("pkey", "-pubin", "-inform", "DER", "-outform", "PEM", data=spki)
        for number, form in enumerate((pem, spki, point)):
            self.daemon.ctl("derive", "internal:secp256r1", "--public-key", self.place.write(f"peer{number}", form), "--out", out)
            self.assertEqual((out.read_bytes(), out.stat().st_mode & 0o777), (secret, 0o600))
        self.assertEqual(self.daemon.ctl("derive", "internal:secp256r1", check=False).returncode, 2)
        self.assertEqual(self.daemon.ctl("derive", "internal:secp256r1", "--public-key", self.place.write("no", b"no"),
                                         check=False).returncode, 2)


class Kept(Both):
    """Nothing secret stays in the memory of the daemon."""

    def memory_has(self, pid, needles):
        """Which of them the process has in memory that it can write to."""
        found = set()
        with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for line in maps:
                begin, end, mode = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
                begin, end = int(begin, 16), int(end, 16)
                # What AddressSanitizer reserves is terabytes.
                if not mode.startswith("rw") or end - begin > 1 << 28:
                    continue
                with contextlib.suppress(OSError):
                    memory.seek(begin)
                    data = memory.read(end - begin)
                    found |= {needle for needle in needles if needle in data}
        return found

    def test_wiped(self):
        """no process of the daemon has a plaintext or a derived secret in its memory when it was given away"""
        secrets = []
        for token, pem in self.pem.items():
            for _ in range(8):
                secrets.append(os.urandom(48))
                self.assertEqual(self.decrypt(token, encrypt(pem, secrets[-1], "rsa_pkcs1")), secrets[-1])
        private, _, point = Derive.peer(self, "secp384r1")
        secrets.append(unb64(self.daemon.call("Derive", key="hsm:secp384r1", publicKey=b64(point))["secret"]))
        self.assertEqual(secrets[-1], Derive.agreed(self, private, "hsm", "secp384r1"))
        needles = [form for s in secrets for form in (s[8:40], b64(s).encode()[8:40])]
        # What softoken leaves in the memory of its own process is not ours: that the worker's is clean is seen with SoftHSM2.
        for process in [self.daemon.broker(), *(w for w in self.daemon.workers() if b"hsm" in w.command)]:
            self.assertFalse(self.memory_has(process.pid, needles), process.command)
        # That it would be found: a nickname is.
        self.assertTrue(self.memory_has(self.daemon.broker().pid, [b"secp384r1"]))


    # Decrypts the ciphertext of the file, frees what it got, says so and waits. It never looks at the plaintext.
    PROGRAM = """
import ctypes, sys
library, socket, key, path = sys.argv[1:]
lib = ctypes.CDLL(library)
lib.tokend_open.restype = ctypes.c_void_p
handle = ctypes.c_void_p(lib.tokend_open(socket.encode(), 0))
with open(path, "rb") as file:
    ciphertext = file.read()
for _ in range(3):
    plaintext, length = ctypes.c_void_p(), ctypes.c_size_t()
    if lib.tokend_decrypt(handle, key.encode(), b"rsa_pkcs1", ciphertext, ctypes.c_size_t(len(ciphertext)), None, ctypes.c_size_t(0), 0,
                          ctypes.byref(plaintext), ctypes.byref(length), None) != 0 or length.value != 48:
        sys.exit("it does not decrypt")
    lib.tokend_secret_free(plaintext, length)
print("done", flush=True)
sys.stdin.read()
"""

    def test_library_wipes(self):
        """libtokend keeps nothing of a plaintext that its user has freed"""
        secret = os.urandom(48)
        needles = [secret[8:40], b64(secret).encode()[8:40]]
        path = self.place.write("ciphertext", encrypt(self.pem["hsm"], secret, "rsa_pkcs1"))
        program = subprocess.Popen([sys.executable, "-c", self.PROGRAM, PLAIN / "libtokend.so", self.daemon.socket, "hsm:rsa", path],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.assertEqual(program.stdout.readline(), b"done\n")
            self.assertFalse(self.memory_has(program.pid, needles))
            self.assertTrue(self.memory_has(program.pid, [b"rsa_pkcs1"]))
        finally:
            program.communicate()


class Faulty(Case):
    """Decrypt and Derive, when the device fails or its worker dies."""

    def begin(self, **options):
        label = f"t{len(os.listdir(self.place.path))}"
        self.token = FaultyToken(self.place, label, keys=())
        self.daemon = self.own(self.token.section("hsm", "KeepAlive=1h\n", refresh="1h", **options))
        key = self.daemon.call("Generate", token="hsm", nickname="rsa", type="rsa", size=2048, usage=["decrypt"])["key"]
        self.daemon.call("Generate", token="hsm", nickname="ec", type="ec", usage=["derive"])
        pem = public_pem(self.place, unb64(key["publicKey"]))
        self.asked = {"Decrypt": {"key": "hsm:rsa", "algorithm": "rsa_pkcs1", "ciphertext": b64(encrypt(pem, b"plain", "rsa_pkcs1"))},
                      "Derive": {"key": "hsm:ec", "publicKey": b64(Derive.peer(self, "secp256r1")[2])}}
        self.right = {method: self.daemon.call(method, **asked) for method, asked in self.asked.items()}

    def test_device_fails_once(self):
        """a device that fails once, in whatever call: the answer is right all the same"""
        self.begin()
        for method, functions in (("Decrypt", ("C_DecryptInit", "C_Decrypt")),
                                  ("Derive", ("C_DeriveKey", "C_GetAttributeValue"))):
            for function in functions:
                for ckr in ("0x5", "0x6", "0x30", "0x32", "0xb3", "0x101"):
                    with self.subTest(f"{function} {ckr}"):
                        self.token.set(f"{function} ckr={ckr} count=1")
                        self.assertEqual(self.daemon.call(method, **self.asked[method]), self.right[method])
                        self.token.set()

    def test_worker_dies(self):
        """a worker that dies over it: the next one does it, once more"""
        self.begin()
        for method, function in (("Decrypt", "C_Decrypt"), ("Derive", "C_DeriveKey")):
            self.token.set(f"{function} crash count=1")
            self.assertEqual(self.daemon.call(method, **self.asked[method]), self.right[method])
            self.token.set(f"{function} crash")
            self.fails("WorkerLost", self.daemon.call, method, **self.asked[method])
            self.token.set()

    def test_nothing_stays(self):
        """every object that Derive makes is destroyed, also where its value cannot be read"""
        self.begin()
        before = self.token.settled()
        for n in range(5):
            self.token.set("C_GetAttributeValue ckr=0x11" if n % 2 else "")
            with contextlib.suppress(Exception):
                self.daemon.call("Derive", **self.asked["Derive"])
        self.token.set()
        after = self.token.settled()
        made, gone = (after[f] - before[f] for f in ("C_DeriveKey", "C_DestroyObject"))
        self.assertEqual((made, gone), (5, 5))

    def test_derived_secret_hidden(self):
        """a token that does not show what it derived lacks ECDH"""
        self.begin()
        self.token.set("C_GetAttributeValue ckr=0x11")
        self.assertEqual(self.fails("AlgorithmNotSupported", self.daemon.call, "Derive", **self.asked["Derive"]),
                         {"key": "hsm:ec", "algorithm": "ecdh"})

    def test_deadline(self):
        """a device that hangs in it: DeadlineExceeded, and the token is there again afterwards"""
        self.begin()
        for method, function in (("Decrypt", "C_Decrypt"), ("Derive", "C_DeriveKey")):
            self.token.set(f"{function} hang")
            self.assertEqual(self.fails("DeadlineExceeded", self.daemon.call, method, **self.asked[method], timeoutMs=500),
                             {"token": "hsm", "executed": True})
            self.token.set()
            until(lambda: self.daemon.token("hsm")["state"] == "ready", "the token is ready")
            self.assertEqual(self.daemon.call(method, **self.asked[method]), self.right[method])

# SPDX-License-Identifier: MPL-2.0
"""libtokend's calls for secret and sealed keys, from a program that knows tokend.h alone."""
import ctypes
import subprocess
import sys

from harness import PLAIN, Case, SoftToken
from test_secrets import holders
from varlink import b64

ENCRYPT, DECRYPT, WRAP, UNWRAP, DERIVE, SIGN = 16, 2, 32, 4, 8, 1
SECRET_NOT_FOUND, NOT_OUR_SEAL, INVALID_ARGUMENT = 17, 18, 84


class Failure(ctypes.Structure):
    _fields_ = [("error", ctypes.c_int), ("executed", ctypes.c_bool), ("name", ctypes.c_char * 128), ("text", ctypes.c_char * 512),
                ("next", ctypes.c_char_p), ("parameter", ctypes.c_char * 32), ("parameters", ctypes.c_char * 1024), ("reserved", ctypes.c_char * 336)]


class Given(ctypes.Structure):
    """A struct that a program gives says its size."""

    def __init__(self, *fields):
        super().__init__(ctypes.sizeof(type(self)), *fields)


class Template(Given):
    _fields_ = [("struct_size", ctypes.c_size_t), ("type", ctypes.c_char_p), ("length", ctypes.c_int), ("size", ctypes.c_int), ("curve", ctypes.c_char_p),
                ("usage", ctypes.c_uint), ("id", ctypes.c_char_p)]


class Algorithm(Given):
    _fields_ = [("struct_size", ctypes.c_size_t), ("name", ctypes.c_char_p), ("iv", ctypes.c_char_p), ("label", ctypes.c_char_p), ("aad", ctypes.c_char_p),
                ("iv_length", ctypes.c_size_t), ("label_length", ctypes.c_size_t), ("aad_length", ctypes.c_size_t)]


class Derivation(Given):
    _fields_ = [("struct_size", ctypes.c_size_t), ("algorithm", ctypes.c_char_p), ("data", ctypes.c_char_p), ("public_key", ctypes.c_char_p), ("data_length", ctypes.c_size_t),
                ("public_key_length", ctypes.c_size_t), ("bit", ctypes.c_int), ("other", ctypes.c_char_p)]


class Secret(ctypes.Structure):
    _fields_ = [("token", ctypes.c_char_p), ("nickname", ctypes.c_char_p), ("type", ctypes.c_char_p), ("length", ctypes.c_int),
                ("usage", ctypes.c_uint), ("sensitive", ctypes.c_bool), ("extractable", ctypes.c_bool), ("json", ctypes.c_char_p),
                ("id", ctypes.c_char_p)]


class Secrets(ctypes.Structure):
    _fields_ = [("n", ctypes.c_size_t), ("secrets", ctypes.POINTER(ctypes.POINTER(Secret)))]


class Library(Case):
    @classmethod
    def configure(cls):
        cls.token = SoftToken(cls.place, "hsm")
        cls.daemon = cls.start(cls.token.section())
        cls.lib = ctypes.CDLL(str(PLAIN / "libtokend.so"))
        for name in ("open", "sealed_text", "sealed_fingerprint", "sealed_public_key"):
            getattr(cls.lib, f"tokend_{name}").restype = ctypes.c_void_p if name in ("open", "sealed_public_key") else ctypes.c_char_p
        cls.handle = ctypes.c_void_p(cls.lib.tokend_open(str(cls.daemon.socket).encode(), 0))

    @classmethod
    def tearDownClass(cls):
        cls.lib.tokend_close(cls.handle)
        super().tearDownClass()

    def call(self, name, *arguments, expect=0):
        failure = Failure()
        error = getattr(self.lib, f"tokend_{name}")(self.handle, *arguments, ctypes.byref(failure))
        self.assertEqual(error, expect, failure.text)

    def sealed(self, name, *arguments):
        """(its text, its fingerprint, its public key)."""
        key, length = ctypes.c_void_p(), ctypes.c_size_t()
        self.call(name, *arguments, ctypes.byref(key))
        text, fingerprint = self.lib.tokend_sealed_text(key), self.lib.tokend_sealed_fingerprint(key)
        public = self.lib.tokend_sealed_public_key(key, ctypes.byref(length))
        public = ctypes.string_at(public, length.value) if public else None
        self.lib.tokend_sealed_free(key)
        return text, fingerprint, public

    def bytes(self, name, *arguments):
        data, length = ctypes.POINTER(ctypes.c_char)(), ctypes.c_size_t()
        self.call(name, *arguments, ctypes.byref(data), ctypes.byref(length))
        result = ctypes.string_at(data, length.value)
        self.lib.tokend_secret_free(data, length)
        return result

    def test_sealed(self):
        """a sealed key is made, shown by its fingerprint, kept as text, and used: encrypt, wrap, unwrap, derive, sign"""
        aes = Template(b"aes", 32, 0, None, ENCRYPT | DECRYPT | WRAP | UNWRAP | DERIVE)
        text, fingerprint, public = self.sealed("secret_generate", None, ctypes.byref(aes), 0)
        self.assertTrue(text.startswith(b"sealed:"))
        self.assertEqual((len(fingerprint), public), (32, None))
        again = ctypes.c_void_p()
        self.assertEqual(self.lib.tokend_sealed_new(text, ctypes.byref(again), None), 0)
        self.assertEqual((self.lib.tokend_sealed_text(again), self.lib.tokend_sealed_fingerprint(again)), (text, fingerprint))
        self.lib.tokend_sealed_free(again)
        for bad in (b"", b"hsm:key", b"sealed:", b"sealed:AAAA", text + b"="):
            self.assertEqual(self.lib.tokend_sealed_new(bad, ctypes.byref(again), None), INVALID_ARGUMENT, bad)
        iv = bytes(16)
        cbc = Algorithm(b"aes_cbc_pad", iv, None, None, 16, 0, 0)
        out = self.bytes("secret_encrypt", text, ctypes.byref(cbc), b"hello", ctypes.c_size_t(5), 0)
        self.assertEqual(self.bytes("secret_decrypt", text, ctypes.byref(cbc), out, ctypes.c_size_t(len(out)), 0), b"hello")
        ec = Template(b"ec", 0, 0, b"secp256r1", SIGN)
        pair, _, spki = self.sealed("secret_generate", None, ctypes.byref(ec), 0)
        kwp = Algorithm(b"aes_kwp", None, None, None, 0, 0, 0)
        wrapped = self.bytes("secret_wrap", text, None, ctypes.c_size_t(0), ctypes.byref(kwp), pair, 0)
        back, _, same = self.sealed("secret_unwrap", text, ctypes.byref(kwp), wrapped, ctypes.c_size_t(len(wrapped)), ctypes.byref(ec), 0)
        self.assertEqual(same, spki)
        signature = self.bytes("secret_sign", back, b"ecdsa_sha256", 1, b"m", ctypes.c_size_t(1), 0)
        self.assertTrue(self.daemon.call("Verify", publicKey=b64(spki), algorithm="ecdsa_sha256", message=b64(b"m"),
                                         signature=b64(signature))["valid"])
        derivation = Derivation(b"aes_ecb_encrypt_data", b"0123456789abcdef", None, 16, 0, 0, None)
        derived, _, _ = self.sealed("secret_derive", text, ctypes.byref(derivation), ctypes.byref(Template(b"aes", 16, 0, None, ENCRYPT)), 0)
        ecb = Algorithm(b"aes_ecb", None, None, None, 0, 0, 0)
        self.assertEqual(len(self.bytes("secret_encrypt", derived, ctypes.byref(ecb), bytes(16), ctypes.c_size_t(16), 0)), 16)
        data, length = ctypes.c_void_p(), ctypes.c_size_t()
        self.call("secret_encrypt", text[:-8] + b"AAAAAAAA", ctypes.byref(ecb), bytes(16), ctypes.c_size_t(16), 0, ctypes.byref(data),
                  ctypes.byref(length), expect=NOT_OUR_SEAL)

    def test_secrets(self):
        """a secret on the token is made, listed, used by its name, and deleted"""
        des3 = Template(b"des3", 0, 0, None, ENCRYPT, b"c0de")
        self.call("secret_generate_on_token", b"hsm", b"master", ctypes.byref(des3), 0)
        listed = ctypes.POINTER(Secrets)()
        self.call("secrets_list", b"hsm", None, 0, ctypes.byref(listed))
        secret = listed.contents.secrets[0].contents
        self.assertEqual((listed.contents.n, secret.nickname, secret.type, secret.length, secret.usage, secret.id),
                         (1, b"master", b"des3", 24, ENCRYPT, b"c0de"))
        self.lib.tokend_secrets_free(listed)
        ecb = Algorithm(b"des3_ecb", None, None, None, 0, 0, 0)
        self.assertEqual(len(self.bytes("secret_encrypt", b"hsm:master", ctypes.byref(ecb), bytes(8), ctypes.c_size_t(8), 0)), 8)
        self.call("secret_delete", b"hsm:master", 0)
        self.call("secret_delete", b"hsm:master", 0, expect=SECRET_NOT_FOUND)

    # Makes a sealed key, encrypts with it, writes its text without a copy of its own, frees it, says so and waits.
    PROGRAM = """
import ctypes, os, sys
library, socket = sys.argv[1:]
lib, libc = ctypes.CDLL(library), ctypes.CDLL(None)
lib.tokend_open.restype = lib.tokend_sealed_text.restype = ctypes.c_void_p
libc.strlen.restype = ctypes.c_size_t
handle, key = ctypes.c_void_p(lib.tokend_open(socket.encode(), 0)), ctypes.c_void_p()
template = (ctypes.c_void_p * 6)(48, ctypes.cast(ctypes.c_char_p(b"aes"), ctypes.c_void_p), 32, None, 16, None)
ecb = (ctypes.c_void_p * 8)(64, ctypes.cast(ctypes.c_char_p(b"aes_ecb"), ctypes.c_void_p))
out, length = ctypes.c_void_p(), ctypes.c_size_t()
if lib.tokend_secret_generate(handle, None, template, 0, ctypes.byref(key), None) != 0:
    sys.exit("it is not made")
text = ctypes.c_void_p(lib.tokend_sealed_text(key))
if lib.tokend_secret_encrypt(handle, text, ecb, bytes(16), ctypes.c_size_t(16), 0, ctypes.byref(out), ctypes.byref(length), None) != 0:
    sys.exit("it does not encrypt")
libc.write(1, text, ctypes.c_size_t(libc.strlen(text)))
os.write(1, b"\\n")
sys.stdin.readline()
lib.tokend_sealed_free(key)
os.write(1, b"freed\\n")
sys.stdin.readline()
"""

    def test_wiped(self):
        """libtokend keeps nothing of a sealed key that its user has freed"""
        program = subprocess.Popen([sys.executable, "-c", self.PROGRAM, PLAIN / "libtokend.so", self.daemon.socket],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            needle = program.stdout.readline()[-80:-40]
            self.assertEqual(len(needle), 40)
            self.assertEqual(len(holders(program.pid, needle)), 1)
            program.stdin.write(b"go on\n")
            program.stdin.flush()
            self.assertEqual(program.stdout.readline(), b"freed\n")
            self.assertEqual(holders(program.pid, needle), [])
        finally:
            program.communicate()

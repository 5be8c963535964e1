# SPDX-License-Identifier: MPL-2.0
"""Private keys that come in wrapped and are none: whoever has the wrapping key chooses every byte that the module reads."""
import os

import varlink
from test_kra import Openssl
from test_sealed import Tokens, aes
from varlink import b64, unb64

ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
P256 = bytes.fromhex("06082a8648ce3d030107")


def tlv(tag, *parts):
    body = b"".join(parts)
    n = (len(body).bit_length() + 7) // 8
    return bytes([tag]) + (bytes([len(body)]) if len(body) < 128 else bytes([0x80 | n]) + len(body).to_bytes(n, "big")) + body


def integer(number):
    return tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def rsa(numbers):
    return tlv(0x30, integer(0), bytes.fromhex("300d06092a864886f70d0101010500"), tlv(4, tlv(0x30, *map(integer, numbers))))


def ec(scalar, params=P256, point=None):
    public = [tlv(0xa1, tlv(3, b"\0", point))] if point is not None else []
    return tlv(0x30, integer(0), tlv(0x30, bytes.fromhex("06072a8648ce3d0201"), params), tlv(4, tlv(0x30, integer(1), tlv(4, scalar), *public)))


def numbers_of(pkcs8):
    """Those of a good RSA key: all INTEGERs of the inner SEQUENCE."""
    at, numbers = 26 + 4, []
    while at < len(pkcs8):
        length, at = pkcs8[at + 1], at + 2
        if length & 0x80:
            n = length & 0x7f
            length, at = int.from_bytes(pkcs8[at:at + n], "big"), at + n
        numbers.append(int.from_bytes(pkcs8[at:at + length], "big"))
        at += length
    return numbers


def bad_rsa(good):
    numbers = numbers_of(good)
    assert rsa(numbers) == good
    for at in range(1, 9):
        for bad in (0, 1, 2, numbers[at] + 1, numbers[at] >> 8, (1 << 9000) + 1):
            yield rsa(numbers[:at] + [bad] + numbers[at + 1:])
    yield from (rsa([0] * 9), rsa([0] + [1] * 8), rsa(numbers[:4]), rsa([]))


def bad_ec(good):
    for scalar in (b"", b"\0", bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32, b"\x01" * 33, b"\x01" * 400):
        yield from (ec(scalar), ec(scalar, point=b"\4" + bytes(64)), ec(scalar, point=b""))
    for params in (b"", b"\5\0", bytes.fromhex("06052b8104000a"), bytes.fromhex("06052b81040022"), tlv(0x30, b"abc"), tlv(6, b"\x2a" * 120)):
        yield ec(b"\5" * 32, params)
    # Where the inner key is no DER.
    yield from (good[:at] + bytes([good[at] ^ bit]) + good[at + 1:] for at in range(26, 36) for bit in (0xff, 1))


class BadKeys(Tokens):
    def test_private_keys(self):
        """PKCS #8 of absurd numbers, lengths and curves is a named error, or a key whose signatures are; nothing stays on the token, no
        worker is ended for it, and the status does not say that the token failed"""
        openssl, kek = Openssl(self.place), os.urandom(32)
        cases = [(kind, openssl.wrap("aes_kwp", kek, data)) for kind, make in (("rsa", bad_rsa), ("ec", bad_ec))
                 for good in [openssl.private(kind)[0]]
                 for data in [*make(good), good[:len(good) // 2], good + good, b"\x30\x80" + good[4:], os.urandom(200), bytes(200)]]
        for token in self.TOKENS:
            spki = self.daemon.call("Generate", token=token, nickname="transport", type="rsa", size=2048, usage=["unwrap"])["key"]["publicKey"]
            key = self.call("Unwrap", key=f"{token}:transport", algorithm="rsa_pkcs1", wrapped=b64(openssl.encrypt(unb64(spki), "rsa_pkcs1", kek)),
                            template=aes())["sealed"]
            for kind, wrapped in cases:
                with self.subTest(token=token, kind=kind, wrapped=wrapped.hex()):
                    self.try_key(key, kind, wrapped)
            status = self.daemon.token(token)
            self.assertEqual((status["restarts"], status.get("lastError")), (0, None), self.daemon.log_text())
            if token != "internal":
                # LIMIT_OPENED
                self.assertLessEqual(self.objects(token), 2 * 32, token)

    def try_key(self, key, kind, wrapped):
        try:
            sealed = self.call("Unwrap", key=key, algorithm="aes_kwp", wrapped=b64(wrapped), template={"type": kind, "usage": ["sign"]})["sealed"]
        except varlink.Error as error:
            self.assertIn(error.name.rpartition(".")[2], ("InvalidParameter", "AlgorithmNotSupported"), error)
            self.assertIn(error.parameters.get("parameter"), ("wrapped", "template", None), error)
            return
        try:
            self.call("Sign", key=sealed, algorithm="rsa_pkcs1_sha256" if kind == "rsa" else "ecdsa_sha256", message=b64(b"m"))
        except varlink.Error as error:
            self.assertEqual((error.name.rpartition(".")[2], error.parameters["parameter"]), ("InvalidParameter", "key"))

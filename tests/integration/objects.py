# SPDX-License-Identifier: MPL-2.0
"""Objects on a token as no program of this host writes them: any attributes with any values, by calls of PKCS #11 itself.

A process of its own, because a module reads its configuration from the environment and lives as long as the process."""
import ast
import ctypes
import sys

U = ctypes.c_ulong
CLASSES = {"certificate": 1, "public": 2, "private": 3}
TYPES = {"CLASS": 0, "TOKEN": 1, "PRIVATE": 2, "LABEL": 3, "VALUE": 0x11, "CERTIFICATE_TYPE": 0x80, "KEY_TYPE": 0x100, "SUBJECT": 0x101,
         "ID": 0x102, "SENSITIVE": 0x103, "SIGN": 0x108, "VERIFY": 0x10a, "MODULUS": 0x120, "PUBLIC_EXPONENT": 0x122,
         "PRIVATE_EXPONENT": 0x123, "PRIME_1": 0x124, "PRIME_2": 0x125, "EXPONENT_1": 0x126, "EXPONENT_2": 0x127, "COEFFICIENT": 0x128,
         "EC_PARAMS": 0x180, "EC_POINT": 0x181, "ALLOWED_MECHANISMS": 0x40000600}
# The places of the functions in CK_FUNCTION_LIST.
FUNCTIONS = {"Initialize": 0, "GetSlotList": 4, "GetTokenInfo": 6, "OpenSession": 12, "Login": 18, "CreateObject": 20, "DestroyObject": 22,
             "SetAttributeValue": 25, "FindObjectsInit": 26, "FindObjects": 27, "FindObjectsFinal": 28}


class Attribute(ctypes.Structure):
    _fields_ = [("type", U), ("value", ctypes.c_char_p), ("length", U)]


def write(token, *steps):
    """Each step is ("create", {attributes}), ("set", {what to find}, {attributes}), ("destroy", {what to find}) or ("count", {what to
    find}); attributes by the names of TYPES, a number, a bool or bytes each. How many objects each step was about."""
    # Not above: the process that runs this file needs nothing of it.
    from harness import SOFTHSM, run, until

    def done():
        try:
            return run(sys.executable, __file__, SOFTHSM, token.label, token.pin, env=token.environment, stdin=None,
                       input=repr(steps).encode()).decode()
        except AssertionError as failure:
            # While another process logs in, SoftHSM leaves the token out of its slots: then nothing was done.
            if "No slot with token named" not in str(failure):
                raise
            return None
    return ast.literal_eval(until(done, "the slot is there"))


class Module:
    def __init__(self, path, label, pin):
        self.library = ctypes.CDLL(path)
        self.list = ctypes.POINTER(ctypes.c_void_p)()
        self.library.C_GetFunctionList(ctypes.byref(self.list))
        self.call("Initialize", None)
        self.session = U()
        self.call("OpenSession", self.slot(label), U(6), None, None, ctypes.byref(self.session))
        self.call("Login", self.session, U(1), pin.encode(), U(len(pin)))

    def call(self, name, *arguments):
        # Behind the version, which takes as much room as a pointer.
        address = ctypes.cast(self.list, ctypes.POINTER(ctypes.c_void_p))[1 + FUNCTIONS[name]]
        rv = ctypes.CFUNCTYPE(U)(address)(*arguments)
        if rv:
            raise SystemExit(f"C_{name}: {rv:#x}")

    def slot(self, label):
        slots, n, info = (U * 64)(), U(64), ctypes.create_string_buffer(512)
        self.call("GetSlotList", ctypes.c_ubyte(1), slots, ctypes.byref(n))
        for slot in slots[:n.value]:
            self.call("GetTokenInfo", U(slot), info)
            if info.raw[:32].rstrip() == label.encode():
                return U(slot)
        raise SystemExit(f"No slot with token named {label}")

    def attributes(self, values):
        """The array, and its length."""
        out = (Attribute * len(values))()
        for at, (name, value) in zip(out, values.items()):
            if isinstance(value, bool):
                value = bytes([value])
            elif isinstance(value, int):
                value = value.to_bytes(8, sys.byteorder)
            at.type, at.value, at.length = TYPES[name], value, len(value)
        return out, U(len(values))

    def find(self, values):
        handles, n = (U * 64)(), U()
        self.call("FindObjectsInit", self.session, *self.attributes(values))
        self.call("FindObjects", self.session, handles, U(64), ctypes.byref(n))
        self.call("FindObjectsFinal", self.session)
        return [U(handle) for handle in handles[:n.value]]

    def step(self, what, values, new=None):
        if what == "create":
            self.call("CreateObject", self.session, *self.attributes({"TOKEN": True} | values), ctypes.byref(U()))
            return 1
        found = self.find(values)
        for handle in found:
            if what == "set":
                self.call("SetAttributeValue", self.session, handle, *self.attributes(new))
            elif what == "destroy":
                self.call("DestroyObject", self.session, handle)
        return len(found)


if __name__ == "__main__":
    module = Module(*sys.argv[1:4])
    print([module.step(*step) for step in ast.literal_eval(sys.stdin.read())])

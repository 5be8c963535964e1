# SPDX-License-Identifier: MPL-2.0
"""One object, one key, one error is never the whole token: what fails for one of them leaves the others as they are."""
import glob
import pathlib
import shutil

from harness import SoftToken, until
from test_faults import Faults
from varlink import b64


class Unreadable(Faults):
    """An object that the token lists, and whose attributes it does not give."""

    def serves(self):
        """The token serves by its first worker."""
        self.sign()
        token = self.daemon.token("hsm")
        self.assertEqual((token["state"], token["restarts"]), ("ready", 0), self.daemon.log_text())

    def said(self):
        return [line for line in self.daemon.log_text().splitlines() if "cannot be read" in line]

    def nicknames(self):
        return {key["nickname"] for key in self.daemon.call("List", token="hsm")["keys"]}

    def test_at_start(self):
        """whatever the token answers for one object, the others are listed and sign, and the log says which one once"""
        for ckr, name in (("0x5", "CKR_GENERAL_ERROR"), ("0x30", "CKR_DEVICE_ERROR"), ("0x6", "CKR_FUNCTION_FAILED"),
                          ("0x54", "CKR_FUNCTION_NOT_SUPPORTED"), ("0x101", "CKR_USER_NOT_LOGGED_IN"), ("0x80000001", "0x80000001")):
            with self.subTest(name):
                self.begin(keys=("k", "bad"), before=[f"C_GetAttributeValue ckr={ckr} label=bad"], refresh="200ms")
                self.serves()
                self.assertEqual(self.nicknames(), {"k"})
                # Its two halves. Later refreshes say no more of them.
                before = self.token.counts()["C_FindObjectsFinal"]
                until(lambda: self.token.counts()["C_FindObjectsFinal"] > before + 20, "more refreshes")
                self.assertEqual(len(self.said()), 2, self.said())
                self.assertEqual(len([line for line in self.said() if name in line and "handle" in line]), 2, self.said())
                self.serves()

    def test_in_passing(self):
        """an object that cannot be read for a moment is read again, and nothing is said of it"""
        self.begin(keys=("k", "bad"), before=["C_GetAttributeValue ckr=0x6 label=bad count=9"], refresh="200ms")
        self.assertEqual(self.nicknames(), {"k", "bad"})
        # A key that is generated, and that the token does not give at first.
        self.token.set("C_GetAttributeValue ckr=0x6 label=new count=12 since=C_GenerateKeyPair")
        self.assertEqual(self.daemon.call("Generate", token="hsm", nickname="new", type="ec")["key"]["nickname"], "new")
        self.sign(key="hsm:new")
        self.serves()

    def test_readable_again(self):
        """an object that can be read again is listed by the next refresh"""
        self.begin(keys=("k", "bad"), before=["C_GetAttributeValue ckr=0x6 label=bad"], refresh="200ms")
        self.assertEqual(self.nicknames(), {"k"})
        self.token.set()
        until(lambda: self.nicknames() == {"k", "bad"}, "it is listed")
        self.sign(key="hsm:bad")

    def test_while_serving(self):
        """an object that cannot be read any more stays what it was, and one that comes does not keep others from coming"""
        self.begin(keys=("k", "bad"), refresh="200ms")
        self.token.set("C_GetAttributeValue ckr=0x5 label=bad", "C_GetAttributeValue ckr=0x5 label=worse")
        self.token.make_key("worse", "77")
        self.token.make_key("good", "78")
        until(lambda: "good" in self.nicknames(), "it is listed")
        self.assertEqual(self.nicknames(), {"k", "bad", "good"})
        self.sign(key="hsm:bad")
        self.serves()

    def test_name_is_taken(self):
        """the label of an object whose other attributes cannot be read counts as taken"""
        self.begin(keys=("k", "bad"), before=["C_GetAttributeValue ckr=0x5 label=bad type=0x100"], refresh="1h")
        self.fails("NicknameExists", self.daemon.call, "Generate", token="hsm", nickname="bad", type="ec")
        self.daemon.call("Generate", token="hsm", nickname="new", type="ec")
        self.serves()

    def test_all(self):
        """a token of which no object can be read is not ready, and the status and the log say why"""
        self.begin(before=["C_GetAttributeValue ckr=0x80000001"], wait=False)
        token = until(lambda: self.daemon.status_socket.exists() and self.reason(), "a reason")
        self.assertEqual(token["state"], "starting")
        self.assertIn("0x80000001", token["reason"])
        self.assertIn("its objects cannot be listed: C_GetAttributeValue: 0x80000001", self.daemon.log_text())
        self.token.set()
        self.daemon.wait_state("hsm", "ready")
        self.serves()

    def reason(self):
        try:
            token = self.daemon.token("hsm")
        except OSError:
            return None
        return token if token["reason"] else None

    def test_restored(self):
        """an object file of another SoftHSM2 token, which a restored backup leaves, costs nobody anything"""
        self.begin(refresh="200ms")
        other = SoftToken(self.place, "other" + self.token.label)
        other.make_key("alien", "02")
        home = pathlib.Path(glob.glob(f"{self.token.store}/*/token.object")[0]).parent
        for path in glob.glob(f"{other.store}/*/*.object"):
            if not path.endswith("token.object"):
                shutil.copy(path, home / f"alien-{pathlib.Path(path).name}")
        self.token.make_key("later", "03")
        until(lambda: "later" in self.nicknames(), "what came after it is listed")
        self.sign(key="hsm:later")
        self.serves()

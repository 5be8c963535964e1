# SPDX-License-Identifier: MPL-2.0
"""What a module writes to its standard error: it is in the log, and a flood of it is cut, of that token alone, and said."""
import unittest

from harness import Case, until
from test_faults import FaultyToken
from varlink import b64

LINE = "token hsm: its module says: a line of the module"


class Output(Case):
    def begin(self, *faults):
        number = len(list(self.place.path.iterdir()))
        self.tokens = {name: FaultyToken(self.place, f"{name}{number}") for name in ("hsm", "other")}
        self.tokens["hsm"].set(*faults)
        self.daemon = self.own("".join(t.section(name, "SessionCopies=no\n", refresh="1h") for name, t in self.tokens.items()))
        return self.daemon

    def sign(self, token="hsm"):
        self.daemon.call("Sign", key=f"{token}:k", algorithm="ecdsa_sha256", message=b64(b"m"))

    def said(self, text=LINE):
        return self.daemon.log_text().count(text)

    def test_few(self):
        """a line is a line of the log, with the token's name"""
        self.begin("C_SignInit say=1 count=2")
        self.sign()
        self.sign()
        until(lambda: self.said() == 2, "both lines")
        self.assertEqual(self.said("none are kept"), 0)

    def test_flood(self):
        """a module that floods costs no request and no other token's lines, and its first lines are kept"""
        daemon = self.begin("C_SignInit say=100000")
        self.tokens["other"].set("C_SignInit say=1")
        for _ in range(5):
            self.sign()
        until(lambda: self.said("its module writes more than 20 lines in 10 s; for 10 s none are kept"), "it is said")
        self.sign("other")
        until(lambda: self.said("token other: its module says: a line of the module") == 1, "the other's line")
        self.sign()
        self.assertEqual(self.said(), 20)
        self.assertEqual(self.said("none are kept"), 1)
        self.assertEqual(daemon.token("hsm")["restarts"], 0)
        # Another worker of that token has no more.
        daemon.worker("hsm").kill()
        until(lambda: daemon.token("hsm")["restarts"] == 1 and daemon.token("hsm")["state"] == "ready", "another worker")
        self.sign()
        self.assertEqual(self.said(), 20)


if __name__ == "__main__":
    unittest.main()

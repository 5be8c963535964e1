# SPDX-License-Identifier: MPL-2.0
"""Tokens, and what List says beside its objects: whether anything has changed since, and which tokens have nothing to show."""
import os
import unittest

from harness import Case, SoftToken, as_json, until
import varlink
from varlink import Client

C = "io.tokend.Certificates."
CA, TLS, NOBODY = 61031, 61032, 61033


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Seen(Case):
    """Two instances on two tokens; neither sees the keys of the other."""

    @classmethod
    def configure(cls):
        cls.one, cls.two = SoftToken(cls.place, "one"), SoftToken(cls.place, "two")
        cls.config = cls.one.section() + cls.two.section()
        cls.instances = f"""
[Instance ca]
User={CA}
Token=two
OtherTokens=one
Keys=ca*
Allow=list sign generate delete delete-cert request import
[Instance tls]
User={TLS}
Token=one
Keys=tls*
Allow=list sign sign-raw generate delete
[Instance deaf]
User={NOBODY}
Keys=*
Allow=sign
"""
        cls.daemon = cls.start(cls.config, instances=cls.instances)
        with cls.as_user(CA) as ca:
            ca.call("Generate", nickname="ca", type="ec")
        with cls.as_user(TLS) as tls:
            tls.call("Generate", nickname="tls", type="ec")

    @classmethod
    def as_user(cls, uid):
        return Client(sock=varlink.connect_as(cls.daemon.socket, uid, uid))

    def test_tokens(self):
        """Tokens: the caller's own first, no other instance's, with what the device says and what the caller may do"""
        with self.as_user(CA) as ca, self.as_user(TLS) as tls:
            two, one = ca.call("Tokens")["tokens"]
            self.assertEqual((two["name"], two["state"], two["label"], two.get("reason")), ("two", "ready", "two", None))
            self.assertEqual((one["name"], one["label"]), ("one", "one"))
            self.assertEqual(two["rights"], ["delete", "delete-cert", "generate", "import", "list", "request", "sign"])
            self.assertLessEqual({"CKM_RSA_PKCS", "CKM_ECDSA", "CKM_AES_KEY_WRAP", "CKM_SHA256"}, set(two["mechanisms"]))
            self.assertIn("CKM_AES_CBC", two["wraps"])
            self.assertNotIn("CKM_AES_CBC", two["unwraps"], "SoftHSM wraps with it alone")
            self.assertIn("CKM_AES_KEY_WRAP", two["unwraps"])
            for name in ("manufacturer", "model", "serial"):
                self.assertTrue(two[name], name)
            self.assertEqual([t["name"] for t in tls.call("Tokens")["tokens"]], ["one"])
            self.assertIn("sign-raw", tls.call("Tokens")["tokens"][0]["rights"])
        with self.as_user(NOBODY) as deaf:
            self.assertEqual(self.fails("PermissionDenied", deaf.call, "Tokens"), {"operation": "list"})
        with self.as_user(0) as stranger:
            self.fails("PermissionDenied", stranger.call, "Tokens")

    def test_since(self):
        """since: nothing is listed as long as nothing changed that the caller may see; others' keys are none of that"""
        with self.as_user(CA) as ca, self.as_user(TLS) as tls:
            first = ca.call("List")
            self.assertTrue(first["state"])
            self.assertNotIn("unchanged", first)
            same = {"keys": [], "state": first["state"], "unchanged": True}
            self.assertEqual(ca.call("List", since=first["state"]), same)
            tls.call("Generate", nickname="tls two", type="ec")
            self.assertEqual(ca.call("List", since=first["state"]), same)
            ca.call("Generate", nickname="ca two", type="ec")
            second = ca.call("List", since=first["state"])
            self.assertEqual([k["nickname"] for k in second["keys"]], ["ca", "ca two"])
            self.assertNotEqual(second["state"], first["state"])
            ca.call("Delete", key="ca two")
            third = ca.call("List", since=second["state"])
            self.assertEqual((third["keys"], third.get("unchanged")), (first["keys"], None))
            for other in ("", "x", first["state"][:-1], "0" * 16, first["state"].upper() + "0"):
                self.assertEqual(ca.call("List", since=other)["keys"], first["keys"])
            # A state of one answer fits no other.
            self.assertNotIn("unchanged", ca.call("List", token="one", since=third["state"]))
            self.assertNotIn("unchanged", tls.call("List", since=third["state"]))

    def test_since_certificates(self):
        """since: certificates have a state of their own; one that comes changes what its key says as well"""
        with self.as_user(CA) as ca:
            keys, certificates = ca.call("List"), ca.call(C + "List")
            self.assertNotEqual(keys["state"], certificates["state"])
            ca.call(C + "SelfSign", key="ca", subject="CN=ca", validityDays=1)
            until(lambda: ca.call("List", since=keys["state"])["keys"], "the key says that it has a certificate")
            second = ca.call(C + "List", since=certificates["state"])
            self.assertEqual([c["nickname"] for c in second["certificates"]], ["ca"])
            self.assertTrue(ca.call(C + "List", since=second["state"])["unchanged"])
            ca.call(C + "Delete", certificate="ca")
            self.assertEqual(ca.call(C + "List", since=second["state"])["certificates"], [])

    def test_since_worker(self):
        """since: another worker and a reload change nothing; another daemon knows no state of this one"""
        with self.as_user(CA) as ca:
            state = ca.call("List")["state"]
            for worker in self.daemon.workers():
                worker.kill()
            until(lambda: all(t["state"] == "ready" and t["restarts"] for t in self.daemon.status()["tokens"]), "other workers serve")
            self.assertTrue(ca.call("List", since=state)["unchanged"])


class Many(Case):
    """Enough keys for several replies."""

    def test_last_reply(self):
        """with `more`, state and unavailable are in the last reply alone"""
        token = SoftToken(self.place, "many")
        for n in range(100):
            token.make_key(f"key {n:03}", f"{n + 1:04x}")
        daemon = self.own(token.section("many"))
        with daemon.client() as client:
            client.send("List", {}, more=True)
            replies = []
            while True:
                reply = client.receive()
                replies.append(reply["parameters"])
                if not reply.get("continues"):
                    break
            self.assertGreater(len(replies), 1)
            self.assertEqual([("state" in r) for r in replies], [False] * (len(replies) - 1) + [True])
            self.assertEqual(sum(len(r["keys"]) for r in replies), 100)
            self.assertTrue(client.call("List", since=replies[-1]["state"])["unchanged"])


class Absent(Case):
    """A token that never came, beside one that is there."""

    def setUp(self):
        self.token = SoftToken(self.place, f"t{len(os.listdir(self.place.path))}")
        self.token.make_key("k", "01")
        absent = SoftToken(self.place, f"a{len(os.listdir(self.place.path))}")
        pin = self.place.write("wrong-pin", b"wrong")
        section = "\n".join(f"Pin=file:{pin}" if line.startswith("Pin=") else line for line in absent.section("absent").splitlines())
        self.daemon = self.own(self.token.section("hsm") + section + "\n")
        until(lambda: self.daemon.token("absent")["state"] == "failed", "the token has failed")

    def test_unavailable(self):
        """List and Certificates.List name a token that has nothing to show, and say why; naming it is TokenUnavailable"""
        for method, objects in (("List", "keys"), (C + "List", "certificates")):
            listed = self.daemon.call(method)
            unavailable, = listed["unavailable"]
            self.assertEqual((unavailable["token"], unavailable["state"]), ("absent", "failed"))
            self.assertTrue(unavailable["reason"])
            self.assertEqual(len(listed[objects]), objects == "keys")
            self.assertNotIn("unavailable", self.daemon.call(method, token="hsm"))
            self.assertTrue(self.daemon.call(method, since=listed["state"])["unchanged"])
            self.assertEqual(self.daemon.call(method, since=listed["state"])["unavailable"], [unavailable])
            self.fails("TokenUnavailable", self.daemon.call, method, token="absent")
        tokens = {t["name"]: t for t in self.daemon.call("Tokens")["tokens"]}
        self.assertEqual((tokens["absent"]["state"], tokens["absent"]["reason"]), ("failed", unavailable["reason"]))

    def test_tokendctl(self):
        """tokendctl says on stderr what a listing lacks, and exits with 4; with a token that is there it exits with 0"""
        for verb, objects in (("list", "keys"), ("certs", "certificates")):
            listed = self.daemon.ctl(verb, check=False)
            self.assertEqual(listed.returncode, 4)
            self.assertIn(b"absent", listed.stderr)
            listed = self.daemon.ctl(verb, "--json", check=False)
            said = as_json(listed.stdout)
            self.assertEqual((listed.returncode, [u["token"] for u in said["unavailable"]], len(said[objects])),
                             (4, ["absent"], objects == "keys"))
            self.assertTrue(said["state"])
            self.assertEqual(self.daemon.ctl(verb, "hsm", check=False).returncode, 0)
            self.assertEqual(self.daemon.ctl(verb, "absent", check=False).returncode, 1)
        said = self.daemon.ctl("tokens")
        self.assertIn("failed", said)
        self.assertEqual([t["name"] for t in as_json(self.daemon.ctl("tokens", "--json"))["tokens"]], ["hsm", "absent"])

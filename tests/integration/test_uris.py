# SPDX-License-Identifier: MPL-2.0
"""RFC 7512 URIs, as p11tool, p11-kit and gnutls print them, in Uri= and as the name of a key."""
import re

from harness import PIN, SOFTHSM, Case, check_config, run, until
from test_faults import FaultyToken
from varlink import b64

# A token whose fields are padded with NUL and whose serial number is blank: these mean it,
MEANT = [
    "token=padded",
    "token=padded" + "%00" * 26,
    "token=padded%20%20",
    "model=SoftHSM%20v2%00%00%00%00%00%00;manufacturer=SoftHSM%20project;serial=;token=padded",
    "serial=%20%20%20%20;token=padded",
    "token=padded;slot-manufacturer=SoftHSM%20project",
    "token=padded;library-description=Implementation%20of%20PKCS11;library-manufacturer=SoftHSM",
]
# these mean another one,
OTHERS = [
    "token=",
    "token=padded;serial=0",
    "token=padded;manufacturer=",
    "token=padded;slot-description=SoftHSM",
    "token=padded;slot-manufacturer=",
    "token=padded;library-description=other",
    "token=padded;library-version=1.0",
    "slot-id=9223372036854775807",
]
# and these mean nothing: with the attribute that is named.
REFUSED = [("token=padded;x-muppet=cookie", "x-muppet"), ("token=padded;Serial=1", "Serial"), ("token=padded;serial=%4", "serial"),
           ("slot-id=first", "slot-id"), ("token=padded;token=padded", "token"), ("token=padded?pin-value=1234", "query")]


class Uris(Case):
    @classmethod
    def configure(cls):
        cls.token = FaultyToken(cls.place, "padded")
        cls.token.set("C_GetTokenInfo nuls")

    def section(self, name, uri):
        return self.token.section(name, "StartTimeout=2s\n").replace("pkcs11:token=padded", f"pkcs11:{uri}")

    def test_tokens(self):
        """Uri= as it is printed means the token, and does not mean another one"""
        daemon = self.own("".join(self.section(f"t{i}", uri) for i, uri in enumerate(MEANT + OTHERS)))
        for i, uri in enumerate(MEANT + OTHERS):
            with self.subTest(uri):
                if uri in MEANT:
                    daemon.wait_state(f"t{i}", "ready")
                else:
                    reason = daemon.wait_state(f"t{i}", "recovering")["reason"]
                    self.assertIn("no slot has a token that matches", reason)
                    self.assertRegex(reason, r"; there is .* \(slot [0-9]+, (serial [0-9a-f]+|no serial number)\)")

    def test_keys(self):
        """as the name of a key"""
        daemon = self.own(self.token.section())
        slot = re.search(r"slot-id=(\d+)|Slot (\d+)", run("softhsm2-util", "--show-slots", env=self.token.environment).decode())[2]
        version = re.search(r"Library .*ver (\d+\.\d+)", self.token.tool("--show-info"))[1]
        for uri in [*MEANT, f"slot-id={slot}", f"library-version={version}", "type=private"]:
            with self.subTest(uri):
                daemon.call("Sign", key=f"pkcs11:{uri};object=k", algorithm="ecdsa_sha256", message=b64(b"m"))
                self.assertEqual(daemon.call("Get", key=f"pkcs11:{uri};object=k%00;id=%01")["key"]["nickname"], "k")
        for uri in OTHERS:
            with self.subTest(uri):
                self.fails("KeyNotFound", daemon.call, "Get", key=f"pkcs11:{uri};object=k")
        for uri in ("object=k;id=", "object=;id=%01", "id=%01%00", "object=k%20"):
            with self.subTest(uri):
                self.fails("KeyNotFound", daemon.call, "Get", key=f"pkcs11:{uri}")

    def test_refused(self):
        """what is refused is named: in the configuration, and by tokendctl for the name of a key"""
        daemon = self.own(self.token.section())
        for uri, word in REFUSED:
            with self.subTest(uri):
                done = check_config(self.place, self.section("t", uri))
                self.assertEqual(done.returncode, 78)
                self.assertIn(word, done.stderr.partition("but ")[2])
                self.assertNotIn("1234", done.stderr)
                key = f"pkcs11:{uri.replace('?', ';object=k?')}"
                self.assertEqual(self.fails("InvalidParameter", daemon.call, "Get", key=key), {"parameter": "key"})
                done = daemon.ctl("pubkey", key, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(word, done.stderr.decode().partition("InvalidParameter")[2])

    def test_twins(self):
        """of two tokens that match, the reason gives the slots and what else tells them apart; that in Uri= gives one"""
        twin = FaultyToken(self.place, "twin")
        run("softhsm2-util", "--init-token", "--free", "--label", "twin", "--pin", PIN, "--so-pin", "87654321", env=twin.environment)

        def reason(*faults):
            twin.set(*faults)
            daemon = self.own(twin.section(extra="StartTimeout=1s\n"))
            said = until(lambda: daemon.token("twin")["reason"], "a reason")
            daemon.stop()
            return said
        said = reason()
        self.assertIn("2 tokens match Uri=, but", said)
        self.assertIn("they differ in serial=, ", said)
        serials = re.findall(r"twin \(slot \d+, serial ([0-9a-f]+)\)", said)
        self.assertEqual(len(set(serials)), 2, said)
        said = reason("C_GetTokenInfo nuls")
        self.assertNotIn("serial=", said)
        self.assertIn("they differ in slot-description=, slot-id=:", said)
        slots = re.findall(r"twin \(slot (\d+), no serial number\)", said)
        self.assertEqual(len(set(slots)), 2, said)
        section = twin.section()
        daemon = self.own("".join(section.replace("[Token twin]", f"[Token t{slot}]").replace("token=twin", f"token=twin;slot-id={slot}")
                                  for slot in slots))
        for slot in slots:
            daemon.wait_state(f"t{slot}", "ready")

# SPDX-License-Identifier: MPL-2.0
"""A nickname is one object's, on whatever host: daemons of several StateDirectories share one SoftHSM2 token."""
import glob
import os
import pathlib
import shutil
import re
import struct
import threading
import time

import varlink
from harness import Case, SoftToken, until
from test_faults import FaultyToken
from varlink import b64

# `make test-claims` asks for more.
ROUNDS = int(os.environ.get("CLAIM_ROUNDS") or 20)


def together(*calls):
    """All at the same moment; what each gave, or the error that it raised."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def one(i, call):
        barrier.wait()
        try:
            results[i] = call()
        except Exception as error:  # pylint: disable=broad-except
            results[i] = error

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class Later:
    """A call that is under way."""

    def __init__(self, call, *arguments, **parameters):
        self.result = None
        self.thread = threading.Thread(target=self._run, args=(call, arguments, parameters))
        self.thread.start()

    def _run(self, call, arguments, parameters):
        try:
            self.result = call(*arguments, **parameters)
        except Exception as error:  # pylint: disable=broad-except
            self.result = error

    def ended(self):
        return not self.thread.is_alive()

    def get(self):
        self.thread.join()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class Shared(Case):
    def begin(self, token, **options):
        options.setdefault("refresh", "200ms")
        self.daemons = [self.own(token.section("hsm", **options), name=name) for name in ("one", "two")]
        return self.daemons

    @staticmethod
    def listing(token):
        """SoftHSM can leave a token out of its slots while another process writes: then once more."""
        for _ in range(20):
            try:
                return token.tool("--list-objects")
            except AssertionError as error:
                if "No slot" not in str(error):
                    raise
        raise AssertionError("the token is not there")

    def objects(self, token):
        """Labels of all objects by kind, as a fresh process sees them."""
        found = {}
        for kind, label in re.findall(r"^(Private Key|Public Key|Certificate|Data) [Oo]bject.*\n(?:  .*\n)*?  label: +'?(.*?)'?$",
                                      self.listing(token), re.M):
            found.setdefault(label, []).append(kind)
        return found

    def winner(self, results):
        """Exactly one succeeded, and the others were told that the nickname exists."""
        losers = [r for r in results if isinstance(r, Exception)]
        for loser in losers:
            self.assertIsInstance(loser, varlink.Error, loser)
            self.assertTrue(loser.name == "NicknameExists", loser)
        self.assertEqual(len(results) - len(losers), 1, results)
        return next(r for r in results if not isinstance(r, Exception))


class Race(Shared):
    def test_generate(self):
        """the same nickname from two daemons at once: one winner, NicknameExists for the other, two objects, no claim"""
        token = SoftToken(self.place, "race")
        one, two = self.begin(token, refresh="5s")
        wins = [0, 0]
        clients = [daemon.client() for daemon in (one, two)]
        for client in clients:
            self.addCleanup(client.close)
        for block in range(0, ROUNDS, 20):
            names = [f"round {i}" for i in range(block, min(block + 20, ROUNDS))]
            for name in names:
                results = together(*(lambda c=client: c.call("Generate", token="hsm", nickname=name, type="ec", timeoutMs=60000)
                                     for client in clients))
                self.winner(results)
                wins[isinstance(results[0], Exception)] += 1
            self.assertEqual({label: sorted(kinds) for label, kinds in self.objects(token).items()},
                             {name: ["Private Key", "Public Key"] for name in names})
            # A token that fills up slows everybody down.
            for name in names:
                one.call("Delete", key=f"hsm:{name}")
        self.assertGreater(min(wins), 0, "one of them always won: was it a race?")

    def test_import(self):
        """the same for a certificate that stands alone, and between a certificate and a key"""
        token = SoftToken(self.place, "imports")
        one, two = self.begin(token)
        key = one.call("Generate", token="hsm", nickname="maker", type="ec")["key"]
        der = one.call("io.tokend.Certificates.SelfSign", key="hsm:maker", subject="CN=alone", validityDays=3)["certificate"]["der"]
        one.call("Delete", key="hsm:maker")
        one.call("io.tokend.Certificates.Delete", certificate="hsm:maker")
        self.assertEqual(self.objects(token), {}, key)
        until(lambda: not two.call("List", token="hsm")["keys"], "the other has seen that the key went")
        for i in range(3):
            self.winner(together(*(lambda d=d: d.call("io.tokend.Certificates.Import", token="hsm", nickname=f"c{i}", certificate=der)
                                   for d in (one, two))))
            self.winner(together(
                lambda: one.call("io.tokend.Certificates.Import", token="hsm", nickname=f"m{i}", certificate=der),
                lambda: two.call("Generate", token="hsm", nickname=f"m{i}", type="ec")))
        found = self.objects(token)
        for i in range(3):
            self.assertEqual(found[f"c{i}"], ["Certificate"])
            self.assertIn(sorted(found[f"m{i}"]), (["Certificate"], ["Private Key", "Public Key"]))
        self.assertEqual(len(found), 6)


class Crash(Shared):
    def begin_faulty(self, **options):
        """The first daemon is behind the module that fails; the second is not."""
        self.token = FaultyToken(self.place, f"t{len(os.listdir(self.place.path))}", ())
        plain = SoftToken.section(self.token, "hsm", "KeepAlive=1h\n", refresh="200ms").replace(
            str(self.token.module), SoftToken.__init__.__defaults__[1])
        options.setdefault("refresh", "1h")
        self.daemons = [self.own(self.token.section("hsm", "KeepAlive=1h\n", **options), name="one"), self.own(plain, name="two")]
        return self.daemons

    def generate(self, daemon, nickname="n", **more):
        return daemon.call("Generate", token="hsm", nickname=nickname, type="ec", **more)

    def pair(self, nickname="n"):
        found = self.objects(self.token)
        self.assertEqual({k: sorted(v) for k, v in found.items()}, {nickname: ["Private Key", "Public Key"]})

    def test_crash_between(self):
        """a crash between claim and creation: others wait, do not fail, and go on once the claimant has started again"""
        one, two = self.begin_faulty(refresh="200ms")
        self.token.set("C_GenerateKeyPair hang count=1")
        first = Later(self.generate, one)
        until(lambda: self.token.counts()["C_GenerateKeyPair"] > 0, "the creation has begun")
        self.assertEqual(self.objects(self.token), {"n": ["Data"]})
        claim = until(lambda: two.token("hsm")["claims"], "the other shows the claim")[0]
        self.assertEqual(claim["nickname"], "n")
        self.assertLess(abs(claim["sinceUSec"] / 1e6 - time.time()), 60)
        self.assertEqual(one.token("hsm")["claims"], [])
        self.fails("DeadlineExceeded", self.generate, two, timeoutMs=700)
        # Where its look was under way it must not be the one that wins in the end.
        until(lambda: two.token("hsm")["inFlight"] == 0, "nothing of it is in the worker")
        second = Later(self.generate, two, timeoutMs=60000)
        until(lambda: two.token("hsm")["inFlight"] == 1, "the second looks")
        self.assertFalse(second.ended())
        one.worker().kill()
        self.fails("WorkerLost", first.get)
        second.get()
        self.pair()
        self.fails("NicknameExists", self.generate, one)
        until(lambda: not any(d.token("hsm")["claims"] for d in self.daemons), "both have seen that the claims went")

    def test_half_a_pair(self):
        """a crash after the creation: the pair stays, the claim goes, and who generated it is told of success"""
        one, two = self.begin_faulty()
        self.token.set("C_GenerateKeyPair crash after count=1")
        key = self.generate(one)["key"]
        self.fails("NicknameExists", self.generate, two)
        self.pair()
        self.assertEqual(one.call("Get", key="hsm:n")["key"], key)

    def test_restart_of_all(self):
        """a claim that was left when the whole daemon was killed is gone when it serves again"""
        one, _ = self.begin_faulty()
        self.token.set("C_GenerateKeyPair hang count=1")
        first = Later(self.generate, one)
        until(lambda: self.token.counts()["C_GenerateKeyPair"] > 0, "the creation has begun")
        family = one.children()
        os.kill(one.pid, 9)
        # The worker would end by itself, after the GenerateTimeout= of its call.
        for worker in family:
            if not worker.gone():
                worker.kill()
        until(lambda: all(member.gone() for member in family), "all its processes have ended")
        one.reap()
        with self.assertRaises(Exception):
            first.get()
        self.assertEqual(self.objects(self.token), {"n": ["Data"]})
        one.start()
        self.assertEqual(self.objects(self.token), {})
        self.generate(one)
        self.pair()

    def test_errors_of_the_claim(self):
        """whatever the token answers to the claim, to its removal, and to the creation: one pair, and no claim"""
        one, two = self.begin_faulty()
        for number, fault in enumerate((
                "C_CreateObject after ckr=0xb3 count=1", "C_CreateObject ckr=0xb3 count=1", "C_CreateObject after ckr=0x6 count=1",
                "C_CreateObject ckr=0x2 count=1", "C_DestroyObject ckr=0x82 count=1", "C_DestroyObject ckr=0xb3 count=1",
                "C_DestroyObject after ckr=0x6 count=1", "C_GenerateKeyPair after ckr=0xb3 count=1", "C_GenerateKeyPair ckr=0xb3 count=1",
                "C_GenerateKeyPair after ckr=0x6 count=1", "C_GenerateKeyPair closeall count=1")):
            with self.subTest(fault):
                self.token.set(fault)
                self.generate(one, f"e{number}")
                self.token.set()
                self.assertEqual(sorted(self.objects(self.token)[f"e{number}"]), ["Private Key", "Public Key"])
                self.fails("NicknameExists", self.generate, two, f"e{number}")

    def test_claim_that_stays(self):
        """a claim that cannot be withdrawn: the request succeeds, and a new worker removes the claim before it serves"""
        one, two = self.begin_faulty()
        self.token.set("C_DestroyObject ckr=0x30 count=4")
        self.generate(one)
        until(lambda: one.token("hsm")["restarts"] == 1 and one.token("hsm")["state"] == "ready", "a new worker")
        self.pair()
        self.fails("NicknameExists", self.generate, two)

    def test_creation_that_fails(self):
        """a creation that the token refuses leaves neither claim nor half a pair"""
        one, two = self.begin_faulty()
        self.token.set("C_GenerateKeyPair after ckr=0x31")
        self.assertEqual(self.fails("TokenError", self.generate, one)["ckr"], "CKR_DEVICE_MEMORY")
        self.token.set()
        self.assertEqual(self.objects(self.token), {})
        self.generate(two)

    def test_refusal_is_of_one_request(self):
        """a token that refuses the claim of one request is asked for the next one's: nothing ends the protection of names"""
        one, _ = self.begin_faulty()
        self.token.set("C_CreateObject ckr=0xd1")
        self.generate(one, "first")
        self.daemon_says(one, False)
        self.token.set()
        self.generate(one, "second")
        self.daemon_says(one, True)
        # What a token that takes claims refuses is that request's error, and no name goes without protection.
        self.token.set("C_CreateObject ckr=0xd1")
        self.assertEqual(self.fails("TokenError", self.generate, one, "third")["ckr"], "CKR_TEMPLATE_INCONSISTENT")
        self.token.set()
        before = self.token.counts()["C_CreateObject"]
        self.generate(one, "third")
        self.assertEqual(self.token.counts()["C_CreateObject"] - before, 1)
        self.daemon_says(one, True)

    def daemon_says(self, daemon, holds):
        until(lambda: daemon.token("hsm").get("holdsClaims") is holds, f"holdsClaims is {holds}")

    def test_look_that_fails(self):
        """a look that fails twice: nothing is created, and nothing is left; one that fails once costs nothing"""
        one, _ = self.begin_faulty()
        self.token.set("C_Initialize ckr=0x6")
        self.assertEqual(self.fails("TokenError", self.generate, one)["ckr"], "CKR_FUNCTION_FAILED")
        self.assertEqual(self.objects(self.token), {})
        self.token.set("C_Initialize ckr=0x6 count=1")
        self.generate(one)
        self.pair()


class Foreign(Shared):
    def claim(self, nickname, claimant, number, host="elsewhere", value=None):
        """A claim of a host that is no more."""
        if value is None:
            name = host.encode() + b"\0"
            value = (b"\1" + struct.pack("<I", len(claimant)) + claimant + struct.pack("<QB", number, 1) + struct.pack("<I", 2) + b"id" +
                     struct.pack("<I", len(name)) + name + struct.pack("<Q", 1700000000000000))
        self.token.tool("--write-object", self.place.write("claim", value), "--type", "data", "--label", nickname,
                        "--application-label", "tokend claim", "--private")

    def setUp(self):
        self.token = SoftToken(self.place, f"t{len(os.listdir(self.place.path))}")
        self.daemon = self.own(self.token.section("hsm", refresh="200ms"))

    def generate(self, nickname, **more):
        return self.daemon.call("Generate", token="hsm", nickname=nickname, type="ec", **more)

    def remove(self, **parameters):
        with varlink.Client(self.daemon.status_socket) as client:
            return client.call("io.tokend.Status.RemoveClaim", token="hsm", **parameters)

    def test_blocks_until_removed(self):
        """another host's claim lets nobody create, whatever its number, until an operator removes it; others go on"""
        for nickname, number in (("low", 0), ("high", 2 ** 64 - 1)):
            claimant = os.urandom(32)
            self.claim(nickname, claimant, number)
            shown = until(lambda: [c for c in self.daemon.token("hsm")["claims"] if c["nickname"] == nickname], "the claim is shown")
            self.assertEqual(shown, [{"nickname": nickname, "claimant": claimant.hex(), "host": "elsewhere",
                                      "sinceUSec": 1700000000000000}])
            self.fails("DeadlineExceeded", self.generate, nickname, timeoutMs=2500)
            until(lambda n=nickname: self.objects(self.token).get(n) == ["Data"], "nothing but the claim is left")
            self.generate(f"not {nickname}")
            self.remove(nickname=nickname, claimant=claimant.hex())
            self.generate(nickname)
            self.assertEqual(sorted(self.objects(self.token)[nickname]), ["Private Key", "Public Key"])

    def test_object_and_claim(self):
        """where there is an object too, it is NicknameExists at once"""
        self.generate("both")
        self.claim("both", os.urandom(32), 1)
        self.fails("NicknameExists", self.generate, "both")

    def test_unreadable(self):
        """a claim that cannot be read blocks as any other, and is shown without a claimant"""
        self.claim("odd", None, None, value=b"\x02of a version to come")
        shown = until(lambda: self.daemon.token("hsm")["claims"], "the claim is shown")
        self.assertEqual((shown[0]["nickname"], shown[0]["claimant"]), ("odd", ""))
        self.fails("DeadlineExceeded", self.generate, "odd", timeoutMs=1500)

    def test_too_many(self):
        """more claims than are read keep their nickname from being given, and are said; the token serves, signs and makes other keys"""
        self.generate("signer")
        self.daemon.stop()
        self.claim("crowded", os.urandom(32), 5)
        # SoftHSM takes each file for an object.
        newest = max(glob.glob(f"{self.token.store}/*/*.object"), key=os.path.getmtime)
        for i in range(300):
            shutil.copy(newest, pathlib.Path(newest).with_name(f"00000000-0000-0000-0000-{i:012}.object"))
        self.daemon.start()
        self.assertEqual(self.daemon.wait_state("hsm", "ready")["restarts"], 0)
        self.assertIn("256 claims on nicknames or more", self.daemon.log_text())
        self.daemon.call("Sign", key="hsm:signer", algorithm="ecdsa_sha256", message=b64(b"m"))
        self.generate("another", timeoutMs=60000)
        self.fails("DeadlineExceeded", self.generate, "crowded", timeoutMs=3000)

    def test_signs_go_on(self):
        """while a claim is waited for the token signs"""
        self.generate("signer")
        self.claim("held", os.urandom(32), 5)
        later = Later(self.generate, "held", timeoutMs=2000)
        n = 0
        while not later.ended():
            self.daemon.call("Sign", key="hsm:signer", algorithm="ecdsa_sha256", message=b64(b"m"))
            n += 1
        self.fails("DeadlineExceeded", later.get)
        self.assertGreater(n, 20)

    def test_identity(self):
        """the claimant's id is 16 random bytes in hex, for its owner alone, and stays over a restart"""
        path = self.daemon.state / "claimant"
        self.assertRegex(path.read_text(), r"\A[0-9a-f]{32}\n\Z")
        self.assertEqual(path.stat().st_mode & 0o7777, 0o600)
        before = path.read_text()
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(path.read_text(), before)
        self.assertEqual([p.name for p in self.daemon.state.iterdir() if p.name.startswith("claimant")], ["claimant"])


class Internal(Case):
    def test_checks_only(self):
        """a token that holds no data objects says so, and nicknames are checked there all the same"""
        daemon = self.own(f"[Token internal]\nModule=internal\nDirectory={self.place.path / 'nss'}\n")
        daemon.call("Generate", token="internal", nickname="k", type="ec")
        self.fails("NicknameExists", daemon.call, "Generate", token="internal", nickname="k", type="ec")
        token = until(lambda: daemon.token("internal") if "holdsClaims" in daemon.token("internal") else None, "it is known")
        self.assertEqual((token["holdsClaims"], token["claims"]), (False, []))

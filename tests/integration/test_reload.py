# SPDX-License-Identifier: MPL-2.0
"""A reload, or a client that goes, while requests are under way: with a worker, with an accelerator."""
import contextlib
import os
import resource
import select
import signal

from harness import Case, until
from test_faults import FaultyToken
from varlink import b64, unb64


class Underway(Case):
    """Each test has tokens and a daemon of its own."""

    def begin(self, **options):
        n = len(os.listdir(self.place.path))
        self.hsm, self.accel = FaultyToken(self.place, f"h{n}", keys=()), FaultyToken(self.place, f"a{n}", keys=())
        self.internal = f"[Token internal]\nModule=internal\nDirectory={self.place.path}/i{n}\n"
        self.tokens = (self.hsm.section("hsm", "Accelerator=accel\nKeepAlive=1h\n", refresh="1h") +
                       self.accel.section("accel", "Role=accelerator\nKeepAlive=1h\n", sessions=5, refresh="1h"))
        self.daemon = self.own(self.internal + self.tokens, **options)
        for token in ("internal", "hsm", "accel"):
            self.daemon.wait_state(token, "ready")
        self.broker = self.daemon.broker().pid
        return self.daemon

    def reload(self, config, instances=""):
        self.daemon.write_config(config, instances)
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.wait_notify("READY=1")

    def begins(self, token, function, ask):
        """Asks; the token is at work on it when this returns."""
        before = token.counts().get(function, 0)
        ask()
        until(lambda: token.counts().get(function, 0) > before, f"{function} is called")

    def lives(self):
        self.daemon.status()
        self.assertEqual(self.daemon.broker().pid, self.broker, "the broker is another")

    def hits(self):
        return self.daemon.token("accel")["acceleration"]["hits"]

    def test_oneway_client_gone(self):
        """a oneway that is with the accelerator when its client goes is nobody's answer, and nobody's death"""
        self.begin()
        # Within its share of the time, beyond it, and with an error.
        for faults in (("delay_ms=100",), ("delay_ms=500",), ("delay_ms=100", "ckr=0x6 after")):
            self.accel.set(*(f"C_GenerateRandom {fault}" for fault in faults))
            with self.daemon.client() as client:
                self.begins(self.accel, "C_GenerateRandom",
                            lambda: client.send("Random", {"length": 16}, oneway=True))
            until(lambda: self.daemon.token("accel")["inFlight"] == 0, "the accelerator is done")
            self.accel.set()
            done = self.hits()
            until(lambda: self.daemon.call("Random", length=16) and self.hits() > done, "the accelerator goes on")
            self.lives()

    def test_token_and_accelerator_removed(self):
        """one reload takes a token away and the accelerator that holds copies of its keys"""
        daemon = self.begin()
        daemon.call("Generate", token="hsm", nickname="k", type="ec", loadable=True)

        def copied():
            daemon.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))
            return daemon.token("accel")["acceleration"]["copies"]
        until(copied, "a copy of the key")
        self.reload(self.internal)
        until(lambda: [t["name"] for t in daemon.status()["tokens"]] == ["internal"], "they are gone")
        self.lives()

    def test_other_accelerator(self):
        """a reload names another accelerator: the copies on the one before are destroyed, and made anew on the other"""
        daemon = self.begin()
        daemon.call("Generate", token="hsm", nickname="k", type="ec", loadable=True)

        def is_on(accelerator):
            daemon.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))
            return daemon.call("Get", key="hsm:k")["key"].get("acceleratedBy") == accelerator
        until(lambda: is_on("accel"), "a copy of the key")
        destroyed = self.accel.counts()["C_DestroyObject"]
        other = FaultyToken(self.place, f"o{len(os.listdir(self.place.path))}", keys=())
        self.reload(self.internal + self.tokens.replace("Accelerator=accel", "Accelerator=other") +
                    other.section("other", "Role=accelerator\nKeepAlive=1h\n", sessions=5))
        until(lambda: is_on("other"), "a copy of the key on the other", 20)
        until(lambda: self.accel.counts()["C_DestroyObject"] > destroyed, "the copy is destroyed")
        self.assertEqual(daemon.token("accel")["acceleration"]["copies"], 0)
        self.lives()

    def test_instance_removed(self):
        """a reload renames the instance whose request the accelerator has and fails: its own token does it"""
        instance = f"[Instance %s]\nUser={os.getuid()}\nKeys=*\nAllow=list random\n"
        daemon = self.begin(instances=instance % "a")
        self.accel.set("C_GenerateRandom delay_ms=1000", "C_GenerateRandom ckr=0x6 after")
        with daemon.client() as client:
            self.begins(self.accel, "C_GenerateRandom", lambda: client.send("Random", {"length": 16}))
            self.reload(self.internal + self.tokens, instance % "b")
            self.assertEqual(len(unb64(client.result()["bytes"])), 16)
        self.lives()

    def test_instances_lost(self):
        """a reload names the instances that come and go, and is refused if all [Instance] sections are gone"""
        instance = "[Instance %s]\nUser=61031\nKeys=*\n"
        daemon = self.begin(instances=instance % "a")
        self.reload(self.internal + self.tokens, instance % "b")
        self.assertIn("instance a is not configured any more", daemon.log_text())
        self.assertIn("instance b is configured now", daemon.log_text())
        self.reload(self.internal + self.tokens)
        self.assertIn("has no [Instance] section any more", daemon.log_text())
        self.fails("PermissionDenied", daemon.call, "Random", length=16)
        self.lives()

    def test_tokens_lost(self):
        """a reload is refused if all [Token] sections are gone: no internal token takes their place"""
        daemon = self.begin()
        self.reload("")
        self.assertIn("has no [Token] section any more", daemon.log_text())
        self.assertNotIn("internal token", [t["name"] for t in daemon.status()["tokens"]])
        self.lives()

    def test_change_on_removed_token(self):
        """a reload takes away the token that is at a Generate: its outcome is not known"""
        daemon = self.begin()
        self.hsm.set("C_GenerateKeyPair delay_ms=20000 after")
        with daemon.client() as client:
            self.begins(self.hsm, "C_GenerateKeyPair",
                        lambda: client.send("Generate", {"token": "hsm", "nickname": "new", "type": "ec"}))
            self.reload(self.internal)
            self.assertEqual(self.fails("OutcomeUnknown", client.result), {"token": "hsm", "operation": "generate"})

    def test_generate_nobody_waits_for(self):
        """a Generate that a vague device error took does not run again once its caller has been answered"""
        daemon = self.begin()
        # The look before the Generate outlives the caller's deadline.
        self.hsm.set("C_GenerateKeyPair ckr=0x5 count=5", "C_OpenSession delay_ms=3000 count=1")
        before = self.hsm.counts().get("C_GenerateKeyPair", 0)
        with daemon.client() as client:
            client.send("Generate", {"token": "hsm", "nickname": "new", "type": "ec", "timeoutMs": 2000})
            self.assertEqual(self.fails("DeadlineExceeded", client.result), {"token": "hsm", "executed": True})
        daemon.call("Generate", token="hsm", nickname="other", type="ec", timeoutMs=30000)
        self.assertEqual(self.hsm.counts()["C_GenerateKeyPair"] - before, 6)
        self.assertEqual([k["nickname"] for k in daemon.call("List", token="hsm")["keys"]], ["other"])


class Descriptors(Case):
    """A broker that may have 256 descriptors, and an instance that may have 4000 connections."""

    instances = "[Instance i]\nUser=root\nKeys=*\nMaxConnections=4000\n"

    def flood(self):
        """Connects until one is refused; the status answers all the same."""
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(self.daemon.client()) for _ in range(300)]
            poll = select.poll()
            for client in connections:
                poll.register(client.sock, select.POLLHUP)
            until(lambda: poll.poll(0), "one is closed")
            self.daemon.status()

    def test_reserve(self):
        """clients cannot take the descriptors that the status needs, neither before a reload nor after it"""
        config = f"[Token internal]\nModule=internal\nDirectory={self.place.path}/internal\n"
        self.daemon = self.own(config, instances=self.instances)
        resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE, (256, 256))
        broker = self.daemon.broker()
        broker.kill()
        until(broker.gone, "it is gone")
        self.daemon.wait_state("internal", "ready")
        self.flood()
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.wait_notify("READY=1")
        self.flood()

# SPDX-License-Identifier: MPL-2.0
"""Audit=journal: what stands in the journal, what explains it, and a journald that is gone or does not read."""
import json
import signal
import subprocess
import unittest

import harness
import machine
import varlink
from harness import run, stand_still, until


class Records(machine.Case):
    @classmethod
    def configure(cls):
        cls.text = machine.make_token() + machine.pin_file()
        machine.configure(cls.text)
        run("systemctl", "start", "tokend.service")
        machine.make_key("hsm:key")

    def journald(self):
        return harness.Process(int(machine.show("systemd-journald.service", "MainPID")))

    def required(self, word):
        machine.configure(f"[Daemon]\nAudit=journal\nAuditRequired={word}\n{self.text}")
        run("systemctl", "reload", "tokend.service")
        until(lambda: machine.status()["audit"]["required"] == (word == "yes"), "the reload")

    def test_fields(self):
        """a signature, a generation, a login, a denied call are records with fields and the message id of their kind"""
        before = len(machine.records("TOKEND_KIND=sign"))
        for _ in range(20):
            machine.sign("hsm:key")
        signs = until(lambda: machine.records("TOKEND_KIND=sign")[before + 19:] and
                      machine.records("TOKEND_KIND=sign")[before:], "the records")
        sign = signs[-1]
        self.assertEqual((sign["TOKEND_TOKEN"], sign["TOKEND_KEY"], sign["TOKEND_RESULT"], sign["TOKEND_ALGORITHM"],
                          sign["TOKEND_DIGEST"], sign["TOKEND_PEER_UID"], sign["TOKEND_INSTANCE"], sign["_SYSTEMD_UNIT"]),
                         ("hsm", "key", "ok", machine.ALGORITHM, "00" * 32, "0", "default", "tokend.service"))
        # The first request of each connection has the unit as well.
        self.assertEqual([s for s in signs if "TOKEND_PEER_UNIT" not in s], [])
        kinds = {r["TOKEND_KIND"]: r["MESSAGE_ID"] for r in machine.records("TOKEND_KIND")}
        self.assertLessEqual({"sign", "generate", "login"}, set(kinds))
        self.assertEqual(len(set(kinds.values())), len(kinds))

    def test_catalog(self):
        """journalctl -x explains each kind with what stands in its fields"""
        run("journalctl", "--update-catalog")
        machine.sign("hsm:key")
        until(lambda: machine.records("TOKEND_KIND=sign"), "the record")
        text = run("journalctl", "--no-pager", "-x", "TOKEND_KIND=sign").decode()
        self.assertIn("A signature was asked for", text)
        self.assertIn("had key on the token hsm sign with", " ".join(text.replace("░░", " ").split()))

    def test_not_found(self):
        """a key that is not there: token and nickname stand apart, and journalctl -x leaves no field of its text open"""
        with self.assertRaises(varlink.Error):
            machine.sign("hsm:nothing here")
        [record] = until(lambda: machine.records("TOKEND_KIND=sign", "TOKEND_RESULT=KeyNotFound"), "the record")
        self.assertEqual((record["TOKEND_TOKEN"], record["TOKEND_KEY"]), ("hsm", "nothing here"))
        self.assertIn("sign hsm:nothing here", record["MESSAGE"])
        run("journalctl", "--update-catalog")
        text = run("journalctl", "--no-pager", "-x", "-u", "tokend.service").decode()
        self.assertIn("had nothing here on the token hsm sign with", " ".join(text.replace("░░", " ").split()))
        self.assertNotIn("@TOKEND", text)
        self.assertEqual([word for word in text.split() if word.startswith(("TOKEND_INSTANCE", "TOKEND_TOKEN", "TOKEND_KEY"))], [])

    def test_denied(self):
        """a denial is one line of the journal, with all that was seen of the caller"""
        machine.configure(self.text + "[Instance web]\nUser=nobody\nKeys=*\nAllow=sign\n")
        run("systemctl", "reload", "tokend.service")
        until(lambda: [i["name"] for i in machine.status()["instances"]] == ["web"], "the reload")
        try:
            with self.assertRaises(varlink.Error):
                machine.sign("hsm:key")
            [record] = until(lambda: machine.records("TOKEND_KIND=denied"), "the record")
            self.assertIn("the nearest is [Instance web]", record["MESSAGE"])
            self.assertEqual((record["TOKEND_REASON"], record["TOKEND_PEER_UID"]), ("no-instance", "0"))
            lines = run("journalctl", "--no-pager", "-o", "cat", "-u", "tokend.service").decode().splitlines()
            self.assertEqual([line for line in lines if "denied" in line], [record["MESSAGE"]])
        finally:
            machine.configure(self.text)
            run("systemctl", "restart", "tokend.service")

    def test_states(self):
        """each change of a token's state, and each reload, is a record: id, token, state, reason, remedy; journalctl -x explains it"""
        def events(*matches):
            out = run("journalctl", "--no-pager", "-o", "json", "-u", "tokend.service").decode()
            return [r for r in map(json.loads, out.splitlines()) if "TOKEND_EVENT" in r and
                    all(r.get(m.split("=")[0]) == m.split("=")[1] for m in matches)]
        ready = events("TOKEND_EVENT=token-ready", "TOKEND_TOKEN=hsm", "TOKEND_STATE=ready")
        self.assertTrue(ready)
        machine.configure(self.text + "Nonsense=1\n")
        # systemctl reload fails before the daemon hears of it.
        self.assertNotEqual(subprocess.run(["systemctl", "reload", "tokend.service"], check=False, capture_output=True).returncode, 0)
        run("systemctl", "kill", "--kill-whom=main", "--signal=HUP", "tokend.service")
        [refused] = until(lambda: events("TOKEND_EVENT=config-refused"), "the refusal")
        self.assertIn("Nonsense", refused["TOKEND_REASON"])
        self.assertTrue(refused["TOKEND_REMEDY"])
        machine.configure(self.text.replace("Uri=pkcs11:token=hsm", "Uri=pkcs11:token=another") + "StartTimeout=1s\n")
        run("systemctl", "restart", "tokend.service")
        gone = until(lambda: events("TOKEND_EVENT=token-recovering", "TOKEND_TOKEN=hsm"), "the token's trouble")[-1]
        self.assertEqual((gone["TOKEND_STATE"], gone["PRIORITY"], gone["SYSLOG_IDENTIFIER"]), ("recovering", "4", "tokend"))
        self.assertIn(gone["TOKEND_REASON"], gone["MESSAGE"])
        self.assertTrue(gone["TOKEND_REMEDY"])
        machine.configure(self.text)
        run("systemctl", "reload", "tokend.service")
        until(lambda: len(events("TOKEND_EVENT=token-ready")) > len(ready), "it is ready again")
        self.assertEqual(len({r["MESSAGE_ID"] for r in events()}), len({r["TOKEND_EVENT"] for r in events()}))
        run("journalctl", "--update-catalog")
        text = run("journalctl", "--no-pager", "-x", "TOKEND_EVENT=token-recovering").decode()
        self.assertIn("A token does not serve requests, and is tried again", text)
        self.assertNotIn("@", text.split("Defined-By")[-1])

    def test_journald_stopped_required(self):
        """journald does not read: with AuditRequired=yes nothing is signed, and it goes on by itself"""
        self.required("yes")
        machine.sign("hsm:key")
        journald = self.journald()
        stand_still(journald.pid)
        try:
            with self.assertRaises(varlink.Error) as caught:
                machine.sign("hsm:key")
            self.assertEqual(caught.exception.name, "AuditUnavailable")
            self.assertFalse(machine.status()["audit"]["ok"])
        finally:
            journald.kill(signal.SIGCONT)
        until(lambda: machine.status()["audit"]["ok"], "it is well again", 10)
        machine.sign("hsm:key")
        self.required("no")

    def test_journald_stopped(self):
        """journald does not read: with AuditRequired=no everything goes on, and the status says it"""
        self.required("no")
        journald = self.journald()
        stand_still(journald.pid)
        try:
            with varlink.Client(machine.SOCKET) as client:
                for _ in range(400):
                    client.call("Sign", key="hsm:key", algorithm=machine.ALGORITHM, digest=varlink.b64(bytes(32)))
            until(lambda: not machine.status()["audit"]["ok"], "the status says so", 10)
        finally:
            journald.kill(signal.SIGCONT)
        until(lambda: machine.status()["audit"]["ok"], "it is well again", 20)

    def test_journald_restarted(self):
        """journald is started again under load: nothing fails, required or not"""
        for word in ("yes", "no"):
            self.required(word)
            load = machine.Load("hsm:key")
            run("systemctl", "restart", "systemd-journald.service")
            done, failed, _, text = load.turn()
            self.assertEqual((failed, load.stop()), (0, 0), text)
            self.assertGreater(done, 0)
        self.required("no")

    def test_journald_socket_anew(self):
        """journald's socket is made anew: the broker, which can connect to nothing, is given another"""
        units = ("systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket")
        for word in ("yes", "no"):
            self.required(word)
            machine.sign("hsm:key")
            run("systemctl", "stop", *units)
            self.ask_without(word)
            self.assertEqual(machine.status()["audit"]["reason"], "journald does not run")
            run("systemctl", "start", *units)
            until(lambda: machine.status()["audit"]["ok"], "it is well again", 20)
            machine.sign("hsm:key")
        until(lambda: machine.records("TOKEND_KIND=audit-back"), "the record of it")
        self.required("no")

    def ask_without(self, word):
        """A signature while there is no journald."""
        if word == "no":
            machine.sign("hsm:key")
            return
        with self.assertRaises(varlink.Error) as caught:
            machine.sign("hsm:key")
        self.assertEqual(caught.exception.name, "AuditUnavailable")


if __name__ == "__main__":
    unittest.main()

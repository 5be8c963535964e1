# SPDX-License-Identifier: MPL-2.0
"""What is gone from a token although nobody here deleted it: a warning with the names, in the log, the status and the metrics."""
import signal
import unittest

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from harness import Case, SoftToken, until
from test_faults import FaultyToken

CERTIFICATES = "io.tokend.Certificates."


class Vanished(Case):
    def begin(self, keys=("a", "b", "c"), refresh="300ms", token=SoftToken):
        """A daemon with a token of these keys, each with a certificate."""
        self.token = token(self.place, f"t{len(list(self.place.path.iterdir()))}")
        self.daemon = self.own(self.token.section("hsm", refresh=refresh))
        for key in keys:
            self.daemon.call("Generate", token="hsm", nickname=key, type="ec")
            self.daemon.call(CERTIFICATES + "SelfSign", key=f"hsm:{key}", subject=f"CN={key}", validityDays=9)
        return self.daemon

    def gone(self):
        return sorted((g["kind"], g["nickname"]) for g in self.daemon.token("hsm")["gone"])

    def wait_gone(self, *wanted):
        until(lambda: self.gone() == sorted(wanted), f"{wanted} are gone; log:\n{self.daemon.log_text()}", 20)

    def metric(self, name):
        return next(s.value for f in parse_openmetrics(self.daemon.ctl("metrics")) for s in f.samples
                    if s.name == name and s.labels == {"token": "hsm"})

    def objects(self):
        return [f for f in self.token.store.rglob("*.object") if f.name != "token.object"]

    def renew(self):
        """Another worker serves."""
        restarts = self.daemon.token("hsm")["restarts"]
        self.daemon.worker("hsm").kill()
        until(lambda: self.daemon.token("hsm")["restarts"] > restarts, "another worker")
        self.daemon.wait_state("hsm", "ready")

    def test_deleted_elsewhere(self):
        """another program deletes a key and a certificate: they are named; the others are not"""
        daemon = self.begin()
        for kind, name in (("privkey", "a"), ("pubkey", "a"), ("cert", "b")):
            self.token.tool("--delete-object", "--type", kind, "--label", name)
        self.wait_gone(("key", "a"), ("certificate", "b"))
        self.assertEqual((self.metric("tokend_token_keys_gone"), self.metric("tokend_token_certificates_gone")), (1, 1))
        log = daemon.log_text()
        for name in ("key a", "certificate b"):
            self.assertRegex(log, rf"token hsm: these are gone, and no request of ours deleted them \([12]\): .*{name}")
        for name in ('key "a"', 'certificate "b"'):
            self.assertIn(f"hsm: the {name} is gone since ", daemon.ctl("status"))
        # Another broker does not know it; a reload says that an operator does.
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_notify("READY=1")
        self.wait_gone()
        self.assertEqual(self.metric("tokend_token_keys_gone"), 0)
        self.assertEqual(log.count("are gone"), daemon.log_text().count("are gone"))

    def test_all_and_back(self):
        """the store of a token that is logged in loses its objects: all are named, and forgotten when they are there again"""
        daemon = self.begin()
        away = self.place.path / f"{self.token.label}-away"
        away.mkdir()
        moved = [(f, away / f.name) for f in self.objects()]
        for here, there in moved:
            here.rename(there)
        everything = [(kind, name) for kind in ("key", "certificate") for name in "abc"]
        self.wait_gone(*everything)
        self.assertIn("are gone, and no request of ours deleted them (6): ", daemon.log_text())
        for here, there in moved:
            there.rename(here)
        self.renew()
        self.wait_gone()
        self.assertIn("these were gone and are there again (6): ", daemon.log_text())
        self.assertEqual(self.metric("tokend_token_keys_gone"), 0)

    def test_fewer(self):
        """a token that comes back with fewer: what the next worker does not find is named"""
        self.begin(refresh="1h")
        self.token.tool("--delete-object", "--type", "privkey", "--label", "b")
        self.token.tool("--delete-object", "--type", "pubkey", "--label", "b")
        self.renew()
        self.wait_gone(("key", "b"))

    def test_ours(self):
        """what requests delete, rename or replace is not gone, whatever worker tells of it"""
        daemon = self.begin(keys=("a", "b", "c", "d"))
        daemon.call("Delete", key="hsm:a")
        daemon.call(CERTIFICATES + "Delete", certificate="hsm:b")
        daemon.call("Rename", key="hsm:c", nickname="e")
        self.renew()
        daemon.call(CERTIFICATES + "Delete", certificate="hsm:d")
        daemon.call(CERTIFICATES + "SelfSign", key="hsm:d", subject="CN=new", validityDays=9)
        refreshes = daemon.token("hsm")["requests"]
        until(lambda: daemon.call("Random", length=1) and daemon.token("hsm")["requests"] > refreshes + 20, "some time of the token")
        self.renew()
        self.assertEqual(self.gone(), [])
        self.assertNotIn("are gone", daemon.log_text())

    def test_ours_with_death(self):
        """nor is what a request deleted whose worker died over it"""
        daemon = self.begin(keys=("a", "b"), token=FaultyToken)
        self.token.set("C_DestroyObject crash after skip=1 count=1")
        daemon.call("Delete", key="hsm:a")
        self.token.set()
        daemon.wait_state("hsm", "ready")
        self.assertEqual(self.gone(), [])
        self.assertNotIn("are gone", daemon.log_text())

    def test_renewed_elsewhere(self):
        """a certificate that another host replaced is not gone"""
        daemon = self.begin(keys=("a",))
        old = self.token.tool("--list-objects", "--type", "cert")
        path = self.place.path / "new.der"
        daemon.call("Generate", token="hsm", nickname="x", type="ec")
        daemon.call(CERTIFICATES + "SelfSign", key="hsm:x", subject="CN=x", validityDays=9)
        self.token.tool("--read-object", "--type", "cert", "--label", "x", "--output-file", path)
        self.token.tool("--write-object", path, "--type", "cert", "--label", "a", "--id", "77")
        own = next(line.split()[1] for line in old.splitlines() if line.strip().startswith("ID:"))
        self.token.tool("--delete-object", "--type", "cert", "--id", own)
        until(lambda: daemon.token("hsm")["certificates"] == 2, "the directory shows it")
        self.assertEqual(self.gone(), [])

    def test_many(self):
        """LIMIT_VANISHED: of more objects than are kept by name the number is right"""
        daemon = self.begin(keys=())
        daemon.call("Generate", token="hsm", nickname="k", type="ec")
        before = set(self.objects())
        daemon.call(CERTIFICATES + "SelfSign", key="hsm:k", subject="CN=k", validityDays=9)
        [certificate] = set(self.objects()) - before
        for number in range(69):
            (certificate.parent / f"{number:08x}-0000-0000-0000-000000000000.object").write_bytes(certificate.read_bytes())
        self.renew()
        until(lambda: daemon.token("hsm")["certificates"] == 70, "all are seen", 20)
        for file in set(self.objects()) - before:
            file.unlink()
        self.renew()
        until(lambda: self.metric("tokend_token_certificates_gone") == 70, "all are gone", 20)
        self.assertEqual(len(self.gone()), 64)
        self.assertIn("are gone, and no request of ours deleted them (70): ", daemon.log_text())
        self.assertIn(", and others", daemon.log_text())


if __name__ == "__main__":
    unittest.main()

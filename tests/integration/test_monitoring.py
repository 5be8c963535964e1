# SPDX-License-Identifier: MPL-2.0
"""What operators watch tokend with: the alerts, by promtool; each query of the dashboard, by a real Prometheus that scrapes a real
node_exporter with the metrics of a real tokend."""
import json
import re
import shutil
import subprocess
import threading
import unittest

import prometheus
import varlink
from harness import ROOT, Case, Place, run, until
from test_faults import FaultyToken

CASES = ROOT / "tests/monitoring/rules.yml"
DIGEST = varlink.b64(bytes(32))


@unittest.skipUnless(shutil.which("promtool"), "no promtool")
class Alerts(unittest.TestCase):
    def test_rules(self):
        """promtool: the rules are good, and each fires when it should and not otherwise"""
        run("promtool", "check", "rules", prometheus.RULES)
        run("promtool", "test", "rules", CASES)

    def test_each(self):
        """each alert has a case in which it fires; one that were changed would be seen"""
        rules, cases = prometheus.RULES.read_text(), CASES.read_text()
        names = re.findall(r"- alert: (\w+)", rules)
        self.assertEqual([name for name in names if not re.search(rf"alertname: {name}\n +exp_alerts:", cases)], [])
        place = Place()
        self.addCleanup(place.remove)
        changed, n = re.subn(r"(    expr: )(?:\|\n *)?.*", r"\1absent(nothing_at_all)", rules)
        self.assertEqual(n, len(names))
        path = place.write("rules.yml", changed)
        text = place.write("cases.yml", cases.replace("../../monitoring/tokend.rules.yml", str(path)))
        done = subprocess.run(["promtool", "test", "rules", text], capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual([name for name in names if f"alertname: {name}," not in done.stdout + done.stderr], [])


@unittest.skipIf(prometheus.MISSING, f"no {', '.join(prometheus.MISSING)}")
class Dashboard(Case):
    @classmethod
    def configure(cls):
        token = FaultyToken(cls.place, "hsm", keys=())
        # A key that the token refuses to sign with.
        token.set("C_SignInit ckr=0x54 label=bad")
        cls.daemon = cls.start(token.section(), instances="[Instance ca]\nUser=0\nKeys=*\nAllow=list sign generate request import\n")
        for nickname in ("ca", "bad"):
            cls.daemon.call("Generate", token="hsm", nickname=nickname, type="ec")
        cls.daemon.call("io.tokend.Certificates.SelfSign", key="hsm:ca", subject="CN=CA", validityDays=20)
        cls.prometheus = prometheus.Prometheus(cls.place, lambda: cls.daemon.ctl("metrics"))
        cls.enterClassContext(cls.prometheus)
        cls.ended = threading.Event()
        thread = threading.Thread(target=cls.work)
        cls.addClassCleanup(thread.join)
        cls.addClassCleanup(cls.ended.set)
        thread.start()

    @classmethod
    def work(cls):
        """Requests that are done, that the token refuses, and that policy denies."""
        calls = (("Sign", {"key": "hsm:ca", "algorithm": "ecdsa_sha256", "digest": DIGEST}),
                 ("Sign", {"key": "hsm:bad", "algorithm": "ecdsa_sha256", "digest": DIGEST}),
                 ("Sign", {"key": "hsm:none", "algorithm": "ecdsa_sha256", "digest": DIGEST}),
                 ("Delete", {"key": "hsm:ca"}))
        with cls.daemon.client() as client:
            while not cls.ended.wait(0.05):
                for method, parameters in calls:
                    try:
                        client.call(method, **parameters)
                    except varlink.Error:
                        pass

    def test_queries(self):
        """each query of each panel is taken and shows something"""
        until(lambda: self.prometheus.query("rate(tokend_token_operations_total[5s]) > 0"), "rates")
        for panel, queries in prometheus.panels():
            for expression, legend in queries:
                # A series comes with its first request.
                found = until(lambda e=expression: self.prometheus.query(e), f"{panel['title']}: {expression}", 20)
                for label in re.findall(r"{{(\w+)}}", legend):
                    self.assertTrue(all(label in series["metric"] for series in found), (panel["title"], label, found))
        values = self.prometheus.query("sort(tokend_certificate_not_after_seconds - time()) / 86400")
        self.assertAlmostEqual(float(values[0]["value"][1]), 20, delta=1.1)

    def test_variables(self):
        """the dashboard asks for no variable that it does not have, and each panel has its own id and place"""
        text = prometheus.DASHBOARD.read_text()
        board = json.loads(text)
        known = {v["name"] for v in board["templating"]["list"]} | {"__rate_interval", "__all"}
        self.assertLessEqual(set(re.findall(r"\$\{?(\w+)", text)), known)
        self.assertEqual(len({p["id"] for p in board["panels"]}), len(board["panels"]))
        cells = [(x, y) for p in board["panels"] for g in [p["gridPos"]]
                 for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])]
        self.assertEqual((len(set(cells)), max(x for x, _ in cells)), (len(cells), 23))

    def test_alerts(self):
        """Prometheus takes each rule, and what is wrong here fires: a certificate that ends within 30 days"""
        def healthy():
            rules = [rule for group in self.prometheus.api("rules")["groups"] for rule in group["rules"]]
            return rules if all(rule["health"] == "ok" for rule in rules) else None
        rules = until(healthy, "each rule was evaluated")
        self.assertGreater(len(rules), 10)
        until(lambda: [a["labels"]["nickname"] for a in self.prometheus.api("alerts")["alerts"]
                       if a["labels"]["alertname"] == "TokendCertificateEndsSoon"] == ["ca"], "the alert")

    def test_metrics_exist(self):
        """rules and dashboard name no metric that the daemon does not have"""
        have = set(self.prometheus.api("label/__name__/values"))
        rules = [rule["query"] for group in self.prometheus.api("rules")["groups"] for rule in group["rules"]]
        queries = [expression for _, panel in prometheus.panels() for expression, _ in panel]
        named = set(re.findall(r"\b(?:tokend|node_textfile)_\w+", " ".join(rules + queries)))
        self.assertGreater(len(named), 20)
        self.assertEqual(named - have, set())


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MPL-2.0
"""The metrics, read by Prometheus's own parsers: of OpenMetrics, and of the older text format that node_exporter's textfile
collector reads."""
import re
import signal
import time
import unittest

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import varlink
from harness import ROOT, OneToken, SoftToken, until

SIGN = {"algorithm": "ecdsa_sha256", "digest": varlink.b64(bytes(32))}


class Metrics(OneToken):
    # A name that every format has to escape.
    instances = '[Instance "ca\\one"]\nUser=0\nKeys=*\nAllow=list sign generate request import\n'

    def metrics(self):
        return self.daemon.ctl("metrics")

    def samples(self, text=None):
        return {(s.name, tuple(sorted(s.labels.items()))): s.value
                for family in parse_openmetrics(text or self.metrics()) for s in family.samples}

    def test_openmetrics(self):
        """a strict parser of OpenMetrics takes all of it, and each family has its type and its help"""
        families = {f.name: f for f in parse_openmetrics(self.metrics())}
        for name, kind in (("tokend_token_ready", "gauge"), ("tokend_token_requests", "counter"),
                           ("tokend_device_seconds", "histogram"), ("tokend_request_seconds", "histogram"),
                           ("tokend_token_state", "gauge"), ("tokend_instance_denied", "counter"),
                           ("tokend_audit_ok", "gauge"), ("tokend_audit_lost", "counter")):
            self.assertEqual(families[name].type, kind, name)
        for family in families.values():
            self.assertTrue(family.documentation, family.name)
            self.assertTrue(family.samples, family.name)

    def test_page(self):
        """docs/metrics.md has every family, and no other"""
        page = (ROOT / "docs/metrics.md").read_text()
        named = set()
        for row in re.findall(r"^\| (`[^|]*) \|", page, re.M):
            names = re.findall(r"`(\w+)`", row)
            stem = re.match(r"tokend_[a-z]+_", names[0])
            named |= {name if name.startswith("tokend_") else stem[0].rstrip("_") + name for name in names}
        families = {f.name + ("_total" if f.type == "counter" else "") for f in parse_openmetrics(self.metrics())}
        self.assertEqual(named, families)

    def test_text_format(self):
        """the same text is one that node_exporter's textfile collector takes"""
        text = self.metrics()
        kinds = {line.split()[3] for line in text.splitlines() if line.startswith("# TYPE ")}
        self.assertLessEqual(kinds, {"gauge", "counter", "histogram"})
        samples = {s.name for family in parse_text(text) for s in family.samples}
        self.assertIn("tokend_token_requests_total", samples)
        self.assertIn("tokend_device_seconds_bucket", samples)

    def test_values(self):
        """the numbers are those of what was done"""
        self.call("Generate", token="hsm", nickname="key", type="ec")
        before = self.samples()
        for _ in range(7):
            self.call("Sign", key="hsm:key", **SIGN)
        self.fails("PermissionDenied", self.call, "Random", length=1)
        after = self.samples()

        def grown(name, **labels):
            key = (name, tuple(sorted(labels.items())))
            return after[key] - before[key]
        self.assertEqual(grown("tokend_token_requests_total", token="hsm"), 7)
        self.assertEqual(grown("tokend_device_seconds_count", token="hsm"), 7)
        self.assertEqual(grown("tokend_request_seconds_count", token="hsm"), 7)
        self.assertEqual(grown("tokend_device_seconds_bucket", token="hsm", le="+Inf"), 7)
        self.assertGreater(grown("tokend_device_seconds_sum", token="hsm"), 0)
        self.assertEqual(grown("tokend_instance_denied_total", instance='"ca\\one"'), 1)
        self.assertEqual(after["tokend_token_ready", (("token", "hsm"),)], 1)
        self.assertEqual(after["tokend_token_info", (("role", "keys"), ("token", "hsm"))], 1)
        self.assertEqual(after["tokend_token_state", (("state", "ready"), ("token", "hsm"))], 1)
        self.assertEqual(after["tokend_token_state", (("state", "failed"), ("token", "hsm"))], 0)

    def test_kinds(self):
        """operations and errors are counted by their kind, of a token and of all replies; an instance has its latency"""
        self.call("Generate", token="hsm", nickname="kind", type="ec")
        before = self.samples()
        self.call("Sign", key="hsm:kind", **SIGN)
        self.fails("AlgorithmNotSupported", self.call, "Sign", key="hsm:kind", algorithm="rsa_pkcs1_sha256",
                   digest=varlink.b64(bytes(32)))
        self.fails("KeyNotFound", self.call, "Sign", key="hsm:none", **SIGN)
        self.fails("PermissionDenied", self.call, "Random", length=1)
        after = self.samples()

        def grown(name, **labels):
            key = (name, tuple(sorted(labels.items())))
            return after.get(key, 0) - before.get(key, 0)
        self.assertEqual(grown("tokend_token_operations_total", token="hsm", operation="sign", result="ok"), 1)
        for method, result in (("Sign", "ok"), ("Sign", "AlgorithmNotSupported"), ("Sign", "KeyNotFound"), ("Random", "PermissionDenied")):
            self.assertEqual(grown("tokend_answers_total", interface="io.tokend.Keys", method=method, result=result), 1, (method, result))
        self.assertEqual(grown("tokend_instance_seconds_count", instance='"ca\\one"'), 4)
        self.assertEqual(after["tokend_up", ()], 1)

    def test_sessions(self):
        """how many sessions are busy, and how many there can be"""
        samples = self.samples()
        label = (("token", "hsm"),)
        self.assertEqual(samples["tokend_token_sessions_limit", label], self.daemon.token("hsm")["sessions"]["limit"])
        self.assertEqual(samples["tokend_token_sessions_busy", label], 0)
        self.assertGreater(samples["tokend_token_threads", label], 0)

    def test_certificate_ends(self):
        """each certificate's end, in seconds since 1970, under its nickname"""
        self.call("Generate", token="hsm", nickname='c"\\d', type="ec")
        certificate = self.daemon.call("io.tokend.Certificates.SelfSign", key='hsm:c"\\d', subject="CN=c", validityDays=9)["certificate"]
        samples = self.samples()
        self.assertEqual(samples["tokend_certificate_not_after_seconds", (("nickname", 'c"\\d'), ("token", "hsm"))],
                         certificate["notAfterUSec"] // 1000000)
        self.assertEqual(samples["tokend_token_certificates", (("token", "hsm"),)], 1)

    def test_restarts(self):
        """looks for a device that is absent are no restarts"""
        absent = SoftToken(self.place, "absent")
        store = absent.store.rename(self.place.path / "away")
        module = self.own(absent.section(extra="StartTimeout=1s\n"))
        end = time.monotonic() + 3
        until(lambda: time.monotonic() > end, "it was looked for")
        self.assertEqual(module.token("absent")["restarts"], 0)
        store.rename(absent.store)
        self.assertEqual(module.wait_state("absent", "ready")["restarts"], 0)
        module.worker("absent").kill()
        until(lambda: module.token("absent")["restarts"] == 1, "a restart is counted")

    def test_configuration(self):
        """files that a reload refuses: status and metrics say which file and line until they are good again"""
        hsm = SoftToken(self.place, "conf")
        daemon = self.own(hsm.section())
        good = daemon.config.read_text()

        def reload(text):
            daemon.config.write_text(text)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_notify("READY=1")
            return daemon.status()["configuration"], self.samples(daemon.ctl("metrics"))["tokend_config_ok", ()]
        self.assertEqual(reload(good)[0]["reason"], "")
        state, ok = reload(good + "Nonsense=1\n")
        self.assertEqual((state["ok"], ok), (False, 0))
        self.assertRegex(state["reason"], rf"{daemon.config}:{len(good.splitlines()) + 1}: .*Nonsense")
        self.assertIn("the configuration on the disk is not in force since", daemon.ctl("status"))
        # It is not forgotten with the broker.
        broker = daemon.broker()
        broker.kill()
        until(broker.gone, "the broker's end")
        daemon.wait_state("conf", "ready")
        self.assertEqual(daemon.status()["configuration"], state)
        state, ok = reload(good)
        self.assertEqual((state["ok"], state["reason"], ok), (True, "", 1))
        self.assertNotIn("not in force", daemon.ctl("status"))

    def test_buckets(self):
        """buckets grow with their borders by half at most, and the last holds everything"""
        self.call("List")
        for family in parse_openmetrics(self.metrics()):
            if family.type != "histogram":
                continue
            last = {}
            for sample in family.samples:
                if not sample.name.endswith("_bucket"):
                    continue
                token = sample.labels.get("token") or sample.labels["instance"]
                border = float(sample.labels["le"])
                if token in last:
                    self.assertGreater(border, last[token][0])
                    if border != float("inf"):
                        self.assertLessEqual(border, 1.5001 * last[token][0])
                    self.assertGreaterEqual(sample.value, last[token][1])
                last[token] = (border, sample.value)
            self.assertEqual({border for border, _ in last.values()}, {float("inf")})


if __name__ == "__main__":
    unittest.main()

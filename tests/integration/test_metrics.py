# SPDX-License-Identifier: MPL-2.0
"""The metrics, read by Prometheus's own parsers: of OpenMetrics, and of the older text format that node_exporter's textfile
collector reads."""
import unittest

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import varlink
from harness import OneToken

SIGN = {"algorithm": "ecdsa_sha256", "digest": varlink.b64(bytes(32))}


class Metrics(OneToken):
    # A name that every format has to escape.
    instances = '[Instance "ca\\one"]\nUser=0\nKeys=*\nAllow=list sign generate\n'

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

    def test_buckets(self):
        """buckets grow with their borders, and the last holds everything"""
        self.call("List")
        for family in parse_openmetrics(self.metrics()):
            if family.type != "histogram":
                continue
            last = {}
            for sample in family.samples:
                if not sample.name.endswith("_bucket"):
                    continue
                token, border = sample.labels["token"], float(sample.labels["le"])
                if token in last:
                    self.assertGreater(border, last[token][0])
                    self.assertGreaterEqual(sample.value, last[token][1])
                last[token] = (border, sample.value)
            self.assertEqual({border for border, _ in last.values()}, {float("inf")})


if __name__ == "__main__":
    unittest.main()

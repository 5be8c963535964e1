# SPDX-License-Identifier: MPL-2.0
"""A real Prometheus on loopback, which scrapes a real node_exporter, whose textfile collector reads what tokendctl metrics printed."""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

from harness import ROOT, die_with_parent, until

RULES = ROOT / "monitoring/tokend.rules.yml"
DASHBOARD = ROOT / "monitoring/tokend-dashboard.json"
EXPORTER = next(filter(None, map(shutil.which, ("prometheus-node-exporter", "node_exporter"))), None)
MISSING = [name for name, path in (("prometheus", shutil.which("prometheus")), ("promtool", shutil.which("promtool")),
                                   ("node_exporter", EXPORTER)) if not path]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=10) as reply:
        return json.load(reply)


class Prometheus(contextlib.AbstractContextManager):
    """Of one daemon. metrics() gives its text, or raises where it does not answer: then what is there stays."""

    def __init__(self, place, metrics):
        self.place, self.metrics = place, metrics
        self.url = f"http://127.0.0.1:{free_port()}"
        self.ended = threading.Event()
        self.processes = []

    def __enter__(self):
        exporter, text = f"127.0.0.1:{free_port()}", self.place.path / "textfile"
        text.mkdir()
        (self.place.path / "data").mkdir()
        config = self.place.write("prometheus.yml", json.dumps({
            "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"}, "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": [exporter]}]}]}))
        self.file = text / "tokend.prom"
        self.leave()
        self.start(EXPORTER, "--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={text}",
                   f"--web.listen-address={exporter}")
        self.start(shutil.which("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={self.place.path / 'data'}",
                   f"--web.listen-address={self.url.removeprefix('http://')}")
        self.thread = threading.Thread(target=self.leave_often)
        self.thread.start()
        until(lambda: self.scraped() >= 3, f"three scrapes; {self.log()}")
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        for process in self.processes:
            process.terminate()
            process.wait()

    def start(self, *argv):
        with open(self.place.path / "prometheus.log", "ab") as log:
            self.processes.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                   cwd=self.place.path, preexec_fn=die_with_parent))

    def log(self):
        return (self.place.path / "prometheus.log").read_text(errors="replace")

    def leave(self):
        """As tokend-metrics.service does: a new name until it is whole."""
        new = self.file.with_suffix(".new")
        new.write_text(self.metrics())
        os.replace(new, self.file)

    def leave_often(self):
        while not self.ended.wait(0.5):
            with contextlib.suppress(AssertionError, OSError):
                self.leave()

    def api(self, name, **parameters):
        reply = get(f"{self.url}/api/v1/{name}?{urllib.parse.urlencode(parameters)}")
        assert reply["status"] == "success", reply
        return reply["data"]

    def query(self, expression):
        return self.api("query", query=expression)["result"]

    def scraped(self):
        try:
            found = self.query("count_over_time(tokend_up[5m])")
        except OSError:
            return 0
        return int(found[0]["value"][1]) if found else 0


def panels():
    """Each panel of the dashboard with its queries as Grafana would send them: a list of (panel, [(expression, legend)])."""
    found = []
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        queries = [(t["expr"].replace("$__rate_interval", "5s").replace("$host", ".*"), t["legendFormat"])
                   for t in panel["targets"]]
        found.append((panel, queries))
    return found

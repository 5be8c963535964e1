# SPDX-License-Identifier: MPL-2.0
"""The bench of signatures (tests/bench/table): each row runs once, and a ratio that falls is told."""
import json
import subprocess
import sys
from pathlib import Path

from harness import BUILD, Case

TABLE = Path(__file__).resolve().parent.parent / "bench/table"
RECORD = TABLE.parent / "record.json"


def table(*arguments):
    return subprocess.run([sys.executable, "-B", str(TABLE), *(str(word) for word in arguments)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


class Bench(Case):
    @classmethod
    def configure(cls):
        pass

    def test_quick(self):
        """each way of each row signs, and what was measured is drawn"""
        made, drawn = self.place.path / "bench.json", self.place.path / "bench.svg"
        done = table("run", BUILD, "--quick", "--json", made)
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        data = json.loads(made.read_text())
        self.assertEqual([data["deviceCalls"][call] for call in ("C_SignInit", "C_Sign")], [1, 1])
        for name, row in data["rows"].items():
            for way, figures in row.items():
                self.assertGreater(figures["rate"], 0, f"{name}: {way}")
                self.assertGreaterEqual(figures["p99"], figures["p50"], f"{name}: {way}")
        self.assertEqual(table("plot", made, drawn).returncode, 0)
        self.assertIn("tokend, libtokend", drawn.read_text())

    def test_check(self):
        """a ratio that is worse than the recorded one by more than the margin fails the check, in either direction"""
        record = json.loads(RECORD.read_text())
        self.assertEqual(table("check", RECORD, RECORD).returncode, 0)
        for name, ratio in record["ratios"].items():
            for factor in (0.5, 2):
                false = self.place.write("false.json", json.dumps({"ratios": {**record["ratios"], name: ratio * factor}}))
                done = table("check", RECORD, false)
                less_is_better = "p50" in name or "time" in name
                self.assertEqual(done.returncode, 1 if (factor < 1) == less_is_better else 0, f"{name} {done.stdout.decode()}")
                self.assertEqual(b"WORSE" in done.stdout, done.returncode == 1)

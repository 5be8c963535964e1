# SPDX-License-Identifier: MPL-2.0
"""Taking it away again. A container of its own: there is nothing left to test afterwards."""
import os
import pathlib
import subprocess

import machine
from harness import run, until


class Uninstall(machine.Case):
    @classmethod
    def configure(cls):
        machine.configure(machine.make_token() + machine.pin_file())

    def test_uninstall(self):
        """make uninstall leaves no file and no unit; keys and configuration stay, for they are the operator's"""
        os.makedirs("/var/lib/prometheus/node-exporter", exist_ok=True)
        run("systemctl", "enable", "--now", "tokend.service", "tokend.socket", "tokend-metrics.timer")
        machine.make_key("hsm:one")
        until(lambda: os.path.exists("/var/lib/prometheus/node-exporter/tokend.prom"), "the metrics")
        run("systemctl", "disable", "--now", "tokend.service", "tokend.socket", "tokend-status.socket", "tokend-metrics.timer")

        source = pathlib.Path(__file__).resolve().parents[2]
        done = subprocess.run([os.environ["MAKE"], "-C", source, "uninstall", f"BUILD={os.environ['BUILD']}"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        run("systemctl", "daemon-reload")

        stage = pathlib.Path(os.environ["STAGE"])
        files = [path.relative_to(stage) for path in stage.rglob("*") if path.is_symlink() or not path.is_dir()]
        self.assertGreater(len(files), 15)
        self.assertEqual([str(path) for path in files if os.path.lexists("/" / path)], [])
        named = [str(path.relative_to(stage)) for path in stage.rglob("*tokend*") if path.is_dir()]
        self.assertEqual([path for path in named if os.path.lexists("/" + path)], [])
        units = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "tokend.*", "tokend-[ms]*").decode()
        self.assertEqual(units, "")
        self.assertEqual([str(p) for name in ("tokend.*", "tokend-[ms]*")
                          for p in pathlib.Path("/etc/systemd/system").rglob(name)], [])
        self.assertEqual(os.listdir("/run/tokend"), [])
        self.assertFalse(os.path.exists("/var/lib/prometheus/node-exporter/tokend.prom"))
        self.assertEqual(self.processes(), [])
        self.assertTrue(machine.CONFIG.exists() and any((machine.STATE / "hsm").iterdir()))

    @staticmethod
    def processes():
        uid = machine.pwd.getpwnam("tokend").pw_uid
        return [entry for entry in os.listdir("/proc") if entry.isdigit() and os.stat(f"/proc/{entry}").st_uid == uid]

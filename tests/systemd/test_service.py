# SPDX-License-Identifier: MPL-2.0
"""Starting, saying so, reloading and ending under systemd."""
import os
import re
import stat
import subprocess
import time
import unittest

import machine
import varlink
from harness import run, until


class Activation(machine.Case):
    @classmethod
    def configure(cls):
        machine.configure(machine.make_token() + machine.pin_file() + "[Token spare]\nModule=internal\n"
                          f"Directory={machine.STATE}/spare\n")
        run("systemctl", "start", "tokend.socket")

    def setUp(self):
        run("systemctl", "start", "tokend.socket")

    def test_one_socket_unit_brings_both_sockets(self):
        """starting tokend.socket makes both sockets, with their modes, and does not start the service"""
        run("systemctl", "stop", "tokend.service")
        for path, mode, group in ((machine.SOCKET, 0o666, "root"), (machine.STATUS_SOCKET, 0o660, "tokend")):
            found = path.stat()
            self.assertTrue(stat.S_ISSOCK(found.st_mode))
            self.assertEqual((stat.S_IMODE(found.st_mode), path.owner(), path.group()), (mode, "root", group), path)
        self.assertEqual(stat.S_IMODE(machine.SOCKET.parent.stat().st_mode), 0o755)
        self.assertEqual(machine.SOCKET.parent.owner(), "root")
        self.assertEqual(machine.show("tokend.service", "ActiveState"), "inactive")

    def test_first_connection(self):
        """the first connection starts the service, and is answered"""
        run("systemctl", "stop", "tokend.service")
        self.assertEqual(len(machine.status()["tokens"]), 2)
        # The status is answered while tokens are starting.
        self.active()
        run("systemctl", "stop", "tokend.service")
        self.assertIsInstance(machine.call("List")["keys"], list)
        self.active()

    def test_ready(self):
        """READY comes when every token is ready, and STATUS is a sentence that says so"""
        run("systemctl", "restart", "tokend.service")
        # systemctl returns at READY, not before: no waiting here.
        self.assertEqual({t["name"]: t["state"] for t in machine.status()["tokens"]}, {"hsm": "ready", "spare": "ready"})
        self.assertEqual(machine.show("tokend.service", "StatusText"), "2 tokens ready")

    def test_stop(self):
        """a stop ends with status 0 and leaves the sockets, their files and no process"""
        run("systemctl", "start", "tokend.service")
        run("systemctl", "stop", "tokend.service")
        self.assertEqual(machine.show("tokend.service", "Result"), "success")
        self.assertEqual(machine.show("tokend.service", "ExecMainStatus"), "0")
        self.assertTrue(machine.SOCKET.exists() and machine.STATUS_SOCKET.exists())
        self.assertEqual(machine.show("tokend.service", "ControlGroup"), "")

    def test_status_looks(self):
        """tokendctl status does not start a stopped service, and says of one whose files are bad which line it is, at once"""
        ask = lambda *words: subprocess.run(["tokendctl", *words], capture_output=True, text=True, timeout=20)
        run("systemctl", "stop", "tokend.service")
        done = ask("status")
        self.assertEqual((done.returncode, machine.show("tokend.service", "ActiveState")), (3, "inactive"), done.stderr)
        self.assertIn("tokend.service: inactive, dead", done.stderr)
        self.assertEqual(ask("complete", "--", "sign", "").stdout, "")
        self.assertEqual(machine.show("tokend.service", "ActiveState"), "inactive")
        text = machine.CONFIG.read_text()
        machine.configure("[Token x]\nModul=/x\n")
        try:
            subprocess.run(["systemctl", "start", "tokend.service"], capture_output=True)
            begun = time.monotonic()
            done = ask("status")
            self.assertLess(time.monotonic() - begun, 5)
            self.assertEqual(done.returncode, 3)
            self.assertRegex(done.stderr, f"tokend.service: [a-z]+, [a-z-]+, status 78: {machine.CONFIG}:[12]: ")
        finally:
            machine.configure(text)
            run("systemctl", "reset-failed", "tokend.service")
        run("systemctl", "start", "tokend.service")
        self.assertEqual(ask("status").returncode, 0)

    def test_socket_stops(self):
        """stopping tokend.socket stops all of it and takes the sockets' files away; it starts again"""
        run("systemctl", "start", "tokend.service")
        run("systemctl", "stop", "tokend.socket")
        until(lambda: all(machine.show(unit, "ActiveState") == "inactive" for unit in machine.UNITS), "all of it is down")
        self.assertFalse(machine.SOCKET.exists() or machine.STATUS_SOCKET.exists())
        run("systemctl", "start", "tokend.socket")
        self.assertIn("keys", machine.call("List"))

    def test_metrics(self):
        """the metrics unit writes what node_exporter collects; of a stopped service that it is not up, and does not start it"""
        directory = "/var/lib/prometheus/node-exporter"
        os.makedirs(directory, exist_ok=True)
        def left():
            run("systemctl", "start", "tokend-metrics.service")
            self.assertEqual(os.listdir(directory), ["tokend.prom"])
            self.assertEqual(stat.S_IMODE(os.stat(f"{directory}/tokend.prom").st_mode), 0o644)
            with open(f"{directory}/tokend.prom", encoding="utf-8") as file:
                text = file.read()
            self.assertRegex(text, r"# EOF\n$")
            return [line for line in text.splitlines() if not line.startswith("#")]
        run("systemctl", "start", "tokend.service")
        serving = left()
        self.assertIn("tokend_up 1", serving)
        self.assertGreater(len(serving), 50)
        run("systemctl", "stop", "tokend.service")
        self.assertEqual(left(), ["tokend_up 0"])
        self.assertEqual(machine.show("tokend.service", "ActiveState"), "inactive")
        # Nor is one that does not come up.
        good = machine.CONFIG.read_text()
        machine.CONFIG.write_text("nonsense\n")
        subprocess.run(["systemctl", "start", "tokend.service"], capture_output=True, check=False)
        self.assertEqual(left(), ["tokend_up 0"])
        machine.CONFIG.write_text(good)
        run("systemctl", "reset-failed", "tokend.service")
        run("systemctl", "start", "tokend.service")
        self.assertIn("tokend_up 1", left())


class Reload(machine.Case):
    @classmethod
    def configure(cls):
        cls.token = machine.make_token() + machine.pin_file()
        machine.configure(cls.token)
        run("systemctl", "start", "tokend.socket")
        machine.make_key("hsm:one")

    def setUp(self):
        machine.configure(self.token)
        run("systemctl", "restart", "tokend.service")

    def test_new_instance(self):
        """a reload puts a new [Instance] in force, and keeps every process"""
        before = [machine.process(name).pid for name in ("tokend", "tokend-broker", "tokend-worker")]
        machine.configure(self.token + "[Instance nobody]\nUser=nobody\nKeys=*\n")
        run("systemctl", "reload", "tokend.service")

        def refused():
            try:
                machine.sign("hsm:one")
            except varlink.Error as error:
                return error.name in ("PermissionDenied", "KeyNotFound")
            return False
        until(refused, "root, that no [Instance] knows, is refused")
        until(lambda: machine.show("tokend.service", "SubState") == "running", "READY after RELOADING")
        self.assertEqual([machine.process(name).pid for name in ("tokend", "tokend-broker", "tokend-worker")], before)

    def test_bad_reload(self):
        """a reload of a faulty file fails and leaves the old in force, and the journal says where the fault is"""
        machine.configure(self.token + "[Instance nobody]\nUser=nobody\nKeys=*\nWieght=5\n")
        done = subprocess.run(["systemctl", "reload", "tokend.service"], capture_output=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        until(lambda: re.search(r"tokend\.conf:\d+: .*Wieght", self.journal("-u", "tokend.service")), "the fault is told")
        until(lambda: machine.show("tokend.service", "SubState") == "running", "READY after RELOADING")
        machine.sign("hsm:one")

    def test_mended(self):
        """with a faulty file the service does not start; a caller waits, and is served when it is mended"""
        run("systemctl", "stop", "tokend.service")
        machine.configure(self.token + "[Nonsense]\n")
        with varlink.Client(machine.SOCKET) as client:
            client.send("List", {})
            until(lambda: int(machine.show("tokend.service", "NRestarts")) >= 25, "more starts than a limit of systemd's")
            self.assertIn("status=78/CONFIG", self.journal("_PID=1"))
            self.assertEqual(machine.show("tokend.socket", "ActiveState"), "active")
            machine.configure(self.token)
            self.assertEqual([key["nickname"] for key in client.result()["keys"]], ["one"])

    def test_absent_token(self):
        """READY does not wait for an absent token longer than its StartTimeout=, and STATUS names it"""
        machine.configure(self.token + "[Token away]\nModule=/usr/lib/softhsm/libsofthsm2.so\nUri=pkcs11:token=away\n"
                          f"Pin=file:/etc/tokend/hsm.pin\nEnvironment=SOFTHSM2_CONF=/etc/tokend/hsm.softhsm\nStartTimeout=1s\n")
        run("systemctl", "restart", "tokend.service")
        self.active()
        self.assertRegex(machine.show("tokend.service", "StatusText"), r"^1 token ready, away \w+: \S")
        machine.sign("hsm:one")


if __name__ == "__main__":
    unittest.main()

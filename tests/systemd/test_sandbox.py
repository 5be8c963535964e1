# SPDX-License-Identifier: MPL-2.0
"""The sandbox: what systemd says of it, and what /proc says of the processes in it."""
import ctypes
import os
import re
import subprocess

import machine
from harness import run

SHIPPED = ("tokend.service", "tokend.socket", "tokend-status.socket", "tokend-metrics.service", "tokend-metrics.timer")
EXAMPLES = ("network-hsm.conf", "usb-device.conf", "pin-credential.conf", "pin-at-boot.conf")


def exposure(unit):
    text = run("systemd-analyze", "security", "--offline=true", machine.find_installed(unit)).decode()
    return float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", text).group(1))


class Sandbox(machine.Case):
    @classmethod
    def configure(cls):
        machine.configure(machine.make_token() + machine.pin_file())
        run("systemctl", "start", "tokend.socket")
        machine.make_key("hsm:one")

    def verify(self, *units):
        """Any line it prints is a fault; its exit status says nothing."""
        done = subprocess.run(["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, check=False)
        # Whether the pages are there is for the test of the pages; ImportCredential= came with systemd 254.
        said = [line for line in (done.stdout + done.stderr).splitlines()
                if not re.search(r"man \S+' failed|Unknown key 'ImportCredential' in section", line)]
        self.assertEqual(said, [])

    def test_verify(self):
        """systemd-analyze verify has nothing to say of the units that are shipped"""
        self.verify(*(machine.find_installed(unit) for unit in SHIPPED))

    def test_examples(self):
        """nor of the service with each of the drop-ins that are shipped, under which it runs"""
        for example in EXAMPLES:
            with self.subTest(example):
                if not example.startswith("pin"):
                    machine.drop_in("example.conf", machine.find_installed(example).read_text())
                    run("systemctl", "restart", "tokend.service")
                    machine.sign("hsm:one")
                else:
                    machine.drop_in("example.conf", machine.find_installed(example).read_text())
                self.verify("tokend.service", "tokend.socket", "tokend-status.socket")
        (machine.DROP_INS / "example.conf").unlink()
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", "tokend.service")

    def test_exposure(self):
        """systemd-analyze security finds an exposure of 1.0 at most"""
        for unit in ("tokend.service", "tokend-metrics.service"):
            self.assertLessEqual(exposure(unit), 1.0, unit)

    def test_processes(self):
        """nothing of it is swapped, and no process of it has a capability, a way to gain one, a network, a core dump, or another user"""
        self.assertEqual(run("systemctl", "show", "--property=MemorySwapMax", "tokend.service").decode(), "MemorySwapMax=0\n")
        networks = set()
        for name in ("tokend", "tokend-broker", "tokend-worker"):
            process = machine.process(name)
            with self.subTest(name):
                for word in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                    self.assertEqual(int(process.status(word), 16), 0, word)
                self.assertEqual(process.status("NoNewPrivs"), "1")
                self.assertEqual(process.status("Seccomp"), "2")
                self.assertEqual(set(process.status("Uid").split()), {str(machine.pwd.getpwnam("tokend").pw_uid)})
                with open(f"/proc/{process.pid}/limits", encoding="utf-8") as limits:
                    self.assertRegex(limits.read(), r"Max core file size +0 +0 ")
                networks.add(os.readlink(f"/proc/{process.pid}/ns/net"))
        self.assertEqual(len(networks), 1)
        self.assertNotIn(os.readlink("/proc/self/ns/net"), networks)

    def test_landlock(self):
        """the unit lets tokend use Landlock, where the kernel has it"""
        if ctypes.CDLL(None).syscall(444, None, 0, 1) <= 0:
            self.skipTest("this kernel has no Landlock")
        self.assertNotIn("no Landlock", self.journal())

    def test_pin_unseen(self):
        """the PIN is in no command line, no environment and no line of the journal"""
        for name in ("tokend", "tokend-broker", "tokend-worker"):
            pid = machine.process(name).pid
            for file in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{file}", "rb") as data:
                    self.assertNotIn(machine.PIN.encode(), data.read(), f"{file} of {name}")
        self.assertNotIn(machine.PIN, self.journal())

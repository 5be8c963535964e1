# SPDX-License-Identifier: MPL-2.0
"""Unit=: two units of one user are two callers, and nothing that a user can start himself is a system's unit."""
import os
import subprocess

import harness
import machine
from harness import run

USER = "pkiuser"


def ctl(unit, *arguments, user=USER):
    """tokendctl as the main process of that unit; the finished process."""
    return subprocess.run(["systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--unit={unit}", f"--uid={user}",
                           "tokendctl", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=60, check=False)


def instance(name, unit, keys, allow):
    return f"[Instance {name}]\nUser={USER}\nUnit={unit}\nToken=hsm\nKeys={keys}\nAllow={allow}\n"


class Units(machine.Case):
    @classmethod
    def configure(cls):
        run("useradd", "--system", "--create-home", USER)
        token = machine.make_token() + machine.pin_file()
        machine.configure(token)
        run("systemctl", "start", "tokend.service")
        machine.make_key("hsm:ca-key")
        machine.make_key("hsm:kra-key")
        machine.configure("[Daemon]\nAudit=journal\n" + token +
                          instance("ca", "pki-tomcatd@ca.service", "ca-*", "list sign") +
                          instance("kra", "pki-tomcatd@kra.service", "kra-*", "list"))
        run("systemctl", "reload", "tokend.service")

    def test_two_units(self):
        """two units of one user see their own keys and nothing else, and may what is theirs"""
        for unit, own, other in (("ca", "ca-key", "kra-key"), ("kra", "kra-key", "ca-key")):
            done = ctl(f"pki-tomcatd@{unit}.service", "list")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(own, done.stdout)
            self.assertNotIn(other, done.stdout)
        sign = ("sign", "--algorithm", "ecdsa_sha256", "--digest", "00" * 32, "--base64")
        done = ctl("pki-tomcatd@ca.service", *sign, "hsm:ca-key")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = ctl("pki-tomcatd@ca.service", *sign, "hsm:kra-key")
        self.assertIn("KeyNotFound", done.stderr)
        done = ctl("pki-tomcatd@kra.service", *sign, "hsm:kra-key")
        self.assertIn("PermissionDenied", done.stderr)
        records = machine.records("TOKEND_PEER_UNIT=pki-tomcatd@ca.service", "TOKEND_INSTANCE")
        self.assertEqual({r["TOKEND_INSTANCE"] for r in records}, {"ca"})

    def test_who(self):
        """whoami and may tell of the unit: what the daemon saw, what it would answer in another one, and what its log has of who was denied"""
        done = ctl("pki-tomcatd@ca.service", "whoami")
        for word in ("pki-tomcatd@ca.service", "instance  ca", "keys      ca-*", "rights    list sign"):
            self.assertIn(word, done.stdout)
        done = ctl("wrong.service", "whoami")
        for word in ("wrong.service", "none: no [Instance] of tokend.conf matches"):
            self.assertIn(word, done.stdout)
        may = lambda *words: subprocess.run(["tokendctl", "may", *words], capture_output=True, text=True, timeout=60).stdout.splitlines()[0]
        self.assertEqual(may("sign", "ca-key", "--as", f"{USER}:pki-tomcatd@ca.service"), "yes: [Instance ca] may sign")
        self.assertEqual(may("sign", "ca-key", "--as", f"{USER}:pki-tomcatd@kra.service"),
                         "no: not-this-key (the call is of [Instance kra])")
        self.assertEqual(may("sign", "ca-key", "--as", USER), "no: no-instance (the nearest is [Instance ca], but for its Unit=)")
        self.assertIn("next: ", ctl("wrong.service", "list").stderr)
        journal = run("journalctl", "-u", "tokend", "-o", "cat").decode()
        self.assertIn("unit wrong.service; the nearest is [Instance ca], but for its Unit=pki-tomcatd@ca.service", journal)

    def test_another_unit(self):
        """the same user in another unit, in a scope, or outside of any is nobody"""
        done = ctl("other.service", "list")
        self.assertIn("PermissionDenied", done.stderr)
        done = subprocess.run(["systemd-run", "--quiet", "--scope", "--unit=pki-ca", f"--uid={USER}", "tokendctl",
                               "list"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
        self.assertIn("PermissionDenied", done.stderr, "a scope is not the service")

    def test_unit_of_a_users_own_manager(self):
        """a unit of that name in a user's own manager is not the system's"""
        run("loginctl", "enable-linger", USER)
        uid = run("id", "-u", USER).decode().strip()
        harness.until(lambda: machine.show(f"user@{uid}.service", "ActiveState") == "active", "the user's manager is up")
        environment = dict(os.environ, XDG_RUNTIME_DIR=f"/run/user/{uid}")
        done = subprocess.run(["runuser", "-u", USER, "--", "systemd-run", "--user", "--quiet", "--wait", "--pipe",
                               "--unit=pki-tomcatd@ca.service", "tokendctl", "list"], capture_output=True, text=True,
                              env=environment, stdin=subprocess.DEVNULL, timeout=60, check=False)
        self.assertIn("PermissionDenied", done.stderr)

    def test_other_user(self):
        """the unit alone is not enough where User= is given too"""
        done = ctl("pki-tomcatd@ca.service", "list", user="daemon")
        self.assertIn("PermissionDenied", done.stderr)

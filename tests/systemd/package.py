# SPDX-License-Identifier: MPL-2.0
"""The Debian packages, installed and removed in a container. Run by `make deb`, which builds them."""
import os
import pathlib
import shutil
import subprocess

import machine
from harness import run, until

DEBS = [d for d in sorted(pathlib.Path(os.environ["DEBS"]).glob("*.deb")) if "-dbgsym" not in d.name]
METRICS = pathlib.Path("/var/lib/prometheus/node-exporter/tokend.prom")
SEEN = ("/usr/sbin/tokend", "/usr/bin/tokendctl", "/usr/include/tokend.h")


def left():
    """Files with our name outside /proc and the like."""
    found = run("find", "/etc", "/usr", "/var", "/run", "-xdev", "-name", "*tokend*", "-not", "-name", "tokend-boot*",
                "-not", "-path", "/usr/src/*").decode().split()
    return [path for path in found if not path.startswith(("/var/lib/dpkg/", "/run/systemd/", "/var/cache/"))]


class Package(machine.Case):
    @classmethod
    def setUpClass(cls):
        pathlib.Path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)  # of a build machine; services are to start here

    def user_of_the_library(self):
        """A program built from the packages alone."""
        source = pathlib.Path("/root/user.c")
        source.write_text('#include <stdio.h>\n#include <tokend.h>\nint main(void)\n{\n'
                          'struct tokend *t = tokend_open(NULL, 0);\nstruct tokend_keys *k;\n'
                          'if (tokend_list(t, NULL, NULL, 0, &k, NULL))\nreturn 1;\n'
                          'printf("%zu %s\\n", k->n_keys, k->keys[0]->nickname);\n}\n')
        flags = run("pkg-config", "--cflags", "--libs", "libtokend").decode().split()
        run("cc", "-o", "/root/user", source, *flags)
        return run("/root/user").decode()

    def watched(self):
        """The metrics are left where node_exporter reads them; rules and dashboard are where the pages say."""
        os.makedirs("/var/lib/prometheus/node-exporter", exist_ok=True)
        run("systemctl", "enable", "--now", "tokend-metrics.timer")
        until(METRICS.exists, "the metrics")
        self.assertEqual([name for name in ("tokend.rules.yml", "tokend-dashboard.json")
                          if not pathlib.Path("/usr/share/tokend", name).exists()], [])

    def test_whole_life(self):
        """install, use, upgrade under a load, remove, purge: nothing is lost on the way, and nothing is left at the end"""
        before = left()
        run("dpkg", "--install", *DEBS)
        self.assertEqual([path for path in SEEN if not os.path.exists(path)], [])
        for unit in machine.UNITS:
            self.assertEqual(run("systemctl", "is-enabled", unit).decode().strip(), "enabled", unit)
        self.assertEqual(machine.make_key("internal:one")["nickname"], "one")
        self.active()
        self.watched()
        self.assertEqual(self.user_of_the_library(), "1 one\n")

        load = machine.Load("internal:one")
        old = machine.main_pid()
        run("dpkg", "--install", *DEBS)
        until(lambda: machine.main_pid() not in (0, old), "the new version runs")
        done, failed, _, text = load.turn()
        self.assertEqual(failed, 0, f"of {done + failed}: {text}")
        load.stop()

        names = ("tokend", "libtokend-dev", "libtokend0", "tokend-pkcs11")
        run("dpkg", "--remove", *names)
        self.assertFalse(machine.SOCKET.exists() or machine.STATUS_SOCKET.exists())
        self.assertEqual([path for path in (*SEEN, METRICS) if os.path.exists(path)], [])
        self.assertTrue(machine.CONFIG.exists())
        purged = subprocess.run(["dpkg", "--purge", *names], capture_output=True, text=True, check=True)
        self.assertIn("/var/lib/tokend holds keys", purged.stdout + purged.stderr)
        # The user stays, as Debian wants it, and so do the keys.
        self.assertEqual(sorted(set(left()) - set(before) | {"/var/lib/tokend"}), ["/var/lib/tokend"])
        self.assertTrue(machine.STATE.exists())


class P11Kit(machine.Case):
    """The module is p11-kit's: every program on the host that asks p11-kit loads it, whether it may use tokend or not."""

    @classmethod
    def setUpClass(cls):
        pathlib.Path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)
        run("dpkg", "--install", *DEBS)
        # Other modules of this machine have errors of their own.
        for path in pathlib.Path("/usr/share/p11-kit/modules").glob("*.module"):
            if path.name != "tokend.module":
                path.unlink()

    def list_modules(self, user="root"):
        """What p11-kit prints, without a word of complaint."""
        if not shutil.which("p11-kit"):
            self.skipTest("p11-kit is not installed")
        done = subprocess.run(["runuser", "-u", user, "--", "p11-kit", "list-modules"], capture_output=True, text=True, timeout=30,
                              stdin=subprocess.DEVNULL, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("tokend: ", done.stdout)
        return done.stdout

    def test_tokens(self):
        """whoever has an [Instance] sees the tokens, whoever has none sees the module alone, and nobody an error, nor without the daemon"""
        self.active()
        self.assertIn("token: internal", self.list_modules())
        self.assertNotIn("token: ", self.list_modules("nobody"))
        run("systemctl", "stop", "tokend.socket", "tokend-status.socket", "tokend.service")
        for user in ("root", "nobody"):
            self.assertNotIn("token: ", self.list_modules(user))
        run("dpkg", "--purge", "tokend")
        self.assertNotIn("token: ", self.list_modules())

# SPDX-License-Identifier: MPL-2.0
"""The examples of libtokend, built as its users would: against an installed copy, with pkg-config alone."""
import os
import subprocess

from harness import PLAIN, ROOT, OneToken, run, until
from relay import Relay


class Examples(OneToken):
    @classmethod
    def configure(cls):
        super().configure()
        cls.root = cls.place.path / "root"
        run("make", "-s", "-C", ROOT, "install", f"BUILD={PLAIN}", f"DESTDIR={cls.root}",
            env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SANITIZE")})
        cls.local = cls.root / "usr/local"

    def flags(self, *arguments):
        environment = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=str(self.root), PKG_CONFIG_PATH=f"{self.local}/lib/pkgconfig")
        return run("pkg-config", *arguments, env=environment).decode().split()

    def built(self, source, *flags):
        program = self.place.path / source.stem
        run("cc", "-std=c17", "-Wall", "-Wextra", "-Werror", source, "-o", program, *flags)
        return program

    def example(self, name, *packages):
        return self.built(self.local / f"share/doc/tokend/examples/libtokend/{name}.c", *self.flags("--cflags", "--libs", "libtokend", *packages))

    def environment(self, socket=None):
        return dict(os.environ, LD_LIBRARY_PATH=f"{self.local}/lib", TOKEND_SOCKET=str(socket or self.daemon.socket))

    def started(self, program, *arguments, socket=None):
        process = subprocess.Popen([program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, text=True, env=self.environment(socket))
        self.addCleanup(process.kill)
        return process

    def says(self, process, text):
        output, _ = process.communicate(timeout=240)
        self.assertEqual(process.returncode, 0, output)
        self.assertEqual(output.splitlines()[-1], text)

    def keys(self, nickname):
        return len(self.daemon.call("List", token="hsm", nickname=nickname)["keys"])

    def test_shared_and_static(self):
        """who links the library needs nothing of json-c, and who links it statically is told"""
        source = self.place.write("use.c", '#include <tokend.h>\nint main(void) { tokend_close(tokend_open("/x", 0)); return 0; }\n')
        shared = self.flags("--cflags", "--libs", "libtokend")
        self.assertNotIn("json-c", " ".join(shared))
        run(self.built(source, *shared), env=self.environment())
        static = [flag if flag != "-ltokend" else "-l:libtokend.a" for flag in self.flags("--cflags", "--libs", "--static", "libtokend")]
        self.assertIn("-ljson-c", static)
        run(self.built(source, *static))

    def test_sign(self):
        """the first example makes a key, signs, and signs again"""
        program = self.example("sign")
        for _ in range(2):
            output = run(program, "hsm:example", env=self.environment()).decode()
            self.assertIn("hsm:example, id ", output)
            self.assertRegex(output, "a signature of [67][0-9] bytes")
        self.assertEqual(self.keys("example"), 1)

    def test_loop(self):
        """calls in sd-event's loop go on over a restart, a dead broker and a dead worker"""
        process = self.started(self.example("event-loop", "libsystemd"), "hsm", "loop", 20000)

        def signed():
            try:
                return self.daemon.token("hsm")["requests"]
            except Exception:
                return 0

        def goes_on(before):
            until(lambda: signed() > before + 100 or process.poll() is not None, "signatures go on")

        goes_on(0)
        self.daemon.stop()
        self.daemon.start()
        goes_on(0)
        broker = self.daemon.broker()
        broker.kill()
        until(broker.gone, "it is gone")
        goes_on(0)
        self.daemon.worker().kill()
        self.says(process, "20000 signed, 0 failed")
        self.assertEqual(self.keys("loop"), 1)

    def test_killed_at_each_step(self):
        """the broker is killed when it has answered each step of a generate, and the answer is lost: one key, asked for once"""
        program = self.example("event-loop", "libsystemd")
        for step in ("GetInfo", "List", "Generate", "Get", "Sign"):
            relay = Relay(self.place.path / f"{step}.sock", self.daemon.socket)
            self.addCleanup(relay.close)
            if step == "Get":  # it is asked only after a Generate that was lost
                relay.cut("Generate", lambda relay=relay: relay.cut("Get", self.daemon.broker().kill))
            else:
                relay.cut(step, self.daemon.broker().kill)
            self.says(self.started(program, "hsm", f"at-{step}", 20, socket=relay.path), "20 signed, 0 failed")
            self.assertIsNone(relay.cuts, step)
            self.assertEqual([method for method, _ in relay.requests].count("Generate"), 1, step)
            self.assertEqual(self.keys(f"at-{step}"), 1, step)

    def test_installed(self):
        """everything is where it belongs"""
        for file in ("sbin/tokend", "libexec/tokend/tokend-broker", "libexec/tokend/tokend-worker", "bin/tokendctl",
                     "lib/libtokend.so.0", "lib/pkcs11/libtokend-pkcs11.so", "share/p11-kit/modules/tokend.module", "include/tokend.h", "share/man/man8/tokend.8", "share/man/man5/tokend.conf.5",
                     "share/man/man1/tokendctl.1", "share/man/man3/libtokend.3", "share/man/man7/tokend-pkcs11.7"):
            self.assertTrue((self.local / file).exists(), file)

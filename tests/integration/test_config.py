# SPDX-License-Identifier: MPL-2.0
"""The configuration: every fault with file and line and status 78, before anything starts."""
import os
import signal
import subprocess

from harness import BUILD, PIN, PLAIN, SOFTHSM, Case, Process, check_config, until

TOKEN = "[Token t]\nModule=/usr/lib/x.so\n"
INSTANCE = "[Instance i]\nUser=0\nKeys=*\n"

# What is wrong, in which line.
FAULTS = [
    ("an unknown section", "[Colour]\n", 1),
    ("an unknown section with a name", "[Colour red]\n", 1),
    ("an unknown key", "[Daemon]\nColour=red\n", 2),
    ("a key before any section", "Socket=/x\n", 1),
    ("a line that is no assignment", "[Daemon]\nSocket\n", 2),
    ("a key given twice", "[Daemon]\nSocket=/a\nSocket=/b\n", 3),
    ("a section named twice", TOKEN + "[Token u]\nModule=internal\n" + TOKEN, 5),
    ("a token without a name", "[Token]\nModule=internal\n", 1),
    ("a token without a module", "[Token t]\nSessions=4\n", 1),
    ("a module that is no absolute path", "[Token t]\nModule=x.so\n", 2),
    ("a token whose name has a colon", "[Token a:b]\nModule=internal\n", 1),
    ("a number that is none", TOKEN + "Sessions=many\n", 3),
    ("a number that is negative", TOKEN + "Sessions=-1\n", 3),
    ("a number too large for any type", TOKEN + "Sessions=99999999999999999999\n", 3),
    ("LIMIT_SESSIONS_MIN", TOKEN + "Sessions=1\n", 3),
    ("LIMIT_SESSIONS_MAX", TOKEN + "Sessions=257\n", 3),
    ("a duration that is none", TOKEN + "Timeout=soon\n", 3),
    ("a duration with an unknown unit", TOKEN + "Timeout=3parsecs\n", 3),
    ("a duration of nothing", TOKEN + "Timeout=0\n", 3),
    ("a role that is none", TOKEN + "Role=king\n", 3),
    ("a PIN source that is none", TOKEN + "Pin=1234\n", 3),
    ("a PIN file that is no absolute path", TOKEN + "Pin=file:pin\n", 3),
    ("a URI that is none", TOKEN + "Uri=http://x\n", 3),
    ("an environment that is none", TOKEN + "Environment=novalue\n", 3),
    ("an accelerator that is nowhere", TOKEN + "Accelerator=nowhere\n", 3),
    ("an accelerator that is none", TOKEN + "Accelerator=u\n[Token u]\nModule=/y.so\n", 3),
    ("a quote that does not end", "[Instance i]\nUser=0\nKeys=\"a\n", 3),
    ("an instance that matches anybody", "[Instance i]\nKeys=*\n", 1),
    ("an instance without keys", "[Instance i]\nUser=0\n", 1),
    ("a user that does not exist", "[Instance i]\nUser=no-such-user-here\nKeys=*\n", 2),
    ("a group that does not exist", "[Instance i]\nGroup=no-such-group-here\nKeys=*\n", 2),
    ("a right that is none", INSTANCE + "Allow=list fly\n", 4),
    ("an instance's token that is nowhere", INSTANCE + "Token=nowhere\n", 4),
    ("another token that is nowhere", INSTANCE + "OtherTokens=nowhere\n", 4),
    ("a weight of nothing", INSTANCE + "Weight=0\n", 4),
    ("a socket that is no absolute path", "[Daemon]\nSocket=x\n", 2),
    ("a socket's path that is too long", "[Daemon]\nSocket=/" + "x" * 110 + "\n", 2),
    ("a section whose bracket does not close", "[Daemon\n", 1),
]


class Check(Case):
    def test_faults(self):
        """each fault is one line FILE:LINE: and status 78"""
        for what, text, line in FAULTS:
            with self.subTest(what):
                done = check_config(self.place, text)
                self.assertEqual(done.returncode, 78, done.stderr)
                self.assertIn(f"{self.place.path}/bad.conf:{line}: ", done.stderr + done.stdout)

    def test_all_faults(self):
        """all faults are told, not the first alone"""
        done = check_config(self.place, "[Daemon]\nA=1\nB=2\n[Nonsense]\n[Token t]\nModule=internal\nSessions=x\n")
        for line in (2, 3, 4, 7):
            self.assertIn(f"bad.conf:{line}: ", done.stderr)
        self.assertEqual(len([row for row in done.stderr.splitlines() if "bad.conf:" in row]), 4, done.stderr)

    def test_good(self):
        """a good configuration is silent, with comments, quotes, and every key"""
        done = check_config(self.place, f"""# comment
; another
[Daemon]
Socket={self.place.path}/s
StatusSocket={self.place.path}/t
StateDirectory={self.place.path}

[Token hsm]
Module={SOFTHSM}
Uri=pkcs11:token=hsm
Pin=file:/etc/pin
Environment=A=1
Environment="B=2 3" C=4
Sessions=6
Timeout=1min 30s
GenerateTimeout=2min
StartTimeout=500ms
Refresh=5
KeepAlive=15s
Role=keys
Accelerator=accel
AcceleratedKeys=4
[Token accel]
Module=/x.so
Role=accelerator
[Instance i]
User=root
Group=0
Unit=x@y.service
Token=hsm
OtherTokens=accel
Keys="*cert-ca CA" "x"
Keys=more
Allow=list sign
Weight=10
MaxQueued=1
MaxConnections=1
""")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_directory(self):
        """FILE.d/*.conf follow in name order, faults are told with their file, and a token may stand in a later one"""
        base = self.place.path / "many.conf"
        extra = self.place.path / "many.conf.d"
        extra.mkdir()
        base.write_text(INSTANCE + "Token=later\n")
        (extra / "50-token.conf").write_text("[Token later]\nModule=internal\n")
        (extra / "60-ignored.txt").write_text("[Nonsense]\n")
        self.assertEqual(check_config(self.place, base.read_text(), "many.conf").returncode, 0)
        (extra / "70-bad.conf").write_text("\n[Token later]\nModule=internal\n")
        done = check_config(self.place, base.read_text(), "many.conf")
        self.assertEqual(done.returncode, 78)
        self.assertIn(f"{extra}/70-bad.conf:2: ", done.stderr)

    def test_start_refused(self):
        """a daemon with a bad configuration ends with 78 and makes no socket"""
        daemon = self.own("[Token x]\nModule=internal\nColour=red\n", wait=False, name="refused")
        status = daemon.process.wait(timeout=30)
        daemon.process = None
        self.assertEqual(status, 78)
        self.assertIn("refused.conf:", daemon.log_text())
        self.assertFalse(daemon.socket.exists())

    def test_config_limit(self):
        """LIMIT_CONFIG: a megabyte is read, more is refused"""
        line = b"#" + b"x" * 1022 + b"\n"
        self.assertEqual(check_config(self.place, (line * 1024).decode()).returncode, 0)
        self.assertEqual(check_config(self.place, (line * 1025).decode()).returncode, 78)

    def test_sections_limit(self):
        """LIMIT_SECTIONS: 64 tokens and 64 instances, not 65"""
        tokens = lambda n: "".join(f"[Token t{i}]\nModule=internal\nDirectory=/x/{i}\n" for i in range(n))
        instances = lambda n: "".join(f"[Instance i{i}]\nUser={i}\nKeys=*\n" for i in range(n))
        self.assertEqual(check_config(self.place, tokens(64) + instances(64)).returncode, 0)
        for text in (tokens(65), instances(65)):
            done = check_config(self.place, text)
            self.assertEqual(done.returncode, 78)
            self.assertIn("bad.conf:", done.stderr)

    def test_nul(self):
        """a NUL byte in the file is a fault, not an end"""
        done = check_config(self.place, "[Daemon]\nSocket=/a\0b\n")
        self.assertEqual(done.returncode, 78)
        self.assertIn("bad.conf:2: ", done.stderr)

    def test_long_lines(self):
        """no length is cut: a glob of 100 000 bytes is read whole, and one fault behind it is told with its line"""
        text = INSTANCE + "Keys=" + "x" * 100_000 + "\n"
        self.assertEqual(check_config(self.place, text).returncode, 0)
        self.assertIn("bad.conf:5: ", check_config(self.place, text + "Colour=red\n").stderr)

    def test_absent(self):
        """a file that is not there is told, with status 78"""
        done = subprocess.run([str(BUILD / "tokend"), "--check", "--config", f"{self.place.path}/none.conf"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 78)
        self.assertIn("none.conf", done.stderr)

    def checks(self, path, **options):
        """tokend --check that is under way."""
        process = subprocess.Popen([str(BUILD / "tokend"), "--check", "--config", str(path)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, **options)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_fifo(self):
        """a FIFO is a fault with its name and is not waited for, as the file and as a drop-in"""
        base, extra = self.place.write("fifo.conf", ""), self.place.path / "fifo.conf.d"
        extra.mkdir()
        for path in (base, extra / "50-fifo.conf"):
            path.unlink(missing_ok=True)
            os.mkfifo(path)
            process = self.checks(base)
            error = process.communicate(timeout=30)[1]
            self.assertEqual((process.returncode, error), (78, f"{path}:1: not a regular file\n"))
            path.unlink()
            base.write_text("")

    def test_pipe(self):
        """--check reads what a pipe brings, and a signal ends it while it waits for that"""
        for text, status, error in (("[Daemon]\n", 0, ""),
                                    ("[Daemon]\nA=1\n", 78, "/dev/stdin:2: unknown key A= in section [Daemon]\n")):
            process = self.checks("/dev/stdin", stdin=subprocess.PIPE)
            self.assertEqual(process.communicate(text, timeout=30), ("", error))
            self.assertEqual(process.returncode, status)
        process = self.checks("/dev/stdin", stdin=subprocess.PIPE)
        fds = f"/proc/{process.pid}/fd"
        pipe = os.readlink(f"{fds}/0")
        until(lambda: [os.readlink(f"{fds}/{fd}") for fd in os.listdir(fds)].count(pipe) == 2, "it reads")
        process.terminate()
        self.assertEqual(process.wait(timeout=30), -signal.SIGTERM)

    def test_pin_never_shown(self):
        """a PIN written where its file should be named is refused without being repeated"""
        done = check_config(self.place, TOKEN + f"Pin={PIN}\n")
        self.assertEqual(done.returncode, 78)
        self.assertNotIn(PIN, done.stderr + done.stdout)


class Start(Case):
    """Of daemons that are started in unusual ways, and of one whose configuration changes."""

    def test_standard_descriptors_closed(self):
        """tokend and its children have /dev/null for each of 0 to 2 that was closed, a module a pipe to write to; no socket and no memfd"""
        self.place.write("tokend", f'#!/bin/sh\nexec {BUILD.resolve()}/tokend "$@" <&- >&- 2>&-\n', 0o755)
        daemon = self.own(f"Audit=file:{self.place.path}/audit\n", build=self.place.path)
        family = [Process(daemon.pid)] + daemon.children()
        self.assertEqual(sorted(p.name for p in family), ["tokend", "tokend-audit", "tokend-broker", "tokend-worker"])
        for process in family:
            for fd in range(3):
                wanted = "^pipe:" if fd > 0 and process.name == "tokend-worker" else "^/dev/null$"
                self.assertRegex(os.readlink(f"/proc/{process.pid}/fd/{fd}"), wanted, (process.name, fd))

    def test_socket_changed(self):
        """each reload whose sockets are not the ones that are bound says so, and one that is right again does not"""
        daemon = self.own("")
        right, word = daemon.config.read_text(), "takes effect when tokend is started again"

        def reload(text):
            before = len(daemon.log_text())
            daemon.config.write_text(text)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_notify("READY=1")
            return [line for line in daemon.log_text()[before:].splitlines() if word in line]
        other = right.replace("Socket=/", "Socket=/else/")
        for _ in range(2):
            lines = reload(other)
            self.assertEqual(len(lines), 2, lines)
            for path, line in zip((daemon.socket, daemon.status_socket), lines):
                self.assertIn(f"Socket=/else{path} ", line)
                self.assertTrue(line.endswith(f" {path}"), line)
        self.assertEqual(reload(right), [])
        self.assertEqual(reload(right), [])

    def test_fifo_at_reload(self):
        """a reload that finds a FIFO keeps the old configuration, and what comes behind it is heard"""
        daemon = self.own("")
        daemon.config.unlink()
        os.mkfifo(daemon.config)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_notify("READY=1")
        self.assertIn(f"{daemon.config}:1: not a regular file", daemon.log_text())
        daemon.wait_state("internal", "ready")

    def test_slow_names_at_reload(self):
        """a user database that does not answer holds up the reload, and nothing else: workers are replaced, SIGTERM ends it"""
        hold = self.place.write("hold", "")
        hold.unlink()
        asked = self.place.path / "hold.asked"
        daemon = self.own("", instances="[Instance root]\nUser=root\nKeys=*\n", build=PLAIN,
                          environment={"LD_PRELOAD": str(PLAIN.resolve() / "tests/libslownames.so"), "SLOW_NAMES": str(hold)})

        def reload():
            asked.unlink(missing_ok=True)
            hold.touch()
            daemon.process.send_signal(signal.SIGHUP)
            until(asked.exists, "the name is asked for")
        reload()
        for process in daemon.broker(), daemon.worker():
            process.kill()
            until(process.gone, "it is gone")
        daemon.wait_state("internal", "ready")
        self.assertNotIn("reloaded", daemon.log_text())
        # A second one meanwhile: the files are read once more.
        daemon.process.send_signal(signal.SIGHUP)
        hold.unlink()
        until(lambda: daemon.log_text().count("reloaded") == 2, "both are done")
        reload()
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(timeout=30), 0)

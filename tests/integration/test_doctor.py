# SPDX-License-Identifier: MPL-2.0
"""tokendctl doctor: each fault is made, is found, and is mended by the remedy as it was printed."""
import json
import os
import pwd
import shlex
import subprocess

from harness import BUILD, DEADLINE, PIN, SOFTHSM, Case, SoftToken, run
from test_faults import Faults


def doctor(*arguments, build=BUILD, **environment):
    """The finished process, and its findings."""
    done = subprocess.run([str(build / "tokendctl"), "--json", "doctor", *map(str, arguments)], capture_output=True, timeout=DEADLINE * 2,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0", **environment))
    assert b"Sanitizer" not in done.stderr, done.stderr.decode(errors="replace")
    return done, json.loads(done.stdout)


def type_in(remedy, answer=PIN):
    """As an operator would, who is asked for a PIN."""
    before, ask, after = remedy.partition("systemd-ask-password -n ")
    if ask:
        after = after.split("' | ", 1)[1]
        remedy = f"{before}printf %s {shlex.quote(answer)} | {after}"
    run("sh", "-c", remedy)


class Doctor(Case):
    """One token, without a daemon."""

    def setUp(self):
        self.number = len(os.listdir(self.place.path))
        self.state = self.place.path / f"state{self.number}"
        self.state.mkdir(mode=0o700)
        self.token = SoftToken(self.place, f"t{self.number}")
        self.sockets = self.place.path / f"run{self.number}"
        self.sockets.mkdir()
        self.config = self.place.path / f"c{self.number}.conf"
        self.write(self.token.section("hsm"))

    def write(self, tokens, daemon=""):
        self.config.write_text(f"[Daemon]\nSocket={self.sockets}/keys\nStatusSocket={self.sockets}/status\n"
                               f"StateDirectory={self.state}\n{daemon}\n{tokens}")

    def doctor(self, *arguments, **environment):
        return doctor("--config", self.config, *arguments, **environment)

    def fine(self, *arguments):
        done, findings = self.doctor(*arguments)
        self.assertEqual([f for f in findings if f["result"] != "ok"], [])
        self.assertEqual(done.returncode, 0)
        return findings

    def finds(self, check, result, *words, arguments=(), token="hsm"):
        """The one finding of that check that is not ok."""
        done, findings = self.doctor(*arguments)
        found = [f for f in findings if f["check"] == check and f["result"] != "ok" and f["token"] == token]
        self.assertTrue(found, findings)
        self.assertEqual(found[0]["result"], result, found)
        for word in words:
            self.assertIn(word, found[0]["found"])
        self.assertTrue(found[0]["expected"], found)
        self.assertEqual(done.returncode, 1)
        return found[0]

    def test_fine(self):
        """where all is well each check says so, the status is 0, and no PIN was tried"""
        findings = self.fine()
        module = next(f for f in findings if f["check"] == "module")
        for word in (SOFTHSM, f't{self.number}', "serial", "a login needed"):
            self.assertIn(word, module["found"])
        self.assertEqual({f["check"] for f in findings}, {"unit", "callers", "daemon", "kernel", "directories", "pin", "needs", "module"})
        text = run(BUILD / "tokendctl", "doctor", "--config", self.config).decode()
        self.assertEqual(text, run(BUILD / "tokend", "--check", "--try", "--config", self.config).decode())
        self.assertIn("\nhsm\n  ok         pin: ", text)
        self.assertNotIn(PIN, text)

    def test_no_module(self):
        """a module that is not there, and what is none, are named with the lines that may be meant"""
        for path, word in (("/usr/lib/softhsm/libsofthsm.so", "No such file"), ("/etc/passwd", "invalid ELF header"),
                           ("/usr/lib", "not a regular file"), (self.not_pkcs11(), "not a PKCS #11 module")):
            with self.subTest(path=path):
                self.write(self.token.section("hsm").replace(SOFTHSM, str(path)))
                self.assertIn(f"Module={SOFTHSM}", self.finds("module", "error", word)["remedy"])
        self.write(self.token.section("hsm").replace("/usr/lib/softhsm/libsofthsm.so", SOFTHSM))
        self.fine()

    def not_pkcs11(self):
        return next(line.split()[2] for line in run("ldd", BUILD / "tokend").decode().splitlines() if "libc.so" in line)

    def test_no_match(self):
        """the tokens that there are are listed, and the line that is given matches"""
        self.write(self.token.section("hsm").replace("token=t", "token=x"))
        found = self.finds("module", "error", "0 tokens match pkcs11:token=x", f'"{self.token.label}" (slot ', "not initialized")
        line = found["remedy"].removeprefix("write into [Token hsm]: ")
        self.write(self.token.section("hsm").replace(f"Uri=pkcs11:token={self.token.label}", line))
        self.fine()

    def test_two_match(self):
        """of two tokens of one label each gets a line of its own"""
        run("softhsm2-util", "--init-token", "--free", "--label", self.token.label, "--pin", PIN, "--so-pin", "87654321",
            env=self.token.environment)
        found = self.finds("module", "error", "2 tokens match")
        lines = found["remedy"].removeprefix("write into [Token hsm]: ").split(", or ")
        self.assertEqual(len(lines), 2, found)
        for line in lines:
            self.write(self.token.section("hsm").replace(f"Uri=pkcs11:token={self.token.label}", line))
            self.fine()

    def test_no_token(self):
        """where there is no token, SoftHSM2's command makes it"""
        label = f"new{self.number}"
        self.write(self.token.section("hsm").replace(f"Uri=pkcs11:token={self.token.label}", f"Uri=pkcs11:token={label}"))
        for directory in self.token.store.iterdir():
            run("rm", "-r", directory)
        found = self.finds("module", "error", "0 tokens match")
        self.assertIn(f"softhsm2-util --init-token --free --label {label}", found["remedy"])
        type_in(found["remedy"] + f" --pin {PIN} --so-pin 87654321")
        self.fine()

    def test_pin_file(self):
        """a PIN file that is absent, that anybody can read, or that has more than the PIN"""
        self.token.pin_file.unlink()
        type_in(self.finds("pin", "error", "No such file or directory")["remedy"])
        self.assertEqual(self.token.pin_file.read_text(), PIN)
        self.assertEqual(self.token.pin_file.stat().st_mode & 0o7777, 0o640)
        self.fine("--login")
        self.token.pin_file.chmod(0o644)
        type_in(self.finds("pin", "warning", "0644", "every user")["remedy"])
        self.fine()
        for text, word in (("", "empty"), (PIN + " \n", "white space"), ("\ufeff" + PIN, "byte order mark"), ("internal=" + PIN, "NAME=PIN")):
            with self.subTest(word=word):
                self.token.pin_file.write_text(text)
                type_in(self.finds("pin", "error", word)["remedy"])
                self.fine("--login")

    def test_no_pin(self):
        """a token that wants a login, and a section without Pin="""
        self.write(self.token.section("hsm").replace("Pin=", "#Pin="))
        self.assertIn("Pin=file:", self.finds("module", "error", "no Pin=")["remedy"])

    def test_internal(self):
        """an internal token that is not made yet is fine, and one in the way of whose directory is a file is not"""
        self.write("[Token internal]\nModule=internal\n")
        self.fine()
        (self.state / "internal").write_text("")
        self.finds("internal", "error", "not a directory", token="internal")

    def test_lost(self):
        """an internal token that was made, and whose databases are gone, is told with the operator's word"""
        daemon = self.own("Audit=none\n[Token internal]\nModule=internal\n")
        daemon.stop()
        self.assertEqual([f for f in doctor("--config", daemon.config)[1] if f["result"] != "ok"], [])
        for path in (daemon.state / "internal/key4.db", daemon.state / "internal"):
            run("rm", "-r", path)
            found = [f for f in doctor("--config", daemon.config)[1] if f["result"] == "error"]
            self.assertEqual([f["check"] for f in found], ["internal"], found)
            self.assertIn("tokendctl make-anew internal --yes", found[0]["remedy"])

    def test_directories(self):
        """directories that are absent are made by the remedy"""
        self.write(self.token.section("hsm"), f"Audit=file:{self.state}/log/audit")
        type_in(self.finds("directories", "error", f"{self.state}/log is not there", token="")["remedy"])
        self.fine()

    def test_other_user(self):
        """as the user whose service it is: what it may not read or write is found one by one, and mended so"""
        if os.getuid() != 0:
            self.skipTest("only root can be another user")
        user = pwd.getpwnam("nobody").pw_name
        self.token.conf.chmod(0o600)
        checks = []
        for _ in range(8):
            done, findings = self.doctor("--as", user)
            bad = [f for f in findings if f["result"] == "error" and f["remedy"].startswith(("ch", "install"))]
            if not bad:
                break
            checks.append(bad[0]["check"])
            type_in(bad[0]["remedy"])
        self.assertEqual(set(checks), {"directories", "pin", "needs"})
        self.assertEqual(done.returncode, 0, findings)

    def test_numbers(self):
        """users and groups that are given by numbers which nobody has"""
        self.write(self.token.section("hsm") + "[Instance a]\nUser=4242424\nGroup=4242425\nKeys=*\n")
        found = [f["found"] for f in self.doctor()[1] if f["check"] == "callers"]
        self.assertEqual(len(found), 2, found)
        self.assertIn("the user 4242424", found[0])
        self.assertIn("the group 4242425", found[1])

    def test_unknown_token(self):
        """a token that is not in the files"""
        done, findings = self.doctor("nope")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no [Token nope]", findings[0]["found"])

    def test_faults_of_the_files(self):
        """files that do not read end it with 78, and each fault is a finding"""
        self.config.write_text("[Token a]\nModul=x\n")
        done, findings = self.doctor()
        self.assertEqual(done.returncode, 78)
        self.assertEqual({f["check"] for f in findings}, {"configuration"})
        self.assertIn(f"{self.config}:2: ", findings[0]["found"])

    def test_unreadable(self):
        """who may not read the files is told to run it as root, and a relative path is one"""
        if os.getuid() != 0:
            self.skipTest("only root can be another user")
        self.config.chmod(0o600)
        done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", str(BUILD / "tokendctl"), "doctor", "--config", str(self.config)],
                              capture_output=True, check=False, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        self.assertEqual((done.returncode, b"to mend: run it as root" in done.stdout), (78, True), done)
        run(BUILD / "tokendctl", "doctor", "--config", self.config.name, cwd=self.place.path)

    def test_options(self):
        """--try wants --check, and an option that doctor does not take is a usage error"""
        for command in (["tokend", "--try", "--config", self.config], ["tokendctl", "doctor", "--der"]):
            done = subprocess.run([str(BUILD / command[0]), *map(str, command[1:])], capture_output=True, check=False)
            self.assertIn(done.returncode, (1, 2))
            self.assertTrue(done.stderr)

    def test_refused_file(self):
        """what a module asks of the kernel in vain is told with its path, and no command gives it a file of root's"""
        source = self.place.write("m.c", '#include <fcntl.h>\nlong C_GetFunctionList(void *p) { open("/etc/shadow", 0); return 5; }\n')
        module = self.place.path / f"m{self.number}.so"
        run("cc", "-w", "-shared", "-fPIC", "-o", module, source)
        self.write(f"[Token hsm]\nModule={module}\n")
        if os.getuid() != 0:
            self.skipTest("only root can be another user")
        _, findings = self.doctor("--as", "nobody")
        refused = [f for f in findings if "/etc/shadow" in f["found"]]
        self.assertEqual([(f["result"], f["remedy"]) for f in refused], [("warning", "")], findings)
        self.assertIn("EACCES", refused[0]["found"])
        self.assertTrue(any("CKR_GENERAL_ERROR" in f["found"] for f in findings), findings)


HOSTILE = r"""
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
long C_GetFunctionList(void *p)
{
        const char *mode = getenv("MODE");

        if (strcmp(mode, "child") == 0 && fork() == 0) {
                setsid();
                if (fork() == 0)
                        execl("/bin/sh", getenv("NAME"), "-c", "while :; do sleep 1; done", (char *)0);
                _exit(0);
        }
        while (strcmp(mode, "tell") == 0)
                (void)!write(3, "at\tx\n", 5);
        while (strcmp(mode, "write") == 0)
                (void)!write(1, "x\n", 2);
        if (strcmp(mode, "stop") == 0)
                kill(getpid(), SIGSTOP);
        if (strcmp(mode, "parent") == 0)
                kill(getppid(), SIGSTOP);
        if (strcmp(mode, "close") == 0)
                for (int fd = 0; fd < 64; fd++)
                        close(fd);
        if (strcmp(mode, "forge") == 0)
                (void)!write(3, "error\tx\nok\thsm\tmodule\ta\tb\tc\ndone\n", 36);
        sleep(1);
        return 5;
}
"""


class Hostile(Case):
    def test_hostile(self):
        """whatever a module does, it is an error within its time, and nothing of it is left"""
        module, config = self.place.path / "hostile.so", self.place.path / "hostile.conf"
        run("cc", "-w", "-shared", "-fPIC", "-o", module, self.place.write("hostile.c", HOSTILE))
        name = f"left-by-{os.getpid()}"
        for mode in ("child", "tell", "write", "stop", "parent", "close", "forge"):
            with self.subTest(mode=mode):
                config.write_text(f"[Token hsm]\nModule={module}\nStartTimeout=3s\nEnvironment=MODE={mode} NAME={name}\n")
                done, findings = doctor("--config", config, "hsm")
                self.assertEqual(done.returncode, 1, findings)
                found = [f for f in findings if f["check"] == "module" and f["result"] != "warning"]
                self.assertEqual([f["result"] for f in found], ["error"], findings)
        left = [p for p in os.listdir("/proc") if p.isdigit() and command_of(p).startswith(name)]
        self.assertEqual(left, [])


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


class Module(Faults):
    """A module that does not behave, beside a daemon that runs."""

    def look(self, *arguments):
        return doctor("--config", self.daemon.config, "--status-socket", self.daemon.status_socket, *arguments)

    def bad(self, *arguments):
        return {(f["check"], f["result"]): f for f in self.look(*arguments)[1] if f["result"] != "ok" and f["check"] != "daemon"}

    def tries(self):
        return self.token.counts()["C_Login"]

    def test_hang_and_crash(self):
        """a module that hangs or crashes is a finding with the call, and nothing of it is left"""
        self.begin("StartTimeout=6s\n")
        self.token.set("C_Initialize hang")
        self.assertIn("C_Initialize did not come back within 6000 ms", self.bad()["module", "error"]["found"])
        self.token.set("C_GetSlotList crash")
        self.assertIn("it crashed in C_GetSlotList: Killed", self.bad()["module", "error"]["found"])
        self.token.set("C_Initialize ckr=0x30")
        self.assertIn("C_Initialize says CKR_DEVICE_ERROR", self.bad()["module", "error"]["found"])
        self.token.set("C_Initialize close=3")
        self.assertIn(("module", "error"), self.bad())
        self.token.set("C_Initialize say=200")
        self.assertEqual(self.bad(), {})

    def test_login_state(self):
        """how many tries are left is told, and none is made where there are few; else --login makes exactly one"""
        self.begin()
        before = self.tries()
        self.assertEqual(self.bad(), {})
        self.assertEqual(self.tries(), before)
        self.assertEqual(self.bad("--login"), {})
        self.assertEqual(self.tries(), before + 1)
        for flag, result, word in ((0x10000, "warning", "a wrong PIN was tried"), (0x20000, "error", "one more wrong PIN"),
                                   (0x40000, "error", "locked")):
            self.token.set(f"C_GetTokenInfo flags={flag:#x}")
            self.assertIn(word, self.bad()["module", result]["found"])
            _, findings = self.look("--login")
            self.assertTrue(any("not tried" in f["found"] and f["result"] == "error" for f in findings), findings)
        self.assertEqual(self.tries(), before + 1)
        self.token.set()
        self.token.pin_file.write_text("wrong")
        self.assertIn("CKR_PIN_INCORRECT", self.bad("--login")["module", "error"]["found"])
        self.assertEqual(self.tries(), before + 2)

    def test_text(self):
        """what a module says of itself reaches no terminal, and makes no line of its own"""
        self.begin()
        text = self.place.write("hostile.text", "a\tb\nslot\t1\t\033[2J")
        section = self.daemon.config.read_text()
        self.daemon.config.write_text(section.replace("Environment=", f"Environment=TESTMODULE_TEXT={text} "))
        self.token.set("C_GetInfo text", "C_GetTokenInfo text")
        done, findings = self.look()
        self.assertTrue(done.stdout.isascii() and b"\\u001b" not in done.stdout, done.stdout)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(all(f["check"] != "slot" for f in findings))


class Running(Faults):
    """What the daemon says."""

    def findings(self):
        return doctor("--config", self.daemon.config, "--status-socket", self.daemon.status_socket)[1]

    def bad(self):
        return [f for f in self.findings() if f["check"] == "daemon" and f["result"] != "ok" and "journald" not in f["found"]]

    def test_daemon(self):
        """a token that is not ready, files that are not in force, a certificate that ends soon"""
        self.begin(instances="[Instance all]\nUser=0\nKeys=*\nAllow=list sign verify generate request import\n")
        self.assertEqual(self.bad(), [])
        self.daemon.call("io.tokend.Certificates.SelfSign", key="hsm:k", subject="CN=k", validityDays=5)
        self.assertRegex(" ".join(f["found"] for f in self.bad()), r'the certificate "k" of [a-z0-9]+ ends in [45] days')
        text = self.daemon.config.read_text()
        self.daemon.config.write_text(text + "[Token more]\nModule=internal\n")
        self.assertIn("the daemon has no such token", " ".join(f["found"] for f in self.bad()))
        self.daemon.config.write_text(text)
        self.token.set("* ckr=0x30")
        self.daemon.worker().kill()
        self.daemon.wait_state("hsm", "recovering")
        self.assertIn("the daemon's token is recovering: ", " ".join(f["found"] for f in self.bad()))
        self.token.set()
        self.daemon.wait_state("hsm", "ready")
        self.daemon.stop()
        self.assertEqual(self.bad(), [])
        self.assertIn("no daemon answers", " ".join(f["found"] for f in self.findings()))

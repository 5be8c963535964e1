# SPDX-License-Identifier: MPL-2.0
"""tokendctl as programs use it: what it writes and where to, and what its exit status says."""
import json
import os
import pathlib
import pty
import shlex
import signal
import socket
import subprocess
import tempfile

from harness import BUILD, DEADLINE, SOFTHSM, OneToken, openssl_verify, run
from varlink import unb64

C = "io.tokend.Certificates."
SIGN = ("--algorithm", "ecdsa_sha256", "--in", "/etc/passwd")


class Ctl(OneToken):
    """With a key k."""

    @classmethod
    def configure(cls):
        super().configure()
        cls.daemon.call("Generate", token="hsm", nickname="k", type="ec")

    def ends(self, status, *arguments, says=(), stdin=None):
        """tokendctl ends with this status, and each of these is in what it says; one line of its own where it complains."""
        done = self.daemon.ctl(*arguments, check=False, stdin=stdin)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, status, text)
        for word in [says] if isinstance(says, str) else says:
            self.assertIn(word, text)
        if status == 2:
            self.assertRegex(text, r"\Atokendctl: .*\n\Z")
        return done

    def raw(self, *arguments, closed=(), **options):
        """tokendctl with some descriptors closed, or put where options say."""
        def close():
            for fd in closed:
                os.close(fd)
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run([str(BUILD / "tokendctl"), "--socket", str(self.daemon.socket), *arguments], preexec_fn=close,
                              timeout=DEADLINE, **options)


class Generate(Ctl):
    def test_away(self):
        """a token that is away has its reason said, however short the time; it is not the daemon that cannot be asked"""
        daemon = self.own(f"{self.token.section()}[Token gone]\nModule={SOFTHSM}\nUri=pkcs11:token=gone\n"
                          f"Pin=file:{self.token.pin_file}\nEnvironment=SOFTHSM2_CONF={self.token.conf}\nStartTimeout=1s\n")
        reason = daemon.wait_state("gone", "recovering")["reason"]
        done = daemon.ctl("--timeout", "1s", "generate", "gone:x", "--type", "ec", check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("tokendctl: io.tokend.Keys.TokenUnavailable: ", done.stderr.decode())
        self.assertIn(reason, done.stderr.decode())

    def test_counts(self):
        """a key that is made is one request and no error"""
        before = self.daemon.status()
        self.daemon.ctl("generate", "hsm:counted", "--type", "ec")
        after = self.daemon.status()
        for key in ("instances", "tokens"):
            self.assertEqual(after[key][0]["errors"], before[key][0]["errors"], key)
        self.assertEqual(self.daemon.token("hsm")["requests"], before["tokens"][0]["requests"] + 1)


class Usage(Ctl):
    """What is wrong with a command line is said in one line, with exit status 2, and nothing is asked."""

    def test_uri(self):
        """a URI cannot name what is to be made"""
        for arguments in (("generate", "pkcs11:token=hsm;object=new", "--type", "ec"),
                          ("import", "pkcs11:token=hsm;object=new", "/dev/null")):
            self.ends(2, *arguments, says=("pkcs11:token=hsm;object=new", "TOKEN:NICKNAME"))

    def test_values(self):
        """a wrong value is refused by the option's name, with what was expected"""
        for arguments, says in (
                (("generate", "hsm:x", "--type", "dsa"), "--type: expected one of rsa, ec, ed25519, aes, des2, des3, generic, not 'dsa'"),
                (("generate", "hsm:x", "--type", "r"), "--type: expected one of rsa"),
                (("generate", "hsm:x", "--type", "ec", "--curve", "P-192"), "--curve: expected one of secp256r1, secp384r1, secp521r1"),
                (("generate", "hsm:x", "--type", "rsa", "--size", 1024), "--size: expected a number of bits from 2048 to 8192"),
                (("generate", "hsm:x", "--type", "rsa", "--size", 3001), "a multiple of 8"),
                (("generate", "hsm:x", "--type", "ec", "--size", 2048), "--size: only a key of --type rsa"),
                (("generate", "hsm:x", "--type", "rsa", "--curve", "secp256r1"), "--curve: only a key of --type ec"),
                (("sign", "hsm:k", "--algorithm", "sha1"), "--algorithm: unknown algorithm 'sha1'; `tokendctl help algorithms` lists them"),
                (("request", "hsm:k", "--subject", "CN=n", "--algorithm", "md5"), "--algorithm: unknown algorithm 'md5'; "),
                (("sign", "hsm:k", "--algorithm", "ecdsa_sha384", "--digest", "ab" * 32), "--digest: expected 96 hexadecimal digits"),
                (("sign", "hsm:k", "--algorithm", "ed25519", "--digest", "ab" * 32), "ed25519 signs a message"),
                (("remove-claim", "hsm", "x", "--claimant", "zz"), "--claimant: expected hexadecimal digits"),
                (("sign", "hsm:k", *SIGN, "--out", ""), "--out is empty"),
                (("check", "hsm", "--subsystem", "ca", "--instance", ""), "--instance is empty"),
                (("list", "--size"), "tokendctl: option '--size' requires an argument"),
                (("list", "--nothing"), "tokendctl: unrecognized option '--nothing', or it takes no argument"),
                (("list", "--json=x"), "tokendctl: unrecognized option '--json=x', or it takes no argument"),
                (("list", "-xy"), "tokendctl: unrecognized option '-x'")):
            with self.subTest(arguments=arguments):
                self.ends(2, *arguments, says=says)

    def test_standard_input_twice(self):
        """verify does not read signature and message both from standard input"""
        for message in ((), ("--in", "-")):
            self.ends(2, "verify", "hsm:k", "--algorithm", "ecdsa_sha256", "--signature", "-", *message, says="--signature and --in")

    def test_several_certificates(self):
        """a file of several certificates is refused, and none of them is put on the token"""
        for name in ("one", "two"):
            run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null",
                "-subj", f"/CN={name}", "-days", "1", "-out", self.place.path / f"{name}.pem")
        both = self.place.write("both.pem", "".join((self.place.path / f"{name}.pem").read_text() for name in ("one", "two")))
        self.ends(2, "import", "hsm:alone", both, says=(str(both), "several certificates"))
        self.daemon.ctl("import", "hsm:alone", self.place.path / "one.pem")

    def test_long_message(self):
        """an ed25519 message of 95 KiB is signed, one of 96 KiB refused by its file's name"""
        self.call("Generate", token="hsm", nickname="ed", type="ed25519")
        fits, not_quite = (self.place.write(f"{n}KiB", bytes(n * 1024)) for n in (95, 96))
        sign = ("sign", "hsm:ed", "--algorithm", "ed25519")
        self.assertEqual(len(self.daemon.ctl(*sign, "--in", fits, text=False)), 64)
        self.ends(2, *sign, "--in", not_quite, says=f"{not_quite}: too long for one request")
        self.ends(2, *sign, stdin=bytes(96 * 1024), says="standard input: too long for one request")


class Output(Ctl):
    """--out, and standard output."""

    def good(self, signature):
        spki = unb64(self.call("Get", key="hsm:k")["key"]["publicKey"])
        with open("/etc/passwd", "rb") as file:
            self.assertTrue(openssl_verify(self.place, spki, "ecdsa_sha256", file.read(), signature))

    def test_cannot_be_made(self):
        """a file that cannot be made is exit status 2, and nothing was asked"""
        for verb in (("self-sign", "hsm:k", "--subject", "CN=n", "--days", 1), ("request", "hsm:k", "--subject", "CN=n"),
                     ("sign", "hsm:k", *SIGN)):
            before = self.daemon.token("hsm")["requests"]
            self.ends(2, *verb, "--out", self.place.path / "nowhere/x", says="nowhere/x: No such file")
            self.assertEqual(self.daemon.token("hsm")["requests"], before, verb)
        self.assertEqual(self.call(C + "List", token="hsm")["certificates"], [])

    def test_refused(self):
        """where the daemon says no a file keeps what was in it, and none is made"""
        old, new = self.place.write("old", "what was there"), self.place.path / "new"
        for path in (old, new):
            self.ends(1, "sign", "hsm:missing", *SIGN, "--out", path, says="KeyNotFound")
        self.assertEqual(old.read_text(), "what was there")
        self.assertFalse(new.exists())

    def test_is_written(self):
        """a new file, one that was longer, a link to none, a FIFO, /dev/stdout and - get the signature and nothing else"""
        link, fifo = self.place.path / "link", self.place.path / "fifo"
        link.symlink_to("behind-the-link")
        for path in (self.place.path / "made", self.place.write("long", "x" * 4096), link):
            self.daemon.ctl("sign", "hsm:k", *SIGN, "--out", path)
            self.good(path.read_bytes())
        for path in ("-", "/dev/stdout"):
            self.good(self.daemon.ctl("sign", "hsm:k", *SIGN, "--out", path, text=False))
        os.mkfifo(fifo)
        with subprocess.Popen(["cat", str(fifo)], stdout=subprocess.PIPE) as reader:
            self.daemon.ctl("sign", "hsm:k", *SIGN, "--out", fifo)
            self.good(reader.communicate(timeout=DEADLINE)[0])

    def test_full(self):
        """an output that cannot be written is exit status 3"""
        self.ends(3, "sign", "hsm:k", *SIGN, "--out", "/dev/full", says="/dev/full: No space left")
        with open("/dev/full", "wb") as full:
            for arguments in (["list"], ["random", "8"], ["--version"], ["--help"]):
                done = self.raw(*arguments, stdout=full)
                self.assertEqual(done.returncode, 3, arguments)
                self.assertIn(b"tokendctl: standard output: No space left", done.stderr)

    def test_closed(self):
        """a closed output is exit status 3, a closed input 2; neither becomes the daemon's socket"""
        for arguments in (["random", "8"], ["random", "8", "--base64"], ["list"], ["--json", "list"], ["pubkey", "hsm:k"],
                          ["--version"]):
            done = self.raw(*arguments, closed=[1])
            self.assertEqual((done.returncode, done.stderr),
                             (3, b"tokendctl: standard output: Bad file descriptor\n"), arguments)
        done = self.raw("sign", "hsm:k", "--algorithm", "ecdsa_sha256", closed=[0])
        self.assertEqual((done.returncode, done.stderr), (2, b"tokendctl: standard input: Bad file descriptor\n"))
        self.assertEqual(self.raw("list", closed=[0, 1, 2]).returncode, 3)
        self.assertEqual(self.raw("list", "nowhere", closed=[2]).returncode, 1)


class Unit(Ctl):
    """The service behind the status socket, as systemd tells of it: a program `systemctl` that the test wrote says it."""

    def systemd(self, state, sub_state, status=0, journal=""):
        """An environment in which systemd holds the status socket, and the service is in this state."""
        place = pathlib.Path(tempfile.mkdtemp(dir=self.place.path))
        for name, text in (("systemctl", f"Id=tokend.service\nActiveState={state}\nSubState={sub_state}\nExecMainStatus={status}\n\n"
                                         f"Id=tokend-status.socket\nActiveState=active\nSubState=running\nListen={self.daemon.status_socket} (Stream)\n"),
                           ("journalctl", journal)):
            program = place / name
            program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
            program.chmod(0o755)
        return {**os.environ, "PATH": f"{place}:{os.environ['PATH']}"}

    def status(self, env, *arguments):
        return subprocess.run([str(BUILD / "tokendctl"), "--status-socket", str(self.daemon.status_socket), *arguments],
                              capture_output=True, text=True, timeout=DEADLINE, env=env)

    def test_stopped(self):
        """a service that does not run is not asked, and so not started; its state is said, with what the files lack, and what to do"""
        fault = "/etc/tokend/tokend.conf:7: unknown key Modul= in section [Token]"
        for verb in ("status", "metrics", "probe"):
            done = self.status(self.systemd("activating", "auto-restart", 78, f"tokend starts\n{fault}\nMain process exited"), verb)
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertIn(f"CannotConnect: tokend.service: activating, auto-restart, status 78: {fault}\n", done.stderr)
            self.assertIn("next: Mend this line", done.stderr)
        done = self.status(self.systemd("inactive", "dead"), "status")
        self.assertEqual((done.returncode, done.stderr), (3, "tokendctl: CannotConnect: tokend.service: inactive, dead\n"
                                                             "tokendctl: next: `systemctl start tokend` starts it.\n"))
        done = self.status(self.systemd("failed", "failed", 1), "--json", "status")
        self.assertEqual((done.returncode, json.loads(done.stdout)["message"]), (3, "tokend.service: failed, failed, status 1"))

    def test_running(self):
        """a service that runs is asked; also where systemd knows nothing of the socket, is not there, or does not answer"""
        self.assertEqual(self.status(self.systemd("active", "running"), "status").returncode, 0)
        self.assertEqual(self.status(self.systemd("activating", "start"), "status").returncode, 0)
        env = self.systemd("inactive", "dead")
        done = subprocess.run([str(BUILD / "tokendctl"), "--status-socket", "/nonexistent", "status"], capture_output=True, text=True,
                              timeout=DEADLINE, env=env)
        self.assertIn("No such file", done.stderr)
        self.assertEqual(self.status({**os.environ, "PATH": "/nonexistent"}, "status").returncode, 0)
        place = pathlib.Path(tempfile.mkdtemp(dir=self.place.path))
        (place / "systemctl").write_text("#!/bin/sh\nexec sleep 60\n")
        (place / "systemctl").chmod(0o755)
        self.assertEqual(self.status({**os.environ, "PATH": f"{place}:{os.environ['PATH']}"}, "status").returncode, 0)

    def test_silent(self):
        """a daemon that does not answer is given up after five seconds"""
        with socket.socket(socket.AF_UNIX) as listener:
            path = pathlib.Path(tempfile.mkdtemp(dir=self.place.path)) / "silent"
            listener.bind(str(path))
            listener.listen()
            done = subprocess.run([str(BUILD / "tokendctl"), "--status-socket", str(path), "status"], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 3)
        self.assertIn("TimedOut", done.stderr)


class Names(Ctl):
    """The usual other names, and what the key says."""

    @classmethod
    def configure(cls):
        super().configure()
        cls.daemon.call("Generate", token="hsm", nickname="r", type="rsa", size=2048)
        cls.daemon.call("Generate", token="hsm", nickname="e", type="ed25519")

    def test_types_and_curves(self):
        """--type and --curve by their other names"""
        for number, (kind, curve, name) in enumerate((("EC", "P-256", "secp256r1"), ("ec", "prime256v1", "secp256r1"), ("ECC", "nistp384", "secp384r1"),
                                                      ("ecdsa", "P521", "secp521r1"), ("Ec", "SECP256R1", "secp256r1"))):
            key = json.loads(self.daemon.ctl("--json", "generate", f"hsm:n{number}", "--type", kind, "--curve", curve))["key"]
            self.assertEqual((key["type"], key["curve"]), ("ec", name))
        self.assertEqual(json.loads(self.daemon.ctl("--json", "generate", "hsm:eddsa", "--type", "Ed25519"))["key"]["type"], "ed25519")

    def test_algorithms(self):
        """--algorithm by its other names, by its hash alone, or left out: the signature is the one of the algorithm's own name"""
        signs = lambda key, *more: self.daemon.ctl("sign", key, *more, "--in", "/etc/passwd", "--base64")
        plain = signs("hsm:r", "--algorithm", "rsa_pkcs1_sha256")
        for name in ("RS256", "sha256", "SHA-256", "SHA256withRSA", "sha256WithRSAEncryption", "RSA-SHA256", "rsa-pkcs1-sha256"):
            self.assertEqual(signs("hsm:r", "--algorithm", name), plain, name)
        self.assertEqual(signs("hsm:r"), plain)
        self.assertEqual(signs("hsm:e"), signs("hsm:e", "--algorithm", "EdDSA"))
        for name in (("--algorithm", "ES256"), ("--algorithm", "ecdsa-with-SHA256"), ("--algorithm", "SHA256"), ()):
            place = pathlib.Path(tempfile.mkdtemp(dir=self.place.path)) / "signature"
            self.daemon.ctl("sign", "hsm:k", *name, "--in", "/etc/passwd", "--out", str(place))
            self.daemon.ctl("verify", "hsm:k", "--algorithm", "ecdsa_sha256", "--in", "/etc/passwd", "--signature", str(place))
            self.daemon.ctl("verify", "hsm:k", "--in", "/etc/passwd", "--signature", str(place))
        self.daemon.ctl("request", "hsm:k", "--subject", "CN=x", "--algorithm", "SHA256withEC")
        self.ends(2, "sign", "hsm:e", "--algorithm", "sha256", "--in", "/etc/passwd", says="expected an algorithm for keys of type ed25519")
        self.ends(1, "sign", "hsm:nothing", "--in", "/etc/passwd", says="KeyNotFound")


class People(Ctl):
    """What is for people."""

    def on_terminal(self, *arguments):
        """tokendctl with a terminal for its standard output; its exit status, what the terminal got, and what stands on standard error."""
        ours, theirs = pty.openpty()
        try:
            done = self.raw(*arguments, stdout=theirs)
            os.set_blocking(ours, False)
            try:
                shown = os.read(ours, 65536)
            except BlockingIOError:
                shown = b""
        finally:
            os.close(ours)
            os.close(theirs)
        return done.returncode, shown, done.stderr

    def test_binary(self):
        """no bytes are written to a terminal, and nothing is done for them; with --base64, --json or --out they are"""
        before = self.daemon.token("hsm")["requests"]
        for arguments in (("random", "16"), ("sign", "hsm:k", *SIGN), ("pubkey", "hsm:k", "--der"), ("request", "hsm:k", "--subject", "CN=x", "--der")):
            status, shown, error = self.on_terminal(*arguments)
            self.assertEqual((status, shown), (2, b""))
            self.assertIn(b"standard output is a terminal", error)
        self.assertEqual(self.daemon.token("hsm")["requests"], before)
        for arguments in (("random", "16", "--base64"), ("--json", "random", "16"), ("pubkey", "hsm:k"), ("sign", "hsm:k", *SIGN, "--base64")):
            status, shown, _ = self.on_terminal(*arguments)
            self.assertEqual((status, shown != b""), (0, True), arguments)

    def test_long(self):
        """a long generate says on a terminal that it lives; Ctrl-C says what it leaves, and ends the program as the signal does"""
        self.interrupted(b"the token is at work, 2 s by now", b"interrupted. The token was asked already, and may still do it",
                         "generate", "hsm:x", "--type", "ec")

    def test_long_reads(self):
        """likewise whatever else takes long: nothing is changed by it"""
        for arguments in (("sign", "hsm:x", *SIGN, "--base64"), ("list",), ("random", "4", "--base64"), ("decrypt", "hsm:x", "--in", "/dev/null", "--base64")):
            with self.subTest(arguments):
                self.interrupted(b"waiting for tokend, 2 s by now", b"interrupted. Nothing on the token is changed by it", *arguments)

    def interrupted(self, alive, leaves, *arguments):
        with socket.socket(socket.AF_UNIX) as listener:
            path = pathlib.Path(tempfile.mkdtemp(dir=self.place.path)) / "slow"
            listener.bind(str(path))
            listener.listen()
            listener.settimeout(DEADLINE)
            ours, theirs = pty.openpty()
            program = subprocess.Popen([str(BUILD / "tokendctl"), "--socket", str(path), *arguments],
                                       stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
            os.close(theirs)
            sock, _ = listener.accept()
            with sock:
                shown = b""
                while alive not in shown:
                    shown += os.read(ours, 4096)
                program.send_signal(signal.SIGINT)
                self.assertEqual(program.wait(DEADLINE), -signal.SIGINT)
                while leaves not in shown:
                    shown += os.read(ours, 4096)
            os.close(ours)

    def test_columns(self):
        """the status fits 80 columns, and says of a token that does not work what to do"""
        daemon = self.own(f"{self.token.section()}[Token gone]\nModule={SOFTHSM}\nUri=pkcs11:token=gone\n"
                          f"Environment=SOFTHSM2_CONF={self.token.conf}\nStartTimeout=1s\n")
        daemon.wait_state("gone", "recovering")
        tables = daemon.ctl("status").split("\n\n")
        self.assertIn("    next: Connect the device or start its service", tables[0])
        self.assertLessEqual(max(len(line) for table in tables[1:] for line in table.splitlines()), 80)

    def test_wide(self):
        """a table that is wider than the terminal has its cells below each other, and is a table where nobody looks"""
        status, shown, _ = self.on_terminal("tokens")
        lines = shown.decode().splitlines()
        self.assertEqual((status, lines[:3]), (0, ["TOKEN   hsm", "STATE   ready", "LABEL   hsm"]))
        self.assertTrue(lines[5].startswith("RIGHTS  "), lines)
        self.assertRegex(self.daemon.ctl("tokens"), "^TOKEN +STATE +LABEL +MODEL +SERIAL +RIGHTS +REASON\n")

    def test_usage_as_json(self):
        """with --json a wrong command line is an object on standard output, too"""
        for arguments in (("sing",), ("sign",), ("generate", "hsm:x"), ("list", "--days", "2"), ("sign", "hsm:k", "--in", "/nonexistent")):
            done = self.ends(2, "--json", *arguments)
            self.assertEqual(json.loads(done.stdout)["error"], "Usage", arguments)
        self.assertEqual(self.ends(2, "sing").stdout, b"")

    def test_local_failure_as_json(self):
        """likewise what the program itself cannot do"""
        done = self.ends(3, "--json", "sign", "hsm:k", *SIGN, "--out", "/dev/full")
        self.assertEqual(json.loads(done.stdout)["error"], "LocalFailure")
        self.assertIn(b"/dev/full: No space left on device", done.stderr)

    def test_forgotten_sign(self):
        """who gives the file of a sealed key as the name of a key is told how it is given"""
        file = self.place.write("forgotten.sealed", "sealed:AAAA")
        done = self.ends(1, "encrypt", str(file), "--algorithm", "aes_ecb", "--in", "/dev/null")
        self.assertIn(f"{file} is a file here: to use the sealed key in it, write @{file}".encode(), done.stderr)

    def test_meant(self):
        """a verb or a word of help that is almost right has the right one named; what is far from all has none"""
        for wrong, right in (("sing", "sign"), ("stauts", "status"), ("genrate", "generate"), ("self_sign", "self-sign"), ("certificates", None),
                             ("frobnicate", None), ("x", None)):
            for arguments in ((wrong,), ("help", wrong)):
                done = self.ends(2, *arguments, says=f"unknown verb '{wrong}'")
                self.assertEqual(b"did you mean" in done.stderr, right is not None, wrong)
                self.assertIn(f"did you mean {right}?" if right else "lists the verbs", done.stderr.decode())

    def test_help(self):
        """help of each verb has its options and examples of it, which the verb would take; lines fit a terminal of 80 columns"""
        overview = self.daemon.ctl("help")
        verbs = [line.split()[0] for line in overview.split("\n\n")[2].splitlines()]
        self.assertGreater(len(verbs), 25)
        for verb in verbs:
            text = self.daemon.ctl("help", verb)
            self.assertEqual(self.daemon.ctl(verb, "--help"), text)
            usage, examples = text.split("\nExamples:\n")
            for example in examples.splitlines():
                words = shlex.split(example.strip())
                words = [word for word in words if not word.startswith("$")]
                self.assertEqual(words[0], "tokendctl")
                self.assertIn(verb, words[1:3], example)
                for option in (word for word in words if word.startswith("--") and word != "--json"):
                    self.assertIn(option, usage, example)
            self.assertLessEqual(max(map(len, usage.splitlines())), 80)
        for topic in ("errors", "algorithms"):
            self.assertLessEqual(max(map(len, self.daemon.ctl("help", topic).splitlines())), 80)
        self.assertLessEqual(max(map(len, overview.splitlines())), 80)
        for word in ("rsa_pss_sha512", "aes_gcm", "P-256", "des3"):
            self.assertIn(word, self.daemon.ctl("help", "algorithms"))

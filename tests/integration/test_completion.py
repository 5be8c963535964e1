# SPDX-License-Identifier: MPL-2.0
"""Completion of tokendctl in real shells: each is started on a terminal, gets what a person types, and says what came of it."""
import os
import pathlib
import pty
import select
import shutil
import subprocess
import time
import unittest

from harness import BUILD, DEADLINE, OneToken

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "client" / "tokendctl" / "completion"
DONE = b"<done>"


class Shell:
    """A shell on a terminal."""

    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)

    def until(self, mark):
        """What it shows, up to the mark."""
        shown, end = b"", time.monotonic() + DEADLINE
        while mark not in shown:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"no {mark} but {shown!r}")
            shown += os.read(self.fd, 65536)
        return shown

    def type(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


class Completion(OneToken):
    @classmethod
    def configure(cls):
        super().configure()
        cls.daemon.call("Generate", token="hsm", nickname="CA Signing", type="ec")
        cls.daemon.call("Generate", token="hsm", nickname="web", type="ec")
        cls.daemon.call("io.tokend.Secrets.Generate", token="hsm", nickname="master", template={"type": "aes", "length": 32, "usage": ["wrap"]})

    def env(self):
        return {"PATH": f"{BUILD}:{os.environ['PATH']}", "TOKEND_SOCKET": str(self.daemon.socket), "TERM": "dumb", "HOME": str(self.place.path),
                "ASAN_OPTIONS": "detect_leaks=0", "PS1": "$ ", "ZDOTDIR": str(self.place.path), "LANG": "C.UTF-8"}

    def offers(self, *words):
        done = subprocess.run([str(BUILD / "tokendctl"), "complete", "--", *words], capture_output=True, text=True, env=self.env(), timeout=DEADLINE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def test_offers(self):
        """what tokendctl offers: verbs, options of the verb, values, tokens, keys; nothing where it knows nothing, and files may stand"""
        self.assertEqual(self.offers("si"), ["sign"])
        self.assertIn("help", self.offers(""))
        self.assertEqual(self.offers("sign", "hsm:web", "--alg"), ["--algorithm"])
        self.assertNotIn("--days", self.offers("sign", "--"))
        self.assertEqual(self.offers("generate", "hsm:x", "--type", "e"), ["ec", "ed25519"])
        self.assertEqual(self.offers("list", ""), ["hsm"])
        self.assertEqual(self.offers("generate", ""), ["hsm:"])
        self.assertEqual(sorted(self.offers("sign", "")), ["hsm:CA Signing", "hsm:master", "hsm:web"])
        self.assertEqual(self.offers("sign", "hsm:w"), ["hsm:web"])
        self.assertEqual(self.offers("--timeout", "1s", "pubkey", "we"), ["web"])
        self.assertEqual(self.offers("may", "si"), ["sign", "sign-raw"])
        self.assertEqual(self.offers("may", "sign", "hsm:w"), ["hsm:web"])
        self.assertEqual(self.offers("help", "er"), ["errors"])
        for words in (("sign", "hsm:web", "--in", ""), ("frobnicate", ""), ("import", "hsm:web", ""), ("sign", "hsm:web", "x"), ()):
            self.assertEqual([word for word in self.offers(*words) if words], [], words)

    def test_without_daemon(self):
        """where no daemon listens, nothing is offered, and nothing is said"""
        done = subprocess.run([str(BUILD / "tokendctl"), "complete", "--", "sign", ""], capture_output=True, text=True, timeout=DEADLINE,
                              env={**self.env(), "TOKEND_SOCKET": "/nonexistent"})
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def typed(self, argv, prepare, *lines):
        """The words that the shell would run, after each line with a key of tabulation at its end."""
        shell = Shell(argv, self.env())
        try:
            # Whatever it writes before it reads is over when it has said this.
            shell.type(f"{prepare}; printf '<%s>' ready\n")
            shell.until(b"<ready>")
            for line in lines:
                shell.type(line + "\t")
                # To the beginning of the line: the words are printed and not run.
                shell.type("\x01printf '[%s]' \x05; printf '<%s>\\n' done\n")
                shown = shell.until(DONE)
                words = shown[shown.rfind(b"[tokendctl]"):].split(DONE)[0]
                yield [word.decode() for word in words.strip(b"[]<>\r\n").split(b"][")]
        finally:
            shell.close()

    LINES = (("tokendctl si", ["tokendctl", "sign"]), ("tokendctl pubkey hsm:CA", ["tokendctl", "pubkey", "hsm:CA Signing"]),
             ("tokendctl sign hsm:we", ["tokendctl", "sign", "hsm:web"]), ("tokendctl list h", ["tokendctl", "list", "hsm"]),
             ("tokendctl sign hsm:web --base", ["tokendctl", "sign", "hsm:web", "--base64"]))

    def check(self, argv, prepare):
        for (line, words), got in zip(self.LINES, self.typed(argv, prepare, *(line for line, _ in self.LINES))):
            self.assertEqual(got, words, line)

    def test_bash(self):
        """bash completes verbs, tokens, keys (with a blank in their names) and options"""
        self.check(["bash", "--norc", "--noprofile", "-i"], f"source {SCRIPTS}/tokendctl")

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh(self):
        """likewise zsh"""
        self.check(["zsh", "-f", "-i"], f"fpath=({SCRIPTS} $fpath); autoload -U compinit; compinit -u -D; bindkey -e")

    @unittest.skipUnless(shutil.which("fish"), "fish is not installed")
    def test_fish(self):
        """likewise fish, which says itself what it would complete"""
        for line, words in self.LINES:
            done = subprocess.run(["fish", "--no-config", "-c", f"source {SCRIPTS}/tokendctl.fish; complete -C '{line}'"], capture_output=True,
                                  text=True, env=self.env(), timeout=DEADLINE, stdin=subprocess.DEVNULL)
            self.assertIn(words[-1], [offer.split("\t")[0].replace("\\", "") for offer in done.stdout.splitlines()], done)

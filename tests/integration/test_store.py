# SPDX-License-Identifier: MPL-2.0
"""The databases of an internal token that are not there, or are not to be used: it fails and says why, comes back by itself, and
is made anew only when an operator says so."""
import json
import os
import shutil
import signal
import unittest

import varlink
from harness import Case, Daemon, Place, until

STATUS = "io.tokend.Status."
INVALID = "InvalidParameter"


class Store(Case):
    def begin(self, tokens=("soft",), wait=True, **options):
        self.daemon = self.own("".join(f"[Token {t}]\nModule=internal\nRefresh=300ms\n" for t in tokens), wait=wait, **options)
        self.directory = self.daemon.state / tokens[0]
        self.marks = self.daemon.state.with_name(self.daemon.state.name + ".made")
        return self.daemon

    def key(self, token="soft", name="a"):
        self.daemon.call("Generate", token=token, nickname=name, type="ec")

    def keys(self):
        return [k["nickname"] for k in self.daemon.call("List")["keys"]]

    def stop(self):
        self.daemon.stop()

    def away(self):
        return self.place.path / f"{self.daemon.name}-away"

    def failed(self, *words, token="soft"):
        """The token has failed, with these words in its reason; nothing was made. The reason."""
        found = until(lambda: next((t for t in self.daemon.status()["tokens"] if t["name"] == token and t["state"] == "failed"
                                    and all(w in t["reason"] for w in words)), None),
                      f"{token} has failed ({words}): {self.daemon.token(token)['reason']}\n{self.daemon.log_text()}")
        return found["reason"]

    def test_gone_before_a_start(self):
        """the databases are not there at a start: failed, nothing is made; they come back: so does the token"""
        self.begin()
        self.key()
        self.stop()
        self.directory.rename(self.away())
        self.daemon.start()
        self.failed("not in", str(self.directory), "not mounted")
        self.assertFalse(self.directory.exists())
        log = self.daemon.log_text()
        self.assertIn("token soft is failed: its databases", log)
        self.assertNotIn("login", self.fails("TokenUnavailable", self.daemon.call, "Sign", key="soft:a",
                                             algorithm="ecdsa_sha256", digest="A" * 43 + "=")["reason"])
        listing = self.daemon.ctl("list", check=False)
        self.assertEqual(listing.returncode, 4, listing.stderr)
        self.assertIn(b"the token soft is not listed", listing.stderr)
        self.away().rename(self.directory)
        self.daemon.wait_state("soft", "ready")
        self.assertEqual(self.keys(), ["a"])

    def test_whole_state_gone(self):
        """the volume that holds all of StateDirectory= is not mounted: the directory is there, and empty"""
        self.begin(("soft", "other"))
        self.key()
        self.stop()
        self.daemon.state.rename(self.away())
        self.daemon.state.mkdir(mode=0o700)
        self.daemon.start()
        self.failed("not mounted")
        self.failed("not mounted", token="other")
        shutil.rmtree(self.daemon.state)
        self.away().rename(self.daemon.state)
        self.daemon.wait_state("soft", "ready")
        self.daemon.wait_state("other", "ready")
        self.assertEqual(self.keys(), ["a"])

    def test_gone_under_a_running_service(self):
        """the directory is moved away, and back, while the service runs"""
        self.begin()
        self.key()
        for _ in range(2):
            self.directory.rename(self.away())
            self.failed("not in")
            self.assertFalse(self.directory.exists())
            self.assertEqual(self.keys(), [])
            for verb in ("list", "certs", "secrets"):
                for options in ((), ("--json",)):
                    done = self.daemon.ctl(*options, verb, check=False)
                    self.assertEqual(done.returncode, 4, verb)
                    self.assertIn(b"the token soft is not listed", done.stderr)
                    if options:
                        self.assertEqual([u["token"] for u in json.loads(done.stdout)["unavailable"]], ["soft"])
            self.away().rename(self.directory)
            self.daemon.wait_state("soft", "ready")
            self.assertEqual(self.keys(), ["a"])
        self.key(name="b")

    def test_others_in_their_place(self):
        """other databases are put in the place of those that are open: they are the token"""
        self.begin()
        self.key()
        copy = self.away()
        self.directory.rename(copy)
        shutil.copytree(copy, self.directory)
        until(lambda: "is not the file that was opened, but another" in self.daemon.log_text()
              or "not in" in self.daemon.log_text(), "it is seen")
        self.daemon.wait_state("soft", "ready")
        self.key(name="b")
        self.assertEqual(sorted(self.keys()), ["a", "b"])

    def test_half(self):
        """nothing is made over half of the databases, whichever half, whether it is missing, empty or something else"""
        self.begin()
        self.key()
        self.stop()
        for gone in ("key4.db", "cert9.db"):
            for left in (None, b"", b"no database" * 99):
                with self.subTest(gone=gone, left=left):
                    kept = (self.directory / gone).read_bytes()
                    (self.directory / gone).unlink()
                    if left is not None:
                        (self.directory / gone).write_bytes(left)
                    self.daemon.start()
                    self.failed("only half", gone)
                    refused = self.daemon.ctl("make-anew", "soft", "--yes", "--timeout", "500ms", check=False)
                    self.assertEqual(refused.returncode, 1, refused.stderr)
                    self.assertEqual((self.directory / gone).read_bytes() if left is not None else None, left)
                    (self.directory / gone).write_bytes(kept)
                    self.daemon.wait_state("soft", "ready")
                    self.assertEqual(self.keys(), ["a"])
                    self.stop()

    def test_half_without_a_mark(self):
        """on a host that never made it, half of the databases is not completed"""
        self.begin()
        self.key()
        self.stop()
        shutil.rmtree(self.marks)
        (self.directory / "key4.db").rename(self.away())
        self.daemon.start()
        self.failed("only half")
        self.assertFalse((self.directory / "key4.db").exists())
        self.away().rename(self.directory / "key4.db")
        self.daemon.wait_state("soft", "ready")
        self.assertEqual(len(list(self.marks.iterdir())), 1)

    def test_interrupted(self):
        """a making that was interrupted is completed, wherever that was"""
        self.begin()
        self.stop()
        mark = next(self.marks.iterdir())
        for left in ((), ("cert9.db",), ("cert9.db", "key4.db", "pin")):
            with self.subTest(left=left):
                mark.rename(mark.with_suffix(".making"))
                for name in os.listdir(self.directory):
                    if name not in left:
                        (self.directory / name).unlink()
                self.daemon.start()
                self.daemon.wait_state("soft", "ready")
                self.assertEqual([m.name for m in self.marks.iterdir()], [mark.name])
                self.stop()

    def test_anew(self):
        """an operator says that it is lost: an empty one is made; without the word it never is; of two tokens it is the one"""
        self.begin(("soft", "other"))
        self.key()
        self.key("other", "b")
        self.fails(INVALID, self.make_anew, token="soft")
        self.stop()
        for token in ("soft", "other"):
            (self.daemon.state / token).rename(self.place.path / f"{self.daemon.name}-{token}")
        self.daemon.start()
        self.failed("not in")
        self.failed("not in", token="other")
        unsure = self.daemon.ctl("make-anew", "soft", check=False)
        self.assertEqual(unsure.returncode, 2)
        self.assertIn(b"--yes", unsure.stderr)
        self.assertIn("made", self.daemon.ctl("make-anew", "soft", "--yes"))
        self.assertEqual(self.daemon.token("soft")["state"], "ready")
        self.failed("not in", token="other")
        self.assertEqual(self.keys(), [])
        self.assertRegex(self.daemon.log_text(), r"token soft: uid \d+ says that its databases are to be made anew")
        # Its word was for this once.
        self.stop()
        shutil.rmtree(self.directory)
        self.daemon.start()
        self.failed("not in")

    def make_anew(self, **parameters):
        with varlink.Client(self.daemon.status_socket) as client:
            return client.call(STATUS + "MakeAnew", **parameters)

    def test_renamed_section(self):
        """a section of another name with the same Directory= is the same token; with another directory it is new, and that is told"""
        self.begin()
        self.key()
        self.stop()
        self.daemon.write_config(f"[Token fresh]\nModule=internal\nDirectory={self.directory}//\n")
        self.daemon.start()
        self.assertEqual(self.keys(), ["a"])
        self.stop()
        self.directory.rename(self.away())
        self.daemon.start()
        self.failed("not in", token="fresh")
        self.away().rename(self.directory)
        self.daemon.wait_state("fresh", "ready")
        self.stop()
        self.daemon.write_config("[Token fresh]\nModule=internal\n")
        self.daemon.start()
        self.daemon.wait_state("fresh", "ready")
        self.assertRegex(self.daemon.log_text(), rf"token fresh: a new, empty one is made in \S+/fresh\. The databases in "
                                                 rf"{self.directory}/*, which were made before, are no section's now")

    def test_pin_is_gone(self):
        """databases without the file of their PIN: it is named"""
        self.begin()
        self.key()
        self.stop()
        (self.directory / "pin").rename(self.away())
        self.daemon.start()
        self.failed("PIN", str(self.directory / "pin"))
        self.away().rename(self.directory / "pin")
        self.daemon.wait_state("soft", "ready")
        self.assertEqual(self.keys(), ["a"])

    @unittest.skipUnless(os.getuid() == 0, "needs another user")
    def test_mark_cannot_be_written(self):
        """the directory of the marks cannot be made: the token serves, and the log says what that means"""
        self.other_user(marks=False)
        self.key()
        self.assertIn("the mark that it was made cannot be written", self.daemon.log_text())

    def other_user(self, marks=True):
        """A daemon of another user, in a directory of root's."""
        place = Place()
        self.addCleanup(place.remove)
        daemon = Daemon(place, "", name="other", uid=65534)
        for path in (daemon.state, *([place.path / "other-state.made"] if marks else []), place.path / "run"):
            path.mkdir(mode=0o700, exist_ok=True)
            os.chown(path, 65534, 65534)
        daemon.socket, daemon.status_socket = place.path / "run/keys", place.path / "run/status"
        daemon.write_config("[Token soft]\nModule=internal\n")
        self.addCleanup(daemon.stop)
        self.daemon = daemon.start()
        return daemon

    @unittest.skipUnless(os.getuid() == 0, "needs another user")
    def test_restored_as_root(self):
        """databases, or the directory, that belong to root: it is said so, with the owner, and is no bad database"""
        daemon = self.other_user()
        self.directory = daemon.state / "soft"
        for path in (self.directory / "key4.db", self.directory / "cert9.db", self.directory):
            with self.subTest(path=path):
                self.stop()
                os.chown(path, 0, 0)
                daemon.start()
                reason = self.failed("Permission denied", str(path))
                self.assertNotIn("bad database", reason)
                os.chown(path, 65534, 65534)
                daemon.wait_state("soft", "ready")

    def test_killed_while_it_is_made(self):
        """the worker is killed again and again while the token is made: in the end it is whole"""
        self.begin(wait=False)
        for _ in range(5):
            for worker in self.daemon.workers():
                worker.kill(signal.SIGKILL)
            until(lambda: self.daemon.workers(), "another worker")
        self.daemon.wait_state("soft", "ready")
        self.key()
        self.assertEqual(self.keys(), ["a"])

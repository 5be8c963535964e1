# SPDX-License-Identifier: MPL-2.0
"""tokendctl audit show and rotate, and AuditKeep=: old files go, and what stays can still be checked."""
import json
import os
import signal

import varlink
from harness import Case, until
from varlink import b64

SIGN = {"algorithm": "ecdsa_sha256", "digest": b64(bytes(32))}
DAY = 86400


class Kept(Case):
    """An internal token, whose key signs the audit, and a file."""

    def begin(self, options="", **more):
        name = f"k{len(os.listdir(self.place.path))}"
        self.directory = self.place.path / f"{name}-log"
        self.directory.mkdir()
        self.file = self.directory / "audit"
        self.text = f"Audit=file:{self.file}\nAuditKey=soft:audit\n{options}\n[Token soft]\nModule=internal\n"
        self.daemon = self.own(self.text, name=name, **more)
        for key in ("audit", "a", "b"):
            self.daemon.call("Generate", token="soft", nickname=key, type="ec")
        return self.daemon

    def rotated(self):
        return sorted(self.directory.glob("audit.*"), key=lambda p: int(p.name.split(".")[2]))

    def rotate(self):
        return self.daemon.ctl("audit", "rotate")

    def show(self, *options):
        return [json.loads(line) for line in self.daemon.ctl("--json", "audit", "show", *options).splitlines()]

    def kinds(self, *options):
        return [r["kind"] for r in self.show(*options)]


class Show(Kept):
    def test_all_and_filtered(self):
        """records of all files, in their order, and of these what is asked for"""
        self.begin()
        self.daemon.call("Sign", key="soft:a", **SIGN)
        self.assertIn("a new file was begun; the one before ends with record", self.rotate())
        self.daemon.call("Sign", key="soft:b", **SIGN)
        with self.assertRaises(varlink.Error):
            self.daemon.call("Get", key="soft:none")
        self.rotate()
        self.daemon.call("Sign", key="soft:a", **SIGN)
        self.assertEqual(len(self.rotated()), 2)
        records = self.show()
        self.assertEqual([r["seq"] for r in records], list(range(1, len(records) + 1)))
        lines = sum(len(f.read_text().splitlines()) for f in (*self.rotated(), self.file))
        self.assertEqual(len(records), lines)
        signs = [r for r in records if r["kind"] == "sign"]
        self.assertEqual(self.show("--operation", "sign"), signs)
        self.assertEqual([r["key"] for r in self.show("--operation", "sign", "--key", "soft:a")], ["a", "a"])
        self.assertEqual([r["key"] for r in self.show("--operation", "sign", "--key", "b")], ["b"])
        self.assertEqual(self.show("--operation", "sign", "--token", "soft"), signs)
        self.assertEqual(self.show("--token", "hsm"), [])
        self.assertEqual(self.show("--instance", "nobody"), [])
        self.assertEqual(self.show("--since", signs[1]["time"], "--operation", "sign"), signs[1:])
        self.assertEqual(self.show("--until", signs[1]["time"], "--operation", "sign"), signs[:1])
        self.assertEqual(self.show("--since", "2h"), records)
        self.assertEqual(self.show("--since", "7d"), records)
        self.assertEqual(self.show("--until", "2h"), [])
        self.assertEqual(self.show("--since", signs[0]["time"][:10]), records)
        self.assertEqual(self.show("--until", "2001-02-03 04:05"), [])
        text = self.daemon.ctl("audit", "show", "--operation", "sign").splitlines()
        self.assertEqual(len(text), 3)
        self.assertRegex(text[0], r"^\d{4}-\d\d-\d\dT\S+Z \d+ sign ok soft:a ecdsa_sha256 by .*uid \d+")
        # Of the files that are named alone; and of a daemon that stands, by its configuration.
        self.assertEqual(self.kinds(self.rotated()[0], "--operation", "sign"), ["sign"])
        self.daemon.stop()
        self.assertEqual([r for r in self.show("--config", self.daemon.config) if r["kind"] == "sign"], signs)
        for bad in (("--since", "yesterday"), ("--since", "2026-1-1"), ("--until", "2026-11-28Tx"), ("--pubkey", "x")):
            self.assertEqual(self.daemon.ctl("audit", "show", self.file, *bad, check=False).returncode, 2, bad)

    def test_hostile(self):
        """a file of anything: what is no record is told, and nothing of it acts on a terminal"""
        self.begin()
        path = self.place.path / "hostile"
        good = self.file.read_bytes().splitlines()[0]
        bad = [b"\x1b[31mred", b"{" * 9999, b"x" * 100000, b"", b"\0", "{\"kind\":\"\u202e\"}".encode(), b'{"kind":"\xff"}',
               b'{"kind":"sign","time":"\\u001b[2J","token":"\\n","key":{"a":1},"uid":"x","seq":-1}', good]
        path.write_bytes(b"\n".join(bad))
        for options in ((), ("--json",)):
            done = self.daemon.ctl(*options, "audit", "show", path, check=False)
            self.assertEqual(done.returncode, 1)
            for byte in (b"\x1b", b"\0", b"\xff", "\u202e".encode()):
                self.assertNotIn(byte, done.stdout + done.stderr)
            self.assertIn(b"this line is not a record", done.stderr)
        self.assertEqual(self.daemon.ctl("audit", "show", "/nonexistent", check=False).returncode, 2)

    def test_journal(self):
        """without a file it is said where the records are"""
        self.daemon = self.own("[Token soft]\nModule=internal\n")
        done = self.daemon.ctl("audit", "show", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"journalctl", done.stderr)
        done = self.daemon.ctl("audit", "rotate", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"Audit= names no file", done.stderr)


class Rotate(Kept):
    def test_signed(self):
        """the head of the old file is signed; two at once are both told"""
        self.begin()
        self.rotate()
        self.assertEqual(json.loads(self.rotated()[0].read_text().splitlines()[-1])["kind"], "head")
        first = json.loads(self.file.read_text().splitlines()[0])
        self.assertEqual((first["kind"], first["headSigned"]), ("rotated", True))
        self.daemon.ctl("audit", "verify", "--key", "soft:audit")

    def test_disk(self):
        """a directory that is gone: it is told that nothing was done"""
        self.begin()
        self.directory.rename(self.place.path / "elsewhere")
        done = self.daemon.ctl("--timeout", "2s", "audit", "rotate", check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        (self.place.path / "elsewhere").rename(self.directory)
        until(lambda: self.daemon.status()["audit"]["ok"], "it is written again")
        self.rotate()


class Keep(Kept):
    def age(self, path, days):
        at = path.stat().st_mtime - days * DAY
        os.utime(path, (at, at))

    def reload(self):
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.wait_notify("READY=1")

    def test_old_files_go(self):
        """files older than AuditKeep= go, the oldest first; what stays is checked, and the first record's anchor is said"""
        self.begin("AuditKeep=30d")
        for _ in range(4):
            self.daemon.call("Sign", key="soft:a", **SIGN)
            self.rotate()
        files = self.rotated()
        self.assertEqual(len(files), 4)
        torn = self.directory / (files[0].name + ".torn")
        torn.write_text("torn")
        other = self.directory / "audit.notes"
        other.write_text("mine")
        for path, days in ((torn, 99), (other, 99), (files[0], 40), (files[1], 31), (files[2], 29), (files[3], 99)):
            self.age(path, days)
        last = json.loads(files[1].read_text().splitlines()[-1])
        self.reload()
        until(lambda: not files[1].exists(), f"old files are gone; log:\n{self.daemon.log_text()}")
        self.assertFalse(files[0].exists())
        # A file that is younger keeps those after it.
        self.assertEqual([p.exists() for p in (files[2], files[3], torn, other)], [True] * 4)
        removed = [r for r in self.show() if r["kind"] == "removed"]
        self.assertEqual([(r["file"], r["upTo"]) for r in removed][1:], [(files[1].name, last["seq"])])
        self.assertEqual(removed[1]["upToHash"], last["hash"])
        told = self.daemon.ctl("audit", "verify", "--key", "soft:audit", "--first-seq", "1")
        self.assertIn(f"records 1 to {last['seq']} were removed after AuditKeep=, as record {removed[1]['seq']} says", told)
        self.assertIn("GOOD", told)
        # Without that file's successor the anchor is another.
        self.assertIn("are in files that were not given",
                      self.daemon.ctl("audit", "verify", files[3], self.file, "--key", "soft:audit"))

    def test_all_stay(self):
        """without AuditKeep= all files stay"""
        self.begin()
        self.rotate()
        self.age(self.rotated()[0], 9999)
        self.rotate()
        self.reload()
        self.daemon.call("Sign", key="soft:a", **SIGN)
        self.assertEqual(len(self.rotated()), 2)

    def test_killed(self):
        """tokend-audit is killed while old files go: each that went has its record"""
        self.begin("AuditKeep=1d")
        for _ in range(3):
            self.rotate()
        for path in self.rotated():
            self.age(path, 9)
        for _ in range(3):
            for child in self.daemon.children("tokend-audit"):
                child.kill()
            until(lambda: self.daemon.children("tokend-audit"), "another")
        until(lambda: not self.rotated(), f"old files are gone; log:\n{self.daemon.log_text()}")
        removed = {r["upTo"] for r in self.show() if r["kind"] == "removed"}
        self.assertEqual(len(removed), 3)
        self.assertIn("were removed after AuditKeep=", self.daemon.ctl("audit", "verify", "--key", "soft:audit"))

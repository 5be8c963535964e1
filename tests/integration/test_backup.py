# SPDX-License-Identifier: MPL-2.0
"""tokendctl backup and restore: the keys of an internal token on another machine, or after the loss of this one."""
import os
import pty
import shutil
import struct
import subprocess
import unittest

from harness import Case, Daemon, Place
from varlink import b64

PASSPHRASE = "correct horse"
SIGN = {"algorithm": "ecdsa_sha256", "digest": b64(bytes(32))}
SECTION = "[Token soft]\nModule=internal\nRefresh=300ms\n"
INSTANCE = "[Instance all]\nUser=root\nKeys=*\nAllow=list sign verify generate request import encrypt decrypt wrap unwrap\n"


class Backups(Case):
    @classmethod
    def configure(cls):
        cls.passphrase = cls.place.write("passphrase", PASSPHRASE + "\n", 0o600)

    def begin(self, **options):
        self.daemon = self.own(SECTION, instances=INSTANCE if os.getuid() == 0 else "", **options)
        self.directory = self.daemon.state / "soft"
        self.saved = self.place.path / f"{self.daemon.name}.backup"
        return self.daemon

    def key(self, name="a", daemon=None):
        (daemon or self.daemon).call("Generate", token="soft", nickname=name, type="ec")

    def backup(self, file=None, *options, check=True, token="soft"):
        return self.daemon.ctl("backup", token, file or self.saved, "--passphrase-file", self.passphrase, *options, check=check)

    def restore(self, *arguments, check=True, daemon=None, passphrase=None):
        return (daemon or self.daemon).ctl("restore", *(arguments or [self.saved]), "--passphrase-file",
                                           passphrase or self.passphrase, check=check)

    def refused(self, done, *words, status=1):
        self.assertEqual(done.returncode, status, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr.decode())

    def files(self, directory):
        return sorted(p.name for p in directory.iterdir()) if directory.exists() else None


class Good(Backups):
    def test_another_machine(self):
        """keys sign, sealed keys open, certificates are there, on another host whose service has not run yet"""
        self.begin()
        self.key()
        self.daemon.call("io.tokend.Certificates.SelfSign", key="soft:a", subject="CN=a", validityDays=9)
        template = {"type": "aes", "length": 32, "usage": ["encrypt", "decrypt"]}
        sealed = self.daemon.call("io.tokend.Secrets.Generate", token="soft", template=template)["sealed"]
        public = self.daemon.call("Get", key="soft:a")["key"]["publicKey"]
        encrypted = self.daemon.call("io.tokend.Secrets.Encrypt", key=sealed, algorithm="aes_ecb", plaintext=b64(bytes(16)))
        self.assertIn("saved", self.backup())
        self.assertEqual(self.saved.stat().st_mode & 0o777, 0o600)
        bytes_ = self.saved.read_bytes()
        for secret in ((self.directory / "pin").read_bytes().strip(), b"SQLite format", b"soft"):
            self.assertNotIn(secret, bytes_)
        self.daemon.stop()
        other = Daemon(self.place, SECTION, instances=INSTANCE if os.getuid() == 0 else "", name="another")
        self.addCleanup(other.stop)
        other.state.rmdir()
        other.ctl("restore", self.saved, "--passphrase-file", self.passphrase, "--config", other.config)
        self.assertEqual(self.files(other.state / "soft"), ["cert9.db", "key4.db", "pin"])
        for path in (other.state, other.state / "soft"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o700)
        for path in (other.state / "soft").iterdir():
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        other.start()
        self.assertEqual(other.call("Get", key="soft:a")["key"]["publicKey"], public)
        other.call("Sign", key="soft:a", **SIGN)
        self.assertEqual(other.call("io.tokend.Secrets.Decrypt", key=sealed, algorithm="aes_ecb",
                                    ciphertext=encrypted["ciphertext"])["plaintext"], b64(bytes(16)))
        self.assertEqual(len(other.call("io.tokend.Certificates.List")["certificates"]), 1)
        self.fails("NicknameExists", other.call, "Generate", token="soft", nickname="a", type="ec")

    def test_lost(self):
        """the databases of a running service are lost: restored beside it, and the token comes back by itself"""
        self.begin()
        self.key()
        self.backup()
        shutil.rmtree(self.directory)
        self.daemon.wait_state("soft", "failed")
        self.restore()
        self.daemon.wait_state("soft", "ready")
        self.daemon.call("Sign", key="soft:a", **SIGN)

    def test_mount_point(self):
        """the directory is there already, with something else in it"""
        self.begin()
        self.key()
        self.backup()
        self.daemon.stop()
        shutil.rmtree(self.directory)
        (self.directory / "lost+found").mkdir(parents=True)
        self.daemon.start()
        self.restore()
        self.daemon.wait_state("soft", "ready")
        self.assertEqual(self.files(self.directory), ["cert9.db", "key4.db", "lost+found", "pin"])

    def test_stopped(self):
        """the service stands: the configuration is named"""
        self.begin()
        self.key()
        self.daemon.stop()
        self.backup(None, "--config", self.daemon.config)
        shutil.rmtree(self.directory)
        self.daemon.ctl("restore", self.saved, "--passphrase-file", self.passphrase, "--config", self.daemon.config)
        self.daemon.start()
        self.daemon.call("Sign", key="soft:a", **SIGN)

    def test_while_keys_are_made(self):
        """copies that are made while keys are: each has every key whose making had ended, and each key signs"""
        self.begin()
        copies, made = [], []
        with self.daemon.client() as client:
            for i in range(4):
                name = f"k{i}"
                client.send("Generate", {"token": "soft", "nickname": name, "type": "rsa", "size": 2048})
                file = self.place.path / f"{self.daemon.name}-{i}"
                self.backup(file)
                copies.append((file, list(made)))
                client.result()
                made.append(name)
        for file, names in copies:
            shutil.rmtree(self.directory)
            self.daemon.wait_state("soft", "failed")
            self.restore(file)
            self.daemon.wait_state("soft", "ready")
            there = [k["nickname"] for k in self.daemon.call("List")["keys"]]
            self.assertLessEqual(set(names), set(there))
            for name in there:
                self.daemon.call("Sign", key=f"soft:{name}", algorithm="rsa_pkcs1_sha256", digest=b64(bytes(32)))

    def test_passphrase_of_standard_input_and_of_a_terminal(self):
        """the passphrase comes from a pipe, or is asked for twice without an echo"""
        self.begin()
        self.daemon.ctl("backup", "soft", self.saved, "--passphrase-file", "-", stdin=PASSPHRASE.encode())
        command = [str(self.daemon.build / "tokendctl"), "--status-socket", str(self.daemon.status_socket), "backup", "soft"]
        alone = subprocess.run([*command, str(self.saved) + "2"], stdin=subprocess.DEVNULL, capture_output=True,
                               start_new_session=True, timeout=60)
        self.refused(alone, "--passphrase-file", status=2)
        for second, status in ((PASSPHRASE, 0), ("another", 2)):
            with self.subTest(second=second):
                file = f"{self.saved}-{status}"
                pid, fd = pty.fork()
                if pid == 0:
                    os.execv(command[0], [*command, file])
                seen = b""
                for line in (PASSPHRASE, second):
                    asked = b""
                    while not asked.rstrip().endswith(b":"):
                        asked += os.read(fd, 1000)
                    seen += asked
                    os.write(fd, line.encode() + b"\n")
                try:
                    while True:
                        seen += os.read(fd, 1000)
                except OSError:
                    pass
                self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), status, seen)
                os.close(fd)
                self.assertNotIn(PASSPHRASE.encode(), seen)
                self.assertEqual(os.path.exists(file), status == 0)
        shutil.rmtree(self.directory)
        self.restore(f"{self.saved}-0")

    def test_pin_elsewhere(self):
        """Pin= is configured: the PIN is not in the backup, and this is told"""
        pin = self.place.write("own.pin", "own secret\n", 0o600)
        self.daemon = self.own(SECTION + f"Pin=file:{pin}\n")
        self.directory, self.saved = self.daemon.state / "soft", self.place.path / "pin.backup"
        self.key()
        self.assertIn(b"the PIN is not in this backup", self.backup(check=False).stderr)
        shutil.rmtree(self.directory)
        self.restore()
        self.daemon.wait_state("soft", "ready")
        self.daemon.call("Sign", key="soft:a", **SIGN)

    @unittest.skipUnless(os.getuid() == 0, "needs another user")
    def test_owner(self):
        """root restores what another user's service can use, though that user put a link in the way"""
        place = Place()
        self.addCleanup(place.remove)
        self.daemon = Daemon(place, SECTION, name="o", uid=65534)
        for path in (self.daemon.state, place.path / "o-state.made", place.path / "run"):
            path.mkdir(mode=0o700, exist_ok=True)
            os.chown(path, 65534, 65534)
        self.daemon.socket, self.daemon.status_socket = place.path / "run/keys", place.path / "run/status"
        self.daemon.write_config(SECTION)
        self.addCleanup(self.daemon.stop)
        self.daemon.start()
        self.directory, self.saved = self.daemon.state / "soft", place.path / "o.backup"
        self.key()
        self.backup()
        self.assertEqual(self.saved.stat().st_uid, 0)
        elsewhere = place.path / "elsewhere"
        elsewhere.mkdir(mode=0o700)
        shutil.rmtree(self.directory)
        os.symlink(elsewhere, self.directory)
        self.refused(self.restore(check=False), "Permission denied")
        self.assertEqual(self.files(elsewhere), [])
        os.unlink(self.directory)
        os.symlink(elsewhere, self.daemon.state / "soft.restoring")
        self.restore(check=False)
        self.assertEqual(self.files(elsewhere), [])
        os.unlink(self.daemon.state / "soft.restoring")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.restore()
        self.assertEqual({p.stat().st_uid for p in (self.directory, *self.directory.iterdir())}, {65534})
        self.daemon.wait_state("soft", "ready")
        self.daemon.call("Sign", key="soft:a", **SIGN)


class Bad(Backups):
    def test_nothing_is_overwritten(self):
        """neither a file, nor a token that is there, nor half of one"""
        self.begin()
        self.key()
        self.place.write("there", "mine")
        self.refused(self.backup(self.place.path / "there", check=False), "not overwritten", status=2)
        self.assertEqual((self.place.path / "there").read_text(), "mine")
        os.symlink(self.place.path / "nowhere", self.place.path / "dangling")
        self.refused(self.backup(self.place.path / "dangling", check=False), "not overwritten", status=2)
        self.backup()
        before = {p.name: p.read_bytes() for p in self.directory.iterdir()}
        self.refused(self.restore(check=False), "nothing is written over it")
        for gone in ("key4.db", "cert9.db", "pin"):
            (self.directory / gone).unlink()
            if self.files(self.directory):
                self.refused(self.restore(check=False), "nothing is written over it")
        for name, content in before.items():
            (self.directory / name).write_bytes(content)
        self.daemon.wait_state("soft", "ready")
        self.daemon.call("Sign", key="soft:a", **SIGN)

    def test_names(self):
        """a token that is not configured, and one on a device, are told"""
        self.begin()
        self.refused(self.backup(token="hsm", check=False), "no token hsm", status=2)
        self.refused(self.daemon.ctl("backup", "soft", "-", check=False), "standard output", status=2)
        self.refused(self.backup(None, "--config", "/nonexistent", check=False), "/nonexistent", status=2)
        self.backup()
        self.refused(self.restore(self.saved, "other", check=False), "no token other", status=2)

    def test_damaged(self):
        """an archive that was cut, changed, grown, made with another passphrase, or is something else, is refused by name"""
        self.begin()
        self.key()
        self.backup()
        whole = self.saved.read_bytes()
        other = self.place.write("other-passphrase", "wrong\n")
        self.refused(self.restore(check=False, passphrase=other), "another passphrase")
        shutil.rmtree(self.directory)
        self.daemon.wait_state("soft", "failed")
        head = 72
        cases = [(whole[:n], "cut short") for n in (16, 71, 100, len(whole) - 1)]
        cases += [(whole + b"x", "cut short"), (b"", "not a backup"), (b"PK\3\4" + bytes(99), "not a backup"),
                  (whole[:head - 8] + struct.pack(">Q", 2 ** 63) + whole[head:], "cut short"),
                  (whole[:16] + struct.pack(">I", 2 ** 32 - 1) + whole[20:], "more work"),
                  (whole[:16] + bytes(4) + whole[20:], "more work"),
                  (whole.replace(b"backup 1", b"backup 2", 1), "not a backup")]
        cases += [(whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1:], "damaged") for n in (40, head, head + 999, len(whole) - 1)]
        cases += [(whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1:], "another passphrase") for n in (25, 50)]
        for content, word in cases:
            with self.subTest(word=word, length=len(content)):
                self.refused(self.restore(self.place.write("bad.backup", content), check=False), word)
                self.assertIsNone(self.files(self.directory))
        huge = self.place.path / "huge.backup"
        with open(huge, "wb") as file:
            file.truncate(256 * 1024 * 1024 + 1)  # LIMIT_BACKUP
        self.refused(self.restore(huge, check=False), "larger than any backup")
        os.mkfifo(self.place.path / "fifo")
        for path in ("/dev/zero", self.place.path / "fifo", self.place.path):
            self.refused(self.restore(path, check=False), "expected a file", status=2)
        self.restore()
        self.daemon.wait_state("soft", "ready")

    def test_killed(self):
        """a restore that is killed at any of its steps leaves no half token, and the next one succeeds"""
        if not shutil.which("strace"):
            self.skipTest("strace is missing")
        self.begin()
        self.key()
        self.backup()
        self.daemon.stop()
        command = [str(self.daemon.build / "tokendctl"), "restore", str(self.saved), "--passphrase-file", str(self.passphrase),
                   "--config", str(self.daemon.config)]
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
        for inside in (False, True):
            for call in ("mkdirat", "openat", "fsync", "renameat2", "linkat", "unlinkat"):
                for n in range(1, 200 if call == "openat" else 12):
                    if call == "openat" and n < 200 - 12 and n % 10:
                        continue
                    shutil.rmtree(self.directory, ignore_errors=True)
                    if inside:
                        self.directory.mkdir()
                    done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                                           f"inject={call}:signal=SIGKILL:when={n}", *command], capture_output=True, env=environment,
                                          timeout=120)
                    if done.returncode == 0:
                        break
                    with self.subTest(call=call, n=n, inside=inside):
                        left = [f for f in self.files(self.directory) or [] if f != ".restoring"]
                        again = subprocess.run(command, capture_output=True, env=environment, timeout=120)
                        if "key4.db" in left:
                            self.refused(again, "nothing is written over it")
                        else:
                            self.assertEqual(again.returncode, 0, again.stderr)
                        self.assertEqual(self.files(self.directory), ["cert9.db", "key4.db", "pin"])
                        self.assertFalse((self.daemon.state / "soft.restoring").exists())
        self.daemon.start()
        self.daemon.call("Sign", key="soft:a", **SIGN)

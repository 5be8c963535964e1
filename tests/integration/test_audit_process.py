# SPDX-License-Identifier: MPL-2.0
"""tokend-audit alone: this test plays its supervisor and its broker over socket pairs, and checks the file with hashlib
and openssl. It knows the format from the words in daemon/audit/line.h, not from the code."""
import ctypes
import glob
import hashlib
import json
import os
import pathlib
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

from direct import FIELDS, ORDER

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TOKEND_BUILD") or ROOT / "build")
DEADLINE = 20
ZERO = "0" * 64
NUMBERS = {name: i + 1 for i, name in enumerate(ORDER)}
VERSION = int(re.search(r"MESSAGE_VERSION (\d+)", (ROOT / "daemon/channel/message.h").read_text()).group(1))
NAMES = {number: name for name, number in NUMBERS.items()}
INTEGERS = {"u8": "<B", "u32": "<I", "u64": "<Q"}


def pack(name, **values):
    out = bytes([NUMBERS[name]])
    for kind, field in FIELDS[name]:
        value = values.pop(field, b"" if kind == "bytes" else "" if kind == "text" else 0)
        if kind in INTEGERS:
            out += struct.pack(INTEGERS[kind], value)
        else:
            value = value.encode() + b"\0" if kind == "text" else value
            out += struct.pack("<I", len(value)) + value
    assert not values, values
    return out


def unpack(data):
    name, at, values = NAMES[data[0]], 1, {}
    for kind, field in FIELDS[name]:
        if kind in INTEGERS:
            values[field], = struct.unpack_from(INTEGERS[kind], data, at)
            at += struct.calcsize(INTEGERS[kind])
        else:
            length, = struct.unpack_from("<I", data, at)
            value = data[at + 4:at + 4 + length]
            values[field] = value[:-1].decode() if kind == "text" else value
            at += 4 + length
    assert at == len(data)
    return name, values


class End:
    """Our end of one channel."""

    def __init__(self, sock):
        self.sock, self.waiting = sock, []

    def send(self, name, fds=(), **values):
        socket.send_fds(self.sock, [pack(name, **values)], list(fds))

    def read(self):
        ready, _, _ = select.select([self.sock], [], [], DEADLINE)
        assert ready, "no message"
        data = self.sock.recv(1 << 18)
        return unpack(data) if data else ("EOF", {})

    def get(self, *names):
        """The next message of these names; others are kept."""
        for i, (name, values) in enumerate(self.waiting):
            if name in names:
                del self.waiting[i]
                return name, values
        while True:
            message = self.read()
            if message[0] in names or message[0] == "EOF":
                return message
            self.waiting.append(message)


def pair():
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return End(ours), its


class Audit:
    """One process, with us around it."""

    def __init__(self, path, rotate_size=0, sign_interval_usec=0, limit=None, start=True, uid=None):
        self.number = 0
        self.broker, its_broker = pair()
        self.control, its_control = pair()

        def inherit():
            spare = [os.dup2(s.fileno(), 60 + i) for i, s in enumerate((its_broker, its_control))]
            for i, fd in enumerate(spare):
                os.dup2(fd, 3 + i)
                os.close(fd)
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            if uid is not None:
                os.setuid(uid)

        self.process = subprocess.Popen([BUILD / "tokend-audit"], preexec_fn=inherit, pass_fds=(3, 4),
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        # LeakSanitizer dies under a seccomp filter.
                                        env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        its_broker.close()
        its_control.close()
        if start:
            self.start(path, rotate_size, sign_interval_usec)

    def start(self, path, rotate_size=0, sign_interval_usec=0):
        self.control.send("AUDIT_START", version=VERSION, path=str(path), rotate_size=rotate_size,
                          sign_interval_usec=sign_interval_usec)

    def state(self):
        return self.broker.get("AUDIT_STATE")[1]

    def record(self, text=None, **members):
        self.number += 1
        members = members or {"kind": "sign", "n": self.number}
        self.broker.send("RECORD", number=self.number, text=text or json.dumps(members, separators=(",", ":")))
        return self.number

    def answer(self):
        name, values = self.broker.get("SAFE", "UNSAFE")
        return name, values.get("number")

    def keep(self, n=1):
        """Sends n records and waits until all are safe; the file's number of the last."""
        for _ in range(n):
            last = self.record()
        while True:
            name, values = self.broker.get("SAFE", "UNSAFE")
            assert name == "SAFE", name
            if values["number"] == last:
                return values["seq"]

    def new_broker(self):
        self.broker.sock.close()
        self.broker, its = pair()
        self.number = 0
        self.control.send("CHANNEL", fds=[its.fileno()], epoch=2)
        its.close()

    def end(self):
        """Closes the control, as a supervisor that ends; status and log."""
        self.control.sock.close()
        self.broker.sock.close()
        return self.wait()

    def wait(self):
        log = self.process.communicate(timeout=DEADLINE)[1].decode()
        return self.process.returncode, log

    def kill(self):
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate()
        for end in (self.broker, self.control):
            end.sock.close()


def lines(path):
    data = pathlib.Path(path).read_bytes()
    assert data == b"" or data.endswith(b"\n"), "the file ends in the middle of a line"
    return data.split(b"\n")[:-1]


def check(*paths):
    """Every line of the files, in order, by hand; the records."""
    prev, seq, records = None, None, []
    for line in (line for path in paths for line in lines(path)):
        record = json.loads(line)
        body, tail = line.rsplit(b',"hash":', 1)
        assert tail == b'"%s"}' % record["hash"].encode()
        assert hashlib.sha256(body).hexdigest() == record["hash"], record
        assert line.startswith(b'{"seq":%d,"prev":"%s",' % (record["seq"], record["prev"].encode()))
        assert prev in (None, record["prev"]), record
        assert seq in (None, record["seq"] - 1), record
        prev, seq = record["hash"], record["seq"]
        records.append(record)
    return records


def landlock():
    """Whether the kernel has Landlock."""
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tokend-audit-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.path = self.dir / "audit.log"
        self.running = []

    def audit(self, path=None, **options):
        audit = Audit(path or self.path, **options)
        self.addCleanup(audit.kill)
        return audit

    def rotated(self):
        return sorted(glob.glob(f"{self.path}.*"), key=lambda p: int(re.search(r"Z\.(\d+)", p).group(1)))


class Chain(Case):
    def test_safe(self):
        """a record is in the file, whole and chained, when SAFE is said"""
        audit = self.audit()
        self.assertEqual(audit.state()["ok"], 1)
        number = audit.record(kind="sign", key='a "b"\\ ü')
        self.assertEqual(audit.answer(), ("SAFE", number))
        records = check(self.path)
        self.assertEqual([r["kind"] for r in records], ["start", "sign"])
        self.assertEqual(records[1]["key"], 'a "b"\\ ü')
        self.assertEqual((records[0]["seq"], records[0]["prev"]), (1, ZERO))
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(audit.end()[0], 0)

    def test_burst(self):
        """records that come together share one fsync, and each is answered once"""
        audit = self.audit()
        audit.state()
        audit.process.send_signal(signal.SIGSTOP)
        for _ in range(100):
            audit.record()
        audit.process.send_signal(signal.SIGCONT)
        answers = []
        while not answers or answers[-1] < 100:
            name, number = audit.answer()
            self.assertEqual(name, "SAFE")
            answers.append(number)
        self.assertEqual(answers, sorted(set(answers)))
        self.assertLess(len(answers), 50)
        self.assertEqual([r["n"] for r in check(self.path)[1:]], list(range(1, 101)))

    def test_goes_on(self):
        """a process that is started again goes on with the chain"""
        for _ in range(3):
            audit = self.audit()
            audit.keep(5)
            audit.end()
        self.assertEqual([r["seq"] for r in check(self.path)], list(range(1, 19)))

    def test_killed(self):
        """after SIGKILL under load nothing that was called safe is missing"""
        audit = self.audit()
        safe = 0
        for _ in range(2000):
            audit.record()
            while select.select([audit.broker.sock], [], [], 0)[0]:
                name, values = audit.broker.read()
                safe = values["number"] if name == "SAFE" else safe
            if safe > 300:
                break
        audit.kill()
        self.assertGreater(safe, 0)
        again = self.audit()
        again.keep()
        records = check(self.path)
        self.assertLessEqual(set(range(1, safe + 1)), {r.get("n") for r in records})

    def test_new_broker(self):
        """what a broker sent before it died is kept, and the next one is served"""
        audit = self.audit()
        audit.state()
        audit.process.send_signal(signal.SIGSTOP)
        for _ in range(20):
            audit.record()
        audit.new_broker()
        audit.process.send_signal(signal.SIGCONT)
        self.assertEqual(audit.state()["ok"], 1)
        audit.record(kind="after")
        self.assertEqual(audit.answer(), ("SAFE", 1))
        self.assertEqual([r.get("n") for r in check(self.path)][1:], list(range(1, 21)) + [None])

    def test_end(self):
        """what was sent before the supervisor went is written, and the process ends well"""
        audit = self.audit()
        audit.state()
        audit.process.send_signal(signal.SIGSTOP)
        for _ in range(20):
            audit.record()
        audit.control.sock.close()
        audit.broker.sock.close()
        audit.process.send_signal(signal.SIGCONT)
        self.assertEqual(audit.wait()[0], 0)
        self.assertEqual(len(check(self.path)), 21)

    def test_shut_off(self):
        """a process of the same user can neither trace it nor read its memory, and it leaves no core"""
        uid = os.geteuid() or 65534
        if uid != os.geteuid():
            os.chown(self.dir, uid, -1)
        audit = self.audit(uid=None if os.geteuid() else uid)
        audit.keep()
        proc = pathlib.Path(f"/proc/{audit.process.pid}")
        status = proc.joinpath("status").read_text()
        self.assertRegex(status, rf"(?m)^Uid:\t{uid}\t")
        self.assertRegex(status, r"(?m)^NoNewPrivs:\t1$")
        # The kernel gives what is not dumpable to root.
        self.assertEqual(proc.joinpath("mem").stat().st_uid, 0)
        self.assertRegex(proc.joinpath("limits").read_text(), r"Max core file size +0 +0 ")

    def test_signals(self):
        """a signal to the group does not end it"""
        audit = self.audit()
        audit.state()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            audit.process.send_signal(number)
        audit.keep()
        self.assertEqual(audit.end()[0], 0)

    def test_ping(self):
        """pings are answered while the broker reads nothing"""
        audit = self.audit()
        audit.state()
        audit.broker.sock.setblocking(False)
        try:
            for _ in range(100000):
                audit.record()
        except BlockingIOError:
            pass
        audit.control.send("PING", number=7)
        self.assertEqual(audit.control.get("PONG")[1]["number"], 7)
        sent = audit.number
        while True:
            name, number = audit.answer()
            self.assertEqual(name, "SAFE")
            if number >= sent - 1:
                break


class Disk(Case):
    def full(self, limit=4096):
        """A process whose file is full; what is safe."""
        audit = self.audit(limit=limit)
        audit.state()
        safe = []
        while True:
            audit.record()
            name, number = audit.answer()
            if name == "UNSAFE":
                return audit, safe
            safe.append(number)
            self.assertLess(number, 1000)

    def free(self, audit):
        resource.prlimit(audit.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)

    def test_full(self):
        """on a full disk records are UNSAFE, the state says why, and the file ends with a whole line"""
        audit, safe = self.full()
        state = audit.state()
        self.assertEqual((state["ok"], state["reason"]), (0, "File too large"))
        records = check(self.path)
        self.assertEqual([r.get("n") for r in records][1:], safe)
        self.assertLess(self.path.stat().st_size, 4096)

    def test_again(self):
        """when there is room it goes on by itself, writes late what it could not, and says so"""
        audit, safe = self.full()
        self.assertEqual(audit.state()["ok"], 0)
        audit.record()
        self.assertEqual(audit.answer()[0], "UNSAFE")
        self.free(audit)
        self.assertEqual(audit.state()["ok"], 1)
        audit.keep()
        records = check(self.path)
        back = next(r for r in records if r["kind"] == "audit-back")
        self.assertEqual((back["late"], back["lost"], back["reason"]), (2, 0, "File too large"))
        self.assertEqual([r["n"] for r in records if "n" in r], list(range(1, len(safe) + 4)))

    def test_bounded(self):
        """a backlog that is full (LIMIT_AUDIT_BACKLOG) gives records up, and counts them"""
        audit, safe = self.full()
        self.assertEqual(audit.state()["ok"], 0)
        filler = "x" * 16000
        for _ in range(100):
            audit.record(kind="sign", filler=filler)
            self.assertEqual(audit.answer()[0], "UNSAFE")
        self.free(audit)
        state = audit.state()
        self.assertEqual(state["ok"], 1)
        audit.keep()
        records = check(self.path)
        back = next(r for r in records if r["kind"] == "audit-back")
        self.assertGreater(back["lost"], 10)
        self.assertEqual(back["lost"], state["lost"])
        self.assertEqual(back["lost"] + back["late"], 101)
        self.assertEqual(sum("filler" in r for r in records), 100 - back["lost"])

    def test_directory(self):
        """a directory that is not there is a state, not an end"""
        audit = self.audit(self.dir / "later" / "audit.log")
        state = audit.state()
        self.assertEqual((state["ok"], state["reason"]), (0, "No such file or directory"))
        audit.record()
        self.assertEqual(audit.answer()[0], "UNSAFE")
        (self.dir / "later").mkdir()
        self.assertEqual(audit.state()["ok"], 1)
        audit.keep()
        self.assertEqual([r["kind"] for r in check(self.dir / "later" / "audit.log")],
                         ["start", "audit-back", "sign", "sign"])

    def test_tmpfs(self):
        """a file system without room"""
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tokend-test", self.dir],
                                               capture_output=True).returncode:
            self.skipTest("cannot mount a tmpfs here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.dir], check=True)
        audit = self.audit()
        audit.state()
        ballast = self.dir / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            with self.assertRaises(OSError):
                while True:
                    file.write(b"x" * 4096)
        for _ in range(40):
            audit.record()
            name, _ = audit.answer()
            if name == "UNSAFE":
                break
        self.assertEqual(name, "UNSAFE")
        self.assertEqual(audit.state()["reason"], "No space left on device")
        check(self.path)
        ballast.unlink()
        self.assertEqual(audit.state()["ok"], 1)
        audit.keep()
        self.assertEqual([r["n"] for r in check(self.path) if "n" in r], list(range(1, audit.number + 1)))

    def test_second(self):
        """of two processes with one file the second waits, and takes over when the first has gone"""
        first = self.audit()
        first.keep()
        second = self.audit()
        state = second.state()
        self.assertEqual((state["ok"], state["reason"]), (0, "another process writes this file"))
        first.keep()
        first.end()
        self.assertEqual(second.state()["ok"], 1)
        second.keep()
        self.assertEqual([r["kind"] for r in check(self.path)],
                         ["start", "sign", "sign", "start", "audit-back", "sign"])

    def test_no_file(self):
        """what is no regular file is not written to"""
        os.mkfifo(self.path)
        audit = self.audit()
        self.assertEqual(audit.state()["reason"], "it is not a regular file")
        link = self.dir / "link"
        link.symlink_to(self.dir / "target")
        other = self.audit(link)
        self.assertEqual(other.state()["reason"], "it is a symbolic link")
        self.assertFalse((self.dir / "target").exists())


class Recovery(Case):
    def begin(self, n=5):
        audit = self.audit()
        seq = audit.keep(n)
        audit.end()
        return seq

    def test_torn(self):
        """a last line that a crash tore is moved to a file beside, and the chain goes on with a word about it"""
        self.begin()
        whole = self.path.read_bytes()
        self.path.write_bytes(whole + whole.split(b"\n")[-2][:40])
        audit = self.audit()
        audit.keep()
        records = check(self.path)
        self.assertEqual([r["kind"] for r in records[6:]], ["torn", "start", "sign"])
        torn = self.dir / records[6]["file"]
        self.assertEqual(torn.read_bytes(), whole.split(b"\n")[-2][:40])
        self.assertTrue(self.path.read_bytes().startswith(whole))

    def test_zeros(self):
        """zeros that a crash left at the end, newline or not, are moved out too"""
        self.begin()
        whole = self.path.read_bytes()
        self.path.write_bytes(whole + bytes(5000) + b"\n" + bytes(3))
        self.audit().keep()
        records = check(self.path)
        self.assertEqual(records[6]["bytes"], 5004)

    def test_changed_last(self):
        """a last line that was changed is moved out, not overwritten"""
        self.begin()
        data = self.path.read_bytes()
        self.path.write_bytes(data.replace(b'"n":5', b'"n":6'))
        self.audit().keep()
        records = check(self.path)
        self.assertEqual([r.get("n") for r in records[:5]], [None, 1, 2, 3, 4])
        self.assertIn(b'"n":6', (self.dir / records[5]["file"]).read_bytes())

    def test_foreign(self):
        """a file that is not ours is moved aside whole, and a new chain begins"""
        self.path.write_bytes(b"dear diary\n" * 1000)
        self.audit().keep()
        records = check(self.path)
        self.assertEqual([r["kind"] for r in records], ["damaged", "start", "sign"])
        self.assertEqual((self.dir / records[0]["file"]).read_bytes(), b"dear diary\n" * 1000)

    def test_appended(self):
        """what someone else appends while it runs is moved out, and the chain goes on"""
        audit = self.audit()
        audit.keep(2)
        with open(self.path, "ab") as file:
            file.write(b"me too\n")
        audit.keep(2)
        records = check(self.path)
        self.assertEqual([r["kind"] for r in records[3:]], ["reopened", "torn", "sign", "sign"])
        self.assertEqual((self.dir / records[4]["file"]).read_bytes(), b"me too\n")

    def test_truncated(self):
        """a file that is cut while it runs is set aside, and the gap shows"""
        audit = self.audit()
        audit.keep(4)
        os.truncate(self.path, 300)
        audit.keep()
        records = check(self.path)
        self.assertEqual(records[0]["seq"], 6)
        self.assertEqual([r["kind"] for r in records], ["reopened", "damaged", "sign"])
        self.assertEqual((self.dir / records[1]["file"]).stat().st_size, 300)

    def test_removed(self):
        """a file that is removed or renamed while it runs is begun again, with the chain going on"""
        audit = self.audit()
        audit.keep(2)
        self.path.rename(self.dir / "elsewhere")
        audit.keep(2)
        self.assertEqual([r["kind"] for r in check(self.dir / "elsewhere", self.path)],
                         ["start", "sign", "sign", "reopened", "sign", "sign"])

    def test_directory_replaced(self):
        """another directory in the place of the first: what was not answered is written there, by another process if need be"""
        self.path = self.dir / "place" / "audit.log"
        self.path.parent.mkdir()
        audit = self.audit()
        audit.keep(2)
        self.path.parent.rename(self.dir / "elsewhere")
        self.path.parent.mkdir()
        if landlock():
            audit.record()
            status, log = audit.wait()
            self.assertEqual(status, 1)
            self.assertIn("another directory is in the place of its directory", log)
            self.assertEqual(audit.broker.get("SAFE", "UNSAFE")[0], "EOF")
            audit = self.audit()
        audit.keep()
        self.assertEqual([r["kind"] for r in check(self.dir / "elsewhere" / "audit.log")], ["start", "sign", "sign"])
        self.assertEqual([r["kind"] for r in check(self.path)][-1], "sign")


class Signing(Case):
    """Has an audit key, and plays the broker who signs with it."""

    @classmethod
    def setUpClass(cls):
        cls.keys = pathlib.Path(tempfile.mkdtemp(prefix="tokend-audit-"))
        cls.addClassCleanup(shutil.rmtree, cls.keys)
        cls.key = cls.keys / "key.pem"
        cls.public = cls.keys / "pub.pem"
        for argv in (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", cls.key],
                     ["pkey", "-in", cls.key, "-pubout", "-out", cls.public],
                     ["pkey", "-in", cls.key, "-pubout", "-outform", "DER", "-out", cls.keys / "pub.der"]):
            subprocess.run(["openssl", *argv], check=True, capture_output=True)
        cls.spki = (cls.keys / "pub.der").read_bytes()

    def sign(self, audit):
        """Plays the broker and its worker for one HEAD."""
        values = audit.broker.get("HEAD")[1]
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=values["message"],
                                   capture_output=True, check=True).stdout
        audit.broker.send("HEAD_SIGNED", seq=values["seq"], ok=1, algorithm=7, key="hsm:audit", spki=self.spki,
                          signature=signature)
        return values

    def verify(self, records):
        """Every head, with openssl; the numbers that they sign."""
        signed = []
        hashes = {r["seq"]: r["hash"] for r in records}
        for head in (r for r in records if r["kind"] == "head"):
            self.assertEqual(head["signedHash"], hashes[head["signedSeq"]])
            self.assertEqual((head["algorithm"], head["key"]), ("ecdsa_sha256", "hsm:audit"))
            self.assertEqual(bytes.fromhex(head["publicKey"]), self.spki)
            (self.keys / "sig").write_bytes(bytes.fromhex(head["signature"]))
            subprocess.run(["openssl", "dgst", "-sha256", "-verify", self.public, "-signature", self.keys / "sig"],
                           input=f"tokend audit head 1\nseq={head['signedSeq']}\nhash={head['signedHash']}\n".encode(),
                           capture_output=True, check=True)
            signed.append(head["signedSeq"])
        return signed


class Heads(Signing):
    def test_interval(self):
        """the head is signed when the interval is over, and not again while there is nothing new"""
        audit = self.audit(sign_interval_usec=100000)
        audit.keep(3)
        head = self.sign(audit)
        state = next(s for s in iter(audit.state, None) if s["signed_seq"] == head["seq"])
        self.assertEqual(state["seq"], head["seq"] + 1)
        # An idle interval passes: whatever came would be first in the queue before the answer to this.
        select.select([audit.broker.sock], [], [], 0.35)
        seq = audit.keep()
        self.assertEqual(seq, head["seq"] + 2)
        self.assertFalse([m for m in audit.broker.waiting if m[0] == "HEAD"])
        second = self.sign(audit)
        self.assertEqual(second["seq"], seq)
        next(s for s in iter(audit.state, None) if s["signed_seq"] == seq)
        self.assertEqual(self.verify(check(self.path)), [head["seq"], seq])

    def test_rotation(self):
        """a rotation has the head signed, and the next file says so and goes on with the chain"""
        audit = self.audit(rotate_size=4000, sign_interval_usec=3600000000)
        while True:
            seq = audit.keep()
            if seq > 100 or self.path.stat().st_size >= 4000:
                break
        self.sign(audit)
        next(s for s in iter(audit.state, None) if s["signed_seq"])
        audit.keep(2)
        old, = self.rotated()
        self.assertRegex(old, r"audit\.log\.\d{8}T\d{6}Z\.%d$" % (seq + 1))
        self.assertEqual(check(old)[-1]["kind"], "head")
        first = check(self.path)[0]
        self.assertEqual((first["kind"], first["headSigned"], first["file"]),
                         ("rotated", True, os.path.basename(old)))
        self.assertEqual(self.verify(check(old, self.path)), [seq])

    def test_rotation_refused(self):
        """a rotation whose head nobody signs takes place, and says why it is not signed"""
        audit = self.audit(sign_interval_usec=3600000000)
        audit.keep(2)
        audit.control.send("AUDIT_ROTATE")
        seq = audit.broker.get("HEAD")[1]["seq"]
        audit.broker.send("HEAD_SIGNED", seq=seq, ok=0, reason="the token is recovering")
        audit.keep()
        first = next(r for r in check(*self.rotated(), self.path) if r["kind"] == "rotated")
        self.assertEqual((first["headSigned"], first["reason"]), (False, "the token is recovering"))

    def test_rotation_silence(self):
        """a rotation does not wait long for a signature, and a late one does no harm"""
        audit = self.audit(sign_interval_usec=3600000000)
        audit.keep(2)
        audit.control.send("AUDIT_ROTATE")
        values = audit.broker.get("HEAD")[1]
        end = time.monotonic() + DEADLINE
        while not self.rotated() and time.monotonic() < end:
            audit.keep()
        audit.broker.waiting.insert(0, ("HEAD", values))
        self.sign(audit)
        next(s for s in iter(audit.state, None) if s["signed_seq"])
        records = check(*self.rotated(), self.path)
        self.assertFalse(next(r for r in records if r["kind"] == "rotated")["headSigned"])
        self.assertEqual(self.verify(records), [values["seq"]])

    def test_rotation_plain(self):
        """without AuditKey= files are rotated all the same, as often as they are full"""
        audit = self.audit(rotate_size=2000)
        audit.keep(40)
        for _ in range(40):
            audit.keep()
        files = self.rotated()
        self.assertGreater(len(files), 3)
        records = check(*files, self.path)
        self.assertEqual([r["n"] for r in records if "n" in r], list(range(1, 81)))
        self.assertEqual({r["reason"] for r in records if r["kind"] == "rotated"}, {"no AuditKey= is set"})

    def test_crash_in_rotation(self):
        """a process that died after the rename goes on with the chain of the file that was renamed"""
        audit = self.audit()
        seq = audit.keep(3)
        audit.end()
        old = f"{self.path}.20260101T000000Z.{seq}"
        os.rename(self.path, old)
        self.audit().keep()
        self.assertEqual([r["seq"] for r in check(old, self.path)], list(range(1, seq + 3)))
        self.assertEqual(check(self.path)[0]["follows"], os.path.basename(old))

    def test_link_among_rotated(self):
        """a symbolic link that is named like a rotated file does not end the keeping of records: the log names it"""
        audit = self.audit()
        seq = audit.keep(3)
        audit.end()
        old = f"{self.path}.20260101T000000Z.{seq}"
        os.rename(self.path, old)
        os.symlink("/nowhere", f"{self.path}.20260101T000001Z.99999")
        audit = self.audit()
        audit.keep()
        self.assertEqual([r["seq"] for r in check(old, self.path)], list(range(1, seq + 3)))
        self.assertIn("20260101T000001Z.99999 is skipped", audit.end()[1])

    def test_drain(self):
        """at a clean stop the head is signed before DRAINED"""
        audit = self.audit(sign_interval_usec=3600000000)
        seq = audit.keep(2)
        audit.control.send("DRAIN", deadline_usec=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 + 10 * 10**6)
        self.sign(audit)
        audit.control.get("DRAINED")
        self.assertEqual(self.verify(check(self.path)), [seq])
        self.assertEqual(audit.end()[0], 0)

    def test_drain_silence(self):
        """a stop does not wait for a signature beyond its deadline"""
        audit = self.audit(sign_interval_usec=3600000000)
        audit.keep(2)
        audit.control.send("DRAIN", deadline_usec=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 + 300000)
        audit.broker.get("HEAD")
        audit.control.get("DRAINED")
        self.assertEqual(audit.end()[0], 0)

    def test_reload(self):
        """a reload changes size and interval, and keeps the file"""
        audit = self.audit()
        audit.keep(2)
        audit.start(self.path, 10, 100000)
        audit.keep()
        self.sign(audit)
        next(s for s in iter(audit.state, None) if s["signed_seq"])
        self.assertEqual(len(self.rotated()), 1)


# What a broker that was taken over may send as a record, by what is wrong with it.
FORGED = {
    **{f"the kind {kind}": f'{{"kind":"{kind}","file":"x","headSigned":true}}'
       for kind in ("start", "rotated", "torn", "damaged", "reopened", "head", "refused")},
    "a signed head": '{"kind":"head","signedSeq":1,"signedHash":"%s","algorithm":"ed25519","key":"k","publicKey":"00",'
                     '"signature":"00"}' % ZERO,
    "a gap": '{"time":"x","kind":"audit-back","since":"x","reason":"none","late":0,"lost":0}',
    "a kind in escapes": r'{"k\u0069nd":"\u0068ead"}',
    "a kind with NUL": r'{"kind":"head\u0000x"}',
    "seq": '{"kind":"sign","seq":1}',
    "prev": '{"prev":"%s","kind":"sign"}' % ZERO,
    "hash": '{"kind":"sign","hash":"%s"}' % ZERO,
    "seq in escapes": r'{"kind":"sign","s\u0065q":1}',
    "a member twice": '{"kind":"sign","kind":"delete"}',
    "two lines": '{"a":1}\n{"b":2}',
    "a control character": '{"a":"\x01"}',
    "an escape sequence": '{"a":"\x1b[2J"}',
    "a member's name with NUL": r'{"a\u0000":1}',
    "not UTF-8": b'{"a":"\xff"}',
    "a surrogate": b'{"a":"\xed\xa0\x80"}',
    "half a pair": r'{"a":"\ud800"}',
    "an array": "[1]",
    "empty": "{}",
    "nothing": "",
    "no JSON": "sign",
    "not closed": '{"a":"b}',
    "nested": '{"a":{"b":1}}',
    "deep": '{"a":' + '{"a":' * 20 + "1" + "}" * 21,
    "many arrays": '{"a":[' + "[]," * 5000 + "[]]}",
    "too long": '{"a":"' + "x" * 17000 + '"}',
}
# Messages that are not records, by what is wrong with them.
NONSENSE = {
    "an unknown type": b"\xff garbage",
    "type 0": bytes(9),
    "a cut record": pack("RECORD", number=3, text='{"kind":"sign"}')[:-3],
    "a record with a tail": pack("RECORD", number=3, text='{"kind":"sign"}') + b"x",
    "a NUL in a text": pack("RECORD", number=3, text='{"kind":\0"sign"}'),
    "a message for another": pack("GO"),
    "a signature of nothing": pack("HEAD_SIGNED", seq=1, ok=1, algorithm=255, key="k", spki=b"x", signature=b"y"),
    "a cut signature": pack("HEAD_SIGNED", seq=1)[:-1],
    "too long": bytes([NUMBERS["RECORD"]]) + bytes(150000),
}


class Faults(Case):
    def gone(self, audit):
        status, log = audit.wait()
        self.assertEqual(status, 1, log)
        self.assertIn("sent an invalid message", log)

    def good(self, audit):
        number = audit.record()
        while True:
            name, answered = audit.answer()
            self.assertEqual(name, "SAFE")
            if answered == number:
                return number

    def verified(self, *goods):
        """The file holds these good records, and what was refused is not in it: tokendctl and this file's check say so."""
        records = check(self.path)
        self.assertEqual([r.get("n") for r in records if r["kind"] == "sign"], list(goods))
        self.assertLessEqual({r["kind"] for r in records}, {"start", "sign", "refused"})
        self.assertEqual(sum(r["kind"] == "start" for r in records), 1)
        done = subprocess.run([BUILD / "tokendctl", "audit", "verify", self.path], capture_output=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())
        return [r for r in records if r["kind"] == "refused"]

    def test_forged(self):
        """a record that is not the broker's to write, or would break the file, is refused and that is recorded; others are kept"""
        audit = self.audit()
        self.assertEqual(audit.state()["ok"], 1)
        goods = [self.good(audit)]
        for n, (what, text) in enumerate(FORGED.items(), 1):
            with self.subTest(what):
                audit.number += 1
                if isinstance(text, str):
                    text = text.encode()
                audit.broker.sock.send(bytes([NUMBERS["RECORD"]]) + struct.pack("<QI", audit.number, len(text) + 1) + text + b"\0")
                self.assertEqual(audit.answer(), ("UNSAFE", audit.number))
                goods.append(self.good(audit))
                self.assertEqual(len(self.verified(*goods)), n)
        self.assertEqual(audit.end()[0], 0)

    def test_nonsense(self):
        """a message of the broker that is malformed does not end the process; what came before and after is kept"""
        audit = self.audit()
        self.assertEqual(audit.state()["ok"], 1)
        goods = [self.good(audit)]
        for what, message in NONSENSE.items():
            with self.subTest(what):
                audit.broker.sock.send(message)
                goods.append(self.good(audit))
                self.verified(*goods)
        with open("/dev/null") as null:
            socket.send_fds(audit.broker.sock, [b"\xff"], [null.fileno()] * 20)
            before = len(os.listdir(f"/proc/{audit.process.pid}/fd"))
            for _ in range(50):
                socket.send_fds(audit.broker.sock, [b"\xff"], [null.fileno()] * 2)
        goods.append(self.good(audit))
        self.verified(*goods)
        self.assertLessEqual(len(os.listdir(f"/proc/{audit.process.pid}/fd")), before)
        status, log = audit.end()
        self.assertEqual(status, 0, log)
        self.assertIn("refused what the broker sent", log)

    def test_number(self):
        """a record whose number does not rise is refused"""
        audit = self.audit()
        audit.keep()
        audit.broker.send("RECORD", number=1, text='{"kind":"sign"}')
        audit.keep()
        self.assertEqual([r["reason"] for r in self.verified(1, 2)], ["a record whose number does not rise"])

    def test_garbage(self):
        """a message of the supervisor that is malformed ends it: the two are of different builds"""
        audit = self.audit()
        audit.keep()
        audit.control.sock.send(b"\xff garbage")
        self.gone(audit)

    def test_version(self):
        """a supervisor of another build is refused"""
        audit = self.audit(start=False)
        audit.control.send("AUDIT_START", version=VERSION + 1, path=str(self.path))
        self.gone(audit)
        self.assertFalse(self.path.exists())

    def test_by_hand(self):
        """a process that was started by hand says who may start it"""
        done = subprocess.run([BUILD / "tokend-audit"], capture_output=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"only tokend starts", done.stderr)


if __name__ == "__main__":
    unittest.main()

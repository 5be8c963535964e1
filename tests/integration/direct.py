# SPDX-License-Identifier: MPL-2.0
"""One tokend-worker without the others: what the broker and the supervisor say to it is said from here.

The messages are read out of daemon/channel/message.h, so that nothing is written down twice.
"""
import fcntl
import os
import re
import socket
import struct
import threading

from harness import BUILD, DEADLINE, ROOT

SIZES = {"u8": "<B", "u32": "<I", "u64": "<Q"}
EPOCH = 7
LOOK_SEEK = 2


def without_comments(header):
    return re.sub(r"/\*.*?\*/", "", (ROOT / "daemon/channel" / header).read_text(), flags=re.S).replace("\\\n", " ")


VERSION = int(re.search(r"#define MESSAGE_VERSION (\d+)U", without_comments("message.h"))[1])


def read_messages():
    text = without_comments("message.h")
    lists = {name: body for name, body in re.findall(r"#define (\w+)\((?:[OM], )?F\)([^\n]*)", text)}

    def fields_in(part):
        return re.findall(r"\bF\((\w+), (\w+)\)", part)

    fields = {}
    for rows, head in (("OPERATIONS", fields_in(lists["OPERATION_HEAD"])), ("OTHER_MESSAGES", [])):
        # What is before the first name, then name and row by turns.
        parts = re.split(r"\b[OM]\(([A-Z_]+),", lists[rows])
        fields.update((name, head + fields_in(row)) for name, row in zip(parts[1::2], parts[2::2]))
    order = list(fields)
    statuses = re.findall(r"\b(REPLY_\w+)\b", re.search(r"enum reply_status \{(.*?)\};", without_comments("message-words.h"), re.S)[1])
    return fields, order, statuses


FIELDS, ORDER, STATUSES = read_messages()


def encode(name, **values):
    out = bytes([ORDER.index(name) + 1])
    for kind, field in FIELDS[name]:
        value = values.pop(field, 0 if kind in SIZES else b"" if kind == "bytes" else "")
        if kind in SIZES:
            out += struct.pack(SIZES[kind], value)
        else:
            data = value.encode("utf-8", "surrogateescape") + b"\0" if kind == "text" else value
            out += struct.pack("<I", len(data)) + data
    if values:
        raise TypeError(f"{name} has no {values}")
    return out


def decode(data):
    name, at, values = ORDER[data[0] - 1], 1, {}
    for kind, field in FIELDS[name]:
        if kind in SIZES:
            values[field], = struct.unpack_from(SIZES[kind], data, at)
            at += struct.calcsize(SIZES[kind])
            continue
        length, = struct.unpack_from("<I", data, at)
        value = data[at + 4:at + 4 + length]
        at += 4 + length
        # Strictly: what a worker says is well-formed.
        values[field] = value[:-1].decode("utf-8") if kind == "text" else value
    if at != len(data):
        raise AssertionError(f"{name}: {len(data) - at} bytes too many")
    return name, values


class Ended(Exception):
    """The worker is no more; its last words."""


class Process:
    """A tokend-worker that was told START."""

    def __init__(self, config, token, environment, log, look=0, build=BUILD):
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
        self.request, self.control = (ours for ours, _ in pairs)
        high = [fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 200) for _, theirs in pairs]
        self.request.settimeout(DEADLINE)
        self.control.settimeout(DEADLINE)
        null = os.open("/dev/null", os.O_RDWR)
        self.pid = os.posix_spawn(
            build / "tokend-worker", ["tokend-worker", token],
            dict(os.environ, NSS_DISABLE_UNLOAD="1", ASAN_OPTIONS="detect_leaks=0", **environment),
            file_actions=[(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                          (os.POSIX_SPAWN_DUP2, log.fileno(), 2), (os.POSIX_SPAWN_DUP2, high[0], 3),
                          (os.POSIX_SPAWN_DUP2, high[1], 4)])
        for fd in (*high, null):
            os.close(fd)
        for _, theirs in pairs:
            theirs.close()
        memfd = os.memfd_create("config", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(memfd, config.encode())
        fcntl.fcntl(memfd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL)
        socket.send_fds(self.control, [encode("START", version=VERSION, token=token, epoch=EPOCH, look=look)], [memfd])
        os.close(memfd)

    def end(self):
        """Ends it as a supervisor does, and reaps it."""
        for channel in (self.control, self.request):
            try:
                channel.shutdown(socket.SHUT_RDWR)  # wakes whoever waits on it here
            except OSError:
                pass
            channel.close()
        if self.pid:
            os.waitpid(self.pid, 0)
            self.pid = 0

    def kill(self, number=9):
        os.kill(self.pid, number)


class Worker:
    """A worker that serves, with the supervisor's part of a look."""

    def __init__(self, place, section, token="hsm", environment=None, state="state", build=BUILD):
        self.config = f"[Daemon]\nStateDirectory={place.path / state}\n{section}\n"
        self.token, self.environment, self.build = token, environment or {}, build
        self.log = open(place.path / f"{state}-worker.log", "ab")
        self.number, self.entries, self.claims, self.last_words = 0, {}, [], None
        self.answer_looks = True
        self.process = Process(self.config, token, self.environment, self.log, build=build)
        self.supervisor = threading.Thread(target=self._supervise, daemon=True)
        self.up = threading.Event()
        self.supervisor.start()
        name, _ = self._receive()
        assert name == "HELLO", name

    def _supervise(self):
        control = self.process.control
        while True:
            try:
                data = control.recv(1 << 17)
            except OSError:
                return
            if not data:
                return
            name, values = decode(data)
            if name == "UP":
                self.up.set()
            elif name == "ENDING":
                self.last_words = values
            elif name == "SEEK" and self.answer_looks:
                control.send(self.look(data))

    def look(self, question):
        """A fresh process for a SEEK; its SOUGHT."""
        process = Process(self.config, self.token, self.environment, self.log, LOOK_SEEK, self.build)
        try:
            process.control.send(question)
            answer = process.control.recv(1 << 17)
            if answer and decode(answer)[0] == "SOUGHT":
                return answer
            return encode("SOUGHT", number=decode(question)[1]["number"], reason=f"{decode(answer)[1] if answer else 'gone'}")
        finally:
            process.end()

    def _receive(self):
        data = self.process.request.recv(1 << 17)
        if not data:
            self.supervisor.join(DEADLINE)
            raise Ended(self.last_words)
        return decode(data)

    def send(self, name, **values):
        self.number += 1
        request = EPOCH << 32 | self.number
        self.process.request.send(encode(name, request=request, **values))
        return request

    def reply(self, request):
        while True:
            name, values = self._receive()
            if name == "ENTRY":
                self.entries[values["number"]] = values
            elif name == "DROP":
                self.entries.pop(values["number"], None)
            elif name == "CLAIMS":
                self.claims = []
                self.holds_claims = values["holds_claims"]
            elif name == "CLAIM":
                self.claims.append(values)
            elif name == "REPLY" and values["request"] == request:
                values["status"] = STATUSES[values["status"] - 1]
                return values

    def ask(self, name, **values):
        return self.reply(self.send(name, **values))

    def ok(self, name, **values):
        """The payload of a request that succeeds."""
        reply = self.ask(name, **values)
        if reply["status"] != "REPLY_OK":
            raise AssertionError(f"{name}: {reply}")
        return reply["payload"]

    def generate(self, nickname, key_type=2, size=256, usage=1, **more):
        """The entry of a new key; EC and P-256 unless told otherwise."""
        payload = self.ok("GENERATE", nickname=nickname, id=os.urandom(16), key_type=key_type, size=size, usage=usage, **more)
        return self.entries[struct.unpack("<Q", payload)[0]]

    def number_of(self, payload):
        return self.entries[struct.unpack("<Q", payload)[0]]

    def end(self):
        self.process.end()
        self.supervisor.join(DEADLINE)
        self.log.close()

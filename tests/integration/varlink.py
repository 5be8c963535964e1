# SPDX-License-Identifier: MPL-2.0
"""A varlink client, written from the protocol alone: it shares nothing with the C code that it tests."""
import array
import base64
import json
import os
import socket

KEYS = "io.tokend.Keys."
STATUS = "io.tokend.Status."
SERVICE = "org.varlink.service."


class Error(Exception):
    """An error reply: name behind the interface's, and parameters."""

    def __init__(self, reply):
        super().__init__(f"{reply['error']} {reply.get('parameters')}")
        self.full = reply["error"]
        self.name = self.full.rpartition(".")[2]
        self.parameters = reply.get("parameters") or {}
        # What says in which way a call was wrong stands apart; each of these errors has it.
        self.reason = self.parameters.pop("reason") if self.name in ("InvalidParameter", "PermissionDenied") else None


class Closed(Exception):
    """The other side closed the connection."""


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    return base64.b64decode(text, validate=True)


def connect(path, timeout=60):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    sock.connect(str(path))
    return sock


def connect_as(path, uid, gid, groups=(), timeout=60):
    """A connection whose peer credentials are another's: made by a child, handed over as a descriptor."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(list(groups))
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            sock = connect(path)
            theirs.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sock.fileno()]))])
            os._exit(0)
        except BaseException as error:  # noqa: whatever it was, the parent gets to see it
            os.write(2, f"connect_as: {error!r}\n".encode())
            os._exit(1)
    theirs.close()
    data, fds, _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    os.waitpid(pid, 0)
    if not fds:
        raise ConnectionError("the other user could not connect")
    sock = socket.socket(fileno=fds[0])
    sock.settimeout(timeout)
    return sock


class Client:
    def __init__(self, path=None, sock=None, timeout=60):
        self.path = path
        self.sock = sock or connect(path, timeout)
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, method, parameters=None, **flags):
        if "." not in method:
            method = KEYS + method
        message = {"method": method, **flags}
        if parameters is not None:
            message["parameters"] = parameters
        self.send_raw(json.dumps(message).encode() + b"\0")

    def send_raw(self, data):
        self.sock.sendall(data)

    def receive(self):
        """One reply as it came, or Closed."""
        while b"\0" not in self.buffer:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed(bytes(self.buffer))
            self.buffer += data
        raw, _, rest = bytes(self.buffer).partition(b"\0")
        self.buffer = bytearray(rest)
        return json.loads(raw.decode("utf-8"))

    def result(self):
        reply = self.receive()
        if "error" in reply:
            raise Error(reply)
        return reply.get("parameters") or {}

    def call(self, method, **parameters):
        self.send(method, parameters)
        return self.result()

    def more(self, method, **parameters):
        """Every reply of a call with more."""
        self.send(method, parameters, more=True)
        while True:
            reply = self.receive()
            if "error" in reply:
                raise Error(reply)
            yield reply.get("parameters") or {}
            if not reply.get("continues"):
                return

    def closed(self):
        """Reads until the other side closes; the replies that came before."""
        replies = []
        try:
            while True:
                replies.append(self.receive())
        except Closed:
            return replies

# SPDX-License-Identifier: MPL-2.0
"""Stands between programs and the daemon: it keeps the requests, and holds the replies that a test wants to come late."""
import json
import socket
import threading

from harness import until


class Relay:
    """Listens at `path`. What it passes on comes from this process, for the daemon."""

    def __init__(self, path, daemon):
        self.path, self.daemon = path, daemon
        self.requests = []  # (method without its interface, parameters)
        self.holds, self.held = None, False
        self.cuts, self.on_cut = None, None
        self.open = threading.Event()
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(str(path))
        self.server.listen(64)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            try:
                server.connect(str(self.daemon))
                while request := self.message(client):
                    self.requests.append((self.method(request), json.loads(request[:-1])["parameters"]))
                    server.sendall(request)
                    self.reply(client, server, request)
            except (OSError, ValueError):
                return

    def reply(self, client, server, request):
        more = True
        while more:
            reply = self.message(server)
            more = json.loads(reply[:-1]).get("continues", False)
            if self.holds == self.method(request) and not more:
                self.holds = None
                self.held = True
                self.open.wait(60)
            if self.cuts == self.method(request) and not more:
                self.cuts = None
                self.on_cut()
                raise OSError("the reply is lost")
            client.sendall(reply)

    @staticmethod
    def message(sock):
        """One message with its NUL: whoever sends one waits for its reply before the next."""
        data = b""
        while not data.endswith(b"\0"):
            part = sock.recv(65536)
            if not part:
                return b""
            data += part
        return data

    @staticmethod
    def method(request):
        return json.loads(request[:-1])["method"].rpartition(".")[2]

    # ---- for tests ----

    def hold(self, method):
        """The next reply to this method is not passed on before release()."""
        self.open.clear()
        self.holds, self.held = method, False

    def cut(self, method, then):
        """The next reply to this method is lost, with its connection; then() is called before that."""
        self.cuts, self.on_cut = method, then

    def wait_held(self):
        until(lambda: self.held, "a reply is held")

    def release(self):
        self.open.set()

    def close(self):
        self.release()
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join()

# SPDX-License-Identifier: MPL-2.0
"""Every return value of PKCS #11 at the calls that a worker makes. The page docs/errors.md is the table: what the caller is told, and
what becomes of the worker. Each cell is tried: the module fails the call on demand."""
import os
import pathlib
import re
import signal
import threading
import time

from harness import BUILD, Case, until
from test_faults import FaultyToken
from varlink import Error, b64

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLASSES = ("request", "session", "busy", "memory", "vague", "device", "PIN")
# What takes its time is tried with one value of each class; with all where TOKEND_MATRIX=all.
ALL = os.environ.get("TOKEND_MATRIX") == "all"


def values():
    """Name, number and class of each value, as the daemon has them, with one of a vendor's that it does not know. One of class
    device is there twice: where the session is well, and where it is not."""
    rows = re.findall(r'\{(0x[0-9a-f]+), "(CKR_\w+)", CKR_CLASS_(\w+)\}', (ROOT / "daemon/util/ckr.c").read_text())
    for number, name, of in rows:
        if name == "CKR_HOST_MEMORY":
            yield name, int(number, 16), "memory"
        elif of == "DEVICE":
            yield name, int(number, 16), "vague"
            yield name, int(number, 16), "device"
        elif of != "OK":
            yield name, int(number, 16), "PIN" if of == "PIN" else of.lower()
    yield "0x80000001", 0x80000001, "request"


def page(heading):
    """The rows of the table below that heading: {call: {class: cell}}."""
    text = (ROOT / "docs/errors.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `C_")]
    return {row[0].strip("`"): dict(zip(CLASSES, row[2:])) for row in rows}


class Matrix(Case):
    @classmethod
    def configure(cls):
        cls.tokens = {name: FaultyToken(cls.place, name) for name in ("a", "b", "c", "d")}
        cls.daemon = cls.start("".join(token.section(name, "KeepAlive=1h\nTimeout=20s\n", refresh="1h") for name, token in cls.tokens.items()))
        cls.certificate = None

    def all_at_once(self, rows, try_one):
        """The rows in turn, on all tokens at once."""
        faults, rows = [], list(rows)
        lock = threading.Lock()

        def work(name):
            while True:
                with lock:
                    if not rows:
                        return
                    row = rows.pop()
                try:
                    try_one(name, *row)
                except Exception as error:
                    faults.append(f"{row}: {error}")
                    return

        threads = [threading.Thread(target=work, args=(name,)) for name in self.tokens]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])

    def ready(self, name):
        """The token serves, if a reload is asked for where that is needed; its state."""
        def serves():
            token = self.daemon.token(name)
            if token["state"] == "failed":
                self.tokens[name].pin_file.touch()
                self.daemon.process.send_signal(signal.SIGHUP)
                time.sleep(0.3)
            return token["state"] == "ready"
        until(serves, f"{name} is ready")

    def request(self, name, call, number):
        """A request that needs this call."""
        if call in ("C_SignInit", "C_Sign"):
            self.daemon.call("Sign", key=f"{name}:k", algorithm="ecdsa_sha256", message=b64(b"m"), timeoutMs=60000)
        elif call in ("C_GenerateKeyPair", "C_CreateObject"):
            self.daemon.call("Generate", token=name, nickname=f"{call} {number:x}", type="ec", timeoutMs=60000)
        else:
            self.daemon.call("Delete", key=f"{name}:{call} {number:x}")

    def told(self, name, call, number, ckr, of):
        """What a request is told whose call fails so each time, and how many workers that costs."""
        before = self.daemon.token(name)["restarts"]
        lost = [f"C_GetSessionInfo ckr={number:#x} since={call} count=1"] if of == "device" else []
        self.tokens[name].set(f"{call} ckr={number:#x}", *lost)
        try:
            self.request(name, call, number)
            answer = "done"
        except Error as error:
            answer = error.name
            if answer == "TokenError":
                self.assertEqual(error.parameters["ckr"], ckr)
        self.tokens[name].set()
        token = self.daemon.token(name)
        if answer == "TokenUnavailable" and token["state"] == "failed":
            answer = "failed"
        self.ready(name)
        # What it was for is as it was, or can be done now; and no worker ends any more.
        self.request(name, "C_Sign", number)
        workers = self.daemon.token(name)["restarts"] - before
        return answer if workers == 0 or answer == "failed" else f"{answer}, {workers}"

    def try_request(self, name, call, ckr, number, of):
        if call == "C_DestroyObject":
            self.daemon.call("Generate", token=name, nickname=f"{call} {number:x}", type="ec", timeoutMs=60000)
        told = self.told(name, call, number, ckr, of)
        self.assertEqual(told, self.requests[call][of], (call, ckr))

    def started(self, name, call, number, ckr):
        """What becomes of a token whose worker starts, where the call fails so each time."""
        token = self.tokens[name]
        logins, restarts = token.counts()["C_Login"], self.daemon.token(name)["restarts"]
        # The worker ends because it lost its device. (SIGKILL within C_Login would cost SoftHSM the token.)
        token.set(f"{call} ckr={number:#x}", "C_SignInit ckr=0x30 until=C_Initialize",
                  "C_GetSessionInfo ckr=0x30 since=C_SignInit until=C_Initialize")
        with self.assertRaises(Error):
            self.daemon.call("Sign", key=f"{name}:k", algorithm="ecdsa_sha256", message=b64(b"m"), timeoutMs=50)

        def settled():
            now = self.daemon.token(name)
            said = any(word in now["reason"] for word in (ckr, call, "cannot be initialized", "no slot"))
            return now if now["restarts"] > restarts and (said or now["state"] in ("ready", "failed")) else None
        state = until(settled, f"what becomes of it: {call} {ckr}")["state"]
        state = "serves" if state == "ready" else "failed" if state == "failed" else "waits"
        tried = token.counts()["C_Login"] - logins
        token.set()
        self.ready(name)
        self.request(name, "C_Sign", number)
        if call == "C_Login" and state == "failed":
            self.assertEqual(tried, 1, "attempts of the PIN")
        return state

    def try_start(self, name, call, ckr, number, of):
        self.assertEqual(self.started(name, call, number, ckr), self.starts[call][of], (call, ckr))

    @staticmethod
    def rows(calls, each=()):
        """Each call with one value of each class, and those of `each` with all values."""
        for call in calls:
            seen = set()
            for ckr, number, of in values():
                if of not in seen or (call in each and of != "device") or ALL:
                    seen.add(of)
                    yield call, ckr, number, of

    def test_requests(self):
        """each value at each call of a request: what the caller is told, and what it costs; afterwards the token serves"""
        self.requests = page("Requests")
        self.all_at_once(self.rows(self.requests, ("C_SignInit", "C_Sign")), self.try_request)

    def test_starts(self):
        """each class of values at each call of a start: the token waits for the device, or an operator must act; afterwards it serves"""
        self.starts = page("Starts")
        self.all_at_once((row for row in self.rows(self.starts) if row[3] != "device"), self.try_start)

# SPDX-License-Identifier: MPL-2.0
"""Every return value of PKCS #11 at the calls that a worker makes. The page docs/errors.md is the table: what the caller is told, and
what becomes of the worker. Each cell is tried: the module fails the call on demand."""
import os
import pathlib
import re
import signal
import threading
import time

from harness import Case, run, until
from test_faults import FaultyToken
from varlink import Error, b64, unb64

C = "io.tokend.Certificates."
AES = {"type": "aes", "length": 16, "usage": ["encrypt", "decrypt", "wrap", "unwrap", "derive"]}
# The attribute whose reading fails.
ONLY = {("C_GetAttributeValue", "Derive"): " type=0x11"}
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
    """The rows of the table below that heading: {(call, of what): {class: cell}}."""
    text = (ROOT / "docs/errors.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `C_")]
    return {(row[0].strip("`"), row[1]): dict(zip(CLASSES, row[2:])) for row in rows}


class Uses:
    """The requests that a token with a fault gets, by what the page calls them. Each can be made again and again."""

    def __init__(self, daemon, place, token):
        self.daemon, self.place, self.token, self.n = daemon, place, token, 0
        self.rsa = self.made("rsa", type="rsa", size=2048, usage=["decrypt", "unwrap"])
        self.pair = self.made("pair", type="ec", usage=["derive"])
        self.edwards = self.made("edwards", type="ed25519")
        self.peer = self.made("peer", type="ec", usage=["derive"])
        encrypt = ("openssl", "pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", place.write("m.spki", self.rsa))
        self.ciphertext = b64(run(*encrypt, input=b"secret", stdin=None))
        self.wrapped = b64(run(*encrypt, input=bytes(16), stdin=None))
        self.signature = daemon.call("Sign", key=f"{token}:edwards", algorithm="ed25519", message=b64(b"m"))["signature"]
        self.sealed = self.secrets("Generate", template=AES)["sealed"]
        # What a session has opened is open to it: these are opened by no session of the next worker.
        self.never_used = [self.secrets("Generate", template=AES)["sealed"] for _ in range(150 if ALL else 25)]
        before = daemon.token(token)["restarts"]
        next(worker for worker in daemon.workers() if worker.command[1:] == [token.encode(), b""]).kill()
        until(lambda: daemon.token(token)["restarts"] > before and daemon.token(token)["state"] == "ready", "the next worker")
        self.encrypted = self.secrets("Encrypt", key=self.sealed, algorithm="aes_cbc_pad", iv=b64(bytes(16)), plaintext=b64(b"x"))["ciphertext"]

    def made(self, nickname, **more):
        return unb64(self.daemon.call("Generate", token=self.token, nickname=nickname, **more)["key"]["publicKey"])

    def call(self, method, **parameters):
        return self.daemon.call(method, timeoutMs=60000, **parameters)

    def create_and_delete(self):
        """So that a claim has lain on the token: its worker does not take a refusal for a token without claims."""
        self.made("before", type="ec")
        self.daemon.call("Delete", key=f"{self.token}:before")

    def secrets(self, method, **parameters):
        if method == "Generate":
            parameters["token"] = self.token
        return self.call("io.tokend.Secrets." + method, **parameters)

    def prepare(self, of):
        """What the request needs, made while nothing fails."""
        self.n += 1
        self.name = f"{of} {self.n}"
        if of in ("Delete", "Rename"):
            self.made(self.name, type="ec")
        if of in ("Generate", "Import", "Generate of a secret"):
            self.create_and_delete()
        if of == "First use of a sealed key":
            self.unused = self.never_used.pop()
        if of in ("Import", "Delete of a certificate"):
            self.certificate = b64(run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                                       "-keyout", self.place.path / f"{self.token}.pem", "-subj", f"/CN={self.name}", "-days", "30",
                                       "-outform", "DER"))
        if of == "Delete of a certificate":
            self.ask("Import")
        if of == "Delete of a secret":
            self.ask("Generate of a secret")

    def tidy(self, of):
        """Nothing that the last request may have made is left: a token with thousands of objects takes its time."""
        made = {"Generate": ("Delete", "key", ""), "Rename": ("Delete", "key", "'"), "Import": (C + "Delete", "certificate", ""),
                "Generate of a secret": ("io.tokend.Secrets.Delete", "secret", "")}
        if of in made:
            method, parameter, end = made[of]
            self.daemon.call(method, **{parameter: f"{self.token}:{self.name}{end}"})

    def ask(self, of):
        key = f"{self.token}:{self.name}"
        common = {"iv": b64(bytes(16)), "algorithm": "aes_cbc_pad", "key": self.sealed}
        match of:
            case "Sign":
                return self.call("Sign", key=f"{self.token}:k", algorithm="ecdsa_sha256", message=b64(b"m"))
            case "Decrypt":
                return self.call("Decrypt", key=f"{self.token}:rsa", algorithm="rsa_pkcs1", ciphertext=self.ciphertext)
            case "Derive":
                return self.call("Derive", key=f"{self.token}:pair", publicKey=b64(self.peer))
            case "Verify":
                return self.daemon.call("Verify", key=f"{self.token}:edwards", algorithm="ed25519", message=b64(b"m"), signature=self.signature)
            case "Random":
                return self.daemon.call("Random", length=16)
            case "Generate":
                return self.call("Generate", token=self.token, nickname=self.name, type="ec")
            case "Delete":
                return self.daemon.call("Delete", key=key)
            case "Rename":
                return self.call("Rename", key=key, nickname=self.name + "'")
            case "Import":
                return self.daemon.call(C + "Import", token=self.token, nickname=self.name, certificate=self.certificate)
            case "Delete of a certificate":
                return self.daemon.call(C + "Delete", certificate=key)
            case "Generate of a secret":
                return self.secrets("Generate", nickname=self.name, template=AES)
            case "Delete of a secret":
                return self.daemon.call("io.tokend.Secrets.Delete", secret=key)
            case "Generate of a sealed key":
                return self.secrets("Generate", template=AES)
            case "Unwrap":
                return self.secrets("Unwrap", key=f"{self.token}:rsa", algorithm="rsa_pkcs1", wrapped=self.wrapped, template=AES)
            case "Wrap":
                return self.secrets("Wrap", key=self.sealed, algorithm="aes_kwp", secret=self.sealed)
            case "Derive of a sealed key":
                return self.secrets("Derive", key=self.sealed, algorithm="aes_ecb_encrypt_data", data=b64(bytes(16)), template=AES)
            case "Encrypt":
                return self.secrets("Encrypt", plaintext=b64(b"x"), **common)
            case "First use of a sealed key":
                return self.secrets("Encrypt", plaintext=b64(b"x"), **dict(common, key=self.unused))
            case "Decrypt with a sealed key":
                return self.secrets("Decrypt", ciphertext=self.encrypted, **common)
        raise AssertionError(of)


class Matrix(Case):
    @classmethod
    def configure(cls):
        cls.tokens = {name: FaultyToken(cls.place, name) for name in ("a", "b", "c", "d")}
        cls.daemon = cls.start("".join(token.section(name, "KeepAlive=1h\nTimeout=20s\n", refresh="1h") for name, token in cls.tokens.items()))
        cls.uses = {name: Uses(cls.daemon, cls.place, name) for name in cls.tokens}

    def all_at_once(self, rows, try_one):
        """The rows in turn, on all tokens at once. Random asks the first token."""
        faults, rows = [], list(rows)
        lock = threading.Lock()

        def next_of(name):
            with lock:
                for row in rows:
                    if name == "a" or row[0][1] != "Random":
                        rows.remove(row)
                        return row
            return None

        def work(name):
            while row := next_of(name):
                try:
                    try_one(name, *row)
                except Exception as error:
                    faults.append(f"{row}: {error}")
                    self.tokens[name].set()

        threads = [threading.Thread(target=work, args=(name,)) for name in self.tokens]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])

    def ready(self, name):
        """The token serves, if a reload is asked for where that is needed, and its key is listed; its state."""
        def serves():
            token = self.daemon.token(name)
            if token["state"] == "failed":
                self.tokens[name].pin_file.touch()
                self.daemon.process.send_signal(signal.SIGHUP)
                time.sleep(0.3)
            return token["state"] == "ready" and any(
                key["nickname"] == "k" for key in self.daemon.call("List", token=name)["keys"])
        until(serves, f"{name} is ready")

    def told(self, name, call, of_what, number, ckr, of):
        """What a request is told whose call fails so each time, and how many workers that costs."""
        n_workers = int(self.requests[call, of_what][of].partition(", ")[2] or 0)
        use = self.uses[name]
        use.prepare(of_what)
        before = self.daemon.token(name)["restarts"]
        lost = [f"C_GetSessionInfo ckr={number:#x} since={call} count=1"] if of == "device" else []
        self.tokens[name].set(f"{call} ckr={number:#x}{ONLY.get((call, of_what), '')}", *lost)
        try:
            use.ask(of_what)
            answer = "done"
        except Error as error:
            answer = error.name
            if answer == "TokenError":
                self.assertEqual(error.parameters["ckr"], ckr)
        self.tokens[name].set()
        token = self.daemon.token(name)
        if answer == "TokenUnavailable" and token["state"] == "failed":
            answer = "failed"
        else:
            # A worker may end behind its answer.
            until(lambda: self.daemon.token(name)["restarts"] >= before + n_workers or self.daemon.token(name)["state"] == "failed",
                  f"{n_workers} workers: {call} {ckr}")
        self.ready(name)
        # What it was for is as it was, or can be done now; and no worker ends any more.
        use.prepare(of_what)
        use.ask(of_what)
        use.tidy(of_what)
        use.ask("Sign")
        workers = self.daemon.token(name)["restarts"] - before
        return answer if workers == 0 or answer == "failed" else f"{answer}, {workers}"

    def try_request(self, name, row, ckr, number, of):
        told = self.told(name, *row, number, ckr, of)
        self.assertEqual(told, self.requests[row][of], (*row, ckr))

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
        self.uses[name].ask("Sign")
        if call == "C_Login" and state == "failed":
            self.assertEqual(tried, 1, "attempts of the PIN")
        return state

    def try_start(self, name, row, ckr, number, of):
        self.assertEqual(self.started(name, row[0], number, ckr), self.starts[row][of], (row[0], ckr))

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
        rows = self.rows(self.requests, (("C_SignInit", "Sign"), ("C_Sign", "Sign")))
        self.all_at_once((row for row in rows if self.requests[row[0]][row[3]] != "-"), self.try_request)

    def test_starts(self):
        """each class of values at each call of a start: the token waits for the device, or an operator must act; afterwards it serves"""
        self.starts = page("Starts")
        self.all_at_once((row for row in self.rows(self.starts) if row[3] != "device"), self.try_start)

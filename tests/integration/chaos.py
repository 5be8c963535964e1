# SPDX-License-Identifier: MPL-2.0
"""Clients that keep a ledger of what was acknowledged, and others' programs that say what the tokens hold.

What came back without an answer, or as unknown, may be there or not, once. Everything else is as it was answered.
"""
import random
import re
import threading

import varlink
from harness import openssl_verify, run
from varlink import b64, unb64

C = "io.tokend.Certificates."
# Errors that say that nothing was done, and those after which nobody knows.
NOTHING = {"Overloaded", "TokenUnavailable", "WorkerLost", "TokenError"}
THERE, GONE, UNKNOWN = "there", "gone", "unknown"


class Wrong(AssertionError):
    """An answer that cannot be right."""


def certificates(place, n):
    """n self-signed certificates in DER, each with a subject and a key of its own."""
    made = []
    for i in range(n):
        path = place.path / f"certificate{i}.der"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            place.path / "unused.key", "-subj", f"/CN=chaos {i}", "-days", "30", "-outform", "DER", "-out", path)
        made.append(path.read_bytes())
    return made


class Ledger:
    """{(token, kind, name): THERE, GONE or UNKNOWN}, kind "key" or "certificate"; and the signatures to be verified."""

    def __init__(self):
        self.lock = threading.Lock()
        self.objects, self.wrong, self.signatures = {}, [], []
        self.outcomes = {}

    def count(self, what, outcome):
        with self.lock:
            self.outcomes[what, outcome] = self.outcomes.get((what, outcome), 0) + 1

    def told(self):
        return ", ".join(f"{what} {outcome} {n}" for (what, outcome), n in sorted(self.outcomes.items()))


class Client(threading.Thread):
    """Does one thing after the other until `stop` is set. Its objects have names that no other client uses, each once."""

    def __init__(self, number, seed, daemon, ledger, tokens, ders, stop):
        super().__init__()
        self.number, self.daemon_under_test, self.ledger, self.tokens, self.stop = number, daemon, ledger, tokens, stop
        self.random = random.Random(f"{seed}-{number}")
        self.ders, self.n = list(ders), 0
        self.spki, self.connection = {}, None

    def run(self):
        while not self.stop.is_set():
            try:
                self.step()
            except Exception as error:  # noqa: the test says it
                self.ledger.wrong.append(f"client {self.number}: {type(error).__name__} {error}")
                return
        self.drop()

    def drop(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def call(self, what, method, **parameters):
        """(reply, how it ended): THERE stands for success."""
        try:
            if not self.connection:
                self.connection = varlink.Client(self.daemon_under_test.socket, timeout=120)
            reply = self.connection.call(method, **parameters) if method != "List" else {
                "keys": [k for r in self.connection.more("List", **parameters) for k in r["keys"] + [r.get("unavailable")] if k]}
        except varlink.Error as error:
            self.ledger.count(what, error.name)
            unknown = error.name == "OutcomeUnknown" or error.name == "DeadlineExceeded" and error.parameters["executed"]
            if not unknown and error.name not in NOTHING | {"DeadlineExceeded"}:
                raise Wrong(f"{method} {str(parameters)[:80]}: {error}") from None
            return None, UNKNOWN if unknown else GONE
        except (varlink.Closed, OSError) as error:
            if isinstance(error, TimeoutError):
                raise Wrong(f"{method} {str(parameters)[:80]}: no answer") from None
            self.ledger.count(what, "no answer")
            self.drop()
            self.stop.wait(0.05)
            return None, UNKNOWN
        self.ledger.count(what, "ok")
        return reply, THERE

    def mine(self, kind, state=THERE):
        with self.ledger.lock:
            return [key for key, value in self.ledger.objects.items() if value == state and key[1] == kind and
                    key[2].startswith(f"c{self.number}-")]

    def step(self):
        self.random.choice((self.generate, self.generate, self.sign, self.sign, self.sign, self.delete, self.list, self.store))()

    def name(self, kind):
        self.n += 1
        return self.random.choice(self.tokens), kind, f"c{self.number}-{self.n}"

    def set(self, key, state):
        with self.ledger.lock:
            self.ledger.objects[key] = state

    def generate(self):
        if len(self.mine("key")) > 6:
            return self.delete()
        key = self.name("key")
        self.set(key, UNKNOWN)
        reply, end = self.call("generate", "Generate", token=key[0], nickname=key[2], type="ec")
        if reply:
            self.spki[key] = unb64(reply["key"]["publicKey"])
        self.set(key, end)

    def store(self):
        if not self.ders:
            return self.delete()
        key = self.name("certificate")
        der = self.ders.pop()
        self.set(key, UNKNOWN)
        _, end = self.call("import", C + "Import", token=key[0], nickname=key[2], certificate=b64(der))
        self.set(key, end)
        # The internal token holds no two of one issuer and serial number: only what is surely not there comes again.
        if end == GONE:
            self.ders.insert(0, der)

    def delete(self):
        mine = self.mine("key") + self.mine("certificate")
        if not mine:
            return
        key = self.random.choice(mine)
        name = f"{key[0]}:{key[2]}"
        self.set(key, UNKNOWN)
        if key[1] == "key":
            _, end = self.call("delete", "Delete", key=name)
        else:
            _, end = self.call("delete", C + "Delete", certificate=name)
        self.set(key, {THERE: GONE, GONE: THERE, UNKNOWN: UNKNOWN}[end])

    def sign(self):
        mine = [key for key in self.mine("key") if key in self.spki]
        if not mine:
            return
        key = self.random.choice(mine)
        message = self.random.randbytes(20)
        reply, _ = self.call("sign", "Sign", key=f"{key[0]}:{key[2]}", algorithm="ecdsa_sha256", message=b64(message))
        if reply and (len(self.ledger.signatures) < 20 or self.random.random() < 0.02):
            self.ledger.signatures.append((self.spki[key], message, unb64(reply["signature"])))

    def list(self):
        """What was acknowledged is listed, unless its token is not there; what is gone is not."""
        token = self.random.choice(self.tokens)
        reply, _ = self.call("list", "List", token=token)
        if not reply:
            return
        names = [k["nickname"] for k in reply["keys"] if "nickname" in k and k["nickname"].startswith(f"c{self.number}-")]
        if any("nickname" not in k for k in reply["keys"]):
            return
        there = {key[2] for key in self.mine("key") if key[0] == token}
        gone = {key[2] for key in self.mine("key", GONE) if key[0] == token}
        if there - set(names) or gone & set(names) or len(names) != len(set(names)):
            raise Wrong(f"List of {token}: lacks {there - set(names)}, has {gone & set(names)}, of {sorted(names)}")


def on_softhsm(token):
    """[(kind, name)] of what pkcs11-tool lists: private keys, public keys, certificates."""
    text = token.tool("--list-objects")
    kinds = {"Private Key Object": "key", "Public Key Object": "public", "Certificate Object": "certificate"}
    found, kind = [], None
    for line in text.splitlines():
        if not line.startswith(" "):
            kind = kinds.get(line.partition(";")[0])
        label = re.match(r" +label: +(\S+)", line)
        if kind and label:
            found.append((kind, label[1]))
    return found


def on_nss(directory):
    """The same of an NSS database, by certutil."""
    keys = run("certutil", "-K", "-d", f"sql:{directory}", "-f", directory / "pin").decode()
    certs = run("certutil", "-L", "-d", f"sql:{directory}").decode()
    return ([("key", name) for name in re.findall(r"^< *\d+> +\w+ +\w+ +(c\d+-\d+)$", keys, re.M)] +
            [("certificate", name) for name in re.findall(r"^(c\d+-\d+) ", certs, re.M)])


def judge(ledger, token, held):
    """What is wrong with what the token holds."""
    wrong = []
    for (of, kind, name), state in ledger.objects.items():
        if of != token:
            continue
        n = held.count((kind, name))
        if n > 1 or n != {THERE: 1, GONE: 0}.get(state, n):
            wrong.append(f"{token}: {kind} {name} is {state} by the ledger, and {n} times on the token")
        if kind == "key" and token == "hsm" and held.count(("public", name)) != n:
            wrong.append(f"{token}: {name} ({state}) has {n} private and {held.count(('public', name))} public halves")
    return wrong


def bad_signatures(place, ledger):
    return [message.hex() for spki, message, signature in ledger.signatures
            if not openssl_verify(place, spki, "ecdsa_sha256", message, signature)]


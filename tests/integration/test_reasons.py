# SPDX-License-Identifier: MPL-2.0
"""Every error says why, and what to do next: the daemon's reasons, what its log has of them, and the table of remedies."""
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import unittest

import no_memory
import varlink
from harness import BUILD, DEADLINE, Case, OneToken, SoftToken, until
from varlink import Client, b64, unb64

ROOT = pathlib.Path(__file__).resolve().parents[2]
CA, OCSP, STRANGER = 61001, 61002, 61009
GROUPS = (62001, 62002)
SIGN = {"algorithm": "ecdsa_sha256", "digest": b64(bytes(32))}

INSTANCES = f"""
[Instance ca]
User={CA}
Keys="ca *"
Allow=list sign generate request import

[Instance far]
User={OCSP}
Group=62009
Keys=*
Allow=list sign generate
"""


class AsUsers(Case):
    @classmethod
    def configure(cls):
        cls.daemon = cls.start(SoftToken(cls.place, "hsm").section(), instances=INSTANCES)
        with cls.as_user(CA) as ca:
            ca.call("Generate", nickname="ca key", type="ec")

    @classmethod
    def as_user(cls, uid, *groups):
        return Client(sock=varlink.connect_as(cls.daemon.socket, uid, uid, groups))

    def denied(self, uid, *groups, method, **parameters):
        with self.as_user(uid, *groups) as client:
            return self.reason("PermissionDenied", client.call, method, **parameters)


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Logged(AsUsers):
    """With a daemon of their own: the log has ten denials in ten seconds, and these are fewer."""

    def logged(self):
        """The last line of the log that says why somebody was denied."""
        return [line for line in self.daemon.log_text().splitlines() if "denied: " in line][-1]

    def test_no_instance(self):
        """no-instance: a stranger learns no more, whether a key is there or not; the log has what was seen, and the nearest instance"""
        for key in ("hsm:ca key", "pkcs11:bad"):
            self.assertEqual(self.denied(OCSP, *GROUPS, method="Sign", key=key, **SIGN), "no-instance")
        line = self.logged()
        self.assertIn(f"denied: sign, to a caller of no instance (uid {OCSP}, pid ", line)
        self.assertIn(f"no-instance: no [Instance] matches user {OCSP}, group {OCSP}, groups 62001 62002, unit -; "
                      "the nearest is [Instance far], but for its Group=62009", line)
        self.denied(STRANGER, method="List")
        self.assertIn("the nearest is [Instance ca], but for its User=61001", self.logged())

    def test_not_allowed(self):
        """not-allowed: Allow= lacks the operation"""
        self.assertEqual(self.denied(CA, method="Delete", key="ca key"), "not-allowed")
        self.assertIn("not-allowed: Allow= of [Instance ca] does not have delete", self.logged())
        self.assertIn(f"to instance ca (uid {CA}, ", self.logged())

    def test_not_this_key(self):
        """not-this-key: Keys= lacks the nickname that something is to have, or a certificate is of another's key"""
        self.assertEqual(self.denied(CA, method="Generate", nickname="tks", type="ec"), "not-this-key")
        self.assertIn('not-this-key: Keys= of [Instance ca] does not have "tks"', self.logged())
        self.assertEqual(self.denied(CA, method="io.tokend.Secrets.Generate", nickname="tks",
                                     template={"type": "aes", "length": 16, "usage": ["encrypt"]}), "not-this-key")

    def test_many_groups(self):
        """a caller of very many groups makes no long line"""
        self.denied(STRANGER, *range(70000, 70900), method="List")
        self.assertRegex(self.logged(), r"groups 70000 70001 .* \.\.\., unit -;")
        self.assertLess(len(self.logged()), 600)


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Denied(AsUsers):
    def test_no_configuration(self):
        """without any [Instance], a stranger's denial says in the log who may call"""
        daemon = self.own(SoftToken(self.place, "own").section())
        with Client(sock=varlink.connect_as(daemon.socket, STRANGER, STRANGER)) as client:
            self.assertEqual(self.reason("PermissionDenied", client.call, "List"), "no-instance")
        self.assertIn("no [Instance] is configured, so that root and the daemon's own user alone may call", daemon.log_text())

    def test_operators(self):
        """not-operator: what is for root"""
        os.chmod(self.daemon.status_socket, 0o666)
        with Client(sock=varlink.connect_as(self.daemon.status_socket, CA, CA)) as client:
            self.assertEqual(self.reason("PermissionDenied", client.call, "io.tokend.Status.Probe", token="hsm"), "not-operator")


    def may(self, uid, operation, key=None, groups=(), unit=None):
        parameters = {"operation": operation, "uid": uid, "gid": uid, "groups": [str(group) for group in groups]}
        parameters.update({name: value for name, value in (("key", key), ("unit", unit)) if value})
        with Client(self.daemon.status_socket) as client:
            return client.call("io.tokend.Status.May", **parameters)

    def really(self, uid, method, **parameters):
        """What became of the real call: None, or the reason or the name of its error."""
        with self.as_user(uid) as client:
            try:
                client.call(method, **parameters)
            except varlink.Error as error:
                return error.reason if error.name == "PermissionDenied" else error.name
        return None

    def test_may_is_what_happens(self):
        """May says of each call what the call itself ends with"""
        C, S = "io.tokend.Certificates.", "io.tokend.Secrets."
        with self.as_user(CA) as ca:
            ca.call("Generate", nickname="ca twin", type="ec")
        calls = {
            "list": lambda key: ("Get", {"key": key}),
            "sign": lambda key: ("Sign", {"key": key, **SIGN}),
            "delete": lambda key: ("Delete", {"key": key}),
            "request": lambda key: (C + "Request", {"key": key, "subject": "CN=x"}),
            "derive": lambda key: ("Derive", {"key": key, "publicKey": b64(b"\4" + bytes(64))}),
            "delete-cert": lambda key: (C + "Delete", {"certificate": key}),
        }
        for uid in (CA, STRANGER):
            for operation, call in calls.items():
                for key in ("ca key", "hsm:ca twin", "hsm:nothing", "ca nothing", "pkcs11:token=hsm;object=ca%20key"):
                    with self.subTest(f"{uid} {operation} {key}"):
                        method, parameters = call(key)
                        really, answer = self.really(uid, method, **parameters), self.may(uid, operation, key)
                        self.assertEqual((answer["allowed"], (answer.get("reason") or "").replace("KeyNotFound", "NotFound") or None),
                                         (really is None, really and really.replace("KeyNotFound", "NotFound")
                                          .replace("CertificateNotFound", "NotFound")))
        for nickname in ("ca new", "tks", "ca key"):
            answer = self.may(CA, "generate", nickname)
            really = self.really(CA, "Generate", nickname=nickname, type="ec")
            self.assertEqual(answer.get("reason"), None if really == "NicknameExists" else really)
        self.assertEqual(self.may(CA, "random")["reason"], "not-allowed")
        self.assertEqual(self.may(CA, "generate", "nowhere:x")["reason"], "not-this-key", "it is a nickname with a colon")

    def test_may_of_others(self):
        """May tells root what the caller itself is not told: the key is there, and Keys= keeps it from the instance; which [Instance] is near"""
        with self.as_user(OCSP, 62009) as member:
            member.call("Generate", nickname="far's", type="ec")
        self.assertEqual(self.may(CA, "sign", "far's")["reason"], "not-this-key")
        self.assertEqual(self.really(CA, "Sign", key="far's", **SIGN), "KeyNotFound")
        self.assertEqual(self.may(OCSP, "sign", "far's", groups=(1, 62009)), {"allowed": True, "instance": "far"})
        answer = self.may(OCSP, "sign", "far's")
        self.assertEqual(answer, {"allowed": False, "reason": "no-instance", "nearest": "far", "nearestLacks": "Group="})

    def test_may_is_no_call(self):
        """May counts as nobody's denial, and is for root and the daemon's own user; what is wrong with its parameters is named"""
        before = self.daemon.status()["instances"]
        self.may(CA, "delete", "ca key")
        self.assertEqual(self.daemon.status()["instances"], before)
        os.chmod(self.daemon.status_socket, 0o666)
        with Client(sock=varlink.connect_as(self.daemon.status_socket, CA, CA)) as client:
            self.assertEqual(self.reason("PermissionDenied", client.call, "io.tokend.Status.May", operation="sign", key="ca key", uid=CA, gid=CA),
                             "not-operator")
        with Client(self.daemon.status_socket) as client:
            for parameter, more in (("operation", {"operation": "fly"}), ("groups", {"groups": ["wheel"]}), ("groups", {"groups": ["4294967295"]}),
                                    ("uid", {"uid": -1}), ("key", {"key": "pkcs11:color=red"})):
                parameters = {"operation": "sign", "uid": CA, "gid": CA, **more}
                self.assertEqual(self.fails("InvalidParameter", client.call, "io.tokend.Status.May", **parameters), {"parameter": parameter})

    def test_who_am_i(self):
        """WhoAmI: what the daemon saw of the caller; strangers get the same, with no instance"""
        with self.as_user(CA, *GROUPS) as ca:
            who = ca.call("WhoAmI")
        self.assertEqual((who["uid"], who["gid"], who["groups"], who["instance"], who["token"], who["keys"]), (CA, CA, list(GROUPS), "ca", "hsm", ["ca *"]))
        self.assertEqual(sorted(who["rights"]), ["generate", "import", "list", "request", "sign"])
        with self.as_user(STRANGER) as stranger:
            self.assertEqual(stranger.call("WhoAmI"), {"uid": STRANGER, "gid": STRANGER, "groups": []})

    def test_tokendctl(self):
        """tokendctl whoami and may, for people and for programs; the exit status of may says yes or no"""
        say = self.daemon.ctl("whoami")
        self.assertIn("none: no [Instance] of tokend.conf matches", say)
        self.assertIn("user      0 (root)", say)
        self.assertEqual(json.loads(self.daemon.ctl("--json", "whoami"))["uid"], 0)
        self.assertEqual(self.daemon.ctl("may", "sign", "ca key", "--as", CA), "yes: [Instance ca] may sign\n")
        done = self.daemon.ctl("may", "delete", "ca key", "--as", f"{CA}:x.service", check=False)
        self.assertEqual((done.returncode, done.stdout.decode().splitlines()[0]), (1, "no: not-allowed (the call is of [Instance ca])"))
        self.assertIn("next: ", done.stdout.decode())
        done = self.daemon.ctl("may", "sign", "ca key", check=False)
        self.assertIn("no: no-instance (the nearest is [Instance ", done.stdout.decode())
        done = self.daemon.ctl("--json", "may", "sign", "ca key", "--as", "nobody", check=False)
        self.assertEqual((done.returncode, json.loads(done.stdout)["reason"]), (1, "no-instance"))
        done = self.daemon.ctl("may", "sign", "--as", "nosuchuser", check=False)
        self.assertEqual((done.returncode, done.stderr), (2, b"tokendctl: --as: there is no user 'nosuchuser'\n"))


class Invalid(OneToken):
    def invalid(self, method, parameter, **parameters):
        with self.assertRaises(varlink.Error) as caught:
            self.daemon.call(method, **parameters)
        error = caught.exception
        self.assertEqual((error.name, error.parameters), ("InvalidParameter", {"parameter": parameter}), str(error))
        return error.reason

    def test_types_and_ranges(self):
        """what was expected, and what was found"""
        C, S = "io.tokend.Certificates.", "io.tokend.Secrets."
        aes = {"type": "aes", "length": 16, "usage": ["encrypt"]}
        for reason, method, parameter, parameters in (
                ("it is missing", "Get", "key", {}),
                ("there is no parameter of this name", "Get", "colour", {"key": "k", "colour": "red"}),
                ("expected a string, found a number", "Get", "key", {"key": 1}),
                ("expected an integer, found a string", "Random", "length", {"length": "1"}),
                ("expected an integer from 1 to 4096", "Random", "length", {"length": 5000}),
                ("expected true or false, found a number", "Generate", "loadable", {"type": "ec", "loadable": 1}),
                ("expected an array of strings, found a string", "Generate", "usage", {"type": "ec", "usage": "sign"}),
                ("expected base64 with padding (RFC 4648, section 4)", "Sign", "digest", {"key": "k", "algorithm": "ecdsa_sha256", "digest": "%%"}),
                ("1 to 128 bytes", "Generate", "nickname", {"type": "ec", "nickname": "n" * 200}),
                ("without a colon", "Generate", "nickname", {"type": "ec", "nickname": "a:b"}),
                ("expected one of rsa, ec, ed25519", "Generate", "type", {"type": "dsa"}),
                ("multiple of 8", "Generate", "size", {"type": "rsa", "size": 2049}),
                ("secp256r1", "Generate", "curve", {"type": "ec", "curve": "secp256k1"}),
                ("derive (ec)", "Generate", "usage", {"type": "rsa", "usage": ["derive"]}),
                ("an even number of hexadecimal digits", "Generate", "id", {"type": "ec", "id": "abc"}),
                ("color", "Get", "key", {"key": "pkcs11:token=a;color=red"}),
                ("expected one of rsa_pkcs1_sha256", "Sign", "algorithm", {"key": "k", "algorithm": "md5"}),
                ("expected exactly one of digest and message", "Sign", "digest", {"key": "k", "algorithm": "ecdsa_sha256"}),
                ("as a digest of the algorithm", "Sign", "digest", {"key": "hsm:made", "algorithm": "ecdsa_sha256", "digest": b64(b"x")}),
                ("expected a multiple", "Generate", "size", {"type": "ec", "size": 2048}),
                ("letters, digits", C + "Request", "dnsNames", {"key": "hsm:made", "subject": "CN=x", "dnsNames": ["bad name"]}),
                ("length: expected an integer from 0 to 512", S + "Generate", "template", {"template": {**aes, "length": 513}}),
                ("length: expected 16, 24 or 32 bytes (aes)", S + "Generate", "template", {"template": {**aes, "length": 17}}),
                ("usage: expected words", S + "Generate", "template", {"template": {**aes, "usage": ["fly"]}}),
                ("type: expected one of aes", S + "Generate", "template", {"template": {**aes, "type": "rc4"}})):
            with self.subTest(f"{method} {parameters}"):
                self.assertIn(reason, self.invalid(method, parameter, **parameters))

    def test_subjects(self):
        """a subject that does not parse says how it is written"""
        for subject, reason in (("/CN=x", "expected parts as in CN=NAME"), ("OCSP", "expected parts as in CN=NAME"),
                                ("C=Germany", "a country has two letters"), ("CN=", "a value is empty")):
            self.assertIn(reason, self.invalid("io.tokend.Certificates.Request", "subject", key="hsm:made", subject=subject))

    @classmethod
    def configure(cls):
        super().configure()
        cls.daemon.call("Generate", token="hsm", nickname="made", type="ec")

    def test_padding(self):
        """what became of a ciphertext has one sentence, whatever the token says of it"""
        S = "io.tokend.Secrets."
        self.daemon.call(S + "Generate", token="hsm", nickname="aes", template={"type": "aes", "length": 16, "usage": ["decrypt", "encrypt"]})
        reasons = {self.invalid(S + "Decrypt", "ciphertext", key="hsm:aes", algorithm="aes_cbc_pad", iv=b64(bytes(16)),
                                ciphertext=b64(os.urandom(length))) for length in (1, 16, 32, 33)}
        self.assertEqual(reasons, {"it cannot be decrypted so with this key"})

    def test_tokendctl(self):
        """tokendctl calls what is wrong as it is called on the command line, and says the next step"""
        for words, arguments in (
                (("--subject: ", "next: Correct the value"), ("request", "hsm:made", "--subject", "/CN=x")),
                (("--dns: ", "letters, digits"), ("request", "hsm:made", "--subject", "CN=x", "--dns", "bad name")),
                (("the nickname: ", "without a colon"), ("generate", "hsm:a:b", "--type", "ec")),
                (("--type, --usage, --length", "length: expected 16"),
                 ("secret-generate", "--type", "aes", "--length", "17", "--usage", "encrypt"))):
            done = self.daemon.ctl(*arguments, check=False)
            self.assertEqual(done.returncode, 1, done.stderr.decode())
            for word in words:
                self.assertIn(word, done.stderr.decode())

    def test_json(self):
        """with --json an error is an object on standard output; it says the same in words on standard error"""
        done = self.daemon.ctl("--json", "pubkey", "hsm:nothing", check=False)
        error = json.loads(done.stdout)
        self.assertEqual((done.returncode, error["error"], error["parameters"]),
                         (1, "io.tokend.Keys.KeyNotFound", {"key": "hsm:nothing"}))
        self.assertIn(error["message"], done.stderr.decode())
        self.assertIn(error["next"], done.stderr.decode())
        done = self.daemon.ctl("--json", "--socket", "/nonexistent", "list", check=False)
        self.assertEqual((done.returncode, json.loads(done.stdout)["error"]), (3, "CannotConnect"))


@unittest.skipUnless(os.getuid() == 0, "only root can be other users")
class Unavailable(Case):
    """A token that the module does not show, beside one that it does."""

    @classmethod
    def configure(cls):
        token = SoftToken(cls.place, "hsm")
        gone = token.section("gone").replace("pkcs11:token=hsm", "pkcs11:token=gone")
        cls.daemon = cls.start(token.section() + gone, instances=INSTANCES + "\n[Instance root]\nUser=0\nKeys=*\nAllow=list sign\n")
        cls.daemon.wait_state("hsm", "ready")
        until(lambda: "no slot" in cls.daemon.token("gone")["reason"], "its module was looked at")

    def refused(self, uid, method, **parameters):
        with Client(sock=varlink.connect_as(self.daemon.socket, uid, uid, ())) as client:
            return self.fails("TokenUnavailable", client.call, method, **parameters, timeoutMs=300)

    def test_found(self):
        """what was found instead is for operators; a client learns that the token is not there, and in a word why"""
        status = self.daemon.token("gone")
        self.assertEqual(status["cause"], "absent")
        self.assertIn("; there is hsm", status["reason"])
        found = self.refused(0, "Sign", key="gone:key", **SIGN)
        self.assertEqual((found["reason"], found["cause"]), (status["reason"], "absent"))
        told = self.refused(CA, "Sign", key="gone:key", **SIGN)
        self.assertEqual((told["reason"], told["cause"]), ("no slot has a token that matches pkcs11:token=gone", "absent"))

    def test_lists(self):
        """likewise where a list or the tokens are told"""
        with Client(sock=varlink.connect_as(self.daemon.socket, CA, CA, ())) as client:
            told = [client.call("List")["unavailable"], [token for token in client.call("Tokens")["tokens"] if token["name"] == "gone"]]
        for one in told:
            self.assertEqual(one[0]["reason"], "no slot has a token that matches pkcs11:token=gone")

    def test_stranger(self):
        """who has no [Instance] learns nothing of a token"""
        with Client(sock=varlink.connect_as(self.daemon.socket, STRANGER, STRANGER, ())) as client:
            self.assertEqual(self.reason("PermissionDenied", client.call, "Get", key="gone:key"), "no-instance")

    def test_next_step(self):
        """tokendctl says the next step of the cause, after an error and in the status"""
        step = subprocess.run([str(BUILD / "tokendctl"), "--json", "help", "errors"], capture_output=True, text=True, timeout=DEADLINE)
        step = json.loads(step.stdout)["absent"]
        self.assertIn(f"next: {step}", self.daemon.ctl("--timeout", "300ms", "sign", "gone:key", "--algorithm", "ecdsa_sha256", "--digest", "00" * 32, check=False).stderr.decode())
        self.assertIn(f"next: {step}", self.daemon.ctl("status"))


CAUSES = ("absent", "pin", "device", "hung", "error", "full", "store")


class Refusing:
    """A daemon that answers one client's call with this reply, or (None) not at all."""

    def __init__(self, place, reply):
        self.path, self.reply = place.path / "refusing", reply
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        self.listener.settimeout(DEADLINE)
        sock, _ = self.listener.accept()
        with sock:
            while sock.recv(65536):
                if self.reply is not None:
                    sock.sendall(self.reply)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.join()
        self.listener.close()


class Remedies(Case):
    """The one table."""

    @classmethod
    def configure(cls):
        cls.table = json.loads(cls.run_ctl("--json", "help", "errors").stdout)

    @staticmethod
    def run_ctl(*arguments):
        return subprocess.run([str(BUILD / "tokendctl"), *arguments], capture_output=True, text=True, timeout=DEADLINE, stdin=subprocess.DEVNULL)

    def says(self, word, reply, *arguments):
        """tokendctl, answered so, says the next step of the word."""
        with Refusing(self.place, reply) as daemon:
            done = self.run_ctl("--socket", str(daemon.path), *(arguments or ("list",)))
        self.assertIn(f"tokendctl: next: {self.table[word]}\n", done.stderr)

    def test_each(self):
        """each line of the table is what tokendctl says after an error of that name, or of that reason"""
        own = {"CannotConnect", "TimedOut", "ProtocolViolation", "InvalidArgument", "OtherError", "NoMemory"}
        for word in self.table:
            with self.subTest(word):
                if word in own:
                    continue
                if word in ("starting", "recovering", "failed"):
                    name, parameters = "io.tokend.Keys.TokenUnavailable", {"token": "t", "state": word, "reason": "x"}
                elif word in CAUSES:
                    name = "io.tokend.Keys.TokenUnavailable"
                    parameters = {"token": "t", "state": "recovering", "reason": "x", "cause": word}
                elif word[0].islower():
                    name, parameters = "io.tokend.Keys.PermissionDenied", {"operation": "list", "reason": word}
                else:
                    name, parameters = "io.tokend.Keys." + word, {"retryAfterMs": 600000} if word == "Overloaded" else {}
                self.says(word, json.dumps({"error": name, "parameters": parameters}).encode() + b"\0")

    def test_library(self):
        """likewise what libtokend says itself"""
        self.says("OtherError", b'{"error":"io.tokend.Keys.Newer"}\0')
        self.says("ProtocolViolation", b"HTTP/1.1 400\0")
        self.says("TimedOut", None, "--timeout", "100ms", "list")
        done = self.run_ctl("--socket", "/nonexistent", "list")
        self.assertIn(f"next: {self.table['CannotConnect']}", done.stderr)
        self.says("InvalidArgument", None, "list", b"\xff")

    def test_no_memory(self):
        """likewise where memory is short"""
        short = no_memory.Short(self.place, "tokendctl", own=True)
        self.addCleanup(short.close)
        said = set()
        for nth in range(1, 200):
            short.arm(nth)
            done = subprocess.run([str(short.build / "tokendctl"), "--socket", "/nonexistent", "list"], capture_output=True, text=True,
                                  timeout=DEADLINE, stdin=subprocess.DEVNULL, env=dict(os.environ, **short.environment))
            said |= set(re.findall("^tokendctl: next: (.*)$", done.stderr, re.M))
        self.assertEqual(said, {self.table["NoMemory"], self.table["CannotConnect"]})

    def test_page(self):
        """tokendctl(1) has each line, word for word, and no other"""
        page = (ROOT / "man" / "tokendctl.1").read_text()
        section = page.split(".SH ERRORS AND WHAT TO DO\n")[1].split(".SH ")[0]
        found = {}
        for word, text in re.findall(r"^\.TP\n\.B (\S+)\n((?:[^.].*\n)+)", section, re.M):
            found[word.replace(r"\-", "-")] = " ".join(text.replace(r"\-", "-").split())
        self.assertEqual(found, self.table)

    def test_catalog(self):
        """the catalog of the journal has, for a denied call, the next step of each reason"""
        catalog = (ROOT / "systemd" / "tokend.catalog").read_text()
        entry = " ".join(catalog.split("Subject: A call was denied\n")[1].split("\n-- ")[0].split())
        for word in ("no-instance", "not-allowed", "not-this-key", "audit-key", "not-its-usage", "not-operator"):
            self.assertIn(f"{word}: {self.table[word]}", entry)

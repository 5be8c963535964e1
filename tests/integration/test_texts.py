# SPDX-License-Identifier: MPL-2.0
"""Text that others choose, in every place where one can come in (a module, a label, a certificate, a client, the configuration,
a command line) and in every place where it comes out (a terminal, JSON, the log, the audit, metrics, systemd's status)."""
import hashlib
import json
import re
import subprocess
import unittest

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import varlink
from harness import BUILD, Case, until
from hostile import MIXED, PIECES, TEXTS, fault_of, on_terminal, strict_json
from test_faults import FaultyToken
from varlink import b64

C = "io.tokend.Certificates."
LOG_LINE = re.compile(r"tokend(-[a-z]+)?\[\d+\]: ")
# What sd_notify(3) of this service has.
NOTIFIED = {"READY", "RELOADING", "MONOTONIC_USEC", "STOPPING", "STATUS", "WATCHDOG"}
SHOWN = (("status",), ("list",), ("certs",), ("metrics",), ("--json", "status"), ("--json", "list"), ("--json", "certs"))


class Texts(Case):
    def tokendctl(self, *arguments):
        return [str(self.daemon.build / "tokendctl"), "--socket", str(self.daemon.socket), "--status-socket",
                str(self.daemon.status_socket), "--timeout", "10s", *arguments]

    def plain(self, data, where, newlines=True):
        self.assertIsNone(fault_of(data, newlines), where)
        return data

    def raw(self, path, method, parameters=None, message=None, **flags):
        """The bytes of one reply."""
        with varlink.Client(path) as client:
            if message is None:
                client.send(method, parameters, **flags)
            else:
                try:
                    client.send_raw(message + b"\0")
                except (BrokenPipeError, ConnectionResetError):
                    return None
            while b"\0" not in client.buffer:
                try:
                    piece = client.sock.recv(65536)
                except ConnectionResetError:
                    piece = b""
                if not piece:
                    self.assertEqual(client.buffer, b"", "half a reply")
                    return None
                client.buffer += piece
            return bytes(client.buffer.partition(b"\0")[0])

    def reply(self, *arguments, **options):
        """A reply that is JSON, and printable as it stands."""
        data = self.raw(*arguments, **options)
        return strict_json(self.plain(data, arguments, newlines=False)) if data is not None else None

    def check_replies(self):
        for path, method in ((self.daemon.status_socket, "io.tokend.Status.Get"), (self.daemon.socket, "List"),
                             (self.daemon.socket, C + "List")):
            self.assertIn("parameters", self.reply(path, method))

    def check_terminal(self):
        for arguments in SHOWN:
            status, data = on_terminal(self.tokendctl(*arguments))
            self.plain(data, arguments)
            # The summary of a status is its exit status; 4: a listing lacks a token that has nothing to show.
            self.assertIn(status, (0, 1) if "status" in arguments else (0, 4), data)
            if arguments[0] == "--json" and status != 4:
                strict_json(data)

    def check_metrics(self):
        text = self.daemon.ctl("metrics")
        self.plain(text.encode(), "metrics")
        families = list(parse_openmetrics(text))
        self.assertEqual({s.name for f in families for s in f.samples}, {s.name for f in parse_text(text) for s in f.samples})
        self.assertTrue(all(s.name.startswith("tokend_") for f in families for s in f.samples))
        return families

    def check_log(self):
        data = self.daemon.log.read_bytes()
        self.plain(data, "the log")
        for line in data.decode().splitlines():
            self.assertRegex(line, LOG_LINE)
            self.assertNotRegex(line, r"^tokend\[1\]")

    def check_notified(self):
        """What systemd was told: each datagram has lines NAME=value, of the names that tokend uses."""
        self.daemon.notify.setblocking(False)
        while True:
            try:
                data = self.daemon.notify.recv(65536)
            except BlockingIOError:
                break
            self.plain(data, "sd_notify")
            for line in data.decode().splitlines():
                self.assertIn(line.partition("=")[0], NOTIFIED, data)

    def check_audit(self, path):
        for line in path.read_bytes().splitlines():
            self.plain(line, "the audit file", newlines=False)
            strict_json(line)
        done = self.daemon.ctl("audit", "verify", "--no-signatures", path, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def check_all(self):
        self.check_replies()
        self.check_terminal()
        self.check_metrics()
        self.check_log()
        self.check_notified()


# ---- certificates, byte by byte ----

def der(tag, *contents):
    body = b"".join(contents)
    if len(body) < 128:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def oid(*parts):
    return der(6, bytes((parts[0] * 40 + parts[1], *parts[2:])))


CN, MAIL = oid(2, 5, 4, 3), der(6, bytes.fromhex("2a864886f70d010901"))
ECDSA = der(0x30, der(6, bytes.fromhex("2a8648ce3d040302")))
UTF8, PRINTABLE, T61, IA5, BMP, UNIVERSAL = 12, 19, 20, 22, 30, 28


def name_of(*values):
    """values: of an attribute type, a tag, bytes."""
    return der(0x30, *(der(0x31, der(0x30, kind, der(tag, value))) for kind, tag, value in values))


def certificate_of(name, number):
    """One whose signature nobody checks, for a public key of its own that no token has."""
    x = hashlib.sha256(b"x%d" % number).digest()
    spki = der(0x30, der(0x30, der(6, bytes.fromhex("2a8648ce3d0201")), der(6, bytes.fromhex("2a8648ce3d030107"))),
               der(3, b"\0\4" + x + x))
    times = der(0x30, der(23, b"260101000000Z"), der(23, b"360101000000Z"))
    body = der(0x30, der(0xa0, der(2, b"\2")), der(2, b"\1" + number.to_bytes(4, "big")), ECDSA, name, times, name, spki)
    return der(0x30, body, ECDSA, der(3, b"\0" + der(0x30, der(2, b"\1"), der(2, b"\1"))))


class Module(Texts):
    def test_module(self):
        """what a module says of itself, its slot and its token, and the labels of its objects, in all their fields"""
        token = FaultyToken(self.place, "hostile", keys=("k", "l"))
        token.set("C_GetInfo text", "C_GetSlotInfo text", "C_GetTokenInfo text", "C_GetAttributeValue text")
        audit = self.place.path / "module.audit"
        # One token in many sections, each with a text of its own. No Uri=: the label does not name the token.
        names, sections = [], f"Audit=file:{audit}\n"
        for value in {**PIECES, **MIXED}.values():
            names.append(f"t{len(names)}")
            text = self.place.write(f"{names[-1]}.text", value)
            sections += re.sub("Uri=.*\n", "", token.section(names[-1], f"Environment=TESTMODULE_TEXT={text}\n", refresh="1d"))
        self.daemon = self.own(sections, wait=False)
        for name in names:
            self.daemon.wait_state(name, "ready")
        self.assertEqual(len(self.daemon.call("List")["keys"]), 2 * len(names))
        self.check_all()
        self.check_audit(audit)
        # It did come in.
        shown = {(t["label"], t["model"], t["manufacturer"]) for t in self.daemon.status()["tokens"]}
        self.assertGreater(len(shown), len(PIECES))


class Stored(Texts):
    def test_subjects(self):
        """subject and issuer of a certificate, in every type of string"""
        token = FaultyToken(self.place, "subjects", keys=())
        audit = self.place.path / "subjects.audit"
        self.daemon = self.own(f"Audit=file:{audit}\n{token.section('hsm')}")
        number = 0
        for tag in (UTF8, PRINTABLE, T61, IA5, BMP, UNIVERSAL):
            for name, values in (("all", PIECES.values()), ("long", [TEXTS["64 KiB of escapes"][:4096]]),
                                 ("long", [TEXTS["64 KiB of three bytes"][:4096]])):
                number += 1
                subject = name_of(*((CN if at % 2 else MAIL, tag, value) for at, value in enumerate(values)))
                with self.subTest(name, tag=tag):
                    reply = self.reply(self.daemon.socket, C + "Import", {
                        "token": "hsm", "nickname": f"c{number}", "certificate": b64(certificate_of(subject, number))})
                    self.assertNotEqual(reply["parameters"]["certificate"]["subject"], "")
        self.check_all()
        self.check_audit(audit)


class Clients(Texts):
    """A token with one key, an audit file, and an instance that may do all."""

    @classmethod
    def configure(cls):
        token = FaultyToken(cls.place, "clients")
        cls.audit = cls.place.path / "clients.audit"
        cls.daemon = cls.start(f"Audit=file:{cls.audit}\n{token.section('hsm')}")

    @staticmethod
    def calls(text):
        """Each place where a client's own word goes."""
        sign = {"algorithm": "ecdsa_sha256", "digest": b64(bytes(32))}
        yield "Sign", {"key": text, **sign}
        yield "Sign", {"key": "hsm:" + text, **sign}
        yield "Sign", {"key": "hsm:k", **sign, "algorithm": text}
        yield "Sign", {"key": "hsm:k", **sign, "digest": text}
        yield "Sign", {"key": "hsm:k", **sign, text: 1}
        yield "Sign", {"key": "pkcs11:object=" + text, **sign}
        yield "Get", {"key": text}
        yield "List", {"token": text}
        yield "List", {"nickname": text}
        yield "Verify", {"key": text, "algorithm": text, "message": "", "signature": ""}
        yield "Generate", {"token": text, "nickname": "n", "type": "ec"}
        yield "Generate", {"nickname": text + ":", "type": "ec"}
        yield "Generate", {"nickname": "n", "type": text}
        yield "Delete", {"key": text}
        yield C + "Request", {"key": "hsm:k", "subject": "CN=" + text}
        yield C + "Request", {"key": "hsm:k", "subject": text, "dnsNames": [text]}
        yield C + "SelfSign", {"key": text, "subject": text, "validityDays": 1}
        yield C + "Import", {"token": text, "nickname": text, "certificate": ""}
        yield C + "Get", {"certificate": text}
        yield "io.tokend.Keys." + text, {}
        yield text + ".x", {}
        yield "org.varlink.service.GetInterfaceDescription", {"interface": text}

    def test_words(self):
        """a client's names, algorithms, subjects, methods and members: the replies are JSON, and so are the records"""
        for name, value in TEXTS.items():
            text = value.decode(errors="surrogateescape")
            for method, parameters in self.calls(text):
                message = json.dumps({"method": method if "." in method else "io.tokend.Keys." + method,
                                      "parameters": parameters}, ensure_ascii=False).encode(errors="surrogateescape")
                with self.subTest(name, method=method[:40]):
                    reply = self.reply(self.daemon.socket, None, message=message)
                    # What is not UTF-8, or is too long, is no message: the connection may be closed.
                    self.assertTrue(reply is None or "error" in reply or "parameters" in reply)
        self.check_all()
        self.check_audit(self.audit)

    def test_nicknames(self):
        """nicknames that are allowed, though they look like something else: listed, signed with, recorded and deleted"""
        made = 0
        for name, value in PIECES.items():
            try:
                text = value.decode()
            except UnicodeDecodeError:
                continue
            reply = self.reply(self.daemon.socket, "Generate", {"nickname": text, "type": "ec"})
            with self.subTest(name):
                if "error" in reply:
                    self.assertIn(":", reply["error"] + ":" if ":" in text else ":")
                    continue
                made += 1
                self.daemon.call("Sign", key="hsm:" + text, algorithm="ecdsa_sha256", message=b64(b"m"))
                self.daemon.call(C + "SelfSign", key="hsm:" + text, subject="CN=x", validityDays=1)
        self.check_all()
        self.check_audit(self.audit)
        self.assertGreater(made, 5)

    def test_command_line(self):
        """tokendctl's own arguments, in what it says about them"""
        for name, value in MIXED.items():
            text = value.replace(b"\0", b"")
            for arguments in ((b"sign", text, b"--digest", b"00"), (b"pubkey", b"hsm:" + text), (b"generate", text, b"--type", text),
                              (b"--socket", b"/" + text, b"list"), (b"list", b"--token", text), (b"check", text, b"--instance", text),
                              (b"csr", b"hsm:k", b"--subject", text), (b"probe", text), (b"audit", b"verify", text),
                              (b"audit", text, text), (text,), (b"delete", text), (b"cert", text), (b"--timeout", text, b"list"),
                              (b"sign", b"hsm:k", b"--in", text), (b"remove-claim", text, b"--claimant", text, b"--yes"), (b"--" + text,), (b"list", b"--" + text)):
                with self.subTest(name, verb=arguments[0][:20]):
                    status, data = on_terminal([*map(str.encode, self.tokendctl()), *arguments])
                    self.plain(data, arguments[0])
                    self.assertGreater(status, 0, data[:200])


class Configured(Texts):
    def test_faults(self):
        """what the configuration says, and the names of its files, in the sentences about its faults"""
        places = ((b"[", b"]\n"), (b"[Token ", b"]\nModule=internal\nSessions=x\n"), (b"[Token t]\nModule=", b"\n"),
                  (b"[Daemon]\n", b"=1\n"), (b"[Daemon]\nSocket=", b"\n"), (b"[Instance i]\nUser=", b"\nKeys=*\n"),
                  (b"[Instance j]\nUser=0\nUnit=", b"\nKeys=*\nWeight=0\n"), (b"[Instance k]\nUser=0\nKeys=*\nAllow=", b"\n"),
                  (b"[Token u]\nModule=/x\nUri=pkcs11:token=", b"\n"), (b"[Instance l]\nUser=0\nKeys=*\nToken=", b"\n"))
        for name, value in TEXTS.items():
            with self.subTest(name):
                path = bytes(self.place.path) + b"/" + re.sub(rb"[\0/]", b"_", value[:200]) + b".conf"
                with open(path, "wb") as file:
                    file.write(b"".join(head + value + tail for head, tail in places))
                status, data = on_terminal([str(BUILD / "tokend").encode(), b"--check", b"--config", path])
                self.assertEqual(status, 78, data)
                self.plain(on_terminal([str(BUILD / "tokend"), b"--" + value.replace(b"\0", b"")])[1], name)
                self.plain(on_terminal([str(BUILD / "tokend"), b"--" + value.replace(b"\0", b"")])[1], name)
                self.plain(data, name)
                self.assertGreater(len(data.splitlines()), len(places) / 2)
                # In the journal each line of ours has its priority, and none of theirs has one.
                done = subprocess.run([str(BUILD / "tokend").encode(), b"--check", b"--config", path], capture_output=True,
                                      env={"JOURNAL_STREAM": "1:1"}, stdin=subprocess.DEVNULL)
                self.plain(done.stderr, name)
                for line in done.stderr.splitlines():
                    self.assertRegex(line, rb"^<[2-7]>")

    def test_sections(self):
        """names of tokens, instances and modules that the configuration may have, in the status, the metrics and the log"""
        sections, names = ["[Token first]\nModule=internal\n"], 0
        for name, value in PIECES.items():
            try:
                text = value.decode()
            except UnicodeDecodeError:
                continue
            for section in (f"[Token a{text}]\nModule=/nonexistent/{text}.so\nStartTimeout=100ms\n",
                            f"[Instance a{text}]\nUser=0\nUnit=a{text}.service\nKeys=*\n"):
                path = self.place.write("one.conf", section)
                done = subprocess.run([BUILD / "tokend", "--check", "--config", path], capture_output=True)
                if done.returncode == 0:
                    sections.append(section)
                    names += 1
        self.assertGreater(names, 5)
        self.daemon = self.own("Audit=none\n" + "\n".join(sections) + "[Instance last]\nUser=0\nKeys=*\n")
        self.check_all()
        labels = {label for family in self.check_metrics() for sample in family.samples for label in sample.labels.values()}
        self.assertGreater(len(labels), names)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MPL-2.0
"""The seccomp filters refuse no call that a process of ours makes.

A refused call fails by itself, and what it was for is often not missed before it is needed. So the whole plain build runs under
strace here, and a walk goes through all that it does: every method of every interface, each way to record, a reload, the death of
each process, a drain.
"""
import re
import shutil
import signal

from harness import PLAIN, ROOT, Case, Process, SoftToken, public_pem, run, until
from varlink import Client, Error, b64, unb64

CERTIFICATES, KEYS, STATUS, SERVICE = "io.tokend.Certificates.", "io.tokend.Keys.", "io.tokend.Status.", "org.varlink.service."
SECRETS = "io.tokend.Secrets."
SIGN = {"algorithm": "ecdsa_sha256", "digest": b64(bytes(32))}

WRAPPER = """#!/bin/sh
exec {strace} -D -ff -e status=failed -o {traces}/of {tokend} "$@"
"""
# Kernel and libc settle these between themselves: threads are made with clone(2) instead.
SETTLED = ("clone3(",)
# The supervisor's filter, and the process's own.
FILTERS = {"tokend": 1, "tokend-worker": 1, "tokend-broker": 2, "tokend-audit": 2}


def methods():
    """Every method, as the interface files have them."""
    found = set()
    for file in sorted((ROOT / "proto").glob("*.varlink")):
        text = file.read_text()
        interface = re.search(r"^interface (\S+)", text, re.M).group(1)
        found |= {f"{interface}.{name}" for name in re.findall(r"^method (\w+)", text, re.M)}
    return found


class Filter(Case):
    @classmethod
    def configure(cls):
        cls.traces = cls.place.path / "traces"
        cls.traces.mkdir()
        cls.build = cls.place.path / "build"
        cls.build.mkdir()
        # The tracer is not the parent of what it traces, and has no filter of ours.
        cls.place.write("build/tokend", WRAPPER.format(strace=shutil.which("strace"), traces=cls.traces,
                                                       tokend=(PLAIN / "tokend").resolve()), 0o755)
        (cls.build / "tokendctl").symlink_to((PLAIN / "tokendctl").resolve())
        hsm, accel = SoftToken(cls.place, "hsm"), SoftToken(cls.place, "accel")
        cls.tokens = hsm.section(extra="Accelerator=accel\n") + accel.section(extra="Role=accelerator\n", sessions=5)
        cls.file = f"Audit=file:{cls.place.path}/audit\n"
        cls.daemon = cls.start(cls.file + cls.tokens, build=cls.build)
        cls.daemon.wait_state("accel", "ready")

    def ask(self, method, more=False, **parameters):
        path = self.daemon.status_socket if method.startswith(STATUS) else self.daemon.socket
        with Client(path) as client:
            client.send(method, parameters, more=more)
            return client.result()

    def certificate(self):
        key = self.place.path / "key.pem"
        return b64(run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", "/CN=x", "-days", "9",
                       "-outform", "DER"))

    def remove_claim(self):
        with self.assertRaises(Error) as caught:
            self.ask(STATUS + "RemoveClaim", token="hsm", nickname="x", claimant="00" * 32)
        self.assertEqual(caught.exception.name, "ClaimNotFound")

    def make_anew(self):
        with self.assertRaises(Error) as caught:
            self.ask(STATUS + "MakeAnew", token="hsm")
        self.assertEqual(caught.exception.name, "InvalidParameter")

    def rotate_audit(self):
        if self.daemon.status()["audit"]["mode"] == "file":
            self.ask(STATUS + "RotateAudit")
            return
        with self.assertRaises(Error) as caught:
            self.ask(STATUS + "RotateAudit")
        self.assertEqual(caught.exception.name, "AuditUnavailable")

    def decrypt(self):
        key = self.ask(KEYS + "Generate", token="hsm", nickname="rsa", type="rsa", size=2048, usage=["decrypt"])["key"]
        pem = public_pem(self.place, unb64(key["publicKey"]))
        ciphertext = run("openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", pem, input=b"secret", stdin=None)
        found = self.ask(KEYS + "Decrypt", key="hsm:rsa", algorithm="rsa_pkcs1", ciphertext=b64(ciphertext))
        self.assertEqual(unb64(found["plaintext"]), b"secret")

    def derive(self):
        key = self.ask(KEYS + "Generate", token="hsm", nickname="ecdh", type="ec", usage=["derive"])["key"]
        self.assertEqual(len(unb64(self.ask(KEYS + "Derive", key="hsm:ecdh", publicKey=key["publicKey"])["secret"])), 32)

    def secrets(self):
        """Calls each method of io.tokend.Secrets; their names."""
        called = set()

        def ask(method, **parameters):
            called.add(SECRETS + method)
            return self.ask(SECRETS + method, **parameters)
        aes = {"type": "aes", "length": 32, "usage": ["encrypt", "decrypt", "wrap", "unwrap", "derive"]}
        ask("Generate", token="hsm", nickname="master", template=aes)
        key = ask("Generate", token="hsm", template=aes)["sealed"]
        pair = ask("Generate", token="hsm", template={"type": "ec", "curve": "secp256r1", "usage": ["sign"]})["sealed"]
        ask("List", token="hsm")
        block = b64(bytes(16))
        ciphertext = ask("Encrypt", key=key, algorithm="aes_ecb", plaintext=block)["ciphertext"]
        self.assertEqual(ask("Decrypt", key=key, algorithm="aes_ecb", ciphertext=ciphertext)["plaintext"], block)
        wrapped = ask("Wrap", key=key, algorithm="aes_kwp", secret=key)["wrapped"]
        ask("Unwrap", key=key, algorithm="aes_kwp", wrapped=wrapped, template=aes)
        ask("Derive", key=key, algorithm="aes_ecb_encrypt_data", data=block, template={**aes, "length": 16})
        ask("Sign", key=pair, algorithm="ecdsa_sha256", digest=SIGN["digest"])
        ask("Delete", secret="hsm:master")
        return called

    def walk(self):
        """Calls each method; their names."""
        calls = {
            SERVICE + "GetInfo": {},
            SERVICE + "GetInterfaceDescription": {"interface": "io.tokend.Keys"},
            KEYS + "Generate": {"token": "hsm", "nickname": "n", "type": "ec", "loadable": True},
            KEYS + "WhoAmI": {},
            KEYS + "Tokens": {},
            KEYS + "List": {},
            KEYS + "Decrypt": self.decrypt,
            KEYS + "Derive": self.derive,
            KEYS + "Rename": {"key": "hsm:ecdh", "nickname": "renamed"},
            KEYS + "Get": {"key": "hsm:n"},
            KEYS + "Sign": {"key": "hsm:n", **SIGN},
            KEYS + "Verify": {"key": "hsm:n", "signature": b64(bytes(8)), **SIGN},
            KEYS + "Random": {"length": 8},
            CERTIFICATES + "Request": {"key": "hsm:n", "subject": "CN=x"},
            CERTIFICATES + "SelfSign": {"key": "hsm:n", "subject": "CN=x", "validityDays": 9},
            CERTIFICATES + "Import": {"token": "hsm", "nickname": "alone", "certificate": self.certificate()},
            CERTIFICATES + "List": {},
            CERTIFICATES + "Get": {"certificate": "hsm:n"},
            CERTIFICATES + "Check": {"token": "hsm", "nicknames": ["n"]},
            CERTIFICATES + "Delete": {"certificate": "hsm:n"},
            KEYS + "Delete": {"key": "hsm:n"},
            STATUS + "Get": {},
            STATUS + "Watch": {"more": True},
            STATUS + "Metrics": {},
            STATUS + "Probe": {"token": "hsm"},
            STATUS + "May": {"operation": "sign", "key": "hsm:n", "uid": 0, "gid": 0},
            STATUS + "RemoveClaim": self.remove_claim,
            STATUS + "MakeAnew": self.make_anew,
            STATUS + "RotateAudit": self.rotate_audit,
            STATUS + "Retry": {"token": "hsm"},
            STATUS + "Drain": {"token": "hsm"},
            STATUS + "Disable": {"token": "hsm"},
            STATUS + "Enable": {"token": "hsm"},
        }
        for method, parameters in calls.items():
            with self.subTest(method):
                if callable(parameters):
                    parameters()
                else:
                    self.ask(method, **parameters)
        self.ask(CERTIFICATES + "Delete", certificate="hsm:alone")
        return set(calls) | self.secrets()

    def accelerate(self):
        """Until a copy of a key signs."""
        self.ask(KEYS + "Generate", token="hsm", nickname="fast", type="ec", loadable=True)

        def hit():
            before = self.daemon.token("accel")["acceleration"]["hits"]
            self.ask(KEYS + "Sign", key="hsm:fast", **SIGN)
            return self.daemon.token("accel")["acceleration"]["hits"] > before
        until(hit, "the accelerator signs")

    def deaths(self):
        """Each process but the supervisor dies, and another serves."""
        for name in ("tokend-audit", "tokend-worker", "tokend-broker"):
            for process in self.daemon.children(name):
                process.kill()
                until(process.gone, f"{name} is gone")
            self.ask(KEYS + "Sign", key="hsm:fast", **SIGN)
        with Client(self.daemon.socket) as client:
            client.send_raw(b"no JSON\0")
            client.closed()

    def reload(self, config):
        self.daemon.write_config(config)
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.wait_notify("READY=1")

    def drain(self):
        """The end, with a request that is not answered yet and a connection that says nothing."""
        with Client(self.daemon.socket), Client(self.daemon.socket) as client:
            client.send("Generate", {"token": "hsm", "nickname": "late", "type": "rsa", "size": 4096})
            until(lambda: self.daemon.token("hsm")["inFlight"] > 0, "the token is at work")
            self.daemon.process.send_signal(signal.SIGTERM)
            client.closed()
        self.daemon.stop()

    def sealed(self):
        """Every process is under its filters, and gains no right by exec."""
        for process in [Process(self.daemon.pid)] + self.daemon.children():
            with self.subTest(process.name):
                until(lambda: process.status("Seccomp_filters") == str(FILTERS[process.name]), "it has its filters")
                self.assertEqual(process.status("NoNewPrivs"), "1")

    def refused(self):
        """Calls that were refused, by process, from the traces; they end with the end of each process."""
        found = {}
        for trace in self.traces.iterdir():
            until(lambda: "+++ " in trace.read_text(errors="replace"), f"{trace} is whole")
            for line in trace.read_text(errors="replace").splitlines():
                if re.search(r"= -1 EPERM|= -1 ENOSYS|SIGSYS", line) and not line.startswith(SETTLED):
                    found.setdefault(trace.name, []).append(line)
        return found

    def test_nothing_is_refused(self):
        """a walk through all that tokend does, with every method of every interface: no filter refuses a call"""
        self.sealed()
        self.assertEqual(self.walk(), methods(), "a method is missing in the walk of this test, or has gone")
        self.accelerate()
        self.deaths()
        self.daemon.process.send_signal(signal.SIGUSR1)
        for audit in ("journal", "none"):
            self.reload(f"Audit={audit}\n{self.tokens}")
            self.ask(KEYS + "Sign", key="hsm:fast", **SIGN)
        self.reload(self.file + self.tokens)
        self.ask(KEYS + "Sign", key="hsm:fast", **SIGN)
        self.sealed()
        self.drain()
        self.assertEqual(self.refused(), {})
        # Supervisor, broker, audit, two workers, and those that came after them.
        self.assertGreater(len(list(self.traces.iterdir())), 8)

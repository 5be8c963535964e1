# SPDX-License-Identifier: MPL-2.0
"""Where a PIN, a decrypted plaintext and a derived secret are: looked for in the memory of every process (which is what a core
and the swap would have), in what /proc shows, in the log, the records, the status, and in files. On the plain build: a sanitizer
keeps what is freed."""
import os
import pathlib
import secrets

from harness import PLAIN, SOFTHSM, Case, Process, SoftToken, public_pem, run, until
from test_decrypt import encrypt
from test_faults import FaultyToken
from varlink import b64, unb64


class Mapping:
    """One of /proc/PID/smaps: the flags say `lo` for locked, `dd` for not in a core, `wf` for wiped in a child."""

    def __init__(self, head):
        words = head.split()
        self.begin, self.end = (int(n, 16) for n in words[0].split("-"))
        self.rights, self.name, self.flags = words[1], " ".join(words[5:]), set()

    def __repr__(self):
        return f"{self.begin:x} {self.rights} {self.name} {' '.join(sorted(self.flags))}"


def mappings(pid):
    found = []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if "-" in line.split()[0] and not line.split()[0].endswith(":"):
            found.append(Mapping(line))
        elif line.startswith("VmFlags:"):
            found[-1].flags = set(line.split()[1:])
    return found


def forms(secret):
    """How it may stand somewhere: as it is, in base64 (the middle of it, whatever stands before), in hexadecimal digits."""
    middles = {b64(b"\0" * n + secret)[4 * (n > 0) + 4:][:16].encode() for n in range(3)}
    return {secret, secret.hex().encode(), secret.hex().upper().encode(), *middles}


def holders(pid, secret):
    """The mappings of the process that have it. Read as root can, and as a core or the swap would have it."""
    wanted, found = forms(secret), []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for mapping in mappings(pid):
            if "r" not in mapping.rights or mapping.name in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                continue
            memory.seek(mapping.begin)
            try:
                data = memory.read(mapping.end - mapping.begin)
            except OSError:  # a file that is shorter than its mapping, a reserve that may not be read
                continue
            found += [mapping for form in wanted if form in data]
    return found


class Secrets(Case):
    def family(self, daemon):
        return [Process(daemon.pid), *daemon.children()]

    def name_of(self, process):
        return process.name

    def search_text(self, daemon, secret, allowed=()):
        """In what is written or shown: nowhere but in the files that are meant to have it."""
        wanted = forms(secret)
        has = lambda data: any(form in data for form in wanted)
        for process in self.family(daemon):
            for file in ("environ", "cmdline"):
                try:
                    data = pathlib.Path(f"/proc/{process.pid}/{file}").read_bytes()
                except (FileNotFoundError, ProcessLookupError):
                    continue  # a worker that has just ended
                self.assertFalse(has(data), f"{process.name} {file}")
        for verb in (("status",), ("--json", "status"), ("metrics",), ("list",), ("certs",)):
            done = daemon.ctl(*verb, check=False)
            self.assertFalse(has(done.stdout + done.stderr), verb)
        places = [self.place.path, pathlib.Path("/dev/shm"), *(p for p in pathlib.Path("/tmp").glob("tokend*"))]
        for place in places:
            for path in ([p for p in place.rglob("*")] if place.is_dir() else [place]):
                # A file of another test may go meanwhile.
                try:
                    data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
                except OSError:
                    continue
                self.assertTrue(not has(data) or path in allowed, path)
        self.assertTrue(all(has(path.read_bytes()) for path in allowed), "it would be found")

    def search_memory(self, daemon, secret, allowed=()):
        """In no process but the allowed ones; their mappings that have it."""
        found = {}
        for process in self.family(daemon):
            try:
                held = holders(process.pid, secret)
            except (FileNotFoundError, ProcessLookupError):
                continue  # a worker that has just ended
            if held:
                found[process.name] = held
        self.assertLessEqual(set(found), set(allowed), found)
        return found

    def test_pin_of_a_module(self):
        """after the login no process has the PIN in its memory, and it is in no file but its own"""
        token = SoftToken(self.place, "hsm", pin=secrets.token_hex(24))
        audit = self.place.path / "audit"
        daemon = self.own(f"Audit=file:{audit}\n" + token.section(), build=PLAIN)
        daemon.call("Generate", token="hsm", nickname="k", type="ec")
        daemon.call("Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))
        daemon.ctl("probe", "hsm")
        # That a search finds what is there: a nickname.
        self.assertTrue(holders(daemon.broker().pid, b"hsm-status") or holders(daemon.broker().pid, b"ecdsa_sha256"))
        self.search_memory(daemon, token.pin.encode())
        self.search_text(daemon, token.pin.encode(), allowed=[token.pin_file])
        # A look of another process logs in as well, and a worker that is replaced.
        worker = daemon.worker()
        worker.kill(9)
        until(lambda: daemon.token("hsm")["restarts"] == 1, "another worker")
        daemon.wait_state("hsm", "ready")
        self.search_memory(daemon, token.pin.encode())
        self.search_text(daemon, token.pin.encode(), allowed=[token.pin_file])

    def test_pin_of_an_internal_token(self):
        """the PIN that tokend made itself is in the file that it made, and nowhere else"""
        audit, directory = self.place.path / "audit", self.place.path / "internal"
        daemon = self.own(f"Audit=file:{audit}\n[Token internal]\nModule=internal\nDirectory={directory}\n", build=PLAIN)
        daemon.call("Generate", token="internal", nickname="k", type="ec")
        pin = (directory / "pin").read_bytes().strip()
        self.assertEqual(len(pin), 64)
        self.search_text(daemon, pin, allowed=[directory / "pin"])
        self.search_memory(daemon, pin)
        daemon.stop()
        daemon.start()
        daemon.call("Sign", key="internal:k", algorithm="ecdsa_sha256", message=b64(b"m"))
        self.search_memory(daemon, pin)

    def test_pin_during_the_login(self):
        """while the module is asked to log in, the PIN is in one mapping of one process: locked, in no core, in no child"""
        token, pin = FaultyToken(self.place, "held", keys=()), secrets.token_hex(24)
        run("pkcs11-tool", "--module", SOFTHSM, "--token-label", token.label, "--login", "--pin", token.pin, "--change-pin",
            "--new-pin", pin, env=token.environment)
        token.pin_file.write_text(pin + "\n")
        token.module = PLAIN / "tests/libtestmodule.so"
        token.set("C_Login hold")
        daemon = self.own(token.section("hsm"), build=PLAIN, wait=False)
        until(lambda: token.counters.exists() and token.counts().get("held"), "it logs in")
        found = self.search_memory(daemon, pin.encode(), allowed=["tokend-worker"])
        self.assertEqual(list(found), ["tokend-worker"])
        for mapping in found["tokend-worker"]:
            self.assertLessEqual({"lo", "dd", "wf"}, mapping.flags, mapping)
            self.assertEqual(mapping.end - mapping.begin, 4096, mapping)
        token.set()
        daemon.wait_state("hsm", "ready")
        self.search_memory(daemon, pin.encode())

    def test_refused_pin(self):
        """nor has any process the PIN that was refused, or the log and the status a word of it"""
        token = SoftToken(self.place, "wrong")
        pin = secrets.token_hex(24)
        token.pin_file.write_text(pin + "\n")
        daemon = self.own(token.section("hsm"), build=PLAIN, wait=False)
        daemon.wait_state("hsm", "failed")
        self.search_memory(daemon, pin.encode())
        self.search_text(daemon, pin.encode(), allowed=[token.pin_file])

    def test_plaintexts(self):
        """a plaintext and a derived secret are nowhere when their replies are written; the clients had them"""
        token = SoftToken(self.place, "plain")
        audit = self.place.path / "audit"
        daemon = self.own(f"Audit=file:{audit}\n" + token.section("hsm"), build=PLAIN)
        key = daemon.call("Generate", token="hsm", nickname="rsa", type="rsa", size=2048, usage=["decrypt"])["key"]
        daemon.call("Generate", token="hsm", nickname="ec", type="ec", usage=["derive"])
        pem = public_pem(self.place, unb64(key["publicKey"]))
        peer = unb64(daemon.call("Generate", token="hsm", nickname="peer", type="ec", usage=["derive"])["key"]["publicKey"])
        given = []
        with daemon.client() as client:
            for _ in range(3):
                given.append(os.urandom(48))
                ciphertext = b64(encrypt(pem, given[-1], "rsa_pkcs1"))
                got = unb64(client.call("Decrypt", key="hsm:rsa", algorithm="rsa_pkcs1", ciphertext=ciphertext)["plaintext"])
                self.assertEqual(got, given[-1])
            given.append(unb64(client.call("Derive", key="hsm:ec", publicKey=b64(peer))["secret"]))
            # The connection is still there, and so are its buffers.
            for secret in given:
                self.search_memory(daemon, secret)
                self.search_text(daemon, secret)

    def test_plaintexts_of_sealed_keys(self):
        """what a secret key encrypts and decrypts, and the bytes of a key that comes in wrapped, are nowhere when the replies are
        written"""
        token = SoftToken(self.place, "sealed")
        audit = self.place.path / "audit"
        daemon = self.own(f"Audit=file:{audit}\n" + token.section("hsm", "KeepAlive=1h\n"), build=PLAIN)
        key = daemon.call("Generate", token="hsm", nickname="rsa", type="rsa", size=2048, usage=["unwrap"])["key"]
        pem = public_pem(self.place, unb64(key["publicKey"]))
        given, usage = [os.urandom(32)], ["encrypt", "decrypt", "wrap", "unwrap"]
        with daemon.client() as client:
            call = lambda method, **more: client.call("io.tokend.Secrets." + method, **more)
            template = {"type": "aes", "length": 32, "usage": usage}
            wrapped = b64(encrypt(pem, given[0], "rsa_pkcs1"))
            sealed = call("Unwrap", key="hsm:rsa", algorithm="rsa_pkcs1", wrapped=wrapped, template=template)["sealed"]
            call("Generate", token="hsm", nickname="master", template={"type": "aes", "length": 32, "usage": ["encrypt", "decrypt"]})
            for name in (sealed, "hsm:master"):
                for algorithm, length, more in (("aes_cbc_pad", 16, {}), ("aes_gcm", 12, {"aad": b64(b"a")})):
                    given.append(os.urandom(48))
                    asked = {"key": name, "algorithm": algorithm, "iv": b64(bytes(length)), **more}
                    ciphertext = call("Encrypt", plaintext=b64(given[-1]), **asked)["ciphertext"]
                    self.assertEqual(unb64(call("Decrypt", ciphertext=ciphertext, **asked)["plaintext"]), given[-1])
            again = call("Wrap", key=sealed, algorithm="aes_kwp", secret=sealed)["wrapped"]
            call("Unwrap", key=sealed, algorithm="aes_kwp", wrapped=again, template=template)
            # The key is open in the worker, and the connection is still there with its buffers.
            for secret in given:
                self.search_memory(daemon, secret)
                self.search_text(daemon, secret)
            # What is wrapped is no secret, but no record and no log needs it.
            for blob in (unb64(sealed.removeprefix("sealed:")), unb64(again), unb64(wrapped)):
                self.search_text(daemon, blob[:48])
                self.search_text(daemon, blob[-48:])

    def test_no_core(self):
        """no process of the service leaves a core or lets itself be read: its files in /proc are root's"""
        token = SoftToken(self.place, "core")
        daemon = self.own(f"Audit=file:{self.place.path / 'audit'}\n" + token.section("hsm"), build=PLAIN)
        self.assertEqual({p.name for p in self.family(daemon)}, {"tokend", "tokend-broker", "tokend-worker", "tokend-audit"})
        for process in self.family(daemon):
            limits = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
            core, = (line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core file size"))
            self.assertEqual(core, ["0", "0"], process.name)
            # Of a process that is not dumpable these bits are off: /proc/sys/fs/suid_dumpable is 0 or 2.
            self.assertEqual(os.stat(f"/proc/{process.pid}/mem").st_uid, 0)


if __name__ == "__main__":
    import unittest
    unittest.main()

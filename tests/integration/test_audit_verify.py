# SPDX-License-Identifier: MPL-2.0
"""`tokendctl audit verify` on files that tokend-audit wrote, whole and tampered with. The daemon it asks about the
signatures is played by this test, which asks openssl."""
import base64
import hashlib
import json
import pathlib
import re
import socket
import subprocess
import threading
import unittest

import test_audit_process as audit_process


class Daemon:
    """Answers Verify and Get on a socket, as io.tokend.Keys has them."""

    def __init__(self, directory, keys):
        self.directory, self.keys, self.asked = directory, keys, 0
        self.path = str(directory / "d.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                data = b""
                while True:
                    while b"\0" not in data:
                        piece = client.recv(65536)
                        if not piece:
                            break
                        data += piece
                    if b"\0" not in data:
                        break
                    message, data = data.split(b"\0", 1)
                    client.sendall(json.dumps(self.answer(json.loads(message))).encode() + b"\0")

    def answer(self, message):
        parameters = message["parameters"]
        if message["method"] == "io.tokend.Keys.Get":
            if parameters["key"] not in self.keys:
                return {"error": "io.tokend.Keys.KeyNotFound", "parameters": {"key": parameters["key"]}}
            return {"parameters": {"key": {
                "token": "hsm", "nickname": "audit", "id": "01", "type": "ec", "size": 256, "curve": "secp256r1",
                "publicKey": base64.b64encode(self.keys[parameters["key"]]).decode(), "usage": ["sign"],
                "sensitive": True, "extractable": False, "neverExtractable": True, "local": True,
                "hasCertificate": False}}}
        assert message["method"] == "io.tokend.Keys.Verify", message
        assert parameters["algorithm"] == "ecdsa_sha256"
        self.asked += 1
        files = [self.directory / name for name in ("v.der", "v.sig")]
        for file, name in zip(files, ("publicKey", "signature")):
            file.write_bytes(base64.b64decode(parameters[name]))
        done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", files[0], "-keyform", "DER", "-signature",
                               files[1]], input=base64.b64decode(parameters["message"]), capture_output=True)
        return {"parameters": {"valid": done.returncode == 0}}

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


class Verify(audit_process.Signing):
    """Three files with a signed head at the end of each; two records come after the last."""

    def setUp(self):
        super().setUp()
        audit = self.audit(sign_interval_usec=3600000000)
        for _ in range(2):
            audit.keep(5)
            audit.control.send("AUDIT_ROTATE")
            seq = self.sign(audit)["seq"]
            next(s for s in iter(audit.state, None) if s["signed_seq"] == seq)
        audit.keep(5)
        audit.control.send("DRAIN", deadline_usec=1 << 62)
        self.signed = self.sign(audit)["seq"]
        audit.control.get("DRAINED")
        self.last = audit.keep(2)
        audit.end()
        self.files = [*self.rotated(), str(self.path)]
        self.daemon = Daemon(self.dir, {"hsm:audit": self.spki, "hsm:other": b"\x30\x00"})
        self.addCleanup(self.daemon.close)

    def ctl(self, *arguments, files=None, socket_path=None):
        done = subprocess.run([audit_process.BUILD / "tokendctl", "--socket", socket_path or self.daemon.path, "audit",
                               "verify", *(files or self.files), *arguments], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    def expect(self, status, *words, **options):
        got, text = self.ctl(*options.pop("arguments", ["--key", "hsm:audit"]), **options)
        self.assertEqual(got, status, text)
        for word in words:
            self.assertIn(word, text)
        self.assertNotIn("Sanitizer", text)

    def edit(self, index, change):
        """The lines of one file through a function, and back."""
        path = pathlib.Path(self.files[index])
        path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().split(b"\n")[:-1])))

    def test_good(self):
        """whole files in any order are good, and what is not protected yet is said"""
        self.assertEqual(len(self.files), 3)
        self.expect(0, f"records 1 to {self.last} are good", f"signed up to record {self.signed}", "3 signatures",
                    f"records {self.signed + 1} to {self.last} come after the last signed head", "GOOD",
                    files=self.files[::-1])
        self.assertEqual(self.daemon.asked, 3)

    def test_json(self):
        """--json says the same to programs"""
        status, text = self.ctl("--key", "hsm:audit", "--json")
        self.assertEqual(status, 0)
        self.assertEqual(json.loads(text), {
            "faults": [], "good": True, "records": self.last, "faultCount": 0, "firstSeq": 1, "lastSeq": self.last,
            "signedSeq": self.signed, "heads": 3, "keyNamed": True})
        self.edit(1, lambda lines: lines[:2] + lines[4:])
        status, text = self.ctl("--key", "hsm:audit", "--json")
        self.assertEqual(status, 1)
        fault, = json.loads(text)["faults"]
        self.assertEqual((fault["line"], fault["missingTo"] - fault["missingFrom"]), (3, 1))

    def test_keys(self):
        """a public key may be named by a file, PEM or DER, or not at all, which is said"""
        for file in (self.public, self.keys / "pub.der"):
            self.expect(0, "GOOD", arguments=["--pubkey", str(file)])
        self.expect(0, "name yours with --key", hashlib.sha256(self.spki).hexdigest(), arguments=[])
        self.expect(0, "GOOD", arguments=["--key", "hsm:other", "--key", "hsm:audit"])
        self.expect(0, "signatures were not checked", arguments=["--no-signatures"], socket_path="/nonexistent")

    def test_other_key(self):
        """heads signed with another key than the one named are bad"""
        self.expect(1, "signed with another key", "NOT GOOD", arguments=["--key", "hsm:other"])

    def test_cannot_ask(self):
        """without the daemon nothing is called good or bad"""
        self.expect(3, "CannotConnect", socket_path="/nonexistent")
        self.expect(3, "could not be checked", arguments=[], socket_path="/nonexistent")
        self.expect(3, "KeyNotFound", arguments=["--key", "hsm:none"])

    def test_usage(self):
        """a file, a key or a number that is wrong is a matter of usage"""
        self.expect(2, "/nonexistent", files=["/nonexistent"])
        self.expect(2, "expected a public key in PEM or DER", arguments=["--pubkey", self.files[0]])
        self.expect(2, "number of a record", arguments=["--expect-seq", "-1"])
        self.expect(2, "--no-signatures", arguments=["--no-signatures", "--key", "a"])

    def test_changed(self):
        """a record that was changed is named with its place"""
        self.edit(1, lambda lines: [lines[0], lines[1].replace(b"sign", b"verb"), *lines[2:]])
        self.expect(1, f"{self.files[1]}:2: record ", "changed", "NOT GOOD")

    def test_missing(self):
        """a record, and a whole file, that are missing are named"""
        self.expect(1, "records before it are missing", files=[self.files[0], self.files[2]])
        self.edit(0, lambda lines: lines[:3] + lines[4:])
        self.expect(1, f"{self.files[0]}:4: record 5", "missing (4 to 4)")

    def test_reordered(self):
        """records that changed places are named"""
        self.edit(0, lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]])
        self.expect(1, f"{self.files[0]}:4: record 3: reordered")

    def test_rewritten(self):
        """a chain that was made anew behind a change does not fit its signed heads"""
        prev = audit_process.ZERO

        def rewrite(lines):
            nonlocal prev
            for line in lines:
                line = re.sub(rb'"prev":"[0-9a-f]+"', b'"prev":"%s"' % prev.encode(), line)
                body = line.rsplit(b',"hash":', 1)[0].replace(b'"n":3', b'"n":33')
                prev = hashlib.sha256(body).hexdigest()
                yield body + b',"hash":"%s"}' % prev.encode()

        for i in range(3):
            self.edit(i, rewrite)
        self.expect(1, "signs another hash", "NOT GOOD")

    def test_forged_head(self):
        """a head whose signature is not that of the key is bad"""
        def forge(lines):
            head = json.loads(lines[-1])
            signature = head["signature"][:-2] + ("00" if head["signature"][-2:] != "00" else "01")
            body = lines[-1].rsplit(b',"hash":', 1)[0].replace(head["signature"].encode(), signature.encode())
            yield from lines[:-1]
            yield body + b',"hash":"%s"}' % hashlib.sha256(body).hexdigest().encode()

        self.edit(0, forge)
        self.expect(1, "the signature is not good", files=[self.files[0]])

    def rechain(self, index, change):
        """The last line of a file, a head, through a function of its members; the hash fits again."""
        def edit(lines):
            head = json.loads(lines[-1])
            body = lines[-1].rsplit(b',"hash":', 1)[0].decode()
            body = change(body, head).encode()
            return [*lines[:-1], body + b',"hash":"%s"}' % hashlib.sha256(body).hexdigest().encode()]
        self.edit(index, edit)

    def test_no_signature(self):
        """a head whose signature is missing or cut is named"""
        original = pathlib.Path(self.files[0]).read_bytes()
        for to, word in (("", "no whole signature"), (',"signature":""', "no whole signature"),
                         (',"signature":"%.21s"', "no whole signature"), (',"signature":"%.20s"', "the signature is not good"),
                         (',"signature":null', "no whole signature")):
            pathlib.Path(self.files[0]).write_bytes(original)
            self.rechain(0, lambda body, head, to=to: body.replace(
                f',"signature":"{head["signature"]}"', to % head["signature"] if "%" in to else to))
            self.expect(1, word, "NOT GOOD", files=[self.files[0]])

    def test_doubled_head(self):
        """a good head that is chained a second time is named"""
        def double(lines):
            head = json.loads(lines[-1])
            body = lines[-1].rsplit(b',"hash":', 1)[0].decode().replace(
                f'"seq":{head["seq"]},', f'"seq":{head["seq"] + 1},', 1).replace(head["prev"], head["hash"], 1).encode()
            return [*lines, body + b',"hash":"%s"}' % hashlib.sha256(body).hexdigest().encode()]

        self.edit(0, double)
        self.expect(1, "it is doubled, or old", "1 signatures are good", "NOT GOOD", files=[self.files[0]])

    def test_time_of_head(self):
        """the time of a head is not signed: a terminal is not told to act on it"""
        self.rechain(0, lambda body, head: body.replace(head["time"], "\\u001b[2J\\u202e", 1))
        got, text = self.ctl("--key", "hsm:audit", files=[self.files[0]])
        self.assertEqual(got, 0, text)
        self.assertIn(r"at \x1b[2J\xe2\x80\xae;", text)

    def test_cut(self):
        """a cut in a line is seen; one at the end shows where the last number is known"""
        self.expect(0, "GOOD", arguments=["--key", "hsm:audit", "--expect-seq", str(self.last)])
        self.edit(2, lambda lines: lines[:-2])
        self.expect(0, "GOOD")
        self.expect(1, "the end was cut off", arguments=["--key", "hsm:audit", "--expect-seq", str(self.last)])
        data = pathlib.Path(self.files[2]).read_bytes()
        pathlib.Path(self.files[2]).write_bytes(data[:-1])
        self.expect(1, "the line is cut")

    def test_begin(self):
        """files from before that were not given are said, and asked for"""
        self.expect(0, "are in files that were not given", files=self.files[1:])
        self.expect(1, "the records begin with", arguments=["--first-seq", "1"], files=self.files[1:])

    def test_no_record(self):
        """a file that is not an audit file is not good"""
        other = self.dir / "other"
        other.write_bytes(b"hello\n" + b"x" * 100000 + b"\n")
        self.expect(1, f"{other}:1: not a record", f"{other}:2: not a record", "NOT GOOD", files=[str(other)])
        other.write_bytes(b"")
        self.expect(1, "the files have no record", files=[str(other)])


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MPL-2.0
"""A worker that is to end while a call into its module is in progress: the call returns first.

SoftHSM2's C_Login truncates a file of the token before it writes it again: a process that ends between the two loses the
token with all its keys. The test module holds the call at that point until the test lets it go on.
"""
import signal
import threading

import varlink
from harness import run, until
from test_faults import FaultyToken, Faults
from varlink import b64

C = "io.tokend.Certificates."
WAITS = "ends after the calls into the module"


class InACall(Faults):
    def held(self):
        return self.token.counters.exists() and self.token.counts().get("held", 0)

    def hold(self, extra="", function="C_Login"):
        """A daemon whose worker is held in its C_Login; the worker."""
        self.begin(extra, before=[function + " hold count=1"], wait=False)
        until(self.held, f"it is in {function}")
        return self.daemon.worker()

    def let_go(self, process, waits=1):
        """The process was told to end: it knows, is still there, and ends when the call has returned."""
        until(lambda: process.gone() or self.daemon.log_text().count(WAITS) == waits, "it knows that it is to end")
        self.assertFalse(process.gone(), self.daemon.log_text())
        self.token.set()
        until(process.gone, "it has ended")
        self.assertEqual(self.token.counts()["released"], 1, "the process ended within the call")

    def test_sigterm(self):
        """SIGTERM, to the service's every process, while a worker logs in: the login returns, then the status is 0"""
        worker = self.hold()
        # The broker answers, so all of them have begun.
        self.assertEqual(self.daemon.token("hsm")["state"], "starting")
        for process in self.daemon.children():
            process.kill(signal.SIGTERM)
        self.daemon.process.send_signal(signal.SIGTERM)
        self.let_go(worker)
        self.assertEqual(self.daemon.process.wait(timeout=30), 0)

    def test_reload(self):
        """a reload that changes the section while its worker logs in: the login returns, then the next worker starts"""
        worker = self.hold()
        self.daemon.config.write_text(self.daemon.config.read_text().replace("Sessions=4", "Sessions=5"))
        self.daemon.process.send_signal(signal.SIGHUP)
        self.let_go(worker)
        self.daemon.wait_state("hsm", "ready")
        self.is_good(self.sign()["signature"])

    def test_removed(self):
        """a reload that removes the section while its worker logs in: the login returns first"""
        worker = self.hold()
        text = self.daemon.config.read_text()
        self.daemon.config.write_text(text.replace("[Token hsm]", "[Token other]"))
        self.daemon.process.send_signal(signal.SIGHUP)
        self.let_go(worker)
        self.daemon.wait_state("other", "ready")

    def test_supervisor_killed(self):
        """the supervisor is killed while a worker logs in: the login returns, then the worker ends

        SIGABRT is what systemd sends to every process of a service whose watchdog got no word.
        """
        worker = self.hold()
        worker.kill(signal.SIGABRT)
        self.daemon.process.kill()
        self.daemon.reap()
        self.let_go(worker)

    def test_start_timeout(self):
        """StartTimeout= ends while a worker logs in: the login returns, then the next worker starts"""
        worker = self.hold("StartTimeout=1s\n")
        self.let_go(worker)
        self.is_good(self.sign()["signature"])

    def look(self):
        """A daemon that serves, and a look for a nickname that is held in its C_Login; the look."""
        self.begin()
        worker = self.daemon.worker()
        self.token.set("C_Login hold count=1")

        def generate():
            try:
                self.daemon.call("Generate", token="hsm", nickname="new", type="ec")
            except (OSError, varlink.Error, varlink.Closed):
                pass
        thread = threading.Thread(target=generate)
        thread.start()
        self.addCleanup(thread.join)
        until(self.held, "the look is in C_Login")
        return next(process for process in self.daemon.workers() if process.pid != worker.pid), worker

    def test_look(self):
        """a look that nobody needs any more lets its login return first"""
        look, worker = self.look()
        worker.kill()
        self.let_go(look)
        self.is_good(self.sign()["signature"])

    def test_broker_dies_at_look(self):
        """the broker dies while a Generate is at its look, and the next one sends an Import: its look waits, and nobody is killed for it"""
        look, worker = self.look()
        broker = self.daemon.broker()
        broker.kill()
        until(broker.gone, "the broker is gone")
        der = self.certificate()
        with self.daemon.client() as client:
            client.send(C + "Import", {"token": "hsm", "nickname": "i", "certificate": der})
            # It is with the worker, beside the Generate of the broker before.
            until(lambda: self.daemon.token("hsm")["inFlight"] > 0, "it is in flight")
            self.assertFalse(look.gone())
            self.token.set()
            self.assertEqual(client.result()["certificate"]["nickname"], "i")
        self.assertEqual(self.daemon.worker().pid, worker.pid)
        until(lambda: [k["nickname"] for k in self.daemon.call("List", token="hsm")["keys"]] == ["k", "new"], "the key is there, once")
        self.assertEqual(self.token.counts()["C_GenerateKeyPair"], 1)

    def test_look_at_sigterm(self):
        """SIGTERM while a look logs in: the login returns, then the status is 0"""
        look, _ = self.look()
        self.daemon.process.send_signal(signal.SIGTERM)
        self.let_go(look)
        self.assertEqual(self.daemon.process.wait(timeout=30), 0)

    def begin_reload(self, old, new):
        """A reload that changes the section so, and whose newcomer is there beside the worker. It is over at READY=1."""
        self.daemon.config.write_text(self.daemon.config.read_text().replace(old, new))
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.wait_notify("RELOADING=1")
        until(lambda: len([w for w in self.daemon.workers() if w.command[1:] == [b"hsm", b""]]) == 2, "a newcomer")

    def finishes(self, fault, method, **parameters):
        """What it is told whose call is held while a reload changes the section: the worker finishes it, and is replaced then."""
        self.begin("SessionCopies=no\n")
        worker = self.daemon.worker()
        self.token.set(fault + " hold count=1")
        with self.daemon.client() as client:
            client.send(method, parameters)
            until(self.held, "it is held")
            self.begin_reload("Sessions=4", "Sessions=5")
            self.assertFalse(worker.gone())
            self.assertEqual(self.daemon.token("hsm")["state"], "ready")
            self.token.set()
            result = client.result()
        self.daemon.wait_notify("READY=1")
        until(worker.gone, "the worker of the old section has ended")
        self.daemon.wait_state("hsm", "ready")
        return result

    def test_generate(self):
        """a reload that changes the section while a key is made, or is looked for: the key is there once, and the client is told so"""
        for fault in ("C_GenerateKeyPair", "C_Login", "C_CreateObject"):
            with self.subTest(fault):
                key = self.finishes(fault, "Generate", token="hsm", nickname="new", type="ec")["key"]
                self.assertEqual(key["nickname"], "new")
                self.assertEqual(self.token.counts()["C_GenerateKeyPair"], 1)
                self.is_good(self.sign(key="hsm:new")["signature"], "hsm:new")

    def certificate(self):
        return b64(run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                       self.place.path / "import.key", "-subj", "/CN=i", "-days", "30", "-outform", "DER"))

    def test_import(self):
        """likewise for a certificate"""
        der = self.certificate()
        for fault in ("C_CreateObject", "C_Login"):
            with self.subTest(fault):
                self.finishes(fault, C + "Import", token="hsm", nickname="new", certificate=der)
                self.assertEqual(self.daemon.call(C + "Get", certificate="hsm:new")["certificate"]["der"], der)

    def test_sign(self):
        """likewise for a signature, and what waits behind it is served by the next worker"""
        result = self.finishes("C_Sign", "Sign", key="hsm:k", algorithm="ecdsa_sha256", message=b64(b"m"))
        self.is_good(result["signature"])
        self.assertEqual(self.token.counts()["C_Sign"], 1)

    def test_look_of_old_section(self):
        """a look that a worker asks for after its section changed comes to the worker's token, not to the new section's"""
        self.begin()
        other = FaultyToken(self.place, "other")
        worker = self.daemon.worker()
        self.token.set("C_CreateObject hold count=1")
        with self.daemon.client() as client:
            client.send("Generate", {"token": "hsm", "nickname": "new", "type": "ec"})
            until(self.held, "its claim is held")
            self.begin_reload(self.token.section("hsm", "KeepAlive=1h\n", refresh="1h").strip(),
                              other.section("hsm", "KeepAlive=1h\n", refresh="1h").strip())
            self.assertFalse(worker.gone())
            self.token.set()
            self.assertEqual(client.result()["key"]["nickname"], "new")
        self.daemon.wait_notify("READY=1")
        self.assertEqual([k["nickname"] for k in self.daemon.call("List", token="hsm")["keys"]], ["k"])

    def test_never_done(self):
        """a reload while a call never returns: the next worker starts when the old one has been given its time"""
        self.begin("Timeout=2s\nGenerateTimeout=2s\n")
        worker = self.daemon.worker()
        self.token.set("C_Sign hang count=1")
        with self.daemon.client() as client:
            client.send("Sign", {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m"), "timeoutMs": 1000})
            until(lambda: self.token.counts().get("C_Sign"), "it is in C_Sign")
            self.begin_reload("Sessions=4", "Sessions=5")
            self.is_good(self.sign()["signature"])
            until(worker.gone, "the old worker has ended")
            self.fails("DeadlineExceeded", client.result)

    def test_never_returns(self):
        """SIGTERM while a worker is in a call that never returns: it ends after Timeout=, and the status is 0"""
        self.begin("Timeout=1s\n", before=["C_Login hang"], wait=False)
        until(lambda: self.token.counters.exists() and self.token.counts().get("C_Login"), "it is in C_Login")
        self.daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.process.wait(timeout=30), 0)
        self.assertIn("did not return in time", self.daemon.log_text())

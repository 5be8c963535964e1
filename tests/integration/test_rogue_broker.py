# SPDX-License-Identifier: MPL-2.0
"""A program that sends nonsense stands in the broker's place: nobody but it pays for it."""
import os
import random
import shutil
import sys

from harness import BUILD, Case, SoftToken, openssl_verify, until
from varlink import b64, unb64

# Started as tokend-broker. The control is descriptor 3; channels to workers and to tokend-audit come over it.
ROGUE = """#!{python} -B
import array, os, random, socket, time
place = {place!r}
if not os.path.exists(place + "/rogue"):
    os.execv({broker!r}, ["tokend-broker"])
lives = open(place + "/lives", "a+")
lives.write("x")
lives.flush()
rng = random.Random({seed} + os.fstat(lives.fileno()).st_size)
control = socket.socket(fileno=3)
channels = [control]

def nonsense():
    kind, n = rng.random(), rng.choice([0, 1, 2, 8, 9, 33, 500, 8000, 60000])
    body = bytes(rng.choice((0, 1, 2, 255, rng.randrange(256))) for _ in range(min(n, 600))) * max(1, n // 600)
    return bytes([rng.randrange(64)]) + body if kind < 0.8 else body

def receive(channel):
    try:
        data, fds, flags, _ = socket.recv_fds(channel, 1 << 17, 4, socket.MSG_DONTWAIT)
    except OSError:
        return
    for fd in fds:
        try:
            channels.append(socket.socket(fileno=fd))
        except OSError:
            os.close(fd)
    if data and channel is not control and rng.random() < 0.5:
        # What came, a little changed, goes back.
        changed = bytearray(data)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        send(channel, bytes(changed))

def send(channel, data):
    try:
        fds = [os.dup(0)] * rng.choice((0, 0, 0, 1, 3))
        channel.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [], socket.MSG_DONTWAIT)
    except OSError:
        pass

# The control, two workers, tokend-audit. The supervisor ends whoever sends it nonsense: it comes last.
end = time.monotonic() + 4
while len(channels) < 4 and time.monotonic() < end:
    receive(control)
with open(place + "/channels", "a") as reached:
    print(len(channels), file=reached)
for step in range(400):
    for channel in list(channels):
        receive(channel)
    send(rng.choice(channels if step > 300 else channels[1:] or channels), nonsense())
os._exit(0)
"""


class Rogue(Case):
    def test_nonsense(self):
        """nonsense to the supervisor, the workers and tokend-audit: they stay, no sanitizer speaks, the chain holds, and a broker serves"""
        seed = int(os.environ.get("ROGUE_SEED") or random.SystemRandom().randrange(1 << 32))
        build = self.place.path / "build"
        build.mkdir()
        for name in ("tokend", "tokend-worker", "tokend-audit", "tokendctl"):
            shutil.copy2(BUILD / name, build / name)
        self.place.write("build/tokend-broker", ROGUE.format(python=sys.executable, place=str(self.place.path), seed=seed,
                                                            broker=str(BUILD / "tokend-broker")), 0o755)
        hsm = SoftToken(self.place, "hsm")
        hsm.make_key("k", "01")
        log = self.place.path / "audit"
        daemon = self.own(f"Audit=file:{log}\n" + hsm.section() + f"[Token internal]\nModule=internal\nDirectory={self.place.path}/nss\n",
                          build=build)
        sign = {"key": "hsm:k", "algorithm": "ecdsa_sha256", "message": b64(b"m")}
        daemon.call("Sign", **sign)
        audit = daemon.children("tokend-audit")[0]
        with self.subTest(f"again with ROGUE_SEED={seed}"):
            lives = self.place.path / "lives"
            (self.place.path / "rogue").write_text("")
            daemon.broker().kill()
            until(lambda: lives.exists() and lives.stat().st_size >= 3, "three rogues have lived", 60)
            (self.place.path / "rogue").unlink()
            reached = [int(n) for n in (self.place.path / "channels").read_text().split()]
            self.assertGreaterEqual(max(reached), 4, "the control, two workers, tokend-audit")
            until(lambda: self.signs(daemon, sign), "it signs again", 60)
            self.assertIsNone(daemon.process.poll(), "the supervisor stays")
            self.assertEqual(daemon.children("tokend-audit")[0].pid, audit.pid, "tokend-audit stays")
            key = daemon.call("Get", key="hsm:k")["key"]
            self.assertTrue(openssl_verify(self.place, unb64(key["publicKey"]), "ecdsa_sha256", b"m",
                                           unb64(daemon.call("Sign", **sign)["signature"])))
            done = daemon.ctl("--json", "audit", "verify", log, check=False)
            self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())

    def signs(self, daemon, sign):
        try:
            return daemon.call("Sign", timeoutMs=2000, **sign)
        except Exception:  # noqa: there may be no broker, or a rogue
            return None

# SPDX-License-Identifier: MPL-2.0
"""What the tests under systemd share, inside the container: the service set up as an operator would, and a load on it.

The container is thrown away, so that nothing here is put back but what the next test of the class relies on.
"""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import time
import unittest

import harness
import varlink
from harness import run, until

SOCKET = pathlib.Path("/run/tokend/tokend.sock")
STATUS_SOCKET = pathlib.Path("/run/tokend/status.sock")
CONFIG = pathlib.Path("/etc/tokend/tokend.conf")
STATE = pathlib.Path("/var/lib/tokend")
DROP_INS = pathlib.Path("/etc/systemd/system/tokend.service.d")
LOAD = pathlib.Path(os.environ.get("BUILD") or "build") / "tests/load"
UNITS = ("tokend.socket", "tokend-status.socket", "tokend.service")
PIN = harness.PIN
ALGORITHM = "ecdsa_sha256"


def show(unit, name):
    """A property of a unit."""
    return run("systemctl", "show", "--value", "-p", name, unit).decode().strip()


def find_installed(name):
    """A file that make install put somewhere under PREFIX."""
    stage = pathlib.Path(os.environ["STAGE"])
    return next(pathlib.Path("/") / path.relative_to(stage) for path in stage.rglob(name))


def prepare():
    """As README says after make install."""
    run("systemctl", "daemon-reload")
    run("systemd-sysusers")
    run("systemd-tmpfiles", "--create")


def as_tokend(*argv, **environment):
    return run("runuser", "-u", "tokend", "--", *argv, env=dict(os.environ, **environment))


def make_token(label="hsm", pin=PIN):
    """A SoftHSM2 token below the service's state, the one place where its sandbox lets it write."""
    owner = pwd.getpwnam("tokend")
    for directory in (STATE, STATE / label):
        directory.mkdir(mode=0o700, exist_ok=True)
        os.chown(directory, owner.pw_uid, owner.pw_gid)
    conf = CONFIG.parent / f"{label}.softhsm"
    conf.write_text(f"directories.tokendir = {STATE / label}\nobjectstore.backend = file\n")
    as_tokend("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "87654321",
              SOFTHSM2_CONF=str(conf))
    return (f"[Token {label}]\nModule={harness.SOFTHSM}\nUri=pkcs11:token={label}\n"
            f"Environment=SOFTHSM2_CONF={conf}\n")


def pin_file(label="hsm", pin=PIN):
    path = CONFIG.parent / f"{label}.pin"
    path.write_text(pin + "\n")
    path.chmod(0o640)
    shutil.chown(path, "root", "tokend")
    return f"Pin=file:{path}\n"


def configure(text):
    CONFIG.write_text(text)


def drop_in(name, text):
    DROP_INS.mkdir(parents=True, exist_ok=True)
    (DROP_INS / name).write_text(text)
    run("systemctl", "daemon-reload")


def call(method, **parameters):
    with varlink.Client(SOCKET) as client:
        return client.call(method, **parameters)


def make_key(name):
    token, nickname = name.split(":")
    return call("Generate", token=token, nickname=nickname, type="ec")["key"]


def sign(name):
    return call("Sign", key=name, algorithm=ALGORITHM, digest=varlink.b64(bytes(32)))["signature"]


def status():
    with varlink.Client(STATUS_SOCKET) as client:
        return client.call("io.tokend.Status.Get")


def token(name):
    return next(t for t in status()["tokens"] if t["name"] == name)


def main_pid():
    return int(show("tokend.service", "MainPID"))


def process(name):
    """A process of the service, by its name in ps; the supervisor is `tokend`."""
    def find():
        pid = main_pid()
        if not pid:
            return None
        if name == "tokend":
            return harness.Process(pid)
        return next((child for child in harness.children(pid) if child.name == name[:15]), None)
    return until(find, f"a process {name}")


def replaced(name, old):
    """Waits until the process that was old is gone and there is another."""
    until(old.gone, f"{name} {old.pid} is gone")
    return process(name)


class Load:
    """Clients that sign all the time (load.c)."""

    def __init__(self, key, clients=4):
        self.child = subprocess.Popen([str(LOAD), str(SOCKET), key, str(clients)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        self.turn()

    def turn(self):
        """Waits until each client has had an answer to a request made from now on: done, failed, longest wait in ms, and
        what the first failure was."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        done, failed, longest, text = self.child.stdout.readline().split(" ", 3)
        return int(done), int(failed), int(longest), text.strip()

    def stop(self):
        self.child.stdin.close()
        self.child.stdout.close()
        return self.child.wait(60)


class Case(unittest.TestCase):
    """A class of tests in one container."""

    longMessage = True
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        prepare()
        cls.configure()

    @classmethod
    def configure(cls):
        pass

    def active(self, unit="tokend.service"):
        until(lambda: show(unit, "ActiveState") == "active", f"{unit} is active")

    def journal(self, *matches):
        return run("journalctl", "--no-pager", "-o", "cat", *matches).decode(errors="replace")


def stop_service():
    run("systemctl", "stop", "tokend.socket", "tokend.service")


def seconds():
    return time.monotonic()


def records(*matches):
    """Records of the audit in the journal; a match without a value: whatever it is."""
    out = run("journalctl", "--no-pager", "-o", "json", *(m for m in matches if "=" in m)).decode(errors="replace")
    found = [json.loads(line) for line in out.splitlines()]
    return [r for r in found if "TOKEND_KIND" in r and all("=" in m or m in r for m in matches)]

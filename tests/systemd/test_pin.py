# SPDX-License-Identifier: MPL-2.0
"""PINs that systemd hands over."""
import configparser
import glob
import os
import pathlib
import socket
import subprocess

import machine
from harness import run, until

CREDSTORE = pathlib.Path("/run/credstore")


def answer_question(text):
    """Plays the agent of systemd-ask-password: answers the one question there is; what it asked."""
    def asked():
        for path in glob.glob("/run/systemd/ask-password/ask.*"):
            question = configparser.ConfigParser(interpolation=None)
            question.read(path)
            return question["Ask"]
        return None
    question = until(asked, "a question")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as agent:
        agent.sendto(b"+" + text.encode(), question["Socket"])
    return question


class Pin(machine.Case):
    @classmethod
    def configure(cls):
        cls.token = machine.make_token()
        machine.configure(cls.token + "Pin=credential:hsm-pin\n")

    def setUp(self):
        machine.stop_service()
        for path in (*machine.DROP_INS.glob("*"), *CREDSTORE.glob("*")):
            path.unlink()

    def ready(self):
        run("systemctl", "start", "tokend.service")
        self.assertEqual(machine.token("hsm")["state"], "ready", machine.token("hsm"))
        self.assertEqual(machine.show("tokend.service", "StatusText"), "1 token ready")

    def secret(self, name, data, directory="/etc/tokend-secret"):
        os.makedirs(directory, mode=0o700, exist_ok=True)
        path = os.path.join(directory, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(data)
        return path

    def test_plain(self):
        """a PIN comes by LoadCredential= from a file that root alone may read, the newline at its end not part of it"""
        path = self.secret("pin", machine.PIN + "\n")
        machine.drop_in("pin.conf", f"[Service]\nLoadCredential=hsm-pin:{path}\n")
        self.ready()

    def test_encrypted(self):
        """a PIN comes by LoadCredentialEncrypted=, with the drop-in that is shipped"""
        os.makedirs("/etc/credstore.encrypted", mode=0o700, exist_ok=True)
        run("systemd-creds", "encrypt", "--with-key=host", "--name=hsm-pin", "-", "/etc/credstore.encrypted/hsm-pin",
            input=machine.PIN.encode(), stdin=None)
        machine.drop_in("pin.conf", machine.find_installed("pin-credential.conf").read_text())
        self.ready()

    def test_not_there(self):
        """a credential that is not there fails its token alone, with the drop-in that is shipped"""
        pathlib.Path("/etc/credstore.encrypted/hsm-pin").unlink(missing_ok=True)
        machine.drop_in("pin.conf", machine.find_installed("pin-credential.conf").read_text())
        run("systemctl", "start", "tokend.service")
        self.active()
        self.assertNotEqual(machine.token("hsm")["state"], "ready")
        self.assertIn("hsm-pin", machine.token("hsm")["reason"])

    def test_typed(self):
        """a PIN is typed at boot with the drop-in that is shipped, and is not asked again at a restart"""
        machine.drop_in("pin.conf", machine.find_installed("pin-at-boot.conf").read_text())
        with subprocess.Popen(["systemctl", "start", "tokend.service"]) as start:
            question = answer_question(machine.PIN)
            self.assertEqual(start.wait(60), 0)
        self.assertEqual(question["Message"], "PIN of the token hsm:")
        self.ready()
        run("systemctl", "restart", "tokend.service")
        self.ready()
        self.assertEqual((CREDSTORE / "hsm-pin").stat().st_mode & 0o7777, 0o600)

    def test_wrong(self):
        """a wrong PIN costs one attempt: the token is failed, the service is up and stays so, and STATUS says it"""
        path = self.secret("pin", "99999999")
        machine.drop_in("pin.conf", f"[Service]\nLoadCredential=hsm-pin:{path}\n")
        run("systemctl", "start", "tokend.service")
        self.active()
        self.assertEqual(machine.token("hsm")["state"], "failed")
        self.assertRegex(machine.show("tokend.service", "StatusText"), r"hsm failed: \S")

    def test_absent(self):
        """a credential that is not there fails its token alone"""
        run("systemctl", "start", "tokend.service")
        self.active()
        self.assertNotEqual(machine.token("hsm")["state"], "ready")
        self.assertRegex(machine.show("tokend.service", "StatusText"), r"hsm \w+: \S")

# SPDX-License-Identifier: MPL-2.0
"""The pages of docs/clients: real programs are told of the module by the lines that stand there, and use a key of tokend's."""
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import unittest

from harness import PLAIN, ROOT, OneToken

PAGES = ROOT / "docs/clients"
INSTALLED = "/usr/lib/x86_64-linux-gnu/pkcs11/libtokend-pkcs11.so"
# What a page's programs are called by, where it is not installed with everything else.
NEEDS = {"nginx": ["nginx"], "apache": ["apache2"], "stunnel": ["stunnel4"], "java": ["keytool", "jarsigner", "jar"],
         "openssh": ["ssh-agent", "ssh-add", "ssh-keygen"], "gnutls": ["p11tool", "certtool"], "signing": ["osslsigncode"]}


def blocks(name):
    """The fenced blocks of a page: (file or None for commands, text)."""
    for info, text in re.findall(r"^```(sh|conf \S+)\n(.*?)^```$", (PAGES / f"{name}.md").read_text(), re.M | re.S):
        yield (None if info == "sh" else info.split()[1]), text


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def small_program():
    """A PE file that does nothing, of one section: what signers of programs take."""
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    head = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 512, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0x140000000, 0x1000, 512, 6, 0, 0, 0, 6, 0, 0, 0x2000, 512, 0, 3, 0)
    optional += struct.pack("<QQQQII", 1 << 20, 4096, 1 << 20, 4096, 0, 16) + bytes(128)
    section = struct.pack("<8sIIIIIIHHI", b".text", 1, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    return (dos + head + optional + section).ljust(512, b"\0") + b"\xc3".ljust(512, b"\0")


class Clients(OneToken):
    instances = ("[Instance all]\nUser=root\nToken=hsm\nKeys=*\n"
                 "Allow=list sign sign-raw verify random generate delete delete-cert request import decrypt derive\n"
                 "[Instance www]\nUser=www-data\nToken=hsm\nKeys=web*\nAllow=list sign\n")

    @classmethod
    def configure(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("the servers of these tests change to www-data, which root alone can do")
        super().configure()
        os.chmod(cls.place.path, 0o755)
        cls.page("README", cls.place.path)

    @classmethod
    def page(cls, name, folder, **variables):
        """Writes the files of a page, and runs its commands one after the other."""
        ports = {}

        def adapt(text):
            text = text.replace(INSTALLED, str(PLAIN / "libtokend-pkcs11.so"))
            return re.sub(r"\b44[0-9]{2}\b", lambda m: str(ports.setdefault(m[0], free_port())), text)

        script = "set -eu -o pipefail\n"
        for file, text in sorted(blocks(name), key=lambda block: block[0] is None):
            if file:
                (folder / file).write_text(adapt(text))
            else:
                script += adapt(text)
        environment = dict(os.environ, TOKEND_SOCKET=str(cls.daemon.socket), HOME=str(folder),
                           PATH=f"{PLAIN}:{os.environ['PATH']}:/usr/sbin", **variables)
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, f"docs/clients/{name}.md: status {done.returncode}\n{done.stdout}{logs(folder)}"

    def follow(self, name, **variables):
        missing = [program for program in NEEDS.get(name, []) if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")]
        if missing:
            self.skipTest(f"{missing[0]} is not installed")
        folder = self.place.path / name
        folder.mkdir(mode=0o755)
        shutil.copy(self.place.path / "web.pem", folder)
        for file, text in blocks("openssl"):
            if file:
                (folder / file).write_text(text.replace(INSTALLED, str(PLAIN / "libtokend-pkcs11.so")))
        (folder / "program.exe").write_bytes(small_program())
        self.page(name, folder, **variables)

    def test_openssl(self):
        """openssl signs, and issues a certificate, by its engine"""
        self.follow("openssl")

    def test_nginx(self):
        """nginx serves with a key that its master finds as root and its workers use as www-data"""
        self.follow("nginx", OPENSSL_CONF="openssl.cnf")

    def test_apache(self):
        """Apache serves"""
        self.follow("apache")

    def test_stunnel(self):
        """stunnel serves"""
        self.follow("stunnel")

    def test_nss(self):
        """certutil lists, and issues a certificate"""
        self.follow("nss")

    def test_gnutls(self):
        """GnuTLS signs"""
        self.follow("gnutls")

    def test_openssh(self):
        """an agent holds the key, and signs a host's certificate with it"""
        self.follow("openssh")

    def test_opensc(self):
        """pkcs11-tool signs, makes a pair and deletes it"""
        self.follow("opensc")

    def test_java(self):
        """keytool lists, jarsigner signs a jar"""
        self.follow("java")

    def test_signing(self):
        """osslsigncode signs a program"""
        self.follow("signing")

    def test_pages(self):
        """every page is followed by a test, and the first one names it"""
        names = {page.stem for page in PAGES.glob("*.md")} - {"README"}
        tests = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")} - {"pages"}
        self.assertEqual(names, tests)
        for name in names:
            self.assertIn(f"({name}.md)", (PAGES / "README.md").read_text())


def logs(folder):
    return "".join(f"\n{file.name}:\n{file.read_text(errors='replace')[-2000:]}" for file in pathlib.Path(folder).glob("*.log"))

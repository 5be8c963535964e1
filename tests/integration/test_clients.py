# SPDX-License-Identifier: MPL-2.0
"""The pages of docs/clients: real programs are told of the module by the lines that stand there, and use a key of tokend's."""
import configparser
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import unittest

from harness import PLAIN, ROOT, Case, OneToken, run

PAGES = ROOT / "docs/clients"
INSTALLED = "/usr/lib/x86_64-linux-gnu/pkcs11/libtokend-pkcs11.so"
# What a page's programs are called by, or a file of theirs, where they are not installed with everything else.
NEEDS = {"nginx": ["nginx"], "apache": ["apache2"], "stunnel": ["stunnel4"], "java": ["keytool", "jarsigner", "jar"],
         "openssh": ["ssh-agent", "ssh-add", "ssh-keygen", "sshd"], "gnutls": ["p11tool", "certtool", "gnutls-serv"],
         "signing": ["osslsigncode", "sbsign", "pesign"], "openssl": ["certtool"], "curl": ["curl"], "go": ["go"],
         "provider": ["certtool", "/usr/lib/x86_64-linux-gnu/ossl-modules/pkcs11.so"],
         "389ds": ["dscreate", "ns-slapd", "ldapmodify"], "dogtag": ["java", "/usr/share/java/jss.jar"],
         "strongswan": ["swanctl", "pki", "charon-systemd"], "nss": ["selfserv"],
         "more": ["openvpn", "gpgsm", "gnupg-pkcs11-scd", "ods-hsmutil", "p11-kit", "p11tool", "/usr/lib/python3/dist-packages/PyKCS11"]}
# Whatever a page starts ends with it, and its ports are its own.
SHELL = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c"]
BEGIN = "set -eu -o pipefail\nip link set lo up\n"
# Where a page writes to the host: to its own copies of these.
HOST = {"389ds": ["/etc/dirsrv", "/etc/default", "/var/lib/dirsrv", "/var/log/dirsrv", "/run", "/dev/shm"],
        "openssh": ["/run"], "strongswan": ["/etc/strongswan.d", "/etc/swanctl", "/run"]}
STAND_INS = pathlib.Path(__file__).parent / "stand-ins"
PROGRAMS = os.environ["PATH"] + ":/usr/sbin"


def sections(name):
    """The sections for tokend.conf that a page has."""
    return "\n".join(re.findall(r"^```ini\n(\[Instance.*?)^```$", (PAGES / f"{name}.md").read_text(), re.M | re.S))


def blocks(name):
    """The fenced blocks of a page: (file or None for commands, text)."""
    for info, text in re.findall(r"^```(sh|conf \S+)\n(.*?)^```$", (PAGES / f"{name}.md").read_text(), re.M | re.S):
        yield (None if info == "sh" else info.split()[1]), text


def small_program():
    """A PE file that does nothing, of one section: what signers of programs take."""
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    head = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 512, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0x140000000, 0x1000, 512, 6, 0, 0, 0, 6, 0, 0, 0x2000, 512, 0, 3, 0)
    optional += struct.pack("<QQQQII", 1 << 20, 4096, 1 << 20, 4096, 0, 16) + bytes(128)
    section = struct.pack("<8sIIIIIIHHI", b".text", 1, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    return (dos + head + optional + section).ljust(512, b"\0") + b"\xc3".ljust(512, b"\0")


def own_copies(directories):
    """A shell's lines after which what is written there is not the host's."""
    lines = ["copies=$(mktemp -d)"]
    for number, path in enumerate(directories):
        lines += [f"mkdir -p {path} && cp -a {path} $copies/{number}", f"mount -t tmpfs -o mode=755 none {path}",
                  f"cp -a $copies/{number}/. {path}"]
    return "\n".join(lines + ["rm -rf $copies", "[ ! -d host ] || cp -a host/. /"]) + "\n"


class Pages:
    """Each page is followed with the keys on one token."""

    token_name = "hsm"

    @classmethod
    def configure(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("the servers of these tests change to www-data, which root alone can do")
        if subprocess.run([*SHELL, BEGIN], capture_output=True, check=False).returncode:
            raise unittest.SkipTest("there are no namespaces, in which what these tests start ends with them")
        super().configure()
        os.chmod(cls.place.path, 0o755)
        cls.page("README", cls.place.path)

    @classmethod
    def adapt(cls, text):
        """The text of a page, with the module and the users that there are here, and the token of this class."""
        text = text.replace(INSTALLED, str(PLAIN / "libtokend-pkcs11.so"))
        text = re.sub(r"\bhsm\b", cls.token_name, text)
        return text.replace("User=alice", "User=root").replace("User=pkiuser", "User=www-data")

    @classmethod
    def page(cls, name, folder):
        """Writes the files of a page, and runs its commands one after the other."""
        script = BEGIN + (own_copies(HOST[name]) if name in HOST else "")
        for file, text in blocks(name):
            if not file:
                script += cls.adapt(text)
                continue
            path = folder / (f"host{file}" if file.startswith("/") else file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(cls.adapt(text))
        environment = dict(os.environ, TOKEND_SOCKET=str(cls.daemon.socket), HOME=str(folder), PATH=f"{STAND_INS}:{PLAIN}:{PROGRAMS}")
        done = subprocess.run([*SHELL, script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, f"docs/clients/{name}.md: status {done.returncode}\n{done.stdout}{logs(folder)}"

    def follow(self, name):
        for program in NEEDS.get(name, []):
            if not shutil.which(program, path=PROGRAMS) and not os.path.exists(program):
                self.skipTest(f"{program} is not installed")
        folder = self.place.path / name
        folder.mkdir(mode=0o755)
        shutil.copy(self.place.path / "web.pem", folder)
        for file, text in blocks("openssl"):
            if file:
                (folder / file).write_text(self.adapt(text))
        (folder / "program.exe").write_bytes(small_program())
        self.allow(self.adapt(sections(name)))
        self.page(name, folder)

    def allow(self, instances):
        """These sections and no others hold from now on."""
        text = self.daemon.config.read_text()
        self.daemon.config.write_text(text[:text.index("[Instance")] + instances)
        self.daemon.process.send_signal(signal.SIGHUP)
        self.daemon.wait_notify("READY=1")

    def test_openssl(self):
        """openssl signs, decrypts, serves, and issues certificates that GnuTLS verifies, by its engine"""
        self.follow("openssl")

    def test_provider(self):
        """openssl does so by its provider"""
        self.follow("provider")

    def test_nginx(self):
        """nginx serves with a key that its master finds as root and its workers use as www-data"""
        self.follow("nginx")

    def test_apache(self):
        """Apache serves"""
        self.follow("apache")

    def test_stunnel(self):
        """stunnel serves"""
        self.follow("stunnel")

    def test_curl(self):
        """curl shows a server its certificate"""
        self.follow("curl")

    def test_nss(self):
        """certutil lists, and issues a certificate; selfserv serves, also with RSA key exchange"""
        self.follow("nss")

    def test_dogtag(self):
        """JSS signs in 16 threads, and makes a pair"""
        self.follow("dogtag")
        settings = configparser.ConfigParser()
        settings.read(self.place.path / "dogtag/ca.cfg")
        self.assertEqual(settings["DEFAULT"]["pki_token_name"], self.token_name)
        self.assertTrue(os.path.exists(settings["DEFAULT"]["pki_hsm_libfile"]))

    def test_389ds(self):
        """389 Directory Server serves LDAPS"""
        self.follow("389ds")

    def test_gnutls(self):
        """GnuTLS signs, serves, and shows its certificate to a server"""
        self.follow("gnutls")

    def test_openssh(self):
        """an agent holds the key, and signs a host's certificate with it; ssh logs in by a key, a host certificate and a host key"""
        self.follow("openssh")

    def test_strongswan(self):
        """charon authenticates by IKEv2, pki issues a certificate"""
        self.follow("strongswan")

    def test_opensc(self):
        """pkcs11-tool signs, makes a pair and deletes it"""
        self.follow("opensc")

    def test_java(self):
        """keytool lists, jarsigner signs a jar, a server in Java serves"""
        self.follow("java")

    def test_go(self):
        """a server in Go serves, and makes a pair and deletes it"""
        self.follow("go")

    def test_signing(self):
        """osslsigncode, sbsign and pesign sign a program"""
        self.follow("signing")

    def test_more(self):
        """OpenVPN, GnuPG, OpenDNSSEC, Python and p11-kit's server use the key"""
        self.follow("more")


INSTANCES = ("[Instance all]\nUser=root\nKeys=*\n"
             "Allow=list sign sign-raw verify random generate delete delete-cert request import decrypt derive encrypt\n")


class Clients(Pages, OneToken):
    instances = INSTANCES

    def test_pages(self):
        """every page is followed by a test, and the first one names it"""
        names = {page.stem for page in PAGES.glob("*.md")} - {"README"}
        tests = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")} - {"pages"}
        self.assertEqual(names, tests)
        for name in names:
            self.assertIn(f"({name}.md)", (PAGES / "README.md").read_text())


class Internal(Case):
    """A daemon with its own NSS database."""

    @classmethod
    def configure(cls):
        cls.daemon = cls.start(f"[Token local]\nModule=internal\nDirectory={cls.place.path}/local\n", instances=INSTANCES)


class ClientsInternal(Pages, Internal):
    """The same with the keys in an NSS database."""

    token_name = "local"

    def test_tool(self):
        """pkcs11-tool --test finds nothing wrong (on SoftHSM2 itself it fails, which has no OAEP with SHA-256)"""
        self.allow(INSTANCES)
        said = run("pkcs11-tool", "--module", PLAIN / "libtokend-pkcs11.so", "--token-label", "local", "--login", "--pin", "none", "--test",
                   env=dict(os.environ, TOKEND_SOCKET=str(self.daemon.socket)))
        self.assertIn(b"No errors", said)


def logs(folder):
    return "".join(f"\n{file.name}:\n{file.read_text(errors='replace')[-2000:]}" for file in pathlib.Path(folder).glob("*.log"))

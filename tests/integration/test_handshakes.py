# SPDX-License-Identifier: MPL-2.0
"""TLS with keys of tokend's on both sides: each library that takes PKCS #11 serves, and shows a client's certificate, with RSA and EC keys,
by TLS 1.2 and 1.3, and with RSA key exchange where it has that. openssl judges."""
import os
import shutil
import socket
import subprocess
import unittest

from harness import PLAIN, ROOT, OneToken, die_with_parent, run, until
from test_clients import INSTANCES, Internal, blocks

MODULE = PLAIN / "libtokend-pkcs11.so"
VERSIONS = ("1.2", "1.3")
# Debian's policy for Java forbids RSA key exchange.
JAVA_POLICY = "jdk.tls.disabledAlgorithms=SSLv3\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    """Whether a socket listens there: asking it would be a connection, of which some servers take one alone."""
    wanted = f":{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as v4, open("/proc/net/tcp6", encoding="ascii") as v6:
        return any(row[1].endswith(wanted) and row[3] == "0A" for row in map(str.split, [*v4, *v6]))


class Handshakes:
    token_name = "hsm"

    @classmethod
    def configure(cls):
        super().configure()
        cls.folder = cls.place.path
        cls.environment = dict(os.environ, TOKEND_SOCKET=str(cls.daemon.socket), HOME=str(cls.folder), TOKEND_PKCS11_KEYS="rsa ec",
                               PATH=os.environ["PATH"] + ":/usr/sbin")
        for key, usage in (("rsa", "sign,decrypt"), ("ec", "sign,derive")):
            cls.daemon.ctl("generate", f"{cls.token_name}:{key}", "--type", key, "--usage", usage)
            # NSS tells certificates apart by their subjects.
            pem = cls.daemon.ctl("self-sign", f"{cls.token_name}:{key}", "--subject", f"CN=localhost,O={key}", "--dns", "localhost",
                                 "--days", "9")
            cls.place.write(f"{key}.pem", pem)
        for file, text in [*blocks("openssl"), *blocks("java")]:
            if file:
                cls.place.write(file, text.replace("/usr/lib/x86_64-linux-gnu/pkcs11/libtokend-pkcs11.so", str(MODULE)))
        cls.place.write("both.pem", (cls.folder / "rsa.pem").read_text() + (cls.folder / "ec.pem").read_text())
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", cls.folder / "plain.key", "-out", cls.folder / "plain.pem",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "9")
        cls.place.write("pin", "password\n")
        (cls.folder / "db").mkdir()
        run("certutil", "-N", "-d", "sql:db", "-f", "pin", cwd=cls.folder)
        run("modutil", "-force", "-dbdir", "sql:db", "-add", "tokend", "-libfile", MODULE, cwd=cls.folder, env=cls.environment)

    def needs(self, *programs):
        for program in programs:
            if not shutil.which(program, path=self.environment["PATH"]):
                self.skipTest(f"{program} is not installed")

    def uri(self, key):
        return f"pkcs11:token={self.token_name};object={key};type=private"

    def serve(self, *argv, **environment):
        """Starts a server, in whose arguments PORT stands for a port; the port on which it listens."""
        port = free_port()
        with open(self.folder / "server.log", "wb") as log:
            process = subprocess.Popen([str(a).replace("PORT", str(port)) for a in argv], cwd=self.folder, env=self.environment | environment,
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)

        def end():
            process.terminate()
            process.wait(timeout=30)
        self.addCleanup(end)
        until(lambda: listens(port) or process.poll() is not None, "it listens")
        self.assertIsNone(process.poll(), self.log())
        return port

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def shake(self, port, key, version, *flags):
        """A handshake of openssl's, which has nothing of tokend's; what s_client says of it."""
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", f"{key}.pem", "-verify_return_error",
                               f"-tls{version.replace('.', '_')}", *flags], cwd=self.folder, stdin=subprocess.DEVNULL, timeout=60, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode, 0, f"{key} {version} {flags}\n{done.stdout}{self.log()}")
        self.assertIn("Verify return code: 0", done.stdout)
        return done.stdout

    def shakes(self, port, key):
        for version in VERSIONS:
            self.shake(port, key, version)

    def exchanges(self, port):
        """The client encrypts to the server's RSA key: no forward secrecy, and a padding to decrypt."""
        self.assertIn("Cipher is AES128-GCM-SHA256", self.shake(port, "rsa", "1.2", "-cipher", "AES128-GCM-SHA256"))

    def test_openssl(self):
        """openssl serves by its engine"""
        for key in ("rsa", "ec"):
            self.shakes(self.serve("openssl", "s_server", "-accept", "127.0.0.1:PORT", "-engine", "pkcs11", "-keyform", "engine", "-key",
                                   self.uri(key), "-cert", f"{key}.pem", "-quiet", OPENSSL_CONF="openssl.cnf"), key)

    def test_nginx(self):
        """nginx serves an RSA and an EC key side by side"""
        self.needs("nginx")
        pair = "".join(f'ssl_certificate {key}.pem; ssl_certificate_key "engine:pkcs11:{self.uri(key)}";\n' for key in ("rsa", "ec"))
        port = free_port()
        self.place.write("nginx.conf", "daemon off; error_log nginx.log; pid nginx.pid; env TOKEND_SOCKET; ssl_engine pkcs11; events {}\n"
                         f"http {{ access_log off; ssl_protocols TLSv1.2 TLSv1.3; server {{ listen 127.0.0.1:{port} ssl;\n{pair}}} }}\n")
        (self.folder / "server.log").touch()
        process = subprocess.Popen(["nginx", "-p", self.folder, "-c", "nginx.conf", "-g", "user root;"], cwd=self.folder,
                                   env=self.environment | {"OPENSSL_CONF": "openssl.cnf"}, preexec_fn=die_with_parent)
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.terminate)
        until(lambda: listens(port) or process.poll() is not None, "it listens")
        for key, algorithms in (("rsa", "rsa_pss_rsae_sha256"), ("ec", "ecdsa_secp256r1_sha256")):
            for version in VERSIONS:
                self.shake(port, key, version, "-sigalgs", algorithms)

    def test_gnutls(self):
        """gnutls-serv serves, also by RSA key exchange, and gnutls-cli shows its certificate"""
        self.needs("gnutls-serv", "gnutls-cli")
        provider = f"--provider={MODULE}"
        for key in ("rsa", "ec"):
            port = self.serve("gnutls-serv", provider, "--http", "--port", "PORT", "--x509certfile", f"{key}.pem", "--x509keyfile",
                              self.uri(key), "--disable-client-cert", "--priority", "NORMAL:+RSA")
            self.shakes(port, key)
            if key == "rsa":
                self.exchanges(port)
        port = self.wants_certificate()
        for key in ("rsa", "ec"):
            for version in VERSIONS:
                run("gnutls-cli", provider, "--x509cafile", "plain.pem", "--x509certfile", f"{key}.pem", "--x509keyfile", self.uri(key),
                    "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}", "--port", port, "localhost", cwd=self.folder,
                    env=self.environment, input=b"GET / HTTP/1.0\r\n\r\n", stdin=None)

    def wants_certificate(self):
        return self.serve("openssl", "s_server", "-accept", "PORT", "-key", "plain.key", "-cert", "plain.pem", "-CAfile", "both.pem",
                          "-Verify", "1", "-verify_return_error", "-www")

    def test_nss(self):
        """selfserv serves, also by RSA key exchange, and tstclnt shows its certificate"""
        self.needs("selfserv", "tstclnt")
        for key, option in (("rsa", "-n"), ("ec", "-e")):
            port = self.serve("selfserv", "-d", "sql:db", "-f", "pin", option, f"{self.token_name}:{key}", "-p", "PORT", "-V",
                              "tls1.2:tls1.3", "-c", ":1301:C02B:C02F:009C")
            self.shakes(port, key)
            if key == "rsa":
                self.exchanges(port)
        port = self.wants_certificate()
        request = self.place.write("request", "GET / HTTP/1.0\r\n\r\n")
        for key in ("rsa", "ec"):
            for version in VERSIONS:
                page = run("tstclnt", "-d", "sql:db", "-W", "pin", "-4", "-h", "localhost", "-p", port, "-o", "-n", f"{self.token_name}:{key}",
                           "-V", f"tls{version}:tls{version}", "-A", request, cwd=self.folder, env=self.environment)
                self.assertRegex(page, rf"O ?= ?{key}".encode())

    def test_curl(self):
        """curl shows its certificate, by the engine"""
        self.needs("curl")
        port = self.wants_certificate()
        for key in ("rsa", "ec"):
            for version in VERSIONS:
                page = run("curl", "--silent", "--show-error", "--cacert", "plain.pem", "--cert", f"{key}.pem", "--key", self.uri(key),
                           f"--tlsv{version}", "--tls-max", version, f"https://localhost:{port}/", cwd=self.folder,
                           env=self.environment | {"OPENSSL_CONF": "openssl.cnf"})
                self.assertRegex(page, rf"O ?= ?{key}".encode())

    def test_java(self):
        """a server in Java serves, also by RSA key exchange"""
        self.needs("java", "javac")
        self.place.write("policy", JAVA_POLICY)
        run("javac", "Server.java", cwd=self.folder)
        for key in ("rsa", "ec"):
            port = self.serve("java", "-Djava.security.properties=policy", "-cp", ".", "Server", "tokend.cfg", "PORT", TOKEND_PKCS11_KEYS=key)
            self.shakes(port, key)
            if key == "rsa":
                self.exchanges(port)


    def test_java_algorithms(self):
        """SunPKCS11 signs, verifies, encrypts, decrypts and agrees on secrets"""
        self.needs("java")
        said = run("java", ROOT / "tests/integration/JavaAlgorithms.java", "tokend.cfg", cwd=self.folder, env=self.environment)
        self.assertEqual(said, b"done\n")


class HandshakesSoftHSM(Handshakes, OneToken):
    instances = INSTANCES


class HandshakesInternal(Handshakes, Internal):
    """The same with the keys in an NSS database."""

    token_name = "local"



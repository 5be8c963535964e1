# SPDX-License-Identifier: MPL-2.0
"""The PKCS #11 module in programs as they are: they close descriptors, fork, give up rights, and outlive the daemon."""
import os
import subprocess

from harness import BUILD, DEADLINE, OneToken, PLAIN, kill_family
from test_renewal import Authority
from varlink import unb64

RIGHTS = "list sign verify generate delete delete-cert import request"


class Habits(OneToken):
    instances = (f"[Instance all]\nUser={os.getuid()}\nToken=hsm\nKeys=*\nAllow={RIGHTS}\n"
                 "[Instance www]\nUser=33\nToken=hsm\nKeys=ec\nAllow=list sign verify\n")

    @classmethod
    def configure(cls):
        super().configure()
        for nickname in ("ec", "private"):
            cls.daemon.call("Generate", token="hsm", nickname=nickname, type="ec")
        cls.daemon.call("Generate", token="hsm", nickname="rsa", type="rsa", size=2048)

    def start_program(self, habit, build=BUILD, **environment):
        environment = dict(os.environ, TOKEND_SOCKET=str(self.daemon.socket), ASAN_OPTIONS="detect_leaks=0", **environment)
        process = subprocess.Popen([build / "tests/habits", build / "libtokend-pkcs11.so", "hsm", habit], text=True, env=environment,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(kill_family, process)
        return process

    def ready(self, process):
        line = process.stdout.readline()
        self.assertEqual(line, "ready\n", line + (process.stdout.read() if line != "ready\n" else ""))

    def right(self, process):
        output, _ = process.communicate("\n", timeout=DEADLINE)
        self.assertEqual(output, "right\n")
        self.assertEqual(process.wait(), 0)

    def good(self, habit, **options):
        self.right(self.start_program(habit, **options))

    def root(self):
        if os.geteuid() != 0:
            self.skipTest("only root can do it")

    def test_closes(self):
        """a program that closes all descriptors, and opens its own under their numbers, finds its own as they were"""
        self.good("closes", build=PLAIN)
        self.good("closes-and-forks", build=PLAIN)

    def test_daemon(self):
        """a program becomes a daemon after C_Initialize"""
        self.good("daemon")

    def test_descriptors(self):
        """without a free descriptor the module goes on with its connection; without both it says CKR_DEVICE_ERROR, and recovers"""
        self.good("descriptors", build=PLAIN)

    def test_loads(self):
        """dlopen and dlclose, with C_Finalize and without: no descriptor is left, and no handler of fork"""
        self.good("loads")

    def test_user(self):
        """after setuid the program has the rights of its new user, not those of its old connection"""
        self.root()
        self.good("user")

    def test_filter(self):
        """a seccomp filter without socket, connect, open and fstat: what is connected signs, and what is not fails at once"""
        process = self.start_program("filter", build=PLAIN)
        self.ready(process)
        self.daemon.broker().kill()
        self.right(process)

    def test_stacks(self):
        """threads with stacks of 64 KiB"""
        self.good("stacks", build=PLAIN)

    def test_signals(self):
        """a signal every half millisecond, which restarts no system call"""
        self.good("signals", build=PLAIN)

    def test_forks(self):
        """children of a process with eight threads in calls go on with its sessions, initialize or not, finalize or not"""
        self.good("forks-among-threads", build=PLAIN)

    def test_forks_sanitized(self):
        """children under the address sanitizer, whose allocator does not bear a fork while other threads are in it"""
        self.good("forks")

    def test_programs(self):
        """programs started with vfork get no connection of the module"""
        self.good("programs", build=PLAIN)

    def test_chroot(self):
        """after chroot the module goes on, and connects again where the new root has the socket"""
        self.root()
        root = self.place.path / "root"
        inside = root / str(self.daemon.socket.parent).lstrip("/")
        inside.mkdir(parents=True)
        process = self.start_program("root", build=PLAIN, NEW_ROOT=str(root))
        self.ready(process)
        os.link(self.daemon.socket, inside / self.daemon.socket.name)
        self.right(process)

    def test_waits(self):
        """a call that is made while the daemon is being restarted waits, with the default action for SIGPIPE"""
        process = self.start_program("waits")
        self.ready(process)
        self.daemon.stop()
        self.daemon.start(wait=False)
        self.right(process)
        self.daemon.wait_notify("READY=1")

    def test_renews(self):
        """a program that writes another certificate of a key, and then deletes the old one, has renewed it; `import` is enough"""
        authority = Authority(self.place)
        spki = unb64(self.daemon.call("Generate", token="hsm", nickname="renewed", type="ec")["key"]["publicKey"])
        first, path = self.place.path / "first.der", self.place.path / "renewed.der"
        first.write_bytes(authority.issue(spki))
        path.write_bytes(authority.issue(spki))
        self.daemon.ctl("import", "hsm:renewed", first)
        self.right(self.start_program("renews", RENEWED=str(path)))
        listed = self.daemon.call("io.tokend.Certificates.List", nickname="renewed")["certificates"]
        self.assertEqual([unb64(c["der"]) for c in listed], [path.read_bytes()])

    def test_profiles(self):
        """each token declares the profiles Baseline, Extended, Authentication Token and Public Certificates Token"""
        self.good("profiles")

    def test_handles(self):
        """a key that is deleted and made anew with its name and id, and its certificate, are not what their old handles meant"""
        def make():
            self.daemon.call("Generate", token="hsm", nickname="anew", type="ec", id="0a")
            self.daemon.ctl("self-sign", "hsm:anew", "--subject", "CN=anew", "--days", 1)
        make()
        process = self.start_program("handles")
        self.ready(process)
        self.daemon.ctl("delete", "hsm:anew", "--yes")
        self.daemon.ctl("delete-cert", "hsm:anew", "--yes")
        make()
        self.right(process)
        self.daemon.call("Get", key="hsm:anew")

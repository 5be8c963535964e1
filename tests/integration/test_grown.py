# SPDX-License-Identifier: MPL-2.0
"""A program that was built with an older or a newer tokend.h works with the library of today."""
import re
import subprocess

from harness import PLAIN, ROOT, OneToken, run

SOURCE = ROOT / "tests/integration/versions/grown.c"
STRUCT = re.compile(r"^struct (tokend_\w+) \{\n(.*?)^\};", re.M | re.S)


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def older(name, fields):
    """The struct without what its last declaration has; a failure keeps its size."""
    if name == "tokend_failure":
        reserved = re.search(r"char reserved\[(\d+)\];", fields)
        last = re.search(r"char parameters\[(\d+)\];", fields)
        return f"{fields[:last.start()]}char reserved[{int(reserved[1]) + int(last[1])}];\n"
    declarations = re.findall(r"[^;]+;", fields)
    return "".join(declarations[:-1]) + "\n" if len(declarations) > 2 else fields


def newer(name, fields):
    """The struct with one more field."""
    if name == "tokend_failure":
        reserved = re.search(r"char reserved\[(\d+)\];", fields)
        return fields[:reserved.start()] + f"char newer[64];\nchar reserved[{int(reserved[1]) - 64}];\n"
    return fields + "        int64_t newer;\n"


class Grown(OneToken):
    def built(self, version, change=None):
        """The program as of that version, with the library of today."""
        header = without_comments((ROOT / "client/tokend.h").read_text())
        if change:
            changed = STRUCT.sub(lambda m: f"struct {m[1]} {{\n{change(m[1], m[2])}}};", header)
            self.assertGreater(changed.count("newer") if version == "newer" else len(header) - len(changed), 20)
            header = changed
        directory = self.place.path / version
        (directory / "client").mkdir(parents=True)
        (directory / "client/tokend.h").write_text(header)
        run("cc", "-std=c17", "-Wall", "-Werror", f"-I{directory}", f'-DNICKNAME="{version}"', *["-DNEWER"] * (version == "newer"), SOURCE,
            "-o", directory / "grown", f"-L{PLAIN}", "-ltokend", f"-Wl,-rpath,{PLAIN}")
        return directory / "grown"

    def works(self, program):
        done = subprocess.run([program, self.daemon.socket, self.daemon.status_socket], capture_output=True, text=True, timeout=120)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_same(self):
        """a program of this version works"""
        self.works(self.built("same"))

    def test_older(self):
        """a program whose structures lack their last field reads right values, and writes and reads nothing beyond"""
        self.works(self.built("older", older))

    def test_newer(self):
        """a program whose structures have one field more works where it leaves that 0, and is refused where it sets it"""
        self.works(self.built("newer", newer))

# SPDX-License-Identifier: MPL-2.0
"""proto/generate: what is wrong in an interface file is named with its line, and make knows what depends on such a file.

What is made of a file that is right is compiled and tested in tests/unit/test_broker_generate.c."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEGIN = "# @socket keys\ninterface io.example.Test\n"


def generate(*arguments):
    return subprocess.run([sys.executable, "-B", ROOT / "proto/generate", *arguments], capture_output=True, text=True)


class Faults(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.file = pathlib.Path(self.directory.name) / "io.example.Test.varlink"

    def check(self, text, line, *words):
        with self.subTest(words):
            self.file.write_text(text)
            result = generate("broker/methods/methods.c", self.file)
            self.assertNotEqual(result.returncode, 0)
            self.assertEqual(result.stdout, "")
            self.assertTrue(result.stderr.startswith(f"{self.file}:{line}: "), result.stderr)
            for word in words:
                self.assertIn(word, result.stderr)

    def test_annotations(self):
        """an annotation that is wrong is named, with its file and line"""
        self.check(BEGIN + "# @rihgt sign\nmethod A() -> ()\n", 3, "@rihgt")
        self.check(BEGIN + "# @right sign\n# @right list\nmethod A() -> ()\n", 4, "@right", "twice")
        self.check(BEGIN + "# @right\nmethod A() -> ()\n", 3, "@right WORD")
        self.check(BEGIN + "# @right sign @parallel no\nmethod A() -> ()\n", 3, "@parallel")
        self.check(BEGIN + "# @right sign @length a 1\nmethod A(a: string) -> ()\n", 3, "@length FIELD MIN MAX")
        self.check(BEGIN + "# @right sign @length b 1 2\nmethod A(a: string) -> ()\n", 3, "no field b")
        self.check(BEGIN + "# @right sign @length a 1 2\nmethod A(a: bool) -> ()\n", 3, "another type")
        self.check(BEGIN + "# @right sign @base64 a\nmethod A(a: []string) -> ()\n", 3, "another type")
        self.check(BEGIN + "# @right sign @range a 1 x\nmethod A(a: int) -> ()\n", 3, "x is neither")
        self.check(BEGIN + "# @parallel\ntype A (a: string)\n", 3, "@parallel", "a type")
        self.check(BEGIN + "# @right sign\nerror A ()\n", 3, "@right", "an error")

    def test_missing(self):
        """what a method lacks is named with the line of the method"""
        self.check(BEGIN + "\nmethod A() -> ()\n", 4, "A needs either a @right or @anybody")
        self.check(BEGIN + "# @right sign\n\nmethod A() -> ()\n", 5, "A needs either a @right or @anybody")
        self.check(BEGIN + "# @right sign\nmethod A(n: int) -> ()\n", 4, "n needs a @range")
        self.check("interface io.example.Test\n", 1, "@socket")
        self.check("# @socket both keys\ninterface io.example.Test\n", 1, "@socket")

    def test_syntax(self):
        """what is not varlink is named with its line"""
        self.check(BEGIN + "# @right sign\nmethod A( -> ()\n", 4, "expected a name, found ->")
        self.check(BEGIN + "# @right sign\nmethod A(a: Other) -> ()\n", 4, "Other")
        self.check(BEGIN + "type B (b: int)\n# @right sign\nmethod A(a: []B) -> ()\n", 5, "a is of a type")
        self.check(BEGIN + "type B (b: int)\n# @right sign\nmethod A(a: ?B) -> ()\n", 5, "cannot be left out")
        self.check(BEGIN + "# @right sign\nmethod A(a: []int) -> ()\n", 4, "a is of a type")
        self.check(BEGIN + "type A (a, b: int)\n", 3, "a has no type")
        self.check(BEGIN + "type A (a: int)\ntype A (b: int)\n", 4, "A already")
        self.check(BEGIN + "type A (default: int)\n", 3, "default is a word of C")
        self.check(BEGIN + "type A (a: int;)\n", 3, "';'")
        self.check(BEGIN + "# @right sign\nmethod A()", 4, "expected ->")


class Make(unittest.TestCase):
    def test_dependencies(self):
        """an interface file that changes has make write and compile all that is made of it, however BUILD= is written"""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE") and key != "MFLAGS"}
        plan = subprocess.run(["make", "-n", "V=1", "-W", "proto/io.tokend.Keys.varlink", f"BUILD={os.environ['TOKEND_PLAIN']}", "all"], cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
        for made in ("broker/methods/methods.h", "broker/methods/methods.c", "broker/methods/parameters.c", "broker/base/replies.c",
                     "client/stubs.c", "config/rights.h", "proto/enums.h"):
            self.assertTrue(re.search(rf"proto/generate {made} .*io.tokend.Keys.varlink", plan), made)
        for compiled in ("daemon/broker/methods/method-sign.c", "daemon/config/type.c", "client/sign.c", "gen/broker/methods/methods.c",
                         "gen/client/stubs.c"):
            self.assertTrue(re.search(rf"-c -o \S+\.o \S*{compiled}", plan), compiled)


if __name__ == "__main__":
    unittest.main()

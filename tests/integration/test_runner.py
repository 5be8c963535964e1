# SPDX-License-Identifier: MPL-2.0
"""The runner of these tests: what it counts as passed, as failed and as flaky."""
import os
import subprocess
import sys
import unittest

import harness

TESTS = """
import pathlib, unittest

class Some(unittest.TestCase):
    def test_passes(self):
        pass

    def test_fails_once(self):
        mark = pathlib.Path(__file__).with_name("mark")
        there = mark.exists()
        mark.touch()
        self.assertTrue(there, "the first time")
"""
FAILS = """
    def test_fails(self):
        self.fail("always")
"""
NAME = "test_some.Some.test_fails_once"


class Runner(unittest.TestCase):
    def setUp(self):
        self.place = harness.Place()
        self.addCleanup(self.place.remove)

    def run_tests(self, tests, flaky=""):
        self.place.write("test_some.py", tests)
        self.place.write("flaky", flaky)
        done = subprocess.run([sys.executable, "-B", harness.ROOT / "tests/integration/run.py"], capture_output=True, text=True,
                              env=dict(os.environ, TESTS_DIRECTORY=str(self.place.path)), stdin=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout.splitlines()

    def test_unlisted(self):
        """tests that failed and then passed alone are counted as flaky and shown; more than a few of them fail the run"""
        status, lines = self.run_tests(TESTS)
        self.assertEqual(status, 0)
        self.assertIn("1 flaky", lines)
        self.assertTrue([line for line in lines if "the first time" in line])
        self.assertEqual(lines[-1], "2 passed, 0 failed")
        self.place.path.joinpath("mark").unlink()
        more = "".join(TESTS.partition("    def test_fails_once")[2].replace("(self)", f"_{i}(self)", 1).replace('"mark"', f'"mark{i}"')
                       .join(("    def test_fails_once", "")) for i in range(3))
        status, lines = self.run_tests(TESTS + more)
        self.assertEqual(status, 1)
        self.assertIn("4 flaky", lines)
        self.assertEqual(lines[-1], "1 passed, 4 failed")

    def test_listed(self):
        """a flaky test that is listed with its reason counts as passed, and as flaky"""
        status, lines = self.run_tests(TESTS, f"{NAME} the first call is slow\n")
        self.assertEqual(status, 0)
        self.assertIn("1 flaky", lines)
        self.assertIn("flaky: failed beside others, passed alone; known: the first call is slow", lines)
        self.assertEqual(lines[-1], "2 passed, 0 failed")

    def test_fails(self):
        """a test that fails alone as well is not flaky, although it is listed"""
        status, lines = self.run_tests(TESTS.replace("there = ", "there = False and ") + FAILS, f"{NAME} a reason\n")
        self.assertEqual(status, 1)
        self.assertFalse([line for line in lines if line.endswith(" flaky")])
        self.assertEqual(lines[-1], "1 passed, 2 failed")

    def test_list(self):
        """a line of the list without a reason, or for a test that does not exist, fails the run"""
        status, lines = self.run_tests(TESTS, f"{NAME}\n")
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed"))
        self.place.write("mark", "")
        status, lines = self.run_tests(TESTS, "test_some.Some.test_gone a reason\n")
        self.assertEqual((status, lines[-1]), (1, "2 passed, 1 failed"))


class Cases(unittest.TestCase):
    """tests/cases, which `make cases` runs."""

    def setUp(self):
        self.place = harness.Place()
        self.addCleanup(self.place.remove)

    def case(self, name, text, mode=0o755):
        (self.place.path / name).mkdir()
        self.place.write(f"{name}/run", "#!/bin/sh\n" + text, mode)

    def run_cases(self):
        done = subprocess.run([harness.ROOT / "tests/cases", self.place.path, harness.PLAIN], capture_output=True, text=True,
                              env=dict(os.environ, CASE_SECONDS="1"), stdin=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout.splitlines()

    def test_all_hold(self):
        """a folder whose scripts hold or are skipped succeeds, and the last line counts them"""
        self.case("a", f"[ \"$1\" = '{harness.PLAIN}' ]\n")
        self.case("b", "echo no such program; exit 77\n")
        (self.place.path / "empty").mkdir()
        status, lines = self.run_cases()
        self.assertEqual((status, lines[-1]), (0, "1 hold, 0 fall short, 1 skipped"))
        self.assertIn("no such program", "".join(lines))

    def test_short(self):
        """a script that fails, hangs, dies or cannot be run falls short, what it said is shown, and the others are run"""
        self.case("a", "echo because; exit 1\n")
        self.case("b", "exec sleep 1000\n")
        self.case("c", "kill -KILL $$\n")
        self.case("d", "exit 0\n", 0o644)
        self.case("e", "exit 0\n")
        status, lines = self.run_cases()
        self.assertEqual((status, lines[-1]), (1, "1 hold, 4 fall short, 0 skipped"))
        told = {line.split()[-1]: line.split("  ")[1].strip() for line in lines if line.startswith("  ") and " s  " in line}
        self.assertEqual(told, {"a": "short (1)", "b": "timed out", "c": "short (137)", "d": "short (126)", "e": "holds"})
        self.assertIn("because", "".join(lines))

    def test_none(self):
        """a folder without a script fails: nothing was shown"""
        status, lines = self.run_cases()
        self.assertEqual((status, lines[-1]), (1, "0 hold, 0 fall short, 0 skipped"))

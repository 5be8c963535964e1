# SPDX-License-Identifier: MPL-2.0
"""Fails where a limit of proto/limits.h that the code has is named by no test: the test that reaches it bears its name."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
limits = re.findall(r"^#define (LIMIT_\w+)", (root / "proto/limits.h").read_text(), re.M)
tests = "".join(f.read_text() for d in ("unit", "integration") for f in (root / "tests" / d).rglob("test_*.[cp]*"))
code = "".join(f.read_text() for d in ("proto", "daemon", "client") for f in (root / d).rglob("*.*") if f.suffix in (".c", ".h", ".varlink") and f.name != "limits.h")
limits = [limit for limit in limits if re.search(rf"\b{limit}\b", code)]
missing = [limit for limit in limits if not re.search(rf"\b{limit}\b", tests)]
for limit in missing:
    print(f"proto/limits.h: {limit} is reached by no test that names it")
sys.exit(1 if missing or not limits else 0)

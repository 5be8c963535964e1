# SPDX-License-Identifier: MPL-2.0
"""Runs tests/systemd/test_*.py, each class in a booted container of its own (boot.py) over what `make install` gives; two
at a time; what failed is run once more in one by itself. The last line is `N passed, N failed`. T names files, classes or tests, as in tests/integration.

Called by `make test-systemd` with BUILD, MAKE and T; by `make deb` with DEBS, the directory of the packages, in place of
what `make install` gives.
"""
import concurrent.futures
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
INTEGRATION = SOURCE / "tests/integration"
BUILD = pathlib.Path(os.environ.get("BUILD") or "build").resolve()
DEBS = os.environ.get("DEBS") or ""
LIMIT_S = 300  # of one container
sys.path[:0] = [str(HERE), str(INTEGRATION)]


def integration_run():
    """tests/integration/run.py, whose module's name is ours too."""
    spec = importlib.util.spec_from_file_location("integration_run", INTEGRATION / "run.py")
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path  # it puts its own directory first, where files have our names
    return module


def groups(names):
    files = sorted(f.stem for f in HERE.glob("test_*.py"))
    found = {}
    for test in integration_run().flatten(unittest.TestLoader().loadTestsFromNames(names or files)):
        found.setdefault(".".join(test.id().split(".")[:2]), []).append(test.id())
    return found


def inner(names):
    """In the container: runs the tests, and prints what came of each."""
    result = integration_run().Result()
    unittest.TestLoader().loadTestsFromNames(names).run(result)
    print("\nROWS " + json.dumps(result.rows))


def missing():
    """Why nothing can be run here, or None."""
    if os.geteuid() != 0:
        return "booting a container needs root"
    for program in ("systemd-nspawn", "unshare", "dbus-daemon", "journalctl"):
        if not shutil.which(program):
            return f"there is no {program}"
    with tempfile.TemporaryDirectory() as scratch:
        script = (f'cd {scratch} && mount -t tmpfs none . && mkdir u w r && '
                  'mount -t overlay none -o lowerdir=/,upperdir=u,workdir=w r')
        tried = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
                               capture_output=True, text=True, check=False)
    return f"no overlay can be mounted here: {tried.stderr.strip()}" if tried.returncode else None


def boot(name, tests, stage):
    """One container; its rows."""
    journal = BUILD / "test-logs" / f"systemd-{name}.journal"
    journal.parent.mkdir(parents=True, exist_ok=True)
    environment = {"BUILD": BUILD, "STAGE": stage, "DEBS": DEBS, "MAKE": os.environ.get("MAKE") or "make",
                   "MAKEFLAGS": os.environ.get("MAKEFLAGS") or ""}
    command = [sys.executable, "-B", HERE / "boot.py", "--timeout", LIMIT_S, "--journal", journal,
               "--bind", SOURCE, "--bind", BUILD, *(("--layer", stage, "--bind", stage) if stage else ())]
    for key, value in environment.items():
        command += ["--env", f"{key}={value}"]
    command += ["--", sys.executable, "-B", HERE / "run.py", "--inner", *tests]
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    noise, _, rows = done.stdout.rpartition("\nROWS ")
    try:
        found = json.loads(rows)
    except ValueError:
        found = [{"name": name, "sentence": f"ended with {done.returncode} before it could report", "outcome": "FAILED",
                  "text": done.stdout[-8000:], "seconds": 0}]
        noise = ""
    if any(row["outcome"] == "FAILED" for row in found) and journal.exists():
        noise += f"\n---- the end of {journal}\n" + "\n".join(journal.read_text(errors="replace").splitlines()[-60:])
    return found, noise


def install():
    """`make install` into a directory that becomes a layer of every container."""
    stage = tempfile.mkdtemp(prefix="tokend-stage-")
    os.chmod(stage, 0o755)
    done = subprocess.run([os.environ.get("MAKE") or "make", "--no-print-directory", "-C", str(SOURCE), "install", f"BUILD={BUILD}",
                           f"DESTDIR={stage}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        shutil.rmtree(stage)
        sys.exit(f"{done.stdout}\nmake install failed\n0 passed, 1 failed")
    return stage


def show(name, rows, counts):
    for row in rows:
        counts[row["outcome"]] += 1
        note = f" ({row['text']})" if row["outcome"] == "skipped" else ""
        print(f"  {row['outcome']:7} {row['seconds']:5.1f} s  {name.removeprefix('test_')}: {row['sentence']}{note}", flush=True)


def main(names):
    reason = missing()
    if reason:
        print(f"tests under systemd are skipped: {reason}\n0 passed, 0 failed, 1 skipped")
        return 0
    stage = "" if DEBS else install()
    counts, failures = {"ok": 0, "FAILED": 0, "skipped": 0}, []
    try:
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            pending = {pool.submit(boot, name, tests, stage): name for name, tests in groups(names).items()}
            for done in concurrent.futures.as_completed(pending):
                rows, noise = done.result()
                show(pending[done], rows, counts)
                failures += [row for row in rows if row["outcome"] == "FAILED"]
                if noise.strip():
                    print(noise.strip())
        integration_run().again(failures, {}, counts, lambda names: boot("again", names, stage))
    finally:
        if stage:
            shutil.rmtree(stage)
    tail = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"\n{counts['ok']} passed, {counts['FAILED']} failed{tail}")
    return 1 if counts["FAILED"] or not counts["ok"] else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inner"]:
        inner(sys.argv[2:])
    else:
        sys.exit(main((os.environ.get("T") or "").split()))

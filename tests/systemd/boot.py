#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Boots systemd as PID 1 of a container, runs one command in it as root, and ends with the command's status.

The container's root is an overlay of the running system's own files and a tmpfs that takes what is written, so that nothing
outside changes; --layer copies more files into it. Everything of it (mounts, processes) lives in a mount and a PID
namespace whose end is the end of it all, also when this program is killed; the control group is removed by this
program, and one that a killed predecessor left by the next. Needs root, systemd-nspawn and dbus.

Exit status: that of the command; 124 when the time was up; 125 when the system never came up or never finished.
"""
import argparse
import ctypes
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid

PREFIX = "tokend-boot-"
INSIDE = "/tokend-boot"  # where the exchange directory is seen in the container
PR_SET_PDEATHSIG = 1
GRACE = 20  # seconds for mounting and for what is printed at the end

# Units of a Debian or Fedora host that only take time in a container, or want a network.
MASKED = (
    "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer logrotate.timer "
    "man-db.timer systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service "
    "systemd-resolved.service systemd-timesyncd.service systemd-udevd.service systemd-udev-trigger.service "
    "systemd-firstboot.service systemd-homed.service"
).split()

TARGET = """[Unit]
Requires=tokend-boot.service
After=tokend-boot.service
AllowIsolate=yes
"""
SERVICE = f"""[Unit]
Requires=basic.target
Wants=dbus.socket
After=basic.target dbus.socket
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart={INSIDE}/script
StandardInput=null
StandardOutput=file:{INSIDE}/output
StandardError=inherit
TimeoutStartSec=infinity
"""


# ---- inside the namespaces ----
def mount(*args):
    subprocess.run(["mount", *map(str, args)], check=True)


def prepare_root(scratch, layers):
    """Mounts the overlay and returns its root. scratch is an empty directory."""
    mount("-t", "tmpfs", "-o", "mode=0755", "tokend-boot", scratch)
    for name in ("upper", "work", "root", "exchange"):
        (scratch / name).mkdir()
    root = scratch / "root"
    mount("-t", "overlay", "tokend-boot", "-o", f"lowerdir=/,upperdir={scratch}/upper,workdir={scratch}/work", root)
    for layer in layers:  # not as lower layers: those must not lie in each other
        subprocess.run(["cp", "-a", f"{layer}/.", root], check=True)
    mount("-t", "tmpfs", "-o", "mode=0755", "tokend-boot", "/run")  # nspawn's own state; not the host's business
    (root / "etc/machine-id").unlink(missing_ok=True)
    (root / "etc/machine-id").write_text(uuid.uuid4().hex + "\n")
    shutil.rmtree(root / "var/log/journal", ignore_errors=True)
    (root / "var/log/journal").mkdir(parents=True)
    units = root / "etc/systemd/system"
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    (units / "tokend-boot.target").write_text(TARGET)
    (units / "tokend-boot.service").write_text(SERVICE)
    return root


def write_script(exchange, options):
    script = exchange / "script"
    lines = ["#!/bin/sh", "export HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    lines += [f"export {shlex.quote(entry)}" for entry in options.env]
    lines += [f"cd {shlex.quote(options.cwd)} || exit 1", shlex.join(options.command), "status=$?"]
    lines += [f"echo $status >{INSIDE}/status", "exit $status", ""]
    script.write_text("\n".join(lines))
    script.chmod(0o755)


def inside(options):
    """The life of one container, in the namespaces that outside() made."""
    scratch = pathlib.Path(options.scratch)
    root = prepare_root(scratch, options.layer)
    exchange = scratch / "exchange"
    write_script(exchange, options)
    # The hierarchy of a current system, whatever the host has.
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    command = [
        "systemd-nspawn", "--quiet", f"--directory={root}", "--boot", "--register=no", "--keep-unit",
        "--private-network", "--link-journal=no", f"--machine={options.group}", "--console=pipe",
        # What a service manager grants to a unit it must have itself; nspawn holds back mlock, keyrings and bpf.
        "--capability=all", "--drop-capability=CAP_SYS_MODULE", "--system-call-filter=@known",
        f"--bind={exchange}:{INSIDE}", *(f"--bind-ro={path}" for path in options.bind), "systemd.unit=tokend-boot.target", "systemd.show_status=0"]
    late = False
    with open(scratch / "console", "wb") as console:
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, env=environment,
                           timeout=options.timeout, check=False)
        except subprocess.TimeoutExpired:
            late = True
    if options.journal:
        with open(options.journal, "wb") as journal:
            subprocess.run(["journalctl", "--quiet", "--no-pager", "-o", "short-precise", "-D", root / "var/log/journal"],
                           stdout=journal, stderr=subprocess.STDOUT, check=False)
    output, status = exchange / "output", exchange / "status"
    if output.exists():
        sys.stdout.buffer.write(output.read_bytes())
        sys.stdout.flush()
    if status.exists() and status.read_text().strip():
        return int(status.read_text())
    if late:
        print(f"boot: not finished after {options.timeout} s", file=sys.stderr)
        return 124
    sys.stderr.buffer.write((scratch / "console").read_bytes())
    print("boot: the system never finished its command", file=sys.stderr)
    return 125


# ---- outside ----
def hierarchies():
    """Control group hierarchies that systemd needs: the unified one, and systemd's own where there are both."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        fields = [line.split() for line in mounts]
    found = [pathlib.Path(f[1]) for f in fields if f[2] == "cgroup2" or (f[2] == "cgroup" and "name=systemd" in f[3].split(","))]
    return [path for path in dict.fromkeys(found) if os.access(path, os.W_OK)]


def remove_tree(top):
    """Removes the directories of a control group, or an empty directory."""
    for directory, _, _ in list(os.walk(top, topdown=False)):
        try:
            os.rmdir(directory)
        except OSError:
            pass  # processes that are just ending hold it: whoever comes next takes it away


def sweep():
    """Removes what a predecessor that was killed has left."""
    for directory in (*hierarchies(), pathlib.Path(tempfile.gettempdir())):
        for left in directory.glob(PREFIX + "*"):
            owner = left.name.removeprefix(PREFIX)
            if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
                remove_tree(left)  # the scratch directory is empty: what was mounted there went with its namespace


def enter(groups):
    """In the child, before it becomes unshare: into the group, and never to outlive its parent."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for group in groups:
        (group / "cgroup.procs").write_text("0")


def outside(options):
    sweep()
    options.group = f"{PREFIX}{os.getpid()}"
    groups = [hierarchy / options.group for hierarchy in hierarchies()]
    scratch = os.path.join(tempfile.gettempdir(), options.group)
    os.mkdir(scratch, 0o700)
    command = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
               sys.executable, "-B", os.path.abspath(__file__), "--scratch", scratch, "--group", options.group, *sys.argv[1:]]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    child = None
    try:
        for group in groups:
            group.mkdir()
        child = subprocess.Popen(command, preexec_fn=lambda: enter(groups))  # pylint: disable=W1509
        return child.wait(options.timeout + GRACE)
    except subprocess.TimeoutExpired:
        print("boot: it does not end; killed", file=sys.stderr)
        return 125
    finally:
        if child:
            child.kill()
            child.wait()
        for group in groups:
            for _ in range(50):
                remove_tree(group)
                if not group.exists():
                    break
                signal.sigtimedwait([], 0.1)
        remove_tree(pathlib.Path(scratch))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timeout", type=float, default=120, help="seconds, for everything")
    parser.add_argument("--layer", action="append", default=[], help="a directory whose files are laid over the system's")
    parser.add_argument("--bind", action="append", default=[], help="a directory that is seen inside, read only")
    parser.add_argument("--env", action="append", default=[], help="NAME=VALUE for the command")
    parser.add_argument("--cwd", default="/", help="the command's working directory")
    parser.add_argument("--journal", help="a file that gets the journal")
    parser.add_argument("--scratch", help=argparse.SUPPRESS)
    parser.add_argument("--group", help=argparse.SUPPRESS)
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def main():
    options = arguments()
    return inside(options) if options.scratch else outside(options)


if __name__ == "__main__":
    sys.exit(main())

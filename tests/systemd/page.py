# SPDX-License-Identifier: MPL-2.0
"""What a page tells an operator to type, taken out of the page, and typed on a terminal."""
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import termios
import time

from harness import until

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LIMIT_S = 120


def manual_blocks(name, heading):
    """The blocks of a section of a manual page, as a reader sees them."""
    text = (SOURCE / "man" / name).read_text()
    section = re.split(r"^\.S[sh] ", re.split(rf"^\.S[sh] {re.escape(heading)}\n", text, maxsplit=1, flags=re.M)[1], maxsplit=1, flags=re.M)[0]
    blocks = re.findall(r"^\.Bd -literal(?: -offset indent)?\n(.*?)^\.Ed\n", section, re.M | re.S)
    return [re.sub(r"^\\&", "", block, flags=re.M).replace("\\e", "\\").replace("\\(dq", '"') for block in blocks]


def blocks_of(text):
    """The blocks of markdown that are indented by four blanks."""
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.M)
    return [re.sub(r"^    ", "", block, flags=re.M).strip("\n") + "\n" for block in blocks]


def without_installing(block):
    """The container has no network: what a block installs must be there, and the rest of it is typed."""
    for line in re.findall(r"^apt-get install (.*)\n", block, re.M):
        subprocess.run(["dpkg", "--status", *line.split()], check=True, stdout=subprocess.DEVNULL)
    return re.sub(r"^apt-get install .*\n", "", block, flags=re.M)


class Terminal:
    """A root shell's terminal. answers: (what a prompt ends with, what is typed then); the first that fits and was not used."""

    def __init__(self, answers=()):
        self.answers = list(answers)
        self.text = ""

    def type_in(self, script):
        """Runs the lines until the first that fails; what was shown."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(TERM="dumb", PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            os.execvp("bash", ["bash", "-ec", script])
        shown, answered, end = "", 0, time.monotonic() + LIMIT_S
        while True:
            ready, _, _ = select.select([terminal], [], [], 1)
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                break
            if not ready:
                continue
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            if not data:
                break
            shown += data.decode(errors="replace")
            for number, (prompt, answer) in enumerate(self.answers):
                if re.search(prompt, shown[answered:]):
                    answered = len(shown)
                    del self.answers[number]
                    # What is typed before the program turned the echo off would be dropped.
                    if "PIN" in prompt:
                        until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO, "the terminal shows no PIN")
                    os.write(terminal, answer.encode() + b"\n")
                    break
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
        if status != 0:
            raise AssertionError(f"{script}\nended with {os.waitstatus_to_exitcode(status)}, and showed\n{shown}")
        return shown

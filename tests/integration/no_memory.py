# SPDX-License-Identifier: MPL-2.0
"""A build in which one program has tests/memory/memory.c preloaded: its allocations fail one after the other."""
import mmap
import os
import pathlib
import shutil
import struct
import subprocess

from harness import PLAIN

LIBRARY = PLAIN / "tests/libmemory.so"
PROGRAMS = ("tokend", "tokend-broker", "tokend-worker", "tokend-audit", "tokendctl")
# struct shared: armed, hits, stride, offset, nth, unused, the callers seen, the callers of the last that failed.
HEAD = struct.Struct("IIIIII")
SEEN, SHOWN = 65536, 4096
SIZE = HEAD.size + 4 * SEEN + SHOWN


class Short:
    """The build in `self.build`, where `program` is short of memory. One in `stride` of the different allocations fails."""

    def __init__(self, place, program, own=False, stride=1, offset=0):
        self.program, self.names = program, {}
        self.build = place.path / f"build-{program}"
        (self.build / "real").mkdir(parents=True)
        path = place.write(f"memory-{program}", HEAD.pack(0, 0, stride, offset % stride, 0, 0) + bytes(SIZE - HEAD.size), 0o666)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), SIZE)
        self.environment = {"LD_PRELOAD": str(LIBRARY), "NO_MEMORY_FILE": str(path), "NO_MEMORY_PROGRAM": program}
        if own:
            self.environment["NO_MEMORY_OWN"] = "1"
        for name in PROGRAMS:
            shutil.copy(PLAIN / name, self.build / name)
        if program not in ("tokend", "tokendctl"):
            # The broker gets next to nothing of our environment: what starts it brings it along.
            shutil.move(self.build / program, self.build / "real" / program)
            words = " ".join(f"{name}='{value}'" for name, value in self.environment.items())
            script = self.build / program
            script.write_text(f"#!/bin/sh\nexec env {words} '{self.build}/real/{program}' \"$@\"\n")
            script.chmod(0o755)
            self.environment = {}

    def close(self):
        self.map.close()

    @property
    def hits(self):
        return HEAD.unpack_from(self.map)[1]

    @property
    def armed(self):
        return HEAD.unpack_from(self.map)[0]

    def arm(self, nth=0):
        struct.pack_into("I", self.map, 16, nth)
        struct.pack_into("I", self.map, 0, 1)

    def disarm(self):
        struct.pack_into("I", self.map, 0, 0)

    def pause(self):
        """Until resume() with what this gives, none fails."""
        armed = self.armed
        self.disarm()
        return armed

    def resume(self, armed):
        struct.pack_into("I", self.map, 0, armed)

    def callers(self):
        """Who asked for the memory that was refused last, innermost first."""
        return " < ".join(map(self.name_of, self.map[-SHOWN:].partition(b"\0")[0].decode().splitlines()))

    def name_of(self, line):
        """The function and the line of FILE+OFFSET."""
        if line not in self.names:
            path, _, offset = line.rpartition("+")
            # The program itself is called as it was told.
            path = path if "/" in path else self.build / path
            done = subprocess.run(["addr2line", "-fs", "-e", path, offset], capture_output=True, text=True)
            name, _, where = done.stdout.strip().partition("\n")
            self.names[line] = f"{name} {where}" if name not in ("", "??") else f"{pathlib.Path(path).name}{offset}"
        return self.names[line]

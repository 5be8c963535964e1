# SPDX-License-Identifier: MPL-2.0
"""Fails on an #include that the table of layers in ARCHITECTURE.md does not allow.

The table is read from the page itself, so that page and check cannot drift apart. Tests may include everything.
"""
import pathlib
import re
import sys

# Who may include headers of others' libraries: the start of the include's path, and the folders that may.
FOREIGN = {
    # Types and numbers of PKCS #11: these headers bring no library along. They stand first, because the first row that fits counts.
    ("nss/pkcs11f?[.]h",): {"daemon/worker", "daemon/doctor", "client/pkcs11"},
    ("nss", "nspr", "pk11", "sec(?!comp)", "cert", "prio", "prtypes", "pkcs11"): {"daemon/worker"},
    ("json-c",): {"proto", "daemon/broker", "client"},
    ("systemd",): {"daemon/util/log.c", "daemon/supervisor", "daemon/broker", "daemon/doctor"},
    ("seccomp",): {"daemon/sandbox/compile"},
    ("nettle",): {"daemon/audit", "daemon/backup", "client/tokendctl/hash.c", "client/pkcs11"},
}
EVERYWHERE = {"proto/limits.h"}
# Users of the library: they take its public header alone.
USERS = {"client/tokendctl", "client/pkcs11", "daemon/doctor"}


def table(page):
    layers = {}
    rows = re.findall(r"^\| ([a-z0-9/]+) \|([^|]*)\|[^|]*\|$", page, re.M)
    for folder, may, in rows:
        if folder == "folder":
            continue
        names = [name.split()[0] for name in may.split(",") if name.strip()]
        layers[folder] = {name if name in ("proto", "client") else "daemon/" + name for name in names}
    return layers


def foreign_allowed(path, include):
    for starts, allowed in FOREIGN.items():
        if any(re.match(start + r"[^/]*[/.]|" + start + "$", include) for start in starts):
            return any(path == place or path.startswith(place + "/") for place in allowed)
    return True


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    layers = table((root / "ARCHITECTURE.md").read_text())
    if len(layers) < 9:
        sys.exit("layers: the table in ARCHITECTURE.md was not understood")
    faults, n_includes = [], 0
    for file in sorted(f for top in ("proto", "daemon", "client") for f in (root / top).rglob("*.[ch]")):
        path = str(file.relative_to(root))
        folder = str(file.parent.relative_to(root))
        if folder not in layers:
            faults.append(f"{path}: its folder is no layer of ARCHITECTURE.md")
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            n_includes += 1
            kind, include = match.groups()
            if kind == '"':
                target = str(pathlib.PurePath(include).parent)
                made = target.startswith("gen/")
                if made:  # by proto/generate, for the layer of that name
                    target = target[4:] if target[4:] in layers else "daemon/" + target[4:]
                ok = target == folder or target in layers[folder] or include in EVERYWHERE
                if not made and not (root / include).exists():
                    faults.append(f"{path}:{number}: {include} is no path from the top of the project")
                elif folder in USERS and target == "client":
                    ok = include == "client/tokend.h"
            else:
                ok = foreign_allowed(path, include)
                # tokend.h is a public header: tokendctl may take it as any user does.
                ok = ok and (include != "tokend.h" or folder in USERS)
            if not ok:
                faults.append(f"{path}:{number}: {folder} may not include {include}")
    print("\n".join(faults))
    return 1 if faults or not n_includes else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MPL-2.0
"""Checks the shape of the tree: `structure.py BUILD [RULE…]`, all rules where none is named.

  circle    files of one product folder (with its subfolders) call each other in a circle, as nm reads it from their objects
  symbol    an external symbol is defined in two object files
  file      a file name occurs twice in daemon/ (main.c may)
  tag       a struct, union or enum tag is defined twice in daemon/, proto/ and client/
  length    a file has more than 400 lines, or a function more than 60
  column    a line of a page (*.md) has more than 118 characters; rows of tables and code blocks may

tests/lint/exceptions lists what is allowed all the same. An exception that is not needed any more fails, too.
"""
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXCEPTIONS = ROOT / "tests/lint/exceptions"
PRODUCT = ("daemon", "proto", "client")
FILE_LINES, FUNCTION_LINES, PAGE_COLUMNS = 400, 60, 118


def sources(pattern, tops=PRODUCT):
    return sorted(f.relative_to(ROOT) for top in tops for f in (ROOT / top).rglob(pattern))


def folder_of(path):
    """The folder within which circles are looked for: daemon/broker for daemon/broker/token/queue.c."""
    parts = path.parts
    if parts[0] == "daemon":
        return "/".join(parts[:2])
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def symbols(build):
    """{source: (symbols it defines, symbols it uses)}, of every source of the product that has an object."""
    objects = {build / "obj" / f.with_suffix(".o"): f for f in sources("*.c")}
    missing = [str(o) for o in objects if not o.exists()]
    if missing:
        sys.exit(f"structure: build first: {missing[0]} is missing")
    found = {f: (set(), set()) for f in objects.values()}
    out = subprocess.run(["nm", "-A", "-P", *map(str, objects)], check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        name, symbol, kind = line.split()[:3]
        source = objects[pathlib.Path(name.rstrip(":"))]
        if kind == "U":
            found[source][1].add(symbol)
        elif kind.isupper():
            found[source][0].add(symbol)
    return found


def circles(graph):
    """The strongly connected components of more than one node (Tarjan's algorithm)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            component = []
            while not component or component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def check_circle(build):
    folders = collections.defaultdict(dict)
    for source, both in symbols(build).items():
        folders[folder_of(source)][source] = both
    for folder, members in sorted(folders.items()):
        owner = {symbol: source for source, (defined, _) in members.items() for symbol in defined}
        calls = {source: {} for source in members}
        for source, (_, used) in members.items():
            for symbol in sorted(used & owner.keys()):
                calls[source].setdefault(owner[symbol], []).append(symbol)
        for component in circles(calls):
            yield folder, f"{len(component)} files call each other in a circle: {' '.join(f.name for f in component)}"
            for source in component:
                for other in sorted(set(calls[source]) & set(component) - {source}):
                    yield folder, f"  {source.name} -> {other.name}: {' '.join(calls[source][other])}"


def check_symbol(build):
    owners = collections.defaultdict(list)
    for source, (defined, _) in symbols(build).items():
        for symbol in defined - {"main"}:
            owners[symbol].append(str(source))
    for symbol, files in sorted(owners.items()):
        if len(files) > 1:
            yield symbol, f"{symbol} is defined in {', '.join(files)}"


def check_file(_):
    places = collections.defaultdict(list)
    for file in sources("*.[ch]", ("daemon",)):
        if file.name != "main.c":
            places[file.name].append(str(file))
    for name, files in sorted(places.items()):
        if len(files) > 1:
            yield name, f"{name} occurs as {', '.join(files)}"


def code_of(file):
    """The text of a source without its comments and string literals."""
    text = (ROOT / file).read_text()
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)


def check_tag(_):
    places = collections.defaultdict(list)
    for file in sources("*.[ch]"):
        for kind, tag in re.findall(r"\b(struct|union|enum)\s+(\w+)\s*\{", code_of(file)):
            places[tag].append(f"{file} ({kind})")
    for tag, files in sorted(places.items()):
        if len(files) > 1:
            yield tag, f"{tag} is defined in {', '.join(files)}"


def functions(lines):
    """(name, number of lines) of each function. clang-format puts the braces of a function, and of nothing else, into column 0."""
    for end, line in enumerate(lines):
        if line == "{":
            begin = end
            while begin and re.match(r"[\w*]|\s+\S", lines[begin - 1]) and not lines[begin - 1].endswith(("*/", ";", "}")):
                begin -= 1
            head = " ".join(lines[begin:end])
            name = re.findall(r"(\w+)\(", re.sub(r"__attribute__\(\(.*?\)\)|\b_\w+_\(\w*\)", "", head))
            yield (name or ["?"])[0], lines.index("}", end) - begin + 1


def check_length(_):
    for file in sources("*.[ch]"):
        lines = (ROOT / file).read_text().splitlines()
        if len(lines) > FILE_LINES:
            yield str(file), f"{file} has {len(lines)} lines"
        for name, n_lines in functions(lines):
            if n_lines > FUNCTION_LINES:
                yield f"{file}:{name}", f"{file}: {name}() has {n_lines} lines"


def check_column(_):
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for page in listed.split():
        fenced = False
        for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
            fenced ^= line.startswith("```")
            if len(line) > PAGE_COLUMNS and not fenced and not line.startswith(("|", "    ")):
                yield page, f"{page}:{number}: {len(line)} characters"


RULES = {name.removeprefix("check_"): rule for name, rule in sorted(globals().items()) if name.startswith("check_")}


def exceptions(rules):
    """{(rule, subject)} of the lines `RULE SUBJECT REASON` of the exceptions."""
    allowed = set()
    for number, line in enumerate(EXCEPTIONS.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        words = line.split(None, 2)
        if len(words) < 3 or words[0] not in RULES:
            sys.exit(f"{EXCEPTIONS.relative_to(ROOT)}:{number}: expected RULE SUBJECT REASON, the rule one of {' '.join(RULES)}")
        if words[0] in rules:
            allowed.add((words[0], words[1]))
    return allowed


def main(build, *names):
    names = names or tuple(RULES)
    allowed, needed, failed = exceptions(names), set(), False
    for name in names:
        for subject, message in RULES[name](pathlib.Path(build)):
            if (name, subject) in allowed:
                needed.add((name, subject))
            else:
                print(f"{name}: {message}")
                failed = True
    for name, subject in sorted(allowed - needed):
        print(f"tests/lint/exceptions: `{name} {subject}` is not needed any more: remove it")
        failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

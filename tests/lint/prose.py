# SPDX-License-Identifier: MPL-2.0
"""Fails on words that a reader has to decode: `prose.py`.

In string literals of the product, in interface files, man pages, the journal's catalog and pages (*.md) it finds forms that hide which rule was broken: say what
was expected and what was found. "%s is no option" is "unknown option %s"; "a message that cannot be" is "an invalid message".
It also fails where a page names a file of the tree, or a test, that does not exist, and where a line of a table in SECURITY.md names
no test.
"""
import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FORMS = re.compile(r"\b(?:is|are|was|were) none\b|(?<!\bthere )\b(?:is|are|was|were) no (?!longer\b|more than\b)|\bone that\b"
                   r"|\bcannot be\b(?! (?:\\f.)?\w)", re.I)
COMMENT = re.compile(r"/\*.*?\*/", re.S)
LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"')
# Paths as pages write them: in backquotes, with a folder of the tree before the slash.
NAMED = re.compile(r"`((?:proto|daemon|client|systemd|tests|docs|man|packaging)/[\w./*{},-]*)`")

# Tests as `make integration T=` and `make unit T=` take them.
TEST = re.compile(r"`(test_\w+)\.(\w+)\.(test_\w+)`|`(\w+)\.(test_\w+)`")


def strings(text):
    """(line, literal) of a C file; literals that follow each other on a line or over lines are taken one by one."""
    text = COMMENT.sub(lambda m: "\n" * m.group().count("\n"), text)
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("#include"):
            for literal in LITERAL.findall(line):
                yield number, literal


def lines():
    """Every piece of prose, as (file, line, text)."""
    for top in ("daemon", "proto", "client"):
        for file in sorted((ROOT / top).rglob("*.[ch]")):
            for number, literal in strings(file.read_text()):
                yield file, number, literal
    others = [*sorted((ROOT / "man").iterdir()), *sorted((ROOT / "proto").glob("*.varlink")), ROOT / "systemd/tokend.catalog"]
    for file in [*others, *pages()]:
        yield from ((file, number, text) for number, text in enumerate(file.read_text().splitlines(), 1))


def pages():
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "tests/model/README.md"]


def absent(path):
    """Whether a path of a page (it may have * and {a,b}) names nothing of the tree."""
    match = re.search(r"\{([^}]*)\}", path)
    if match:
        return any(absent(path[:match.start()] + each + path[match.end():]) for each in match.group(1).split(","))
    return not any(ROOT.glob(path.rstrip("/") or "."))


def methods(tree, name):
    """The tests of a class of this file, with those of the classes of the file that it is made from."""
    found = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}.get(name)
    if not found:
        return set()
    own = {node.name for node in found.body if isinstance(node, ast.FunctionDef)}
    return own.union(*(methods(tree, base.id) for base in found.bases if isinstance(base, ast.Name)))


def is_test(file, name, method, suite, function):
    """Whether there is that test: a method of a class, or a function of a suite of tests/unit."""
    if suite:
        source = ROOT / f"tests/unit/test_{suite}.c"
        return source.exists() and re.search(rf"[ ,]{function}\}}", source.read_text()) is not None
    sources = [p for folder in ("integration", "systemd") for p in (ROOT / "tests" / folder).glob(file + ".py")]
    return any(method in methods(ast.parse(p.read_text()), name) for p in sources)


def untested(file, text):
    """Whether this is a line of a table of SECURITY.md, below its head, which names no test."""
    return file.name == "SECURITY.md" and text.startswith("|") and not text.endswith("| shown by |") and \
        not set(text) <= set("|- ") and not TEST.search(text)


def main():
    faults = []
    for file, number, text in lines():
        place = f"{file.relative_to(ROOT)}:{number}"
        faults += [f"{place}: \"{match.group()}\": {text.strip()}" for match in FORMS.finditer(text)]
        if file.suffix == ".md":
            faults += [f"{place}: {path} does not exist" for path in NAMED.findall(text) if absent(path)]
            faults += [f"{place}: there is no test {m.group()}" for m in TEST.finditer(text) if not is_test(*m.groups())]
            faults += [f"{place}: name the test that shows it" for _ in range(untested(file, text))]
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

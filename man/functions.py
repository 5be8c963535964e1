# SPDX-License-Identifier: MPL-2.0
"""
Makes a page for each function of tokend.h: functions.py HEADER VERSION DIRECTORY. What the header says of a function is its page, with
the structures that it takes and gives. Functions that one comment describes share a page; those whose comment begins with "Likewise"
share that of the ones before. Fails on a function without a comment.
"""
import pathlib
import re
import sys
import textwrap

WIDTH = 76
COMMENT = re.compile(r"/\*(.*?)\*/", re.S)
# A comment, and what follows it without an empty line; or the same without a comment.
BLOCK = re.compile(r"(?P<comment>/\*(?:(?!\*/).)*\*/\n)?(?P<code>(?:(?:struct tokend_\w+|enum tokend_\w+) \{\n.*?^\};\n|[a-z][^\n]*?;\n|[a-z][^;{]*;\n)+)",
                   re.S | re.M)
FUNCTION = re.compile(r"^(?!typedef)[a-z][\w ]*?[ *](tokend_\w+)\(([^;]*)\);", re.M | re.S)
STRUCT = re.compile(r"^(struct|enum) (tokend_\w+) \{\n(.*?)^\};", re.M | re.S)


def text_of(comment):
    """Paragraphs, of which those that begin with spaces are examples."""
    inner = re.sub(r"^ ?\* ?", "", COMMENT.match(comment.strip())[1].strip("\n"), flags=re.M)
    return [part.rstrip() for part in re.split(r"\n\s*\n", inner.strip()) if part.strip()]


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def prose(text):
    text = escaped(" ".join(text.split()))
    text = re.sub(r"\b(tokend_\w+)\(\)", r"\\fB\1\\fR()", text)
    return re.sub(r"\b(TOKEND_[A-Z_]+)\b", r"\\fB\1\\fR", text)


def prototype(code):
    """In lines that fit."""
    code = " ".join(code.split())
    name, _, arguments = code.partition("(")
    lines, line = [], name + "("
    for argument in arguments.split(", "):
        if len(line) + len(argument) > WIDTH:
            lines.append(line.rstrip())
            line = " " * 8
        line += argument + ", "
    return lines + [line[:-2]]


def member(declaration, comment):
    declaration = "        " + " ".join(declaration.split()).replace("* ", "*")
    comment = re.sub(r" \*(?= )", "", " ".join(comment.split()))
    if not comment:
        return [declaration]
    line = f"{declaration} /* {comment} */"
    if len(line) <= WIDTH:
        return [line]
    return [*textwrap.wrap(f"/* {comment} */", WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 11, break_on_hyphens=False), declaration]


def structure(kind, name, body):
    lines = [f"{kind} {name} {{"]
    end = "," if kind == "enum" else ";"
    pattern = re.compile(rf"\s*((?:/\*.*?\*/\s*)?)([^/{end}]+(?:/\*.*?\*/[^/{end}]*)?{end})[ \t]*((?:/\*.*?\*/)?)", re.S)
    for before, declaration, after in pattern.findall(body):
        comment = " ".join(part[1] for part in COMMENT.finditer(before + after))
        inside = COMMENT.search(declaration)
        if inside:
            comment, declaration = comment + inside[1], COMMENT.sub("", declaration)
        lines += member(declaration, comment)
    return lines + ["};"]


def needed(text, structures, done):
    """The structures and enums that a text names, and those that these name."""
    for name in re.findall(r"(?:struct|enum) (tokend_\w+)", text):
        if name in structures and name not in done and name not in ("tokend_error", "tokend_failure"):
            done.append(name)
            needed(structures[name][1], structures, done)
    return done


class Page:
    def __init__(self, section):
        self.section, self.names, self.prototypes, self.text = section, [], [], []

    def add(self, comment, functions):
        self.text += text_of(comment)
        for match in functions:
            self.names.append(match[1])
            self.prototypes.append(match[0])

    def summary(self):
        first = re.split(r"(?<=[\w)])[.:;](?:\s|$)", " ".join(self.text[0].split()))[0]
        return first[0].lower() + first[1:]

    def render(self, structures, version):
        out = [".\\\" Made by man/functions.py from client/tokend.h.", f'.TH {self.names[0].upper()} 3 "" "tokend {version}" "Library Functions"',
               ".nh", ".ad l", ".SH NAME", f"{', '.join(self.names)} \\- {escaped(self.summary())}", ".SH SYNOPSIS", ".nf", ".B #include <tokend.h>", ".PP"]
        for one in self.prototypes:
            out += [escaped(line) for line in prototype(one)] + [".sp"]
        out += [".fi", ".SH DESCRIPTION"]
        handle = re.search(r"on a handle of (tokend_\w+)\(\)", self.section)
        paragraphs = self.text + ([f"The handle is one of {handle[1]}()."] if handle and "handle" in self.prototypes[0] else [])
        for paragraph in paragraphs:
            if paragraph.startswith("    "):
                out += [".PP", ".nf", *map(escaped, textwrap.dedent(paragraph).splitlines()), ".fi"]
            else:
                out += [".PP", prose(paragraph)]
        names = needed(" ".join(self.prototypes), structures, [])
        for name in names:
            kind, body = structures[name]
            out += ([".SH STRUCTURES", ".nf"] if name == names[0] else [".sp"]) + list(map(escaped, structure(kind, name, body)))
        out += [".fi"] * bool(names)
        if any("struct_size" in structures[name][1] for name in names):
            out += [".PP", prose("struct_size is the sizeof of the struct, and each field that is not used is 0: see libtokend(3).")]
        if any(one.startswith("enum tokend_error") for one in self.prototypes) and "failure" in self.prototypes[0]:
            out += [".SH RETURN VALUE", prose("TOKEND_OK (0); or the error, which *ret_failure describes unless it is NULL, and then no other output is "
                                              "set. On a handle of tokend_later(): TOKEND_STARTED."),
                    "The errors are in", ".BR libtokend (3)."]
        return "\n".join(out + [".SH SEE ALSO", ".BR libtokend (3),", ".BR tokend (8)"]) + "\n"


def pages(header):
    structures = {m[2]: (m[1], m[3]) for m in STRUCT.finditer(header)}
    found, page, section, at = [], None, "", 0
    header = header[header.index("struct tokend;"):]
    for match in BLOCK.finditer(header):
        for title in re.finditer(r"---- (.*?) ----", header[at:match.end()], re.S):
            section = title[1]
        at = match.end()
        functions = list(FUNCTION.finditer(match["code"]))
        if not functions:
            continue
        comment = match["comment"]
        if not comment:
            raise SystemExit(f"tokend.h says nothing of {functions[0][1]}()")
        if not page or not re.match(r"(Likewise|As above)", text_of(comment)[0]):
            page = Page(section)
            found.append(page)
        page.add(comment, functions)
    return structures, found


def main(header, version, directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    structures, found = pages(pathlib.Path(header).read_text())
    for page in found:
        (directory / f"{page.names[0]}.3").write_text(page.render(structures, version))
        for name in page.names[1:]:
            (directory / f"{name}.3").write_text(f".so man3/{page.names[0]}.3\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

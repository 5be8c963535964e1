# SPDX-License-Identifier: MPL-2.0
"""Reads an interface file and its annotations, which __main__.py explains. Everything that is wrong is a Fault."""
import re

BASIC = ("string", "int", "bool", "object")
# Each annotation: where it may stand, how many words may follow it, and how it is used.
ANNOTATIONS = {
    "socket": ("interface", 1, 1, "@socket keys|status|both"),
    "right": ("method", 1, 9, "@right WORD [WORD...]"),
    "may": ("method", 1, 9, "@may WORD [WORD...]"),
    "audit": ("method", 1, 1, "@audit KIND"),
    "secret": ("method", 0, 0, "@secret"),
    "parallel": ("method", 0, 0, "@parallel"),
    "anybody": ("method", 0, 0, "@anybody"),
    "once": ("method", 0, 0, "@once"),
    "needs": ("method type", 0, 99, "@needs [FIELD...]"),
    "base64": ("method type", 1, 99, "@base64 FIELD [FIELD...]"),
    "length": ("method type", 3, 3, "@length FIELD MIN MAX"),
    "range": ("method type", 3, 4, "@range FIELD MIN MAX [ABSENT]"),
}
OF_FIELDS = ("base64", "length", "range")
KEYWORDS = set("""auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false""".split())
NUMBER = re.compile(r"-?[0-9]+$|[A-Z][A-Z0-9_]*$")
TOKEN = re.compile(r"[ \t]+|(?P<newline>\n)|(?P<comment>#[^\n]*)|(?P<word>[A-Za-z][A-Za-z0-9_.]*)|(?P<mark>->|\[\]|[(),:?])")


class Fault(Exception):
    """FILE:LINE: what is wrong there."""


def snake(name):
    """timeoutMs: timeout_ms; notBeforeUSec: not_before_usec."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.replace("USec", "Usec")).lower()


class Field:
    """needed: it has to be there. length: [MIN, MAX] or None; range: [MIN, MAX] with ABSENT or without, or None."""

    def __init__(self, name, type_name, optional, array):
        self.name, self.type, self.optional, self.array = name, type_name, optional, array
        self.needed, self.base64, self.length, self.range = not optional, False, None, None


class Member:
    """kind: type, enum, method or error. fields: of a type or an error, and a method's parameters; reply: a method's."""

    def __init__(self, kind, name, line):
        self.kind, self.name, self.line = kind, name, line
        self.fields, self.reply, self.values = [], [], []
        self.right, self.may, self.audit = [], [], None
        self.anybody, self.parallel, self.once, self.secret = False, False, False, False


class Interface:
    """prefix: what its names begin with in C: `keys` of io.tokend.Keys."""

    def __init__(self, name):
        self.name, self.prefix, self.members = name, snake(name.rsplit(".", 1)[1]), []
        self.socket = None

    def of(self, kind):
        return [member for member in self.members if member.kind == kind]

    def parameter_types(self):
        """Its types that parameters have."""
        used = {field.type for method in self.of("method") for field in method.fields}
        return [member for member in self.of("type") if member.name in used]

    def types_in_order(self):
        """Its types, each behind those that it holds."""
        types = {member.name: member for member in self.of("type")}
        ordered = []

        def visit(member):
            if member not in ordered:
                for field in member.fields:
                    if field.type in types and not field.array:
                        visit(types[field.type])
                ordered.append(member)

        for member in types.values():
            visit(member)
        return ordered


class Parser:
    """One file: Parser(path).parse()."""

    def __init__(self, path):
        self.path, self.tokens, self.at = path, [], 0
        self.annotated = []  # (member, its annotations)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        at, line = 0, 1
        while at < len(text):
            match = TOKEN.match(text, at)
            if not match:
                self.fault(line, f"unexpected {text[at]!r}")
            if match.lastgroup not in (None, "newline"):
                self.tokens.append((match.lastgroup, match.group(), line))
            line += match.lastgroup == "newline"
            at = match.end()
        self.tokens.append(("end", "the end of the file", line))

    def fault(self, line, what):
        raise Fault(f"{self.path}:{line}: {what}")

    # ---- the syntax of varlink ----

    def comments(self):
        """Skips comments; returns the last block of them without a gap, as [(line, text)]."""
        block = []
        while self.tokens[self.at][0] == "comment":
            _, text, line = self.tokens[self.at]
            if block and block[-1][0] != line - 1:
                block = []
            block.append((line, text.lstrip("#").strip()))
            self.at += 1
        return block

    def peek(self):
        self.comments()
        return self.tokens[self.at][1]

    def take(self, *wanted):
        """The next token's text: one of wanted, or any name where nothing is wanted."""
        self.comments()
        kind, text, line = self.tokens[self.at]
        if (text not in wanted) if wanted else (kind != "word"):
            self.fault(line, f"expected {' or '.join(wanted) or 'a name'}, found {text}")
        self.at += 1
        return text

    def struct(self):
        """(name: type, ...) as Fields, or the values of an enum as strings."""
        items = []
        self.take("(")
        while self.peek() != ")":
            name = self.take()
            if self.peek() == ":":
                self.take(":")
                optional = self.peek() == "?" and bool(self.take("?"))
                array = self.peek() == "[]" and bool(self.take("[]"))
                items.append(Field(name, self.take(), optional, array))
            else:
                items.append(name)
            if self.peek() != ")":
                self.take(",")
        self.take(")")
        return items

    def parse(self):
        block = self.comments()
        line = self.tokens[self.at][2]
        self.take("interface")
        interface = Interface(self.take())
        notes = self.notes("interface", block, line)
        interface.socket = notes["socket"][0][1][0] if "socket" in notes else None
        if interface.socket not in ("keys", "status", "both"):
            self.fault(line, "the interface needs @socket keys, status or both")
        while True:
            block = self.comments()
            kind, _, line = self.tokens[self.at]
            if kind == "end":
                break
            self.member(interface, block, line)
        for member, notes in self.annotated:
            self.resolve(interface, member, notes)
        return interface

    def member(self, interface, block, line):
        member = Member(self.take("type", "method", "error"), self.take(), line)
        if any(other.name == member.name and (other.kind == "error") == (member.kind == "error") for other in interface.members):
            self.fault(line, f"there is a {member.name} already")
        member.fields = self.struct()
        if member.kind == "type" and member.fields and all(isinstance(item, str) for item in member.fields):
            member.kind, member.values, member.fields = "enum", member.fields, []
        if member.kind == "method":
            self.take("->")
            member.reply = self.struct()
        for field in member.fields + member.reply:
            if isinstance(field, str):
                self.fault(line, f"{member.name}: {field} has no type")
            if snake(field.name) in KEYWORDS:
                self.fault(line, f"{member.name}: {field.name} is a word of C")
        interface.members.append(member)
        self.annotated.append((member, self.notes(member.kind, block, line)))

    # ---- annotations ----

    def notes(self, kind, block, line):
        """{annotation: [(line, words)]} of the comment that ends right before that line."""
        notes = {}
        for at, text in block if block and block[-1][0] == line - 1 else []:
            for note in re.split(r"\s+(?=@)", text) if text.startswith("@") else []:
                word, *words = note[1:].split() or [""]
                places, least, most, usage = ANNOTATIONS.get(word, ("", 0, 0, ""))
                if kind not in places.split():
                    self.fault(at, f"@{word} cannot annotate {'an' if kind[0] in 'aei' else 'a'} {kind}")
                if not least <= len(words) <= most:
                    self.fault(at, f"expected {usage}, found {note}")
                if word in notes and word not in OF_FIELDS:
                    self.fault(at, f"@{word} stands here twice")
                notes.setdefault(word, []).append((at, words))
        return notes

    def field(self, member, line, name, wanted):
        """wanted: says whether the field may be annotated so."""
        for field in member.fields + member.reply:
            if field.name == name:
                if not wanted(field):
                    self.fault(line, f"{member.name}: {name} is of another type than this annotation is for")
                return field
        return self.fault(line, f"{member.name} has no field {name}")

    def resolve(self, interface, member, notes):
        types = BASIC + tuple(other.name for other in interface.of("type") + interface.of("enum"))
        for field in member.fields + member.reply:
            if field.type not in types:
                self.fault(member.line, f"{member.name}: {field.name} is of the type {field.type}, which is not in this interface")
        for line, names in notes.get("base64", []):
            for name in names:
                self.field(member, line, name, lambda field: field.type == "string" and not field.array).base64 = True
        for word, wanted in (("length", lambda field: field.type == "string" or field.array),
                             ("range", lambda field: field.type == "int" and not field.array)):
            for line, (name, *numbers) in notes.get(word, []):
                for number in numbers:
                    if not NUMBER.match(number):
                        self.fault(line, f"{number} is neither a number nor the name of a limit")
                setattr(self.field(member, line, name, wanted), word, numbers)
        for line, names in notes.get("needs", []):
            for field in member.reply or member.fields:
                field.needed = False
            for name in names:
                self.field(member, line, name, lambda field: field not in member.fields or member.kind == "type").needed = True
        if member.kind != "method":
            return
        member.right = notes["right"][0][1] if "right" in notes else []
        member.may = notes["may"][0][1] if "may" in notes else []
        member.audit = notes["audit"][0][1][0] if "audit" in notes else None
        member.anybody = "anybody" in notes
        member.parallel, member.once, member.secret = "parallel" in notes, "once" in notes, "secret" in notes
        types = [other.name for other in interface.of("type")]
        for field in member.fields:
            if field.type == "object" or (field.array and field.type in types + ["int", "bool"]):
                self.fault(member.line, f"{member.name}: {field.name} is of a type that no parameter can have so far")
            if field.type in types and field.optional:
                self.fault(member.line, f"{member.name}: {field.name} is of a type whose parameters cannot be left out so far")
            if field.type == "int" and not field.range:
                self.fault(member.line, f"{member.name}: {field.name} needs a @range")
        if interface.socket == "keys" and bool(member.right) == member.anybody:
            self.fault(member.line, f"{member.name} needs either a @right or @anybody")

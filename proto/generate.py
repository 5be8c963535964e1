#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Writes C from the interface files: `generate.py WHAT proto/*.varlink` prints one file, WHAT being a key of FILES below.

The interface file of a method is the one description of it. What varlink cannot say stands in the comment right before the
method, the type or the interface, on lines that begin with `@`; one line may have several. What they are about is named by
the field: a parameter, or where the method has no parameter of that name, a field of its reply. A number is written as such
or by its name in proto/limits.h.

    @socket keys|status|both    interface: the sockets that serve it
    @right WORD [WORD...]       method: the words of Allow= that it needs; the first is the one that errors name
    @audit KIND                 method: it is recorded, as this kind of record
    @parallel                   method: it runs beside others of its connection that were sent ahead
    @base64 FIELD [FIELD...]    these strings are bytes
    @length FIELD MIN MAX       a string or bytes: how many bytes; an array: how many elements. MAX 0: no bound
    @range FIELD MIN MAX [ABSENT]   an int: its range, and what the program sees where it was left out (0 by default)

A parameter that is an int needs a @range. A string parameter without a @length has at most LIMIT_WORD bytes.
"""
import re
import sys

# ---- what an interface file says ----


class Fault(Exception):
    """An interface file is wrong: FILE:LINE: what."""


class Field:
    def __init__(self, name, type_name, optional, array):
        self.name, self.type, self.optional, self.array = name, type_name, optional, array
        self.base64, self.length, self.range = False, None, None


class Member:
    """A method, a type, an enum or an error. fields: of a type, and the parameters of a method; values: of an enum."""

    def __init__(self, kind, name, where):
        self.kind, self.name, self.where = kind, name, where
        self.fields, self.reply, self.values, self.notes = [], [], None, {}


class Interface:
    def __init__(self, name):
        self.name, self.members, self.notes = name, [], {}
        self.prefix = snake(name.rsplit(".", 1)[1])

    def of(self, kind):
        return [member for member in self.members if member.kind == kind]


def snake(name):
    """timeoutMs: timeout_ms; notBeforeUSec: not_before_usec."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.replace("USec", "Usec")).lower()


TOKEN = re.compile(r"[ \t]+|(?P<comment>#[^\n]*)|(?P<newline>\n)|(?P<word>[A-Za-z][A-Za-z0-9_.]*)|(?P<mark>->|\[\]|[(),:?])")
ANNOTATIONS = {"interface": {"socket"}, "type": {"base64", "length", "range"}, "error": set(),
               "method": {"right", "audit", "parallel", "base64", "length", "range"}}


class Parser:
    def __init__(self, path):
        self.path, self.tokens, self.at = path, [], 0
        text, at, line = open(path, encoding="utf-8").read(), 0, 1
        while at < len(text):
            match = TOKEN.match(text, at)
            if not match:
                self.fault(line, f"unexpected {text[at]!r}")
            if match.lastgroup in ("word", "mark", "comment"):
                self.tokens.append((match.lastgroup, match.group(), line))
            line += match.lastgroup == "newline"
            at = match.end()
        self.tokens.append(("end", "the end of the file", line))

    def fault(self, line, what):
        raise Fault(f"{self.path}:{line}: {what}")

    def comments(self):
        """Skips comments. Returns the lines of the last unbroken block of them, as (line, text)."""
        block = []
        while self.tokens[self.at][0] == "comment":
            _, text, line = self.tokens[self.at]
            if block and block[-1][0] != line - 1:
                block = []
            block.append((line, text.lstrip("#").strip()))
            self.at += 1
        return block

    def take(self, *wanted):
        """The next token's text; of these marks, or any word where none is wanted. Comments before it are skipped."""
        self.comments()
        kind, text, line = self.tokens[self.at]
        if (text not in wanted) if wanted else (kind != "word"):
            self.fault(line, f"{text!r} where {' or '.join(map(repr, wanted)) or 'a name'} should be")
        self.at += 1
        return text

    def peek(self):
        self.comments()
        return self.tokens[self.at][1]

    def line(self):
        return self.tokens[self.at][2]

    def struct(self):
        """(name: type, ...), or the values of an enum as strings."""
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

    def notes(self, kind, block, ends):
        """The annotations of a comment block that ends right before the line."""
        notes = {}
        for line, text in block if block and block[-1][0] == ends - 1 else []:
            if not text.startswith("@"):
                continue
            for note in re.split(r"\s+(?=@)", text):
                word, *values = note[1:].split()
                if word not in ANNOTATIONS[kind]:
                    self.fault(line, f"@{word} is not an annotation of {'an' if kind[0] in 'aei' else 'a'} {kind}")
                if word in notes and word not in ("base64", "length", "range"):
                    self.fault(line, f"@{word} stands here twice")
                notes.setdefault(word, []).append((line, values))
        return notes

    def parse(self):
        block = self.comments()
        notes = self.notes("interface", block, self.line())
        self.take("interface")
        interface = Interface(self.take())
        interface.notes = notes
        for line, values in notes.get("socket", [(1, [])]):
            if len(values) != 1 or values[0] not in ("keys", "status", "both"):
                self.fault(line, "@socket wants keys, status or both")
            interface.socket = values[0]
        while True:
            block = self.comments()
            if self.tokens[self.at][0] == "end":
                break
            line = self.line()
            kind = self.take("type", "method", "error")
            member = Member(kind, self.take(), f"{self.path}:{line}")
            member.notes = self.notes(kind, block, line)
            member.fields = self.struct()
            if kind == "type" and any(isinstance(field, str) for field in member.fields):
                member.kind, member.values, member.fields = "enum", member.fields, []
            if kind == "method":
                self.take("->")
                member.reply = self.struct()
            interface.members.append(member)
        for member in interface.members:
            self.resolve(interface, member)
        return interface

    # ---- what the annotations mean ----

    def resolve(self, interface, member):
        types = {m.name: m for m in interface.members if m.kind in ("type", "enum")}
        for field in member.fields + member.reply:
            if field.type not in ("string", "int", "bool", "object") and field.type not in types:
                raise Fault(f"{member.where}: {member.name}: {field.name} is of the type {field.type}, which the interface does not have")
        for line, names in member.notes.get("base64", []):
            for name in names:
                field = self.field(member, line, name, "string")
                field.base64 = True
        for line, values in member.notes.get("length", []):
            self.counted(line, values, "@length FIELD MIN MAX", 3, 3)
            field = self.field(member, line, values[0], None)
            if not field.array and field.type != "string":
                self.fault(line, f"@length is for strings and arrays, and {field.name} is {field.type}")
            field.length = values[1:]
        for line, values in member.notes.get("range", []):
            self.counted(line, values, "@range FIELD MIN MAX [ABSENT]", 3, 4)
            self.field(member, line, values[0], "int").range = values[1:]
        for word in ("audit", "right", "parallel"):
            for line, values in member.notes.get(word, []):
                least, most = {"audit": (1, 1), "right": (1, 9), "parallel": (0, 0)}[word]
                self.counted(line, values, f"@{word}{' WORD' * least}", least, most)
        for field in member.fields if member.kind == "method" else []:
            if field.type == "int" and not field.array and not field.range:
                raise Fault(f"{member.where}: {member.name}: the parameter {field.name} is an int and has no @range")
        if member.kind == "method" and interface.socket == "keys" and "right" not in member.notes:
            raise Fault(f"{member.where}: {member.name} is served on the socket for keys and has no @right")

    def counted(self, line, values, usage, least, most):
        if not least <= len(values) <= most:
            self.fault(line, f"{usage}: not {len(values)} words")

    def field(self, member, line, name, type_name):
        for field in member.fields + member.reply:
            if field.name == name:
                if type_name and (field.type != type_name or field.array):
                    self.fault(line, f"{name} is not of the type {type_name}")
                return field
        return self.fault(line, f"{member.name} has no field {name}")


# ---- C ----


def begin(*includes, header=False):
    return "\n".join(["/* Made by proto/generate.py from the interface files in proto/. */", "#pragma once" if header else "",
                      *(f'#include "{include}"' for include in includes), ""])


def methods(interfaces):
    return [(interface, method) for interface in interfaces for method in interface.of("method")]


def symbol(interface, member):
    """keys_sign: what the names in C begin with."""
    return f"{interface.prefix}_{snake(member.name)}"


def table_kind(interface, field):
    if field.array:
        return "FIELD_STRINGS" if field.type == "string" else "FIELD_ARRAY"
    if field.base64:
        return "FIELD_BYTES"
    enums = [enum.name for enum in interface.of("enum")]
    return {"int": "FIELD_INT", "bool": "FIELD_BOOL"}.get(
        field.type, "FIELD_STRING" if field.type in ["string"] + enums else "FIELD_OBJECT")


MEMBER = {"FIELD_STRING": "const char *", "FIELD_BYTES": "struct field_bytes ", "FIELD_INT": "int64_t ", "FIELD_BOOL": "bool "}


def table_struct(interface, name, fields):
    """The struct that proto/fields.c fills."""
    lines = [f"        {MEMBER.get(table_kind(interface, field), 'struct json_object *')}{snake(field.name)};" for field in fields]
    return "\n".join([f"struct {name} {{", *lines, "};", ""])


def table_row(interface, struct, field, longest):
    kind = table_kind(interface, field)
    row = [f".offset = offsetof(struct {struct}, {snake(field.name)})"]
    if field.range:
        row += [f"{key} = {value}" for key, value in zip((".min", ".max", ".otherwise"), field.range)]
    elif field.length:
        row += [f"{key} = {value}" for key, value in zip((".min", ".max"), field.length)]
    elif kind == "FIELD_STRING" and longest:
        row.append(f".max = {longest}")
    required = "" if field.optional else " .required = true,"
    return f'''        {{.name = "{field.name}", .kind = {kind},{required}
                {', '.join(row)}}},'''


def parameters_h(interfaces):
    out = [begin("proto/fields.h", header=True)]
    for interface, method in methods(interfaces):
        if method.fields:
            name = symbol(interface, method)
            out.append(f"/* {interface.name}.{method.name} */")
            out.append(table_struct(interface, f"{name}_parameters", method.fields))
            out.append(f"extern const struct field {name}_fields[{len(method.fields)}];\n")
    return out


def parameters_c(interfaces):
    out = [begin("gen/broker/parameters.h", "proto/limits.h")]
    for interface, method in methods(interfaces):
        if method.fields:
            name = symbol(interface, method)
            out.append(f"const struct field {name}_fields[{len(method.fields)}] = {{")
            out += [table_row(interface, f"{name}_parameters", field, "LIMIT_WORD") for field in method.fields]
            out.append("};\n")
    return out


def methods_h(interfaces):
    out = [begin("daemon/broker/request.h", "gen/broker/parameters.h", header=True)]
    for interface, method in methods(interfaces):
        name = symbol(interface, method)
        out.append(f"/* {interface.name}.{method.name} */")
        out.append(f"void {name}(struct request *request);")
        if method.reply:
            out.append(f"enum render {name}_render(struct request *request, struct output *output);")
        out.append("")
    out += ["/* A row for each. */", f"#define N_METHODS {len(methods(interfaces))}", "extern const struct method method_table[N_METHODS];"]
    return out


def methods_c(interfaces):
    out = [begin("gen/broker/methods.h"), "const struct method method_table[N_METHODS] = {"]
    for interface, method in methods(interfaces):
        name = symbol(interface, method)
        row = [f'.interface = "{interface.name}"', f'.name = "{method.name}"', f".socket = ON_{interface.socket.upper()}"]
        row += [f".right = RIGHT_{constant(values[0])}" for _, values in method.notes.get("right", [])]
        row += [f".audit = AUDIT_{constant(values[0])}" for _, values in method.notes.get("audit", [])]
        row += [".parallel = true"] if "parallel" in method.notes else []
        if method.fields:
            row += [f".fields = {name}_fields", f".n_fields = {len(method.fields)}", f".parameters_size = sizeof(struct {name}_parameters)"]
        row += [f".begin = {name}"] + ([f".render = {name}_render"] if method.reply else [])
        out.append("        {\n" + "".join(f"                {item},\n" for item in row) + "        },")
    out.append("};")
    return out


def constant(word):
    return word.upper().replace("-", "_")


FILES = {
    "broker/parameters.h": parameters_h,
    "broker/parameters.c": parameters_c,
    "broker/methods.h": methods_h,
    "broker/methods.c": methods_c,
}


def main(what, *paths):
    try:
        print("\n".join(FILES[what]([Parser(path).parse() for path in paths])))
    except Fault as fault:
        sys.exit(str(fault))


if __name__ == "__main__":
    main(*sys.argv[1:])

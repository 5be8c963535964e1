# SPDX-License-Identifier: MPL-2.0
"""What all emitters share: how an interface's names and types are written in C, and the tables of proto/fields.h."""
from idl import snake

TABLE_MEMBER = {"FIELD_STRING": "const char *", "FIELD_BYTES": "struct field_bytes ", "FIELD_INT": "int64_t ", "FIELD_BOOL": "bool "}


def begin(*includes, header=False):
    guard = ["#pragma once"] if header else []
    lines = [f'#include "{include}"' for include in includes]
    return "\n".join(["/* Made by proto/generate from the interface files in proto/. */", *guard, *([""] if lines else []), *lines, ""])


def symbol(interface, member):
    """keys_sign: what the names in C begin with."""
    return f"{interface.prefix}_{snake(member.name)}"


def constant(word):
    return word.upper().replace("-", "_")


def methods(interfaces):
    return [(interface, method) for interface in interfaces for method in interface.of("method")]


def kind(interface, field):
    """The enum field_kind of proto/fields.h."""
    strings = ["string"] + [enum.name for enum in interface.of("enum")]
    if field.array:
        return "FIELD_STRINGS" if field.type in strings else "FIELD_ARRAY"
    if field.base64:
        return "FIELD_BYTES"
    return {"int": "FIELD_INT", "bool": "FIELD_BOOL"}.get(field.type, "FIELD_STRING" if field.type in strings else "FIELD_OBJECT")


def struct(name, comment, members):
    return "\n".join([f"/* {comment} */", f"struct {name} {{", *(f"        {member};" for member in members), "};", ""])


def table_struct(interface, name, comment, fields, of=None):
    """The struct that fields_parse() fills. of: the end of the names of the structs that are in it, of the types of its fields; None:
    these are left as they are."""
    def member(field):
        what = kind(interface, field)
        if what == "FIELD_OBJECT" and of:
            return f"struct {interface.prefix}_{snake(field.type)}{of} "
        return TABLE_MEMBER.get(what, "struct json_object *")
    return struct(name, comment, [member(field) + snake(field.name) for field in fields])


def table(interface, name, struct_name, fields, longest, of=None):
    """The table for that struct. longest: of a string that has no @length; None: no bound. of: the end of the names of the tables for
    the structs that are in it."""
    out = [f"const struct field {name}[{len(fields)}] = {{"]
    for field in fields:
        row = [f".offset = offsetof(struct {struct_name}, {snake(field.name)})"]
        if field.range:
            row += [f"{key} = {value}" for key, value in zip((".min", ".max", ".otherwise"), field.range)]
        elif field.length:
            row += [f"{key} = {value}" for key, value in zip((".min", ".max"), field.length)]
        elif kind(interface, field) == "FIELD_INT":
            row.append(".max = INT64_MAX")
        elif kind(interface, field) == "FIELD_STRING" and longest:
            row.append(f".max = {longest}")
        what = kind(interface, field)
        if what == "FIELD_OBJECT" and of:
            what, inner = "FIELD_STRUCT", f"{interface.prefix}_{snake(field.type)}{of}"
            row += [f".of = {inner}", f".n_of = sizeof({inner}) / sizeof({inner}[0])"]
        required = " .required = true," if field.needed else ""
        out.append(f'        {{.name = "{field.name}", .kind = {what},{required}')
        out.append(f"                {', '.join(row)}}},")
    return "\n".join(out + ["};", ""])

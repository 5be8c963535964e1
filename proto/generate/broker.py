# SPDX-License-Identifier: MPL-2.0
"""What the broker has of the interfaces: its methods' parameters, its table of methods, and the writing of replies."""
from c import begin, constant, kind, methods, struct, symbol, table, table_struct
from idl import snake

# ---- parameters ----


def parameters(interfaces):
    """What is read by a table: the types that parameters have, and all methods' parameters."""
    for interface in interfaces:
        for member in interface.parameter_types() + interface.of("method"):
            if member.fields:
                yield interface, member


def parameters_h(interfaces):
    out = [begin("proto/fields.h", header=True)]
    for interface, member in parameters(interfaces):
        name = symbol(interface, member)
        out.append(table_struct(interface, f"{name}_parameters", f"{interface.name}.{member.name}", member.fields, "_parameters"))
        out.append(f"extern const struct field {name}_fields[{len(member.fields)}];\n")
    return out


def parameters_c(interfaces):
    out = [begin("parameters.h", "proto/limits.h")]
    for interface, member in parameters(interfaces):
        name = symbol(interface, member)
        out.append(table(interface, f"{name}_fields", f"{name}_parameters", member.fields, "LIMIT_WORD", "_fields"))
    return out


# ---- the table of methods ----


def methods_h(interfaces):
    out = [begin("daemon/broker/op/op.h", "gen/broker/base/replies.h", "gen/broker/methods/parameters.h", header=True)]
    for interface, method in methods(interfaces):
        name = symbol(interface, method)
        out.append(f"/* {interface.name}.{method.name} */")
        out.append(f"void {name}(struct op *op);")
        if method.reply:
            out.append(f"enum render {name}_render(struct op *op, struct output *output);")
        out.append("")
    out += ["/* A row for each. */", f"#define N_METHODS {len(methods(interfaces))}",
            "extern const struct method method_table[N_METHODS];"]
    return out


def methods_c(interfaces):
    out = [begin("methods.h"), "const struct method method_table[N_METHODS] = {"]
    for interface, method in methods(interfaces):
        name = symbol(interface, method)
        row = [f'.interface = "{interface.name}"', f'.name = "{method.name}"', f".socket = ON_{constant(interface.socket)}"]
        row += [f".right = RIGHT_{constant(method.right[0])}"] if method.right else []
        row += [f".audit = AUDIT_{constant(method.audit)}"] if method.audit else []
        row += [".secret = true"] if method.secret else []
        row += [".parallel = true"] if method.parallel else []
        if method.fields:
            row += [f".fields = {name}_fields", f".n_fields = {len(method.fields)}",
                    f".parameters_size = sizeof(struct {name}_parameters)"]
        row += [f".begin = {name}"] + ([f".render = {name}_render"] if method.reply else [])
        out.append("        {\n" + "".join(f"                {item},\n" for item in row) + "        },")
    return out + ["};"]


# ---- the writing of replies ----

# Values that need no pointer to be passed on: how they are held, and how they are written.
HELD = {"FIELD_BYTES": "struct wire_bytes", "FIELD_INT": "int64_t", "FIELD_BOOL": "bool"}
PUT = {"FIELD_STRING": "output_string(output, {});", "FIELD_BYTES": "output_base64(output, {0}.data, {0}.length);",
       "FIELD_INT": "output_int(output, {});", "FIELD_BOOL": "output_bool(output, {});"}


class Value:
    """A field of a type or of a reply: its member in the struct, and the statements that write it."""

    def __init__(self, interface, field, in_type):
        name, what = snake(field.name), kind(interface, field)
        place, given = f"value->{name}", f"value->{name}"
        if what == "FIELD_STRING":
            self.member, put = f"const char *{name}", PUT[what].format(place)
        elif what in HELD:
            self.member = f"const {HELD[what]} *{name}" if field.optional else f"{HELD[what]} {name}"
            put = PUT[what].format(f"(*{place})" if field.optional else place)
        elif what == "FIELD_OBJECT" and in_type:
            type_name = f"{interface.prefix}_{snake(field.type)}"
            self.member = f"const struct {type_name} *{name}" if field.optional else f"struct {type_name} {name}"
            put = f"{type_name}_put(output, {'' if field.optional else '&'}{place});"
        else:
            self.member, put, given = f"struct output_part {name}", f"output_part_put(output, &{place});", f"value->{name}.put"
        self.lines = [f'output_member(output, "{field.name}");', put]
        if field.array:
            self.lines[1:] = ['output_text(output, "[");', put, 'output_text(output, "]");']
        if field.optional:
            self.lines = [f"if ({given}) {{", *("        " + line for line in self.lines), "}"]


def structs(interfaces):
    """(name in C, comment, its Values) of all types, each behind those that it holds, and of all replies."""
    for interface in interfaces:
        for member in interface.types_in_order():
            yield symbol(interface, member), f"{interface.name}.{member.name}", [Value(interface, f, True) for f in member.fields]
        for method in interface.of("method"):
            if method.reply:
                yield (f"{symbol(interface, method)}_reply", f"of {interface.name}.{method.name}",
                       [Value(interface, f, False) for f in method.reply])


def replies_h(interfaces):
    out = [begin("daemon/broker/base/output.h", "daemon/channel/wire.h", header=True),
           "/* Types and replies of the interfaces, and how they are written as JSON objects. What is nullable is a pointer here, and",
           " * left out where it is NULL. Arrays, and what is of a type in a reply, are written by a function of the caller's. */\n"]
    for name, comment, values in structs(interfaces):
        out.append(struct(name, comment, [value.member for value in values]))
        out.append(f"void {name}_put(struct output *output, const struct {name} *value);\n")
    return out


def replies_c(interfaces):
    out = [begin("replies.h")]
    for name, _, values in structs(interfaces):
        out += [f"void {name}_put(struct output *output, const struct {name} *value)", "{", '        output_text(output, "{");']
        out += ["        " + line for value in values for line in value.lines]
        out += ['        output_text(output, "}");', "}", ""]
    return out

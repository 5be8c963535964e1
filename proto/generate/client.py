# SPDX-License-Identifier: MPL-2.0
"""What clients have of the interfaces: for each method the building of its call from a struct, and the reading of its replies;
and the values of enums."""
from c import begin, constant, kind, methods, struct, symbol, table, table_struct
from idl import snake
from rights import rights

# How an argument is held, and how it is added to the call.
HELD = {"FIELD_STRING": "const char *{}", "FIELD_BYTES": "struct call_bytes {}", "FIELD_INT": "int64_t {}",
        "FIELD_BOOL": "bool {}", "FIELD_STRINGS": "struct call_strings {}", "FIELD_OBJECT": "struct json_object *{}"}
ADD = {"FIELD_STRING": "string", "FIELD_BYTES": "bytes", "FIELD_INT": "int", "FIELD_BOOL": "bool", "FIELD_STRINGS": "strings",
       "FIELD_OBJECT": "object"}
# Whether one that may be left out is given. A string that is NULL is left out in any case, and an int that is what its @range has for
# where it is left out.
GIVEN = {"FIELD_BYTES": "{}.data", "FIELD_INT": "{} != 0", "FIELD_BOOL": "{}", "FIELD_STRINGS": "{}.n > 0"}


def arguments(method):
    """Its parameters but for timeoutMs, which the library adds itself."""
    return [field for field in method.fields if field.name != "timeoutMs"]


def results(interface):
    """(name in C, name, fields) of what is read: types and replies."""
    for member in interface.of("type"):
        yield symbol(interface, member), f"{interface.name}.{member.name}", member.fields
    for method in interface.of("method"):
        if method.reply:
            yield symbol(interface, method), f"{interface.name}.{method.name}", method.reply


def begin_function(interface, method):
    name = symbol(interface, method)
    argument = f"const struct {name}_arguments *arguments, " if arguments(method) else ""
    return f"enum tokend_error {name}_begin(struct call *call, {argument}int timeout_ms, struct tokend_failure *ret_failure)"


def parse_function(name):
    return f"enum tokend_error {name}_parse(struct json_object *object, struct {name}_result *ret, struct tokend_failure *ret_failure)"


def stubs_h(interfaces):
    out = [begin("client/internal.h", header=True),
           "/* METHOD_begin() begins a call, as call_init() does. METHOD_parse() reads one reply's parameters, and TYPE_parse() a type:",
           " * TOKEND_PROTOCOL_VIOLATION, TOKEND_NO_MEMORY. Strings and objects are those of the JSON object; bytes are the caller's",
           " * to free. */\n"]
    for interface in interfaces:
        for name, comment, fields in results(interface):
            out.append(table_struct(interface, f"{name}_result", comment, fields))
            out.append(f"{parse_function(name)};\n")
        for _, method in methods([interface]):
            name = symbol(interface, method)
            if arguments(method):
                out.append(struct(f"{name}_arguments", f"{interface.name}.{method.name}",
                                  [HELD[kind(interface, field)].format(snake(field.name)) for field in arguments(method)]))
            out.append(f"{begin_function(interface, method)};\n")
    return out


def stubs_c(interfaces):
    out = [begin("stubs.h", "proto/limits.h")]
    for interface in interfaces:
        for name, full, fields in results(interface):
            out.append("static " + table(interface, f"{name}_result_fields", f"{name}_result", fields, None))
            out.append(f"{parse_function(name)}\n{{")
            out.append(f'        return call_parse("{full}", {name}_result_fields, {len(fields)}, object, ret, ret_failure);\n}}\n')
        for _, method in methods([interface]):
            out += [begin_function(interface, method), "{", *begin_body(interface, method), "}", ""]
    return out


def begin_body(interface, method):
    timeout = next((field.range for field in method.fields if field.name == "timeoutMs"), None)
    # What 0 stands for: what the daemon takes where timeoutMs is left out, or where that is not known here, the most there is.
    otherwise = "DEFAULT_TIMEOUT_MS" if not timeout else timeout[2] if len(timeout) > 2 else "LIMIT_TIMEOUT_MS"
    yield f'        enum tokend_error error = call_init(call, "{interface.name}.{method.name}",'
    yield f"                {'CALL_ONCE' if method.once else 'CALL_REPEATABLE'}, timeout_ms, {otherwise}, ret_failure);"
    yield ""
    yield "        if (error != TOKEND_OK)"
    yield "                return error;"
    for field in arguments(method):
        what, place = kind(interface, field), f"arguments->{snake(field.name)}"
        if field.optional and what in GIVEN:
            given = GIVEN[what].format(place)
            if what == "FIELD_INT" and len(field.range) > 2:
                given = f"{place} != {field.range[2]}"
            yield f"        if ({given})"
            yield f'                call_add_{ADD[what]}(call, "{field.name}", {place});'
        else:
            yield f'        call_add_{ADD[what]}(call, "{field.name}", {place});'
    if method.secret:
        yield "        call->secret = true;"
    if timeout:
        yield "        call->with_timeout = true;"
    yield "        return TOKEND_OK;"


def enums_h(interfaces):
    out = [begin(header=True), "/* The values of each enum, for what reads a word and for what says which there are. */"]
    for interface in interfaces:
        for enum in interface.of("enum"):
            out.append(f'#define {constant(symbol(interface, enum))}_WORDS "{", ".join(enum.values)}"')
    return out + ["/* The words of Allow=. */", f'#define ALLOW_WORDS "{", ".join(rights(interfaces))}"']

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reads JSON, exactly as RFC 8259 defines it, into a tree of json-c. It also refuses an object that has a key twice, and a key
 * with U+0000 in it, where a C string would end. A string value may have U+0000: fields.c refuses it, by the name of the field.
 * Writes such a tree as JSON. Thread-safe.
 */
#pragma once

#include <json-c/json.h>
#include <stddef.h>

/* Values that a message may have for each object or array that it may have. */
#define JSON_VALUES_A_CONTAINER 8U

/* Reads one object of length bytes with at most max_containers objects and arrays, and JSON_VALUES_A_CONTAINER times as many values. The
 * caller releases *ret by json_object_put(). -E2BIG: it has more of them; -EBADMSG: the text is not JSON, not UTF-8, or not an object;
 * -ELOOP: it is deeper than LIMIT_JSON_DEPTH; -EINVAL: an object has a key twice, or a key has U+0000; -ENOMEM. */
int json_parse_bounded(const char *text, size_t length, size_t max_containers, struct json_object **ret);

/* Likewise with LIMIT_JSON_CONTAINERS; -EBADMSG in place of -E2BIG. */
int json_parse(const char *text, size_t length, struct json_object **ret);

/* Overwrites all strings in the value, which is only to be released then. NULL is fine. */
void json_wipe(struct json_object *value);

/* Writes a value on one line, with a NUL behind it. The caller frees *ret. A number that is not an integer must come from
 * json_parse(). -EBADMSG: a string is not UTF-8; -ENOMEM. */
int json_print(struct json_object *value, char **ret);

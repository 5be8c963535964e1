/* SPDX-License-Identifier: MPL-2.0 */
/*
 * JSON as RFC 8259 has it and no wider, into a tree of json-c. Refused as well: two equal keys, and U+0000 in a key, which would
 * end there. A value may hold U+0000: fields.c refuses it, by the field's name. Thread-safe.
 */
#pragma once

#include <json-c/json.h>
#include <stddef.h>

/* One object, of length bytes, at most LIMIT_JSON_DEPTH deep.
 * -EBADMSG: not JSON, not UTF-8, not an object, or more than LIMIT_JSON_CONTAINERS in it; -ELOOP: too deep;
 * -EINVAL: a key given twice, or with U+0000 in it; -ENOMEM. The caller json_object_put()s. */
int json_parse(const char *text, size_t length, struct json_object **ret);

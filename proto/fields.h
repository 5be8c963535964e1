/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Parameters by table: a table says which fields a JSON object may have, of which type, within which range, and
 * where in a struct each goes. Used for requests by the broker, and for replies by the client.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_kind {
        FIELD_STRING, /* const char *, owned by the JSON object; NULL when left out */
        FIELD_BYTES,  /* struct field_bytes, decoded from base64, owned by the struct: fields_done() frees */
        FIELD_INT,    /* int64_t, within min and max; the field's `otherwise` when left out */
        FIELD_BOOL,   /* bool; false when left out */
        FIELD_STRINGS, /* struct json_object * (an array of strings, at most max of them), borrowed; NULL when left out */
        FIELD_OBJECT, /* struct json_object *, borrowed; NULL when left out */
        FIELD_ARRAY,  /* likewise */
};

struct field_bytes {
        unsigned char *data; /* NULL when left out; one NUL behind the end that does not count */
        size_t length;
};

struct field {
        const char *name;
        enum field_kind kind;
        bool required;
        size_t offset;
        int64_t min,
                max; /* FIELD_INT: the range; FIELD_STRING, FIELD_BYTES: bytes, max 0 for no bound of its own */
        int64_t otherwise;
};

/* Fills the struct from object (NULL: no parameters). strict: a field that the table lacks is refused.
 * 1: *ret_bad is the name of the field that is missing, unknown, of the wrong type or out of range (owned by the
 * table or the object). -ENOMEM. In every case the caller calls fields_done() on the struct. */
int fields_parse(const struct field *fields, size_t n_fields, struct json_object *object, bool strict,
        void *out, const char **ret_bad);
void fields_done(const struct field *fields, size_t n_fields, void *out);

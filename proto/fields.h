/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Parameters by table: the table says which fields a JSON object may have, the type and the range of each, and its place in
 * a struct. The broker reads requests so, the client replies. Thread-safe.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_kind {
        FIELD_STRING, /* const char *, owned by the JSON object; NULL when left out */
        FIELD_BYTES,  /* struct field_bytes, decoded from base64; fields_done() frees it */
        FIELD_INT,    /* int64_t, within min and max; `otherwise` when left out */
        FIELD_BOOL,   /* bool; false when left out */
        FIELD_STRINGS, /* struct json_object * (an array of strings, at most max of them), borrowed; NULL when left out */
        FIELD_OBJECT, /* struct json_object *, borrowed; NULL when left out */
        FIELD_ARRAY,  /* likewise */
        FIELD_STRUCT, /* the struct of a table of its own, in place; of an object that has nothing that this table lacks, and no
                       * FIELD_BYTES */
};

struct field_bytes {
        unsigned char *data; /* NULL when left out; a NUL follows, which length does not count */
        size_t length;
};

struct field {
        const char *name;
        enum field_kind kind;
        bool required;
        size_t offset;
        int64_t min,
                max; /* FIELD_INT: the range; FIELD_STRING, FIELD_BYTES: the length in bytes, where max 0 means no bound */
        int64_t otherwise;
        const struct field *of; /* FIELD_STRUCT: its table */
        size_t n_of;
};

/* What is wrong with an object. */
#define FIELD_REASON 128
struct field_fault {
        const char *name; /* of the field; the table or the object owns it */
        char reason
                [FIELD_REASON]; /* what was expected, and what was found; never what the value says, which may be secret */
};

/* Fills the struct from object; NULL stands for an empty object. strict: refuse a field that the table does not have. 1: a field is
 * missing, is unknown, has the wrong type or is out of range; *ret_fault says which and why. -ENOMEM. In every case the caller calls
 * fields_done() on the struct. Strings and arrays in it stay the object's. */
int fields_parse(const struct field *fields, size_t n_fields, struct json_object *object, bool strict,
        void *out, struct field_fault *ret_fault);
void fields_done(const struct field *fields, size_t n_fields, void *out);

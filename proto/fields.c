/* SPDX-License-Identifier: MPL-2.0 */
/* See fields.h. The strings of the struct are those of the object, which must live longer; only decoded bytes are its own. */
#include "proto/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util/macros.h"
#include "daemon/util/wipe.h"
#include "proto/base64.h"

/* Of the name of a member, which may be the sender's own, at most so much is repeated. */
#define FIELD_NAME_SHOWN   32
#define FIELD_REASON_SHOWN (FIELD_REASON - FIELD_NAME_SHOWN - 3)

static void *place_of(const struct field *field, void *out)
{
        return (char *)out + field->offset;
}

/* The value of a field that is left out. */
static void put_absent(const struct field *field, void *place)
{
        switch (field->kind) {
        case FIELD_STRING:
                *(const char **)place = NULL;
                break;
        case FIELD_BYTES:
                *(struct field_bytes *)place = (struct field_bytes){0};
                break;
        case FIELD_INT:
                *(int64_t *)place = field->otherwise;
                break;
        case FIELD_BOOL:
                *(bool *)place = false;
                break;
        case FIELD_STRINGS:
        case FIELD_OBJECT:
        case FIELD_ARRAY:
                *(struct json_object **)place = NULL;
                break;
        case FIELD_STRUCT:
                for (size_t i = 0; i < field->n_of; i++)
                        put_absent(&field->of[i], place_of(&field->of[i], place));
                break;
        }
}

/* ---- what is wrong ---- */

_printf_(2, 3) static int refuse(struct field_fault *fault, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(fault->reason, sizeof(fault->reason), format, arguments);
        va_end(arguments);
        return 1;
}

static const char *type_name(struct json_object *value)
{
        static const char *const names[] = {
                [json_type_null] = "null",
                [json_type_boolean] = "a boolean",
                [json_type_double] = "a number with a fraction or an exponent",
                [json_type_int] = "a number",
                [json_type_object] = "an object",
                [json_type_array] = "an array",
                [json_type_string] = "a string",
        };

        return names[json_object_get_type(value)];
}

/* 1: the value is of another type. */
static int expect(struct json_object *value, json_type type, const char *what, struct field_fault *fault)
{
        if (json_object_is_type(value, type))
                return 0;
        return refuse(fault, "expected %s, found %s", what, type_name(value));
}

static int expect_length(const struct field *field, size_t length, struct field_fault *fault)
{
        if (length >= (size_t)field->min && (field->max == 0 || length <= (size_t)field->max))
                return 0;
        if (field->max == 0)
                return refuse(fault, "expected %" PRId64 " bytes or more, found %zu", field->min, length);
        if (field->min == field->max)
                return refuse(fault, "expected %" PRId64 " bytes, found %zu", field->min, length);
        return refuse(fault, "expected %" PRId64 " to %" PRId64 " bytes, found %zu", field->min, field->max,
                length);
}

/* A string that has no U+0000, where a C string would end. */
static int expect_string(struct json_object *value, struct field_fault *fault)
{
        int r = expect(value, json_type_string, "a string", fault);

        if (r == 0 && strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value))
                return refuse(fault, "a string must not contain U+0000");
        return r;
}

/* ---- one field ---- */

static int take_string(
        const struct field *field, struct json_object *value, void *place, struct field_fault *fault)
{
        int r = expect_string(value, fault);

        if (r == 0)
                r = expect_length(field, (size_t)json_object_get_string_len(value), fault);
        if (r == 0)
                *(const char **)place = json_object_get_string(value);
        return r;
}

static int take_bytes(
        const struct field *field, struct json_object *value, void *place, struct field_fault *fault)
{
        struct field_bytes bytes;
        size_t length;
        int r = expect(value, json_type_string, "a string of base64", fault);

        if (r != 0)
                return r;
        /* The length is checked before anything is allocated. */
        length = (size_t)json_object_get_string_len(value);
        if (field->max > 0 && length > BASE64_LENGTH((size_t)field->max))
                return expect_length(field, length / 4 * 3, fault);
        r = base64_decode(json_object_get_string(value), length, &bytes.data, &bytes.length);
        if (r < 0)
                return r == -ENOMEM ? r : refuse(fault, "expected base64 with padding (RFC 4648, section 4)");
        r = expect_length(field, bytes.length, fault);
        if (r != 0)
                free(bytes.data);
        else
                *(struct field_bytes *)place = bytes;
        return r;
}

static int take_int(
        const struct field *field, struct json_object *value, void *place, struct field_fault *fault)
{
        int64_t number;
        /* 1.0 is a double, not an integer. A number beyond 64 bits became the nearest one within, which is out of every range. */
        int r = expect(value, json_type_int, "an integer", fault);

        if (r != 0)
                return r;
        number = json_object_get_int64(value);
        if (number < field->min || number > field->max)
                return refuse(
                        fault, "expected an integer from %" PRId64 " to %" PRId64, field->min, field->max);
        *(int64_t *)place = number;
        return 0;
}

static int expect_strings(const struct field *field, struct json_object *value, struct field_fault *fault)
{
        int r = expect(value, json_type_array, "an array of strings", fault);
        size_t n = r == 0 ? json_object_array_length(value) : 0;

        if (field->max > 0 && n > (size_t)field->max)
                return refuse(fault, "expected at most %" PRId64 " strings, found %zu", field->max, n);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = expect_string(json_object_array_get_idx(value, i), fault);
        return r;
}

/* The member's name comes before what is wrong with it. */
static int take_struct(
        const struct field *field, struct json_object *value, void *place, struct field_fault *fault)
{
        struct field_fault inner;
        int r = expect(value, json_type_object, "an object", fault);

        if (r != 0)
                return r;
        r = fields_parse(field->of, field->n_of, value, true, place, &inner);
        return r > 0 ? refuse(fault, "%.*s: %.*s", FIELD_NAME_SHOWN, inner.name, FIELD_REASON_SHOWN,
                               inner.reason)
                     : r;
}

/* 1: the value has the wrong type or is out of range; -ENOMEM. */
static int take(const struct field *field, struct json_object *value, void *place, struct field_fault *fault)
{
        int r = 0;

        switch (field->kind) {
        case FIELD_STRING:
                return take_string(field, value, place, fault);
        case FIELD_BYTES:
                return take_bytes(field, value, place, fault);
        case FIELD_INT:
                return take_int(field, value, place, fault);
        case FIELD_BOOL:
                r = expect(value, json_type_boolean, "true or false", fault);
                if (r == 0)
                        *(bool *)place = json_object_get_boolean(value);
                return r;
        case FIELD_STRINGS:
                r = expect_strings(field, value, fault);
                break;
        case FIELD_OBJECT:
                r = expect(value, json_type_object, "an object", fault);
                break;
        case FIELD_ARRAY:
                r = expect(value, json_type_array, "an array", fault);
                break;
        case FIELD_STRUCT:
                return take_struct(field, value, place, fault);
        }
        if (r == 0)
                *(struct json_object **)place = value;
        return r;
}

/* The name of the first member that the table does not have. NULL: it has all of them. */
static const char *find_unknown(const struct field *fields, size_t n_fields, struct json_object *object)
{
        struct json_object_iterator i = json_object_iter_begin(object), end = json_object_iter_end(object);

        for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i)) {
                const char *name = json_object_iter_peek_name(&i);
                size_t at = 0;

                while (at < n_fields && strcmp(fields[at].name, name) != 0)
                        at++;
                if (at == n_fields)
                        return name;
        }
        return NULL;
}

int fields_parse(const struct field *fields, size_t n_fields, struct json_object *object, bool strict,
        void *out, struct field_fault *ret_fault)
{

        for (size_t i = 0; i < n_fields; i++)
                put_absent(&fields[i], place_of(&fields[i], out));
        if (object && expect(object, json_type_object, "an object", ret_fault) != 0) {
                ret_fault->name = "parameters";
                return 1;
        }
        for (size_t i = 0; i < n_fields; i++) {
                struct json_object *value = NULL;
                int r;

                /* In varlink, null means that the field is left out. */
                if (object)
                        json_object_object_get_ex(object, fields[i].name, &value);
                if (value)
                        r = take(&fields[i], value, place_of(&fields[i], out), ret_fault);
                else
                        r = fields[i].required ? refuse(ret_fault, "it is missing") : 0;
                if (r > 0)
                        ret_fault->name = fields[i].name;
                if (r != 0)
                        return r;
        }
        ret_fault->name = strict && object ? find_unknown(fields, n_fields, object) : NULL;
        return ret_fault->name ? refuse(ret_fault, "there is no parameter of this name") : 0;
}

void fields_done(const struct field *fields, size_t n_fields, void *out)
{
        for (size_t i = 0; i < n_fields; i++) {
                struct field_bytes *bytes = place_of(&fields[i], out);

                if (fields[i].kind != FIELD_BYTES)
                        continue;
                wipe_free(bytes->data, bytes->length);
                *bytes = (struct field_bytes){0};
        }
}

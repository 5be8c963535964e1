/* SPDX-License-Identifier: MPL-2.0 */
/* See fields.h. The strings of the struct are those of the object, which must live longer; only decoded bytes are its own. */
#include "proto/fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util/wipe.h"
#include "proto/base64.h"

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

static bool length_fits(const struct field *field, size_t length)
{
        return length >= (size_t)field->min && (field->max == 0 || length <= (size_t)field->max);
}

/* A string that has no U+0000, where a C string would end. */
static bool is_string(struct json_object *value)
{
        return json_object_is_type(value, json_type_string) &&
               strlen(json_object_get_string(value)) == (size_t)json_object_get_string_len(value);
}

static int take_string(const struct field *field, struct json_object *value, void *place)
{
        if (!is_string(value) || !length_fits(field, (size_t)json_object_get_string_len(value)))
                return 1;
        *(const char **)place = json_object_get_string(value);
        return 0;
}

static int take_bytes(const struct field *field, struct json_object *value, void *place)
{
        struct field_bytes bytes;
        size_t length;
        int r;

        if (!json_object_is_type(value, json_type_string))
                return 1;
        /* The length is checked before anything is allocated. */
        length = (size_t)json_object_get_string_len(value);
        if (field->max > 0 && length > BASE64_LENGTH((size_t)field->max))
                return 1;
        r = base64_decode(json_object_get_string(value), length, &bytes.data, &bytes.length);
        if (r < 0)
                return r == -ENOMEM ? r : 1;
        if (!length_fits(field, bytes.length)) {
                free(bytes.data);
                return 1;
        }
        *(struct field_bytes *)place = bytes;
        return 0;
}

static int take_int(const struct field *field, struct json_object *value, void *place)
{
        int64_t number;

        /* 1.0 is a double, not an integer. A number beyond 64 bits became the nearest one within, which is out of every range. */
        if (!json_object_is_type(value, json_type_int))
                return 1;
        number = json_object_get_int64(value);
        if (number < field->min || number > field->max)
                return 1;
        *(int64_t *)place = number;
        return 0;
}

static bool is_strings(const struct field *field, struct json_object *value)
{
        size_t n;

        if (!json_object_is_type(value, json_type_array))
                return false;
        n = json_object_array_length(value);
        if (field->max > 0 && n > (size_t)field->max)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!is_string(json_object_array_get_idx(value, i)))
                        return false;
        return true;
}

/* 1: the value has the wrong type or is out of range; -ENOMEM. */
static int take(const struct field *field, struct json_object *value, void *place)
{
        const char *inner;

        switch (field->kind) {
        case FIELD_STRING:
                return take_string(field, value, place);
        case FIELD_BYTES:
                return take_bytes(field, value, place);
        case FIELD_INT:
                return take_int(field, value, place);
        case FIELD_BOOL:
                if (!json_object_is_type(value, json_type_boolean))
                        return 1;
                *(bool *)place = json_object_get_boolean(value);
                return 0;
        case FIELD_STRINGS:
                if (!is_strings(field, value))
                        return 1;
                break;
        case FIELD_OBJECT:
                if (!json_object_is_type(value, json_type_object))
                        return 1;
                break;
        case FIELD_ARRAY:
                if (!json_object_is_type(value, json_type_array))
                        return 1;
                break;
        case FIELD_STRUCT:
                return json_object_is_type(value, json_type_object)
                               ? fields_parse(field->of, field->n_of, value, true, place, &inner)
                               : 1;
        }
        *(struct json_object **)place = value;
        return 0;
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
        void *out, const char **ret_bad)
{
        const char *unknown;

        for (size_t i = 0; i < n_fields; i++)
                put_absent(&fields[i], place_of(&fields[i], out));
        if (object && !json_object_is_type(object, json_type_object)) {
                *ret_bad = "parameters";
                return 1;
        }
        for (size_t i = 0; i < n_fields; i++) {
                struct json_object *value = NULL;
                int r;

                /* In varlink, null means that the field is left out. */
                if (object)
                        json_object_object_get_ex(object, fields[i].name, &value);
                if (value)
                        r = take(&fields[i], value, place_of(&fields[i], out));
                else
                        r = fields[i].required;
                if (r > 0)
                        *ret_bad = fields[i].name;
                if (r != 0)
                        return r;
        }
        unknown = strict && object ? find_unknown(fields, n_fields, object) : NULL;
        if (!unknown)
                return 0;
        *ret_bad = unknown;
        return 1;
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

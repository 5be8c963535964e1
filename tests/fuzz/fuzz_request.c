/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a client sends, as the broker reads it: bytes in pieces into a frame, each message to JSON, the envelope by its
 * table, and the parameters by every method's (the method's own is found by dispatch.c; all of them see more). The
 * first byte says how long the pieces are.
 */
#include <string.h>

#include "daemon/util/macros.h"
#include "daemon/util/text.h"
#include "gen/broker/methods/parameters.h"
#include "proto/envelope.h"
#include "proto/frame.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "tests/fuzz/fuzz.h"

/* Small, so that a message that is too long needs no large input. */
#define FRAME_LIMIT 4096U

#define TABLE(of)                                                                                            \
        {                                                                                                    \
                of##_fields, ARRAY_SIZE(of##_fields), sizeof(struct of##_parameters)                         \
        }
static const struct table {
        const struct field *fields;
        size_t n_fields, size;
} tables[] = {
        TABLE(keys_list),
        TABLE(keys_get),
        TABLE(keys_generate),
        TABLE(keys_rename),
        TABLE(keys_sign),
        TABLE(keys_decrypt),
        TABLE(keys_derive),
        TABLE(keys_verify),
        TABLE(keys_random),
        TABLE(certificates_list),
        TABLE(certificates_get),
        TABLE(certificates_request),
        TABLE(certificates_self_sign),
        TABLE(certificates_import),
        TABLE(certificates_check),
        TABLE(status_remove_claim),
        TABLE(service_get_interface_description),
        TABLE(status_watch),
        TABLE(status_probe),
};

static void check_text(const struct field *field, const char *text)
{
        if (!text) {
                CHECK(!field->required);
                return;
        }
        CHECK(text_is_utf8(text, strlen(text)));
        CHECK(field->max == 0 || strlen(text) <= (size_t)field->max);
}

static void check_strings(const struct field *field, struct json_object *array)
{
        if (!array) {
                CHECK(!field->required);
                return;
        }
        CHECK(field->max == 0 || json_object_array_length(array) <= (size_t)field->max);
        for (size_t i = 0; i < json_object_array_length(array); i++)
                CHECK(json_object_is_type(json_object_array_get_idx(array, i), json_type_string));
}

/* What was taken is what the table promises to the methods. */
static void check_field(const struct field *field, const void *at)
{
        const struct field_bytes *bytes = at;
        int64_t number;

        switch (field->kind) {
        case FIELD_STRING:
                check_text(field, *(const char *const *)at);
                break;
        case FIELD_BYTES:
                CHECK(bytes->data ? bytes->data[bytes->length] == 0 : !field->required);
                break;
        case FIELD_INT:
                number = *(const int64_t *)at;
                CHECK((number >= field->min && number <= field->max) || number == field->otherwise);
                break;
        case FIELD_STRINGS:
                check_strings(field, *(struct json_object *const *)at);
                break;
        default:
                break;
        }
}

static void take(const struct table *table, struct json_object *parameters)
{
        union {
                struct keys_generate_parameters generate;
                struct keys_verify_parameters verify;
                struct certificates_self_sign_parameters self_sign;
                char room[256];
        } out = {0};
        struct field_fault fault = {0};
        int r;

        CHECK(table->size <= sizeof(out));
        r = fields_parse(table->fields, table->n_fields, parameters, true, &out, &fault);
        CHECK(r == 0 || (r == 1 && fault.name && fault.reason[0]));
        for (size_t i = 0; r == 0 && i < table->n_fields; i++)
                check_field(&table->fields[i], out.room + table->fields[i].offset);
        fields_done(table->fields, table->n_fields, &out);
}

static void message(const char *text, size_t length)
{
        struct envelope envelope = {0};
        struct json_object *object;
        struct field_fault fault = {0};
        int r = json_parse(text, length, &object);

        if (r < 0)
                return;
        CHECK(text_is_utf8(text, length) && json_object_is_type(object, json_type_object));
        r = fields_parse(envelope_fields, N_ENVELOPE_FIELDS, object, false, &envelope, &fault);
        CHECK(r == 0 || (r == 1 && fault.name && fault.reason[0]));
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(tables); i++)
                take(&tables[i], envelope.parameters);
        json_object_put(object);
}

/* Everything that is whole. false: a message was too long. */
static bool drain(struct frame *frame, const uint8_t **at, const uint8_t *end)
{
        size_t length;
        char *text;
        int r;

        while ((r = frame_next(frame, &text, &length)) == 1) {
                const uint8_t *nul = memchr(*at, 0, (size_t)(end - *at));

                /* Cut where the bytes are, whatever pieces they came in. */
                CHECK(nul && length == (size_t)(nul - *at) && length <= FRAME_LIMIT);
                CHECK(memcmp(text, *at, length) == 0 && text[length] == 0);
                *at = nul + 1;
                message(text, length);
        }
        CHECK(r == 0 || r == -EMSGSIZE);
        return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const uint8_t *at = data + 1, *end = data + size;
        struct frame frame;
        uint32_t pieces = size > 0 ? data[0] : 0;

        if (size == 0)
                return 0;
        frame_init(&frame, FRAME_LIMIT);
        for (const uint8_t *from = at; from < end;) {
                size_t room, n;
                char *to;
                int r = frame_room(&frame, &to, &room);

                CHECK(r == 0 || r == -EMSGSIZE);
                if (r < 0)
                        break;
                pieces = pieces * 1103515245U + 12345U;
                n = MIN_OF(MIN_OF(room, (size_t)(end - from)), 1 + (pieces >> 16) % (1U + data[0]));
                memcpy(to, from, n);
                from += n;
                frame_filled(&frame, n);
                if (!drain(&frame, &at, from))
                        break;
                CHECK(frame_pending(&frame) == (size_t)(from - at));
        }
        frame_done(&frame);
        return 0;
}

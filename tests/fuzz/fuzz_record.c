/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A record that a broker sends to tokend-audit. Whatever is accepted becomes one line of the file that verifies, is JSON for a parser that
 * shares nothing with the check, and says nothing that tokend-audit alone says.
 */
#include <string.h>

#include "daemon/audit/foreign-record.h"
#include "daemon/audit/line.h"
#include "daemon/audit/own-kind.h"
#include "proto/json.h"
#include "tests/fuzz/fuzz.h"

/* As a reader of the file sees it. */
static void check_members(const char *text, size_t length)
{
        static const char *const chain[] = {"seq", "prev", "hash"};
        struct json_object *record = NULL, *kind = NULL;

        CHECK(json_parse(text, length, &record) == 0);
        for (size_t i = 0; i < ARRAY_SIZE(chain); i++)
                CHECK(!json_object_object_get_ex(record, chain[i], NULL));
        json_object_object_foreach(record, name, value)
        {
                CHECK(name[0] && !json_object_is_type(value, json_type_object) &&
                        !json_object_is_type(value, json_type_array) &&
                        !json_object_is_type(value, json_type_double));
        }
        if (json_object_object_get_ex(record, "kind", &kind) && json_object_is_type(kind, json_type_string))
                CHECK(!own_kind_is(json_object_get_string(kind)));
        json_object_put(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static char line[LINE_MAX_BYTES];
        const char *text = (const char *)data;
        struct chain chain = {.seq = 41}, after;
        struct json_object *whole = NULL;
        size_t length;

        if (foreign_record_fault(text, size))
                return 0;
        check_members(text, size);
        CHECK(line_format(&chain, text, size, line, sizeof(line), &length) == 0);
        CHECK(chain.seq == 42 && memchr(line, '\n', length) == line + length - 1);
        CHECK(line_check(line, length - 1, &after) && memcmp(&after, &chain, sizeof(after)) == 0);
        CHECK(json_parse(line, length - 1, &whole) == 0);
        json_object_put(whole);
        return 0;
}

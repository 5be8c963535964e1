/* SPDX-License-Identifier: MPL-2.0 */
/* What libtokend makes of a daemon's reply: a key, a certificate, a failure. A daemon of another version may send
 * anything, and a program must not fall over it. */
#include <string.h>

#include "client/internal.h"
#include "proto/json.h"
#include "tests/fuzz/fuzz.h"

static bool is_clean(const char *text, size_t size)
{
        size_t n = strnlen(text, size);

        for (size_t i = 0; i < n; i++)
                if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
                        return false;
        return n < size;
}

static void check_failure(const struct tokend_failure *failure)
{
        CHECK(failure->error != TOKEND_OK);
        CHECK(is_clean(failure->name, sizeof(failure->name)));
        CHECK(is_clean(failure->text, sizeof(failure->text)));
}

static void check_key(struct json_object *parameters)
{
        struct tokend_failure failure = {0};
        struct call call = {0};
        enum tokend_error error = key_take(&call, parameters, &failure);
        const struct tokend_key *key = call.object;

        if (error != TOKEND_OK)
                check_failure(&failure);
        else
                CHECK(key->token && key->nickname && key->id && key->type && key->public_key && key->json);
        key_forget(&call);
}

static void check_certificate(struct json_object *parameters)
{
        struct tokend_failure failure = {0};
        struct call call = {0};
        enum tokend_error error = certificate_take(&call, parameters, &failure);
        const struct tokend_certificate *certificate = call.object;

        if (error != TOKEND_OK)
                check_failure(&failure);
        else
                CHECK(certificate->token && certificate->nickname && certificate->der);
        certificate_forget(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct json_object *reply = NULL, *parameters = NULL, *error = NULL;
        struct tokend_failure failure = {0};
        int64_t retry_ms;

        if (json_parse((const char *)data, size, &reply) < 0)
                return 0;
        if (json_object_object_get_ex(reply, "parameters", &parameters) &&
                !json_object_is_type(parameters, json_type_object))
                parameters = NULL;
        check_key(parameters);
        check_certificate(parameters);
        if (json_object_object_get_ex(reply, "error", &error) &&
                json_object_is_type(error, json_type_string)) {
                (void)fail_reply(&failure, json_object_get_string(error), parameters, &retry_ms);
                check_failure(&failure);
        }
        json_object_put(reply);
        return 0;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* A sealed key as a program holds it, and the calls that make one: tokend_secret_generate(), _unwrap() and _derive(). */
#include <string.h>

#include "client/sealed.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/text.h"
#include "daemon/util/wipe.h"
#include "proto/base64.h"
#include "proto/limits.h"

#define PREFIX "sealed:"
/* Of the form of a sealed key: its MAC is at the end, and begins with the fingerprint. */
#define MAC_LENGTH         32U
#define FINGERPRINT_LENGTH 16U

struct tokend_sealed {
        char *text;
        size_t length; /* of the text */
        char fingerprint[2 * FINGERPRINT_LENGTH + 1];
        unsigned char *public_key; /* NULL: not told */
        size_t public_key_length;
};

/* ---- the key ---- */

const char *tokend_sealed_text(const struct tokend_sealed *sealed)
{
        return sealed->text;
}

const char *tokend_sealed_fingerprint(const struct tokend_sealed *sealed)
{
        return sealed->fingerprint;
}

const unsigned char *tokend_sealed_public_key(const struct tokend_sealed *sealed, size_t *ret_length)
{
        *ret_length = sealed->public_key_length;
        return sealed->public_key;
}

void tokend_sealed_free(struct tokend_sealed *sealed)
{
        if (!sealed)
                return;
        wipe_free(sealed->text, sealed->length);
        free(sealed->public_key);
        wipe_free(sealed, sizeof(*sealed));
}

/* -EINVAL: the text has not the form of a sealed key; -ENOMEM. */
static int sealed_make(const char *text, struct tokend_sealed **ret)
{
        struct tokend_sealed *sealed;
        unsigned char *bytes;
        size_t length = strlen(text), n;
        int r;

        if (strncmp(text, PREFIX, strlen(PREFIX)) != 0 ||
                length - strlen(PREFIX) > BASE64_LENGTH((size_t)LIMIT_SEALED))
                return -EINVAL;
        r = base64_decode(text + strlen(PREFIX), length - strlen(PREFIX), &bytes, &n);
        if (r < 0)
                return r;
        sealed = n > MAC_LENGTH ? calloc(1, sizeof(*sealed)) : NULL;
        if (sealed)
                text_hex(bytes + n - MAC_LENGTH, FINGERPRINT_LENGTH, sealed->fingerprint);
        wipe_free(bytes, n);
        if (!sealed)
                return n > MAC_LENGTH ? -ENOMEM : -EINVAL;
        sealed->text = strdup(text);
        sealed->length = length;
        if (!sealed->text) {
                tokend_sealed_free(sealed);
                return -ENOMEM;
        }
        *ret = sealed;
        return 0;
}

enum tokend_error tokend_sealed_new(
        const char *text, struct tokend_sealed **ret, struct tokend_failure *ret_failure)
{
        int r = sealed_make(text, ret);

        if (r == -ENOMEM)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a sealed key");
        return r == 0 ? TOKEND_OK
                      : fail(ret_failure, TOKEND_INVALID_ARGUMENT,
                                "expected a sealed key: sealed: and base64");
}

/* Of a reply. Takes over what public_key has. */
static enum tokend_error take_sealed(const char *method, const char *text, struct field_bytes *public_key,
        struct call *call, struct tokend_failure *ret_failure)
{
        struct tokend_sealed *sealed = NULL;
        int r = text ? sealed_make(text, &sealed) : -EINVAL;

        if (r == 0) {
                sealed->public_key = public_key->data;
                sealed->public_key_length = public_key->length;
                call->object = sealed;
                return TOKEND_OK;
        }
        free(public_key->data);
        return r == -ENOMEM ? fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a sealed key")
                            : fail_field(ret_failure, method, "sealed");
}

/* ---- what is asked for ---- */

static void put(struct json_object *object, const char *name, struct json_object *value, bool *failed)
{
        if (value && json_object_object_add(object, name, value) == 0)
                return;
        json_object_put(value);
        *failed = true;
}

static struct json_object *template_object(const struct tokend_secret_template *wanted)
{
        struct json_object *object = json_object_new_object(), *usage = json_object_new_array();
        bool failed = !object || !usage;

        for (unsigned bit = 1; !failed && usage_name(bit); bit <<= 1)
                if (wanted->usage & bit)
                        failed = json_object_array_add(usage, json_object_new_string(usage_name(bit))) < 0;
        if (failed) {
                json_object_put(object);
                json_object_put(usage);
                return NULL;
        }
        put(object, "usage", usage, &failed);
        put(object, "type", json_object_new_string(wanted->type), &failed);
        if (wanted->length)
                put(object, "length", json_object_new_int(wanted->length), &failed);
        if (wanted->size)
                put(object, "size", json_object_new_int(wanted->size), &failed);
        if (wanted->curve)
                put(object, "curve", json_object_new_string(wanted->curve), &failed);
        if (!failed)
                return object;
        json_object_put(object);
        return NULL;
}

enum tokend_error sealed_template(const struct tokend_secret_template *given, struct json_object **ret,
        struct tokend_failure *ret_failure)
{
        struct tokend_secret_template wanted;
        enum tokend_error error =
                structure_take(&wanted, sizeof(wanted), given, "tokend_secret_template", ret_failure);

        if (error != TOKEND_OK)
                return error;
        if (!wanted.type)
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT, "a key to be needs a type");
        *ret = template_object(&wanted);
        return TOKEND_OK;
}

/* ---- Generate, Unwrap, Derive ---- */

static void forget_sealed(struct call *call)
{
        tokend_sealed_free(TAKE_PTR(call->object));
}

static enum tokend_error take_generated(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct secrets_generate_result result = {0};
        enum tokend_error error = secrets_generate_parse(parameters, &result, ret_failure);

        if (error != TOKEND_OK)
                return error;
        return take_sealed(
                "io.tokend.Secrets.Generate", result.sealed, &result.public_key, call, ret_failure);
}

enum tokend_error tokend_secret_generate(struct tokend *handle, const char *token,
        const struct tokend_secret_template *wanted, int timeout_ms, struct tokend_sealed **ret,
        struct tokend_failure *ret_failure)
{
        struct secrets_generate_arguments arguments = {.token = token};
        struct call call;
        enum tokend_error error = sealed_template(wanted, &arguments.template, ret_failure);

        if (error == TOKEND_OK)
                error = secrets_generate_begin(&call, &arguments, timeout_ms, ret_failure);

        if (error != TOKEND_OK) {
                json_object_put(arguments.template);
                return error;
        }
        /* Nothing is left of a key that nobody got. */
        call.kind = CALL_REPEATABLE;
        call.with_timeout = timeout_ms > 0;
        return call_finish(handle, &call, take_generated, forget_sealed, ret, ret_failure);
}

static enum tokend_error take_unwrapped(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct secrets_unwrap_result result = {0};
        enum tokend_error error = secrets_unwrap_parse(parameters, &result, ret_failure);

        if (error != TOKEND_OK)
                return error;
        return take_sealed("io.tokend.Secrets.Unwrap", result.sealed, &result.public_key, call, ret_failure);
}

enum tokend_error tokend_secret_unwrap(struct tokend *handle, const char *key,
        const struct tokend_algorithm *algorithm, const void *wrapped, size_t length,
        const struct tokend_secret_template *wanted, int timeout_ms, struct tokend_sealed **ret,
        struct tokend_failure *ret_failure)
{
        struct secrets_unwrap_arguments arguments = {.key = key, .wrapped = {wrapped, length}};
        struct tokend_algorithm with;
        struct call call;
        enum tokend_error error =
                structure_take(&with, sizeof(with), algorithm, "tokend_algorithm", ret_failure);

        if (error == TOKEND_OK)
                error = sealed_template(wanted, &arguments.template, ret_failure);
        if (error != TOKEND_OK)
                return error;
        arguments.algorithm = with.name;
        arguments.iv = (struct call_bytes){with.iv, with.iv_length};
        arguments.label = (struct call_bytes){with.label, with.label_length};
        error = secrets_unwrap_begin(&call, &arguments, timeout_ms, ret_failure);
        if (error == TOKEND_OK)
                return call_finish(handle, &call, take_unwrapped, forget_sealed, ret, ret_failure);
        json_object_put(arguments.template);
        return error;
}

static enum tokend_error take_derived(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct secrets_derive_result result = {0};
        enum tokend_error error = secrets_derive_parse(parameters, &result, ret_failure);

        if (error != TOKEND_OK)
                return error;
        return take_sealed(
                "io.tokend.Secrets.Derive", result.sealed, &(struct field_bytes){0}, call, ret_failure);
}

enum tokend_error tokend_secret_derive(struct tokend *handle, const char *key,
        const struct tokend_derivation *derivation, const struct tokend_secret_template *wanted,
        int timeout_ms, struct tokend_sealed **ret, struct tokend_failure *ret_failure)
{
        struct secrets_derive_arguments arguments = {.key = key};
        struct tokend_derivation with;
        struct call call;
        enum tokend_error error =
                structure_take(&with, sizeof(with), derivation, "tokend_derivation", ret_failure);

        if (error == TOKEND_OK)
                error = sealed_template(wanted, &arguments.template, ret_failure);
        if (error != TOKEND_OK)
                return error;
        arguments.algorithm = with.algorithm;
        arguments.data = (struct call_bytes){with.data, with.data_length};
        arguments.bit = with.bit;
        arguments.other = with.other;
        arguments.public_key = (struct call_bytes){with.public_key, with.public_key_length};
        error = secrets_derive_begin(&call, &arguments, timeout_ms, ret_failure);
        if (error == TOKEND_OK)
                return call_finish(handle, &call, take_derived, forget_sealed, ret, ret_failure);
        json_object_put(arguments.template);
        return error;
}

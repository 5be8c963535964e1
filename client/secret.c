/* SPDX-License-Identifier: MPL-2.0 */
/* Secrets of a token (list, generate, delete), and what is done with keys: wrap, encrypt, decrypt, sign. */
#include <string.h>

#include "client/sealed.h"
#include "daemon/util/algorithm.h"

/* ---- secrets of a token ---- */

struct owned_secret {
        struct tokend_secret secret; /* the first member: the program's pointer is ours */
        struct json_object *object;
        char *json;
};

static void secret_free(struct tokend_secret *secret)
{
        struct owned_secret *owned = (struct owned_secret *)(void *)secret;

        json_object_put(owned->object);
        free(owned->json);
        free(owned);
}

static enum tokend_error secret_new(
        struct json_object *object, struct tokend_secret **ret, struct tokend_failure *ret_failure)
{
        struct secrets_secret_result parts;
        struct owned_secret *owned;
        enum tokend_error error = secrets_secret_parse(object, &parts, ret_failure);

        if (error != TOKEND_OK)
                return error;
        owned = calloc(1, sizeof(*owned));
        if (!owned)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a secret");
        owned->object = json_object_get(object);
        owned->secret = (struct tokend_secret){.token = parts.token,
                .nickname = parts.nickname,
                .id = parts.id,
                .type = parts.type,
                .length = (int)parts.length,
                .sensitive = parts.sensitive,
                .extractable = parts.extractable,
                .never_extractable = parts.never_extractable,
                .local = parts.local};
        for (size_t i = 0; i < json_object_array_length(parts.usage); i++)
                owned->secret.usage |=
                        usage_from_name(json_object_get_string(json_object_array_get_idx(parts.usage, i)));
        if (json_print(object, &owned->json) < 0) {
                secret_free(&owned->secret);
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a secret");
        }
        owned->secret.json = owned->json;
        *ret = &owned->secret;
        return TOKEND_OK;
}

struct owned_secrets {
        struct tokend_secrets secrets; /* the first member: the program's pointer is ours */
        struct tokend_list_end end;
};

void tokend_secrets_free(struct tokend_secrets *secrets)
{
        if (!secrets)
                return;
        for (size_t i = 0; i < secrets->n_secrets; i++)
                secret_free(secrets->secrets[i]);
        free(secrets->secrets);
        list_end_done(&((struct owned_secrets *)(void *)secrets)->end);
        free(secrets);
}

static void forget_secrets(struct call *call)
{
        tokend_secrets_free(TAKE_PTR(call->object));
}

static enum tokend_error take_secrets(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct owned_secrets *owned = call->object ? call->object : calloc(1, sizeof(*owned));
        struct tokend_secrets *secrets = owned ? &owned->secrets : NULL;
        struct secrets_list_result result;
        struct tokend_secret **room;
        enum tokend_error error = secrets_list_parse(parameters, &result, ret_failure);
        size_t n;

        call->object = secrets;
        if (error != TOKEND_OK)
                return error;
        n = json_object_array_length(result.secrets);
        room = secrets ? reallocarray(secrets->secrets, secrets->n_secrets + n + 1, sizeof(*room)) : NULL;
        if (!room)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the secrets");
        secrets->secrets = room;
        secrets->end = &owned->end;
        error = list_end_take(&owned->end, NULL, false, result.unavailable, ret_failure);
        for (size_t i = 0; i < n && error == TOKEND_OK; i++) {
                error = secret_new(
                        json_object_array_get_idx(result.secrets, i), &room[secrets->n_secrets], ret_failure);
                secrets->n_secrets += error == TOKEND_OK;
        }
        return error;
}

enum tokend_error tokend_secrets_list(struct tokend *handle, const char *token, const char *nickname,
        int timeout_ms, struct tokend_secrets **ret, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = secrets_list_begin(&call,
                &(struct secrets_list_arguments){.token = token, .nickname = nickname}, timeout_ms,
                ret_failure);

        if (error != TOKEND_OK)
                return error;
        call.more = true;
        return call_finish(handle, &call, take_secrets, forget_secrets, ret, ret_failure);
}

enum tokend_error tokend_secret_generate_on_token(struct tokend *handle, const char *token,
        const char *nickname, const struct tokend_secret_template *wanted, int timeout_ms,
        struct tokend_failure *ret_failure)
{
        struct secrets_generate_arguments arguments = {.token = token, .nickname = nickname};
        struct tokend_secret_template template;
        struct call call;
        enum tokend_error error;

        if (!nickname)
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT, "a secret on a token needs a nickname");
        error = structure_take(&template, sizeof(template), wanted, "tokend_secret_template", ret_failure);
        if (error == TOKEND_OK)
                error = sealed_template(&template, &arguments.template, ret_failure);
        if (error != TOKEND_OK)
                return error;
        arguments.id = template.id;
        error = secrets_generate_begin(&call, &arguments, timeout_ms, ret_failure);
        if (error != TOKEND_OK) {
                json_object_put(arguments.template);
                return error;
        }
        call.with_timeout = timeout_ms > 0;
        return call_run(handle, &call, ret_failure);
}

enum tokend_error tokend_secret_delete(
        struct tokend *handle, const char *secret, int timeout_ms, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = secrets_delete_begin(
                &call, &(struct secrets_delete_arguments){.secret = secret}, timeout_ms, ret_failure);

        return error == TOKEND_OK ? call_run(handle, &call, ret_failure) : error;
}

/* ---- what gives bytes ---- */

static enum tokend_error take_wrapped(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct secrets_wrap_result result = {0};
        enum tokend_error error = secrets_wrap_parse(parameters, &result, ret_failure);

        return call_take_bytes(call, error, &result.wrapped);
}

enum tokend_error tokend_secret_wrap(struct tokend *handle, const char *key, const void *public_key,
        size_t public_key_length, const struct tokend_algorithm *algorithm, const char *secret,
        int timeout_ms, unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure)
{
        struct secrets_wrap_arguments arguments = {
                .key = key, .public_key = {public_key, public_key_length}, .secret = secret};
        struct tokend_algorithm with;
        struct call call;
        enum tokend_error error =
                structure_take(&with, sizeof(with), algorithm, "tokend_algorithm", ret_failure);

        if (error != TOKEND_OK)
                return error;
        arguments.algorithm = with.name;
        arguments.iv = (struct call_bytes){with.iv, with.iv_length};
        arguments.label = (struct call_bytes){with.label, with.label_length};
        error = secrets_wrap_begin(&call, &arguments, timeout_ms, ret_failure);
        return error == TOKEND_OK
                       ? call_finish_bytes(handle, &call, take_wrapped, ret, ret_length, ret_failure)
                       : error;
}

static enum tokend_error take_ciphertext(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct secrets_encrypt_result result = {0};
        enum tokend_error error = secrets_encrypt_parse(parameters, &result, ret_failure);

        return call_take_bytes(call, error, &result.ciphertext);
}

enum tokend_error tokend_secret_encrypt(struct tokend *handle, const char *key,
        const struct tokend_algorithm *algorithm, const void *plaintext, size_t length, int timeout_ms,
        unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure)
{
        struct secrets_encrypt_arguments arguments = {
                .key = key, .plaintext = {plaintext ? plaintext : "", length}};
        struct tokend_algorithm with;
        struct call call;
        enum tokend_error error =
                structure_take(&with, sizeof(with), algorithm, "tokend_algorithm", ret_failure);

        if (error != TOKEND_OK)
                return error;
        arguments.algorithm = with.name;
        arguments.iv = (struct call_bytes){with.iv, with.iv_length};
        arguments.aad = (struct call_bytes){with.aad, with.aad_length};
        error = secrets_encrypt_begin(&call, &arguments, timeout_ms, ret_failure);
        return error == TOKEND_OK
                       ? call_finish_bytes(handle, &call, take_ciphertext, ret, ret_length, ret_failure)
                       : error;
}

static enum tokend_error take_decrypted(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct secrets_decrypt_result result = {0};
        enum tokend_error error = secrets_decrypt_parse(parameters, &result, ret_failure);

        return call_take_bytes(call, error, &result.plaintext);
}

enum tokend_error tokend_secret_decrypt(struct tokend *handle, const char *key,
        const struct tokend_algorithm *algorithm, const void *ciphertext, size_t length, int timeout_ms,
        unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure)
{
        struct secrets_decrypt_arguments arguments = {
                .key = key, .ciphertext = {ciphertext ? ciphertext : "", length}};
        struct tokend_algorithm with;
        struct call call;
        enum tokend_error error =
                structure_take(&with, sizeof(with), algorithm, "tokend_algorithm", ret_failure);

        if (error != TOKEND_OK)
                return error;
        arguments.algorithm = with.name;
        arguments.iv = (struct call_bytes){with.iv, with.iv_length};
        arguments.aad = (struct call_bytes){with.aad, with.aad_length};
        error = secrets_decrypt_begin(&call, &arguments, timeout_ms, ret_failure);
        return error == TOKEND_OK
                       ? call_finish_bytes(handle, &call, take_decrypted, ret, ret_length, ret_failure)
                       : error;
}

static enum tokend_error take_sealed_signature(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct secrets_sign_result result = {0};
        enum tokend_error error = secrets_sign_parse(parameters, &result, ret_failure);

        return call_take_bytes(call, error, &result.signature);
}

enum tokend_error tokend_secret_sign(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, int timeout_ms, unsigned char **ret,
        size_t *ret_length, struct tokend_failure *ret_failure)
{
        const struct call_bytes bytes = {input ? input : "", length};
        struct secrets_sign_arguments arguments = {.key = key, .algorithm = algorithm};
        struct call call;
        enum tokend_error error;

        if ((kind != TOKEND_DIGEST && kind != TOKEND_MESSAGE) || (!input && length > 0))
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT, "expected a digest or a message");
        *(kind == TOKEND_DIGEST ? &arguments.digest : &arguments.message) = bytes;
        error = secrets_sign_begin(&call, &arguments, timeout_ms, ret_failure);
        return error == TOKEND_OK
                       ? call_finish_bytes(handle, &call, take_sealed_signature, ret, ret_length, ret_failure)
                       : error;
}

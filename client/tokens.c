/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_tokens(). A token holds its JSON object, and its strings are those of the object. */
#include "gen/client/stubs.h"

/* token comes first, so that its address is also that of the whole. */
struct owned_token {
        struct tokend_token token;
        struct json_object *object;
        char *json;
};

static void token_free(struct tokend_token *token)
{
        struct owned_token *owned = (struct owned_token *)(void *)token;

        json_object_put(owned->object);
        free(token->rights);
        free(token->mechanisms);
        free(token->wraps);
        free(token->unwraps);
        free(owned->json);
        free(owned);
}

void tokend_tokens_free(struct tokend_tokens *tokens)
{
        if (!tokens)
                return;
        for (size_t i = 0; i < tokens->n_tokens; i++)
                token_free(tokens->tokens[i]);
        free(tokens->tokens);
        free(tokens);
}

static void forget_tokens(struct call *call)
{
        tokend_tokens_free(TAKE_PTR(call->object));
}

static bool take_words(struct json_object *array, const char ***ret, size_t *ret_n)
{
        size_t n = json_object_array_length(array);

        *ret = calloc(n + 1, sizeof(**ret));
        for (size_t i = 0; *ret && i < n; i++)
                (*ret)[i] = json_object_get_string(json_object_array_get_idx(array, i));
        *ret_n = n;
        return *ret != NULL;
}

static enum tokend_error token_new(
        struct json_object *object, struct tokend_token **ret, struct tokend_failure *ret_failure)
{
        struct owned_token *owned = calloc(1, sizeof(*owned));
        struct keys_token_result parts;
        enum tokend_error error = owned ? keys_token_parse(object, &parts, ret_failure)
                                        : fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a token");

        if (error != TOKEND_OK) {
                free(owned);
                return error;
        }
        owned->object = json_object_get(object);
        owned->token = (struct tokend_token){.name = parts.name,
                .state = parts.state,
                .reason = parts.reason,
                .label = parts.label,
                .manufacturer = parts.manufacturer,
                .model = parts.model,
                .serial = parts.serial};
        if (!take_words(parts.rights, &owned->token.rights, &owned->token.n_rights) ||
                !take_words(parts.mechanisms, &owned->token.mechanisms, &owned->token.n_mechanisms) ||
                (parts.wraps && !take_words(parts.wraps, &owned->token.wraps, &owned->token.n_wraps)) ||
                (parts.unwraps &&
                        !take_words(parts.unwraps, &owned->token.unwraps, &owned->token.n_unwraps)) ||
                json_print(object, &owned->json) < 0) {
                token_free(&owned->token);
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a token");
        }
        owned->token.json = owned->json;
        *ret = &owned->token;
        return TOKEND_OK;
}

static enum tokend_error take_tokens(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct tokend_tokens *tokens = call->object ? call->object : calloc(1, sizeof(*tokens));
        struct keys_tokens_result result;
        struct tokend_token **room;
        enum tokend_error error = keys_tokens_parse(parameters, &result, ret_failure);
        size_t n;

        call->object = tokens;
        if (error != TOKEND_OK)
                return error;
        n = json_object_array_length(result.tokens);
        room = tokens ? reallocarray(tokens->tokens, tokens->n_tokens + n + 1, sizeof(*room)) : NULL;
        if (!room)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the tokens");
        tokens->tokens = room;
        for (size_t i = 0; error == TOKEND_OK && i < n; i++) {
                error = token_new(
                        json_object_array_get_idx(result.tokens, i), &room[tokens->n_tokens], ret_failure);
                tokens->n_tokens += error == TOKEND_OK;
        }
        return error;
}

enum tokend_error tokend_tokens(
        struct tokend *handle, int timeout_ms, struct tokend_tokens **ret, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = keys_tokens_begin(&call, timeout_ms, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call.more = true;
        return call_finish(handle, &call, take_tokens, forget_tokens, ret, ret_failure);
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SECRET_GENERATE and SECRET_DELETE: secret keys that lie on the token under a nickname. They can never be wrapped. Called by a
 * session thread through operation_run().
 */
#include <string.h>

#include "daemon/util/text.h"
#include "daemon/worker/claims/create-under-claim.h"
#include "daemon/worker/secrets/secret-use.h"

static int check(
        struct operation *operation, const struct message_secret_generate *message, struct secret_shape *ret)
{
        const struct slot_token *token = operation->session->token;
        int r;

        if (!text_is_nickname(message->nickname, strlen(message->nickname)))
                return operation_invalid(operation, "nickname", "invalid nickname");
        if (message->id.length == 0 || message->id.length > LIMIT_KEY_ID)
                return operation_invalid(operation, NULL, "an id of %zu bytes", message->id.length);
        r = used_shape(operation, message->type, message->size, message->usage, ret);
        if (r == 0 && secret_type_info(ret->type)->is_private)
                return operation_invalid(operation, "template", "a private key is made with its public half");
        if (r == 0 && !slot_token_can(token, secret_type_info(ret->type)->generator, CKF_GENERATE))
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the token cannot generate keys of this type");
        return r;
}

static int answer_made(struct operation *operation, const struct message_secret_generate *message)
{
        uint64_t number;
        int r = operation_renew(operation);

        if (r != 0)
                return r;
        number = inventory_find_secret(operation->inventory, message->id, message->nickname);
        if (number == 0)
                return operation_answer(operation, REPLY_OUTCOME_UNKNOWN,
                        "the key was generated, but the token does not list it");
        return operation_answer_number(operation, number);
}

static int create(struct operation *operation, const void *request)
{
        const struct message_secret_generate *message = request;
        const struct secret_shape shape = {
                .type = message->type, .usage = message->usage, .size = message->size};
        int r = secret_make_permanent(operation, &shape, message->nickname, message->id);

        return r == 0 ? answer_made(operation, message) : secret_unmade(operation, r);
}

static int remove_made(struct operation *operation, const void *request)
{
        const struct message_secret_generate *message = request;

        return secret_remove(operation, message->id, message->nickname);
}

int secret_generate_attempt(struct operation *operation, const void *request)
{
        const struct message_secret_generate *message = request;
        const struct creation creation = {.nickname = message->nickname,
                .kind = CLAIM_SECRET,
                .id = message->id,
                .waits = message->again,
                .create = create,
                .remove = remove_made,
                .request = message};
        struct secret_shape shape;
        int r = check(operation, message, &shape);

        return r == 0 ? create_under_claim(operation, &creation) : r;
}

int secret_delete_attempt(struct operation *operation, const void *request)
{
        const struct message_secret_delete *message = request;
        struct inventory_key key;
        int r;

        if (!inventory_secret(operation->inventory, message->key, &key))
                return operation_answer(operation, REPLY_KEY_GONE, "there is no such key");
        r = operation_destroy(operation, CKO_SECRET_KEY, key.handle);
        return r == 0 ? operation_renew(operation) : r;
}

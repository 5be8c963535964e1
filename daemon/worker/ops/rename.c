/* SPDX-License-Identifier: MPL-2.0 */
/*
 * RENAME: another nickname for a key, under a claim as a new key's. The private key's label is its nickname, so that a crash leaves
 * one name at every step; the public half follows. Called by a session thread through operation_run().
 */
#include <string.h>

#include "daemon/util/text.h"
#include "daemon/worker/claims/create-under-claim.h"
#include "daemon/worker/ops/pair.h"

struct renaming {
        const struct message_rename *message;
        struct wire_bytes id; /* of the key */
};

/* Another request may have renamed it while this one waited: then nothing has the name that its caller gave. A key without a label of
 * its own has its certificate's. */
static bool is_still_called(struct operation *operation, const struct renaming *renaming)
{
        const struct message_rename *message = renaming->message;

        return *message->was == '\0' ||
               inventory_find(operation->inventory, renaming->id, message->was) == message->key ||
               inventory_find(operation->inventory, renaming->id, "") == message->key;
}

/* Once more under the same claim, its number may be another. */
static int name(struct operation *operation, const void *request)
{
        const struct renaming *renaming = request;
        const char *nickname = renaming->message->nickname;
        uint64_t number = inventory_find(operation->inventory, renaming->id, nickname);
        int r;

        if (!number && !is_still_called(operation, renaming))
                return operation_gone(operation, "the key is called otherwise by now");
        r = pair_label(operation, number ? number : renaming->message->key, nickname);
        if (session_said(operation->session, r, CKR_OBJECT_HANDLE_INVALID))
                return operation_gone(operation, "there is no such key");
        if (r == 0)
                r = operation_renew(operation);
        if (r != 0)
                return r;
        number = inventory_find(operation->inventory, renaming->id, nickname);
        return number ? operation_answer_number(operation, number)
                      : operation_answer(operation, REPLY_OUTCOME_UNKNOWN,
                                "the key was renamed, but the token does not list it so");
}

/* A key that has the nickname keeps it; nothing else was made. */
static int leave(struct operation *operation, const void *request)
{
        return 0;
}

int rename_attempt(struct operation *operation, const void *request)
{
        const struct message_rename *message = request;
        struct inventory_public public = {0};
        struct renaming renaming = {.message = message};
        int r;

        if (!text_is_nickname(message->nickname, strlen(message->nickname)))
                return operation_invalid(operation, "nickname", "invalid nickname");
        r = inventory_public(operation->inventory, message->key, &public);
        free(public.spki);
        if (r < 0)
                return r;
        if (r > 0)
                return operation_gone(operation, "there is no such key, or nothing of its public half");
        if (public.id_length == 0)
                return operation_invalid(operation, "key", "it has no id that tells it from others");
        renaming.id = wire_bytes(public.id, public.id_length);
        return create_under_claim(operation, &(struct creation){.nickname = message->nickname,
                                                     .kind = CLAIM_NAME,
                                                     .id = renaming.id,
                                                     .scope = SCOPE_OTHERS,
                                                     .waits = message->again,
                                                     .create = name,
                                                     .remove = leave,
                                                     .request = &renaming});
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * After a worker died in a generate or a delete: is the pair there and whole? Looked for by its id, and (generate.c
 * gives another id once the pair is there, and may have died between the two halves) by its nickname, which nobody
 * else had. What is left of a pair that is not whole is removed. Called by a session thread through
 * operation_run(); may run twice.
 */
#include <string.h>

#include "daemon/worker/ops/pair.h"

static bool is_id(const struct object *object, const void *id, size_t length)
{
        return object->id_length == length && memcmp(object->id, id, length) == 0;
}

enum whose {
        NOT_OURS,
        OURS,
        WHOSE_UNKNOWN, /* ours if we had come so far; as likely another host's */
};

/* Both halves under the label: ours if one has our id, which nobody else uses, and the other that or the one that
 * generate.c gives afterwards (it may have died between the two): makes the ids equal. Two of the latter say nothing. */
static CK_RV mend(struct operation *operation, const struct message_settle *message, CK_OBJECT_HANDLE private,
        CK_OBJECT_HANDLE public, enum whose *ret, struct wire_bytes *id)
{
        _cleanup_(object_freep) struct object *a = NULL, *b = NULL;
        struct session *session = operation->session;
        bool a_new, b_new, a_old, b_old;
        CK_RV rv = object_read(session, CKO_PRIVATE_KEY, private, &a);

        if (rv == CKR_OK)
                rv = object_read(session, CKO_PUBLIC_KEY, public, &b);
        if (rv == CKR_OK)
                rv = pair_id(session, public, (unsigned char *)(uintptr_t)id->data);
        if (rv != CKR_OK)
                return rv;
        a_new = is_id(a, id->data, id->length);
        b_new = is_id(b, id->data, id->length);
        a_old = is_id(a, message->id.data, message->id.length);
        b_old = is_id(b, message->id.data, message->id.length);
        *ret = (a_old && (b_old || b_new)) || (b_old && a_new) ? OURS
               : a_new && b_new                                ? WHOSE_UNKNOWN
                                                               : NOT_OURS;
        if (a_old && b_old)
                *id = message->id;
        else if (*ret == OURS) {
                if (!pair_set_id(session, private, public, *id, message->id))
                        return CKR_ATTRIBUTE_READ_ONLY;
                inventory_doubt(operation->inventory, CKO_PRIVATE_KEY, private);
                inventory_doubt(operation->inventory, CKO_PUBLIC_KEY, public);
        }
        return CKR_OK;
}

static CK_RV answer(struct operation *operation, uint64_t number)
{
        struct result *result = &operation->result;
        struct wire wire = {.data = result->payload, .size = sizeof(result->payload)};

        wire_put_u64(&wire, number);
        result->payload_length = wire.at;
        return CKR_OK;
}

/* The number of a whole pair in the inventory; 0: there is none. */
static uint64_t whole_pair(struct operation *operation, struct wire_bytes id, const char *nickname)
{
        CK_OBJECT_HANDLE handles[2];
        uint64_t number = inventory_find(operation->inventory, id, nickname);

        /* A key that was not made here may have its nickname from its certificate. */
        if (number == 0)
                number = inventory_find(operation->inventory, id, "");
        return number != 0 && inventory_pair(operation->inventory, number, handles, 2) == 2 ? number : 0;
}

static CK_RV refresh(struct operation *operation)
{
        return inventory_refresh(operation->inventory, operation->session, operation->report, false);
}

/* A pair under the nickname whose ids are those of a generate that did not end. *ret_number 0: there is none. */
static CK_RV find_by_nickname(struct operation *operation, const struct message_settle *message,
        uint64_t *ret_number, enum whose *ret)
{
        struct session *session = operation->session;
        unsigned char own[KEY_ID_LENGTH];
        struct wire_bytes id = wire_bytes(own, sizeof(own)), none = wire_bytes(NULL, 0);
        CK_OBJECT_HANDLE private[2], public[2];
        size_t n_private = 0, n_public = 0;
        CK_RV rv;

        *ret = NOT_OURS;
        *ret_number = 0;
        rv = pair_search(session, CKO_PRIVATE_KEY, none, message->nickname, private, 2, &n_private);
        if (rv == CKR_OK)
                rv = pair_search(session, CKO_PUBLIC_KEY, none, message->nickname, public, 2, &n_public);
        if (rv == CKR_OK && n_private == 1 && n_public == 1)
                rv = mend(operation, message, private[0], public[0], ret, &id);
        if (rv == CKR_OK && *ret == OURS)
                rv = refresh(operation);
        if (rv == CKR_OK && *ret == OURS)
                *ret_number = whole_pair(operation, id, message->nickname);
        return rv;
}

CK_RV settle_attempt(struct operation *operation, const void *request)
{
        const struct message_settle *message = request;
        enum whose whose = NOT_OURS;
        uint64_t number;
        CK_RV rv;

        if (message->id.length == 0 || message->id.length > LIMIT_KEY_ID || message->nickname[0] == '\0')
                return operation_answer(operation, REPLY_INVALID, "a nickname or an id that is none");
        rv = refresh(operation);
        if (rv != CKR_OK)
                return rv;
        number = whole_pair(operation, message->id, message->nickname);
        if (number == 0)
                rv = find_by_nickname(operation, message, &number, &whose);
        if (rv != CKR_OK)
                return rv;
        if (number != 0)
                return answer(operation, number);
        if (whose == WHOSE_UNKNOWN)
                return operation_answer(operation, REPLY_OUTCOME_UNKNOWN,
                        "there is a pair of this nickname, and it cannot be told who made it");
        rv = pair_remove(operation, message->id, message->nickname);
        if (rv == CKR_OK)
                rv = refresh(operation);
        return rv == CKR_OK ? operation_answer(operation, REPLY_KEY_GONE, "nothing of the pair is there")
                            : rv;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See seal-keys.h. */
#include "daemon/worker/secrets/seal-keys.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/log.h"
#include "daemon/util/secret-algorithm.h"
#include "daemon/worker/accel/accel.h"
#include "daemon/worker/claims/create-under-claim.h"
#include "daemon/worker/secrets/secret-object.h"

#define SEAL_LENGTH 32U /* AES-256, and a key as long as the hash of its MAC */

/* "tokend:seal:" and a name of the configuration. */
#define SEAL_LABEL_MAX 128U

/* One of the two, as it is made. */
struct seal_making {
        char label[SEAL_LABEL_MAX];
        uint8_t id[SEALED_ID];
        unsigned type; /* enum secret_type */
        bool wraps;    /* else it signs */
};

bool seal_keys_can(const struct slot_token *token)
{
        return accel_mechanism(token) != CKM_VENDOR_DEFINED &&
               slot_token_can(token, accel_mechanism(token), CKF_WRAP | CKF_UNWRAP) &&
               slot_token_can(token, CKM_SHA256_HMAC, CKF_SIGN) &&
               slot_token_can(token, CKM_AES_KEY_GEN, CKF_GENERATE) &&
               slot_token_can(token, CKM_GENERIC_SECRET_KEY_GEN, CKF_GENERATE);
}

CK_MECHANISM seal_keys_mechanism(const struct slot_token *token)
{
        return (CK_MECHANISM){accel_mechanism(token), NULL, 0};
}

/* ---- finding ---- */

/* Another program may have put a key on the token under this label: what could be read, or does more, seals nothing. */
static bool is_good(const struct inventory_key *key, bool wraps)
{
        const unsigned wanted = FLAG_SENSITIVE, unwanted = FLAG_EXTRACTABLE;
        unsigned usage = wraps ? USAGE_WRAP | USAGE_UNWRAP : USAGE_SIGN;

        return (key->flags & (wanted | unwanted)) == wanted && key->usage == usage &&
               key->size == SEAL_LENGTH && key->key_type == (wraps ? SECRET_AES : SECRET_GENERIC);
}

static void label_of(const char *instance, bool wraps, char ret[static SEAL_LABEL_MAX])
{
        snprintf(ret, SEAL_LABEL_MAX, OBJECT_RESERVED "%s:%s", wraps ? "seal" : "mac", instance);
}

/* 1: there is none. id.length 0: the one that seals now. */
static int find(struct operation *operation, const char *instance, bool wraps, struct wire_bytes id,
        struct inventory_key *ret, uint8_t ret_id[static SEALED_ID])
{
        char label[SEAL_LABEL_MAX];

        label_of(instance, wraps, label);
        if (!inventory_reserved(operation->inventory, label, id, SEALED_ID, ret, ret_id))
                return 1;
        if (is_good(ret, wraps))
                return 0;
        log_warning("token %s: tokend did not make the key %s, so instance %s can seal nothing: remove it",
                operation->session->token->config->name, label, instance);
        return operation_refused(
                operation, CKR_KEY_FUNCTION_NOT_PERMITTED, "tokend did not make the key %s", label);
}

/* ---- making ---- */

static int create(struct operation *operation, const void *request)
{
        const struct seal_making *making = request;
        struct secret_shape shape = {.type = making->type,
                .size = SEAL_LENGTH,
                .usage = making->wraps ? USAGE_WRAP | USAGE_UNWRAP : USAGE_SIGN};
        int r = secret_make_permanent(
                operation, &shape, making->label, wire_bytes(making->id, sizeof(making->id)));

        return r == 0 ? operation_renew(operation) : r;
}

static int remove_made(struct operation *operation, const void *request)
{
        const struct seal_making *making = request;

        return secret_remove(operation, wire_bytes(making->id, sizeof(making->id)), making->label);
}

/* Also 0 if another host made it meanwhile. */
static int make(struct operation *operation, const char *instance, bool wraps, bool again)
{
        struct slot_token *token = operation->session->token;
        struct seal_making making = {.type = wraps ? SECRET_AES : SECRET_GENERIC, .wraps = wraps};
        struct creation creation = {.nickname = making.label,
                .kind = CLAIM_SECRET,
                .id = wire_bytes(making.id, sizeof(making.id)),
                .waits = again,
                .create = create,
                .remove = remove_made,
                .request = &making};
        int r;

        label_of(instance, wraps, making.label);
        if (getrandom(making.id, sizeof(making.id), 0) != (ssize_t)sizeof(making.id))
                return -EIO;
        r = create_under_claim(operation, &creation);
        if (r == 0)
                log_notice("token %s: made the key %s", token->config->name, making.label);
        /* What a creation left is settled by the next worker, which gets the request again. */
        if (r == REPLY_OUTCOME_UNKNOWN && operation->ending)
                return operation_answer(
                        operation, REPLY_DEVICE_LOST, "the key that seals may have been made");
        if (r != REPLY_NICKNAME_EXISTS && r != REPLY_OUTCOME_UNKNOWN)
                return r;
        /* Another thread made it, or another host: then the look saw it, and the inventory may not have it yet. */
        return inventory_refresh(operation->inventory, operation->session, operation->report, false);
}

/* Another host made it, and the token hides from this process what others write (docs/tokens.md). The next worker sees it, and
 * gets the request again. */
static int hidden(struct operation *operation)
{
        (void)session_fail(operation->session, CKR_OBJECT_HANDLE_INVALID, "C_FindObjects");
        operation_end(operation, WORKER_END_ERROR, CKR_OBJECT_HANDLE_INVALID,
                "another host made a key that seals, and it is not seen here");
        return operation_answer(operation, REPLY_DEVICE_LOST, "the key that seals is not listed");
}

static int get(struct operation *operation, const char *instance, bool wraps, bool again,
        struct inventory_key *ret, uint8_t ret_id[static SEALED_ID])
{
        const struct wire_bytes any = {0};
        int r = find(operation, instance, wraps, any, ret, ret_id);

        if (r != 1)
                return r;
        r = make(operation, instance, wraps, again);
        if (r == 0)
                r = find(operation, instance, wraps, any, ret, ret_id);
        return r == 1 ? hidden(operation) : r;
}

int seal_keys_get(struct operation *operation, const char *instance, bool again, struct seal_keys *ret)
{
        int r;

        if (!seal_keys_can(operation->session->token))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token cannot seal keys");
        r = get(operation, instance, true, again, &ret->seal, ret->seal_id);
        return r == 0 ? get(operation, instance, false, again, &ret->mac, ret->mac_id) : r;
}

int seal_keys_of(struct operation *operation, const struct sealed *sealed, struct seal_keys *ret)
{
        int r;

        if (!seal_keys_can(operation->session->token))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token cannot seal keys");
        r = find(operation, sealed->instance, true, sealed->seal, &ret->seal, ret->seal_id);
        if (r == 0)
                r = find(operation, sealed->instance, false, sealed->mac, &ret->mac, ret->mac_id);
        return r == 1 ? operation_answer(operation, REPLY_NOT_OUR_SEAL, "the token has no such sealing key")
                      : r;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See private-key.h. */
#include "daemon/worker/ops/private-key.h"

#include "daemon/util/algorithm.h"
#include "daemon/util/ckm.h"
#include "daemon/worker/device/attribute.h"

/* Sets key->copy; it stays CK_INVALID_HANDLE if the token refuses, which is not an error. */
static int make_copy(struct operation *operation, struct inventory_key *key)
{
        struct session *session = operation->session;
        CK_ATTRIBUTE template = ATTRIBUTE_BOOL(CKA_TOKEN, false);
        CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
        int r = P11(session, C_CopyObject, session->handle, key->handle, &template, 1, &copy);

        if (session_class(session, r) == CKR_CLASS_SESSION || session_class(session, r) == CKR_CLASS_DEVICE)
                return r;
        if (r != 0)
                copy = CK_INVALID_HANDLE;
        if (inventory_set_copy(operation->inventory, key->number, copy))
                key->copy = copy;
        else
                session_destroy(session, copy); /* another thread was faster, or the key is gone */
        return 0;
}

int private_key_object(struct operation *operation, struct inventory_key *key, CK_OBJECT_HANDLE *ret)
{
        int r = 0;

        if (operation->session->token->internal && key->copy == CK_INVALID_HANDLE && !key->no_copy)
                r = make_copy(operation, key);
        if (r == 0)
                *ret = key->copy != CK_INVALID_HANDLE ? key->copy : key->handle;
        return r;
}

static bool can(struct operation *operation, const struct inventory_key *key, CK_MECHANISM_TYPE mechanism)
{
        return slot_token_has_mechanism(operation->session->token, mechanism) &&
               (!key->restricted || inventory_allows(operation->inventory, key->number, mechanism));
}

static int refuse_mechanism(struct operation *operation, const struct private_use *use)
{
        bool has = slot_token_has_mechanism(operation->session->token, use->mechanism);
        char name[CKM_TEXT];

        return operation_answer(operation, REPLY_NOT_SUPPORTED, "%s %s%s",
                has ? "the key may not be used (CKA_ALLOWED_MECHANISMS) with"
                    : "the token lacks the mechanism",
                ckm_text(use->mechanism, name),
                use->usage == USAGE_SIGN && !use->instead ? "; it may sign messages, which the device hashes"
                                                          : "");
}

/* *ret: the mechanism to use. */
static int check_key(struct operation *operation, const struct inventory_key *key,
        const struct private_use *use, CK_MECHANISM_TYPE *ret)
{
        if (!(key->usage & use->usage))
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the key may not %s", usage_name(use->usage));
        /* Each use would cost an attempt of the PIN: a wrong PIN would lock the token at once. */
        if (key->always_authenticate)
                return operation_answer(operation, REPLY_NOT_SUPPORTED,
                        "the key wants the PIN for each use (CKA_ALWAYS_AUTHENTICATE)");
        if (can(operation, key, use->mechanism))
                *ret = use->mechanism;
        else if (use->instead && can(operation, key, use->instead))
                *ret = use->instead;
        else
                return refuse_mechanism(operation, use);
        return 0;
}

static int run(struct operation *operation, struct inventory_key *key, const struct private_use *use)
{
        CK_MECHANISM_TYPE mechanism = use->mechanism;
        int r = check_key(operation, key, use, &mechanism);

        if (r != 0)
                return r;
        r = use->run(operation, key, mechanism, use->request);
        if (session_class(operation->session, r) == CKR_CLASS_SESSION && key->copy != CK_INVALID_HANDLE)
                inventory_forget_copy(operation->inventory, key->number, key->copy);
        return r;
}

int private_key_use(struct operation *operation, const struct private_use *use)
{
        struct result *result = &operation->result;
        struct inventory_key key;
        int r;

        for (;;) {
                if (!inventory_key(operation->inventory, use->number, &key))
                        return operation_answer(operation, REPLY_KEY_GONE, "there is no such key");
                r = run(operation, &key, use);
                if (r != 0 || inventory_has_still(operation->inventory, &key))
                        return r;
                explicit_bzero(result->payload, result->payload_length);
                result->payload_length = 0;
        }
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * GENERATE, and SETTLE after a worker died in one. Called by a session thread through operation_run().
 *
 * GENERATE: a new pair, made on the token with label, id and usage in its template, so that a crash leaves no nameless
 * key; what fails before the pair is there leaves nothing
 * of it.
 *
 * SETTLE: is the pair there and whole? Looked for by its id, and (GENERATE
 * gives another id once the pair is there, and may have died between the two halves) by its nickname, which nobody
 * else had. What is left of a pair that is not whole is removed. May run twice.
 */

#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/ckr.h"
#include "daemon/util/spki.h"
#include "daemon/util/text.h"
#include "daemon/worker/accel/accel.h"
#include "daemon/worker/claims/create-under-claim.h"
#include "daemon/worker/ops/pair.h"

/* CKR_OK with status REPLY_OK: go on. */
static CK_RV check(struct operation *operation, const struct message_generate *message)
{
        const struct key_type_info *type = key_type_info(message->key_type);
        if (!text_is_nickname(message->nickname, strlen(message->nickname)) || message->id.length == 0 ||
                message->id.length > LIMIT_KEY_ID)
                return operation_answer(operation, REPLY_INVALID, "a nickname or an id that is none");
        if (!type)
                return operation_answer(operation, REPLY_INVALID, "a key type that is none");
        if (message->key_type == KEY_RSA
                        ? message->size < LIMIT_RSA_BITS_MIN || message->size > LIMIT_RSA_BITS_MAX
                        : spki_curve_params(message->size).length == 0 ||
                                  (message->key_type == KEY_ED25519) != (message->size == 255))
                return operation_answer(operation, REPLY_INVALID, "a size that is none: %u", message->size);
        if (message->usage == 0 || (message->usage & ~type->usages) != 0)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "such a key has no such usage");
        if (message->loadable &&
                (!operation->session->token->config->accelerator || !wrap_can(operation->session->token)))
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the token loads no keys to an accelerator");
        if (message->loadable && !(message->usage & USAGE_SIGN))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "an accelerator only signs");
        if (!slot_token_has_mechanism(operation->session->token, type->generator))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token cannot make such a key");
        return CKR_OK;
}

struct template
{
        CK_ATTRIBUTE attributes[20];
        CK_ULONG n;
};

static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static void put(struct template *template, CK_ATTRIBUTE_TYPE type, const void *value, size_t length)
{
        template->attributes[template->n++] = (CK_ATTRIBUTE){type, (void *)(uintptr_t)value, length};
}

static void put_bool(struct template *template, CK_ATTRIBUTE_TYPE type, bool value)
{
        put(template, type, value ? &yes : &no, sizeof(CK_BBOOL));
}

static void put_names(struct template *template, const struct message_generate *message)
{
        put_bool(template, CKA_TOKEN, true);
        put(template, CKA_LABEL, message->nickname, strlen(message->nickname));
        put(template, CKA_ID, message->id.data, message->id.length);
}

static void fill_private(struct template *template, const struct message_generate *message, bool internal)
{
        put_names(template, message);
        put_bool(template, CKA_PRIVATE, true);
        put_bool(template, CKA_SENSITIVE, true);
        /* Wrapped alone, since it is sensitive. By whom is not for the token to say: the key that wraps is made for one copy,
         * and nobody could have marked it as trusted. */
        put_bool(template, CKA_EXTRACTABLE, message->loadable);
        if (message->loadable)
                put_bool(template, CKA_WRAP_WITH_TRUSTED, false);
        put_bool(template, CKA_SIGN, message->usage & USAGE_SIGN);
        put_bool(template, CKA_DECRYPT, message->usage & USAGE_DECRYPT);
        put_bool(template, CKA_UNWRAP, message->usage & USAGE_UNWRAP);
        put_bool(template, CKA_DERIVE, message->usage & USAGE_DERIVE);
        put_bool(template, CKA_SIGN_RECOVER, false);
        /* A token sets it by itself, and most refuse it here; softoken keeps what it is told, else false. */
        if (internal)
                put_bool(template, CKA_LOCAL, true);
}

static void fill_public(
        struct template *template, const struct message_generate *message, const CK_ULONG *bits)
{
        static const CK_BYTE exponent[] = {0x01, 0x00, 0x01};

        put_names(template, message);
        put_bool(template, CKA_PRIVATE, false);
        put_bool(template, CKA_VERIFY, message->usage & USAGE_SIGN);
        put_bool(template, CKA_ENCRYPT, message->usage & USAGE_DECRYPT);
        put_bool(template, CKA_WRAP, message->usage & USAGE_UNWRAP);
        put_bool(template, CKA_DERIVE, message->usage & USAGE_DERIVE);
        put_bool(template, CKA_VERIFY_RECOVER, false);
        if (message->key_type == KEY_RSA) {
                put(template, CKA_MODULUS_BITS, bits, sizeof(*bits));
                put(template, CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent));
        } else {
                struct der params = spki_curve_params(message->size);
                put(template, CKA_EC_PARAMS, params.data, params.length);
        }
}

static CK_RV make(struct session *session, const struct message_generate *message, CK_OBJECT_HANDLE *public,
        CK_OBJECT_HANDLE *private)
{
        CK_MECHANISM mechanism = {key_type_info(message->key_type)->generator, NULL, 0};
        struct template for_public = {.n = 0}, for_private = {.n = 0};
        CK_ULONG bits = message->size;
        CK_RV rv;

        fill_private(&for_private, message, session->token->internal);
        fill_public(&for_public, message, &bits);
        atomic_store(&session->call_limit_usec, session->token->config->generate_timeout_usec);
        rv = P11(session, C_GenerateKeyPair, session->handle, &mechanism, for_public.attributes, for_public.n,
                for_private.attributes, for_private.n, public, private);
        atomic_store(&session->call_limit_usec, session->token->config->timeout_usec);
        return rv;
}

static CK_RV answer(struct operation *operation, uint64_t number)
{
        struct result *result = &operation->result;
        struct wire wire = {.data = result->payload, .size = sizeof(result->payload)};

        wire_put_u64(&wire, number);
        result->payload_length = wire.at;
        return CKR_OK;
}

/* The number of the pair in the inventory is the answer. */
static CK_RV answer_made(
        struct operation *operation, const struct message_generate *message, struct wire_bytes id)
{
        uint64_t number;

        if (!pair_renew(operation))
                return CKR_OK;
        number = inventory_find(operation->inventory, id, message->nickname);
        if (number == 0)
                number = inventory_find(operation->inventory, message->id, message->nickname);
        if (number == 0)
                return operation_answer(operation, REPLY_OUTCOME_UNKNOWN,
                        "the pair was made, and the token does not list it");
        return answer(operation, number);
}

static CK_RV create(struct operation *operation, const void *request)
{
        const struct message_generate *message = request;
        struct session *session = operation->session;
        CK_OBJECT_HANDLE public, private;
        unsigned char own[KEY_ID_LENGTH];
        struct wire_bytes id = message->id;
        CK_RV rv;

        rv = make(session, message, &public, &private);
        if (rv != CKR_OK) {
                /* A device or a session that is lost is not asked now. */
                if (ckr_class(rv) == CKR_CLASS_DEVICE || ckr_class(rv) == CKR_CLASS_SESSION)
                        return rv;
                if (pair_remove(operation, message->id, message->nickname) != CKR_OK)
                        return operation_unknown(operation, rv, "a half of the pair may be left");
                return rv;
        }
        /* As NSS does it: certutil and Dogtag find a certificate's key by this id. A token that lets no id be
         * set keeps ours, which joins the two halves as well. */
        if (pair_id(session, public, own) == CKR_OK &&
                pair_set_id(session, private, public, wire_bytes(own, sizeof(own)), message->id))
                id = wire_bytes(own, sizeof(own));
        /* Another thread's renewal may have come in between. */
        inventory_doubt(operation->inventory, CKO_PRIVATE_KEY, private);
        inventory_doubt(operation->inventory, CKO_PUBLIC_KEY, public);
        return answer_made(operation, message, id);
}

static CK_RV remove_half(struct operation *operation, const void *request)
{
        const struct message_generate *message = request;

        return pair_remove(operation, message->id, message->nickname);
}

CK_RV generate_attempt(struct operation *operation, const void *request)
{
        const struct message_generate *message = request;
        struct slot_token *token = operation->session->token;
        const struct creation creation = {.nickname = message->nickname,
                .kind = CLAIM_PAIR,
                .id = message->id,
                .waits = message->again,
                .create = create,
                .remove = remove_half,
                .request = message};
        CK_RV rv = check(operation, message);

        if (rv != CKR_OK || operation->result.status != REPLY_OK)
                return rv;
        pthread_mutex_lock(&token->generate_lock);
        rv = create_under_claim(operation, &creation);
        pthread_mutex_unlock(&token->generate_lock);
        return rv;
}

/* ---- SETTLE ---- */

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
 * GENERATE gives afterwards (it may have died between the two): makes the ids equal. Two of the latter say nothing. */
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

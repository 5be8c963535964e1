/* SPDX-License-Identifier: MPL-2.0 */
/*
 * GENERATE: a new pair. Its label, id and usage are in the template, so that a crash leaves no key without a
 * name. What fails before the pair is there leaves nothing of it. SETTLE, after a worker died in a GENERATE:
 * is the pair there and complete? Called by a session thread through operation_run().
 */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/log.h"
#include "daemon/util/spki.h"
#include "daemon/util/text.h"
#include "daemon/worker/accel/accel.h"
#include "daemon/worker/claims/create-under-claim.h"
#include "daemon/worker/device/attribute.h"
#include "daemon/worker/ops/pair.h"

/* The broker has checked the same, but for what depends on the token. */
static int check(struct operation *operation, const struct message_generate *message)
{
        const struct slot_token *token = operation->session->token;
        const struct key_type_info *type = key_type_info(message->key_type);
        bool size_is_good;

        if (!text_is_nickname(message->nickname, strlen(message->nickname)))
                return operation_invalid(operation, "nickname", "invalid nickname");
        if (message->id.length == 0 || message->id.length > LIMIT_KEY_ID)
                return operation_invalid(operation, NULL, "an id of %zu bytes", message->id.length);
        if (!type)
                return operation_invalid(operation, "type", "unknown key type %u", message->key_type);
        if (message->key_type == KEY_RSA)
                size_is_good = message->size >= LIMIT_RSA_BITS_MIN && message->size <= LIMIT_RSA_BITS_MAX;
        else
                size_is_good = spki_curve_params(message->size).length > 0 &&
                               (message->key_type == KEY_ED25519) == (message->size == 255);
        if (!size_is_good)
                return operation_invalid(operation, "size", "unsupported key size %u", message->size);
        if (message->usage == 0 || (message->usage & ~type->usages) != 0)
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "a key of this type does not have this usage");
        if (message->loadable && (!token->config->accelerator || !accel_can_wrap(token)))
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the token cannot load keys into an accelerator");
        if (message->loadable && !(message->usage & USAGE_SIGN))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "an accelerator can only sign");
        if (!slot_token_has_mechanism(token, type->generator))
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the token cannot generate keys of this type");
        return 0;
}

/* ---- the pair ---- */

/* The attributes of make() that a template has in any case: those before the usages. */
#define ALWAYS_PUBLIC  4U
#define ALWAYS_PRIVATE 6U

/* A template without the usages that are said to be false. The first n_always attributes stay; returns how many
 * there are. */
static CK_ULONG without_false(CK_ATTRIBUTE *template, CK_ULONG n_always, CK_ULONG n)
{
        CK_ULONG kept = n_always;

        for (CK_ULONG i = n_always; i < n; i++)
                if (template[i].ulValueLen != sizeof(CK_BBOOL) ||
                        *(const CK_BBOOL *)template[i].pValue != CK_FALSE)
                        template[kept++] = template[i];
        return kept;
}

/* whole: what the key may not do is said, too. */
static int make(struct session *session, const struct message_generate *message, bool whole,
        CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
        static const CK_BYTE exponent[] = {0x01, 0x00, 0x01};
        CK_MECHANISM mechanism = {key_type_info(message->key_type)->generator, NULL, 0};
        struct der params = spki_curve_params(message->size);
        CK_ATTRIBUTE for_public[] = {
                ATTRIBUTE_BOOL(CKA_TOKEN, true),
                ATTRIBUTE_TEXT(CKA_LABEL, message->nickname),
                ATTRIBUTE_BYTES(CKA_ID, message->id),
                ATTRIBUTE_BOOL(CKA_PRIVATE, false),
                ATTRIBUTE_BOOL(CKA_VERIFY, message->usage & USAGE_SIGN),
                ATTRIBUTE_BOOL(CKA_ENCRYPT, message->usage & USAGE_DECRYPT),
                ATTRIBUTE_BOOL(CKA_WRAP, message->usage & USAGE_UNWRAP),
                ATTRIBUTE_BOOL(CKA_DERIVE, message->usage & USAGE_DERIVE),
                ATTRIBUTE_BOOL(CKA_VERIFY_RECOVER, false),
                {0},
                {0},
        };
        CK_ATTRIBUTE for_private[] = {
                ATTRIBUTE_BOOL(CKA_TOKEN, true),
                ATTRIBUTE_TEXT(CKA_LABEL, message->nickname),
                ATTRIBUTE_BYTES(CKA_ID, message->id),
                ATTRIBUTE_BOOL(CKA_PRIVATE, true),
                /* An extractable key leaves the token wrapped only, because it is sensitive. */
                ATTRIBUTE_BOOL(CKA_SENSITIVE, true),
                ATTRIBUTE_BOOL(CKA_EXTRACTABLE, message->loadable),
                ATTRIBUTE_BOOL(CKA_SIGN, message->usage & USAGE_SIGN),
                ATTRIBUTE_BOOL(CKA_DECRYPT, message->usage & USAGE_DECRYPT),
                ATTRIBUTE_BOOL(CKA_UNWRAP, message->usage & USAGE_UNWRAP),
                ATTRIBUTE_BOOL(CKA_DERIVE, message->usage & USAGE_DERIVE),
                ATTRIBUTE_BOOL(CKA_SIGN_RECOVER, false),
                {0},
                {0},
        };
        CK_ULONG n_public = ARRAY_SIZE(for_public) - 2, n_private = ARRAY_SIZE(for_private) - 2,
                 bits = message->size;

        if (message->key_type == KEY_RSA) {
                for_public[n_public++] = (CK_ATTRIBUTE)ATTRIBUTE(CKA_MODULUS_BITS, &bits, sizeof(bits));
                for_public[n_public++] =
                        (CK_ATTRIBUTE)ATTRIBUTE(CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent));
        } else {
                for_public[n_public++] = (CK_ATTRIBUTE)ATTRIBUTE_BYTES(CKA_EC_PARAMS, params);
        }
        /* The key that wraps is made for one copy, and nobody can have marked it as trusted. */
        if (message->loadable)
                for_private[n_private++] = (CK_ATTRIBUTE)ATTRIBUTE_BOOL(CKA_WRAP_WITH_TRUSTED, false);
        /* A token sets this itself, and most refuse it in a template. Softoken keeps what it is told, or
         * false. */
        if (session->token->internal)
                for_private[n_private++] = (CK_ATTRIBUTE)ATTRIBUTE_BOOL(CKA_LOCAL, true);
        if (!whole) {
                n_public = without_false(for_public, ALWAYS_PUBLIC, n_public);
                n_private = without_false(for_private, ALWAYS_PRIVATE, n_private);
        }
        return P11(session, C_GenerateKeyPair, session->handle, &mechanism, for_public, n_public, for_private,
                n_private, public, private);
}

/* make(), which may take long. */
static int make_slowly(struct session *session, const struct message_generate *message, bool whole,
        CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
        int r;

        atomic_store(&session->call_limit_usec, session->token->config->generate_timeout_usec);
        r = make(session, message, whole, public, private);
        atomic_store(&session->call_limit_usec, session->token->config->timeout_usec);
        return r;
}

/* What may as well be the answer to a template as to anything else. */
static bool is_vague(const struct session *session, int r)
{
        return session_class(session, r) == CKR_CLASS_VAGUE ||
               (r == CALL_FAILED && session->failed.ckr >= CKR_VENDOR_DEFINED);
}

static bool refuses_template(const struct session *session, int r)
{
        return is_vague(session, r) || session_said(session, r, CKR_TEMPLATE_INCONSISTENT) ||
               session_said(session, r, CKR_ATTRIBUTE_VALUE_INVALID) ||
               session_said(session, r, CKR_ATTRIBUTE_TYPE_INVALID) ||
               session_said(session, r, CKR_ATTRIBUTE_READ_ONLY) ||
               session_said(session, r, CKR_ARGUMENTS_BAD);
}

/* After a call that failed: nothing of the pair is left. Else the answer, or CALL_FAILED with the failure of that call
 * if the session is lost, too: then nothing more is asked. */
static int clear(struct operation *operation, const struct message_generate *message, int r)
{
        struct session *session = operation->session;
        struct failed_call failed = session->failed;
        enum ckr_class class = session_class(session, r);
        int cleared;

        if (class == CKR_CLASS_DEVICE || class == CKR_CLASS_SESSION)
                return r;
        cleared = pair_remove(operation, message->id, message->nickname, message->fixed_id);
        if (session_class(session, cleared) == CKR_CLASS_VAGUE) {
                usleep(OPERATION_BUSY_WAIT_USEC);
                cleared = pair_remove(operation, message->id, message->nickname, message->fixed_id);
        }
        session->failed = failed;
        return cleared == 0 ? 0 : operation_unknown(operation, r, "a half of the pair may be left");
}

/* After so many pairs it is no accident: what a token refuses costs it something (tpm2-pkcs11 leaves an object loaded). */
#define REFUSED_WHOLE 2U

/* Tokens differ in what they accept. Some refuse a usage that is said to be false, and some of those say so with a
 * vague error. That may also come of another process that wrote at the same moment, so after one the same is tried
 * once more before anything is left out, and at the end. 0; else as clear(), or an answer. */
static int make_as_accepted(struct operation *operation, const struct message_generate *message,
        CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
        static const struct {
                bool whole;
                useconds_t wait_usec; /* 0: in any case; else only after a vague error */
        } tries[] = {{true, 0}, {true, OPERATION_BUSY_WAIT_USEC}, {false, 0},
                {false, 4 * OPERATION_BUSY_WAIT_USEC}, {false, 10 * OPERATION_BUSY_WAIT_USEC}};
        struct session *session = operation->session;
        unsigned *n_refused = &session->token->n_refused_whole;
        int r = 0, cleared;

        for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
                if (tries[i].wait_usec > 0 && !is_vague(session, r))
                        continue;
                if (tries[i].whole && *n_refused >= REFUSED_WHOLE)
                        continue;
                usleep(tries[i].wait_usec);
                r = make_slowly(session, message, tries[i].whole, public, private);
                if (r == 0) {
                        *n_refused = tries[i].whole ? 0 : *n_refused + 1;
                        return 0;
                }
                cleared = clear(operation, message, r);
                if (cleared != 0)
                        return cleared;
                if (!refuses_template(session, r))
                        return r;
        }
        /* The token is well, and nothing is left: it is this request that it refuses. */
        return operation_refused(operation, session->failed.ckr, "the token refuses to make such a pair");
}

/* Whether the private key is as secret as it has to be. What the token does not tell is believed. */
static bool is_secret(
        struct session *session, const struct message_generate *message, CK_OBJECT_HANDLE private)
{
        CK_BBOOL sensitive = CK_TRUE, extractable = CK_FALSE;
        CK_ATTRIBUTE attributes[] = {
                ATTRIBUTE(CKA_SENSITIVE, &sensitive, sizeof(sensitive)),
                ATTRIBUTE(CKA_EXTRACTABLE, &extractable, sizeof(extractable)),
        };

        (void)P11(session, C_GetAttributeValue, session->handle, private, attributes, ARRAY_SIZE(attributes));
        return sensitive != CK_FALSE && (extractable == CK_FALSE || message->loadable);
}

static int remove_open(struct operation *operation, const struct message_generate *message)
{
        int r = pair_remove(operation, message->id, message->nickname, message->fixed_id);

        if (r != 0)
                return operation_unknown(
                        operation, r, "the token made a key that can be read, and it may be left");
        log_error("token %s: it made a key that is not sensitive, or that can be extracted, against the "
                  "template; the "
                  "key was destroyed",
                operation->session->token->config->name);
        return operation_refused(operation, CKR_TEMPLATE_INCONSISTENT,
                "the token made a key that is not sensitive, or that can be extracted; it was destroyed");
}

/* A token that was not told what a key may not do may let it do more than was asked for. The broker is told by ENTRY. */
static void log_surplus(struct operation *operation, const struct message_generate *message, uint64_t number)
{
        struct inventory_key key;

        if (inventory_key(operation->inventory, number, &key) && (key.usage & ~message->usage) != 0)
                log_notice("token %s: a new key may do more than was asked for, because the token accepts no "
                           "template that says less",
                        operation->session->token->config->name);
}

/* Brings the inventory up to date with the pair. Another thread may have read the halves before their ids were changed. */
static int renew_pair(struct operation *operation, CK_OBJECT_HANDLE public, CK_OBJECT_HANDLE private)
{
        inventory_doubt(operation->inventory, CKO_PRIVATE_KEY, private);
        inventory_doubt(operation->inventory, CKO_PUBLIC_KEY, public);
        return operation_renew(operation);
}

static uint64_t find_pair(
        struct operation *operation, const struct message_generate *message, struct wire_bytes id)
{
        uint64_t number = inventory_find(operation->inventory, id, message->nickname);

        return number != 0 ? number : inventory_find(operation->inventory, message->id, message->nickname);
}

/* The pair is there: its number in the inventory is the answer. While another process writes, SoftHSM may not show or not
 * give it for some time; and a renewal that goes on meanwhile puts what it has read into the inventory after our doubt. */
#define LIST_TRIES 5U

static int answer_made(struct operation *operation, const struct message_generate *message,
        struct wire_bytes id, CK_OBJECT_HANDLE public, CK_OBJECT_HANDLE private)
{
        uint64_t number = 0;
        int r;

        for (unsigned tries = 0; tries < LIST_TRIES && number == 0; tries++) {
                usleep(tries * OPERATION_BUSY_WAIT_USEC);
                r = renew_pair(operation, public, private);
                if (r != 0)
                        return r;
                number = find_pair(operation, message, id);
        }
        if (number == 0)
                return operation_answer(operation, REPLY_OUTCOME_UNKNOWN,
                        "the pair was generated, but the token does not list it");
        log_surplus(operation, message, number);
        return operation_answer_number(operation, number);
}

static int create(struct operation *operation, const void *request)
{
        const struct message_generate *message = request;
        struct session *session = operation->session;
        CK_OBJECT_HANDLE public, private;
        uint8_t own[KEY_ID_LENGTH];
        struct wire_bytes id = message->id;
        int r;

        /* The inventory has just been renewed. */
        if (message->fixed_id && inventory_has_id(operation->inventory, id))
                return operation_invalid(operation, "id", "another object of the token has it");
        r = make_as_accepted(operation, message, &public, &private);
        if (r != 0)
                return r;
        if (!is_secret(session, message, private))
                return remove_open(operation, message);
        /* The same id that NSS gives: certutil and Dogtag find the key of a certificate by it. A token that
         * does not let ids be changed keeps ours, which joins the two halves as well. */
        if (!message->fixed_id && pair_id(session, public, own) == 0 &&
                pair_set_id(session, private, public, wire_bytes(own, sizeof(own)), message->id))
                id = wire_bytes(own, sizeof(own));
        return answer_made(operation, message, id, public, private);
}

static int remove_half(struct operation *operation, const void *request)
{
        const struct message_generate *message = request;

        return pair_remove(operation, message->id, message->nickname, message->fixed_id);
}

int generate_attempt(struct operation *operation, const void *request)
{
        const struct message_generate *message = request;
        const struct creation creation = {.nickname = message->nickname,
                .kind = message->fixed_id ? CLAIM_PAIR_OF_ID : CLAIM_PAIR,
                .id = message->id,
                .waits = message->again,
                .create = create,
                .remove = remove_half,
                .request = message};
        int r = check(operation, message);

        return r == 0 ? create_under_claim(operation, &creation) : r;
}

int settle_attempt(struct operation *operation, const void *request)
{
        const struct message_settle *message = request;
        struct settled settled = {0};
        int r;

        if (message->nickname[0] == '\0')
                return operation_invalid(operation, "nickname", "the nickname is empty");
        if (message->id.length == 0 || message->id.length > LIMIT_KEY_ID)
                return operation_invalid(operation, NULL, "an id of %zu bytes", message->id.length);
        r = pair_settle(operation, message->nickname, message->id, message->fixed_id, &settled);
        if (r != 0)
                return r;
        if (settled.unknown)
                return operation_answer(operation, REPLY_OUTCOME_UNKNOWN,
                        "there is a pair of this nickname, and it is not known who generated it");
        if (settled.number == 0)
                return operation_answer(operation, REPLY_KEY_GONE, "nothing of the pair is on the token");
        return operation_answer_number(operation, settled.number);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See outcome.h. */
#include "daemon/broker/token/outcome.h"

#include <string.h>

#include "daemon/channel/sealed.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/secret-algorithm.h"
#include "daemon/util/spki.h"

/* Bytes of the tag that follows what AES-GCM encrypts. */
#define GCM_TAG 16U

/* ---- what may come back. A worker is not trusted. ---- */

/* A DER ECDSA-Sig-Value: two integers of at most the curve's bytes and one more for the sign, each with a header. */
static bool ecdsa_is_possible(unsigned bits, struct wire_bytes signature)
{
        size_t longest = 2 * ((bits + 7U) / 8U + 1 + 2) + 3;

        return signature.length >= 8 && signature.length <= longest && signature.data[0] == 0x30;
}

static bool signature_is_of(unsigned key_type, unsigned size, struct wire_bytes signature)
{
        switch (key_type) {
        case KEY_RSA:
                return signature.length == (size + 7U) / 8U;
        case KEY_EC:
                return ecdsa_is_possible(size, signature);
        default:
                return signature.length == 64;
        }
}

/* By the key of the token, or by the sealed one. */
static bool signature_is_possible(const struct op *op, struct wire_bytes signature)
{
        struct sealed sealed;

        if (op->kind != MESSAGE_TYPE_SIGN_SEALED)
                return signature_is_of(op->entry->key_type, op->entry->size, signature);
        return sealed_parse(op->input.sign_sealed.sealed, &sealed) &&
               signature_is_of(sealed.type == SECRET_RSA ? KEY_RSA : KEY_EC, sealed.size, signature);
}

/* What a sealed key that the op asks for is to be. */
struct asked_key {
        const char *instance;
        unsigned type, size, usage;
};

static struct asked_key asked_key(const struct op *op)
{
        const struct message_sealed_generate *generate = &op->input.sealed_generate;
        const struct message_unwrap *unwrap = &op->input.unwrap;
        const struct message_secret_derive *derive = &op->input.secret_derive;

        switch (op->kind) {
        case MESSAGE_TYPE_SEALED_GENERATE:
                return (struct asked_key){
                        generate->instance, generate->type, generate->size, generate->usage};
        case MESSAGE_TYPE_UNWRAP:
                return (struct asked_key){unwrap->instance, unwrap->type, unwrap->size, unwrap->usage};
        default:
                return (struct asked_key){derive->instance, derive->type, derive->size, derive->usage};
        }
}

static bool sealed_is_possible(const struct op *op, struct wire_bytes payload)
{
        struct wire wire = {.data = (uint8_t *)(uintptr_t)payload.data, .size = payload.length};
        struct wire_bytes bytes = wire_get_bytes(&wire), public = wire_get_bytes(&wire);
        struct asked_key asked = asked_key(op);
        struct sealed sealed;

        return !wire.bad && wire.at == wire.size && public.length <= LIMIT_SEALED &&
               sealed_parse(bytes, &sealed) && strcmp(sealed.instance, asked.instance) == 0 &&
               strcmp(sealed.token, op->token->name) == 0 && sealed.type == asked.type &&
               sealed.usage == asked.usage && (sealed.size == asked.size || asked.size == 0);
}

/* By how many bytes a cipher may make what it is given longer (encrypting) or shorter: at least, and at most. */
static void padding_of(const struct secret_algorithm_info *info, size_t length, bool decrypts,
        size_t *ret_least, size_t *ret_most)
{
        *ret_least = *ret_most = info->form == FORM_GCM ? GCM_TAG : 0;
        if (info->form != FORM_IV || info->unit > 1)
                return;
        *ret_least = decrypts ? 1 : info->iv_length - length % info->iv_length;
        *ret_most = decrypts ? info->iv_length : *ret_least;
}

static bool cipher_is_possible(const struct message_cipher *asked, size_t length)
{
        const struct secret_algorithm_info *info = secret_algorithm_info(asked->algorithm);
        size_t given = asked->data.length, least, most;

        padding_of(info, given, asked->decrypts, &least, &most);
        return asked->decrypts ? length + least <= given && length + most >= given
                               : length >= given + least && length <= given + most;
}

/* What RSA wraps is as long as the modulus, of which the key has no more bytes. Another key pads by a block at most, as the
 * sealing key did by 8 bytes and more. */
static bool wrapped_is_possible(const struct message_wrap *asked, size_t length)
{
        struct sealed sealed;

        if (asked->spki.length > 0)
                return length > 0 && length <= asked->spki.length;
        return length > 0 && sealed_parse(asked->secret, &sealed) && length <= sealed.wrapped.length + 16;
}

static uint64_t number_at(struct wire_bytes payload)
{
        struct wire wire = {.data = (uint8_t *)(uintptr_t)payload.data, .size = payload.length};

        return wire_get_u64(&wire);
}

/* Whether the payload of an OK reply can be an answer to this op. */
static bool is_possible(const struct op *op)
{
        struct wire_bytes payload = op->payload;

        switch (operation_info(op->kind)->answer) {
        case ANSWER_SIGNATURE:
                return signature_is_possible(op, payload);
        case ANSWER_PLAINTEXT:
                return payload.length < (op->entry->size + 7U) / 8U;
        case ANSWER_COORDINATE:
                return payload.length == (op->entry->size + 7U) / 8U;
        case ANSWER_FLAG:
                return payload.length == 1 && payload.data[0] <= 1;
        case ANSWER_RANDOM:
                return payload.length == op->input.random.length;
        case ANSWER_DER:
                return payload.length > 2 && payload.data[0] == 0x30;
        case ANSWER_KEY:
        case ANSWER_CERTIFICATE:
        case ANSWER_SECRET:
                return payload.length == sizeof(uint64_t);
        case ANSWER_SEALED:
                return sealed_is_possible(op, payload);
        case ANSWER_WRAPPED:
                return wrapped_is_possible(&op->input.wrap, payload.length);
        case ANSWER_CIPHERED:
                return cipher_is_possible(&op->input.cipher, payload.length);
        case ANSWER_COPY:
                return payload.length == 2 * sizeof(uint64_t);
        case ANSWER_NOTHING:
                return true;
        }
        return false;
}

/* ---- what was made ---- */

/* Whether the certificate is the one that the op was to put on the token. */
static bool made_by(const struct op *op, const struct entry *entry)
{
        struct der spki;

        if (entry->kind != OBJECT_CERTIFICATE)
                return false;
        if (op->kind == MESSAGE_TYPE_IMPORT) {
                struct wire_bytes ours = op->input.import.der;

                return strcmp(entry->nickname, op->input.import.nickname) == 0 &&
                       entry->der_length == ours.length && memcmp(entry->der, ours.data, ours.length) == 0;
        }
        /* Self-signed: by the key itself, and the nickname is the key's. */
        return strcmp(entry->nickname, op->entry->nickname) == 0 &&
               strcmp(entry->subject, entry->issuer) == 0 &&
               spki_of_certificate((struct der){entry->der, entry->der_length}, &spki) &&
               spki_is_same(spki, (struct der){op->entry->der, op->entry->der_length});
}

/* The certificate that an import or a self-signing whose worker died was to make; NULL: it is not there. Nothing else bore
 * its nickname before, but what it was to replace. */
static struct entry *certificate_of(const struct token *token, const struct op *op)
{
        const char *nickname =
                op->kind == MESSAGE_TYPE_IMPORT ? op->input.import.nickname : op->entry->nickname;
        struct entry *entry = NULL;

        while ((entry = directory_nickname(token->directory, nickname, entry)))
                if (made_by(op, entry))
                        return entry;
        return NULL;
}

static void set_made(struct op *op, struct entry *entry)
{
        struct entry *old = op->made;

        op->made = entry ? entry_ref(entry) : NULL;
        entry_unref(old);
}

static bool is_generated(const struct message_generate *asked, const struct entry *entry)
{
        return strcmp(entry->label, asked->nickname) == 0 && entry->key_type == asked->key_type &&
               entry->size == asked->size &&
               (!asked->fixed_id ||
                       bytes_equal(entry->id, entry->id_length, asked->id.data, asked->id.length));
}

/* Whether it is the key that was to have this nickname, and has it. */
static bool is_renamed(const struct op *op, const struct entry *entry)
{
        const struct entry *old = op->entry;

        return entry->kind == OBJECT_KEY && strcmp(entry->nickname, op->input.rename.nickname) == 0 &&
               bytes_equal(entry->id, entry->id_length, old->id, old->id_length) &&
               bytes_equal(entry->der, entry->der_length, old->der, old->der_length);
}

/* The key that the worker says was made, or named, by its number: an entry that came before this reply. The CKA_ID of a new one is
 * the token's word, unless it was chosen: the worker gives it the one that NSS would. */
int outcome_take_key(struct token *token, struct op *op)
{
        struct entry *entry = directory_number(token->directory, number_at(op->payload));

        if (!entry || entry->kind != OBJECT_KEY ||
                !(op->kind == MESSAGE_TYPE_RENAME ? is_renamed(op, entry)
                                                  : is_generated(&op->input.generate, entry)))
                return -EBADMSG;
        set_made(op, entry);
        return 0;
}

/* The certificate that the worker says was put on the token, likewise. */
static int take_certified(struct token *token, struct op *op)
{
        struct entry *entry = directory_number(token->directory, number_at(op->payload));

        if (!entry || !made_by(op, entry))
                return -EBADMSG;
        set_made(op, entry);
        return 0;
}

/* The secret that an op made, or whose worker died over it: it has the op's own id. */
static bool secret_made_by(const struct op *op, const struct entry *entry)
{
        const struct message_secret_generate *asked = &op->input.secret_generate;

        return entry->kind == OBJECT_SECRET && strcmp(entry->nickname, asked->nickname) == 0 &&
               entry->key_type == asked->type && entry->size == asked->size &&
               bytes_equal(entry->id, entry->id_length, asked->id.data, asked->id.length);
}

static int take_secret(struct token *token, struct op *op)
{
        struct entry *entry = directory_number(token->directory, number_at(op->payload));

        if (!entry || !secret_made_by(op, entry))
                return -EBADMSG;
        set_made(op, entry);
        return 0;
}

static struct entry *secret_of(const struct token *token, const struct op *op)
{
        struct entry *entry = NULL;

        while ((entry = directory_nickname(token->directory, op->input.secret_generate.nickname, entry)))
                if (secret_made_by(op, entry))
                        return entry;
        return NULL;
}

int outcome_take(struct token *token, struct op *op)
{
        if (!is_possible(op))
                return -EBADMSG;
        switch (operation_info(op->kind)->answer) {
        case ANSWER_KEY:
                return outcome_take_key(token, op);
        case ANSWER_CERTIFICATE:
                return take_certified(token, op);
        case ANSWER_SECRET:
                return take_secret(token, op);
        default:
                return 0;
        }
}

/* ---- what became of an op whose worker died ---- */

bool outcome_is_done(struct token *token, struct op *op)
{
        const struct message_unclaim *unclaim = &op->input.unclaim;
        struct entry *entry;

        switch (op->kind) {
        case MESSAGE_TYPE_CERT_DELETE:
        case MESSAGE_TYPE_SECRET_DELETE:
                return !directory_same_key(token->directory, op->entry);
        case MESSAGE_TYPE_RENAME:
                entry = NULL;
                while ((entry = directory_nickname(token->directory, op->input.rename.nickname, entry)))
                        if (is_renamed(op, entry))
                                break;
                set_made(op, entry);
                return entry != NULL;
        case MESSAGE_TYPE_UNCLAIM:
                return token->claims.known &&
                       !claims_have(&token->claims, unclaim->nickname, unclaim->claimant);
        case MESSAGE_TYPE_SECRET_GENERATE:
                entry = secret_of(token, op);
                set_made(op, entry);
                return entry != NULL;
        default:
                entry = certificate_of(token, op);
                for (size_t i = 0; i < op->n_replaced; i++)
                        if (directory_current(token->directory, op->replaced[i]))
                                entry = NULL;
                set_made(op, entry);
                return entry != NULL;
        }
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * io.tokend.Secrets: what is done with secret and sealed keys: Unwrap, Wrap, Derive, Encrypt, Decrypt and Sign. What a sealed key says
 * of itself is believed by the worker alone, once it has proved it: so whether an algorithm fits the key is decided there.
 */
#include "daemon/broker/methods/sealed-steps.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/secret-algorithm.h"
#include "gen/proto/enums.h"

static struct wire_bytes bytes_of(const struct field_bytes *bytes)
{
        return wire_bytes(bytes->data, bytes->length);
}

static const char *does_reason(enum secret_does does)
{
        switch (does) {
        case DOES_WRAP:
                return "expected one of " SECRETS_WRAP_ALGORITHM_WORDS;
        case DOES_CIPHER:
                return "expected one of " SECRETS_CIPHER_ALGORITHM_WORDS;
        case DOES_DERIVE:
                return "expected one of " SECRETS_DERIVE_ALGORITHM_WORDS;
        }
        return "";
}

/* Its number; 0: there is no such algorithm, and the op has failed. */
static unsigned take_algorithm(struct op *op, const char *name, enum secret_does does)
{
        unsigned algorithm = secret_algorithm_from_name(name, does);

        op->algorithm = name;
        if (algorithm == 0)
                op_invalid(op, "algorithm", does_reason(does));
        return algorithm;
}

static void set_deadline(struct op *op, int64_t timeout_ms)
{
        op->deadline_usec = op->received_usec + (uint64_t)timeout_ms * USEC_PER_MSEC;
}

/* What a key of the token is, that the algorithm uses. */
static enum object_kind kind_of(unsigned algorithm)
{
        unsigned types = secret_algorithm_info(algorithm)->key_types;

        return types & (SECRET_BIT(SECRET_RSA) | SECRET_BIT(SECRET_EC)) ? OBJECT_KEY : OBJECT_SECRET;
}

/* ---- Unwrap ---- */

void secrets_unwrap(struct op *op)
{
        const struct secrets_unwrap_parameters *p = (void *)op->parameters;
        unsigned algorithm = take_algorithm(op, p->algorithm, DOES_WRAP);
        struct sealed_names names;
        struct wanted_key wanted;

        if (algorithm == 0 || !op_take_template(op, &p->template, false, &wanted))
                return;
        set_deadline(op, p->timeout_ms);
        op->invalid = "wrapped";
        if (!op_may(op, RIGHT_UNWRAP) || !op_take_sealed(op, p->key, NULL, &names) ||
                !op_find_used(op, p->key, kind_of(algorithm), &names, secrets_unwrap))
                return;
        op->kind = MESSAGE_TYPE_UNWRAP;
        op->input.unwrap = (struct message_unwrap){.instance = names.instance,
                .sealed = names.key,
                .algorithm = (uint8_t)algorithm,
                .iv = bytes_of(&p->iv),
                .label = bytes_of(&p->label),
                .wrapped = bytes_of(&p->wrapped),
                .type = wanted.type,
                .size = wanted.size,
                .usage = wanted.usage};
        op_submit(op, op_finish_sealed);
}

enum render secrets_unwrap_render(struct op *op, struct output *output)
{
        struct wire_bytes public = {0};

        if (!op_put_sealed(op, &public))
                output->failed = true;
        secrets_unwrap_reply_put(
                output, &(struct secrets_unwrap_reply){op->reply_text, public.length > 0 ? &public : NULL});
        return RENDER_LAST;
}

/* ---- Wrap ---- */

/* What wraps: a public key, of the caller or of a key on the token; or a secret key. */
static bool find_wrapping(
        struct op *op, unsigned algorithm, const struct sealed_names *names, struct wire_bytes *ret_spki)
{
        const struct secrets_wrap_parameters *p = (void *)op->parameters;
        enum object_kind kind = kind_of(algorithm);

        *ret_spki = bytes_of(&p->public_key);
        if (p->public_key.data) {
                op->key = "";
                return true;
        }
        if (!op_find_used(op, p->key, kind, names, secrets_wrap))
                return false;
        if (kind != OBJECT_KEY || names->key.length > 0)
                return true;
        *ret_spki = wire_bytes(op->entry->der, op->entry->der_length);
        if (op->entry->der_length > 0)
                return true;
        op_refuse(op, END_NOT_SUPPORTED);
        return false;
}

void secrets_wrap(struct op *op)
{
        const struct secrets_wrap_parameters *p = (void *)op->parameters;
        unsigned algorithm = take_algorithm(op, p->algorithm, DOES_WRAP);
        struct sealed_names names;
        struct wire_bytes spki;

        if (algorithm == 0)
                return;
        if ((p->key != NULL) == (p->public_key.data != NULL)) {
                op_invalid(op, p->key ? "publicKey" : "key", "expected exactly one of key and publicKey");
                return;
        }
        set_deadline(op, p->timeout_ms);
        op->invalid = "secret";
        if (!op_may(op, RIGHT_WRAP) || !op_take_sealed(op, p->key, p->secret, &names))
                return;
        /* A key that lies on a token is never wrapped. */
        if (names.other.length == 0) {
                op_invalid(op, "secret", "expected a sealed key: what lies on a token is never wrapped");
                return;
        }
        if (!find_wrapping(op, algorithm, &names, &spki))
                return;
        op->kind = MESSAGE_TYPE_WRAP;
        op->input.wrap = (struct message_wrap){.instance = names.instance,
                .sealed = names.key,
                .spki = spki,
                .algorithm = (uint8_t)algorithm,
                .iv = bytes_of(&p->iv),
                .label = bytes_of(&p->label),
                .secret = names.other};
        op_submit(op, op_finish_payload);
}

enum render secrets_wrap_render(struct op *op, struct output *output)
{
        secrets_wrap_reply_put(output, &(struct secrets_wrap_reply){wire_bytes(op->result, op->n_result)});
        return RENDER_LAST;
}

/* ---- Derive ---- */

/* Whether the parameters are those that the algorithm has; else the op has failed. */
static bool check_derive(struct op *op, const struct secrets_derive_parameters *p, enum secret_form form)
{
        const char *wrong = NULL;

        if ((form == FORM_DATA) != (p->data.data != NULL))
                wrong = "data";
        else if ((form == FORM_KEY) != (p->other != NULL))
                wrong = "other";
        else if ((form == FORM_ECDH) != (p->public_key.data != NULL))
                wrong = "publicKey";
        else if (form != FORM_BIT && p->bit > 0)
                wrong = "bit";
        return !wrong || op_invalid(op, wrong,
                                 "the algorithms that encrypt data take data, concatenate other, ecdh "
                                 "publicKey and extract bit, "
                                 "and each takes nothing else");
}

void secrets_derive(struct op *op)
{
        const struct secrets_derive_parameters *p = (void *)op->parameters;
        unsigned algorithm = take_algorithm(op, p->algorithm, DOES_DERIVE);
        struct sealed_names names;
        struct wanted_key wanted;

        if (algorithm == 0 || !check_derive(op, p, secret_algorithm_info(algorithm)->form) ||
                !op_take_template(op, &p->template, false, &wanted))
                return;
        if (secret_type_info(wanted.type)->is_private) {
                op_invalid(op, "template", "type: no private key can be derived");
                return;
        }
        set_deadline(op, p->timeout_ms);
        op->invalid = "template";
        if (!op_may(op, RIGHT_DERIVE) || !op_take_sealed(op, p->key, p->other, &names))
                return;
        if (p->other && names.other.length == 0) {
                op_invalid(op, "other", "expected a sealed key");
                return;
        }
        if (!op_find_used(op, p->key, kind_of(algorithm), &names, secrets_derive))
                return;
        op->kind = MESSAGE_TYPE_SECRET_DERIVE;
        op->input.secret_derive = (struct message_secret_derive){.instance = names.instance,
                .sealed = names.key,
                .algorithm = (uint8_t)algorithm,
                .data = bytes_of(&p->data),
                .bit = (uint64_t)p->bit,
                .other = names.other,
                .spki = bytes_of(&p->public_key),
                .type = wanted.type,
                .size = wanted.size,
                .usage = wanted.usage};
        op_submit(op, op_finish_sealed);
}

enum render secrets_derive_render(struct op *op, struct output *output)
{
        struct wire_bytes public;

        if (!op_put_sealed(op, &public))
                output->failed = true;
        secrets_derive_reply_put(output, &(struct secrets_derive_reply){op->reply_text});
        return RENDER_LAST;
}

/* ---- Encrypt, Decrypt ---- */

struct cipher_call {
        const char *key, *algorithm;
        const struct field_bytes *iv, *aad, *data;
        bool decrypts;
        void (*again)(struct op *op);
};

static void cipher(struct op *op, const struct cipher_call *call)
{
        unsigned algorithm = take_algorithm(op, call->algorithm, DOES_CIPHER);
        struct sealed_names names;

        if (algorithm == 0)
                return;
        op->invalid = call->decrypts ? "ciphertext" : "plaintext";
        if (!op_may(op, call->decrypts ? RIGHT_DECRYPT : RIGHT_ENCRYPT) ||
                !op_take_sealed(op, call->key, NULL, &names) ||
                !op_find_used(op, call->key, OBJECT_SECRET, &names, call->again))
                return;
        op->kind = MESSAGE_TYPE_CIPHER;
        op->input.cipher = (struct message_cipher){.instance = names.instance,
                .sealed = names.key,
                .algorithm = (uint8_t)algorithm,
                .decrypts = call->decrypts,
                .iv = bytes_of(call->iv),
                .aad = bytes_of(call->aad),
                .data = bytes_of(call->data)};
        op_submit(op, op_finish_payload);
}

void secrets_encrypt(struct op *op)
{
        const struct secrets_encrypt_parameters *p = (void *)op->parameters;

        set_deadline(op, p->timeout_ms);
        cipher(op, &(struct cipher_call){
                           p->key, p->algorithm, &p->iv, &p->aad, &p->plaintext, false, secrets_encrypt});
}

enum render secrets_encrypt_render(struct op *op, struct output *output)
{
        secrets_encrypt_reply_put(
                output, &(struct secrets_encrypt_reply){wire_bytes(op->result, op->n_result)});
        return RENDER_LAST;
}

void secrets_decrypt(struct op *op)
{
        const struct secrets_decrypt_parameters *p = (void *)op->parameters;

        set_deadline(op, p->timeout_ms);
        cipher(op, &(struct cipher_call){
                           p->key, p->algorithm, &p->iv, &p->aad, &p->ciphertext, true, secrets_decrypt});
}

enum render secrets_decrypt_render(struct op *op, struct output *output)
{
        secrets_decrypt_reply_put(
                output, &(struct secrets_decrypt_reply){wire_bytes(op->result, op->n_result)});
        return RENDER_LAST;
}

/* ---- Sign ---- */

void secrets_sign(struct op *op)
{
        const struct secrets_sign_parameters *p = (void *)op->parameters;
        unsigned algorithm = algorithm_from_name(p->algorithm);
        struct sealed_names names;

        if (algorithm == 0) {
                op_invalid(op, "algorithm", "expected one of " KEYS_SIGNATURE_ALGORITHM_WORDS);
                return;
        }
        if (!p->digest.data == !p->message.data) {
                op_invalid(op, p->message.data ? "message" : "digest", INPUT_REASON);
                return;
        }
        if (p->message.data && !algorithm_takes_message(algorithm)) {
                op_invalid(op, "message", "this algorithm takes a digest");
                return;
        }
        set_deadline(op, p->timeout_ms);
        op->algorithm = p->algorithm;
        op->invalid = p->digest.data ? "digest" : "message";
        if (!op_may(op, RIGHT_SIGN) || (algorithm_is_raw(algorithm) && !op_may(op, RIGHT_SIGN_RAW)) ||
                !op_take_sealed(op, p->key, NULL, &names))
                return;
        /* A key of the token signs with io.tokend.Keys.Sign. */
        if (names.key.length == 0) {
                op_invalid(
                        op, "key", "expected a sealed key: one of the token signs with io.tokend.Keys.Sign");
                return;
        }
        op->kind = MESSAGE_TYPE_SIGN_SEALED;
        op->input.sign_sealed = (struct message_sign_sealed){.instance = names.instance,
                .sealed = names.key,
                .algorithm = (uint8_t)algorithm,
                .prehashed = p->digest.data != NULL,
                .data = bytes_of(p->digest.data ? &p->digest : &p->message)};
        op_submit(op, op_finish_payload);
}

enum render secrets_sign_render(struct op *op, struct output *output)
{
        secrets_sign_reply_put(output, &(struct secrets_sign_reply){wire_bytes(op->result, op->n_result)});
        return RENDER_LAST;
}

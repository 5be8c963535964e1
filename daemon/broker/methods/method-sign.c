/* SPDX-License-Identifier: MPL-2.0 */
/* io.tokend.Keys: Sign, Verify and Random. What does not fit the key is refused here, before the device is asked. */
#include "daemon/broker/methods/steps.h"
#include "daemon/util/algorithm.h"
#include "gen/broker/methods/methods.h"
#include "gen/proto/enums.h"

#define DIGEST_REASON "it is not as long as a digest of the algorithm"

/* What is signed, as the caller gave it; else the op has failed. */
static bool take_input(struct op *op, const char *algorithm, const struct field_bytes *digest,
        const struct field_bytes *message, unsigned *ret_algorithm)
{
        unsigned number = algorithm_from_name(algorithm);

        if (number == 0)
                return op_invalid(op, "algorithm", "expected one of " KEYS_SIGNATURE_ALGORITHM_WORDS);
        if (digest->data && number == ED25519)
                return op_invalid(op, "digest", "ed25519 takes a message");
        if (!digest->data == !message->data)
                return op_invalid(op, number == ED25519 ? "message" : "digest", INPUT_REASON);
        if (message->data && !algorithm_takes_message(number))
                return op_invalid(op, "message", "this algorithm takes a digest");
        op->algorithm = algorithm;
        *ret_algorithm = number;
        return true;
}

/* Whether a digest, if there is one, is of a length that the algorithm takes with such a key (NULL: not known). */
static bool digest_fits(unsigned algorithm, const struct field_bytes *digest, const struct entry *key)
{
        return !digest->data ||
               algorithm_takes_digest(algorithm, key ? key->size : LIMIT_SIGNATURE * 8U, digest->length);
}

static struct wire_bytes bytes_of(const struct field_bytes *bytes)
{
        return wire_bytes(bytes->data, bytes->length);
}

/* ---- Sign ---- */

void keys_sign(struct op *op)
{
        const struct keys_sign_parameters *p = (void *)op->parameters;
        unsigned algorithm;

        if (!take_input(op, p->algorithm, &p->digest, &p->message, &algorithm))
                return;
        op->invalid = p->digest.data ? "digest" : "message";
        op->deadline_usec = op->received_usec + (uint64_t)p->timeout_ms * USEC_PER_MSEC;
        if (!op_find_key(op, p->key, "key", keys_sign) || !op_may(op, RIGHT_SIGN) ||
                (algorithm_is_raw(algorithm) && !op_may(op, RIGHT_SIGN_RAW)))
                return;
        if (!op_key_is_fit(op, algorithm_fits(algorithm, op->entry->key_type, op->entry->size), USAGE_SIGN))
                return;
        if (!digest_fits(algorithm, &p->digest, op->entry)) {
                op_invalid(op, "digest", DIGEST_REASON);
                return;
        }
        if (p->salt_length >= 0 &&
                !algorithm_takes_salt(algorithm, op->entry->size, (size_t)p->salt_length)) {
                op_invalid(op, "saltLength",
                        "expected the length of a salt of rsa_pss that the key has room for");
                return;
        }
        op->kind = MESSAGE_TYPE_SIGN;
        op->input.sign = (struct message_sign){.algorithm = (uint8_t)algorithm,
                .prehashed = p->digest.data != NULL,
                .salted = p->salt_length >= 0,
                .salt = p->salt_length >= 0 ? (uint32_t)p->salt_length : 0,
                .data = bytes_of(p->digest.data ? &p->digest : &p->message)};
        op_submit(op, op_finish_payload);
}

enum render keys_sign_render(struct op *op, struct output *output)
{
        keys_sign_reply_put(output, &(struct keys_sign_reply){wire_bytes(op->result, op->n_result)});
        return RENDER_LAST;
}

/* ---- Verify ---- */

/* By the key's own public half, or by the public key that the caller gave. */
void keys_verify(struct op *op)
{
        const struct keys_verify_parameters *p = (void *)op->parameters;
        const struct entry *key;
        unsigned algorithm;

        if (!p->key == !p->public_key.data) {
                op_invalid(op, p->key ? "publicKey" : "key", "expected exactly one of key and publicKey");
                return;
        }
        if (!take_input(op, p->algorithm, &p->digest, &p->message, &algorithm))
                return;
        op->invalid = p->key ? "signature" : "publicKey";
        op->key = "";
        if (p->key && !op_find_key(op, p->key, "key", keys_verify))
                return;
        if (!op_may(op, RIGHT_VERIFY) || (!p->key && !op_find_token(op, NULL)))
                return;
        key = op->entry;
        if (key && (!algorithm_fits(algorithm, key->key_type, key->size) || key->der_length == 0)) {
                op_refuse(op, END_NOT_SUPPORTED);
                return;
        }
        if (!digest_fits(algorithm, &p->digest, key)) {
                op_invalid(op, "digest", DIGEST_REASON);
                return;
        }
        op->kind = MESSAGE_TYPE_VERIFY;
        op->input.verify = (struct message_verify){
                .spki = key ? wire_bytes(key->der, key->der_length) : bytes_of(&p->public_key),
                .algorithm = (uint8_t)algorithm,
                .prehashed = p->digest.data != NULL,
                .data = bytes_of(p->digest.data ? &p->digest : &p->message),
                .signature = bytes_of(&p->signature)};
        op_submit(op, op_finish_payload);
}

enum render keys_verify_render(struct op *op, struct output *output)
{
        keys_verify_reply_put(output, &(struct keys_verify_reply){op->result[0] != 0});
        return RENDER_LAST;
}

/* ---- Random ---- */

void keys_random(struct op *op)
{
        const struct keys_random_parameters *p = (void *)op->parameters;

        if (!op_may(op, RIGHT_RANDOM) || !op_find_token(op, NULL))
                return;
        op->key = op->algorithm = "";
        op->invalid = "length";
        op->kind = MESSAGE_TYPE_RANDOM;
        op->input.random = (struct message_random){.length = (uint32_t)p->length};
        op_submit(op, op_finish_payload);
}

enum render keys_random_render(struct op *op, struct output *output)
{
        keys_random_reply_put(output, &(struct keys_random_reply){wire_bytes(op->result, op->n_result)});
        return RENDER_LAST;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* io.tokend.Keys: Decrypt and Derive. What they give is secret; the table of methods says so, and whoever holds it wipes it. */
#include "daemon/broker/methods/steps.h"
#include "daemon/util/decryption.h"
#include "gen/broker/methods/methods.h"
#include "gen/proto/enums.h"

/* ---- Decrypt ---- */

void keys_decrypt(struct op *op)
{
        const struct keys_decrypt_parameters *p = (void *)op->parameters;
        unsigned decryption = decryption_from_name(p->algorithm);

        if (decryption == 0) {
                op_invalid(op, "algorithm", "expected one of " KEYS_DECRYPTION_ALGORITHM_WORDS);
                return;
        }
        if (p->label.length > 0 && decryption_info(decryption)->hash == HASH_NONE) {
                op_invalid(op, "label", "rsa_pkcs1 takes no label");
                return;
        }
        op->algorithm = p->algorithm;
        op->invalid = "ciphertext";
        op->deadline_usec = op->received_usec + (uint64_t)p->timeout_ms * USEC_PER_MSEC;
        if (!op_find_key(op, p->key, "key", keys_decrypt) || !op_may(op, RIGHT_DECRYPT))
                return;
        if (!op_key_is_fit(
                    op, decryption_fits(decryption, op->entry->key_type, op->entry->size), USAGE_DECRYPT))
                return;
        if (p->ciphertext.length != (op->entry->size + 7U) / 8U) {
                op_invalid(op, "ciphertext", "expected as many bytes as the modulus of the key has");
                return;
        }
        op->kind = MESSAGE_TYPE_DECRYPT;
        op->input.decrypt = (struct message_decrypt){.decryption = (uint8_t)decryption,
                .label = wire_bytes(p->label.data, p->label.length),
                .ciphertext = wire_bytes(p->ciphertext.data, p->ciphertext.length)};
        op_submit(op, op_finish_payload);
}

enum render keys_decrypt_render(struct op *op, struct output *output)
{
        keys_decrypt_reply_put(output, &(struct keys_decrypt_reply){wire_bytes(op->result, op->n_result)});
        return RENDER_LAST;
}

/* ---- Derive ---- */

void keys_derive(struct op *op)
{
        const struct keys_derive_parameters *p = (void *)op->parameters;

        op->algorithm = "ecdh";
        op->invalid = "publicKey";
        op->deadline_usec = op->received_usec + (uint64_t)p->timeout_ms * USEC_PER_MSEC;
        if (!op_find_key(op, p->key, "key", keys_derive) || !op_may(op, RIGHT_DERIVE))
                return;
        if (!op_key_is_fit(op, op->entry->key_type == KEY_EC, USAGE_DERIVE))
                return;
        op->kind = MESSAGE_TYPE_DERIVE;
        op->input.derive =
                (struct message_derive){.peer = wire_bytes(p->public_key.data, p->public_key.length)};
        op_submit(op, op_finish_payload);
}

enum render keys_derive_render(struct op *op, struct output *output)
{
        keys_derive_reply_put(output, &(struct keys_derive_reply){wire_bytes(op->result, op->n_result)});
        return RENDER_LAST;
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Signs the head of the audit file with AuditKey=, for tokend-audit. This signature itself is not recorded (else there would
 * always be a head that is not signed), and no instance's policy is asked: it is the operator who named the key.
 */
#include "daemon/broker/methods/audit-head.h"

#include <string.h>

#include "daemon/broker/audit/to-file.h"
#include "daemon/broker/model/audit-key.h"
#include "daemon/broker/token/live.h"
#include "daemon/util/algorithm.h"

/* tokend-audit gives up after 30 s; at the end of the daemon it has less. */
#define HEAD_USEC (25 * USEC_PER_SEC)

static void answer_failure(struct audit *audit, uint64_t seq, const char *reason)
{
        audit_head_answer(audit, &(struct message_head_signed){.seq = seq, .reason = reason});
}

static void on_signed(struct op *op)
{
        struct broker *broker = op->broker;
        const struct entry *key = op->entry;

        if (op->end == END_OK)
                audit_head_answer(broker->audit,
                        &(struct message_head_signed){.seq = op->cookie,
                                .ok = 1,
                                .algorithm = op->input.sign.algorithm,
                                .key = broker->config->audit_key ? broker->config->audit_key : "",
                                .spki = wire_bytes(key->der, key->der_length),
                                .signature = op->payload});
        else
                answer_failure(broker->audit, op->cookie,
                        op->end == END_UNAVAILABLE || op->end == END_DEADLINE
                                ? "the token of AuditKey= is not ready"
                                : "the token of AuditKey= did not sign");
}

/* 0: the key cannot sign. */
static uint8_t algorithm_of(const struct entry *key)
{
        unsigned algorithm = algorithm_default(key->key_type, key->size);

        return (key->usage & USAGE_SIGN) && algorithm_fits(algorithm, key->key_type, key->size)
                       ? (uint8_t)algorithm
                       : 0;
}

void audit_head(struct audit *audit, const struct message_head *head)
{
        _cleanup_(op_unrefp) struct op *op = NULL;
        struct token *token;
        struct entry *key;
        const char *reason = audit_key_find(audit->broker, &token, &key);

        if (!reason && algorithm_of(key) == 0)
                reason = "the key of AuditKey= cannot sign";
        if (!reason) {
                op = op_new(audit->broker, MESSAGE_TYPE_SIGN);
                if (op)
                        op->buffer = malloc(head->message.length + 1);
                if (!op || !op->buffer)
                        reason = "memory is short";
        }
        if (reason) {
                answer_failure(audit, head->seq, reason);
                return;
        }
        memcpy(op->buffer, head->message.data, head->message.length);
        op_set_entry(op, key);
        op->token = token;
        op->cookie = head->seq;
        op->input.sign = (struct message_sign){
                .algorithm = algorithm_of(key), .data = wire_bytes(op->buffer, head->message.length)};
        op->deadline_usec = op->received_usec + HEAD_USEC;
        op->then = on_signed;
        token_submit(token, op);
}

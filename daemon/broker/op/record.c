/* SPDX-License-Identifier: MPL-2.0 */
/* See record.h. */
#include "daemon/broker/op/record.h"

#include <stdio.h>
#include <string.h>

#include "daemon/broker/audit/records.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/ckr.h"

static uint64_t number_of(struct op *op)
{
        if (op->number == 0)
                op->number = ++op->broker->last_request;
        return op->number;
}

/* ---- what a record says ---- */

static void put_signed(struct audit_record *record, unsigned number, bool prehashed, struct wire_bytes data)
{
        const struct algorithm_info *algorithm = algorithm_info(number);

        record->algorithm = algorithm ? algorithm->name : NULL;
        /* What rsa_pkcs1 signs may be as long as the modulus. */
        if (prehashed && data.length <= LIMIT_KEY_ID) {
                record->digest = data.data;
                record->digest_length = data.length;
        } else {
                record->of_message = true;
                record->message_length = data.length;
        }
}

static void put_signing(struct audit_record *record, const struct op *op)
{
        const struct message_sign *sign = &op->input.sign;
        const struct message_sign_sealed *sealed = &op->input.sign_sealed;

        if (op->kind == MESSAGE_TYPE_SIGN)
                put_signed(record, sign->algorithm, sign->prehashed, sign->data);
        if (op->kind == MESSAGE_TYPE_SIGN_SEALED)
                put_signed(record, sealed->algorithm, sealed->prehashed, sealed->data);
}

/* A word of Allow=, or what only operators may. */
static const char *operation_of(const struct op *op)
{
        if (op->method->right)
                return config_right_name(op->method->right);
        if (op->method->audit == AUDIT_MAINTAIN)
                return op->word;
        return op->method->audit == AUDIT_PROBE ? "probe" : "remove-claim";
}

static const char *text_or_null(const char *text)
{
        return text && text[0] ? text : NULL;
}

static void put_entry(struct audit_record *record, const struct entry *entry)
{
        record->nickname = entry->nickname;
        record->key_id = entry->id;
        record->key_id_length = entry->id_length;
}

/* A key that was named, and perhaps not found: token and nickname apart, where they can be told. */
static void put_key(struct audit_record *record, const struct op *op)
{
        record->nickname = text_or_null(op->key);
        LINK_FOREACH(at, &op->broker->tokens)
        {
                const char *token = LINK_OF(at, struct token, link)->name;
                size_t n = strlen(token);

                if (!record->nickname || strncmp(op->key, token, n) != 0 || op->key[n] != ':')
                        continue;
                record->token = token;
                record->nickname = op->key + n + 1;
        }
}

static struct audit_record record_of(struct op *op)
{
        const struct instance *instance = op->instance ? op->instance
                                          : op->client ? op->client->instance
                                                       : NULL;
        struct audit_record record = {
                .kind = (enum audit_kind)op->method->audit,
                .when_usec = wall_usec(),
                .instance = instance ? instance->name : NULL,
                .has_peer = true,
                .uid = op->caller->uid,
                .gid = op->caller->gid,
                .pid = op->caller->pid,
                .unit = op->caller->unit,
                .algorithm = text_or_null(op->algorithm),
                .request = number_of(op),
        };

        put_key(&record, op);
        if (record.kind == AUDIT_DELETE && !op->method->right)
                record.operation = operation_of(op);
        if (record.kind == AUDIT_MAINTAIN) {
                record.operation = operation_of(op);
                record.token = op->token ? op->token->name : NULL;
        }
        if (op->kind == MESSAGE_TYPE_NONE_ || !op->token)
                return record;
        record.token = op->token->name;
        record.attempt = MAX_OF(op->attempt, 1U);
        if (op->entry)
                put_entry(&record, op->entry);
        if (op->nickname)
                record.nickname = op->nickname;
        record.sealed = op->sealed;
        put_signing(&record, op);
        if (op->made)
                put_entry(&record, op->made);
        return record;
}

const char *op_end_name(enum op_end end)
{
        static const enum proto_error errors[] = {
                [END_CKR] = PROTO_TOKEN_ERROR,
                [END_KEY_GONE] = PROTO_KEY_NOT_FOUND,
                [END_NICKNAME_EXISTS] = PROTO_NICKNAME_EXISTS,
                [END_NOT_SUPPORTED] = PROTO_ALGORITHM_NOT_SUPPORTED,
                [END_INVALID] = PROTO_INVALID_PARAMETER,
                [END_FULL] = PROTO_OVERLOADED,
                [END_UNAVAILABLE] = PROTO_TOKEN_UNAVAILABLE,
                [END_REMOVED] = PROTO_TOKEN_NOT_FOUND,
                [END_DEADLINE] = PROTO_DEADLINE_EXCEEDED,
                [END_DEADLINE_EXECUTED] = PROTO_DEADLINE_EXCEEDED,
                [END_WORKER_LOST] = PROTO_WORKER_LOST,
                [END_OUTCOME_UNKNOWN] = PROTO_OUTCOME_UNKNOWN,
                [END_NOT_OUR_SEAL] = PROTO_NOT_OUR_SEAL,
                [END_NOT_ITS_USAGE] = PROTO_PERMISSION_DENIED,
                [END_UNRECORDED] = PROTO_AUDIT_UNAVAILABLE,
                [END_DENIED] = PROTO_PERMISSION_DENIED,
                [END_NO_MEMORY] = PROTO_OVERLOADED,
        };

        if (end == END_OK)
                return "ok";
        return end == END_DROPPED ? "dropped" : proto_error_name(errors[end]);
}

/* The reply of a Probe or a Retry says what came of it, and is no error. */
static bool is_probed(const struct op *op)
{
        return op->error == PROTO_OK &&
               (op->method->audit == AUDIT_PROBE || op->method->audit == AUDIT_MAINTAIN);
}

static const char *answer_name(const struct op *op)
{
        if (op->end == END_DROPPED || is_probed(op))
                return op_end_name(op->end);
        return op->error == PROTO_OK ? "ok" : proto_error_name(op->error);
}

bool record_is_withheld(const struct op *op)
{
        return op->error == PROTO_OK && op->method->audit != 0 && !op_is(op, CLASS_CHANGES);
}

/* ---- who waits for a record ---- */

static void on_record(void *userdata, bool may)
{
        _cleanup_(op_unrefp) struct op *op = userdata;
        void (*on_safe)(struct op *, bool) = TAKE_PTR(op->on_safe);

        op->record = NULL;
        on_safe(op, may);
}

/* on_safe: NULL where nobody waits. It is not called where the record need not be waited for: op->record tells. */
static int put(struct op *op, const struct audit_record *record, void (*on_safe)(struct op *op, bool may))
{
        int r = audit_put(op->broker->audit, record, on_safe ? on_record : NULL, op, op->deadline_usec,
                on_safe ? &op->record : NULL);

        if (r < 0 || !on_safe || !op->record)
                return r;
        op->on_safe = on_safe;
        /* The record counts as a holder. */
        op_ref(op);
        return 0;
}

/* ---- what an import replaces ---- */

/* Bytes of a sentence with some serial numbers. */
#define SERIALS_TEXT 512U

/* What is about to go, in the record of the beginning. ret: SERIALS_TEXT bytes. */
static const char *to_be_replaced(const struct op *op, char *ret)
{
        size_t at;

        if (op->n_replaced == 0)
                return NULL;
        at = (size_t)snprintf(ret, SERIALS_TEXT, "it replaces the certificate of serial number");
        for (size_t i = 0; i < op->n_replaced && at < SERIALS_TEXT; i++)
                at += (size_t)snprintf(
                        ret + at, SERIALS_TEXT - at, "%s %s", i > 0 ? "," : "", op->replaced[i]->serial);
        return ret;
}

/* Each certificate that is gone has a record of its own, before that of the import. */
static void record_replaced(struct op *op)
{
        char reason[SERIALS_TEXT];

        if (!op->token || op->n_replaced == 0)
                return;
        op_settle_replaced(op);
        for (size_t i = 0; i < op->n_replaced; i++) {
                struct audit_record record = record_of(op);

                put_entry(&record, op->replaced[i]);
                snprintf(reason, sizeof(reason), "an import replaced it; its serial number was %s",
                        op->replaced[i]->serial);
                record.kind = AUDIT_DELETE;
                record.result = "ok";
                record.reason = reason;
                (void)put(op, &record, NULL);
        }
}

/* ---- when ---- */

int record_begin(struct op *op, void (*on_safe)(struct op *op, bool may))
{
        struct audit *audit = op->broker->audit;
        struct audit_record record;
        char reason[SERIALS_TEXT];
        int r;

        op->audited = audit_is_kept(audit) && op->method && op->method->audit != 0;
        if (!op->audited)
                return 0;
        if (audit_refuses(audit))
                return -EACCES;
        if (!op_is(op, CLASS_CHANGES))
                return 0;
        record = record_of(op);
        record.result = "begun";
        record.reason = to_be_replaced(op, reason);
        r = put(op, &record, audit->required ? on_safe : NULL);
        op->announced = r == 0;
        if (!audit->required)
                return 0;
        return r < 0 ? -EACCES : 1;
}

static bool is_recorded(const struct op *op)
{
        if (op->recorded || !op->method || !op->caller || !audit_is_kept(op->broker->audit))
                return false;
        /* Its deadline has passed, and it is not over: what becomes of it is recorded then (record_late_end()). */
        if (op_is_under_way(op))
                return false;
        if (op->error == PROTO_PERMISSION_DENIED)
                return true;
        /* What was not kept is not done, and not recorded; but what is said to have begun has an end. So of what was dropped. */
        if (op->error == PROTO_AUDIT_UNAVAILABLE || op->end == END_DROPPED)
                return op->announced;
        if (op->method->audit == 0)
                return false;
        /* A call that could not even be meant is not a use of anything. */
        return op->audited || op->error != PROTO_INVALID_PARAMETER;
}

/* Whether it ended before anything was begun: a call that costs its caller nothing. */
static bool is_refused(const struct op *op)
{
        if (op->announced || op->error == PROTO_OK)
                return false;
        return op->error == PROTO_PERMISSION_DENIED || !op->audited;
}

int record_end(struct op *op, void (*on_safe)(struct op *op, bool may))
{
        bool denied = op->error == PROTO_PERMISSION_DENIED;
        struct audit_record record;
        char ckr[CKR_TEXT];
        int r;

        if (!is_recorded(op))
                return 0;
        op->recorded = true;
        /* Whoever asks in vain neither fills the disk nor pushes others' records out of the journal. */
        if (is_refused(op) && op->caller->account &&
                !account_records_denial(op->caller->account, now_usec())) {
                loop_arm(&op->broker->loop, account_denials_due_usec(op->caller->account));
                return 0;
        }
        record_replaced(op);
        record = record_of(op);
        record.result = answer_name(op);
        if (denied) {
                record.kind = AUDIT_DENIED;
                record.operation = op->denied;
                record.reason = denial_word(op->denial);
                record.detail = op->why;
        }
        if (op->error == PROTO_TOKEN_ERROR || (is_probed(op) && op->end == END_CKR))
                record.ckr = ckr_text(op->ckr, ckr);
        if (!op_has_reader(op))
                record.reason = "nobody waited for it any more";
        r = put(op, &record, op->client && op->error != PROTO_AUDIT_UNAVAILABLE ? on_safe : NULL);
        return r < 0 && op->broker->audit->required && record_is_withheld(op) ? -EACCES : 0;
}

void record_denials(struct broker *broker, struct account *account)
{
        const struct audit_record record = {
                .kind = AUDIT_DENIED,
                .when_usec = wall_usec(),
                .has_peer = true,
                .uid = account->uid,
                .gid = (gid_t)-1,
                .result = proto_error_name(PROTO_PERMISSION_DENIED),
                .reason = "so many more calls of this user were refused",
                .count = account_take_denials(account),
        };

        if (audit_is_kept(broker->audit))
                (void)audit_put(broker->audit, &record, NULL, NULL, 0, NULL);
}

void record_late_end(struct op *op)
{
        struct audit_record record;
        char ckr[CKR_TEXT];

        if (!op->audited || !audit_is_kept(op->broker->audit))
                return;
        record_replaced(op);
        record = record_of(op);
        record.result = op_end_name(op->end);
        record.reason = "nobody waited for it any more";
        if (op->end == END_CKR)
                record.ckr = ckr_text(op->ckr, ckr);
        (void)put(op, &record, NULL);
}

void record_repeat(struct op *op)
{
        struct audit_record record;

        if (!op->audited || op->repeated == op->attempt + 1 || !audit_is_kept(op->broker->audit))
                return;
        op->repeated = op->attempt + 1;
        record = record_of(op);
        record.operation = audit_kind_name(op->method->audit);
        record.kind = AUDIT_REPEAT;
        record.attempt = op->repeated;
        record.result = "begun";
        (void)put(op, &record, NULL);
}

void record_forget(struct op *op)
{
        if (!op->record)
                return;
        audit_forget(op->record);
        op->record = NULL;
        op->on_safe = NULL;
        op_unref(op);
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Signs the head of the audit file with AuditKey=, for tokend-audit. This signature itself is not recorded (else there would
 * always be a head that is not signed), and no instance's policy is asked: it is the operator who named the key.
 */
#include <string.h>

#include "daemon/broker/audit.h"
#include "daemon/broker/broker.h"
#include "daemon/util/algorithm.h"

/* tokend-audit gives up after 30 s; at the end of the daemon it has less. */
#define HEAD_USEC (25 * USEC_PER_SEC)

struct head_question {
        struct broker *broker;
        uint64_t seq;
};

static void answer_failure(struct audit *audit, uint64_t seq, const char *reason)
{
        audit_head_answer(audit, &(struct message_head_signed){.seq = seq, .reason = reason});
}

static void on_done(struct job *job, const struct job_result *result)
{
        struct head_question *question = job->userdata;
        struct broker *broker = question->broker;
        const struct entry *key = job->entry;

        if (result->end == JOB_OK)
                audit_head_answer(broker->audit,
                        &(struct message_head_signed){.seq = question->seq,
                                .ok = 1,
                                .algorithm = job->algorithm,
                                .key = broker->config->audit_key ? broker->config->audit_key : "",
                                .spki = wire_bytes(key->der, key->der_length),
                                .signature = result->payload});
        else
                answer_failure(broker->audit, question->seq,
                        result->end == JOB_UNAVAILABLE || result->end == JOB_DEADLINE
                                ? "the token of AuditKey= is not ready"
                                : "the token of AuditKey= did not sign");
        free(question);
}

/* 0: the key cannot sign. */
static uint8_t algorithm_of(const struct entry *key)
{
        unsigned algorithm = algorithm_default(key->key_type, key->size);

        return (key->usage & USAGE_SIGN) && algorithm_fits(algorithm, key->key_type, key->size)
                       ? (uint8_t)algorithm
                       : 0;
}

/* The one key of that nickname; or what is wrong. */
static const char *find_key(struct broker *broker, struct token **ret_token, struct entry **ret)
{
        const char *name = broker->config->audit_key, *nickname = name ? strchr(name, ':') + 1 : NULL;
        struct entry *entry = NULL, *found = NULL;
        char text[LIMIT_NICKNAME + 1];
        struct token *token;

        if (!name || (size_t)(nickname - name) > sizeof(text))
                return "no AuditKey= is set";
        memcpy(text, name, (size_t)(nickname - name - 1));
        text[nickname - name - 1] = '\0';
        token = broker_token(broker, text);
        if (!token || !token->directory)
                return "the token of AuditKey= is not ready";
        while ((entry = directory_nickname(token->directory, nickname, entry))) {
                if (entry->kind != OBJECT_KEY)
                        continue;
                if (found)
                        return "several keys bear the nickname of AuditKey=";
                found = entry;
        }
        if (!found)
                return "the key of AuditKey= is not on its token";
        *ret_token = token;
        *ret = found;
        return NULL;
}

void audit_head(struct audit *audit, const struct message_head *head)
{
        struct head_question *question;
        struct token *token;
        struct entry *key;
        struct job *job;
        const char *reason = find_key(audit->broker, &token, &key);

        if (!reason && algorithm_of(key) == 0)
                reason = "the key of AuditKey= cannot sign";
        if (reason) {
                answer_failure(audit, head->seq, reason);
                return;
        }
        job = job_new(JOB_SIGN);
        question = malloc(sizeof(*question));
        if (job)
                job->data = malloc(head->message.length + 1);
        if (!job || !job->data || !question) {
                job_free(job);
                free(question);
                answer_failure(audit, head->seq, "memory is short");
                return;
        }
        memcpy(job->data, head->message.data, head->message.length);
        job->n_data = head->message.length;
        job->algorithm = algorithm_of(key);
        job->entry = entry_ref(key);
        *question = (struct head_question){.broker = audit->broker, .seq = head->seq};
        job->userdata = question;
        job->done = on_done;
        job->begun_usec = now_usec();
        job->deadline_usec = job->begun_usec + HEAD_USEC;
        token_submit(token, job);
}

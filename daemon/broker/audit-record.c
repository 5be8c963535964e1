/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What is recorded, and when: each end of a request of a method that has a kind (one record; of what changes a token also
 * one before it begins), each denial, each repeat, each login. A job that outlives its request takes along what its record
 * needs.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/broker/audit.h"
#include "daemon/broker/broker.h"
#include "daemon/broker/request.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/ckr.h"

/* What is left of a request: its record, with the strings behind it. */
struct audit_rest {
        struct audit_record record;
        char strings[];
};

static struct audit *audit_of(const struct request *request)
{
        return request->connection->broker->audit;
}

static bool is_kept(const struct audit *audit)
{
        return audit->mode != AUDIT_MODE_NONE;
}

static uint64_t number_of(struct request *request)
{
        if (request->number == 0)
                request->number = ++audit_of(request)->last_request;
        return request->number;
}

/* ---- what it says ---- */

static void put_job(struct audit_record *record, const struct job *job)
{
        const struct algorithm_info *algorithm = NULL;

        record->token = job->token ? job->token->name : record->token;
        record->attempt = MAX_OF(job->attempt, 1U);
        if (job->entry) {
                record->nickname = job->entry->nickname;
                record->key_id = job->entry->id;
                record->key_id_length = job->entry->id_length;
        }
        if (job->nickname)
                record->nickname = job->nickname;
        if (job->kind != JOB_SIGN)
                return;
        algorithm = algorithm_info(job->algorithm);
        record->algorithm = algorithm ? algorithm->name : NULL;
        if (job->prehashed) {
                record->digest = job->data;
                record->digest_length = job->n_data;
        } else {
                record->of_message = true;
                record->message_length = job->n_data;
        }
}

/* A word of Allow=, or what only operators may. */
static const char *operation_of(const struct request *request)
{
        const struct method *method = request->method;

        if (method->right)
                return config_right_name(method->right);
        return method->audit == AUDIT_PROBE ? "probe" : "remove-claim";
}

static struct audit_record record_of(struct request *request, const struct job *job)
{
        const struct connection *c = request->connection;
        struct audit_record record = {
                .kind = (enum audit_kind)request->method->audit,
                .when_usec = wall_usec(),
                .instance = c->instance ? c->instance->name : NULL,
                .has_peer = true,
                .uid = c->caller.uid,
                .gid = c->caller.gid,
                .pid = c->caller.pid,
                .unit = c->caller.unit,
                .token = request->held_token,
                .nickname = request->key && request->key[0] ? request->key : NULL,
                .algorithm = request->algorithm && request->algorithm[0] ? request->algorithm : NULL,
                .request = number_of(request),
        };

        if (record.kind == AUDIT_DELETE && !request->method->right)
                record.operation = operation_of(request);
        if (job)
                put_job(&record, job);
        if (request->entry) {
                record.nickname = request->entry->nickname;
                record.key_id = request->entry->id;
                record.key_id_length = request->entry->id_length;
        }
        return record;
}

static const char *result_name(const struct request *request)
{
        return request->error == PROTO_OK ? "ok" : proto_error_name(request->error);
}

static const char *end_name(enum job_end end)
{
        switch (end) {
        case JOB_OK:
                return "ok";
        case JOB_KEY_GONE:
                return proto_error_name(PROTO_KEY_NOT_FOUND);
        case JOB_NICKNAME_EXISTS:
                return proto_error_name(PROTO_NICKNAME_EXISTS);
        case JOB_NOT_SUPPORTED:
                return proto_error_name(PROTO_ALGORITHM_NOT_SUPPORTED);
        case JOB_INVALID:
                return proto_error_name(PROTO_INVALID_PARAMETER);
        case JOB_FULL:
                return proto_error_name(PROTO_OVERLOADED);
        case JOB_UNRECORDED:
                return proto_error_name(PROTO_AUDIT_UNAVAILABLE);
        case JOB_DROPPED:
                return "dropped";
        case JOB_UNAVAILABLE:
        case JOB_REMOVED:
                return proto_error_name(PROTO_TOKEN_UNAVAILABLE);
        case JOB_DEADLINE:
        case JOB_DEADLINE_EXECUTED:
                return proto_error_name(PROTO_DEADLINE_EXCEEDED);
        case JOB_WORKER_LOST:
                return proto_error_name(PROTO_WORKER_LOST);
        case JOB_OUTCOME_UNKNOWN:
                return proto_error_name(PROTO_OUTCOME_UNKNOWN);
        default:
                return proto_error_name(PROTO_TOKEN_ERROR);
        }
}

/* ---- a request's way ---- */

bool audit_withholds(const struct request *request)
{
        unsigned kind = request->method ? request->method->audit : 0;

        return request->error == PROTO_OK &&
               (kind == AUDIT_SIGN || kind == AUDIT_REQUEST || kind == AUDIT_PROBE);
}

bool audit_begins(struct request *request, struct token *token, struct job *job)
{
        struct audit *audit = audit_of(request);
        struct audit_record record;
        int r;

        job->audited = is_kept(audit) && request->method->audit != 0 && job->kind != JOB_LOOKUP;
        if (!job->audited)
                return false;
        if (audit_refuses(audit->broker)) {
                job_free(job);
                request_fail_unrecorded(request);
                return true;
        }
        if (!job_changes(job))
                return false;
        free(request->held_token);
        request->held_token = strdup(token->name);
        if (!request->held_token) {
                job_free(job);
                request_fail_job(request, token, &(struct job_result){.end = JOB_NO_MEMORY});
                return true;
        }
        record = record_of(request, job);
        record.result = "begun";
        r = audit_put(audit, &record, audit->required ? request : NULL);
        request->announced = r == 0;
        if (!audit->required)
                return false;
        request->held_job = job;
        if (r < 0)
                request_go_on(request, false);
        return true;
}

static bool is_recorded(const struct request *request, bool denied)
{
        if (request->recorded || !request->method || !is_kept(audit_of(request)))
                return false;
        if (denied)
                return true;
        /* What was not kept is not done, and not recorded; but what is said to have begun has an end. */
        if (request->error == PROTO_AUDIT_UNAVAILABLE)
                return request->announced;
        if (request->method->audit == 0)
                return false;
        /* What could not even be meant is no use of anything. */
        return request->over || request->error != PROTO_INVALID_PARAMETER;
}

void audit_over(struct request *request)
{
        bool denied = request->error == PROTO_PERMISSION_DENIED;
        struct audit_record record;
        char ckr[CKR_TEXT];

        if (!is_recorded(request, denied))
                return;
        request->recorded = true;
        record = record_of(request, request->over);
        record.result = result_name(request);
        if (denied) {
                record.kind = AUDIT_DENIED;
                record.operation = operation_of(request);
        }
        if (request->error == PROTO_TOKEN_ERROR && request->over)
                record.ckr = ckr_text(request->over_ckr, ckr);
        if (audit_put(audit_of(request), &record,
                    request->error == PROTO_AUDIT_UNAVAILABLE ? NULL : request) < 0 &&
                audit_of(request)->required && audit_withholds(request))
                request_fail_unrecorded(request);
}

/* ---- what outlives it ---- */

static void copy_text(char **at, const char **text)
{
        size_t n;

        if (!*text)
                return;
        n = strlen(*text) + 1;
        *text = memcpy(*at, *text, n);
        *at += n;
}

static size_t text_size(const char *text)
{
        return text ? strlen(text) + 1 : 0;
}

/* With strings of its own. What the job itself holds (its data, its entry) is taken from there again, at its end. */
static struct audit_rest *rest_new(struct request *request, const struct job *job)
{
        struct audit_record record = record_of(request, job);
        struct audit_rest *rest;
        char *at;

        rest = malloc(sizeof(*rest) + text_size(record.instance) + text_size(record.unit) +
                      text_size(record.token) + text_size(record.nickname) + text_size(record.algorithm));
        if (!rest)
                return NULL;
        at = rest->strings;
        copy_text(&at, &record.instance);
        copy_text(&at, &record.unit);
        copy_text(&at, &record.token);
        copy_text(&at, &record.nickname);
        copy_text(&at, &record.algorithm);
        record.key_id = record.digest = NULL;
        record.key_id_length = record.digest_length = 0;
        rest->record = record;
        return rest;
}

void audit_job_detaches(struct request *request, struct job *job)
{
        if (job->audited && !job->audit_rest)
                job->audit_rest = rest_new(request, job);
}

static void record_end(struct audit *audit, struct job *job, const struct job_result *result)
{
        struct audit_rest *rest = TAKE_PTR(job->audit_rest);
        struct audit_record record;
        char ckr[CKR_TEXT];

        if (!rest)
                return;
        record = rest->record;
        put_job(&record, job);
        record.when_usec = wall_usec();
        record.result = end_name(result->end);
        record.reason = "nobody waited for it any more";
        if (result->end == JOB_CKR)
                record.ckr = ckr_text(result->ckr, ckr);
        if (is_kept(audit))
                (void)audit_put(audit, &record, NULL);
        free(rest);
}

void audit_job_over(struct job *job, const struct job_result *result)
{
        record_end(job->token->broker->audit, job, result);
}

void audit_job_dropped(struct audit *audit, struct job *job)
{
        record_end(audit, job, &(struct job_result){.end = JOB_DROPPED});
        job_free(job);
}

void audit_job_goes_on(struct audit *audit, struct job *job, bool may)
{
        struct token *token = broker_token(audit->broker, job->audit_rest->record.token);

        if (may && token) {
                token_submit(token, job);
                return;
        }
        record_end(audit, job, &(struct job_result){.end = may ? JOB_REMOVED : JOB_UNRECORDED});
        job_free(job);
}

/* A oneway's goes on by itself once its record is safe; nobody waits for any other. */
static void held_job_outlives(struct request *request, struct audit_item *item, struct job *job)
{
        struct instance *instance = request->connection->instance;

        audit_job_detaches(request, job);
        if (!request->oneway || !item || !job->audit_rest || (job_is_request(job) && !instance)) {
                audit_job_dropped(audit_of(request), job);
                return;
        }
        job->done = NULL;
        job_set_instance(job, instance);
        item->job = job;
}

void audit_forgets(struct request *request)
{
        struct audit_item *item = TAKE_PTR(request->audit);
        struct job *job = TAKE_PTR(request->held_job);

        if (item)
                item->request = NULL;
        if (job)
                held_job_outlives(request, item, job);
}

/* ---- repeats and logins ---- */

void audit_repeats(struct job *job)
{
        struct request *request = job->userdata;
        struct audit_record record;

        if (!job->audited || !job->done || job->trial_of)
                return;
        record = record_of(request, job);
        record.operation = audit_kind_name(request->method->audit);
        record.kind = AUDIT_REPEAT;
        record.attempt = job->attempt + 1;
        record.result = "begun";
        (void)audit_put(audit_of(request), &record, NULL);
}

void audit_login(struct token *token, bool ok, const char *reason)
{
        struct audit *audit = token->broker->audit;
        const struct audit_record record = {
                .kind = AUDIT_LOGIN,
                .when_usec = wall_usec(),
                .token = token->name,
                .result = ok ? "ok" : "failed",
                .reason = reason,
        };

        if (is_kept(audit))
                (void)audit_put(audit, &record, NULL);
}

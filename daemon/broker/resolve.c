/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From the names in a request to tokens and keys that its caller may see; and the way of a request to a
 * token's worker and back. A key outside what the caller may see goes the same way as one that is not there,
 * refresh and all.
 */
#include "daemon/broker/accelerator.h"
#include "daemon/broker/model/name.h"
#include "daemon/broker/request.h"

#include <string.h>

static const struct config_instance *policy_of(const struct request *request)
{
        /* The connection's, of now: a reload may have made it another. NULL: it may nothing any more. */
        const struct instance *instance = request->connection->instance;

        return instance ? instance->config : NULL;
}

bool request_may(struct request *request, unsigned right)
{
        const struct config_instance *policy = policy_of(request);

        if (policy && (policy->allow & right))
                return true;
        request_denied(request, config_right_name(right));
        return false;
}

struct token *request_find_token(struct request *request, const char *name)
{
        const struct config_instance *policy = policy_of(request);
        struct broker *broker = request->connection->broker;
        const struct config_token *config = NULL;

        if (policy)
                config = name ? config_token(broker->config, name) : policy_own_token(broker->config, policy);
        if (!config || !policy_sees_token(policy, config)) {
                request_fail_with(request, PROTO_TOKEN_NOT_FOUND, "token", name ? name : "");
                return NULL;
        }
        return broker_token(broker, config->name);
}

/* ---- to the worker and back ---- */

static void on_done(struct job *job, const struct job_result *result)
{
        struct request *request = job->userdata;

        request->job = NULL;
        /* It goes on: what becomes of it is recorded then. */
        if (job->place == JOB_OUT || job->place == JOB_UNSETTLED)
                audit_job_detaches(request, job);
        request->over = job;
        request->over_ckr = result->ckr;
        job->request_done(request, job->token, result);
        request->over = NULL;
}

static void submit(struct request *request, struct token *token, struct job *job)
{
        /* Its present one: a reload may have made it another since the request came. */
        job_set_instance(job, request->connection->instance);
        request->job = job;
        accelerator_submit(token, job);
}

void request_go_on(struct request *request, bool may)
{
        _cleanup_(job_freep) struct job *job = TAKE_PTR(request->held_job);
        struct token *token = broker_token(request->connection->broker, request->held_token);

        if (!may)
                request_fail_unrecorded(request);
        else if (!token)
                request_fail_with(request, PROTO_TOKEN_NOT_FOUND, "token", request->held_token);
        else if (job_is_request(job) && !request->connection->instance)
                request_denied(request, config_right_name(request->method->right));
        else
                submit(request, token, TAKE_PTR(job));
}

void request_submit(struct request *request, struct token *token, struct job *job,
        void (*done)(struct request *request, struct token *token, const struct job_result *result))
{
        job->begun_usec = request->received_usec;
        job->deadline_usec = request->deadline_usec;
        job->request_done = done;
        job->done = on_done;
        job->userdata = request;
        if (!audit_begins(request, token, job))
                submit(request, token, job);
}

void request_keep_payload(struct request *request, struct token *token, const struct job_result *result)
{
        if (result->end != JOB_OK) {
                request_fail_job(request, token, result);
                return;
        }
        request->payload = malloc(result->payload.length + 1);
        if (!request->payload) {
                request_fail_job(request, token, &(struct job_result){.end = JOB_NO_MEMORY});
                return;
        }
        if (result->payload.length > 0)
                memcpy(request->payload, result->payload.data, result->payload.length);
        request->n_payload = result->payload.length;
        request_done(request);
}

static void on_lookup(struct request *request, struct token *token, const struct job_result *result)
{
        if (result->end == JOB_OK)
                request->method->begin(request);
        else
                request_fail_job(request, token, result);
}

void request_wait(struct request *request, struct token *token)
{
        struct job *job = job_new(JOB_LOOKUP);

        request->waited = true;
        if (!job) {
                request_fail_job(request, token, &(struct job_result){.end = JOB_NO_MEMORY});
                return;
        }
        request_submit(request, token, job, on_lookup);
}

bool request_has_directory(struct request *request, struct token *token)
{
        if (token->directory)
                return true;
        if (request->waited)
                request_fail_job(request, token, &(struct job_result){.end = JOB_UNAVAILABLE});
        else
                request_wait(request, token);
        return false;
}

/* ---- keys and certificates ---- */

struct search {
        enum object_kind kind;
        const struct config_instance *policy;
        const struct name *name;
        size_t n; /* objects found */
        struct token *token;
        struct entry *entry;
        struct token *unknown; /* one that might be meant, but has not said yet who it is */
        struct token *missing; /* the last one that was searched in vain */
};

static void search_entry(struct search *search, struct token *token, struct entry *entry)
{
        if (entry->kind != search->kind || !entry_is_listed(entry) ||
                !name_matches_entry(search->name, entry) ||
                !policy_sees_nickname(search->policy, entry->nickname))
                return;
        search->n++;
        search->token = token;
        search->entry = entry;
}

static void search_directory(struct search *search, struct token *token, struct directory *directory)
{
        const struct name *name = search->name;
        const char *nickname = name->nickname ? name->nickname : name->uri.object;
        struct entry *entry = NULL;

        if (name->uri.id) {
                while ((entry = directory_id(directory, name->uri.id, name->uri.id_length, entry)))
                        search_entry(search, token, entry);
        } else if (nickname) {
                while ((entry = directory_nickname(directory, nickname, entry)))
                        search_entry(search, token, entry);
        } else {
                while ((entry = directory_next(directory, search->kind, entry)))
                        search_entry(search, token, entry);
        }
}

static void search_token(struct search *search, struct token *token)
{
        if (token->directory)
                search_directory(search, token, token->directory);
        search->missing = token;
}

static void search_uri(struct search *search, struct broker *broker)
{
        const struct config_token *own = policy_own_token(broker->config, search->policy);

        LINK_FOREACH(at, &broker->tokens)
        {
                struct token *token = LINK_OF(at, struct token, link);

                if (!policy_sees_token(search->policy, token->config))
                        continue;
                /* Other tokens than its own must be named to be used. */
                if (!name_says_token(search->name) && search->policy->token && token->config != own)
                        continue;
                if (!token->known && token_has_hope(token) && name_may_mean(search->name, token->config->uri))
                        search->unknown = token;
                if (token->known && name_matches_token(search->name, token->label, token->serial,
                                            token->manufacturer, token->model))
                        search_token(search, token);
        }
}

static void search_all(struct search *search, struct broker *broker)
{
        const struct config_token *config = search->name->token;

        if (!search->name->nickname) {
                search_uri(search, broker);
                return;
        }
        if (!config)
                config = policy_own_token(broker->config, search->policy);
        if (config && policy_sees_token(search->policy, config))
                search_token(search, broker_token(broker, config->name));
}

/* Nothing bears the name, as far as is known: asks once whether that has changed. */
static void not_found(struct request *request, const struct search *search)
{
        struct token *token = search->missing ? search->missing : search->unknown;

        if (token && !request->waited && token_missed(token)) {
                request_wait(request, token);
                return;
        }
        if (token && request->waited)
                token_missed_again(token);
        if (token && !token->directory)
                request_fail_job(request, token, &(struct job_result){.end = JOB_UNAVAILABLE});
        else
                request_fail_job(request, token, &(struct job_result){.end = JOB_KEY_GONE});
}

static int find(struct request *request, const char *text, const char *parameter, enum object_kind kind,
        struct token **ret_token, struct entry **ret_entry)
{
        struct broker *broker = request->connection->broker;
        struct search search = {.kind = kind, .policy = policy_of(request)};
        struct name name;
        int r;

        request->key = text;
        if (!search.policy) {
                request_denied(request, config_right_name(request->method->right));
                return 1;
        }
        r = name_parse(text, broker->config, &name);
        if (r != 0) {
                request_invalid(request, parameter);
                return 1;
        }
        search.name = &name;
        search_all(&search, broker);
        name_done(&name);
        if (search.n == 1) {
                *ret_token = search.token;
                *ret_entry = search.entry;
                return 0;
        }
        if (search.n > 1)
                request_fail_with(request, PROTO_AMBIGUOUS_NAME, "key", text);
        else
                not_found(request, &search);
        return 1;
}

int request_find_key(struct request *request, const char *text, const char *parameter,
        struct token **ret_token, struct entry **ret_entry)
{
        return find(request, text, parameter, OBJECT_KEY, ret_token, ret_entry);
}

int request_find_certificate(
        struct request *request, const char *text, struct token **ret_token, struct entry **ret_entry)
{
        request->of_certificate = true;
        return find(request, text, "certificate", OBJECT_CERTIFICATE, ret_token, ret_entry);
}

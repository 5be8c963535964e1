/* SPDX-License-Identifier: MPL-2.0 */
/* List, of keys and of certificates: from the last directory, in one reply or in several, never from the device. */
#include "gen/broker/methods.h"

#include <string.h>

/* A reply of several is not longer than this but by its last object, so that each fits whatever that takes. */
#define LIST_REPLY (LIMIT_MESSAGE / 4)
/* The envelope of a List's reply: {"parameters":{"certificates":[]},"continues":true}, and room to spare. */
#define LIST_ENVELOPE 64U

/* What both methods called List are asked for; NULL: left out. */
struct list_wanted {
        const char *token, *nickname;
};

static struct list_wanted list_wanted(const struct request *request)
{
        const struct keys_list_parameters *keys = (const void *)request->parameters;
        const struct certificates_list_parameters *certificates = (const void *)request->parameters;

        if (request->method->begin == keys_list)
                return (struct list_wanted){keys->token, keys->nickname};
        return (struct list_wanted){certificates->token, certificates->nickname};
}

/* The token that a List has to wait for; NULL: it can be answered. */
static struct token *list_waits_for(struct request *request, struct token *only)
{
        const struct config_instance *policy = request->connection->instance->config;

        if (only)
                return only->directory ? NULL : only;
        /* All tokens: those that are still starting, and the rest as they were last seen. */
        if (now_usec() >= request->deadline_usec)
                return NULL;
        LINK_FOREACH(at, &request->connection->broker->tokens)
        {
                struct token *token = LINK_OF(at, struct token, link);

                if (token->state == TOKEN_STARTING && !token->directory &&
                        policy_sees_token(policy, token->config))
                        return token;
        }
        return NULL;
}

static void list_go_on(struct request *request, struct token *token, const struct job_result *result)
{
        if (list_wanted(request).token && result->end != JOB_OK)
                request_fail_job(request, token, result);
        else if (result->end == JOB_FULL || result->end == JOB_NO_MEMORY)
                request_fail_job(request, token, result);
        else
                request->method->begin(request);
}

static void list(struct request *request)
{
        const struct list_wanted wanted = list_wanted(request);
        struct token *only = NULL, *token;
        struct job *job;

        if (!request_may(request, RIGHT_LIST))
                return;
        if (wanted.token) {
                only = request_find_token(request, wanted.token);
                if (!only)
                        return;
        }
        token = list_waits_for(request, only);
        if (!token) {
                request_done(request);
                return;
        }
        job = job_new(JOB_LOOKUP);
        if (!job) {
                request_fail_job(request, token, &(struct job_result){.end = JOB_NO_MEMORY});
                return;
        }
        request_submit(request, token, job, list_go_on);
}

void keys_list(struct request *request)
{
        list(request);
}

void certificates_list(struct request *request)
{
        list(request);
}

static bool list_wants(
        const struct request *request, const struct config_instance *policy, const struct token *token)
{
        const struct list_wanted wanted = list_wanted(request);

        return token->directory && policy_sees_token(policy, token->config) &&
               (!wanted.token || strcmp(wanted.token, token->name) == 0);
}

static size_t list_capacity(
        struct request *request, const struct config_instance *policy, enum object_kind kind)
{
        size_t n = 0;

        LINK_FOREACH(at, &request->connection->broker->tokens)
        {
                const struct token *token = LINK_OF(at, struct token, link);

                if (list_wants(request, policy, token))
                        n += directory_count(token->directory, kind);
        }
        return n;
}

static int list_token(struct request *request, const struct config_instance *policy, struct token *token,
        enum object_kind kind, struct listing *listing)
{
        const struct list_wanted wanted = list_wanted(request);
        struct entry **sorted = NULL;
        int r = directory_sorted(token->directory, kind, &sorted);

        for (size_t i = 0; r == 0 && i < directory_count(token->directory, kind); i++) {
                struct entry *entry = sorted[i];

                if ((wanted.nickname && strcmp(wanted.nickname, entry->nickname) != 0) ||
                        !entry_is_listed(entry) || !policy_sees_nickname(policy, entry->nickname))
                        continue;
                listing->entries[listing->n++] = entry_ref(entry);
        }
        return r;
}

/* What there is to be listed now, kept until it is all written: a reply of several is of one moment. */
static int list_collect(struct request *request, enum object_kind kind)
{
        const struct instance *instance = request->connection->instance;
        struct listing *listing;
        size_t n = instance ? list_capacity(request, instance->config, kind) : 0;
        int r;

        listing = calloc(1, sizeof(*listing) + n * sizeof(struct entry *));
        if (!listing)
                return -ENOMEM;
        request->listing = listing;
        if (!instance)
                return 0;
        LINK_FOREACH(at, &request->connection->broker->tokens)
        {
                struct token *token = LINK_OF(at, struct token, link);

                if (!list_wants(request, instance->config, token))
                        continue;
                r = list_token(request, instance->config, token, kind, listing);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The elements of one reply: as many as it may have. */
static void put_entries(struct output *output, void *userdata)
{
        const struct request *request = userdata;
        struct listing *listing = request->listing;
        size_t start = output_pending(output), first;

        for (first = listing->at; listing->at < listing->n; listing->at++) {
                struct entry *entry = listing->entries[listing->at];
                size_t length = output_pending(output) - start;

                if (request->more && length > LIST_REPLY)
                        break;
                if (length + LIST_ENVELOPE > LIMIT_MESSAGE)
                        break;
                output_text(output, listing->at > first ? "," : "");
                entry_put(output, entry);
                entry_unref(entry);
        }
}

/* What the reply that has just been written means. length: of its parameters, in bytes. */
static enum render list_rendered(struct request *request, size_t length)
{
        const struct listing *listing = request->listing;

        if (!request->more && (listing->at < listing->n || length + LIST_ENVELOPE > LIMIT_MESSAGE)) {
                request_fail(request, PROTO_EXPECTED_MORE, NULL);
                return RENDER_FAILED;
        }
        return listing->at < listing->n ? RENDER_MORE : RENDER_LAST;
}

enum render keys_list_render(struct request *request, struct output *output)
{
        size_t start = output_pending(output);

        if (!request->listing && list_collect(request, OBJECT_KEY) < 0) {
                output->failed = true;
                return RENDER_LAST;
        }
        keys_list_reply_put(output, &(struct keys_list_reply){{put_entries, request}});
        return list_rendered(request, output_pending(output) - start);
}

enum render certificates_list_render(struct request *request, struct output *output)
{
        size_t start = output_pending(output);

        if (!request->listing && list_collect(request, OBJECT_CERTIFICATE) < 0) {
                output->failed = true;
                return RENDER_LAST;
        }
        certificates_list_reply_put(output, &(struct certificates_list_reply){{put_entries, request}});
        return list_rendered(request, output_pending(output) - start);
}

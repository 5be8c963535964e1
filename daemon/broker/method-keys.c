/* SPDX-License-Identifier: MPL-2.0 */
/* io.tokend.Keys: Get, which asks the directory alone, and what changes a token, Generate and Delete. */
#include "gen/broker/methods.h"

#include <string.h>
#include <sys/random.h>

#include "daemon/broker/copies.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/text.h"

/* ---- Get ---- */

void keys_get(struct request *request)
{
        struct keys_get_parameters *p = (void *)request->parameters;
        struct token *token;
        struct entry *entry;

        if (request_find_key(request, p->key, "key", &token, &entry) != 0 ||
                !request_may(request, RIGHT_LIST))
                return;
        request->entry = entry_ref(entry);
        request_done(request);
}

enum render keys_get_render(struct request *request, struct output *output)
{
        keys_get_reply_put(output, &(struct keys_get_reply){{entry_put, request->entry}});
        return RENDER_LAST;
}

/* ---- Generate ---- */

static int parse_usage(struct json_object *array, unsigned key_type, uint32_t *ret)
{
        uint32_t usage = 0;

        if (!array) {
                *ret = USAGE_SIGN;
                return 0;
        }
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                unsigned bit = usage_from_name(json_object_get_string(json_object_array_get_idx(array, i)));

                if (!(bit & key_type_info(key_type)->usages))
                        return 1;
                usage |= bit;
        }
        if (usage == 0)
                return 1;
        *ret = usage;
        return 0;
}

/* The key that is asked for, into the job; or the name of the parameter that cannot be. */
static const char *generate_check(const struct keys_generate_parameters *p, struct job *job)
{
        unsigned bits = 0;

        if (!text_is_nickname(p->nickname, strlen(p->nickname)))
                return "nickname";
        job->key_type = (uint8_t)key_type_from_name(p->type);
        if (job->key_type == 0)
                return "type";
        if (p->size && (job->key_type != KEY_RSA || p->size % 8 != 0))
                return "size";
        if (p->curve) {
                bits = curve_from_name(p->curve);
                if (job->key_type != KEY_EC || bits == 0 || bits == 255)
                        return "curve";
        }
        if (parse_usage(p->usage, job->key_type, &job->usage) != 0)
                return "usage";
        job->loadable = p->loadable;
        if (job->key_type == KEY_RSA)
                job->size = p->size ? (uint32_t)p->size : DEFAULT_RSA_BITS;
        else if (job->key_type == KEY_EC)
                job->size = bits ? bits : DEFAULT_EC_BITS;
        else
                job->size = 255;
        return NULL;
}

static void generate_done(struct request *request, struct token *token, const struct job_result *result)
{
        if (result->end != JOB_OK) {
                request_fail_job(request, token, result);
                return;
        }
        request->entry = entry_ref(result->entry);
        request_done(request);
}

/* Whether the caller may make a key of that nickname there, and nothing speaks against it that is known by
 * now. */
static bool generate_may(struct request *request, struct token *token,
        const struct keys_generate_parameters *p, const struct job *job)
{
        const struct config_instance *policy = request->connection->instance->config;

        if (!(policy->allow & RIGHT_GENERATE) || !policy_sees_nickname(policy, p->nickname)) {
                request_denied(request, config_right_name(RIGHT_GENERATE));
                return false;
        }
        request->key = p->nickname;
        request->algorithm = p->type;
        if (!request_has_directory(request, token))
                return false;
        if (!token_has_mechanism(token, key_type_info(job->key_type)->generator) ||
                (job->loadable && (!copies_can(token, job->key_type) || !(job->usage & USAGE_SIGN)))) {
                request_fail_job(request, token, &(struct job_result){.end = JOB_NOT_SUPPORTED});
                return false;
        }
        if (directory_nickname(token->directory, p->nickname, NULL)) {
                request_fail_job(request, token, &(struct job_result){.end = JOB_NICKNAME_EXISTS});
                return false;
        }
        return true;
}

void keys_generate(struct request *request)
{
        struct keys_generate_parameters *p = (void *)request->parameters;
        _cleanup_(job_freep) struct job *job = job_new(JOB_GENERATE);
        struct token *token;
        const char *bad;

        if (!job) {
                request->connection->gone = true;
                return;
        }
        bad = generate_check(p, job);
        if (bad) {
                request_invalid(request, bad);
                return;
        }
        token = request_find_token(request, p->token);
        if (!token)
                return;
        request->invalid = "type";
        request->deadline_usec =
                request->received_usec + (p->timeout_ms ? (uint64_t)p->timeout_ms * USEC_PER_MSEC
                                                        : token->config->generate_timeout_usec +
                                                                  DEFAULT_GENERATE_EXTRA_MS * USEC_PER_MSEC);
        if (!generate_may(request, token, p, job))
                return;
        job->nickname = strdup(p->nickname);
        if (!job->nickname || getrandom(job->id, sizeof(job->id), 0) != (ssize_t)sizeof(job->id)) {
                request_fail_job(request, token, &(struct job_result){.end = JOB_NO_MEMORY});
                return;
        }
        request_submit(request, token, TAKE_PTR(job), generate_done);
}

enum render keys_generate_render(struct request *request, struct output *output)
{
        keys_generate_reply_put(output, &(struct keys_generate_reply){{entry_put, request->entry}});
        return RENDER_LAST;
}

/* ---- Delete ---- */

static void delete_done(struct request *request, struct token *token, const struct job_result *result)
{
        if (result->end == JOB_OK)
                request_done(request);
        else
                request_fail_job(request, token, result);
}

void keys_delete(struct request *request)
{
        struct keys_delete_parameters *p = (void *)request->parameters;
        struct token *token;
        struct entry *entry;
        struct job *job;

        if (request_find_key(request, p->key, "key", &token, &entry) != 0 ||
                !request_may(request, RIGHT_DELETE))
                return;
        request->invalid = "key";
        request->algorithm = "";
        job = job_new(JOB_DELETE);
        if (!job) {
                request_fail_job(request, token, &(struct job_result){.end = JOB_NO_MEMORY});
                return;
        }
        job->entry = entry_ref(entry);
        request_submit(request, token, job, delete_done);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See status.h: the JSON. */
#include "daemon/broker/methods/status.h"

#include "daemon/broker/audit/audit-broker.h"
#include "daemon/broker/model/registry.h"
#include "daemon/broker/token/vanished.h"

#include "daemon/util/cause.h"
#include "daemon/util/ckr.h"
#include "gen/broker/base/replies.h"

static struct status_latency latency(const struct histogram *histogram)
{
        return (struct status_latency){
                .count = histogram->count,
                .p50 = histogram_quantile(histogram, 500),
                .p99 = histogram_quantile(histogram, 990),
                .p999 = histogram_quantile(histogram, 999),
        };
}

/* By the wall clock; 0: they are not. */
static uint64_t copies_paused_until(const struct token *token)
{
        uint64_t now = now_usec();

        return now < token->no_copies_until_usec ? wall_usec() + (token->no_copies_until_usec - now) : 0;
}

static void put_token(struct output *output, struct token *token)
{
        const struct worker *worker = token->worker, *other = token->other;
        /* A renewal of the directory keeps a session busy, and is nobody's request. */
        size_t out = token_out(token);
        const char(*parts)[URI_PART_MAX + 1] = token->identity.parts;
        char ckr[CKR_TEXT];
        const struct cause_info *cause = token->state == TOKEN_READY ? NULL : cause_find(token->end);
        struct status_last_error last_error = {ckr_text(token->last_ckr, ckr), token->last_ckr_usec};

        status_token_put(output,
                &(struct status_token){
                        .name = token->name,
                        .role = config_role_name(token->config->role),
                        .state = token_state_name(token->state),
                        .reason = token->reason,
                        .cause = cause ? cause->word : NULL,
                        .since_usec = token->since_usec,
                        .module = token->config->module,
                        .directory = token->config->directory,
                        .label = token->known ? parts[URI_TOKEN] : NULL,
                        .manufacturer = token->known ? parts[URI_MANUFACTURER] : NULL,
                        .model = token->known ? parts[URI_MODEL] : NULL,
                        .serial = token->known ? parts[URI_SERIAL] : NULL,
                        .sessions = {.open = worker->sessions_open + other->sessions_open,
                                .busy = out,
                                .limit = token_session_limit(token)},
                        .queued = token_queued(token),
                        .in_flight = out - worker_has_out(worker, MESSAGE_TYPE_REFRESH) -
                                     worker_has_out(other, MESSAGE_TYPE_REFRESH),
                        .requests = token->requests,
                        .errors = token->errors,
                        .restarts = token->restarts,
                        .logins = token->logins_before + worker->logins + other->logins,
                        .last_error = token->last_ckr ? &last_error : NULL,
                        .acceleration = {.hits = token->accelerated,
                                .fallbacks = token->fallbacks,
                                .loads = token->loads,
                                .copies = token->n_copies},
                        .session_copies = {.setting =
                                                   config_session_copies_name(token->config->session_copies),
                                .copies = worker->copies + other->copies,
                                .faster = worker->copies_faster,
                                .not_faster = worker->copies_not_faster,
                                .paused_until_usec = copies_paused_until(token)},
                        .keys = token->directory ? directory_count(token->directory, OBJECT_KEY) : 0,
                        .certificates =
                                token->directory ? directory_count(token->directory, OBJECT_CERTIFICATE) : 0,
                        .holds_claims = token->claims.known ? &token->claims.holds : NULL,
                        .claims = {claims_put, &token->claims},
                        .gone = {vanished_put, token},
                        .device_latency = latency(&token->device),
                        .request_latency = latency(&token->whole),
                });
}

static void put_tokens(struct output *output, void *userdata)
{
        struct broker *broker = userdata;
        const char *comma = "";

        LINK_FOREACH(at, &broker->tokens)
        {
                output_text(output, comma);
                put_token(output, LINK_OF(at, struct token, link));
                comma = ",";
        }
}

static void put_instances(struct output *output, void *userdata)
{
        struct broker *broker = userdata;
        const char *comma = "";

        LINK_FOREACH(at, &broker->instances)
        {
                const struct instance *instance = LINK_OF(at, struct instance, link);

                if (!instance->config)
                        continue;
                output_text(output, comma);
                status_instance_put(output, &(struct status_instance){
                                                    .name = instance->name,
                                                    .connections = instance->n_connections,
                                                    .requests = instance->requests,
                                                    .denied = instance->denied,
                                                    .queued = registry_queued(broker, instance),
                                                    .errors = instance->errors,
                                            });
                comma = ",";
        }
}

static void put_accounts(struct output *output, void *userdata)
{
        struct broker *broker = userdata;
        const char *comma = "";

        LINK_FOREACH(at, &broker->accounts.list)
        {
                const struct account *account = LINK_OF(at, struct account, link);

                output_text(output, comma);
                status_account_put(output, &(struct status_account){
                                                   .uid = account->uid,
                                                   .connections = account->n_connections,
                                                   .bytes = account->bytes,
                                                   .closed = account->n_closed,
                                                   .questions = account->n_questions,
                                                   .denied = account->n_denied,
                                                   .unrecorded = account->n_unrecorded,
                                                   .busy_usec = account->busy_usec,
                                           });
                comma = ",";
        }
}

static void put_configuration(struct output *output, void *userdata)
{
        const struct broker *broker = userdata;

        status_configuration_put(output, &(struct status_configuration){
                                                 .ok = broker->config_ok,
                                                 .reason = broker->config_reason ? broker->config_reason : "",
                                                 .since_usec = broker->config_usec,
                                         });
}

void status_put(struct broker *broker, struct output *output)
{
        status_get_reply_put(output, &(struct status_get_reply){
                                             .version = TOKEND_VERSION,
                                             .started_usec = broker->started_usec,
                                             .tokens = {put_tokens, broker},
                                             .instances = {put_instances, broker},
                                             .accounts = {put_accounts, broker},
                                             .audit = {audit_put_status, broker},
                                             .configuration = {put_configuration, broker},
                                     });
}

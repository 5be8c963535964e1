/* SPDX-License-Identifier: MPL-2.0 */
/* The metrics of tokens: one family after the other, as the format wants it. */
#include "daemon/broker/methods/metric-tokens.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/broker/methods/metric-text.h"
#include "daemon/broker/model/registry.h"
#include "daemon/broker/op/record.h"
#include "daemon/broker/token/vanished.h"
#include "daemon/util/printable.h"

/* ---- one number of each token ---- */

static uint64_t queued_of(const struct token *t)
{
        return token_queued(t);
}

static uint64_t in_flight_of(const struct token *t)
{
        return token_out(t);
}

static uint64_t sessions_of(const struct token *t)
{
        return t->worker->sessions_open + t->other->sessions_open;
}

static uint64_t threads_of(const struct token *t)
{
        return t->worker->threads;
}

static uint64_t sessions_limit_of(const struct token *t)
{
        return token_session_limit(t);
}

static uint64_t keys_of(const struct token *t)
{
        return t->directory ? directory_count(t->directory, OBJECT_KEY) : 0;
}

static uint64_t certificates_of(const struct token *t)
{
        return t->directory ? directory_count(t->directory, OBJECT_CERTIFICATE) : 0;
}

static uint64_t keys_gone_of(const struct token *t)
{
        return vanished_count(t, OBJECT_KEY) + vanished_count(t, OBJECT_SECRET);
}

static uint64_t certificates_gone_of(const struct token *t)
{
        return vanished_count(t, OBJECT_CERTIFICATE);
}

static uint64_t ready_of(const struct token *t)
{
        return t->state == TOKEN_READY;
}

static uint64_t requests_of(const struct token *t)
{
        return t->requests;
}

static uint64_t errors_of(const struct token *t)
{
        return t->errors;
}

static uint64_t restarts_of(const struct token *t)
{
        return t->restarts;
}

static uint64_t logins_of(const struct token *t)
{
        return t->logins_before + t->worker->logins + t->other->logins;
}

static uint64_t hits_of(const struct token *t)
{
        return t->accelerated;
}

static uint64_t fallbacks_of(const struct token *t)
{
        return t->fallbacks;
}

static uint64_t loads_of(const struct token *t)
{
        return t->loads;
}

static uint64_t copies_of(const struct token *t)
{
        return t->n_copies;
}

static uint64_t session_copies_of(const struct token *t)
{
        return t->worker->copies + t->other->copies;
}

static const struct {
        const char *name, *help;
        bool counter;
        uint64_t (*value)(const struct token *token);
} numbers[] = {
        {"token_ready", "Whether the token serves requests.", false, ready_of},
        {"token_queued", "Requests that wait for the token.", false, queued_of},
        {"token_in_flight", "Requests that the token works on.", false, in_flight_of},
        {"token_sessions", "PKCS #11 sessions open.", false, sessions_of},
        {"token_sessions_busy", "Of these, at work now.", false, in_flight_of},
        {"token_threads", "Requests that the token can work on at once.", false, threads_of},
        {"token_sessions_limit", "The most sessions there will be: Sessions=, or what the token allows.",
                false, sessions_limit_of},
        {"token_keys", "Keys listed.", false, keys_of},
        {"token_certificates", "Certificates on the token.", false, certificates_of},
        {"token_keys_gone",
                "Keys and secrets that were on the token, that no request of ours deleted, and that are not "
                "there any more.",
                false, keys_gone_of},
        {"token_certificates_gone", "Likewise certificates.", false, certificates_gone_of},
        {"token_requests", "Requests that the token was asked.", true, requests_of},
        {"token_errors", "Of these, ended with an error of the token.", true, errors_of},
        {"token_restarts",
                "Workers started beyond the first, without those that looked for an absent device in vain.",
                true, restarts_of},
        {"token_logins", "Logins that succeeded.", true, logins_of},
        {"token_accelerated", "Requests that an accelerator did: this one for others, or one for this token.",
                true, hits_of},
        {"token_fallbacks", "Requests that an accelerator could have done, and did not.", true, fallbacks_of},
        {"token_loads", "Keys copied to an accelerator.", true, loads_of},
        {"token_copies", "Copies of keys that an accelerator holds.", false, copies_of},
        {"token_session_copies", "Copies of keys that are objects of a session.", false, session_copies_of},
};

static void put_numbers(struct broker *broker, struct output *output)
{
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
                metric_family(output, numbers[i].name, numbers[i].counter ? "counter" : "gauge", NULL,
                        numbers[i].help);
                LINK_FOREACH(at, &broker->tokens)
                {
                        const struct token *token = LINK_OF(at, struct token, link);

                        metric_sample(output, numbers[i].name, numbers[i].counter ? "_total" : "",
                                LABELS({"token", token->name}), numbers[i].value(token));
                }
        }
}

/* To be joined with the others by its token. */
static void put_roles(struct broker *broker, struct output *output)
{
        metric_family(output, "token_info", "gauge", NULL, "The role of the token: keys or accelerator.");
        LINK_FOREACH(at, &broker->tokens)
        {
                const struct token *token = LINK_OF(at, struct token, link);

                metric_sample(output, "token_info", "",
                        LABELS({"token", token->name}, {"role", config_role_name(token->config->role)}), 1);
        }
}

static void put_states(struct broker *broker, struct output *output)
{
        metric_family(output, "token_state", "gauge", NULL,
                "The state of the token: 1 for its present state, 0 for the others.");
        LINK_FOREACH(at, &broker->tokens)
        {
                const struct token *token = LINK_OF(at, struct token, link);

                for (enum token_state state = TOKEN_STARTING; state < TOKEN_STATE_MAX_; state++)
                        metric_sample(output, "token_state", "",
                                LABELS({"token", token->name}, {"state", token_state_name(state)}),
                                token->state == state);
        }
}

/* ---- what became of requests ---- */

#define OPERATION_TEXT 32U

/* In lower case. */
static void operation_text(enum message_type kind, char text[static OPERATION_TEXT])
{
        const char *name = message_name(kind);
        size_t i;

        for (i = 0; i < OPERATION_TEXT - 1 && name[i]; i++)
                text[i] = (char)tolower((unsigned char)name[i]);
        text[i] = '\0';
}

static void put_ends_of(const struct token *token, struct output *output)
{
        for (unsigned kind = MESSAGE_TYPE_NONE_ + 1; kind < ARRAY_SIZE(token->ends); kind++) {
                char operation[OPERATION_TEXT];

                operation_text(kind, operation);
                for (unsigned end = 0; end < TOKEN_ENDS; end++)
                        if (token->ends[kind][end] > 0)
                                metric_sample(output, "token_operations", "_total",
                                        LABELS({"token", token->name}, {"operation", operation},
                                                {"result", op_end_name(end)}),
                                        token->ends[kind][end]);
        }
}

static void put_ends(struct broker *broker, struct output *output)
{
        metric_family(output, "token_operations", "counter", NULL,
                "Requests that a token was asked, by operation and by their end: ok, or the name of the "
                "error.");
        LINK_FOREACH(at, &broker->tokens)
        {
                put_ends_of(LINK_OF(at, struct token, link), output);
        }
}

static void put_latency(
        struct broker *broker, struct output *output, const char *name, const char *help, size_t offset)
{
        metric_family(output, name, "histogram", "seconds", help);
        LINK_FOREACH(at, &broker->tokens)
        {
                const struct token *token = LINK_OF(at, struct token, link);

                metric_histogram(output, name, "token", token->name,
                        (const struct histogram *)(const void *)((const char *)token + offset));
        }
}

/* ---- the ends of certificates ---- */

struct certificate_end {
        const char *nickname;
        uint64_t usec;
};

static int compare_ends(const void *a, const void *b)
{
        uint64_t left = ((const struct certificate_end *)a)->usec,
                 right = ((const struct certificate_end *)b)->usec;

        return left < right ? -1 : left > right;
}

/* One of each nickname, in n. Of several that bear one nickname the last to end counts: the others were renewed. Of those that bear none
 * each matters, and the first to end is shown. */
static struct certificate_end *certificate_ends(const struct token *token, size_t *ret_n)
{
        size_t n = directory_count(token->directory, OBJECT_CERTIFICATE), n_ends = 0;
        struct certificate_end *ends;
        struct entry **sorted;

        if (n == 0 || directory_sorted(token->directory, OBJECT_CERTIFICATE, &sorted) < 0)
                return NULL;
        ends = calloc(n, sizeof(*ends));
        for (size_t i = 0; i < n && ends; i++) {
                const struct entry *entry = sorted[i];
                struct certificate_end *last = n_ends > 0 ? &ends[n_ends - 1] : NULL;

                if (entry->not_after_usec == 0)
                        continue;
                if (!last || strcmp(last->nickname, entry->nickname) != 0)
                        ends[n_ends++] = (struct certificate_end){entry->nickname, entry->not_after_usec};
                else if (*entry->nickname)
                        last->usec = MAX_OF(last->usec, entry->not_after_usec);
                else
                        last->usec = MIN_OF(last->usec, entry->not_after_usec);
        }
        if (ends)
                qsort(ends, n_ends, sizeof(*ends), compare_ends);
        *ret_n = n_ends;
        return ends;
}

/* Two nicknames may be shown alike (printable.h), and a text with one sample twice would be refused as a whole: the first to end stays. */
static bool is_shown(char *const shown[], size_t n, const char *label)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(shown[i], label) == 0)
                        return true;
        return false;
}

static void put_ends_of_certificates(const struct token *token, struct output *output)
{
        char *shown[LIMIT_METRIC_CERTIFICATES];
        _cleanup_(freep) struct certificate_end *ends = NULL;
        size_t n = 0, n_shown = 0;

        if (!token->directory)
                return;
        ends = certificate_ends(token, &n);
        for (size_t i = 0; ends && i < n && n_shown < ARRAY_SIZE(shown); i++) {
                char *label = printable_new(ends[i].nickname);

                if (!label || is_shown(shown, n_shown, label)) {
                        free(label);
                        continue;
                }
                shown[n_shown++] = label;
                metric_sample(output, "certificate_not_after_seconds", "",
                        LABELS({"token", token->name}, {"nickname", label}), ends[i].usec / USEC_PER_SEC);
        }
        for (size_t i = 0; i < n_shown; i++)
                free(shown[i]);
}

static void put_certificates(struct broker *broker, struct output *output)
{
        metric_family(output, "certificate_not_after_seconds", "gauge", "seconds",
                "When the certificate of that nickname ends, in seconds since 1970. Of each token those that "
                "end first.");
        LINK_FOREACH(at, &broker->tokens)
        {
                put_ends_of_certificates(LINK_OF(at, struct token, link), output);
        }
}

void metric_tokens_put(struct broker *broker, struct output *output)
{
        put_numbers(broker, output);
        put_roles(broker, output);
        put_states(broker, output);
        put_ends(broker, output);
        put_certificates(broker, output);
        put_latency(broker, output, "device_seconds", "What the calls into the module took, of one request.",
                offsetof(struct token, device));
        put_latency(broker, output, "request_seconds", "From a request's arrival to its end.",
                offsetof(struct token, whole));
}

/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl status: what works, what does not, since when and why. */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/tokendctl/status-troubles.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/printable.h"

/* The broker answers at once, unless something is wrong. */
#define STATUS_TIMEOUT_MS 5000
#define WATCH_INTERVAL_MS 1000
/* How long --watch waits before it asks again for a daemon that went away. */
#define WATCH_RETRY_SECONDS 1

/* Counters of the last status, for rates. They are found by name, because a reload may add and remove tokens. */
struct last {
        char *name;
        int64_t requests;
};

struct view {
        bool json, color, clear, rates;
        const char *socket; /* for keys; NULL: which one belongs to the status socket is not known */
        int64_t last_usec;  /* of the last status; 0: there was none yet */
        struct last *last;
        size_t n_last;
};

static const char *state_color(unsigned column, const char *text)
{
        if (column != 1)
                return NULL;
        if (strcmp(text, "ready") == 0)
                return "\033[32m";
        return strcmp(text, "failed") == 0 ? "\033[1;31m" : "\033[1;33m";
}

static void print_headline(const struct tokend_status *status, const struct view *view, int64_t now)
{
        _cleanup_(freep) char *version = printable_new(status->version);
        size_t n_ready = 0;
        bool good, stopped;
        char up[32];

        for (size_t i = 0; i < status->n_tokens; i++)
                n_ready += token_is_ready(status->tokens[i]);
        good = n_ready == status->n_tokens;
        stopped = status->audit->mode && status->audit->required && !status->audit->ok;
        duration_format(now - status->started_usec, up, sizeof(up));
        printf("tokend %s, up %s: %s", version ? version : "", up,
                !view->color       ? ""
                : good && !stopped ? "\033[32m"
                                   : "\033[1;31m");
        if (stopped)
                printf("keys cannot be used, because uses are not recorded; ");
        if (status->n_tokens == 0)
                printf("no token is configured");
        else if (good)
                printf(n_ready == 1 ? "its token works" : "all %zu tokens work", n_ready);
        else
                printf("%zu of %zu tokens %s not work", status->n_tokens - n_ready, status->n_tokens,
                        status->n_tokens - n_ready == 1 ? "does" : "do");
        printf("%s\n", view->color ? "\033[0m" : "");
}

/* Where uses of keys are recorded, and how far a file is signed. */
static void print_audit_line(const struct tokend_audit_status *audit, int64_t now)
{
        char ago[32];

        if (!audit->mode)
                return;
        printf("\naudit: %s%s", audit->mode, audit->required ? ", required" : "");
        if (audit->seq > 0)
                printf(", %" PRId64 " records", audit->seq);
        if (audit->signed_seq > 0) {
                duration_format(now - audit->signed_usec, ago, sizeof(ago));
                printf(", signed up to %" PRId64 " %s ago", audit->signed_seq, ago);
        }
        printf("\n");
}

static double rate_of(const struct view *view, const struct tokend_token_status *token, int64_t now)
{
        for (size_t i = 0; i < view->n_last; i++)
                if (strcmp(view->last[i].name, token->name) == 0 &&
                        token->requests >= view->last[i].requests && now > view->last_usec)
                        return (double)(token->requests - view->last[i].requests) * 1e6 /
                               (double)(now - view->last_usec);
        return -1;
}

static void add_latencies(struct table *table, const struct tokend_latency *latency)
{
        char text[32];

        latency_format(latency->count > 0 ? latency->p50 : 0, text, sizeof(text));
        table_add(table, text);
        latency_format(latency->count > 0 ? latency->p99 : 0, text, sizeof(text));
        table_add(table, text);
}

static void add_state(struct table *table, const struct tokend_token_status *token, int64_t now)
{
        char since[32];

        table_add(table, token->name);
        table_add(table, token->state);
        duration_format(now - token->since_usec, since, sizeof(since));
        table_add(table, since);
        table_addf(table, "%" PRId64, token->keys);
        table_addf(table, "%" PRId64 "/%" PRId64 "/%" PRId64, token->sessions_busy, token->sessions_open,
                token->sessions_limit);
        table_addf(table, "%" PRId64, token->queued);
        table_addf(table, "%" PRId64, token->in_flight);
        table_addf(table, "%" PRId64, token->errors);
        table_addf(table, "%" PRId64, token->restarts);
}

static void add_times(
        struct table *table, const struct tokend_token_status *token, const struct view *view, int64_t now)
{
        double rate = rate_of(view, token, now);

        table_add(table, token->name);
        table_addf(table, "%" PRId64, token->requests);
        if (rate < 0)
                table_add(table, NULL);
        else
                table_addf(table, "%.*f", rate < 10 ? 1 : 0, rate);
        add_latencies(table, token->device);
        add_latencies(table, token->request);
}

/* Two tables, so that lines fit a terminal. SESSIONS: busy/open/limit. DEV: the time that the device took; ALL: the time that the whole
 * request took. */
static int print_tokens(const struct tokend_status *status, const struct view *view, int64_t now)
{
        static const char *const heads[] = {"TOKEN", "STATE", ">FOR", ">KEYS", ">SESSIONS", ">QUEUED",
                ">ACTIVE", ">ERRORS", ">RESTARTS"},
                                 *const times[] = {"TOKEN", ">REQUESTS", ">PER-S", ">DEV-P50", ">DEV-P99",
                                         ">ALL-P50", ">ALL-P99"};
        struct table table;
        int r;

        table_init(&table, heads, ARRAY_SIZE(heads));
        for (size_t i = 0; i < status->n_tokens; i++)
                add_state(&table, status->tokens[i], now);
        r = table_print(&table, stdout, view->color ? state_color : NULL);
        table_done(&table);
        printf("\n");
        table_init(&table, times, ARRAY_SIZE(times));
        for (size_t i = 0; i < status->n_tokens; i++)
                add_times(&table, status->tokens[i], view, now);
        r |= table_print(&table, stdout, NULL);
        table_done(&table);
        return r;
}

static bool is_accelerator(const struct tokend_token_status *token)
{
        return token->role && strcmp(token->role, "accelerator") == 0;
}

/* What accelerators did, and for whom. DONE: requests that an accelerator did; FALLBACKS: those that the keys' own tokens
 * did instead. */
static int print_acceleration(const struct tokend_status *status)
{
        static const char *const heads[] = {"TOKEN", "ROLE", ">DONE", ">FALLBACKS", ">LOADS", ">COPIES"};
        struct table table;
        bool any = false;
        int r;

        for (size_t i = 0; i < status->n_tokens; i++)
                any = any || is_accelerator(status->tokens[i]);
        if (!any)
                return 0;
        printf("\n");
        table_init(&table, heads, ARRAY_SIZE(heads));
        for (size_t i = 0; i < status->n_tokens; i++) {
                const struct tokend_token_status *token = status->tokens[i];

                table_add(&table, token->name);
                table_add(&table, token->role);
                table_addf(&table, "%" PRId64, token->accelerated);
                table_addf(&table, "%" PRId64, token->fallbacks);
                table_addf(&table, "%" PRId64, token->key_loads);
                table_addf(&table, "%" PRId64, token->key_copies);
        }
        r = table_print(&table, stdout, NULL);
        table_done(&table);
        return r;
}

/* Of the tokens whose keys are used through session copies. */
static void print_copies(const struct tokend_status *status, int64_t now)
{
        char left[32];

        for (size_t i = 0; i < status->n_tokens; i++) {
                const struct tokend_token_status *token = status->tokens[i];

                if (token->n_session_copies > 0)
                        printf("\n%s: %" PRId64 " session copies of keys\n", token->name,
                                token->n_session_copies);
                if (token->copies_paused_until_usec <= now)
                        continue;
                duration_format(token->copies_paused_until_usec - now, left, sizeof(left));
                printf("\n%s: no session copies of keys for %s: its worker ended while it made one\n",
                        token->name, left);
        }
}

static int print_instances(const struct tokend_status *status)
{
        static const char *const heads[] = {
                "INSTANCE", ">CONNECTIONS", ">REQUESTS", ">DENIED", ">QUEUED", ">ERRORS"};
        struct table table;
        int r;

        table_init(&table, heads, ARRAY_SIZE(heads));
        for (size_t i = 0; i < status->n_instances; i++) {
                const struct tokend_instance_status *instance = status->instances[i];

                table_add(&table, instance->name);
                table_addf(&table, "%" PRId64, instance->connections);
                table_addf(&table, "%" PRId64, instance->requests);
                table_addf(&table, "%" PRId64, instance->denied);
                table_addf(&table, "%" PRId64, instance->queued);
                table_addf(&table, "%" PRId64, instance->errors);
        }
        r = table_print(&table, stdout, NULL);
        table_done(&table);
        return r;
}

static void forget(struct view *view)
{
        for (size_t i = 0; i < view->n_last; i++)
                free(view->last[i].name);
        free(view->last);
        view->last = NULL;
        view->n_last = 0;
}

static void remember(struct view *view, const struct tokend_status *status, int64_t now)
{
        forget(view);
        view->last_usec = now;
        view->last = calloc(status->n_tokens + 1, sizeof(*view->last));
        for (size_t i = 0; view->last && i < status->n_tokens; i++) {
                char *name = strdup(status->tokens[i]->name);

                if (name)
                        view->last[view->n_last++] = (struct last){name, status->tokens[i]->requests};
        }
}

/* Prints one status. false: memory is short, or standard output cannot be written. */
static bool show(const struct tokend_status *status, struct view *view)
{
        int64_t now = (int64_t)wall_usec();
        int r = 0;

        if (view->json) {
                printf("%s\n", status->json);
        } else {
                if (view->clear)
                        printf("\033[H\033[2J");
                print_headline(status, view, now);
                if (view->socket)
                        print_socket(view->socket, view->color);
                print_troubles(status, view->color, now);
                if (status->n_tokens > 0) {
                        printf("\n");
                        r = print_tokens(status, view, now);
                        r |= print_acceleration(status);
                        print_copies(status, now);
                }
                if (status->n_instances > 0) {
                        printf("\n");
                        r |= print_instances(status);
                }
                print_audit_line(status->audit, now);
        }
        if (view->rates)
                remember(view, status, now);
        return fflush(stdout) == 0 && r == 0;
}

static bool show_next(const struct tokend_status *status, void *userdata)
{
        struct view *view = userdata;

        if (view->rates && view->last_usec && !view->clear && !view->json)
                printf("\n");
        return show(status, view);
}

/* Runs until the program is interrupted. Once the daemon has answered, it is waited for when it goes away. */
static int watch(struct tokend *handle, const struct ctl_options *o, struct view *view)
{
        struct tokend_failure failure;

        view->rates = true;
        for (;;) {
                enum tokend_error error =
                        tokend_watch(handle, WATCH_INTERVAL_MS, o->timeout_ms, show_next, view, &failure);

                if (error == TOKEND_OK)
                        return not_shown();
                if (view->last_usec == 0 || (error != TOKEND_CANNOT_CONNECT && error != TOKEND_TIMED_OUT))
                        return refused(o, &failure);
                if (view->clear)
                        printf("\033[H\033[2J");
                fflush(stdout);
                do {
                        complain("%s: %s", failure.name, failure.text);
                        sleep(WATCH_RETRY_SECONDS);
                } while (check_status(o, &failure) != 0);
        }
}

static const char *socket_of(const struct ctl_options *o)
{
        const char *given = o->socket ? o->socket : getenv("TOKEND_SOCKET");

        if (given)
                return given;
        return o->status_socket || getenv("TOKEND_STATUS_SOCKET") ? NULL : KEYS_SOCKET;
}

int verb_status(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        bool terminal = isatty(STDOUT_FILENO) && !o->json;
        const char *no_color = getenv("NO_COLOR");
        struct view view = {
                .json = o->json, .color = terminal && !(no_color && *no_color), .socket = socket_of(o)};
        struct tokend_status *status;
        struct tokend_failure failure;
        bool shown;
        int r = open_status(o, &handle);

        if (r != EXIT_DONE)
                return r;
        if (o->watch) {
                view.clear = terminal;
                r = watch(handle, o, &view);
                forget(&view);
                return r;
        }
        if (tokend_status(handle, o->timeout_ms ? o->timeout_ms : STATUS_TIMEOUT_MS, &status, &failure) !=
                TOKEND_OK)
                return refused(o, &failure);
        shown = show(status, &view);
        tokend_status_free(status);
        return shown ? EXIT_DONE : not_shown();
}

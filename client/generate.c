/* SPDX-License-Identifier: MPL-2.0 */
/*
 * tokend_generate(): asks once, and finds out what became of the request if the reply was lost.
 *
 * If a key with the nickname is on the token afterwards, that alone proves nothing: it may have been there before, and then
 * the daemon would have refused. So the library looks the nickname up before as well. That lookup waits if the token is not
 * available, so it gets little time: the time belongs to the call of Generate. If no key is there afterwards, that proves
 * nothing either: the worker may still be at it, for a broker that died. So the library looks again until the deadline, or
 * for as long as the slowest key takes.
 *
 * So this is a plan of several calls under one deadline, of which each says in then() which one is next.
 */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/text.h"
#include "gen/client/stubs.h"
#include "proto/limits.h"

/* How long the library looks for the key after the reply was lost. A worker makes RSA-8192 in 8 to 11 s, and a new broker has the
 * directory at once. */
#define LOOK_USEC       15000000
#define LOOK_PAUSE_USEC 250000
/* For the lookup before, and at most a quarter of the time that is left. The daemon answers it from memory, or waits for the
 * token. */
#define LOOK_BEFORE_MS 1000

/* The number of names in enum key_usage. */
#define N_USAGES 4

struct generation {
        struct tokend_template wanted; /* its strings, but id, are the plan's own */
        char *token, *nickname, *type, *curve;
        char *name;          /* "token:nickname" or "nickname"; NULL: the key is to have no nickname */
        struct call request; /* Generate, whose turn is the third */
        bool was_free;       /* no key had the nickname, as of the daemon's last listing */
        int64_t look_until;
        struct tokend_failure unknown; /* what became of the request */
};

static void generation_free(void *plan)
{
        struct generation *g = plan;

        free(g->token);
        free(g->nickname);
        free(g->type);
        free(g->curve);
        free(g->name);
        call_done(&g->request);
        free(g);
}

/* usage: room for the names of the usages that the template asks for. */
static struct keys_generate_arguments arguments_of(
        const struct tokend_template *wanted, const char *usage[static N_USAGES])
{
        struct keys_generate_arguments arguments = {
                .token = wanted->token,
                .nickname = wanted->nickname,
                .type = wanted->type,
                .size = wanted->size,
                .curve = wanted->curve,
                .loadable = wanted->loadable,
                .id = wanted->id,
                .usage = {usage, 0},
        };

        for (unsigned bit = 1; usage_name(bit) && arguments.usage.n < N_USAGES; bit <<= 1)
                if (wanted->usage & bit)
                        usage[arguments.usage.n++] = usage_name(bit);
        return arguments;
}

/* The time until the deadline in milliseconds, as the timeout of another call: at least 1. */
static int ms_until(int64_t deadline)
{
        int64_t ms = (deadline - clock_usec()) / 1000;

        return ms < 1 ? 1 : ms > LIMIT_TIMEOUT_MS ? (int)LIMIT_TIMEOUT_MS : (int)ms;
}

static bool is_as_wanted(const struct tokend_key *key, const struct tokend_template *wanted)
{
        if (strcmp(key->nickname, wanted->nickname) != 0 || strcmp(key->type, wanted->type) != 0 ||
                !key->local)
                return false;
        if (wanted->token && strcmp(key->token, wanted->token) != 0)
                return false;
        if (strcmp(wanted->type, "rsa") == 0)
                return key->size == (wanted->size ? wanted->size : (int)DEFAULT_RSA_BITS);
        if (strcmp(wanted->type, "ec") == 0)
                return key->curve &&
                       strcmp(key->curve, wanted->curve ? wanted->curve : curve_name(DEFAULT_EC_BITS)) == 0;
        return true;
}

/* The call of this name of a key, which ends at that time. */
static enum tokend_error begin_get(struct call *call, const struct generation *g, int64_t deadline)
{
        enum tokend_error error =
                keys_get_begin(call, &(struct keys_get_arguments){.key = g->name}, ms_until(deadline), NULL);

        call->take = key_take;
        call->forget = key_forget;
        return error;
}

/* ---- after it: what became of the request? ---- */

static bool is_unknown(struct call *call)
{
        const struct generation *g = call->plan;

        key_forget(call);
        call->error = TOKEND_OUTCOME_UNKNOWN;
        call->failure = g->unknown;
        return false;
}

static bool looked(struct call *call);

/* Looks for the key, from `when` on. */
static bool look(struct call *call, int64_t when)
{
        const struct generation *g = call->plan;
        struct call next;

        if (when >= g->look_until || begin_get(&next, g, g->look_until) != TOKEND_OK)
                return is_unknown(call);
        call_become(call, &next);
        call->then = looked;
        call->until = when;
        return true;
}

static bool looked(struct call *call)
{
        const struct generation *g = call->plan;

        if (call->error == TOKEND_OK)
                return is_as_wanted(call->object, &g->wanted) ? false : is_unknown(call);
        if (call->error != TOKEND_KEY_NOT_FOUND && call->error != TOKEND_TOKEN_UNAVAILABLE)
                return is_unknown(call);
        return look(call, clock_usec() + LOOK_PAUSE_USEC);
}

static bool requested(struct call *call)
{
        struct generation *g = call->plan;

        if (call->error != TOKEND_OUTCOME_UNKNOWN || !g->was_free)
                return false;
        g->unknown = call->failure;
        g->look_until = clock_usec() + LOOK_USEC;
        if (g->look_until > call->deadline)
                g->look_until = call->deadline;
        return look(call, clock_usec());
}

static bool request(struct call *call)
{
        struct generation *g = call->plan;

        call_become(call, &g->request);
        g->request.parameters = NULL;
        call->then = requested;
        return true;
}

/* ---- before it ---- */

/* Fails only if the token or the daemon cannot be asked: then Generate is not asked for either, and nothing was done. Generate reports
 * whatever else is wrong. */
static bool looked_before(struct call *call)
{
        struct generation *g = call->plan;

        if (g->wanted.token)
                g->was_free =
                        call->error == TOKEND_OK && ((const struct tokend_keys *)call->object)->n_keys == 0;
        else
                g->was_free = call->error == TOKEND_KEY_NOT_FOUND;
        if (call->error != TOKEND_TIMED_OUT && call->error != TOKEND_CANNOT_CONNECT &&
                (call->error > TOKEND_CANNOT_CONNECT || call->error == TOKEND_TOKEN_UNAVAILABLE))
                return false;
        if (call->object)
                call->forget(call);
        return request(call);
}

/* List finds the nickname without an error in the counts of the daemon. If no token is named, Get looks on the token on which Generate
 * would make the key. */
static bool look_before(struct call *call)
{
        const struct generation *g = call->plan;
        struct call next;
        int ms = ms_until(g->request.deadline) / 4;
        enum tokend_error error;

        ms = ms < 1 ? 1 : ms > LOOK_BEFORE_MS ? LOOK_BEFORE_MS : ms;
        error = g->wanted.token ? keys_begin(&next, g->wanted.token, g->wanted.nickname, NULL, ms, NULL)
                                : begin_get(&next, g, clock_usec() + (int64_t)ms * 1000);
        if (error != TOKEND_OK)
                return request(call);
        call_become(call, &next);
        call->then = looked_before;
        return true;
}

/* The daemon itself answers this whatever the state of its tokens. If it does not answer, it is not asked for a key: the outcome would be
 * unknown. */
static bool is_there(struct call *call)
{
        const struct generation *g = call->plan;

        if (call->error >= TOKEND_CANNOT_CONNECT)
                return false;
        return g->name ? look_before(call) : request(call);
}

/* ---- the call ---- */

/* A copy, which must be there where the original is. */
static bool copy(const char *text, char **copy, const char **place)
{
        *place = *copy = text ? strdup(text) : NULL;
        return !text || *copy;
}

/* NULL: no memory. */
static struct generation *generation_new(const struct tokend_template *wanted)
{
        struct generation *g = calloc(1, sizeof(*g));
        bool whole;

        if (!g)
                return NULL;
        g->wanted = *wanted;
        whole = copy(wanted->token, &g->token, &g->wanted.token);
        whole = copy(wanted->nickname, &g->nickname, &g->wanted.nickname) && whole;
        whole = copy(wanted->type, &g->type, &g->wanted.type) && whole;
        whole = copy(wanted->curve, &g->curve, &g->wanted.curve) && whole;
        if (wanted->nickname)
                g->name = text_format("%s%s%s", wanted->token ? wanted->token : "", wanted->token ? ":" : "",
                        wanted->nickname);
        if (whole && (g->name || !wanted->nickname))
                return g;
        generation_free(g);
        return NULL;
}

enum tokend_error tokend_generate(struct tokend *handle, const struct tokend_template *given, int timeout_ms,
        struct tokend_key **ret, struct tokend_failure *ret_failure)
{
        const char *usage[N_USAGES];
        struct keys_generate_arguments arguments;
        struct tokend_template wanted;
        struct generation *g;
        struct call call;
        enum tokend_error error =
                structure_take(&wanted, sizeof(wanted), given, "tokend_template", ret_failure);

        if (error != TOKEND_OK)
                return error;
        if (!wanted.type)
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT, "a key to be needs a type");
        g = generation_new(&wanted);
        if (!g)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a key");
        arguments = arguments_of(&wanted, usage);
        error = keys_generate_begin(&g->request, &arguments, timeout_ms, ret_failure);
        if (error == TOKEND_OK)
                error = service_get_info_begin(&call, ms_until(g->request.deadline), ret_failure);
        if (error != TOKEND_OK) {
                generation_free(g);
                return error;
        }
        g->request.with_timeout = timeout_ms > 0;
        g->request.take = key_take;
        g->request.forget = key_forget;
        call.deadline = g->request.deadline;
        call.plan = g;
        call.plan_free = generation_free;
        call.then = is_there;
        call.ret = ret;
        return call_run(handle, &call, ret_failure);
}

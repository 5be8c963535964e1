/* SPDX-License-Identifier: MPL-2.0 */
/*
 * tokend_generate(): asks once, and finds out what became of the request if the reply was lost.
 *
 * If a key with the nickname is on the token afterwards, that alone proves nothing: it may have been there before, and then
 * the daemon would have refused. So the library looks the nickname up before as well. That lookup waits if the token is not
 * available, so it gets little time: the time belongs to the call of Generate. If no key is there afterwards, that proves
 * nothing either: the worker may still be at it, for a broker that died. So the library looks again until the deadline, or
 * for as long as the slowest key takes.
 */
#include <stdio.h>
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

/* Looks until the key is there and is as the template asks. false: this cannot be told. */
static bool look_for(struct tokend *handle, const char *name, const struct tokend_template *wanted,
        int64_t deadline, struct tokend_key **ret)
{
        int64_t end = clock_usec() + LOOK_USEC;

        if (end > deadline)
                end = deadline;
        while (clock_usec() < end) {
                struct tokend_key *key;
                enum tokend_error error = tokend_get(handle, name, ms_until(end), &key, NULL);

                if (error == TOKEND_OK) {
                        if (is_as_wanted(key, wanted)) {
                                *ret = key;
                                return true;
                        }
                        tokend_key_free(key);
                        return false;
                }
                if (error != TOKEND_KEY_NOT_FOUND && error != TOKEND_TOKEN_UNAVAILABLE)
                        return false;
                sleep_until(clock_usec() + LOOK_PAUSE_USEC < end ? clock_usec() + LOOK_PAUSE_USEC : end);
        }
        return false;
}

/* Whether no key has the nickname, as far as the daemon has listed the token. List finds that out without an error in the counts of
 * the daemon. If no token is named, Get looks on the token on which Generate would make the key. */
static enum tokend_error find_free(struct tokend *handle, const char *name,
        const struct tokend_template *wanted, int timeout_ms, bool *ret_is_free,
        struct tokend_failure *ret_failure)
{
        struct tokend_key *key = NULL;
        struct tokend_keys *keys;
        enum tokend_error error;

        if (!wanted->token) {
                error = tokend_get(handle, name, timeout_ms, &key, ret_failure);
                tokend_key_free(key);
                *ret_is_free = error == TOKEND_KEY_NOT_FOUND;
                return error;
        }
        error = tokend_list(handle, wanted->token, wanted->nickname, timeout_ms, &keys, ret_failure);
        *ret_is_free = error == TOKEND_OK && keys->n_keys == 0;
        if (error == TOKEND_OK)
                tokend_keys_free(keys);
        return error;
}

/* Waits for the daemon itself, which answers this whatever the state of its tokens. If it does not answer, it is not asked for a
 * key: the outcome would be unknown. */
static enum tokend_error ask_whether_there(
        struct tokend *handle, int64_t deadline, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = service_get_info_begin(&call, ms_until(deadline), ret_failure);

        if (error == TOKEND_OK)
                error = call_finish(handle, &call, NULL, NULL, ret_failure);
        return error < TOKEND_CANNOT_CONNECT ? TOKEND_OK : error;
}

/* *ret_is_free: no key has the nickname, as of the daemon's last listing. Fails only if the token or the daemon cannot be asked:
 * then Generate is not asked for either, and nothing was done. Generate reports whatever else is wrong. */
static enum tokend_error look_before(struct tokend *handle, const char *name,
        const struct tokend_template *wanted, int64_t deadline, bool *ret_is_free,
        struct tokend_failure *ret_failure)
{
        enum tokend_error error;
        int ms;

        *ret_is_free = false;
        if (!name)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a name");
        error = ask_whether_there(handle, deadline, ret_failure);
        if (error != TOKEND_OK)
                return error;
        ms = ms_until(deadline) / 4;
        ms = ms < 1 ? 1 : ms > LOOK_BEFORE_MS ? LOOK_BEFORE_MS : ms;
        error = find_free(handle, name, wanted, ms, ret_is_free, ret_failure);
        if (error == TOKEND_TIMED_OUT || error == TOKEND_CANNOT_CONNECT)
                return TOKEND_OK;
        return error > TOKEND_CANNOT_CONNECT || error == TOKEND_TOKEN_UNAVAILABLE ? error : TOKEND_OK;
}

/* A new string "token:nickname" or "nickname". NULL: no memory. */
static char *name_of(const struct tokend_template *wanted)
{
        return text_format(
                "%s%s%s", wanted->token ? wanted->token : "", wanted->token ? ":" : "", wanted->nickname);
}

enum tokend_error tokend_generate(struct tokend *handle, const struct tokend_template *given, int timeout_ms,
        struct tokend_key **ret, struct tokend_failure *ret_failure)
{
        _cleanup_(freep) char *name = NULL;
        const char *usage[N_USAGES];
        struct keys_generate_arguments arguments;
        struct tokend_template template;
        const struct tokend_template *wanted = &template;
        struct tokend_key *key = NULL;
        struct call call;
        bool was_free;
        enum tokend_error error =
                structure_take(&template, sizeof(template), given, "tokend_template", ret_failure);

        if (error != TOKEND_OK)
                return error;
        if (!wanted->type)
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT, "a key to be needs a type");
        arguments = arguments_of(wanted, usage);
        error = keys_generate_begin(&call, &arguments, timeout_ms, ret_failure);
        if (error != TOKEND_OK)
                return error;
        if (wanted->nickname) {
                name = name_of(wanted);
                error = look_before(handle, name, wanted, call.deadline, &was_free, ret_failure);
        } else {
                was_free = false;
                error = ask_whether_there(handle, call.deadline, ret_failure);
        }
        if (error != TOKEND_OK) {
                call_done(&call);
                return error;
        }
        call.with_timeout = timeout_ms > 0;
        call.take = key_take;
        call.userdata = &key;
        error = call_run(handle, &call, ret_failure);
        if (error == TOKEND_OUTCOME_UNKNOWN && was_free &&
                look_for(handle, name, wanted, call.deadline, &key))
                error = TOKEND_OK;
        call_done(&call);
        if (error == TOKEND_OK)
                *ret = key;
        else
                tokend_key_free(key);
        return error;
}

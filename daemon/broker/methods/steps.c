/* SPDX-License-Identifier: MPL-2.0 */
/* See steps.h. */
#include "daemon/broker/methods/steps.h"

#include <string.h>

#include "daemon/broker/accel/route.h"
#include "daemon/broker/model/name.h"
#include "daemon/broker/op/record.h"
#include "daemon/broker/token/live.h"
#include "daemon/broker/token/look.h"

/* ---- find ---- */

bool op_find_token(struct op *op, const char *name)
{
        const struct config_instance *policy = op_policy(op);
        const struct config_token *config;

        /* A reload took its instance away: as before a method is called, it is told no more than that. */
        if (!policy) {
                op_denied(op, config_right_name(op->method->right), DENIAL_NO_INSTANCE);
                return false;
        }
        config = name ? config_token(op->broker->config, name) : policy_own_token(op->broker->config, policy);
        if (!config || !policy_sees_token(policy, config)) {
                op_fail_with(op, PROTO_TOKEN_NOT_FOUND, "token", name ? name : "");
                return false;
        }
        op->token = registry_token(op->broker, config->name);
        return true;
}

/* ---- keys and certificates ---- */

struct search {
        enum object_kind kind;
        const struct config_instance *policy;
        const struct name *name;
        const char *serial; /* of the certificate; NULL: any */
        size_t n;           /* objects found */
        struct token *token;
        struct entry *entry;
        struct token *unknown; /* one that might be meant, but has not said yet who it is */
        struct token *missing; /* the last one that was searched in vain */
};

static void search_entry(struct search *search, struct token *token, struct entry *entry)
{
        if (entry->kind != search->kind || !name_matches_entry(search->name, entry) ||
                !policy_sees_entry(search->policy, entry) ||
                (search->serial && strcmp(search->serial, entry->serial) != 0))
                return;
        /* Of copies of one certificate it does not matter which is meant. */
        if (entry->kind == OBJECT_CERTIFICATE && search->n > 0 && token == search->token &&
                entry_is_same(entry, search->entry))
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
                if (!uri_says_token(&search->name->uri) && search->policy->token && token->config != own)
                        continue;
                if (!token->known && token_has_hope(token) && name_may_mean(search->name, token->config->uri))
                        search->unknown = token;
                if (token->known && uri_matches_token(&search->name->uri, &token->identity))
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
                search_token(search, registry_token(broker, config->name));
}

int finding_make(struct broker *broker, const struct config_instance *policy, enum object_kind kind,
        const char *text, struct finding *ret)
{
        struct search search = {.kind = kind, .policy = policy};
        int r = name_parse(text, broker->config, &ret->name);

        if (r != 0)
                return r;
        search.name = &ret->name;
        search_all(&search, broker);
        ret->n = search.n;
        ret->token = search.token ? search.token : search.missing ? search.missing : search.unknown;
        ret->entry = search.entry;
        return 0;
}

void finding_done(struct finding *finding)
{
        name_done(&finding->name);
}

void steps_put_rights(struct output *output, void *userdata)
{
        const struct config_instance *policy = userdata;
        const char *comma = "";

        for (unsigned right = 1; right <= RIGHT_ALL; right <<= 1)
                if (policy->allow & right) {
                        output_text(output, comma);
                        output_string(output, config_right_name(right));
                        comma = ",";
                }
}

/* The directory was renewed, or there will be none. */
static void on_directory(struct op *op)
{
        void (*again)(struct op *) = TAKE_PTR(op->again);

        op->looked = true;
        if (op->end == END_OK)
                again(op);
        else
                op_finish(op);
}

void op_wait(struct op *op, struct token *token, void (*again)(struct op *op))
{
        op->token = token;
        op->again = again;
        op->then = on_directory;
        token_wait(token, op);
}

/* Nothing bears the name, as far as is known: waits once for a directory of now; of each token, where a URI may mean several that
 * start. */
static void not_found(struct op *op, const struct search *search, void (*again)(struct op *op))
{
        struct token *token = search->missing ? search->missing : search->unknown;

        if (token && !(op->looked && op->token == token) && token_missed(token)) {
                op_wait(op, token, again);
                return;
        }
        if (token && token->worker->phase == WORKER_SERVING)
                look_missed(token);
        op_fail_end(op, token, token && !token->directory ? END_UNAVAILABLE : END_KEY_GONE);
}

void op_bad_name(struct op *op, const char *name, const char *parameter)
{
        _cleanup_(freep) char *fault = NULL;

        if (uri_fault(name, &fault) == 0)
                op_invalid(op, parameter, fault);
        else
                op_refuse(op, END_NO_MEMORY);
}

static bool find(struct op *op, enum object_kind kind, const char *text, const char *serial,
        const char *parameter, void (*again)(struct op *op))
{
        struct search search = {.kind = kind, .policy = op_policy(op), .serial = serial};
        struct name name;
        int r;

        op->key = text;
        if (!search.policy) {
                op_denied(op, config_right_name(op->method->right), DENIAL_NO_INSTANCE);
                return false;
        }
        r = name_parse(text, op->broker->config, &name);
        if (r < 0)
                op_fail_end(op, NULL, END_NO_MEMORY);
        else if (r > 0)
                op_bad_name(op, text, parameter);
        if (r != 0)
                return false;
        search.name = &name;
        search_all(&search, op->broker);
        name_done(&name);
        if (search.n > 1)
                op_fail_with(op, PROTO_AMBIGUOUS_NAME, "key", text);
        else if (search.n == 0)
                not_found(op, &search, again);
        if (search.n != 1)
                return false;
        op->token = search.token;
        op_set_entry(op, search.entry);
        return true;
}

bool op_key_is_fit(struct op *op, bool type_fits, unsigned usage)
{
        bool made_for = op->entry->usage & usage;

        if (type_fits && made_for)
                return true;
        op->lacks = type_fits ? usage : 0;
        op_refuse(op, END_NOT_SUPPORTED);
        return false;
}

bool op_find_key(struct op *op, const char *name, const char *parameter, void (*again)(struct op *op))
{
        return find(op, OBJECT_KEY, name, NULL, parameter, again);
}

bool op_find_certificate(struct op *op, const char *name, const char *serial, void (*again)(struct op *op))
{
        op->of = OBJECT_CERTIFICATE;
        return find(op, OBJECT_CERTIFICATE, name, serial, "certificate", again);
}

bool op_find_secret(struct op *op, const char *name, const char *parameter, void (*again)(struct op *op))
{
        op->of = OBJECT_SECRET;
        return find(op, OBJECT_SECRET, name, NULL, parameter, again);
}

bool op_find_directory(struct op *op, void (*again)(struct op *op))
{
        if (op->token->directory && (op->looked || !token_is_unsure(op->token)))
                return true;
        op_wait(op, op->token, again);
        return false;
}

/* ---- submit ---- */

/* As the instance of now: a reload may have made it another since the request came. */
static void send_off(struct op *op)
{
        if (op->client && op->client->kind == LISTEN_KEYS)
                op_set_instance(op, op->client->instance);
        token_submit(route_choose(op), op);
}

/* The record that the op begins is safe, or could not be made so. Meanwhile a reload may have taken the right, or have made
 * the key the audit's; a oneway whose client has gone is done as it was let begin. */
static void on_begun(struct op *op, bool may)
{
        _cleanup_(op_unrefp) struct op *held = NULL;

        if (op->state != OP_HELD)
                return;
        if (!may)
                backlog_end(op, END_UNRECORDED);
        else if ((op->client && op->method->right && !op_policy(op)) || op_is_for_audit_key(op))
                backlog_end(op, END_DENIED);
        else {
                held = backlog_take(op);
                send_off(held);
        }
}

void op_submit(struct op *op, void (*then)(struct op *op))
{
        int r;

        /* It may have waited for those before it on its connection. */
        if (op->deadline_usec <= now_usec()) {
                op_refuse(op, END_DEADLINE);
                return;
        }
        /* Its client has closed behind it. */
        if (!op_is_wanted(op)) {
                op_refuse(op, END_DROPPED);
                return;
        }
        r = record_begin(op, on_begun);
        op->then = then;
        if (r < 0)
                op_fail_unrecorded(op);
        else if (r == 1)
                backlog_hold(op->token, op);
        else
                send_off(op);
}

void op_refuse(struct op *op, enum op_end end)
{
        op_fail_end(op, op->token, end);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See find.h. */
#include "daemon/broker/methods/find.h"

#include <string.h>

#include "daemon/broker/model/name.h"
#include "daemon/broker/token/live.h"
#include "daemon/broker/token/look.h"

bool find_token(struct op *op, const char *name)
{
        const struct config_instance *policy = op_policy(op);
        const struct config_token *config = NULL;

        if (policy)
                config = name ? config_token(op->broker->config, name)
                              : policy_own_token(op->broker->config, policy);
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
                search_token(search, registry_token(broker, config->name));
}

static void find(struct op *op);

/* The directory was renewed, or there will be none. */
static void find_again(struct op *op)
{
        op->looked = true;
        if (op->end == END_OK)
                find(op);
        else
                op_finish(op);
}

/* Nothing bears the name, as far as is known: waits once for a directory of now. */
static void not_found(struct op *op, const struct search *search)
{
        struct token *token = search->missing ? search->missing : search->unknown;

        if (token && !op->looked && token_missed(token)) {
                op->token = token;
                op->then = find_again;
                token_wait(token, op);
                return;
        }
        if (token && op->looked)
                look_missed(token);
        op_fail_end(op, token, token && !token->directory ? END_UNAVAILABLE : END_KEY_GONE);
}

static void find(struct op *op)
{
        struct search search = {.kind = op->wanted, .policy = op_policy(op)};
        struct name name;
        int r;

        op->key = op->name;
        if (!search.policy) {
                op_denied(op, config_right_name(op->method->right));
                return;
        }
        r = name_parse(op->name, op->broker->config, &name);
        if (r < 0)
                op_fail_end(op, NULL, END_NO_MEMORY);
        else if (r > 0)
                op_invalid(op, op->parameter);
        if (r != 0)
                return;
        search.name = &name;
        search_all(&search, op->broker);
        name_done(&name);
        if (search.n > 1)
                op_fail_with(op, PROTO_AMBIGUOUS_NAME, "key", op->name);
        else if (search.n == 0)
                not_found(op, &search);
        else {
                op->token = search.token;
                op_set_entry(op, search.entry);
                op->found(op);
        }
}

static void begin(struct op *op, enum object_kind kind, const char *name, const char *parameter,
        void (*found)(struct op *op))
{
        op->wanted = kind;
        op->name = name;
        op->parameter = parameter;
        op->found = found;
        op->looked = false;
        find(op);
}

void find_key(struct op *op, const char *name, const char *parameter, void (*found)(struct op *op))
{
        begin(op, OBJECT_KEY, name, parameter, found);
}

void find_certificate(struct op *op, const char *name, void (*found)(struct op *op))
{
        op->of_certificate = true;
        begin(op, OBJECT_CERTIFICATE, name, "certificate", found);
}

static void directory_is_there(struct op *op)
{
        if (op->end == END_OK)
                op->found(op);
        else
                op_finish(op);
}

void find_directory(struct op *op, void (*found)(struct op *op))
{
        if (op->token->directory) {
                found(op);
                return;
        }
        op->found = found;
        op->then = directory_is_there;
        token_wait(op->token, op);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See policy.h. */
#include "daemon/broker/model/policy.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util/unnamed.h"

static char default_name[] = "default", any_nickname[] = "*";
static char *no_tokens[] = {NULL}, *any_nicknames[] = {any_nickname, NULL};

const struct config_instance policy_default_instance = {
        .name = default_name,
        .user = (uid_t)-1,
        .group = (gid_t)-1,
        .other_tokens = no_tokens,
        .keys = any_nicknames,
        .allow = RIGHT_ALL,
        .weight = 100,
        .max_queued = 256,
        .max_connections = 1024,
};

#define DENIAL_WORD(constant, word) [constant] = word,
static const char *const denial_words[] = {DENIALS(DENIAL_WORD)};

const char *denial_word(enum denial denial)
{
        return denial_words[denial];
}

struct caller *caller_ref(struct caller *caller)
{
        caller->refs++;
        return caller;
}

void caller_unref(struct caller *caller)
{
        if (!caller || --caller->refs > 0)
                return;
        account_unref(caller->account);
        free(caller->groups);
        free(caller->unit);
        free(caller);
}

static bool caller_has_group(const struct caller *caller, gid_t group)
{
        if (caller->gid == group)
                return true;
        for (size_t i = 0; i < caller->n_groups; i++)
                if (caller->groups[i] == group)
                        return true;
        return false;
}

static bool fits_user(const struct config_instance *instance, const struct caller *caller)
{
        return instance->user == (uid_t)-1 || instance->user == caller->uid;
}

static bool fits_group(const struct config_instance *instance, const struct caller *caller)
{
        return instance->group == (gid_t)-1 || caller_has_group(caller, instance->group);
}

static bool fits_unit(const struct config_instance *instance, const struct caller *caller)
{
        return !instance->unit || (caller->unit && strcmp(instance->unit, caller->unit) == 0);
}

static bool instance_matches(const struct config_instance *instance, const struct caller *caller)
{
        return fits_user(instance, caller) && fits_group(instance, caller) && fits_unit(instance, caller);
}

bool policy_asks_unit(const struct config *config, const struct caller *caller)
{
        for (size_t i = 0; i < config->n_instances; i++)
                if (fits_user(config->instances[i], caller) && fits_group(config->instances[i], caller))
                        return config->instances[i]->unit != NULL;
        return false;
}

const struct config_instance *policy_match(
        const struct config *config, const struct caller *caller, uid_t own_uid)
{
        if (config->n_instances == 0)
                return caller->uid == 0 || caller->uid == own_uid ? &policy_default_instance : NULL;
        for (size_t i = 0; i < config->n_instances; i++)
                if (instance_matches(config->instances[i], caller))
                        return config->instances[i];
        return NULL;
}

const struct config_instance *policy_nearest(
        const struct config *config, const struct caller *caller, const char **ret_key)
{
        const struct config_instance *nearest = NULL;
        int most = 0;

        for (size_t i = 0; i < config->n_instances; i++) {
                const struct config_instance *at = config->instances[i];
                bool user = fits_user(at, caller), group = fits_group(at, caller);
                /* Who the caller is tells more than where it runs. */
                int fits = 4 * user + 2 * group + fits_unit(at, caller);

                if (nearest && fits <= most)
                        continue;
                nearest = at;
                most = fits;
                *ret_key = !user ? "User=" : !group ? "Group=" : "Unit=";
        }
        return nearest;
}

enum denial policy_denies(const struct config_instance *instance, unsigned right)
{
        if (!instance)
                return DENIAL_NO_INSTANCE;
        return instance->allow & right ? DENIAL_NONE : DENIAL_NOT_ALLOWED;
}

bool policy_sees_token(const struct config_instance *instance, const struct config_token *token)
{
        /* Nothing is listed, made or named there, whatever OtherTokens= says. */
        if (token->role == ROLE_ACCELERATOR)
                return false;
        if (!instance->token)
                return true;
        if (strcmp(instance->token, token->name) == 0)
                return true;
        for (char **name = instance->other_tokens; *name; name++)
                if (strcmp(*name, token->name) == 0)
                        return true;
        return false;
}

bool policy_sees_nickname(const struct config_instance *instance, const char *nickname)
{
        if (nickname_is_unnamed(nickname))
                return nickname_is_unnamed_of(nickname, instance->name);
        for (char **glob = instance->keys; *glob; glob++)
                if (fnmatch(*glob, nickname, 0) == 0)
                        return true;
        return false;
}

bool policy_sees_entry(const struct config_instance *instance, const struct entry *entry)
{
        for (size_t i = 0; i < entry->n_names; i++)
                if (policy_sees_nickname(instance, entry->names[i].text))
                        return true;
        return false;
}

bool policy_others_lose(const struct config *config, const struct config_instance *instance,
        const struct config_token *token, const struct entry *key, const char *new_nickname)
{
        for (size_t i = 0; i < config->n_instances; i++) {
                const struct config_instance *other = config->instances[i];

                if (other != instance && policy_sees_token(other, token) && policy_sees_entry(other, key) &&
                        !policy_sees_nickname(other, new_nickname))
                        return true;
        }
        return false;
}

const struct config_token *policy_own_token(
        const struct config *config, const struct config_instance *instance)
{
        if (instance->token)
                return config_token(config, instance->token);
        for (size_t i = 0; i < config->n_tokens; i++)
                if (config->tokens[i]->role == ROLE_KEYS)
                        return config->tokens[i];
        return NULL;
}

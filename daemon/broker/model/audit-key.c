/* SPDX-License-Identifier: MPL-2.0 */
/* See audit-key.h. */
#include "daemon/broker/model/audit-key.h"

#include <string.h>

#include "daemon/util/spki.h"

/* The nickname that AuditKey= names. NULL: it is not set. */
static const char *nickname_of(const struct broker *broker)
{
        const char *name = broker->config ? broker->config->audit_key : NULL;

        return name ? strchr(name, ':') + 1 : NULL;
}

static bool is_token(const struct broker *broker, const struct token *token)
{
        const char *name = broker->config->audit_key;
        size_t length = strcspn(name, ":");

        return strlen(token->name) == length && memcmp(token->name, name, length) == 0;
}

static struct token *token_of(const struct broker *broker)
{
        LINK_FOREACH(at, (struct link *)(uintptr_t)&broker->tokens)
        {
                struct token *token = LINK_OF(at, struct token, link);

                if (is_token(broker, token))
                        return token;
        }
        return NULL;
}

/* The next key of that nickname. */
static struct entry *next_key(const struct token *token, const char *nickname, struct entry *after)
{
        struct entry *entry = after;

        do
                entry = directory_nickname(token->directory, nickname, entry);
        while (entry && entry->kind != OBJECT_KEY);
        return entry;
}

const char *audit_key_find(const struct broker *broker, struct token **ret_token, struct entry **ret)
{
        const char *nickname = nickname_of(broker);
        struct token *token = nickname ? token_of(broker) : NULL;
        struct entry *key;

        if (!nickname)
                return "no AuditKey= is set";
        if (!token || !token->directory)
                return "the token of AuditKey= is not ready";
        key = next_key(token, nickname, NULL);
        if (!key)
                return "the key of AuditKey= is not on its token";
        if (next_key(token, nickname, key))
                return "several keys bear the nickname of AuditKey=";
        *ret_token = token;
        *ret = key;
        return NULL;
}

bool audit_key_is_named(const struct broker *broker, const struct token *token, const char *nickname)
{
        const char *own = nickname_of(broker);

        return own && strcmp(own, nickname) == 0 && is_token(broker, token);
}

bool audit_key_names(const struct broker *broker, const struct token *token, const struct entry *entry)
{
        const char *own = nickname_of(broker);

        return own && entry_name(entry, own) && is_token(broker, token);
}

bool audit_key_is_same(const struct broker *broker, struct der spki)
{
        const char *nickname = nickname_of(broker);
        const struct token *token = nickname ? token_of(broker) : NULL;
        struct entry *key = NULL;

        if (!token || !token->directory || spki.length == 0)
                return false;
        while ((key = next_key(token, nickname, key)))
                if (spki_is_same((struct der){key->der, key->der_length}, spki))
                        return true;
        return false;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See config.h and snapshot.h: what others ask of a snapshot, its text, and its end. */
#include "daemon/config/snapshot.h"

#include <string.h>

#include "daemon/config/keys.h"

void section_free_object(enum section_kind kind, void *object)
{
        if (!object)
                return;
        keys_done(kind, object);
        if (kind == SECTION_TOKEN)
                free(((struct config_token *)object)->place);
        if (kind != SECTION_DAEMON)
                free(*(char **)object);
        free(object);
}

_Static_assert(offsetof(struct config_token, name) == 0 && offsetof(struct config_instance, name) == 0,
        "name is first");

void config_token_free(struct config_token *token)
{
        section_free_object(SECTION_TOKEN, token);
}

void config_free(struct config *config)
{
        if (!config)
                return;
        for (size_t i = 0; i < config->n_tokens; i++)
                section_free_object(SECTION_TOKEN, config->tokens[i]);
        for (size_t i = 0; i < config->n_instances; i++)
                section_free_object(SECTION_INSTANCE, config->instances[i]);
        free(config->tokens);
        free(config->instances);
        section_free_object(SECTION_DAEMON, config);
}

int config_format(const struct config *config, char **ret)
{
        struct buffer out = {0};
        char *text;

        buffer_put_text(&out, "[Daemon]\n");
        keys_put(&out, SECTION_DAEMON, config);
        for (size_t i = 0; i < config->n_tokens; i++) {
                buffer_put_format(&out, "[Token %s]\n", config->tokens[i]->name);
                keys_put(&out, SECTION_TOKEN, config->tokens[i]);
        }
        for (size_t i = 0; i < config->n_instances; i++) {
                buffer_put_format(&out, "[Instance %s]\n", config->instances[i]->name);
                keys_put(&out, SECTION_INSTANCE, config->instances[i]);
        }
        text = buffer_take(&out);
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

const struct config_token *config_token(const struct config *config, const char *name)
{
        for (size_t i = 0; i < config->n_tokens; i++)
                if (strcmp(config->tokens[i]->name, name) == 0)
                        return config->tokens[i];
        return NULL;
}

enum audit_mode config_audit_mode(const struct config *config)
{
        if (strcmp(config->audit, "none") == 0)
                return AUDIT_MODE_NONE;
        return strcmp(config->audit, "journal") == 0 ? AUDIT_MODE_JOURNAL : AUDIT_MODE_FILE;
}

const char *config_audit_path(const struct config *config)
{
        return config_audit_mode(config) == AUDIT_MODE_FILE ? config->audit + strlen("file:") : NULL;
}

bool config_token_equal(const struct config_token *a, const struct config_token *b)
{
        return strcmp(a->name, b->name) == 0 && keys_equal(SECTION_TOKEN, a, b);
}

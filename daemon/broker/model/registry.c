/* SPDX-License-Identifier: MPL-2.0 */
/* See registry.h. */
#include "daemon/broker/model/registry.h"

#include <string.h>

struct token *registry_token(const struct broker *broker, const char *name)
{
        LINK_FOREACH(at, (struct link *)(uintptr_t)&broker->tokens)
        {
                struct token *token = LINK_OF(at, struct token, link);

                if (strcmp(token->name, name) == 0)
                        return token;
        }
        return NULL;
}

struct instance *registry_instance(const struct broker *broker, const struct config_instance *config)
{
        LINK_FOREACH(at, (struct link *)(uintptr_t)&broker->instances)
        {
                struct instance *instance = LINK_OF(at, struct instance, link);

                if (config && instance->config == config)
                        return instance;
        }
        return NULL;
}

size_t registry_queued(const struct broker *broker, const struct instance *instance)
{
        size_t n = 0;

        LINK_FOREACH(at, (struct link *)(uintptr_t)&broker->tokens)
        {
                n += queue_count(&LINK_OF(at, struct token, link)->queue, instance);
        }
        return n;
}

struct instance *instance_ref(struct instance *instance)
{
        if (instance)
                instance->refs++;
        return instance;
}

void instance_unref(struct instance *instance)
{
        if (instance)
                instance->refs--;
}

static void instance_free(struct broker *broker, struct instance *instance)
{
        LINK_FOREACH(at, &broker->tokens)
        {
                queue_forget(&LINK_OF(at, struct token, link)->queue, instance);
        }
        link_remove(&instance->link);
        free(instance->name);
        free(instance);
}

static struct instance *instance_of_name(struct broker *broker, const char *name)
{
        LINK_FOREACH(at, &broker->instances)
        {
                struct instance *instance = LINK_OF(at, struct instance, link);

                if (strcmp(instance->name, name) == 0)
                        return instance;
        }
        return NULL;
}

/* It is in force when it has its configuration. */
static int add_instance(struct broker *broker, const char *name)
{
        struct instance *instance;

        if (instance_of_name(broker, name))
                return 0;
        instance = calloc(1, sizeof(*instance));
        if (!instance)
                return -ENOMEM;
        link_init(&instance->link);
        instance->name = strdup(name);
        if (!instance->name) {
                free(instance);
                return -ENOMEM;
        }
        link_append(&broker->instances, &instance->link);
        return 0;
}

static void configure_instance(struct broker *broker, const struct config_instance *config)
{
        struct instance *instance = instance_of_name(broker, config->name);

        instance->config = config;
        link_remove(&instance->link);
        link_append(&broker->instances, &instance->link);
}

int registry_configure(struct broker *broker, const struct config *config)
{
        int r = config->n_instances == 0 ? add_instance(broker, policy_default_instance.name) : 0;

        for (size_t i = 0; i < config->n_instances && r == 0; i++)
                r = add_instance(broker, config->instances[i]->name);
        if (r < 0)
                return r;
        LINK_FOREACH(at, &broker->instances)
        {
                LINK_OF(at, struct instance, link)->config = NULL;
        }
        if (config->n_instances == 0)
                configure_instance(broker, &policy_default_instance);
        for (size_t i = 0; i < config->n_instances; i++)
                configure_instance(broker, config->instances[i]);
        return 0;
}

void registry_forget(struct broker *broker)
{
        LINK_FOREACH_SAFE(at, &broker->instances)
        {
                struct instance *instance = LINK_OF(at, struct instance, link);

                if (!instance->config && instance->refs == 0)
                        instance_free(broker, instance);
        }
}

void registry_done(struct broker *broker)
{
        while (!link_is_empty(&broker->instances))
                instance_free(broker, LINK_OF(broker->instances.next, struct instance, link));
}

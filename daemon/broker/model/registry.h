/* SPDX-License-Identifier: MPL-2.0 */
/* The tokens and instances of the configuration in force, by name. */
#pragma once

#include "daemon/broker/model/context.h"
#include "daemon/broker/model/token.h"

/* An instance of the configuration, and what is counted of it. It survives a reload by its name, and its configuration as
 * long as something of it is under way. */
struct instance {
        struct link link;
        char *name;
        const struct config_instance
                *config; /* of the configuration in force; NULL: it is not in it any more */
        size_t refs;     /* connections and requests that count as its */
        size_t n_connections;
        uint64_t requests, denied, errors;
        struct histogram whole; /* from a request's arrival to its reply */
};

/* NULL: none of that name. */
struct token *registry_token(const struct broker *broker, const char *name);

/* NULL: that section is not in force. */
struct instance *registry_instance(const struct broker *broker, const struct config_instance *config);

/* The instances of a configuration, which is about to be in force. -ENOMEM: nothing has changed. */
int registry_configure(struct broker *broker, const struct config *config);
/* Frees the instances that the configuration lacks and that nothing is under way for. */
void registry_forget(struct broker *broker);
/* All of them. */
void registry_done(struct broker *broker);

/* How many of its requests wait, on all tokens. */
size_t registry_queued(const struct broker *broker, const struct instance *instance);

/* Whoever counts as the instance's holds a reference; NULL is fine. */
struct instance *instance_ref(struct instance *instance);
void instance_unref(struct instance *instance);

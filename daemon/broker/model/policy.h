/* SPDX-License-Identifier: MPL-2.0 */
/* Who a caller is in the configuration, and what that lets it see and do. Pure: no descriptor, no clock. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/broker/model/account.h"
#include "daemon/broker/model/entry.h"
#include "daemon/config/config.h"

/* Who connected, as it was when the connection was accepted. The connection and each of its requests hold a reference: a
 * request may outlive its connection, and is recorded then. */
struct caller {
        unsigned refs;
        struct account *account; /* counted */
        uid_t uid;
        gid_t gid;
        pid_t pid;
        gid_t *groups; /* supplementary; owned */
        size_t n_groups;
        char *unit; /* the systemd unit it runs in, owned; NULL: not known, and no Unit= matches */
};

struct caller *caller_ref(struct caller *caller);
/* NULL is fine. */
void caller_unref(struct caller *caller);

/* Why a call is denied. Each has a word on the wire and in the records. */
#define DENIALS(X)                                                                                           \
        X(DENIAL_NO_INSTANCE, "no-instance")   /* the caller matches no [Instance] */                        \
        X(DENIAL_NOT_ALLOWED, "not-allowed")   /* Allow= of its [Instance] lacks the right */                \
        X(DENIAL_NOT_THIS_KEY, "not-this-key") /* Keys= lacks the nickname, or it is about another's key */  \
        X(DENIAL_AUDIT_KEY, "audit-key")       /* the key of AuditKey=, or what bears its name: nobody's */  \
        X(DENIAL_NOT_ITS_USAGE, "not-its-usage") /* the sealed key was not made for that */                  \
        X(DENIAL_NOT_OPERATOR, "not-operator")   /* for root and the daemon's own user alone */

#define DENIAL_CONSTANT(constant, word) constant,
enum denial {
        DENIAL_NONE,
        DENIALS(DENIAL_CONSTANT) DENIAL_MAX_,
};

/* "no-instance". Static. */
const char *denial_word(enum denial denial);

/* What root and the daemon's own user are where nothing is configured. */
extern const struct config_instance policy_default_instance;

/* The first [Instance] that the caller matches; NULL: none. own_uid: the daemon's. */
const struct config_instance *policy_match(
        const struct config *config, const struct caller *caller, uid_t own_uid);

/* Whether which one that is depends on the caller's unit. */
bool policy_asks_unit(const struct config *config, const struct caller *caller);

/* Which [Instance] comes nearest to a caller that matches none, and the first of its keys that does not match: "User=", "Group=" or
 * "Unit=". NULL: there is no [Instance]. */
const struct config_instance *policy_nearest(
        const struct config *config, const struct caller *caller, const char **ret_key);

/* Whether the caller of that instance (NULL: it matches none) has the right at all. */
enum denial policy_denies(const struct config_instance *instance, unsigned right);

/* Whether it may see the token at all. */
bool policy_sees_token(const struct config_instance *instance, const struct config_token *token);

/* Whether a key of that nickname exists for it; "": a key without one. One that has no name yet exists for the instance that had it
 * made, and for no other, whatever Keys= says. */
bool policy_sees_nickname(const struct config_instance *instance, const char *nickname);

/* Whether the key, certificate or secret does, by any of its names. */
bool policy_sees_entry(const struct config_instance *instance, const struct entry *entry);

/* Whether another instance sees the key, which is on that token, and would not by the nickname. */
bool policy_others_lose(const struct config *config, const struct config_instance *instance,
        const struct config_token *token, const struct entry *key, const char *new_nickname);

/* The token that a nickname alone means; NULL: there is none. */
const struct config_token *policy_own_token(
        const struct config *config, const struct config_instance *instance);

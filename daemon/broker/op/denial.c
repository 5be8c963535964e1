/* SPDX-License-Identifier: MPL-2.0 */
/* PermissionDenied: who is denied what, and why. The client learns one word (docs/protocol.md); the log has what was seen of the caller,
 * and which [Instance] was meant, as far as that can be told. */
#include <stdio.h>
#include <string.h>

#include "daemon/broker/audit/records.h"
#include "daemon/broker/model/audit-key.h"
#include "daemon/broker/op/op.h"
#include "daemon/util/log.h"

/* Denials that are logged in 10 s; the others are counted. */
#define LOG_MAX 10U
/* Of the groups of a caller so many characters are logged, and of why a line and a half. */
#define GROUPS_TEXT 128
#define WHY_TEXT    640
#define UNIT_SHOWN  128

/* ---- what the log says ---- */

static void groups_text(const struct caller *caller, char text[static GROUPS_TEXT])
{
        size_t at = 0;

        text[0] = '\0';
        for (size_t i = 0; i < caller->n_groups; i++) {
                if (at > GROUPS_TEXT - sizeof(" 4294967295 ..."))
                        break;
                at += (size_t)snprintf(
                        text + at, GROUPS_TEXT - at, "%s%u", i > 0 ? " " : "", (unsigned)caller->groups[i]);
                if (i + 1 < caller->n_groups && at > GROUPS_TEXT - sizeof(" 4294967295 ..."))
                        (void)snprintf(text + at, GROUPS_TEXT - at, " ...");
        }
}

static void no_instance_text(const struct op *op, char text[static WHY_TEXT])
{
        const struct config *config = op->broker->config;
        const char *key = NULL;
        const struct config_instance *nearest = policy_nearest(config, op->caller, &key);
        char value[WHY_TEXT / 3], groups[GROUPS_TEXT];

        if (!nearest) {
                (void)snprintf(text, WHY_TEXT,
                        "no [Instance] is configured, so that root and the daemon's own user alone may call");
                return;
        }
        if (strcmp(key, "Unit=") == 0)
                (void)snprintf(value, sizeof(value), "%s", nearest->unit);
        else
                (void)snprintf(value, sizeof(value), "%u",
                        strcmp(key, "User=") == 0 ? (unsigned)nearest->user : (unsigned)nearest->group);
        groups_text(op->caller, groups);
        (void)snprintf(text, WHY_TEXT,
                "no [Instance] matches user %u, group %u, groups %s, unit %.*s; the nearest is [Instance "
                "%s], but for its %s%s",
                (unsigned)op->caller->uid, (unsigned)op->caller->gid, groups[0] ? groups : "-", UNIT_SHOWN,
                op->caller->unit ? op->caller->unit : "-", nearest->name, key, value);
}

static void why_text(const struct op *op, const char *operation, char text[static WHY_TEXT])
{
        const char *name = op->instance ? op->instance->name : "";
        const char *nickname = op->nickname ? op->nickname : op->entry ? op->entry->nickname : op->key;

        switch (op->denial) {
        case DENIAL_NO_INSTANCE:
                no_instance_text(op, text);
                break;
        case DENIAL_NOT_ALLOWED:
                (void)snprintf(text, WHY_TEXT, "Allow= of [Instance %s] does not have %s", name, operation);
                break;
        case DENIAL_NOT_THIS_KEY:
                (void)snprintf(text, WHY_TEXT,
                        "Keys= of [Instance %s] does not have \"%s\", or it is another's", name,
                        nickname ? nickname : "");
                break;
        case DENIAL_AUDIT_KEY:
                (void)snprintf(text, WHY_TEXT, "\"%s\" is the key of AuditKey=, or has its name",
                        nickname ? nickname : "");
                break;
        case DENIAL_NOT_ITS_USAGE:
                (void)snprintf(text, WHY_TEXT, "the sealed key was not made for that");
                break;
        case DENIAL_NOT_OPERATOR:
                (void)snprintf(text, WHY_TEXT, "it is for root and the daemon's own user");
                break;
        case DENIAL_NONE:
        case DENIAL_MAX_:
                text[0] = '\0';
                break;
        }
}

/* Where the log is the journal, and the record of the denial goes there, that record says it: once is enough. */
static bool is_recorded_there(const struct op *op)
{
        const struct audit *audit = op->broker->audit;

        return log_is_journal() && audit->mode == AUDIT_MODE_JOURNAL && !audit->absent;
}

static void log_denial(const struct op *op, const char *operation, const char *why)
{
        const struct caller *caller = op->caller;
        unsigned n_dropped;

        if (is_recorded_there(op) ||
                !log_may(&op->broker->denial_rate, op->received_usec, LOG_MAX, &n_dropped))
                return;
        if (n_dropped > 0)
                log_notice("%u other requests were denied", n_dropped);
        log_notice("denied: %s, to %s%s (uid %u, pid %d): %s: %s", operation,
                op->instance ? "instance " : "a caller of no instance",
                op->instance ? op->instance->name : "", (unsigned)caller->uid, (int)caller->pid,
                denial_word(op->denial), why);
}

/* ---- PermissionDenied ---- */

bool op_denied(struct op *op, const char *operation, enum denial denial)
{
        char why[WHY_TEXT];

        if (op->instance)
                op->instance->denied++;
        else
                op->broker->strangers_denied++;
        if (op->caller->account)
                op->caller->account->n_denied++;
        op->denied = operation;
        op->denial = denial;
        why_text(op, operation, why);
        log_denial(op, operation, why);
        op->why = why;
        op_fail_with_two(op, PROTO_PERMISSION_DENIED, "operation", operation, "reason", denial_word(denial));
        op->why = NULL;
        return false;
}

bool op_is_for_audit_key(const struct op *op)
{
        /* What neither uses a key nor changes what bears its name. Every other right, also one to come, is refused. Of those that
         * generate, Rename alone is about a key that is there. */
        const unsigned harmless = RIGHT_LIST | RIGHT_VERIFY | RIGHT_RANDOM | RIGHT_CHECK;
        const struct entry *entry = op->entry;
        unsigned right = op->as_right ? op->as_right : op->method ? op->method->right : 0;

        if (!op->token || !(right & ~(entry ? harmless : harmless | RIGHT_GENERATE)))
                return false;
        /* What bears the name, or what is to bear it. */
        if ((entry && audit_key_names(op->broker, op->token, entry)) ||
                (op->nickname && audit_key_is_named(op->broker, op->token, op->nickname)))
                return true;
        return entry && entry->kind == OBJECT_KEY &&
               audit_key_is_same(op->broker, (struct der){entry->der, entry->der_length});
}

enum denial op_denial(const struct op *op, unsigned right)
{
        enum denial denial = policy_denies(op_policy(op), right);

        return denial == DENIAL_NONE && op_is_for_audit_key(op) ? DENIAL_AUDIT_KEY : denial;
}

bool op_may(struct op *op, unsigned right)
{
        enum denial denial = op_denial(op, right);

        return denial == DENIAL_NONE || op_denied(op, config_right_name(right), denial);
}

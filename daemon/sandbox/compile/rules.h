/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The rules of our filters, as lists. A call that no rule names gets the filter's `otherwise`. A call may have several rules
 * with different arguments.
 */
#pragma once

#include <seccomp.h>
#include <stdint.h>

#include "daemon/util/macros.h"

/* The broker's control. It is the one channel on which the broker gives and takes descriptors. */
#define BROKER_CONTROL_FD 3

#define ARGUMENTS_MAX 2U

struct rule {
        int call;
        uint32_t action;
        struct scmp_arg_cmp arguments[ARGUMENTS_MAX]; /* an argument that is not named may be anything */
        unsigned n_arguments;
};

struct rules {
        const struct rule *list;
        size_t n;
};

#define REFUSE SCMP_ACT_ERRNO(EPERM)

/* A call with whatever arguments, and a call with these alone. */
#define ALLOW(name)                                                                                          \
        {                                                                                                    \
                .call = SCMP_SYS(name), .action = SCMP_ACT_ALLOW                                             \
        }
#define KILL(name)                                                                                           \
        {                                                                                                    \
                .call = SCMP_SYS(name), .action = SCMP_ACT_KILL_PROCESS                                      \
        }
#define DENY(name)                                                                                           \
        {                                                                                                    \
                .call = SCMP_SYS(name), .action = REFUSE                                                     \
        }
#define RULE_IF(act, name, ...)                                                                              \
        {                                                                                                    \
                .call = SCMP_SYS(name), .action = (act), .arguments = {__VA_ARGS__},                         \
                .n_arguments = sizeof((struct scmp_arg_cmp[]){__VA_ARGS__}) / sizeof(struct scmp_arg_cmp)    \
        }
#define ALLOW_IF(name, ...) RULE_IF(SCMP_ACT_ALLOW, name, __VA_ARGS__)
#define DENY_IF(name, ...)  RULE_IF(REFUSE, name, __VA_ARGS__)

#define IS(n, value)                                                                                         \
        {                                                                                                    \
                .arg = (n), .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)(value)                              \
        }
#define HAS(n, mask, bits)                                                                                   \
        {                                                                                                    \
                .arg = (n), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (bits)                   \
        }

/* What each program of one thread needs that serves channels: memory, time, log, send and receive, its end. */
extern const struct rules rules_common;
/* What only someone who took such a program over would call. */
extern const struct rules rules_deadly;

extern const struct rules rules_broker, rules_audit, rules_supervisor;

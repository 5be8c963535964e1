/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The changes of state that the log tells, each as a record of the journal that a program can pick out: its constant, its name
 * (TOKEND_EVENT) and its MESSAGE_ID. The ids never change: systemd/tokend.catalog explains each, and the alerts of operators name them.
 * The records of uses of keys are others (audit.h).
 */
#pragma once

/* clang-format off */
#define EVENTS(X) \
        X(EVENT_TOKEN_STARTING,   "token-starting",   "574224102b244d95865bb3532cad33e3") \
        X(EVENT_TOKEN_READY,      "token-ready",      "3b89218e0ff7441588682fd2b4c86e0c") \
        X(EVENT_TOKEN_RECOVERING, "token-recovering", "a8df08b0ebed4a85b7bd618723821c65") \
        X(EVENT_TOKEN_FAILED,     "token-failed",     "93a75a3af26c43c1983d7862e33fea9c") \
        X(EVENT_TOKEN_DISABLED,   "token-disabled",   "5cfa6c2f4a7b4b7b8f0e6b1d2a4c9e37") \
        X(EVENT_TOKEN_REMOVED,    "token-removed",    "99811aef046847c3b370b8a7d6233b61") \
        X(EVENT_OBJECTS_GONE,     "objects-gone",     "03e89150a2b1475bb8c7115cc2528657") \
        X(EVENT_OBJECTS_BACK,     "objects-back",     "fb94cc40539e4dedbc800c30e2bd4804") \
        X(EVENT_CONFIG_TAKEN,     "config-taken",     "e3d9c51e7ce748e8bc8eb4823c2eaae0") \
        X(EVENT_CONFIG_REFUSED,   "config-refused",   "77abcce9e13946619a1a396ba3b9ffc4") \
        X(EVENT_MODULE_FLOODS,    "module-floods",    "2829bd45cd6847849999c9426ac9c907")
/* clang-format on */

#define EVENT_CONSTANT(constant, name, id) constant,
enum event_kind {
        EVENT_NONE_,
        EVENTS(EVENT_CONSTANT) EVENT_MAX_,
};

/* What a record says beside its sentence. NULL is left out. */
struct event {
        enum event_kind kind;
        const char *token;
        const char *state;   /* of the token, or of the configuration: "in-force", "refused" */
        const char *reason;  /* a sentence */
        const char *remedy;  /* what to do next */
        const char *objects; /* their nicknames, separated by commas */
};

/* NULL: there is no such kind. */
const char *event_name(unsigned kind);
/* MESSAGE_ID: 32 hexadecimal digits. */
const char *event_message_id(unsigned kind);

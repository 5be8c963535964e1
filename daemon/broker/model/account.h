/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What each user (uid) takes of the broker: bytes, connections, questions to the supervisor, records of denials,
 * time of reading. Every byte that a client causes to be kept is charged here and nowhere else, and status shows each account.
 *
 * The bound is MaxMemory= for all accounts together. One account may have as much as it leaves to all others: the first user
 * half of it, the next one a quarter, and so on. So there is always room for one more user, and the sum never reaches the
 * whole. A caller that matches no [Instance] has LIMIT_STRANGER_BYTES. Pure, but for the memory of the accounts themselves.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/broker/base/list.h"

struct account {
        struct link link; /* in the list of its accounts */
        struct accounts *accounts;
        uid_t uid;
        unsigned refs; /* its callers */
        size_t bytes, n_connections;
        unsigned n_questions;  /* on their way to the supervisor */
        uint64_t denials_usec; /* when the present count of denials began; 0: there is none */
        unsigned n_denials;    /* that were recorded since then */
        uint64_t n_unrecorded; /* that were not, and will be as one number */
        uint64_t n_closed;     /* connections that were closed because the account was over its bound */
        uint64_t n_denied;
        uint64_t busy_usec;              /* time that was spent on reading its requests */
        uint64_t debt_usec, repaid_usec; /* what of that it has not paid back, at that time */
};

struct accounts {
        struct link list;
        size_t bytes;      /* of all of them */
        size_t peak_bytes; /* the most there were since it was set to `bytes` */
        size_t max_bytes;  /* MaxMemory= */
};

void accounts_init(struct accounts *accounts);
/* Nobody refers to them any more; denials that were only counted are forgotten. */
void accounts_done(struct accounts *accounts);

/* The user's account, with one more reference. NULL: no memory. */
struct account *account_of(struct accounts *accounts, uid_t uid);
/* NULL is fine. An account without references and without denials that are to be recorded is freed. */
void account_unref(struct account *account);

/* The charge changes from before to after, in bytes. NULL: nobody's. */
void account_charge(struct account *account, size_t before, size_t after);

/* The broker has spent that long on reading the user's requests, until now. */
void account_spend(struct account *account, uint64_t now, uint64_t usec);
/* Whether the user took so much of that time that others come first. NULL: no. */
bool account_is_behind(struct account *account, uint64_t now);

/* Whether the account has more than it may have. stranger: by the bound for callers that match no [Instance]. */
bool account_is_over(const struct account *account, bool stranger);

/* A denial, or another refusal before anything was begun: whether it is recorded in full. Else it is counted. */
bool account_records_denial(struct account *account, uint64_t now);
/* When the denials that were only counted are due to be recorded as one number; USEC_NEVER: there are none. */
uint64_t account_denials_due_usec(const struct account *account);
/* Their number, which begins anew. */
uint64_t account_take_denials(struct account *account);

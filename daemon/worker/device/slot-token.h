/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The token of this worker: which module, which slot, what it can do. The loader thread fills it once
 * (module.c); then every thread reads it. Only the counters, the gate, oaep_labels and what login_lock
 * guards change later.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "daemon/config/config.h"
#include "daemon/util/uri.h"
#include "daemon/worker/device/call-gate.h"
#include "daemon/worker/device/failure.h"
#include "daemon/worker/device/mark.h"

/* What the token does with a label of OAEP. SoftHSM2 takes one, and leaves it out. */
enum oaep_labels {
        OAEP_LABELS_UNKNOWN,
        OAEP_LABELS_HEEDED,
        OAEP_LABELS_LACKING,
};

/* Of an internal token: cert9.db and key4.db. */
#define STORE_FILES 2U

struct slot_token {
        const struct config_token *config; /* borrowed, for the process's life; so is the whole: */
        const struct config *daemon;
        bool beside; /* another worker of this token is at work: its claims are not left overs */
        bool anew;   /* an operator says that the databases, if they are gone, are to be made anew */
        /* Of an internal token: what is known of its databases. */
        struct {
                struct mark mark;
                struct {
                        dev_t dev;
                        ino_t ino; /* 0: not opened yet */
                } files[STORE_FILES];
        } store;
        bool internal;
        bool look; /* the process of a look: it loads no NSS and is more careful with the PIN */
        CK_FUNCTION_LIST_PTR p11; /* the module's; for calls on our own sessions */
        CK_SLOT_ID slot;
        bool thread_safe; /* the module accepted CKF_OS_LOCKING_OK; otherwise only one thread may call it */
        char *pin_file; /* the PIN that an internal token made for itself; NULL: Pin= of the configuration */

        CK_TOKEN_INFO info; /* as it was when the slot was found */
        struct uri_token identity;
        bool softoken; /* its library is NSS's own */
        CK_MECHANISM_TYPE *mechanisms;
        CK_FLAGS *mechanism_flags; /* of each: CKF_WRAP and so on; 0: the token does not say */
        size_t n_mechanisms;
        unsigned budget; /* how many sessions this worker may have on the device, all counted */

        struct call_gate gate;
        /* Of the start, in which one thread makes calls: the one that is in the module, for the monitor. since 0: none. */
        struct start_call {
                atomic_bool over; /* the threads stand */
                _Atomic uint64_t since_usec;
                _Atomic(const char *) name;
                uint64_t limit_usec;
        } start;

        pthread_mutex_t login_lock;
        bool pin_refused; /* under login_lock: no thread of this process tries the PIN again */
        /* Of create_under_claim(): a worker asks for one look at a time, and SoftHSM fails at two generations at
         * once (docs/tokens.md). */
        pthread_mutex_t create_lock;
        unsigned
                n_refused_whole; /* pairs in a row whose whole template was refused, and a smaller one was not */
        atomic_uint n_open;      /* our sessions, without NSS's own */
        atomic_uint n_logins;
        /* Session copies of keys: how many there are, are being made, and keys of which a trial has shown that they help or not. */
        atomic_uint n_copies, n_copying, n_faster, n_not_faster;
        atomic_bool no_copies;   /* none is to be made: workers died of it */
        atomic_uint oaep_labels; /* enum oaep_labels */
};

/* patience: each call of the start may take 2^patience times Timeout=. */
void slot_token_init(
        struct slot_token *token, const struct config_token *config, bool look, unsigned patience);

/* A call of the start begins; name NULL: it has ended. In the loader thread; nothing once the start is over. */
void slot_token_calls(struct slot_token *token, const char *name);
/* For the monitor: after how many microseconds to look again; 0: the start's call *ret has outlived its limit. */
uint64_t slot_token_overdue(const struct slot_token *token, uint64_t now, const char **ret);

/* Reads C_GetTokenInfo and the mechanisms of token->slot, and computes the budget. Errors as in failure.h. */
int slot_token_read(struct slot_token *token, struct failure *failure);

bool slot_token_has_mechanism(const struct slot_token *token, CK_MECHANISM_TYPE mechanism);
/* Whether it has the mechanism for all of these: CKF_WRAP and so on. */
bool slot_token_can(const struct slot_token *token, CK_MECHANISM_TYPE mechanism, CK_FLAGS flags);

/* How many session threads the budget allows, after NSS's own session and one for a look; at least 1. */
unsigned slot_token_threads(const struct slot_token *token);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The token of this worker: which module, which slot, what it can do. Filled once by the loader thread
 * (module.c, login.c), read by every thread after that; only the counters and what login_lock guards change
 * later.
 */
#pragma once

#include <nss/pkcs11.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "daemon/channel/message.h"
#include "daemon/config/config.h"
#include "daemon/worker/device/call-gate.h"

struct slot_token {
        const struct config_token *config; /* borrowed, for the process's life */
        bool internal;
        bool look;                /* a fresh process that only looks: no NSS, and more careful with the PIN */
        CK_FUNCTION_LIST_PTR p11; /* of the module; for calls on our own sessions */
        CK_SLOT_ID slot;
        bool thread_safe; /* the module took CKF_OS_LOCKING_OK; else one thread is all there is */
        char *pin_file;   /* of an internal token that made its own PIN; NULL: the configuration's Pin= */

        CK_TOKEN_INFO info; /* as it was when the slot was found */
        char label[33], manufacturer[33], model[17], serial[17];
        CK_MECHANISM_TYPE *mechanisms;
        size_t n_mechanisms;
        unsigned budget; /* sessions on the device, all counted */

        struct call_gate gate;

        pthread_mutex_t login_lock;
        bool pin_refused;              /* under login_lock: no thread of this process tries again */
        pthread_mutex_t generate_lock; /* SoftHSM fails at two generations at once (docs/tokens.md) */
        atomic_uint n_open;            /* sessions of ours; NSS's own one is not among them */
        atomic_uint n_logins;
};

/* Why the worker cannot go on: what ENDING tells the supervisor. */
struct failure {
        enum worker_end end;
        CK_RV ckr;
        char reason[512];
};

/* Fills it; returns 1, which is what a function that documents "1: failure" returns. */
int failure_set(struct failure *failure, enum worker_end end, CK_RV ckr, const char *format, ...)
        _printf_(4, 5);

/* The same for a CK_RV: its class decides the end; the sentence is "WHAT: CKR_NAME". */
int failure_ckr(struct failure *failure, CK_RV ckr, const char *what);

void slot_token_init(struct slot_token *token, const struct config_token *config, bool look);

/* Reads C_GetTokenInfo and the list of mechanisms of token->slot, and counts the budget. 1: failure. */
int slot_token_read(struct slot_token *token, struct failure *failure);

bool slot_token_has_mechanism(const struct slot_token *token, CK_MECHANISM_TYPE mechanism);

/* Copies a field that PKCS #11 pads with blanks, trimmed and NUL-terminated; what is not UTF-8 text becomes
 * '?'. */
void slot_token_field(char *out, const CK_UTF8CHAR *field, size_t length);

/* How many session threads the budget allows: NSS's own session and one for a look are taken off; at least 1.
 */
unsigned slot_token_threads(const struct slot_token *token);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One session key and its direct calls, C_SignInit and C_Sign, with a long-lived session a thread: what the token gives to a
 * process that has it all to itself. Beyond the quotient of two such tokens no accelerator can help, whatever lies between.
 */
#pragma once

#include <nss/pk11pub.h>
#include <nss/pkcs11.h>
#include <stdbool.h>

#define DIRECT_THREADS 4

struct direct {
        CK_FUNCTION_LIST *functions;
        CK_SESSION_HANDLE sessions[DIRECT_THREADS];
        CK_OBJECT_HANDLE key;
        bool rsa;
};

/* Makes an RSA-2048 or a P-256 key that the sessions share. -1: the token does not. */
int direct_open(struct direct *direct, PK11SlotInfo *slot, bool rsa);
/* thread: below DIRECT_THREADS, each for one thread at a time. */
int direct_sign(const struct direct *direct, size_t thread, unsigned turn);

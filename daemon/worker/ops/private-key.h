/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A private key of the token in use: whether it may be used so, with which object, and whether it was this key all the time. SIGN,
 * DECRYPT and DERIVE are uses. Called by a session thread within an attempt.
 */
#pragma once

#include "daemon/worker/core/operation.h"

struct private_use {
        uint64_t number; /* of the key in the inventory */
        unsigned usage;  /* one bit of enum key_usage */
        CK_MECHANISM_TYPE mechanism;
        CK_MECHANISM_TYPE instead; /* where the key or the token has not that one; 0: none */
        /* The use, with one of the two. object: the key itself or its session copy. It puts what it made into the result. As an
         * attempt. */
        int (*run)(struct operation *operation, const struct inventory_key *key, CK_OBJECT_HANDLE object,
                CK_MECHANISM_TYPE mechanism, const void *request);
        const void *request;
};

/* Refuses what the key or the token does not do, else runs the use; again where the key was deleted or got another handle
 * meanwhile, because another key may have been used. As an attempt. */
int private_key_use(struct operation *operation, const struct private_use *use);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a CK_MECHANISM that wraps, encrypts or decrypts is to the daemon: an algorithm of io.tokend.Secrets or, with RSA, of
 * io.tokend.Keys too, with its parameters. Pure.
 */
#pragma once

#include <nss/pkcs11.h>

#include "client/tokend.h"
#include "daemon/util/secret-algorithm.h"

struct p11_algorithm {
        const struct secret_algorithm_info
                *info;                /* NULL: of io.tokend.Keys alone (OAEP with SHA-384 and SHA-512) */
        struct tokend_algorithm call; /* its parameters lie in `parameters` */
        unsigned char *parameters;
        char name[24];
};

/* The algorithm of this mechanism that does this, the first of several. NULL: there is none. */
const struct secret_algorithm_info *algorithm_find(CK_MECHANISM_TYPE type, enum secret_does does);

/* The caller's parameters are copied. Frees nothing of the caller's. CKR_MECHANISM_INVALID: there is none that does this;
 * CKR_MECHANISM_PARAM_INVALID, CKR_HOST_MEMORY. After CKR_OK the caller calls algorithm_done(). */
CK_RV algorithm_take(const CK_MECHANISM *mechanism, enum secret_does does, struct p11_algorithm *ret);
/* Overwrites the parameters. */
void algorithm_done(struct p11_algorithm *algorithm);

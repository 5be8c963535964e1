/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The mechanisms of the module, in one table: what each does, with which keys, and what the token and the caller need for it. Pure.
 */
#pragma once

#include "client/pkcs11/catalogue.h"
#include "client/pkcs11/hash.h"

/* How the input of C_Sign becomes the parameters of a Sign. */
enum module_scheme {
        MODULE_NONE,
        MODULE_PKCS1,
        MODULE_PSS,
        MODULE_ECDSA,
        MODULE_EDDSA,
};

struct mechanism {
        CK_MECHANISM_TYPE type;
        CK_FLAGS flags; /* CKF_SIGN and so on: what it can be used for */
        CK_KEY_TYPE
        key_type; /* CKK_ of its keys, DES3 also for DES2; CK_UNAVAILABLE_INFORMATION: it has none */
        enum module_scheme scheme; /* of signatures */
        CK_MECHANISM_TYPE hash; /* which the module makes of the message; CK_UNAVAILABLE_INFORMATION: none */
        const char *device;     /* the mechanism that the device must have; NULL: none */
        const char *right;      /* which the caller must have beside those of the flags; NULL: none */
};

/* NULL: the module does not have it. */
const struct mechanism *mechanism_find(CK_MECHANISM_TYPE type);

/* What the token can do with it for this caller: a part of the mechanism's flags, 0 for nothing. */
CK_FLAGS mechanism_flags(const struct mechanism *mechanism, const struct p11_slot *slot);

/* The table, to go through it. */
const struct mechanism *mechanism_at(size_t i);

void mechanism_info(const struct mechanism *mechanism, CK_FLAGS flags, CK_MECHANISM_INFO *ret);

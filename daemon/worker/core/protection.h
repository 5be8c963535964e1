/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The attributes that protect a private key: what it may be used for, with which mechanisms, when, and who may get at its value. A copy is
 * used instead of a key only if all of them are the same.
 */
#pragma once

#include "daemon/worker/device/session.h"

#define PROTECTION_ATTRIBUTES 16U
/* Of CKA_ALLOWED_MECHANISMS; a key with more of them gets no copy. */
#define PROTECTION_MECHANISMS 32U

struct protection {
        unsigned present; /* a bit for each attribute that the token knows */
        uint8_t value[PROTECTION_ATTRIBUTES][8];
        CK_ULONG length[PROTECTION_ATTRIBUTES];
        CK_MECHANISM_TYPE allowed[PROTECTION_MECHANISMS];
};

/* Reads those attributes of an object whose bits are set in `of`; PROTECTION_ALL: all that the token knows. false: one of them cannot be
 * read or is too long, so that no copy can be trusted to have it. What was recorded of a failed call stays. */
#define PROTECTION_ALL ((1U << PROTECTION_ATTRIBUTES) - 1)
bool protection_read(struct session *session, CK_OBJECT_HANDLE handle, unsigned of, struct protection *ret);
bool protection_same(const struct protection *a, const struct protection *b);

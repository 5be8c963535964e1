/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a token answers (CK_RV), in one table: its name for people, and the class that decides what happens
 * next. Numbers only, so that the broker and the supervisor can name what a worker met without a header of
 * PKCS #11. docs/lifecycle.md explains the classes; only the worker acts on them. Pure, thread-safe.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

enum ckr_class {
        CKR_CLASS_OK,
        CKR_CLASS_REQUEST, /* the caller is told; whatever the table does not know is one of these */
        CKR_CLASS_SESSION, /* new session, one login, handles again, the operation once more */
        CKR_CLASS_BUSY,    /* a short wait, once more */
        CKR_CLASS_DEVICE,  /* the worker is replaced */
        CKR_CLASS_PIN,     /* the token fails until an operator acts */
};

enum ckr_class ckr_class(uint64_t ckr);

/* CKR_GENERAL_ERROR: by the standard beyond recovery, and so of class device; but SoftHSM says it as well where another
 * process writes at the same moment. What can show that nothing was done may try once more. */
bool ckr_is_vague(uint64_t ckr);

/* "CKR_DEVICE_ERROR"; NULL where the table has none. */
const char *ckr_name(uint64_t ckr);

/* The name, or "0x80000001" where there is none, into buffer; returns buffer. */
#define CKR_TEXT 48
const char *ckr_text(uint64_t ckr, char buffer[static CKR_TEXT]);

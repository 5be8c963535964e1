/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The return values of PKCS #11 (CK_RV): their names, and the class that decides what happens next. They are numbers here,
 * so that the broker and the supervisor can name an error without a header of PKCS #11. docs/lifecycle.md explains the
 * classes; only the worker acts on them. Pure, thread-safe.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

enum ckr_class {
        CKR_CLASS_OK,
        CKR_CLASS_REQUEST, /* the caller is told; also every value that the table does not have */
        CKR_CLASS_SESSION, /* a new session, a login, new handles, and the operation once more */
        CKR_CLASS_BUSY,    /* a short wait, and the operation once more */
        CKR_CLASS_DEVICE, /* session and token are asked; if they are not well either, the worker is replaced */
        CKR_CLASS_PIN,    /* the token fails until an operator acts */
        /* Of no value by itself: class device, although session and token are well. What was called failed, and nothing
         * else: another session, the operation once more, and the caller is told. */
        CKR_CLASS_VAGUE,
};

enum ckr_class ckr_class(uint64_t ckr);

/* The name, such as "CKR_DEVICE_ERROR". NULL: the table does not have the value. */
const char *ckr_name(uint64_t ckr);

/* Writes the name, or the number as "0x80000001", into buffer. Returns buffer. */
#define CKR_TEXT 48
const char *ckr_text(uint64_t ckr, char buffer[static CKR_TEXT]);

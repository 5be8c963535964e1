/* SPDX-License-Identifier: MPL-2.0 */
/* AES keys wrapped and unwrapped by another one. */
#pragma once

#include <nss/pk11pub.h>

#include "client/tokend.h"

/* Both of them, each by direct calls and with sealed keys through the daemon. */
struct wraps {
        struct tokend *handle;
        CK_FUNCTION_LIST *functions;
        CK_SESSION_HANDLE session;
        CK_MECHANISM_TYPE mechanism; /* RFC 5649, as the token calls it */
        CK_OBJECT_HANDLE kek, key;   /* of this process */
        struct tokend_sealed *sealed_kek, *sealed_key;
        unsigned char wrapped[64]; /* the key, by kek */
        unsigned char *theirs;     /* the sealed one, by the sealed one */
        size_t n_wrapped, n_theirs;
};

/* -1: the token or the daemon does not. */
int wraps_open(struct wraps *wraps, struct tokend *handle, PK11SlotInfo *slot, CK_SESSION_HANDLE session);
/* 0, or it failed. userdata: struct wraps. */
int wraps_wrap_direct(void *userdata);
int wraps_wrap_tokend(void *userdata);
int wraps_unwrap_direct(void *userdata);
int wraps_unwrap_tokend(void *userdata);

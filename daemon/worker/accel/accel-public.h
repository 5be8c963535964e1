/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Verifies on the accelerator itself, with public keys as session objects. Each thread keeps a few of them,
 * those used last. The input comes from a client. Called by ops/verify.c and accel-take.c.
 */
#pragma once

#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/signing.h"

/* Public keys that one session keeps as objects. A host verifies signatures of a few signers again and
 * again. */
#define PUBLIC_CACHE_MAX 32U

struct public_cache;

/* A public key as a session object that verifies. key: as below. Errors as in session.h. */
int public_create(
        struct session *session, unsigned type, unsigned bits, struct der key, CK_OBJECT_HANDLE *ret);

/* C_VerifyInit and C_Verify with that object. Errors as in session.h. */
int public_check(struct session *session, struct signing *signing, CK_OBJECT_HANDLE key,
        struct wire_bytes signature, bool *ret_valid);

/* The same for a key that is kept as an object. key: what spki_key_type() found in spki; a point without its
 * OCTET STRING. Errors as in session.h. Thread-safe: each session has its own objects. */
int public_verify(struct session *session, struct signing *signing, struct wire_bytes spki, unsigned type,
        unsigned bits, struct der key, struct wire_bytes signature, bool *ret_valid);

/* VERIFY on an accelerator. REPLY_NOT_SUPPORTED: the device cannot verify with this key. */
int public_attempt(struct operation *operation, struct signing *signing, struct wire_bytes spki,
        unsigned type, unsigned bits, struct der key, struct wire_bytes signature);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Verify on the accelerator itself, with session objects made of public keys: a few of each thread, those used last.
 * What comes here comes from a client. Called by verify.c and accel-copy.c.
 */
#pragma once

#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/signing.h"

/* Public keys that one session keeps as objects. A host has a few signers whose work is looked at again and again. */
#define PUBLIC_CACHE_MAX 32U

struct public_cache;

/* By C_VerifyInit and C_Verify on this session. key: what spki_key_type() gave of spki, a point without its OCTET STRING.
 * CKR_OK with *ret_valid; else what the token said. Thread-safe: each session has its own objects. */
CK_RV public_verify(struct session *session, struct signing *signing, struct wire_bytes spki, unsigned type,
        unsigned bits, struct der key, struct wire_bytes signature, bool *ret_valid);

/* VERIFY on an accelerator: the result is a word on the signature, or REPLY_NOT_SUPPORTED where the device cannot say. */
CK_RV public_attempt(struct operation *operation, struct signing *signing, struct wire_bytes spki,
        unsigned type, unsigned bits, struct der key, struct wire_bytes signature);

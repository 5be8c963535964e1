/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sealing a key that is a session object, and opening a sealed key as one: docs/sealed-keys.md. Errors as in operation.h.
 */
#pragma once

#include "daemon/worker/secrets/opened.h"
#include "daemon/worker/secrets/seal-keys.h"
#include "daemon/worker/secrets/secret-object.h"

/* Seals the object for the instance, and keeps it open: it is the session's from now on, whatever this returns. public: of a
 * private key, its SubjectPublicKeyInfo; may be empty. The sealed key is appended to the payload of the answer. misfit: the parameter
 * that is wrong where the key is of another length than its shape says, or is none that the token can wrap. */
int seal_close(struct operation *operation, const char *instance, bool again, CK_OBJECT_HANDLE handle,
        const struct secret_shape *shape, struct wire_bytes public, const char *misfit);

/* Opens a sealed key of the instance, or finds it open. wanted: one bit of enum key_usage that it must have, else
 * REPLY_NOT_ITS_USAGE; 0: any will do. REPLY_NOT_OUR_SEAL. parameter: where the key stood, which is wrong if the token does not take
 * back what it wrapped. The object stays the session's. */
int seal_open(struct operation *operation, const char *instance, struct wire_bytes bytes,
        const char *parameter, unsigned wanted, struct opened_key *ret);

/* REPLY_NOT_ITS_USAGE, with the word of Allow= for that bit. */
int seal_not_its_usage(struct operation *operation, unsigned usage);

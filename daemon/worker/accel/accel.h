/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The copy of a key on its way from the worker of the key's token to the worker of that token's accelerator
 * (docs/accelerator.md).
 *
 *   accel-load.c     LOAD, in a session thread of the key's worker: asks for the transport key, wraps, sends
 *   accel-serve.c    the peer thread of the accelerator's worker: answers
 *   accel-take.c     its transport key, and a copy that it unwraps and inspects
 *   accel-copies.c   which copies there are
 *   accel-public.c   public keys as objects of the accelerator
 *   accel-channel.c  the channels between the workers, from the monitor to the thread that uses them
 *   accel.c          the two mechanisms; SIGN_COPY and FORGET_COPY, in a session thread of the accelerator's worker
 */
#pragma once

#include "daemon/worker/accel/accel-channel.h"
#include "daemon/worker/accel/accel-copies.h"
#include "daemon/worker/core/operation.h"

/* Bytes of a wrapped private key; the PKCS #8 of an RSA-16384 key has 9.5 KiB. */
#define WRAPPED_KEY_MAX (16U * 1024U)
/* Bits of a transport key. Copies travel within one host, and only while both workers live. */
#define TRANSPORT_BITS 2048U

/* What a worker has of all this, as long as it lives. */
struct accel {
        struct accel_channels *channels;
        /* On an accelerator: */
        struct copies *copies;
        /* On the other tokens: */
        pthread_mutex_t load_lock; /* one LOAD at a time; for what follows */
        struct accel_channel channel;
        uint64_t number; /* of the last message to it */
};

/* Only channels may be used until accel_prepare(). -errno. */
int accel_init(struct accel *accel);

/* Makes room for the copies of an accelerator, before any thread runs. -errno. */
int accel_prepare(struct accel *accel, const struct slot_token *token);

/* The module's mechanism for RFC 5649; CKM_VENDOR_DEFINED: it has none. */
CK_MECHANISM_TYPE accel_mechanism(const struct slot_token *token);
/* OAEP with SHA-1. The hash does not matter to its security (RFC 8017, 7.1), and SoftHSM accepts no other.
 * The mechanism points to *params. */
CK_MECHANISM accel_oaep(CK_RSA_PKCS_OAEP_PARAMS *params);
/* Whether the token can wrap a private key for an accelerator. */
bool accel_can_wrap(const struct slot_token *token);
/* Whether the token, an accelerator, can unwrap one. */
bool accel_can_unwrap(const struct slot_token *token);

/* ---- accel-serve.c ---- */

/* Serves the other workers until this worker must end: then operation->failure is filled. The operation,
 * whose session is open, belongs to this thread. */
void accel_serve(struct operation *operation);

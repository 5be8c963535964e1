/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A key's copy on its way from the worker of the token that the key is on to the worker of that token's accelerator.
 *
 *   accel.c          the two mechanisms; SIGN_COPY and FORGET_COPY, in a session thread of the accelerator's worker
 *   accel-load.c     LOAD, in a session thread of the key's worker: asks for the transport key, wraps, sends
 *   accel-serve.c    the peer thread of the accelerator's worker: answers, unwraps, looks at what it got
 *   accel-copies.c   which copies there are
 *   accel-public.c   public keys as objects
 *   accel-channel.c  the channels, from the monitor to who uses them
 */
#pragma once

#include "daemon/worker/accel/accel-channel.h"
#include "daemon/worker/accel/accel-copies.h"
#include "daemon/worker/core/operation.h"

/* Bytes of a wrapped private key: PKCS #8 of RSA-16384 has 9.5 KiB. */
#define WRAPPED_KEY_MAX (16U * 1024U)
/* Bits of a transport key. As long as the copies travel within one host, and only while both workers live. */
#define TRANSPORT_BITS 2048U

/* Of a worker, as long as it lives. */
struct accel {
        struct accel_channels *channels;
        /* Of an accelerator: */
        struct copies *copies;
        /* Of the others: */
        pthread_mutex_t load_lock; /* one LOAD at a time; what follows */
        struct accel_channel channel;
        uint64_t number; /* of the last message to it */
};

/* Until token is there only peers is of use. -errno. */
int accel_init(struct accel *accel);

/* Where the copies will be: before any thread runs. -errno. */
int accel_prepare(struct accel *accel, const struct slot_token *token);

/* RFC 5649 as this module calls it; CKM_VENDOR_DEFINED: it has none. */
CK_MECHANISM_TYPE wrap_mechanism(const struct slot_token *token);
/* OAEP with SHA-1: the hash does not matter to its security (RFC 8017, 7.1), and is the only one that SoftHSM takes. The
 * mechanism points to *params. */
CK_MECHANISM wrap_oaep(CK_RSA_PKCS_OAEP_PARAMS *params);
/* Whether a private key can leave the token wrapped. */
bool wrap_can(const struct slot_token *token);
/* The other way. */
bool wrap_can_take(const struct slot_token *token);

/* ---- accel-serve.c ---- */

/* Serves the peers; the operation (with a session that is open) is this thread's. Returns, with the failure set, where the
 * worker must end. */
void accel_serve(struct operation *operation);

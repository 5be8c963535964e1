/* SPDX-License-Identifier: MPL-2.0 */
/* The transport key, and a copy that is taken in. Called by accel-serve.c alone, in the peer thread. */
#pragma once

#include "daemon/worker/accel/accel.h"

struct transport {
        uint64_t session;         /* n_opens of the one whose it is, and whose the copies are */
        unsigned n_clears;        /* of the copies, when the session was new */
        CK_OBJECT_HANDLE private; /* CK_INVALID_HANDLE: none */
        uint8_t modulus[TRANSPORT_BITS], exponent[8];
        size_t n_modulus, n_exponent;
};

struct taking {
        struct transport *transport;
        const char *token; /* whose key it is */
        struct message_transfer message;
        uint64_t copy, evicted;
};

/* struct transport: makes one where there is none that lives. Where the session that owned the copies is gone, so are they. */
operation_attempt transport_attempt;

/* struct taking: unwraps the copy and looks at it; its number into it. */
operation_attempt take_attempt;

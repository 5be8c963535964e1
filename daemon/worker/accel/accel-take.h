/* SPDX-License-Identifier: MPL-2.0 */
/* The transport key of an accelerator, and a copy that it takes in. Called by accel-serve.c alone, in the
 * peer thread. */
#pragma once

#include "daemon/worker/accel/accel.h"

struct transport {
        uint64_t session;         /* n_opens of the session that has the transport key and the copies */
        unsigned n_clears;        /* copies_n_clears() when the session was new */
        CK_OBJECT_HANDLE private; /* CK_INVALID_HANDLE: there is none */
        uint8_t modulus[TRANSPORT_BITS], exponent[8];
        size_t n_modulus, n_exponent;
};

struct taking {
        struct transport *transport;
        const char *token; /* the token that the key is on */
        struct message_transfer message;
        uint64_t copy, evicted;
        bool vague; /* a vague error was given once */
};

/* request: a struct transport. Makes a transport key if there is none. If the session that owned the copies
 * is gone, so are they. */
operation_attempt transport_attempt;

/* request: a struct taking. Unwraps the copy and inspects it; fills in copy and evicted. */
operation_attempt take_attempt;

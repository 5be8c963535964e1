/* SPDX-License-Identifier: MPL-2.0 */
/* A certificate as an object on the token, under its nickname and with the id of its key. For IMPORT and for
 * SELF_SIGN. */
#pragma once

#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/certificate.h"

/* What one request has done so far. */
struct cert_progress {
        bool wrote;   /* the certificate, or it may have */
        bool removes; /* from now on an old one may be gone: the new one stays */
};

struct cert_store {
        const char *nickname;
        struct wire_bytes id;     /* CKA_ID: that of its key, also if that is empty, or key_id_alone() */
        struct wire_bytes key_id; /* key_id() of its public key, if it is for no key on the token */
        bool paired; /* it is for the key of that id, which bears the nickname; otherwise it is for no key on the token */
        uint64_t
                names; /* the number of that key, which has no name yet and gets the nickname; 0: it has it */
        const char
                *label; /* with names: the label that the key has; empty: its certificate names it so far */
        bool replaces;  /* it may be there already, and those of these marks go */
        struct wire_bytes marks, known; /* known: theirs, and its own */
        bool waits;                     /* an earlier try was answered REPLY_CLAIMED */
        struct der der;
        struct certificate certificate; /* der, parsed */
        struct cert_progress *progress; /* cert_store_run()'s */
};

/* Writes it under a claim; its number is the answer. As an operation_attempt; one thread at a time. */
int cert_store_run(struct operation *operation, const struct cert_store *store);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A certificate as an object on the token, for cert-build.c and import.c: written so that NSS, certutil and pkcs11-tool find
 * it under its nickname, and its key by its id, and so that it lends its nickname to no other key or certificate
 * (docs/names-of-keys.md). In a session thread, one at a time.
 */
#pragma once

#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/certificate.h"

struct cert_store {
        const char *nickname;
        struct wire_bytes id;     /* CKA_ID: its key's, or key_id_alone() */
        struct wire_bytes key_id; /* key_id() of its public key, if it stands alone */
        bool paired; /* it is for the key of that id, which bears the nickname; else it stands alone */
        bool waits;
        struct der der;
        struct certificate certificate; /* der, parsed */
};

/* The certificate's number is the answer. As an operation_attempt. */
CK_RV cert_store_run(struct operation *operation, const struct cert_store *store);

/* SPDX-License-Identifier: MPL-2.0 */
/* What cert-request.c and self-sign.c share: the key, its algorithm, and the signature over what NSS has built. */
#pragma once

#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/x509.h"

struct cert_build {
        uint64_t number; /* the key's */
        struct inventory_public public;
        struct x509_key key;
        struct x509_subject subject;
        PLArenaPool *arena;
};

void cert_build_done(struct cert_build *build);

/* CKR_OK with status REPLY_OK: go on. algorithm: 0 for the key's own. *build is empty before. */
CK_RV cert_build_begin(struct operation *operation, struct cert_build *build, uint64_t key,
        unsigned algorithm, const char *subject, struct wire_bytes dns_names);

/* Signs tbs as Sign does, and puts the whole into *ret, in the arena. As cert_build_begin(). */
CK_RV cert_build_sign(
        struct operation *operation, struct cert_build *build, const SECItem *tbs, SECItem *ret);

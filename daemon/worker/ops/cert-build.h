/* SPDX-License-Identifier: MPL-2.0 */
/* What cert-request.c and self-sign.c share: the key, its algorithm, and the signature over what NSS has built. */
#pragma once

#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/x509.h"

struct issue {
        uint64_t number; /* the key's */
        struct directory_public public;
        struct x509_key key;
        struct x509_subject subject;
        PLArenaPool *arena;
};

void issue_done(struct issue *issue);

/* CKR_OK with status REPLY_OK: go on. algorithm: 0 for the key's own. *issue is empty before. */
CK_RV issue_begin(struct operation *operation, struct issue *issue, uint64_t key, unsigned algorithm,
        const char *subject, struct wire_bytes dns_names);

/* Signs tbs as Sign does, and puts the whole into *ret, in the arena. As issue_begin(). */
CK_RV issue_sign(struct operation *operation, struct issue *issue, const SECItem *tbs, SECItem *ret);

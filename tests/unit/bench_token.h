/* SPDX-License-Identifier: MPL-2.0 */
/* What lies on the token of the bench. Numbers are of one life of its worker. */
#pragma once

#include "tests/unit/bench.h"

enum object {
        OBJECT_OURS = 1, /* the key that the cell's request is about */
        OBJECT_PLAIN,    /* another, of which no accelerator gets a copy */
        OBJECT_NEW,
        OBJECT_CERT,
        OBJECT_OLD,     /* a certificate */
        OBJECT_RENEWED, /* what takes its place */
        OBJECT_AUDIT,   /* the key that AuditKey= names */
        OBJECT_RSA,     /* it decrypts */
        OBJECT_OLD_SECRET,
        OBJECT_NEW_SECRET,
};

static inline uint64_t token_number(const struct fake_worker *worker, enum object object)
{
        return worker->life * 16 + object;
}

/* An ENTRY of the object, one of something new or changed with its SETTLED, and those of all that there are. */
void token_tell_change(struct stage *stage, const struct fake_worker *worker, enum object object);
void token_tell(struct stage *stage, const struct fake_worker *worker, enum object object);
void token_tell_all(struct stage *stage, const struct fake_worker *worker);

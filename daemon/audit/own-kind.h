/* SPDX-License-Identifier: MPL-2.0 */
/* The kinds of records that tokend-audit alone writes: about the file and its chain. The broker words all others. */
#pragma once

#include <stdbool.h>

/* clang-format off */
#define OWN_KINDS(X) \
        X(OWN_START,    "start")      /* this process took the file up */ \
        X(OWN_ROTATED,  "rotated")    /* the file before this one was full */ \
        X(OWN_TORN,     "torn")       /* the end of the file was not a whole record */ \
        X(OWN_DAMAGED,  "damaged")    /* the file that was there did not end as it should */ \
        X(OWN_REOPENED, "reopened")   /* the file was moved, cut or written to by somebody else */ \
        X(OWN_HEAD,     "head")       /* a signature of the chain up to a record */ \
        X(OWN_BACK,     "audit-back") /* records could not be written, and can again */ \
        X(OWN_REMOVED,  "removed")    /* an old file is removed, as AuditKeep= has it */ \
        X(OWN_REFUSED,  "refused")    /* the broker sent what no honest broker sends */
/* clang-format on */

#define OWN_KIND_CONSTANT(constant, name) constant,
enum own_kind {
        OWN_KINDS(OWN_KIND_CONSTANT) OWN_KIND_MAX_
};

/* The `kind` in the file. */
const char *own_kind_name(enum own_kind kind);

/* Whether a record of this kind is written by tokend-audit alone. */
bool own_kind_is(const char *name);

/* SPDX-License-Identifier: MPL-2.0 */
/* The attribute types that have a name (RFC 4514, RFC 4519, RFC 5280), for dn.c and dn-text.c alone. */
#pragma once

#include "daemon/worker/encoding/dn.h"

struct name_type {
        const char *name;
        uint8_t oid[32];
        size_t length;
        size_t max;  /* characters (X.520, RFC 5280 appendix A) */
        uint8_t tag; /* the string type it must have; 0: PrintableString where that does, else UTF8String */
};

/* Ended by one without a name. */
extern const struct name_type name_types[];

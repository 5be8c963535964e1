/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Distinguished names between text (RFC 4514) and DER, both ways. Our own, because NSS reads and writes RFC 1485, which
 * is more than we want to take and differs in what is written. Pure; trusts nothing; touches no token.
 */
#pragma once

#include "daemon/util/der.h"

/* Bytes of a subject that is taken, and of a name that is shown, each with a NUL: far above what a CA writes. */
#define DN_TEXT_MAX 1024U
/* Bytes of the Name that such a subject makes, at most: each of its "L=x," takes 4 of text and 12 of DER. */
#define DN_DER_MAX 8192U

/* A subject as text to its Name. Strictly RFC 4514, but that blanks may stand before a type, and that values in
 * hexadecimal are not taken. What a subject must not have is refused too: no attribute at all, an empty value, a control character, more characters than X.520 allows
 * for the type, a country that is not two letters. NULL, or a sentence that says what is wrong. */
const char *dn_from_text(const char *text, uint8_t ret[static DN_DER_MAX], size_t *ret_length);

/* A whole Name (its SEQUENCE too) as text, NUL-terminated, always well-formed UTF-8 with no control character in it.
 * What is longer than DN_TEXT_MAX, or of more than 64 parts, is cut, and ends in "...". false: it is no Name. */
bool dn_to_text(struct der name, char ret[static DN_TEXT_MAX]);

/* ---- for dn.c and dn-text.c alone: the attribute types that have a name (RFC 4514, RFC 4519, RFC 5280) ---- */

struct dn_type {
        const char *name;
        uint8_t oid[32];
        size_t length;
        size_t max;  /* characters (X.520, RFC 5280 appendix A) */
        uint8_t tag; /* the string type it must have; 0: PrintableString where that does, else UTF8String */
};

/* Ended by one without a name. */
extern const struct dn_type dn_types[];

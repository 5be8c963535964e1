/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Distinguished names between text (RFC 4514) and DER, both ways. This is our own code because NSS reads and
 * writes RFC 1485, accepts more than we want, and writes names differently. Both may come from anybody. Pure.
 */
#pragma once

#include "daemon/util/der.h"

/* Bytes of a subject that is accepted, and of a name that is shown, each with a NUL: far more than CAs
 * write. */
#define DN_TEXT_MAX 1024U
/* Bytes of the Name of such a subject, at most: "L=x," has 4 bytes as text and 12 in DER. */
#define DN_DER_MAX 8192U

/* What is wrong with a subject. */
enum dn_fault {
        DN_EMPTY = 1,
        DN_TOO_LONG,
        DN_UNKNOWN_TYPE,
        DN_HEXADECIMAL,
        DN_SYNTAX,
        DN_EMPTY_VALUE,
        DN_BAD_CHARACTER,
        DN_LONG_VALUE,
        DN_FORBIDDEN_CHARACTER,
        DN_COUNTRY,
        DN_MANY_VALUES,
        DN_FAULT_MAX_,
};

/* A sentence for people. */
const char *dn_fault_text(enum dn_fault fault);

/* A subject as text to its Name. The syntax is strictly RFC 4514, with two differences: blanks may stand
 * before a type, and values in hexadecimal are refused. Also refused are: no attribute at all, an empty
 * value, a control character, more characters than X.520 allows for the type, and a country that is not two
 * letters. 0, or an enum dn_fault. */
int dn_from_text(const char *text, uint8_t ret[static DN_DER_MAX], size_t *ret_length);

/* A whole Name, with its SEQUENCE, as text. The text is NUL-terminated, well-formed UTF-8, and has no control
 * characters. If it were longer than DN_TEXT_MAX, or has more than 64 parts, it is cut and ends in "...".
 * false: this is not a Name. */
bool dn_to_text(struct der name, char ret[static DN_TEXT_MAX]);

/* ---- for dn.c and dn-text.c alone: attribute types with a name (RFC 4514, RFC 4519, RFC 5280) ---- */

struct dn_type {
        const char *name;
        uint8_t oid[32];
        size_t length;
        size_t max;  /* characters (X.520, RFC 5280 appendix A) */
        uint8_t tag; /* the string type that it must have; 0: PrintableString if possible, else UTF8String */
};

/* The last one has no name. */
extern const struct dn_type dn_types[];

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * DER, read and written element by element. It may come from anybody: lengths are checked before they are
 * believed. Pure, thread-safe. A struct der is a part of a buffer that somebody else owns.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

struct der {
        const uint8_t *data;
        size_t length;
};

enum der_tag {
        DER_TAG_INTEGER = 0x02,
        DER_TAG_BIT_STRING = 0x03,
        DER_TAG_OCTET_STRING = 0x04,
        DER_TAG_OID = 0x06,
        DER_TAG_UTF8_STRING = 0x0c,
        DER_TAG_NUMERIC_STRING = 0x12,
        DER_TAG_PRINTABLE_STRING = 0x13,
        DER_TAG_T61_STRING = 0x14,
        DER_TAG_IA5_STRING = 0x16,
        DER_TAG_UTC_TIME = 0x17,
        DER_TAG_GENERALIZED_TIME = 0x18,
        DER_TAG_VISIBLE_STRING = 0x1a,
        DER_TAG_UNIVERSAL_STRING = 0x1c,
        DER_TAG_BMP_STRING = 0x1e,
        DER_TAG_SEQUENCE = 0x30,
        DER_TAG_SET = 0x31,
        DER_TAG_CONTEXT_0 = 0xa0, /* [0], explicit */
};

/* Takes the next element off *in: its tag and its content. Lengths must be definite and in their shortest
 * form, tags of one byte. False leaves *in as it was. */
bool der_next(struct der *in, uint8_t *ret_tag, struct der *ret_content);

/* The same for an element that must have this tag: its content, or the whole of it with its tag and
 * length. */
bool der_take(struct der *in, enum der_tag tag, struct der *ret_content);
bool der_take_whole(struct der *in, enum der_tag tag, struct der *ret_whole);

bool der_is_same(struct der a, struct der b);

/* A big-endian integer without its leading zeros; empty for 0. */
struct der der_unsigned(struct der value);

/* Writes tag and length of an element with n bytes of content (up to 0xffffff) and returns how many bytes
 * these are, 5 at most. out may be NULL: then nothing is written. */
size_t der_head(uint8_t *out, enum der_tag tag, size_t n);

/* Writes a big-endian unsigned integer as INTEGER and returns its length; 0 if the value is 0. out may be
 * NULL. */
size_t der_put_unsigned(uint8_t *out, struct der value);

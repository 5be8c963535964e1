/* SPDX-License-Identifier: MPL-2.0 */
/* UTF-8, character by character (RFC 3629). Pure, thread-safe, whatever the locale. */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* The first character of length bytes: how many bytes it has (1 to 4), and its code point in *ret. 0: these bytes are not
 * well-formed UTF-8 (a surrogate, an overlong form, above U+10FFFF, cut short), or length is 0; *ret is untouched. */
size_t utf8_decode(const char *text, size_t length, uint32_t *ret);

/* Writes the character of a code point up to U+10FFFF, without a NUL. Returns how many bytes it has: 1 to 4. */
size_t utf8_encode(uint32_t point, char *ret);

/* The length of UTF-8 text that was cut between bytes, without an unfinished character at its end. */
size_t utf8_whole(const char *text, size_t length);

/* C0, DEL and C1: a terminal may act on them. */
bool utf8_is_control(uint32_t point);

/* A control character, or one that is not seen or changes the direction of the text around it: with it a text does not look
 * like what it is. */
bool utf8_is_deceptive(uint32_t point);

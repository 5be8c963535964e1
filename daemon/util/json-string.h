/* SPDX-License-Identifier: MPL-2.0 */
/* The strings of JSON texts (RFC 8259, section 7): how they are read and written. Pure, thread-safe. */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* Checks the string whose opening quote should be at *at, and leaves *at behind its closing one. -EBADMSG: not a string, not
 * UTF-8, a raw control character, half of a surrogate pair, or end comes first. -EINVAL: U+0000 in a key. */
int json_string_scan(const char **at, const char *end, bool key);

/* Decodes what json_string_scan() passed over, from the first quote to behind the last, as UTF-8. Writes less than end - begin
 * bytes, without a NUL, and returns how many. */
size_t json_string_decode(const char *begin, const char *end, char *ret);

/* Twice a backslash, "u" and four digits, and a NUL. */
#define JSON_STRING_ESCAPE_SIZE 13

/*
 * What stands for a text between the quotes, piece by piece: a run of characters that stand as they are, or one escape, which
 * is put into room. Escaped are the quote, the backslash, and every character that is utf8_is_deceptive(): a person may read
 * the JSON. A byte that is not UTF-8 becomes U+FFFD. Returns the length of the piece at *ret; 0: *text has reached end.
 *
 *     while ((n = json_string_next(&text, end, &piece, room)) > 0)
 *             put(piece, n);
 */
size_t json_string_next(
        const char **text, const char *end, const char **ret, char room[static JSON_STRING_ESCAPE_SIZE]);

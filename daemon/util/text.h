/* SPDX-License-Identifier: MPL-2.0 */
/* Small questions about strings that come from outside, and how they come. Thread-safe. */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* Well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF). */
bool text_is_utf8(const char *text, size_t length);

/* What docs/protocol.md allows for a nickname: 1 to LIMIT_NICKNAME bytes of UTF-8, no control character (C0, DEL, C1),
 * no colon. */
bool text_is_nickname(const char *text, size_t length);

/* What may be shown as a nickname of a key that others made: as above, but a colon is let through. */
bool text_is_listable(const char *text, size_t length);

/* A name for a certificate's dNSName: labels of 1 to 63 letters, digits and hyphens (none at either end), 253 bytes at most, no
 * dot at the end; the first of several may be `*`; the last is not a number, as an address's would be. */
bool text_is_dns_name(const char *text);

/* All that a file has, but max + 1 bytes at most: what is longer than max can be told by that. From its beginning where it has
 * one, and then its offset, which others may share, stays. -errno; the caller frees. */
int text_read(int fd, size_t max, char **ret, size_t *ret_length);

/* Reads decimal digits and leaves *at behind the last one. 1: there is no digit at *at; -ERANGE: beyond 64 bits. */
int text_digits(const char **at, uint64_t *ret);

/* Writes n bytes as 2 * n lower-case hexadecimal digits and a NUL. */
void text_hex(const void *bytes, size_t n, char *ret);

/* The value of a hexadecimal digit of either case. -1: c is not one. */
int text_hex_digit(char c);

/* Reads n bytes from hexadecimal digits of either case. Stops at the first character that is not a digit (a NUL, for one) and
 * returns false; ret may have been written to by then. */
bool text_unhex(const char *text, size_t n, void *ret);

/* strdup() into a new string with a format; NULL when memory is short. The caller frees. */
char *text_format(const char *format, ...) _printf_(1, 2);

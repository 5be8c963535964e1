/* SPDX-License-Identifier: MPL-2.0 */
/* Strings that come from outside: what they may be, and how they are read. Thread-safe. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#include "daemon/util/macros.h"

/* Whether all of it is well-formed UTF-8; see utf8_decode(). */
bool text_is_utf8(const char *text, size_t length);

/* Whether docs/protocol.md allows it as a nickname: 1 to LIMIT_NICKNAME bytes of UTF-8 without a control character or a colon. */
bool text_is_nickname(const char *text, size_t length);

/* Whether it may be shown as the nickname of a key that others made: like text_is_nickname(), but it may have a colon. */
bool text_is_listable(const char *text, size_t length);

/* The length of text without the NULs at its end. */
size_t text_without_nuls(const char *text, size_t length);

/* The nickname that the CKA_LABEL of a key or a certificate gives it: the label without the NULs that a program
 * may have stored at its end, or "" if that is not listable. Returns its length, without the NUL that ends it. out
 * holds length + 1 bytes, and may be the label. */
size_t text_label(char *out, const char *label, size_t length);

/* A field of PKCS #11 that is padded with blanks (or, by some tokens, with NULs): without the padding, with a NUL
 * at its end, and with '?' for control characters and, if it is not UTF-8, for every byte that is not ASCII. out
 * holds length + 1 bytes, and may be the field. */
void text_field(char *out, const void *field, size_t length);

/* Whether it can be a dNSName in a certificate: at most 253 bytes; labels of 1 to 63 letters, digits and hyphens, with a hyphen at neither
 * end; no dot at the end. The first label of several may be `*`. The last one is not a number, as in an address. */
bool text_is_dns_name(const char *text);

/* Reads a file to its end, but at most max + 1 bytes: the caller can tell from *ret_length that it is longer than max. A file that can be
 * read from its beginning is, and its offset, which others may share, does not change. The caller frees *ret. -errno. */
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

/* Formats a new string, which the caller frees. NULL: no memory. */
char *text_format(const char *format, ...) _printf_(1, 2);
char *text_format_args(const char *format, va_list args) _printf_(1, 0);

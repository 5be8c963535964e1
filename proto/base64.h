/* SPDX-License-Identifier: MPL-2.0 */
/* base64 as in RFC 4648, section 4: padded, without line breaks. Pure, thread-safe. */
#pragma once

#include <stddef.h>

/* The number of characters for n bytes, without a NUL. */
#define BASE64_LENGTH(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_LENGTH(n) characters and a NUL. */
void base64_encode(const void *bytes, size_t n, char *ret);

/* Decodes into a new buffer, which the caller frees. A NUL follows the *ret_length bytes. -EINVAL: the text is not canonical base64: its
 * length, a character, the padding or the bits after the end are wrong; -ENOMEM. */
int base64_decode(const char *text, size_t length, unsigned char **ret, size_t *ret_length);

/* SPDX-License-Identifier: MPL-2.0 */
/* base64 (RFC 4648, section 4: padded, no line breaks) and hex, of the bytes on the wire. Pure, thread-safe. */
#pragma once

#include <stddef.h>

/* Characters that n bytes take, the NUL not counted. */
#define BASE64_LENGTH(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_LENGTH(n) characters and a NUL. */
void base64_encode(const void *bytes, size_t n, char *ret);

/* Into a new buffer (one NUL behind the end), which the caller frees. -EINVAL: not canonical base64 (a wrong
 * length, character, padding, or bits behind the end); -ENOMEM. */
int base64_decode(const char *text, size_t length, unsigned char **ret, size_t *ret_length);

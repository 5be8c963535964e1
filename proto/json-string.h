/* SPDX-License-Identifier: MPL-2.0 */
/* The strings of JSON texts (RFC 8259, section 7), for json.c. Pure, thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Checks the string whose opening quote should be at *at, and leaves *at behind its closing one. -EBADMSG: not a string, not
 * UTF-8, a raw control character, half of a surrogate pair, or end comes first. -EINVAL: U+0000 in a key. */
int json_string_scan(const char **at, const char *end, bool key);

/* Decodes what json_string_scan() passed over, from the first quote to behind the last, as UTF-8. Writes less than end - begin
 * bytes, without a NUL, and returns how many. */
size_t json_string_decode(const char *begin, const char *end, char *ret);

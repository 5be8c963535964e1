/* SPDX-License-Identifier: MPL-2.0 */
/* How single values are written in the configuration: words and quotes, numbers, sizes. Pure. */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* Takes the next word off *at. Words are separated by white space; what stands in single quotes is taken as
 * it is, in double quotes \\ and \" stand for a backslash and a quote, and everything else for itself; a
 * quote may begin anywhere in a word. 1: there is none left. -EINVAL: a quote that does not end. The caller
 * frees. */
int value_next_word(const char **at, char **ret);

/* A value that is no list: the text as it stands; where it begins with a quote, the one word that it is then.
 * -EINVAL: a quote that does not end, or something behind it. The caller frees. */
int value_text(const char *text, char **ret);

/* The text in double quotes, so that the two above read it back. NULL when memory is short. The caller frees.
 */
char *value_quote(const char *text);

/* Decimal digits and nothing else. -EINVAL, -ERANGE (beyond 64 bits). */
int value_number(const char *text, uint64_t *ret);

/* Bytes as systemd.syntax(7) writes sizes: a number, with K, M, G or T (powers of 1024) behind it perhaps. -EINVAL,
 * -ERANGE. */
int value_size(const char *text, uint64_t *ret_bytes);

/* Whether it may be the name of a token or an instance: 1 to 64 bytes of UTF-8, without a colon, a slash,
 * white space or a control character, and not beginning with a dot. */
bool value_is_name(const char *text);

static inline bool value_is_space(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r');
}

/* SPDX-License-Identifier: MPL-2.0 */
/* How single values are written in the configuration: words and quotes, numbers, sizes. Pure. */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* Takes the next word off *at. Words are separated by white space. Text in single quotes is taken as it is; in double quotes \\ and
 * \" stand for a backslash and a quote. A quote may begin anywhere in a word. 1: no word is left. -EINVAL: a quote does not end;
 * -ENOMEM. The caller frees. */
int value_next_word(const char **at, char **ret);

/* A value that is not a list: the text as it stands; if it begins with a quote, it is one quoted word. -EINVAL: the quote does not
 * end, or text follows it; -ENOMEM. The caller frees. */
int value_text(const char *text, char **ret);

/* Decimal digits and nothing else. -EINVAL, -ERANGE (beyond 64 bits). */
int value_number(const char *text, uint64_t *ret);

/* Bytes as systemd.syntax(7) writes sizes: a number, and K, M, G or T (powers of 1024) may follow it. -EINVAL, -ERANGE. */
int value_size(const char *text, uint64_t *ret_bytes);

/* Whether it may be the name of a token or an instance: 1 to 64 bytes of UTF-8, without colons, slashes, white space and control
 * characters, and without a dot at the beginning. */
bool value_is_name(const char *text);

static inline bool value_is_space(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r');
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See value.h. */
#include "daemon/config/value.h"

#include <string.h>

#include "daemon/util/text.h"

#define NAME_BYTES 64U

/* Copies the text between quotes to *to. *at points to the opening quote, and afterwards behind the closing one. */
static int unquote(const char **at, char **to)
{
        char quote = *(*at)++;

        for (; **at != quote; (*at)++) {
                if (**at == '\0')
                        return -EINVAL;
                if (quote == '"' && **at == '\\' && ((*at)[1] == '"' || (*at)[1] == '\\'))
                        (*at)++;
                *(*to)++ = **at;
        }
        (*at)++;
        return 0;
}

int value_next_word(const char **at, char **ret)
{
        _cleanup_(freep) char *word = NULL;
        const char *from = *at;
        char *to;
        int r;

        while (value_is_space(*from))
                from++;
        if (*from == '\0')
                return 1;
        to = word = malloc(strlen(from) + 1);
        if (!word)
                return -ENOMEM;
        while (*from && !value_is_space(*from)) {
                if (*from == '"' || *from == '\'') {
                        r = unquote(&from, &to);
                        if (r < 0)
                                return r;
                } else
                        *to++ = *from++;
        }
        *to = '\0';
        *at = from;
        *ret = TAKE_PTR(word);
        return 0;
}

int value_text(const char *text, char **ret)
{
        _cleanup_(freep) char *value = NULL;
        int r;

        if (*text != '"' && *text != '\'') {
                value = strdup(text);
                if (!value)
                        return -ENOMEM;
        } else {
                r = value_next_word(&text, &value);
                if (r < 0)
                        return r;
                while (value_is_space(*text))
                        text++;
                if (*text)
                        return -EINVAL;
        }
        *ret = TAKE_PTR(value);
        return 0;
}

int value_number(const char *text, uint64_t *ret)
{
        uint64_t number = 0;
        int r = text_digits(&text, &number);

        if (r < 0)
                return r;
        if (r > 0 || *text)
                return -EINVAL;
        *ret = number;
        return 0;
}

int value_size(const char *text, uint64_t *ret_bytes)
{
        static const char suffixes[] = "KMGT";
        const char *suffix;
        uint64_t number = 0, unit = 1;
        int r = text_digits(&text, &number);

        if (r != 0)
                return r < 0 ? r : -EINVAL;
        if (*text) {
                suffix = strchr(suffixes, *text);
                if (!suffix || text[1])
                        return -EINVAL;
                unit <<= 10 * (suffix - suffixes + 1);
        }
        if (__builtin_mul_overflow(number, unit, &number))
                return -ERANGE;
        *ret_bytes = number;
        return 0;
}

bool value_is_name(const char *text)
{
        size_t length = strlen(text);

        return length <= NAME_BYTES && text_is_nickname(text, length) && *text != '.' && !strpbrk(text, "/ ");
}

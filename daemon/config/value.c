/* SPDX-License-Identifier: MPL-2.0 */
/* See value.h. */
#include "daemon/config/value.h"

#include <string.h>

#include "daemon/util/text.h"

#define NAME_BYTES 64U
#define DAY        (UINT64_C(86400) * USEC_PER_SEC)

/* Copies what stands between quotes to *to; *at stands on the opening one, and behind the closing one
 * afterwards. */
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

char *value_quote(const char *text)
{
        char *quoted = malloc(2 * strlen(text) + 3), *to = quoted;

        if (!quoted)
                return NULL;
        *to++ = '"';
        for (; *text; text++) {
                if (*text == '"' || *text == '\\')
                        *to++ = '\\';
                *to++ = *text;
        }
        *to++ = '"';
        *to = '\0';
        return quoted;
}

/* Digits from *at on. 1: there are none. -ERANGE. */
static int digits(const char **at, uint64_t *ret)
{
        const char *from = *at;
        uint64_t number = 0;

        for (; **at >= '0' && **at <= '9'; (*at)++) {
                if (__builtin_mul_overflow(number, 10U, &number) ||
                        __builtin_add_overflow(number, (uint64_t)(**at - '0'), &number))
                        return -ERANGE;
        }
        if (*at == from)
                return 1;
        *ret = number;
        return 0;
}

int value_number(const char *text, uint64_t *ret)
{
        uint64_t number = 0;
        int r = digits(&text, &number);

        if (r < 0)
                return r;
        if (r > 0 || *text)
                return -EINVAL;
        *ret = number;
        return 0;
}

/* What the unit at *at is in microseconds; 0 where it is none. */
static uint64_t unit_usec(const char **at)
{
        static const struct {
                const char *name;
                uint64_t usec;
        } units[] = {
                {"us", 1},
                {"usec", 1},
                {"µs", 1},
                {"ms", USEC_PER_MSEC},
                {"msec", USEC_PER_MSEC},
                {"", USEC_PER_SEC},
                {"s", USEC_PER_SEC},
                {"sec", USEC_PER_SEC},
                {"second", USEC_PER_SEC},
                {"seconds", USEC_PER_SEC},
                {"m", 60 * USEC_PER_SEC},
                {"min", 60 * USEC_PER_SEC},
                {"minute", 60 * USEC_PER_SEC},
                {"minutes", 60 * USEC_PER_SEC},
                {"h", 3600 * USEC_PER_SEC},
                {"hr", 3600 * USEC_PER_SEC},
                {"hour", 3600 * USEC_PER_SEC},
                {"hours", 3600 * USEC_PER_SEC},
                {"d", DAY},
                {"day", DAY},
                {"days", DAY},
        };
        size_t length;

        while (value_is_space(**at))
                (*at)++;
        length = strcspn(*at, " \t\n\v\f\r0123456789.");
        for (size_t i = 0; i < ARRAY_SIZE(units); i++)
                if (strlen(units[i].name) == length && memcmp(units[i].name, *at, length) == 0) {
                        *at += length;
                        return units[i].usec;
                }
        return 0;
}

/* The digits behind a decimal point, of a unit. */
static uint64_t fraction(const char **at, uint64_t unit)
{
        uint64_t usec = 0;

        for (; **at >= '0' && **at <= '9'; (*at)++) {
                usec += unit * (uint64_t)(**at - '0') / 10;
                unit /= 10;
        }
        return usec;
}

int value_duration(const char *text, uint64_t *ret_usec)
{
        uint64_t total = 0;
        bool any = false;

        for (;;) {
                const char *part = NULL;
                uint64_t number = 0, unit;
                int r;

                while (value_is_space(*text))
                        text++;
                if (*text == '\0')
                        break;
                r = digits(&text, &number);
                if (r != 0)
                        return r < 0 ? r : -EINVAL;
                if (*text == '.') {
                        part = ++text;
                        text += strspn(text, "0123456789");
                        if (text == part)
                                return -EINVAL;
                }
                unit = unit_usec(&text);
                if (unit == 0)
                        return -EINVAL;
                if (number > DAY / unit)
                        return -ERANGE;
                total += number * unit + (part ? fraction(&part, unit) : 0);
                if (total > DAY)
                        return -ERANGE;
                any = true;
        }
        if (!any)
                return -EINVAL;
        *ret_usec = total;
        return 0;
}

int value_size(const char *text, uint64_t *ret_bytes)
{
        static const char suffixes[] = "KMGT";
        const char *suffix;
        uint64_t number = 0, unit = 1;
        int r = digits(&text, &number);

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

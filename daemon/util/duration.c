/* SPDX-License-Identifier: MPL-2.0 */
/* See duration.h. */
#include "daemon/util/duration.h"

#include <stdbool.h>
#include <string.h>

#include "daemon/util/text.h"

static bool is_space(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The microseconds of the unit at *at, which is left behind it. 0: this is not a unit. */
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
                {"d", DURATION_MAX_USEC},
                {"day", DURATION_MAX_USEC},
                {"days", DURATION_MAX_USEC},
        };
        size_t length;

        while (is_space(**at))
                (*at)++;
        length = strcspn(*at, " \t\n\v\f\r0123456789.");
        for (size_t i = 0; i < ARRAY_SIZE(units); i++)
                if (strlen(units[i].name) == length && memcmp(units[i].name, *at, length) == 0) {
                        *at += length;
                        return units[i].usec;
                }
        return 0;
}

/* The microseconds of the digits behind a decimal point. */
static uint64_t fraction(const char **at, uint64_t unit)
{
        uint64_t usec = 0;

        for (; **at >= '0' && **at <= '9'; (*at)++) {
                usec += unit * (uint64_t)(**at - '0') / 10;
                unit /= 10;
        }
        return usec;
}

int duration_parse(const char *text, uint64_t *ret_usec)
{
        uint64_t total = 0;
        bool any = false;

        for (;;) {
                const char *part = NULL;
                uint64_t number = 0, unit;
                int r;

                while (is_space(*text))
                        text++;
                if (*text == '\0')
                        break;
                r = text_digits(&text, &number);
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
                if (number > DURATION_MAX_USEC / unit)
                        return -ERANGE;
                total += number * unit + (part ? fraction(&part, unit) : 0);
                if (total > DURATION_MAX_USEC)
                        return -ERANGE;
                any = true;
        }
        if (!any)
                return -EINVAL;
        *ret_usec = total;
        return 0;
}

int duration_days(const char *text, uint64_t *ret_days)
{
        static const struct {
                const char *name;
                uint64_t days;
        } units[] = {{"", 1}, {"d", 1}, {"day", 1}, {"days", 1}, {"w", 7}, {"week", 7}, {"weeks", 7},
                {"y", 365}, {"year", 365}, {"years", 365}};
        uint64_t number = 0;
        int r = text_digits(&text, &number);

        if (r != 0)
                return r < 0 ? r : -EINVAL;
        text += strspn(text, " ");
        for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
                if (strcmp(text, units[i].name) != 0)
                        continue;
                if (number > 1000000 / units[i].days)
                        return -ERANGE;
                *ret_days = number * units[i].days;
                return 0;
        }
        return -EINVAL;
}

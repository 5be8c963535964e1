/* SPDX-License-Identifier: MPL-2.0 */
/* See unnamed.h. */
#include "daemon/util/unnamed.h"

#include <stdio.h>
#include <string.h>

#include "daemon/util/text.h"

#define PREFIX   "unnamed "
#define ID_BYTES 8U

/* Where the digits begin; NULL: it is another nickname. */
static const char *digits_of(const char *nickname)
{
        const char *digits, *end;

        if (strncmp(nickname, PREFIX, strlen(PREFIX)) != 0)
                return NULL;
        digits = strchr(nickname + strlen(PREFIX), ' ');
        if (!digits || digits == nickname + strlen(PREFIX))
                return NULL;
        digits++;
        end = digits + strspn(digits, "0123456789abcdef");
        return *end == '\0' && end - digits >= 2 && end - digits <= (long)(2 * ID_BYTES) ? digits : NULL;
}

bool nickname_may_be_given(const char *nickname)
{
        return text_is_nickname(nickname, strlen(nickname)) && !digits_of(nickname);
}

bool nickname_is_unnamed(const char *nickname)
{
        return digits_of(nickname) != NULL;
}

bool nickname_is_unnamed_of(const char *nickname, const char *instance)
{
        const char *digits = digits_of(nickname), *name = nickname + strlen(PREFIX);

        return digits && strlen(instance) == (size_t)(digits - 1 - name) &&
               memcmp(name, instance, strlen(instance)) == 0;
}

void unnamed_nickname(const char *instance, const void *id, size_t n, char ret[static UNNAMED_SIZE])
{
        char digits[2 * ID_BYTES + 1];

        text_hex(id, MIN_OF(n, (size_t)ID_BYTES), digits);
        snprintf(ret, UNNAMED_SIZE, PREFIX "%s %s", instance, digits);
}

void unnamed_set_id(char *nickname, const void *id, size_t n)
{
        const char *digits = digits_of(nickname);
        char hex[2 * ID_BYTES + 1];

        if (!digits)
                return;
        text_hex(id, MIN_OF(n, (size_t)ID_BYTES), hex);
        memcpy(nickname + (digits - nickname), hex, MIN_OF(strlen(hex), strlen(digits)));
}

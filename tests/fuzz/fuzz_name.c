/* SPDX-License-Identifier: MPL-2.0 */
/* Distinguished names: a subject of a client's as text, and a Name in a certificate that lies on a token. */
#include <string.h>

#include "daemon/util/text.h"
#include "daemon/worker/encoding/dn.h"
#include "tests/fuzz/fuzz.h"

static bool is_clean(const char *text)
{
        for (const char *c = text; *c; c++)
                if ((unsigned char)*c < 0x20 || *c == 0x7f)
                        return false;
        return text_is_utf8(text, strlen(text));
}

static void check_der(struct der der)
{
        char text[DN_TEXT_MAX];

        if (dn_to_text(der, text))
                CHECK(strnlen(text, sizeof(text)) < sizeof(text) && is_clean(text));
}

static void check_text(const char *subject)
{
        uint8_t der[DN_DER_MAX], again[DN_DER_MAX];
        char text[DN_TEXT_MAX];
        size_t length = 0, length_again = 0, n;

        if (dn_from_text(subject, der, &length))
                return;
        CHECK(length <= sizeof(der) && dn_to_text((struct der){der, length}, text));
        n = strlen(text);
        /* Neither what was cut nor a value of an unknown type, which is shown in hexadecimal, is taken. */
        if ((n >= 3 && strcmp(text + n - 3, "...") == 0) || strstr(text, "=#"))
                return;
        CHECK(!dn_from_text(text, again, &length_again));
        CHECK(length_again == length && memcmp(again, der, length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(freep) char *subject = strndup((const char *)data, size);

        check_der((struct der){data, size});
        if (subject)
                check_text(subject);
        return 0;
}

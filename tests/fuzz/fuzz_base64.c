/* SPDX-License-Identifier: MPL-2.0 */
/* base64: what is accepted is the one way to write its bytes; and bytes come back as they were. */
#include <string.h>

#include "daemon/util/macros.h"
#include "proto/base64.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *text, size_t length)
{
        _cleanup_(freep) unsigned char *bytes = NULL;
        _cleanup_(freep) char *again = NULL;
        size_t n = 0;
        int r = base64_decode(text, length, &bytes, &n);

        CHECK(r == 0 || r == -EINVAL);
        if (r < 0)
                return;
        CHECK(BASE64_LENGTH(n) == length && bytes[n] == 0);
        again = malloc(length + 1);
        CHECK(again);
        base64_encode(bytes, n, again);
        CHECK(memcmp(again, text, length) == 0 && again[length] == 0);
}

static void check_bytes(const uint8_t *data, size_t size)
{
        _cleanup_(freep) char *text = malloc(BASE64_LENGTH(size) + 1);
        _cleanup_(freep) unsigned char *again = NULL;
        size_t n = 0;

        CHECK(text);
        base64_encode(data, size, text);
        CHECK(base64_decode(text, strlen(text), &again, &n) == 0);
        CHECK(n == size && memcmp(again, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        check_text((const char *)data, size);
        if (size > 0)
                check_bytes(data, size);
        return 0;
}

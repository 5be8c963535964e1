/* SPDX-License-Identifier: MPL-2.0 */
/* A PKCS #11 URI, from a file or from the wire: it means the token whose fields it gives. */
#include <string.h>

#include "daemon/util/uri.h"
#include "tests/fuzz/fuzz.h"

static const char *or_other(const char *text)
{
        return text ? text : "other";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(freep) char *text = strndup((const char *)data, size);
        struct uri uri;
        int r;

        if (!text)
                return 0;
        r = uri_parse(text, &uri);
        CHECK(r == 0 || r == -EINVAL);
        if (r < 0)
                return 0;
        CHECK(!uri.object || *uri.object);
        CHECK((uri.id != NULL) == (uri.id_length > 0) && uri.slot_id >= -1);
        CHECK(uri_matches_token(&uri, or_other(uri.token), or_other(uri.serial), or_other(uri.manufacturer),
                or_other(uri.model), uri.slot_id < 0 ? 0 : (uint64_t)uri.slot_id));
        uri_done(&uri);
        return 0;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* A PKCS #11 URI, from a file or from the wire: it means the token whose fields it gives. */
#include <string.h>

#include "daemon/util/text.h"
#include "daemon/util/uri.h"
#include "tests/fuzz/fuzz.h"

/* A token that has all that the URI asks for. */
static void make_token(const struct uri *uri, struct uri_token *token)
{
        *token = (struct uri_token){.slot_id = uri->slot_id < 0 ? 0 : (uint64_t)uri->slot_id};
        for (size_t part = 0; part < URI_PARTS; part++)
                if (uri->parts[part])
                        strncpy(token->parts[part], uri->parts[part], URI_PART_MAX);
}

static bool is_short(const struct uri *uri)
{
        for (size_t part = 0; part < URI_PARTS; part++)
                if (uri->parts[part] && strlen(uri->parts[part]) > URI_PART_MAX)
                        return false;
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(freep) char *text = strndup((const char *)data, size), *fault = NULL;
        struct uri_token token;
        struct uri uri;
        int r;

        if (!text)
                return 0;
        r = uri_parse(text, &uri);
        CHECK(r == 0 || r == -EINVAL);
        CHECK(uri_fault(text, &fault) == (r == 0 ? 1 : 0));
        CHECK((fault != NULL) == (r < 0));
        if (r < 0) {
                /* It goes to a log. */
                for (const char *c = fault; *c; c++)
                        CHECK(*c >= ' ' && *c <= '~');
                return 0;
        }
        CHECK(!uri.object || !*uri.object || text_is_listable(uri.object, strlen(uri.object)));
        CHECK((uri.id != NULL || uri.id_length == 0) && uri.slot_id >= -1);
        CHECK(uri_may_agree(&uri, &uri));
        make_token(&uri, &token);
        CHECK(uri_matches_token(&uri, &token) == is_short(&uri));
        uri_done(&uri);
        return 0;
}

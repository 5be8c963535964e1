/* SPDX-License-Identifier: MPL-2.0 */
/* See name.h. */
#include "daemon/broker/model/name.h"

#include <string.h>

#define URI_SCHEME "pkcs11:"

bool name_is_uri(const char *text)
{
        return strncmp(text, URI_SCHEME, strlen(URI_SCHEME)) == 0;
}

int name_parse(const char *text, const struct config *config, struct name *ret)
{
        struct name name = {.uri = {.slot_id = -1}};
        const char *colon = strchr(text, ':');
        int r;

        if (name_is_uri(text)) {
                r = uri_parse(text, &name.uri);
                if (r < 0)
                        return r == -EINVAL ? 1 : r;
                *ret = name;
                return 0;
        }
        name.nickname = text;
        for (size_t i = 0; colon && i < config->n_tokens; i++) {
                const char *token = config->tokens[i]->name;

                if (strlen(token) == (size_t)(colon - text) && strncmp(token, text, strlen(token)) == 0) {
                        name.token = config->tokens[i];
                        name.nickname = colon + 1;
                        break;
                }
        }
        *ret = name;
        return 0;
}

void name_done(struct name *name)
{
        if (!name->nickname)
                uri_done(&name->uri);
}

bool name_may_mean(const struct name *name, const char *text)
{
        _cleanup_(uri_done) struct uri uri = {.slot_id = -1};

        return !text || uri_parse(text, &uri) < 0 || uri_may_agree(&name->uri, &uri);
}

bool name_matches_entry(const struct name *name, const struct entry *entry)
{
        const struct uri *uri = &name->uri;

        /* A key without a nickname is reached by its id alone. */
        if (name->nickname)
                return name->nickname[0] && entry_name(entry, name->nickname);
        if (uri->object && ((!uri->object[0] && !uri->id) || !entry_name(entry, uri->object)))
                return false;
        if (uri->der_tail &&
                (uri->der_tail_length > entry->der_length ||
                        memcmp(uri->der_tail, entry->der + entry->der_length - uri->der_tail_length,
                                uri->der_tail_length) != 0))
                return false;
        return !uri->id || bytes_equal(uri->id, uri->id_length, entry->id, entry->id_length);
}

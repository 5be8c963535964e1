/* SPDX-License-Identifier: MPL-2.0 */
/* See name.h. */
#include "daemon/broker/model/name.h"

#include <string.h>

#define URI_SCHEME "pkcs11:"

int name_parse(const char *text, const struct config *config, struct name *ret)
{
        struct name name = {.uri = {.slot_id = -1}};
        const char *colon = strchr(text, ':');
        int r;

        if (strncmp(text, URI_SCHEME, strlen(URI_SCHEME)) == 0) {
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

bool name_says_token(const struct name *name)
{
        const struct uri *uri = &name->uri;

        return uri->token || uri->serial || uri->manufacturer || uri->model || uri->slot_id >= 0;
}

bool name_matches_token(const struct name *name, const char *label, const char *serial,
        const char *manufacturer, const char *model)
{
        return name->uri.slot_id < 0 &&
               uri_matches_token(&name->uri, label, serial, manufacturer, model, UINT64_MAX);
}

static bool agree(const char *one, const char *two)
{
        return !one || !two || strcmp(one, two) == 0;
}

bool name_may_mean(const struct name *name, const char *text)
{
        struct uri uri = {.slot_id = -1};
        bool may = name->uri.slot_id < 0;

        if (may && text && uri_parse(text, &uri) == 0)
                may = agree(name->uri.token, uri.token) && agree(name->uri.serial, uri.serial) &&
                      agree(name->uri.manufacturer, uri.manufacturer) && agree(name->uri.model, uri.model);
        uri_done(&uri);
        return may;
}

bool name_matches_entry(const struct name *name, const struct entry *entry)
{
        const struct uri *uri = &name->uri;

        /* A key without a nickname is reached by its id alone. */
        if (name->nickname)
                return name->nickname[0] && strcmp(name->nickname, entry->nickname) == 0;
        if (uri->object && (!uri->object[0] || strcmp(uri->object, entry->nickname) != 0))
                return false;
        return !uri->id ||
               (uri->id_length == entry->id_length && memcmp(uri->id, entry->id, uri->id_length) == 0);
}

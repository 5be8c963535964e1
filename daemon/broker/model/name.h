/* SPDX-License-Identifier: MPL-2.0 */
/* How a caller names a key: `token:nickname`, `nickname` alone, or an RFC 7512 URI. Pure. */
#pragma once

#include "daemon/broker/model/directory.h"
#include "daemon/config/config.h"
#include "daemon/util/uri.h"

struct name {
        const struct config_token *token; /* the one that was named; NULL: none was */
        const char *nickname;             /* points into the text; NULL: a URI */
        struct uri uri;
};

bool name_is_uri(const char *text);

/* What stands before the first colon is a token only where one is configured by that name; else the whole is
 * a nickname. 1: a URI that does not parse; -ENOMEM. The caller calls name_done() after 0. */
int name_parse(const char *text, const struct config *config, struct name *ret);
void name_done(struct name *name);

/* Whether a URI may mean a token that has not said yet who it is. text: the Uri= by which it is configured, or NULL. */
bool name_may_mean(const struct name *name, const char *text);

/* Whether the entry is the one that nickname, object and id name. */
bool name_matches_entry(const struct name *name, const struct entry *entry);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * PKCS #11 URIs (RFC 7512) that name a token or an object, in the configuration (Uri=) and on the wire (the name of a key).
 * Query attributes are refused, because a PIN must not come in this way. Pure, thread-safe.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* An attribute that was not given is NULL; slot_id is -1. Strings are percent-decoded, and have a NUL at the end only. */
struct uri {
        char *token, *serial, *manufacturer, *model;
        char *object;
        unsigned char *id;
        size_t id_length;
        int64_t slot_id;
};

/* The caller calls uri_done(). The attributes `type` and library-* are accepted and not kept. -EINVAL: it is not a pkcs11: URI; an
 * attribute is unknown, is empty or is given twice; an escape is wrong; there is a query. -ENOMEM. */
int uri_parse(const char *text, struct uri *ret);
void uri_done(struct uri *uri);

/* Whether a token is the one that the URI names. The fields of the token must be passed without the padding of PKCS #11. */
bool uri_matches_token(const struct uri *uri, const char *label, const char *serial, const char *manufacturer,
        const char *model, uint64_t slot_id);

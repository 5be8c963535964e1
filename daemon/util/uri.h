/* SPDX-License-Identifier: MPL-2.0 */
/*
 * PKCS #11 URIs (RFC 7512), as far as they name a token or an object: in the configuration (Uri=) and on the
 * wire (a key's name). Query attributes are refused: a PIN must never come in this way.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* Attributes that were not given are NULL, id_length 0, slot_id -1. Strings are percent-decoded, NUL-terminated,
 * without a NUL inside. */
struct uri {
        char *token, *serial, *manufacturer, *model;
        char *object;
        unsigned char *id;
        size_t id_length;
        int64_t slot_id;
};

/* -EINVAL: not a pkcs11: URI, an attribute that is unknown, empty or given twice, a bad escape, a query. `type`
 * and library-* are accepted and not kept. The caller calls uri_done(). */
int uri_parse(const char *text, struct uri *ret);
void uri_done(struct uri *uri);

/* Whether the token's fields (as PKCS #11 pads them: pass them trimmed) are all that the URI asks for. */
bool uri_matches_token(const struct uri *uri, const char *label, const char *serial, const char *manufacturer,
        const char *model, uint64_t slot_id);

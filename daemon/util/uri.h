/* SPDX-License-Identifier: MPL-2.0 */
/*
 * PKCS #11 URIs (RFC 7512) that name a token or an object, in the configuration (Uri=) and on the wire (the name of a key).
 * Query attributes are refused, because a PIN must not come in this way. Pure, thread-safe.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* The attributes of RFC 7512 that say which token it is, apart from the number of its slot. */
enum uri_part {
        URI_TOKEN, /* the label */
        URI_SERIAL,
        URI_MANUFACTURER,
        URI_MODEL,
        URI_SLOT_DESCRIPTION,
        URI_SLOT_MANUFACTURER,
        URI_LIBRARY_DESCRIPTION,
        URI_LIBRARY_MANUFACTURER,
        URI_LIBRARY_VERSION, /* MAJOR.MINOR */
        URI_PARTS,
};

/* Bytes of the longest field of PKCS #11 that is a part: CK_SLOT_INFO.slotDescription. */
#define URI_PART_MAX 64U

/* A part or an object that was not given is NULL; slot_id is -1. Parts are as text_field() writes them. Where an
 * empty value was given, the token must have an empty field. */
struct uri {
        char *parts[URI_PARTS];
        int64_t slot_id;
        char *object;      /* "": no nickname can be made of the label that was given; see text_label() */
        unsigned char *id; /* not NULL and id_length 0: the object must have an empty CKA_ID */
        size_t id_length;
        unsigned char *
                der_tail; /* of our own attribute x-der-tail: how the object's public key, or certificate, ends in DER */
        size_t der_tail_length;
};

/* What a token, its slot and its library say of themselves, as text_field() writes it. */
struct uri_token {
        char parts[URI_PARTS][URI_PART_MAX + 1];
        uint64_t slot_id;
};

/* The caller calls uri_done(). The attribute `type` is accepted and not kept. -EINVAL: it is not a pkcs11: URI; an
 * attribute is unknown or is given twice; a value is invalid; there is a query. RFC 7512 lets an unknown attribute
 * (another vendor's, for one) match nothing. -ENOMEM. */
int uri_parse(const char *text, struct uri *ret);
void uri_done(struct uri *uri);

/* What is wrong with a text that uri_parse() refuses, in words that repeat no value, because it may be a PIN. 1:
 * nothing is wrong. -ENOMEM. The caller frees. */
int uri_fault(const char *text, char **ret);

/* "token", "slot-description": as the attribute is called. */
const char *uri_part_name(enum uri_part part);

/* Whether a token is the one that the URI names. */
bool uri_matches_token(const struct uri *uri, const struct uri_token *token);

/* Whether the URI says anything of the token. */
bool uri_says_token(const struct uri *uri);

/* Whether there may be a token that both URIs name. */
bool uri_may_agree(const struct uri *a, const struct uri *b);

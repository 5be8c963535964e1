/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a program wants a key to be, by its template: for keys that are generated, unwrapped or derived, and that the daemon gives
 * sealed, or keeps on the token. Pure.
 */
#pragma once

#include "client/pkcs11/catalogue.h"
#include "daemon/util/secret-algorithm.h"

struct p11_asked {
        struct tokend_secret_template wanted; /* length and size as far as the template says them */
        unsigned type;                        /* SECRET_ */
        CK_OBJECT_CLASS class;
        CK_KEY_TYPE
        key_type; /* what the program calls it: one that the daemon does not have is a generic secret to it */
        bool on_token;
};

/*
 * Fills *key from a template, which has been checked. class, key_type: what they are, and what a template may not say otherwise;
 * CK_UNAVAILABLE_INFORMATION: the template must say it. The key is sensitive, and on the token not extractable: a template that wants
 * anything else does not get a key that it does not expect. CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT,
 * CKR_ATTRIBUTE_VALUE_INVALID.
 */
CK_RV asked_key_take(const CK_ATTRIBUTE *template, CK_ULONG n, const struct p11_slot *slot,
        CK_OBJECT_CLASS class, CK_KEY_TYPE key_type, struct p11_asked *key);

/* The uses of a key, a part of `possible`: what the template says; where it says nothing, what is in by_default. What the caller has
 * no right to is left out, unless nothing would remain: NSS asks for every use of every key and does not look which it gets. */
CK_RV asked_usage(const CK_ATTRIBUTE *template, CK_ULONG n, const struct p11_slot *slot, unsigned possible,
        unsigned by_default, unsigned *ret);

/* Bytes of a key of this CKK_, where the type says it; else 0. */
CK_ULONG key_type_length(CK_KEY_TYPE type);

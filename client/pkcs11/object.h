/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An object as programs see it: one half of a key, a certificate, a profile, or what a session made for itself. It does not change
 * once it is made, and is reference counted: an operation keeps the key that it began with. Thread-safe.
 */
#pragma once

#include <stdatomic.h>

#include "client/pkcs11/attribute.h"
#include "client/tokend.h"
#include "daemon/util/spki.h"

struct p11_object {
        atomic_uint refs;
        CK_OBJECT_HANDLE handle;
        CK_OBJECT_CLASS class;
        CK_SLOT_ID slot;
        CK_SESSION_HANDLE session; /* whose it is; 0: it is on the token */
        char *name; /* by which the daemon finds it: a URI, or sealed:…; NULL: the daemon does not know it */
        CK_KEY_TYPE key_type; /* of keys: CKK_ */
        unsigned bits;        /* of the modulus or the curve */
        unsigned usage;       /* mask of enum tokend_usage */
        uint8_t *spki;        /* SubjectPublicKeyInfo of a key; NULL: it is not known */
        size_t spki_length;
        bool hidden; /* of a secret key: its value is not told */
        struct attributes attributes;
};

/* A new object with one reference and no attribute but its class. NULL: no memory. */
struct p11_object *object_new(CK_OBJECT_CLASS class, CK_SLOT_ID slot);
struct p11_object *object_ref(struct p11_object *object);
/* NULL is fine. */
void object_unref(struct p11_object *object);
DEFINE_CLEANUP(struct p11_object *, object_unref);

/* The objects of the catalogue. where: the slot and the part of a URI that names its token ("pkcs11:token=…"). NULL: no memory. */
struct object_place {
        CK_SLOT_ID slot;
        const char *uri;
};
struct p11_object *object_private_key(struct object_place where, const struct tokend_key *key);
struct p11_object *object_public_key(struct object_place where, const struct tokend_key *key);
struct p11_object *object_certificate(
        struct object_place where, const struct tokend_certificate *certificate);
struct p11_object *object_profile(CK_SLOT_ID slot, CK_ULONG profile);

/* A public key that a program gave (C_CreateObject) for its session. CKR_TEMPLATE_INCOMPLETE, CKR_ATTRIBUTE_VALUE_INVALID,
 * CKR_HOST_MEMORY. */
CK_RV object_session_public_key(
        CK_SLOT_ID slot, const CK_ATTRIBUTE *template, CK_ULONG n, struct p11_object **ret);

/* A secret that was derived for a session: length bytes, of which as many as the template wants remain, the last ones. With
 * CKA_SENSITIVE its value is not told any more. CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT: it is too short;
 * CKR_HOST_MEMORY. */
CK_RV object_session_secret(CK_SLOT_ID slot, const CK_ATTRIBUTE *template, CK_ULONG n,
        const unsigned char *secret, size_t length, struct p11_object **ret);

/* Each byte as %NN, for a value in a URI. */
void put_percent(struct buffer *out, const void *bytes, size_t n);

/* An attribute of this type can be sensitive: a part of a private key. */
bool object_hides(const struct p11_object *object, CK_ATTRIBUTE_TYPE type);

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
        bool hidden;          /* of a secret key: its value is not told */
        unsigned secret_type; /* SECRET_ of a key that the daemon uses by io.tokend.Secrets; 0: it does not */
        size_t length;        /* of a secret key, bytes */
        bool sealed;          /* the name is a sealed key */
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
struct p11_object *object_secret_key(struct object_place where, const struct tokend_secret *secret);
struct p11_object *object_profile(CK_SLOT_ID slot, CK_ULONG profile);

/* A public key that a program gave (C_CreateObject) for its session. CKR_TEMPLATE_INCOMPLETE, CKR_ATTRIBUTE_VALUE_INVALID,
 * CKR_HOST_MEMORY. */
CK_RV object_session_public_key(
        CK_SLOT_ID slot, const CK_ATTRIBUTE *template, CK_ULONG n, struct p11_object **ret);

/* A secret that was derived for a session, or that a program gave: length bytes, of which as many as the template wants remain, the last ones. With
 * CKA_SENSITIVE its value is not told any more. CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT: it is too short;
 * CKR_HOST_MEMORY. */
CK_RV object_session_secret(CK_SLOT_ID slot, const CK_ATTRIBUTE *template, CK_ULONG n,
        const unsigned char *secret, size_t length, struct p11_object **ret);

/* A key that the daemon gave sealed: its name is the sealed key. The template is the program's, the rest is as `key` says. sealed NULL:
 * a key that is promised on the token (promise.h). made: it was generated, not unwrapped or derived. CKR_HOST_MEMORY. */
struct p11_asked;
CK_RV object_asked_key(CK_SLOT_ID slot, const CK_ATTRIBUTE *template, CK_ULONG n, const struct p11_asked *key,
        const struct tokend_sealed *sealed, bool made, struct p11_object **ret);
/* The public half of one that was generated. */
CK_RV object_sealed_public_key(CK_SLOT_ID slot, const CK_ATTRIBUTE *template, CK_ULONG n,
        const struct tokend_sealed *sealed, struct p11_object **ret);

/* The same object once more, but for these attributes. NULL: no memory. */
struct p11_object *object_copy(const struct p11_object *object, const CK_ATTRIBUTE *template, CK_ULONG n);

/* Visits the attributes that say what a key may be used for. */
struct usage_attribute {
        CK_ATTRIBUTE_TYPE attribute;
        unsigned usage;    /* TOKEND_USAGE_ */
        const char *right; /* a word of Allow= */
};
/* NULL: there are no more. */
const struct usage_attribute *usage_attribute_at(size_t i);

/* CKA_SIGN and so on, as the usage of a secret key or of a sealed one says. */
void object_put_usage(struct p11_object *object);

/* The public value, which programs read of both halves. false: no memory. */
bool object_put_public(struct p11_object *object, const unsigned char *spki, size_t length);

/* Each byte as %NN, for a value in a URI. */
void put_percent(struct buffer *out, const void *bytes, size_t n);

/* An attribute of this type can be sensitive: a part of a private key. */
bool object_hides(const struct p11_object *object, CK_ATTRIBUTE_TYPE type);

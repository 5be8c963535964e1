/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One object of the token as the inventory keeps it: its handle and the attributes that do not change. They
 * are read once, when the handle is first seen. Owned by the inventory; no locking here. Errors as in
 * session.h.
 */
#pragma once

#include "daemon/worker/core/copy-trial.h"
#include "daemon/worker/device/session.h"

struct object {
        CK_OBJECT_CLASS class; /* CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY or CKO_CERTIFICATE */
        CK_OBJECT_HANDLE handle;
        uint64_t number; /* of a listed private key or certificate; 0 until it is in the inventory */
        uint64_t seen;   /* the round of the renewal that last saw the handle */
        uint64_t check;  /* the round of the renewal that reads it again */
        bool doubted;    /* the next renewal reads it again */
        bool leaving; /* it is being destroyed: no operation begins with it, and none that began may succeed */
        bool destroyed;  /* it was destroyed: what has its handle now is another object */
        bool point_read; /* of a private key without der: its own CKA_EC_POINT was read */

        bool alone; /* of a private key: it had no der when it was joined */
        bool waits; /* its public half may appear yet; the broker is not told of it before that */

        bool listable; /* it has a type, an id and a size that we support; others are kept only so that they are not read again */
        CK_RV unreadable; /* what the token answered instead of its attributes; CKR_OK: they were read */
        bool said;        /* the log says that it cannot be read */
        uint8_t *id;
        size_t id_length;
        char *label; /* without the NULs at its end; NUL-terminated; it may contain anything, also a NUL */
        size_t label_length;

        unsigned key_type; /* enum key_type; of a secret key, enum secret_type */
        unsigned size;     /* bits of the modulus or the curve; of a secret key, bytes */
        unsigned usage;    /* mask of enum key_usage */
        unsigned flags;    /* mask of enum object_flag, without those that come of joining */
        bool always_authenticate;
        CK_MECHANISM_TYPE *
                allowed; /* CKA_ALLOWED_MECHANISMS of a private key; NULL: the token names none, so that it may all */
        size_t n_allowed;

        /* Of a certificate; UINT64_MAX: it is not understood. The oldest of several names their key. */
        uint64_t not_before_usec;
        bool apart;   /* of a certificate: tokend wrote it, so that it lends its nickname to no key */
        uint8_t *der; /* SubjectPublicKeyInfo of a key, or NULL; the certificate */
        size_t der_length;
        uint8_t *
                modulus; /* of an RSA key that does not show its exponent: what its public half must have; else NULL */
        size_t modulus_length;

        /* What the broker was told of it last. */
        bool sent, sent_with_der;
        unsigned sent_flags;
        char *sent_names; /* the nickname and the other names, each ended by a NUL */
        size_t sent_names_length;

        enum copy_verdict trial; /* of a private key */
};

/* Reads the attributes of a handle. The caller frees. If the token does not give them, although it and the
 * session are well, that is no error: the object has what could be read, it is not listable, and `unreadable`
 * says why. CALL_FAILED with CKR_OBJECT_HANDLE_INVALID: the object is gone by now. */
int object_read(struct session *session, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle, struct object **ret);

/* Logs that it cannot be read; was_readable: it could before. */
void object_say_unreadable(struct session *session, const struct object *object, bool was_readable);

/* NULL is fine. */
void object_free(struct object *object);
DEFINE_CLEANUP(struct object *, object_free);

/* CKA_EC_POINT of a key, where the token shows it, as a SubjectPublicKeyInfo: the caller frees *ret. NULL: it
 * shows none. */
int object_read_point(
        struct session *session, const struct object *object, uint8_t **ret, size_t *ret_length);

/* The label of a secret key that tokend makes for itself begins so. A nickname has no colon: no client can make or name one. */
#define OBJECT_RESERVED "tokend:"
bool object_is_reserved(const struct object *object);

/* Whether two readings are of one object: whether they could be read, class, id, label, type, usage, flags
 * and, if both have it, der. */
bool object_same(const struct object *a, const struct object *b);

/* Whether that is its label; whether it is a certificate with one of these marks (certificate_mark()). */
bool object_has_label(const struct object *object, const char *label);
bool object_has_mark(const struct object *object, struct wire_bytes marks);

bool object_same_id(const struct object *a, const struct object *b);
bool object_same_label(const struct object *a, const struct object *b);

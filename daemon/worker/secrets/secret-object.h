/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Secret keys, and private keys that pass through, as objects: the templates by which they are made, unwrapped and derived, and
 * whether what came out is what was asked for. Errors as in operation.h.
 */
#pragma once

#include "daemon/worker/core/operation.h"

/* What a key is, as in struct sealed. */
struct secret_shape {
        unsigned type, usage, size; /* size 0: of a private key, what the token says */
        bool came_in;               /* its bytes are what somebody wrapped, not what the token made */
};

/* The template of a session object of this shape: sensitive, and extractable, so that it can be sealed. with_length: CKA_VALUE_LEN
 * is in it. Pointers into *shape. Returns the number of attributes, at most SECRET_TEMPLATE_MAX. */
#define SECRET_TEMPLATE_MAX 16U
struct secret_template {
        CK_ATTRIBUTE attributes[SECRET_TEMPLATE_MAX];
        CK_ULONG n;
        CK_OBJECT_CLASS class;
        CK_KEY_TYPE key_type;
        CK_ULONG length;
};
void secret_template(struct secret_template *template, const struct secret_shape *shape, bool with_length);

/* NSS's token opens an EC key only if its public half is given as well (CKA_NSS_DB): any bytes will do, but what is wrapped later has
 * them, so they must be right. spki: may be empty, and must live as long as the template. Nothing is added for other keys and tokens. */
void secret_template_point(const struct slot_token *token, struct secret_template *template,
        const struct secret_shape *shape, struct wire_bytes spki);

/* A secret key on the token: sensitive, not extractable, with that label and id. */
int secret_make_permanent(struct operation *operation, const struct secret_shape *shape, const char *label,
        struct wire_bytes id);
/* Destroys the secret keys of that id and that label. 0: none is left. */
int secret_remove(struct operation *operation, struct wire_bytes id, const char *label);

/* What r of a call that was to make such a key means: REPLY_NOT_SUPPORTED if the token says that it makes none of that size or for that
 * use (softoken makes no generic secret of 512 bytes). */
int secret_unmade(struct operation *operation, int r);

/* Whether the object is of that shape; fills in shape->size where it is 0. REPLY_INVALID with that parameter: it is not. A token may
 * not tell the length of a secret that came out of an unwrap (SoftHSM says 0): then what it seals to has to tell. */
int secret_check(struct operation *operation, CK_OBJECT_HANDLE handle, struct secret_shape *shape,
        const char *parameter);

/* What a call that was given a client's bytes means, where it failed (r): REPLY_INVALID with that parameter, unless session or device
 * were lost, or the mechanism is not there after all. A token may call nonsense an error of its own (CKR_GENERAL_ERROR and
 * CKR_FUNCTION_FAILED of SoftHSM, CKR_DEVICE_ERROR of softoken): it is not lost as long as its session answers, and says so twice. */
int secret_blame(struct operation *operation, int r, const char *parameter);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the operations of secret keys share: the key that a request names, and the mechanism with its parameter. Errors as in
 * operation.h.
 */
#pragma once

#include "daemon/util/secret-algorithm.h"
#include "daemon/worker/secrets/seal.h"

/* The key that is used: a sealed one, or one of the token. */
struct used_key {
        CK_OBJECT_HANDLE handle;
        unsigned type, size; /* enum secret_type; bytes or bits */
        bool is_permanent;
        struct inventory_key permanent;
};

/* sealed: its bytes; if there are none, the number of a key of the token: of a private one if the algorithm is for RSA or EC, else
 * of a secret one. usage: one bit of enum key_usage that it must have. */
int used_key_find(struct operation *operation, const struct secret_algorithm_info *algorithm,
        const char *instance, struct wire_bytes sealed, uint64_t number, unsigned usage,
        struct used_key *ret);

/* false: it was deleted meanwhile, or has another handle, so that another key may have been used: nothing of the result may leave
 * the worker. */
bool used_key_is_still(struct operation *operation, const struct used_key *key);

/* A mechanism; its parameter points into this struct, which must not be copied. */
struct used_mechanism {
        const struct secret_algorithm_info *info;
        CK_MECHANISM mechanism;
        union {
                CK_RSA_PKCS_OAEP_PARAMS oaep;
                CK_GCM_PARAMS gcm;
                CK_ECDH1_DERIVE_PARAMS ecdh;
                CK_KEY_DERIVATION_STRING_DATA data;
                CK_EXTRACT_PARAMS bit;
                CK_OBJECT_HANDLE key;
        };
};

/* What a mechanism is made of; what its form does not have is empty. Borrowed for as long as it is used. */
struct used_parameters {
        struct wire_bytes iv, label, aad, data, point;
        uint64_t bit;
        CK_OBJECT_HANDLE key;
};

/* flag: what the token must be able to do with it, CKF_WRAP and so on. REPLY_NOT_SUPPORTED: there is no such algorithm, or the token
 * lacks it. REPLY_INVALID: iv, label or aad do not fit. */
int used_mechanism_init(struct operation *operation, struct used_mechanism *mechanism, unsigned algorithm,
        enum secret_does does, CK_FLAGS flag, const struct used_parameters *parameters);

/* What a template of the message says, checked. REPLY_INVALID with the parameter template. */
int used_shape(
        struct operation *operation, unsigned type, unsigned size, unsigned usage, struct secret_shape *ret);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From a signature algorithm and a digest or message to what a token is given: mechanism, parameters, bytes.
 * Hashes by NSS's own software token, never by the device. Used by sign.c and verify.c.
 */
#pragma once

#include <nss/pkcs11.h>

#include "daemon/channel/message.h"
#include "daemon/worker/encoding/signature.h"

struct signing {
        const struct algorithm_info *info;
        CK_MECHANISM mechanism; /* its parameter points into this struct: do not copy it */
        CK_RSA_PKCS_PSS_PARAMS pss;
        uint8_t buffer[SIGNATURE_DIGEST_INFO_MAX];
        struct der input;        /* in buffer, or in the caller's data */
        size_t signature_length; /* of the raw signature */
};

/* The mechanism alone; CKM_VENDOR_DEFINED where the algorithm is none. */
CK_MECHANISM_TYPE signing_mechanism(unsigned algorithm);

/* bits: of the key. data stays borrowed. -EINVAL: a digest of the wrong length, or one for ed25519; -ENOTSUP:
 * the algorithm is none, or does not fit such a key; -EIO: NSS does not hash. */
int signing_init(struct signing *signing, unsigned algorithm, bool prehashed, struct wire_bytes data,
        unsigned key_type, unsigned bits);

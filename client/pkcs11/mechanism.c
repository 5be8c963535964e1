/* SPDX-License-Identifier: MPL-2.0 */
/* See mechanism.h. Not here: CKM_RSA_X_509, which is signing and decrypting of everything in one, and MD5. */
#include "client/pkcs11/mechanism.h"

#include <string.h>

#define NONE  CK_UNAVAILABLE_INFORMATION
#define SIGNS (CKF_SIGN | CKF_VERIFY)
#define CURVE (CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS)

/* clang-format off */
static const struct mechanism mechanisms[] = {
        {CKM_RSA_PKCS, SIGNS | CKF_DECRYPT, CKK_RSA, MODULE_PKCS1, NONE, "CKM_RSA_PKCS", NULL},
        {CKM_SHA1_RSA_PKCS, SIGNS, CKK_RSA, MODULE_PKCS1, CKM_SHA_1, "CKM_RSA_PKCS", "sign-raw"},
        {CKM_SHA224_RSA_PKCS, SIGNS, CKK_RSA, MODULE_PKCS1, CKM_SHA224, "CKM_RSA_PKCS", "sign-raw"},
        {CKM_SHA256_RSA_PKCS, SIGNS, CKK_RSA, MODULE_PKCS1, CKM_SHA256, "CKM_RSA_PKCS", NULL},
        {CKM_SHA384_RSA_PKCS, SIGNS, CKK_RSA, MODULE_PKCS1, CKM_SHA384, "CKM_RSA_PKCS", NULL},
        {CKM_SHA512_RSA_PKCS, SIGNS, CKK_RSA, MODULE_PKCS1, CKM_SHA512, "CKM_RSA_PKCS", NULL},
        {CKM_RSA_PKCS_PSS, SIGNS, CKK_RSA, MODULE_PSS, NONE, "CKM_RSA_PKCS_PSS", NULL},
        {CKM_SHA1_RSA_PKCS_PSS, SIGNS, CKK_RSA, MODULE_PSS, CKM_SHA_1, "CKM_RSA_PKCS_PSS", "sign-raw"},
        {CKM_SHA256_RSA_PKCS_PSS, SIGNS, CKK_RSA, MODULE_PSS, CKM_SHA256, "CKM_RSA_PKCS_PSS", NULL},
        {CKM_SHA384_RSA_PKCS_PSS, SIGNS, CKK_RSA, MODULE_PSS, CKM_SHA384, "CKM_RSA_PKCS_PSS", NULL},
        {CKM_SHA512_RSA_PKCS_PSS, SIGNS, CKK_RSA, MODULE_PSS, CKM_SHA512, "CKM_RSA_PKCS_PSS", NULL},
        {CKM_RSA_PKCS_OAEP, CKF_DECRYPT, CKK_RSA, MODULE_NONE, NONE, "CKM_RSA_PKCS_OAEP", "decrypt"},
        {CKM_ECDSA, SIGNS, CKK_EC, MODULE_ECDSA, NONE, "CKM_ECDSA", NULL},
        {CKM_ECDSA_SHA1, SIGNS, CKK_EC, MODULE_ECDSA, CKM_SHA_1, "CKM_ECDSA", "sign-raw"},
        {CKM_ECDSA_SHA224, SIGNS, CKK_EC, MODULE_ECDSA, CKM_SHA224, "CKM_ECDSA", "sign-raw"},
        {CKM_ECDSA_SHA256, SIGNS, CKK_EC, MODULE_ECDSA, CKM_SHA256, "CKM_ECDSA", NULL},
        {CKM_ECDSA_SHA384, SIGNS, CKK_EC, MODULE_ECDSA, CKM_SHA384, "CKM_ECDSA", NULL},
        {CKM_ECDSA_SHA512, SIGNS, CKK_EC, MODULE_ECDSA, CKM_SHA512, "CKM_ECDSA", NULL},
        {CKM_EDDSA, SIGNS, CKK_EC_EDWARDS, MODULE_EDDSA, NONE, "CKM_EDDSA", NULL},
        {CKM_ECDH1_DERIVE, CKF_DERIVE, CKK_EC, MODULE_NONE, NONE, "CKM_ECDH1_DERIVE", "derive"},
        {CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, CKK_RSA, MODULE_NONE, NONE, "CKM_RSA_PKCS_KEY_PAIR_GEN", "generate"},
        {CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, CKK_EC, MODULE_NONE, NONE, "CKM_ECDSA_KEY_PAIR_GEN", "generate"},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, CKK_EC_EDWARDS, MODULE_NONE, NONE, "CKM_EC_EDWARDS_KEY_PAIR_GEN", "generate"},
        {CKM_SHA_1, CKF_DIGEST, NONE, MODULE_NONE, CKM_SHA_1, NULL, NULL},
        {CKM_SHA224, CKF_DIGEST, NONE, MODULE_NONE, CKM_SHA224, NULL, NULL},
        {CKM_SHA256, CKF_DIGEST, NONE, MODULE_NONE, CKM_SHA256, NULL, NULL},
        {CKM_SHA384, CKF_DIGEST, NONE, MODULE_NONE, CKM_SHA384, NULL, NULL},
        {CKM_SHA512, CKF_DIGEST, NONE, MODULE_NONE, CKM_SHA512, NULL, NULL},
};
/* clang-format on */

const struct mechanism *mechanism_at(size_t i)
{
        return i < ARRAY_SIZE(mechanisms) ? &mechanisms[i] : NULL;
}

const struct mechanism *mechanism_find(CK_MECHANISM_TYPE type)
{
        for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++)
                if (mechanisms[i].type == type)
                        return &mechanisms[i];
        return NULL;
}

CK_FLAGS mechanism_flags(const struct mechanism *mechanism, const struct p11_slot *slot)
{
        CK_FLAGS flags = mechanism->flags;

        if ((mechanism->device && !slot_has(slot, mechanism->device)) ||
                (mechanism->right && !slot_allows(slot, mechanism->right)))
                return 0;
        if (!slot_allows(slot, "sign"))
                flags &= ~(CK_FLAGS)CKF_SIGN;
        if (!slot_allows(slot, "verify"))
                flags &= ~(CK_FLAGS)CKF_VERIFY;
        if (!slot_allows(slot, "decrypt"))
                flags &= ~(CK_FLAGS)CKF_DECRYPT;
        return flags;
}

void mechanism_info(const struct mechanism *mechanism, CK_FLAGS flags, CK_MECHANISM_INFO *ret)
{
        *ret = (CK_MECHANISM_INFO){.flags = flags};
        switch (mechanism->key_type) {
        case CKK_RSA:
                ret->ulMinKeySize = 2048;
                ret->ulMaxKeySize = 8192;
                break;
        case CKK_EC:
                ret->ulMinKeySize = 256;
                ret->ulMaxKeySize = 521;
                ret->flags |= CURVE;
                break;
        case CKK_EC_EDWARDS:
                ret->ulMinKeySize = 255;
                ret->ulMaxKeySize = 255;
                break;
        default:
                return;
        }
        ret->flags |= CKF_HW;
}

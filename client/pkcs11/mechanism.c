/* SPDX-License-Identifier: MPL-2.0 */
/* See mechanism.h. Not here: CKM_RSA_X_509, which is signing and decrypting of everything in one, and MD5. */
#include "client/pkcs11/mechanism.h"

#include <string.h>

#include "proto/limits.h"

#define NONE    CK_UNAVAILABLE_INFORMATION
#define SIGNS   (CKF_SIGN | CKF_VERIFY)
#define CIPHERS (CKF_ENCRYPT | CKF_DECRYPT)
#define WRAPS   (CKF_WRAP | CKF_UNWRAP)
#define CURVE   (CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS)

/* clang-format off */
static const struct mechanism mechanisms[] = {
        {CKM_RSA_PKCS, SIGNS | CIPHERS | WRAPS, CKK_RSA, MODULE_PKCS1, NONE, "CKM_RSA_PKCS", NULL},
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
        {CKM_RSA_PKCS_OAEP, CIPHERS | WRAPS, CKK_RSA, MODULE_NONE, NONE, "CKM_RSA_PKCS_OAEP", NULL},
        {CKM_ECDSA, SIGNS, CKK_EC, MODULE_ECDSA, NONE, "CKM_ECDSA", NULL},
        {CKM_ECDSA_SHA1, SIGNS, CKK_EC, MODULE_ECDSA, CKM_SHA_1, "CKM_ECDSA", "sign-raw"},
        {CKM_ECDSA_SHA224, SIGNS, CKK_EC, MODULE_ECDSA, CKM_SHA224, "CKM_ECDSA", "sign-raw"},
        {CKM_ECDSA_SHA256, SIGNS, CKK_EC, MODULE_ECDSA, CKM_SHA256, "CKM_ECDSA", NULL},
        {CKM_ECDSA_SHA384, SIGNS, CKK_EC, MODULE_ECDSA, CKM_SHA384, "CKM_ECDSA", NULL},
        {CKM_ECDSA_SHA512, SIGNS, CKK_EC, MODULE_ECDSA, CKM_SHA512, "CKM_ECDSA", NULL},
        {CKM_EDDSA, SIGNS, CKK_EC_EDWARDS, MODULE_EDDSA, NONE, "CKM_EDDSA", NULL},
        {CKM_ECDH1_DERIVE, CKF_DERIVE, CKK_EC, MODULE_NONE, NONE, "CKM_ECDH1_DERIVE", NULL},
        {CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, CKK_RSA, MODULE_NONE, NONE, "CKM_RSA_PKCS_KEY_PAIR_GEN", NULL},
        {CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, CKK_EC, MODULE_NONE, NONE, "CKM_ECDSA_KEY_PAIR_GEN", NULL},
        {CKM_EC_EDWARDS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, CKK_EC_EDWARDS, MODULE_NONE, NONE, "CKM_EC_EDWARDS_KEY_PAIR_GEN", NULL},
        {CKM_AES_KEY_GEN, CKF_GENERATE, CKK_AES, MODULE_NONE, NONE, "CKM_AES_KEY_GEN", NULL},
        {CKM_DES2_KEY_GEN, CKF_GENERATE, CKK_DES2, MODULE_NONE, NONE, "CKM_DES2_KEY_GEN", NULL},
        {CKM_DES3_KEY_GEN, CKF_GENERATE, CKK_DES3, MODULE_NONE, NONE, "CKM_DES3_KEY_GEN", NULL},
        {CKM_GENERIC_SECRET_KEY_GEN, CKF_GENERATE, CKK_GENERIC_SECRET, MODULE_NONE, NONE, "CKM_GENERIC_SECRET_KEY_GEN", NULL},
        {CKM_AES_ECB, CIPHERS, CKK_AES, MODULE_NONE, NONE, "CKM_AES_ECB", NULL},
        {CKM_AES_CBC, CIPHERS | WRAPS, CKK_AES, MODULE_NONE, NONE, "CKM_AES_CBC", NULL},
        {CKM_AES_CBC_PAD, CIPHERS | WRAPS, CKK_AES, MODULE_NONE, NONE, "CKM_AES_CBC_PAD", NULL},
        {CKM_AES_GCM, CIPHERS, CKK_AES, MODULE_NONE, NONE, "CKM_AES_GCM", NULL},
        {CKM_AES_KEY_WRAP, WRAPS, CKK_AES, MODULE_NONE, NONE, "CKM_AES_KEY_WRAP", NULL},
        {CKM_AES_KEY_WRAP_KWP, WRAPS, CKK_AES, MODULE_NONE, NONE, NULL, NULL},
        {CKM_DES3_ECB, CIPHERS | WRAPS, CKK_DES3, MODULE_NONE, NONE, "CKM_DES3_ECB", NULL},
        {CKM_DES3_CBC, CIPHERS, CKK_DES3, MODULE_NONE, NONE, "CKM_DES3_CBC", NULL},
        {CKM_DES3_CBC_PAD, CIPHERS | WRAPS, CKK_DES3, MODULE_NONE, NONE, "CKM_DES3_CBC_PAD", NULL},
        {CKM_DES3_ECB_ENCRYPT_DATA, CKF_DERIVE, CKK_DES3, MODULE_NONE, NONE, "CKM_DES3_ECB_ENCRYPT_DATA", NULL},
        {CKM_AES_ECB_ENCRYPT_DATA, CKF_DERIVE, CKK_AES, MODULE_NONE, NONE, "CKM_AES_ECB_ENCRYPT_DATA", NULL},
        {CKM_EXTRACT_KEY_FROM_KEY, CKF_DERIVE, CKK_GENERIC_SECRET, MODULE_NONE, NONE, "CKM_EXTRACT_KEY_FROM_KEY", NULL},
        {CKM_CONCATENATE_BASE_AND_KEY, CKF_DERIVE, CKK_GENERIC_SECRET, MODULE_NONE, NONE, "CKM_CONCATENATE_BASE_AND_KEY", NULL},
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

/* Keys that pass through are sealed, which takes this of the token. */
static bool seals(const struct p11_slot *slot)
{
        return slot_unwraps(slot, "CKM_AES_KEY_WRAP_KWP") || slot_unwraps(slot, "CKM_AES_KEY_WRAP_PAD");
}

CK_FLAGS mechanism_flags(const struct mechanism *mechanism, const struct p11_slot *slot)
{
        static const struct {
                CK_FLAGS flags;
                const char *right;
        } rights[] = {{CKF_SIGN, "sign"}, {CKF_VERIFY, "verify"}, {CKF_DECRYPT, "decrypt"},
                {CKF_ENCRYPT, "encrypt"}, {CKF_WRAP, "wrap"}, {CKF_UNWRAP, "unwrap"}, {CKF_DERIVE, "derive"},
                {CKF_GENERATE | CKF_GENERATE_KEY_PAIR, "generate"}};
        CK_FLAGS flags = mechanism->flags;

        if ((mechanism->device && !slot_has(slot, mechanism->device)) ||
                (mechanism->right && !slot_allows(slot, mechanism->right)))
                return 0;
        for (size_t i = 0; i < ARRAY_SIZE(rights); i++)
                if (!slot_allows(slot, rights[i].right))
                        flags &= ~rights[i].flags;
        if (mechanism->key_type == CKK_RSA) /* rsa.h */
                flags |= mechanism->flags & CKF_ENCRYPT;
        if (mechanism->device && !slot_wraps(slot, mechanism->device))
                flags &= ~(CK_FLAGS)CKF_WRAP;
        if (mechanism->device && !slot_unwraps(slot, mechanism->device))
                flags &= ~(CK_FLAGS)CKF_UNWRAP;
        if (!seals(slot))
                flags &= ~(CK_FLAGS)(mechanism->key_type == CKK_EC ? WRAPS : WRAPS | CKF_DERIVE);
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
        case CKK_AES: /* these in bytes */
                ret->ulMinKeySize = 16;
                ret->ulMaxKeySize = 32;
                break;
        case CKK_DES2:
        case CKK_DES3:
                ret->ulMinKeySize = mechanism->type == CKM_DES3_KEY_GEN ? 24 : 16;
                ret->ulMaxKeySize = mechanism->type == CKM_DES2_KEY_GEN ? 16 : 24;
                break;
        case CKK_GENERIC_SECRET:
                ret->ulMinKeySize = 1;
                ret->ulMaxKeySize = LIMIT_GENERIC_SECRET;
                break;
        default:
                return;
        }
        ret->flags |= CKF_HW;
}

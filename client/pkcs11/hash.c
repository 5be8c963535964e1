/* SPDX-License-Identifier: MPL-2.0 */
/* See hash.h. */
#include "client/pkcs11/hash.h"

#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <string.h>

#include "daemon/util/macros.h"

/* SEQUENCE { SEQUENCE { OID 2.16.840.1.101.3.4.2.arc, NULL }, OCTET STRING } of n bytes. */
#define SHA2_INFO(arc, n)                                                                                    \
        {0x30, 0x11 + (n), 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, (arc),    \
                0x05, 0x00, 0x04, (n)},                                                                      \
                19

static const struct module_hash hashes[] = {
        {"sha1", CKM_SHA_1, CKG_MGF1_SHA1, SHA1_DIGEST_SIZE,
                {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14},
                15},
        {"sha224", CKM_SHA224, CKG_MGF1_SHA224, SHA224_DIGEST_SIZE, SHA2_INFO(4, 28)},
        {"sha256", CKM_SHA256, CKG_MGF1_SHA256, SHA256_DIGEST_SIZE, SHA2_INFO(1, 32)},
        {"sha384", CKM_SHA384, CKG_MGF1_SHA384, SHA384_DIGEST_SIZE, SHA2_INFO(2, 48)},
        {"sha512", CKM_SHA512, CKG_MGF1_SHA512, SHA512_DIGEST_SIZE, SHA2_INFO(3, 64)},
};

const struct module_hash *module_hash_of(CK_MECHANISM_TYPE mechanism)
{
        for (size_t i = 0; i < ARRAY_SIZE(hashes); i++)
                if (hashes[i].mechanism == mechanism)
                        return &hashes[i];
        return NULL;
}

const struct module_hash *module_hash_of_info(const uint8_t *info, size_t length, const uint8_t **ret_digest)
{
        for (size_t i = 0; i < ARRAY_SIZE(hashes); i++)
                if (length == hashes[i].info_length + hashes[i].length &&
                        memcmp(info, hashes[i].info, hashes[i].info_length) == 0) {
                        *ret_digest = info + hashes[i].info_length;
                        return &hashes[i];
                }
        return NULL;
}

struct hashing {
        CK_MECHANISM_TYPE mechanism;
        union {
                struct sha1_ctx sha1;
                struct sha256_ctx sha256; /* SHA-224 too */
                struct sha512_ctx sha512; /* SHA-384 too */
        };
};

static void begin(struct hashing *hashing)
{
        switch (hashing->mechanism) {
        case CKM_SHA_1:
                sha1_init(&hashing->sha1);
                break;
        case CKM_SHA224:
                sha224_init(&hashing->sha256);
                break;
        case CKM_SHA256:
                sha256_init(&hashing->sha256);
                break;
        case CKM_SHA384:
                sha384_init(&hashing->sha512);
                break;
        default:
                sha512_init(&hashing->sha512);
        }
}

struct hashing *hashing_new(const struct module_hash *hash)
{
        struct hashing *hashing = calloc(1, sizeof(*hashing));

        if (!hashing)
                return NULL;
        hashing->mechanism = hash->mechanism;
        begin(hashing);
        return hashing;
}

void hashing_free(struct hashing *hashing)
{
        if (hashing)
                explicit_bzero(hashing, sizeof(*hashing));
        free(hashing);
}

void hashing_add(struct hashing *hashing, const void *data, size_t length)
{
        if (length == 0)
                return;
        switch (hashing->mechanism) {
        case CKM_SHA_1:
                sha1_update(&hashing->sha1, length, data);
                break;
        case CKM_SHA224:
        case CKM_SHA256:
                sha256_update(&hashing->sha256, length, data);
                break;
        default:
                sha512_update(&hashing->sha512, length, data);
        }
}

void hashing_end(struct hashing *hashing, uint8_t *ret)
{
        switch (hashing->mechanism) {
        case CKM_SHA_1:
                sha1_digest(&hashing->sha1, SHA1_DIGEST_SIZE, ret);
                break;
        case CKM_SHA224:
                sha224_digest(&hashing->sha256, SHA224_DIGEST_SIZE, ret);
                break;
        case CKM_SHA256:
                sha256_digest(&hashing->sha256, SHA256_DIGEST_SIZE, ret);
                break;
        case CKM_SHA384:
                sha384_digest(&hashing->sha512, SHA384_DIGEST_SIZE, ret);
                break;
        default:
                sha512_digest(&hashing->sha512, SHA512_DIGEST_SIZE, ret);
        }
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See signing.h. */
#include "daemon/worker/encoding/signing.h"

#include <nss/pk11pub.h>
#include <string.h>

#include "daemon/util/algorithm.h"

CK_MECHANISM_TYPE signing_mechanism(unsigned algorithm)
{
        const struct algorithm_info *info = algorithm_info(algorithm);

        return info ? info->mechanism : CKM_VENDOR_DEFINED;
}

/* ECDSA signs the leftmost bytes of the digest, no more than the order of the curve has (FIPS 186-4, 6.4).
 * With our curves and hashes a byte is never cut. */
static size_t truncated(size_t digest_length, unsigned bits)
{
        return MIN_OF(digest_length, (size_t)(bits + 7U) / 8U);
}

static void init_pss(struct signing *signing)
{
        const struct hash_info *hash = hash_info(signing->info->hash);

        signing->pss = (CK_RSA_PKCS_PSS_PARAMS){hash->mechanism, hash->mgf, hash->length};
        signing->mechanism.pParameter = &signing->pss;
        signing->mechanism.ulParameterLen = sizeof(signing->pss);
}

/* -EIO: NSS did not hash it. */
static int hash_data(unsigned hash, struct wire_bytes data, uint8_t *ret)
{
        SECOidTag tag = PK11_MechanismToAlgtag(hash_info(hash)->mechanism);

        if (data.length > INT32_MAX ||
                PK11_HashBuf(tag, ret, data.length > 0 ? data.data : (const uint8_t *)"",
                        (PRInt32)data.length) != SECSuccess)
                return -EIO;
        return 0;
}

int signing_init(struct signing *signing, unsigned algorithm, bool prehashed, struct wire_bytes data,
        unsigned key_type, unsigned bits)
{
        uint8_t digest[DIGEST_MAX];
        size_t length;

        *signing = (struct signing){
                .info = algorithm_info(algorithm), .mechanism = {signing_mechanism(algorithm), NULL, 0}};
        if (!signing->info || !algorithm_fits(algorithm, key_type, bits))
                return SIGNING_UNFIT;
        signing->input = (struct der){data.data, data.length};
        signing->signature_length =
                signing->info->key_type == KEY_RSA ? (bits + 7U) / 8U : 2 * ((bits + 7U) / 8U);
        if (signing->info->scheme == SCHEME_EDDSA)
                return prehashed ? SIGNING_BAD_DIGEST : 0;
        length = hash_length(signing->info->hash);
        if (prehashed && data.length != length)
                return SIGNING_BAD_DIGEST;
        if (prehashed)
                memcpy(digest, data.data, length);
        else if (hash_data(signing->info->hash, data, digest) < 0)
                return -EIO;
        if (signing->info->scheme == SCHEME_PKCS1) {
                length = signature_digest_info(signing->info->hash, digest, signing->buffer);
        } else {
                if (signing->info->scheme == SCHEME_PSS)
                        init_pss(signing);
                else
                        length = truncated(length, bits);
                memcpy(signing->buffer, digest, length);
        }
        signing->input = (struct der){signing->buffer, length};
        return 0;
}

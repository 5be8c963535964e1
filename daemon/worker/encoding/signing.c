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

CK_MECHANISM_TYPE signing_hashing(const struct to_sign *what)
{
        const struct algorithm_info *info = algorithm_info(what->algorithm);

        return info && !what->prehashed ? info->hashing : 0;
}

/* ECDSA signs the leftmost bytes of the digest, no more than the order of the curve has (FIPS 186-4, 6.4).
 * With our curves a byte is never cut. */
static size_t truncated(size_t digest_length, unsigned bits)
{
        return MIN_OF(digest_length, (size_t)(bits + 7U) / 8U);
}

static void init_pss(struct signing *signing, const struct to_sign *what)
{
        const struct hash_info *hash = hash_info(signing->info->hash);

        signing->pss = (CK_RSA_PKCS_PSS_PARAMS){
                hash->mechanism, hash->mgf, what->salted ? what->salt : hash->length};
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

/* The digest, as it is or hashed here: *ret points into the caller's data, or to buffer. */
static int take_digest(const struct to_sign *what, unsigned hash, uint8_t *buffer, struct der *ret)
{
        if (what->prehashed) {
                *ret = (struct der){what->data.data, what->data.length};
                return 0;
        }
        *ret = (struct der){buffer, hash_length(hash)};
        return hash_data(hash, what->data, buffer);
}

int signing_init(struct signing *signing, const struct to_sign *what, unsigned key_type, unsigned bits)
{
        const struct algorithm_info *info = algorithm_info(what->algorithm);
        uint8_t buffer[DIGEST_MAX];
        struct der digest;
        size_t length;

        *signing = (struct signing){.info = info};
        signing->mechanism.mechanism =
                what->hashed_there ? signing_hashing(what) : signing_mechanism(what->algorithm);
        if (!info || !algorithm_fits(what->algorithm, key_type, bits))
                return SIGNING_UNFIT;
        if (what->prehashed ? !algorithm_takes_digest(what->algorithm, bits, what->data.length)
                            : !algorithm_takes_message(what->algorithm))
                return SIGNING_BAD_DIGEST;
        if (what->salted && !algorithm_takes_salt(what->algorithm, bits, what->salt))
                return SIGNING_BAD_SALT;
        signing->signature_length = info->key_type == KEY_RSA ? (bits + 7U) / 8U : 2 * ((bits + 7U) / 8U);
        if (info->scheme == SCHEME_PSS)
                init_pss(signing, what);
        signing->input = (struct der){what->data.data, what->data.length};
        if (what->hashed_there || info->scheme == SCHEME_EDDSA ||
                (info->scheme == SCHEME_PKCS1 && info->hash == HASH_NONE))
                return 0;
        if (take_digest(what, info->hash, buffer, &digest) < 0)
                return -EIO;
        if (info->scheme == SCHEME_PKCS1) {
                length = signature_digest_info(info->hash, digest.data, signing->buffer);
        } else {
                length = info->scheme == SCHEME_ECDSA ? truncated(digest.length, bits) : digest.length;
                memcpy(signing->buffer, digest.data, length);
        }
        signing->input = (struct der){signing->buffer, length};
        return 0;
}

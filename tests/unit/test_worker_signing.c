/* SPDX-License-Identifier: MPL-2.0 */
/* From algorithm and digest to what the token is given. */
#include <string.h>

#include "daemon/worker/encoding/signing.h"
#include "tests/unit/suite.h"

static uint8_t digest[64];

static struct wire_bytes of(size_t length)
{
        for (size_t i = 0; i < sizeof(digest); i++)
                digest[i] = (uint8_t)(i + 1);
        return wire_bytes(digest, length);
}

static int init(struct signing *signing, unsigned algorithm, bool prehashed, struct wire_bytes data,
        unsigned key_type, unsigned bits)
{
        return signing_init(signing,
                &(struct to_sign){.algorithm = algorithm, .prehashed = prehashed, .data = data}, key_type,
                bits);
}

static int init_salted(struct signing *signing, unsigned algorithm, unsigned salt, unsigned bits)
{
        return signing_init(signing,
                &(struct to_sign){.algorithm = algorithm,
                        .prehashed = true,
                        .salted = true,
                        .salt = salt,
                        .data = of(32)},
                KEY_RSA, bits);
}

static void check_ecdsa(unsigned algorithm, size_t length, unsigned bits, size_t given, size_t signature)
{
        struct signing signing;

        CU_ASSERT_EQUAL_FATAL(init(&signing, algorithm, true, of(length), KEY_EC, bits), 0);
        CU_ASSERT_EQUAL(signing.mechanism.mechanism, CKM_ECDSA);
        CU_ASSERT_EQUAL(signing.input.length, given);
        CU_ASSERT_EQUAL(memcmp(signing.input.data, digest, given), 0);
        CU_ASSERT_EQUAL(signing.signature_length, signature);
}

static void test_truncated(void)
{
        check_ecdsa(ECDSA_SHA256, 32, 256, 32, 64);
        check_ecdsa(ECDSA_SHA384, 48, 256, 32, 64);
        check_ecdsa(ECDSA_SHA512, 64, 256, 32, 64);
        check_ecdsa(ECDSA_SHA256, 32, 384, 32, 96);
        check_ecdsa(ECDSA_SHA512, 64, 384, 48, 96);
        check_ecdsa(ECDSA_SHA512, 64, 521, 64, 132);
}

static void test_rsa(void)
{
        struct signing signing;

        CU_ASSERT_EQUAL_FATAL(init(&signing, RSA_PKCS1_SHA256, true, of(32), KEY_RSA, 2048), 0);
        CU_ASSERT_EQUAL(signing.mechanism.mechanism, CKM_RSA_PKCS);
        CU_ASSERT_EQUAL(signing.input.length, 51);
        CU_ASSERT_EQUAL(signing.signature_length, 256);
        CU_ASSERT_EQUAL_FATAL(init(&signing, RSA_PSS_SHA512, true, of(64), KEY_RSA, 3072), 0);
        CU_ASSERT_EQUAL(signing.mechanism.mechanism, CKM_RSA_PKCS_PSS);
        CU_ASSERT_PTR_EQUAL(signing.mechanism.pParameter, &signing.pss);
        CU_ASSERT_EQUAL(signing.pss.hashAlg, CKM_SHA512);
        CU_ASSERT_EQUAL(signing.pss.mgf, CKG_MGF1_SHA512);
        CU_ASSERT_EQUAL(signing.pss.sLen, 64);
        CU_ASSERT_EQUAL(signing.input.length, 64);
        CU_ASSERT_EQUAL(signing.signature_length, 384);
}

static void test_raw(void)
{
        struct signing signing;

        CU_ASSERT_EQUAL_FATAL(init(&signing, RSA_PKCS1, true, of(36), KEY_RSA, 2048), 0);
        CU_ASSERT_EQUAL(signing.mechanism.mechanism, CKM_RSA_PKCS);
        CU_ASSERT_PTR_EQUAL(signing.input.data, digest);
        CU_ASSERT_EQUAL(signing.input.length, 36);
        CU_ASSERT_EQUAL(init(&signing, RSA_PKCS1, true, wire_bytes(digest, 245), KEY_RSA, 2048), 0);
        CU_ASSERT_EQUAL(
                init(&signing, RSA_PKCS1, true, wire_bytes(digest, 246), KEY_RSA, 2048), SIGNING_BAD_DIGEST);
        CU_ASSERT_EQUAL(init(&signing, RSA_PKCS1, true, of(0), KEY_RSA, 2048), SIGNING_BAD_DIGEST);
        CU_ASSERT_EQUAL(init(&signing, RSA_PKCS1, false, of(5), KEY_RSA, 2048), SIGNING_BAD_DIGEST);
        CU_ASSERT_EQUAL(init(&signing, ECDSA, false, of(5), KEY_EC, 256), SIGNING_BAD_DIGEST);
        check_ecdsa(ECDSA, 1, 256, 1, 64);
        check_ecdsa(ECDSA, 20, 256, 20, 64);
        check_ecdsa(ECDSA, 64, 384, 48, 96);
        CU_ASSERT_EQUAL(init(&signing, ECDSA, true, of(0), KEY_EC, 256), SIGNING_BAD_DIGEST);
        CU_ASSERT_EQUAL(init(&signing, ECDSA, true, wire_bytes(digest, 65), KEY_EC, 521), SIGNING_BAD_DIGEST);
        CU_ASSERT_EQUAL_FATAL(init(&signing, RSA_PSS_SHA1, true, of(20), KEY_RSA, 2048), 0);
        CU_ASSERT_EQUAL(signing.pss.hashAlg, CKM_SHA_1);
        CU_ASSERT_EQUAL(signing.pss.mgf, CKG_MGF1_SHA1);
        CU_ASSERT_EQUAL(signing.pss.sLen, 20);
}

static void test_salted(void)
{
        struct signing signing;

        CU_ASSERT_EQUAL_FATAL(init_salted(&signing, RSA_PSS_SHA256, 0, 2048), 0);
        CU_ASSERT_EQUAL(signing.pss.sLen, 0);
        CU_ASSERT_EQUAL_FATAL(init_salted(&signing, RSA_PSS_SHA256, 222, 2048), 0);
        CU_ASSERT_EQUAL(signing.pss.sLen, 222);
        CU_ASSERT_EQUAL(init_salted(&signing, RSA_PSS_SHA256, 223, 2048), SIGNING_BAD_SALT);
        CU_ASSERT_EQUAL(init_salted(&signing, RSA_PSS_SHA256, UINT32_MAX, 2048), SIGNING_BAD_SALT);
        CU_ASSERT_EQUAL(init_salted(&signing, RSA_PKCS1_SHA256, 32, 2048), SIGNING_BAD_SALT);
}

static void test_edwards(void)
{
        struct signing signing;

        CU_ASSERT_EQUAL_FATAL(init(&signing, ED25519, false, of(5), KEY_ED25519, 255), 0);
        CU_ASSERT_EQUAL(signing.mechanism.mechanism, CKM_EDDSA);
        CU_ASSERT_PTR_EQUAL(signing.input.data, digest);
        CU_ASSERT_EQUAL(signing.signature_length, 64);
        CU_ASSERT_EQUAL(init(&signing, ED25519, true, of(32), KEY_ED25519, 255), SIGNING_BAD_DIGEST);
}

static void test_refused(void)
{
        struct signing signing;

        CU_ASSERT_EQUAL(init(&signing, RSA_PKCS1_SHA256, true, of(31), KEY_RSA, 2048), SIGNING_BAD_DIGEST);
        CU_ASSERT_EQUAL(init(&signing, ECDSA_SHA256, true, of(48), KEY_EC, 256), SIGNING_BAD_DIGEST);
        CU_ASSERT_EQUAL(init(&signing, ECDSA_SHA256, true, of(32), KEY_RSA, 2048), SIGNING_UNFIT);
        CU_ASSERT_EQUAL(init(&signing, RSA_PSS_SHA512, true, of(64), KEY_RSA, 1024), SIGNING_UNFIT);
        CU_ASSERT_EQUAL(init(&signing, 0, true, of(32), KEY_RSA, 2048), SIGNING_UNFIT);
        CU_ASSERT_EQUAL(init(&signing, 255, true, of(32), KEY_RSA, 2048), SIGNING_UNFIT);
        CU_ASSERT_EQUAL(signing_mechanism(0), CKM_VENDOR_DEFINED);
}

/* For keys that have such a mechanism alone. */
static void test_hashed_there(void)
{
        struct to_sign what = {.algorithm = RSA_PSS_SHA256, .salted = true, .salt = 7, .data = of(40)};
        struct signing signing;

        CU_ASSERT_EQUAL(signing_hashing(&what), CKM_SHA256_RSA_PKCS_PSS);
        what.hashed_there = true;
        CU_ASSERT_EQUAL_FATAL(signing_init(&signing, &what, KEY_RSA, 2048), 0);
        CU_ASSERT_EQUAL(signing.mechanism.mechanism, CKM_SHA256_RSA_PKCS_PSS);
        CU_ASSERT_EQUAL(signing.pss.sLen, 7);
        CU_ASSERT_PTR_EQUAL(signing.input.data, what.data.data);
        CU_ASSERT_EQUAL(signing.input.length, 40);
        what.prehashed = true;
        CU_ASSERT_EQUAL(signing_hashing(&what), 0);
        what = (struct to_sign){.algorithm = ED25519};
        CU_ASSERT_EQUAL(signing_hashing(&what), 0);
        what.algorithm = ECDSA_SHA512;
        CU_ASSERT_EQUAL(signing_hashing(&what), CKM_ECDSA_SHA512);
        what.algorithm = RSA_PKCS1_SHA384;
        CU_ASSERT_EQUAL(signing_hashing(&what), CKM_SHA384_RSA_PKCS);
}

SUITE(worker_signing, {"a message is hashed by the device where it must be", test_hashed_there},
        {"a digest longer than the curve's order is cut to its left bytes", test_truncated},
        {"RSA gets a DigestInfo, or the digest and the parameters of PSS", test_rsa},
        {"a raw algorithm signs a digest of any length that fits, and no message", test_raw},
        {"the salt of PSS is as long as is asked for, up to what the key has room for", test_salted},
        {"Ed25519 gets the message itself, and no digest", test_edwards},
        {"what does not fit the key or the algorithm is refused", test_refused});

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The mechanisms of PKCS #11, by number and by name, for processes that do not use NSS. Numbers and names are those of
 * PKCS #11 v2.40 and v3.0; a unit test compares them with NSS's header. The list has what a Certificate System may ask
 * of a token: asymmetric keys, the symmetric ciphers that wrap, archive and personalize (AES, triple DES), hashes, MACs
 * and key derivation.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* X(name without CKM_, number) */
/* clang-format off */
#define CKM_LIST(X) \
        X(RSA_PKCS_KEY_PAIR_GEN, 0x0) \
        X(RSA_PKCS, 0x1) \
        X(RSA_9796, 0x2) \
        X(RSA_X_509, 0x3) \
        X(MD5_RSA_PKCS, 0x5) \
        X(SHA1_RSA_PKCS, 0x6) \
        X(RSA_PKCS_OAEP, 0x9) \
        X(RSA_X9_31_KEY_PAIR_GEN, 0xa) \
        X(RSA_X9_31, 0xb) \
        X(SHA1_RSA_X9_31, 0xc) \
        X(RSA_PKCS_PSS, 0xd) \
        X(SHA1_RSA_PKCS_PSS, 0xe) \
        X(DSA_KEY_PAIR_GEN, 0x10) \
        X(DSA, 0x11) \
        X(DSA_SHA1, 0x12) \
        X(DSA_SHA224, 0x13) \
        X(DSA_SHA256, 0x14) \
        X(DSA_SHA384, 0x15) \
        X(DSA_SHA512, 0x16) \
        X(DSA_SHA3_224, 0x18) \
        X(DSA_SHA3_256, 0x19) \
        X(DSA_SHA3_384, 0x1a) \
        X(DSA_SHA3_512, 0x1b) \
        X(DH_PKCS_KEY_PAIR_GEN, 0x20) \
        X(DH_PKCS_DERIVE, 0x21) \
        X(SHA256_RSA_PKCS, 0x40) \
        X(SHA384_RSA_PKCS, 0x41) \
        X(SHA512_RSA_PKCS, 0x42) \
        X(SHA256_RSA_PKCS_PSS, 0x43) \
        X(SHA384_RSA_PKCS_PSS, 0x44) \
        X(SHA512_RSA_PKCS_PSS, 0x45) \
        X(SHA224_RSA_PKCS, 0x46) \
        X(SHA224_RSA_PKCS_PSS, 0x47) \
        X(SHA512_224, 0x48) \
        X(SHA512_224_HMAC, 0x49) \
        X(SHA512_224_HMAC_GENERAL, 0x4a) \
        X(SHA512_224_KEY_DERIVATION, 0x4b) \
        X(SHA512_256, 0x4c) \
        X(SHA512_256_HMAC, 0x4d) \
        X(SHA512_256_HMAC_GENERAL, 0x4e) \
        X(SHA512_256_KEY_DERIVATION, 0x4f) \
        X(SHA512_T, 0x50) \
        X(SHA512_T_HMAC, 0x51) \
        X(SHA512_T_HMAC_GENERAL, 0x52) \
        X(SHA512_T_KEY_DERIVATION, 0x53) \
        X(SHA3_256_RSA_PKCS, 0x60) \
        X(SHA3_384_RSA_PKCS, 0x61) \
        X(SHA3_512_RSA_PKCS, 0x62) \
        X(SHA3_256_RSA_PKCS_PSS, 0x63) \
        X(SHA3_384_RSA_PKCS_PSS, 0x64) \
        X(SHA3_512_RSA_PKCS_PSS, 0x65) \
        X(SHA3_224_RSA_PKCS, 0x66) \
        X(SHA3_224_RSA_PKCS_PSS, 0x67) \
        X(DES_KEY_GEN, 0x120) \
        X(DES_ECB, 0x121) \
        X(DES_CBC, 0x122) \
        X(DES_MAC, 0x123) \
        X(DES_MAC_GENERAL, 0x124) \
        X(DES_CBC_PAD, 0x125) \
        X(DES2_KEY_GEN, 0x130) \
        X(DES3_KEY_GEN, 0x131) \
        X(DES3_ECB, 0x132) \
        X(DES3_CBC, 0x133) \
        X(DES3_MAC, 0x134) \
        X(DES3_MAC_GENERAL, 0x135) \
        X(DES3_CBC_PAD, 0x136) \
        X(DES3_CMAC_GENERAL, 0x137) \
        X(DES3_CMAC, 0x138) \
        X(DES_OFB64, 0x150) \
        X(DES_OFB8, 0x151) \
        X(DES_CFB64, 0x152) \
        X(DES_CFB8, 0x153) \
        X(MD5, 0x210) \
        X(MD5_HMAC, 0x211) \
        X(MD5_HMAC_GENERAL, 0x212) \
        X(SHA_1, 0x220) \
        X(SHA_1_HMAC, 0x221) \
        X(SHA_1_HMAC_GENERAL, 0x222) \
        X(SHA256, 0x250) \
        X(SHA256_HMAC, 0x251) \
        X(SHA256_HMAC_GENERAL, 0x252) \
        X(SHA224, 0x255) \
        X(SHA224_HMAC, 0x256) \
        X(SHA224_HMAC_GENERAL, 0x257) \
        X(SHA384, 0x260) \
        X(SHA384_HMAC, 0x261) \
        X(SHA384_HMAC_GENERAL, 0x262) \
        X(SHA512, 0x270) \
        X(SHA512_HMAC, 0x271) \
        X(SHA512_HMAC_GENERAL, 0x272) \
        X(SHA3_256, 0x2b0) \
        X(SHA3_256_HMAC, 0x2b1) \
        X(SHA3_256_HMAC_GENERAL, 0x2b2) \
        X(SHA3_256_KEY_GEN, 0x2b3) \
        X(SHA3_224, 0x2b5) \
        X(SHA3_224_HMAC, 0x2b6) \
        X(SHA3_224_HMAC_GENERAL, 0x2b7) \
        X(SHA3_224_KEY_GEN, 0x2b8) \
        X(SHA3_384, 0x2c0) \
        X(SHA3_384_HMAC, 0x2c1) \
        X(SHA3_384_HMAC_GENERAL, 0x2c2) \
        X(SHA3_384_KEY_GEN, 0x2c3) \
        X(SHA3_512, 0x2d0) \
        X(SHA3_512_HMAC, 0x2d1) \
        X(SHA3_512_HMAC_GENERAL, 0x2d2) \
        X(SHA3_512_KEY_GEN, 0x2d3) \
        X(GENERIC_SECRET_KEY_GEN, 0x350) \
        X(CONCATENATE_BASE_AND_KEY, 0x360) \
        X(CONCATENATE_BASE_AND_DATA, 0x362) \
        X(CONCATENATE_DATA_AND_BASE, 0x363) \
        X(XOR_BASE_AND_DATA, 0x364) \
        X(EXTRACT_KEY_FROM_KEY, 0x365) \
        X(MD5_KEY_DERIVATION, 0x390) \
        X(SHA256_KEY_DERIVATION, 0x393) \
        X(SHA384_KEY_DERIVATION, 0x394) \
        X(SHA512_KEY_DERIVATION, 0x395) \
        X(SHA224_KEY_DERIVATION, 0x396) \
        X(SHA3_256_KEY_DERIVATION, 0x397) \
        X(SHA3_224_KEY_DERIVATION, 0x398) \
        X(SHA3_384_KEY_DERIVATION, 0x399) \
        X(SHA3_512_KEY_DERIVATION, 0x39a) \
        X(PBE_SHA1_DES3_EDE_CBC, 0x3a8) \
        X(SP800_108_COUNTER_KDF, 0x3ac) \
        X(SP800_108_FEEDBACK_KDF, 0x3ad) \
        X(SP800_108_DOUBLE_PIPELINE_KDF, 0x3ae) \
        X(PKCS5_PBKD2, 0x3b0) \
        X(KEY_WRAP_LYNKS, 0x400) \
        X(KEY_WRAP_SET_OAEP, 0x401) \
        X(CAMELLIA_KEY_GEN, 0x550) \
        X(CAMELLIA_ECB, 0x551) \
        X(CAMELLIA_CBC, 0x552) \
        X(CAMELLIA_MAC, 0x553) \
        X(CAMELLIA_MAC_GENERAL, 0x554) \
        X(CAMELLIA_CBC_PAD, 0x555) \
        X(CAMELLIA_ECB_ENCRYPT_DATA, 0x556) \
        X(CAMELLIA_CBC_ENCRYPT_DATA, 0x557) \
        X(ECDSA_KEY_PAIR_GEN, 0x1040) \
        X(EC_KEY_PAIR_GEN, 0x1040) \
        X(ECDSA, 0x1041) \
        X(ECDSA_SHA1, 0x1042) \
        X(ECDSA_SHA224, 0x1043) \
        X(ECDSA_SHA256, 0x1044) \
        X(ECDSA_SHA384, 0x1045) \
        X(ECDSA_SHA512, 0x1046) \
        X(ECDSA_SHA3_224, 0x1047) \
        X(ECDSA_SHA3_256, 0x1048) \
        X(ECDSA_SHA3_384, 0x1049) \
        X(ECDSA_SHA3_512, 0x104a) \
        X(ECDH1_DERIVE, 0x1050) \
        X(ECDH1_COFACTOR_DERIVE, 0x1051) \
        X(ECMQV_DERIVE, 0x1052) \
        X(ECDH_AES_KEY_WRAP, 0x1053) \
        X(RSA_AES_KEY_WRAP, 0x1054) \
        X(EC_EDWARDS_KEY_PAIR_GEN, 0x1055) \
        X(EC_MONTGOMERY_KEY_PAIR_GEN, 0x1056) \
        X(EDDSA, 0x1057) \
        X(AES_KEY_GEN, 0x1080) \
        X(AES_ECB, 0x1081) \
        X(AES_CBC, 0x1082) \
        X(AES_MAC, 0x1083) \
        X(AES_MAC_GENERAL, 0x1084) \
        X(AES_CBC_PAD, 0x1085) \
        X(AES_CTR, 0x1086) \
        X(AES_GCM, 0x1087) \
        X(AES_CCM, 0x1088) \
        X(AES_CTS, 0x1089) \
        X(AES_CMAC, 0x108a) \
        X(AES_CMAC_GENERAL, 0x108b) \
        X(AES_XCBC_MAC, 0x108c) \
        X(AES_XCBC_MAC_96, 0x108d) \
        X(DES_ECB_ENCRYPT_DATA, 0x1100) \
        X(DES_CBC_ENCRYPT_DATA, 0x1101) \
        X(DES3_ECB_ENCRYPT_DATA, 0x1102) \
        X(DES3_CBC_ENCRYPT_DATA, 0x1103) \
        X(AES_ECB_ENCRYPT_DATA, 0x1104) \
        X(AES_CBC_ENCRYPT_DATA, 0x1105) \
        X(CHACHA20_KEY_GEN, 0x1225) \
        X(CHACHA20, 0x1226) \
        X(POLY1305_KEY_GEN, 0x1227) \
        X(POLY1305, 0x1228) \
        X(EC_KEY_PAIR_GEN_W_EXTRA_BITS, 0x140b) \
        X(DSA_PARAMETER_GEN, 0x2000) \
        X(DH_PKCS_PARAMETER_GEN, 0x2001) \
        X(DSA_PROBABILISTIC_PARAMETER_GEN, 0x2003) \
        X(DSA_SHAWE_TAYLOR_PARAMETER_GEN, 0x2004) \
        X(DSA_FIPS_G_GEN, 0x2005) \
        X(AES_CFB1, 0x2108) \
        X(AES_KEY_WRAP, 0x2109) \
        X(AES_KEY_WRAP_PAD, 0x210a) \
        X(AES_KEY_WRAP_KWP, 0x210b) \
        X(RSA_PKCS_TPM_1_1, 0x4001) \
        X(RSA_PKCS_OAEP_TPM_1_1, 0x4002) \
        X(SHA_1_KEY_GEN, 0x4003) \
        X(SHA224_KEY_GEN, 0x4004) \
        X(SHA256_KEY_GEN, 0x4005) \
        X(SHA384_KEY_GEN, 0x4006) \
        X(SHA512_KEY_GEN, 0x4007) \
        X(SHA512_224_KEY_GEN, 0x4008) \
        X(SHA512_256_KEY_GEN, 0x4009) \
        X(SHA512_T_KEY_GEN, 0x400a) \
        X(CHACHA20_POLY1305, 0x4021) \
        X(XEDDSA, 0x4029) \
        X(HKDF_DERIVE, 0x402a) \
        X(HKDF_DATA, 0x402b) \
        X(HKDF_KEY_GEN, 0x402c)
/* clang-format on */

/* CKM_RSA_PKCS and so on. Where NSS's pkcs11t.h was included before, its constants hold. */
#ifndef CKM_RSA_PKCS
#define CKM_CONSTANT(name, number) CKM_##name = (number),
enum {
        CKM_LIST(CKM_CONSTANT)
};
#undef CKM_CONSTANT
#endif

/* The functions that generate masks for RSA PSS (CK_RSA_PKCS_MGF_TYPE). */
#ifndef CKG_MGF1_SHA256
enum {
        CKG_MGF1_SHA1 = 1,
        CKG_MGF1_SHA256 = 2,
        CKG_MGF1_SHA384 = 3,
        CKG_MGF1_SHA512 = 4,
};
#endif

/* The number of a mechanism by its name, as in "CKM_RSA_PKCS". false: the list does not have this name; *ret is untouched.
 * Pure, thread-safe. */
bool ckm_from_name(const char *name, uint64_t *ret);

/* Its name, or 0x and hexadecimal digits in the buffer. */
#define CKM_TEXT 24
const char *ckm_text(uint64_t mechanism, char buffer[static CKM_TEXT]);

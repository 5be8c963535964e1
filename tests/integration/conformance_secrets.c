/* SPDX-License-Identifier: MPL-2.0 */
/*
 * conformance_secrets MODULE TOKEN: as conformance, of the functions that make and use secret keys. The token holds a key `rsa` that
 * unwraps, and a key `ec` that derives. What is wrapped, derived and encrypted here comes back as it was. Prints `N passed, N failed`.
 */
#include "tests/integration/conformance.h"

static CK_SESSION_HANDLE writer;
static CK_OBJECT_HANDLE rsa, rsa_public, ec, aes, inner, des3;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY, private_key = CKO_PRIVATE_KEY;
static CK_KEY_TYPE type_aes = CKK_AES, type_des3 = CKK_DES3, type_generic = CKK_GENERIC_SECRET,
                   type_rsa = CKK_RSA, type_dh = CKK_DH;
static CK_ULONG sixteen = 16, seventeen = 17, bits = 2048;
static CK_BYTE iv[16] = {1, 2, 3}, label[] = "a secret", id[] = {7, 7, 7};

#define NUMBER(type, value)                                                                                  \
        {                                                                                                    \
                type, &(value), sizeof(value)                                                                \
        }
#define FLAG(type, value)                                                                                    \
        {                                                                                                    \
                type, &(value), sizeof(value)                                                                \
        }

static CK_MECHANISM gen_aes = {CKM_AES_KEY_GEN, NULL, 0}, gen_des3 = {CKM_DES3_KEY_GEN, NULL, 0},
                    ecb = {CKM_AES_ECB, NULL, 0}, cbc = {CKM_AES_CBC, iv, 16},
                    pad = {CKM_AES_CBC_PAD, iv, 16}, short_iv = {CKM_AES_CBC_PAD, iv, 15},
                    no_iv = {CKM_AES_CBC_PAD, NULL, 16}, pkcs1 = {CKM_RSA_PKCS, NULL, 0},
                    kwp = {CKM_AES_KEY_WRAP_KWP, NULL, 0}, unknown = {CKM_VENDOR_DEFINED | 5, NULL, 0},
                    des3_ecb = {CKM_DES3_ECB, NULL, 0};
static CK_ATTRIBUTE of_session[] = {NUMBER(CKA_VALUE_LEN, sixteen), {CKA_LABEL, id, 3}, {CKA_ID, id, 3}};
static CK_ATTRIBUTE unwrapped[] = {
        NUMBER(CKA_CLASS, secret_key), NUMBER(CKA_KEY_TYPE, type_aes), NUMBER(CKA_VALUE_LEN, sixteen)};

static CK_ULONG number_of(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
        CK_ULONG value = 0;
        CK_ATTRIBUTE attribute = NUMBER(type, value);

        GIVES(CKR_OK, f->C_GetAttributeValue(session, object, &attribute, 1));
        return value;
}

static bool flag_of(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
        CK_BBOOL value = CK_FALSE;
        CK_ATTRIBUTE attribute = FLAG(type, value);

        GIVES(CKR_OK, f->C_GetAttributeValue(session, object, &attribute, 1));
        return value != CK_FALSE;
}

static CK_BYTE *encrypted_zeros(CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
        static CK_BYTE out[2][16];
        static unsigned turn;
        CK_BYTE zeros[16] = {0}, *here = out[turn++ % 2];
        CK_ULONG n = 16;

        GIVES(CKR_OK, f->C_EncryptInit(session, mechanism, key));
        GIVES(CKR_OK, f->C_Encrypt(session, zeros, 16, here, &n));
        return here;
}

/* ---- making ---- */

static void test_generate(void)
{
        CK_ATTRIBUTE wrong_length[] = {NUMBER(CKA_VALUE_LEN, seventeen)},
                     other_class[] = {NUMBER(CKA_CLASS, private_key), NUMBER(CKA_VALUE_LEN, sixteen)},
                     other_type[] = {NUMBER(CKA_KEY_TYPE, type_des3), NUMBER(CKA_VALUE_LEN, sixteen)},
                     in_the_clear[] = {FLAG(CKA_SENSITIVE, no), NUMBER(CKA_VALUE_LEN, sixteen)},
                     leaves[] = {FLAG(CKA_TOKEN, yes), FLAG(CKA_EXTRACTABLE, yes), {CKA_LABEL, label, 8},
                             NUMBER(CKA_VALUE_LEN, sixteen)},
                     odd[] = {NUMBER(CKA_VALUE_LEN, sixteen), {CKA_TOKEN, id, 3}},
                     narrow[] = {NUMBER(CKA_VALUE_LEN, sixteen), FLAG(CKA_ENCRYPT, no)};
        CK_MECHANISM with_parameter = {CKM_AES_KEY_GEN, iv, 16};
        CK_OBJECT_HANDLE made;

        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_GenerateKey(NO_SESSION, &gen_aes, of_session, 3, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GenerateKey(session, NULL, of_session, 3, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GenerateKey(session, &gen_aes, NULL, 3, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GenerateKey(session, &gen_aes, of_session, 3, NULL));
        GIVES(CKR_MECHANISM_INVALID, f->C_GenerateKey(session, &pkcs1, of_session, 3, &made));
        GIVES(CKR_MECHANISM_INVALID, f->C_GenerateKey(session, &unknown, of_session, 3, &made));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_GenerateKey(session, &with_parameter, of_session, 3, &made));
        GIVES(CKR_TEMPLATE_INCOMPLETE, f->C_GenerateKey(session, &gen_aes, NULL, 0, &made));
        GIVES(CKR_ATTRIBUTE_VALUE_INVALID, f->C_GenerateKey(session, &gen_aes, wrong_length, 1, &made));
        GIVES(CKR_ATTRIBUTE_VALUE_INVALID, f->C_GenerateKey(session, &gen_aes, odd, 2, &made));
        GIVES(CKR_TEMPLATE_INCONSISTENT, f->C_GenerateKey(session, &gen_aes, other_class, 2, &made));
        GIVES(CKR_TEMPLATE_INCONSISTENT, f->C_GenerateKey(session, &gen_aes, other_type, 2, &made));
        GIVES(CKR_TEMPLATE_INCONSISTENT, f->C_GenerateKey(session, &gen_aes, in_the_clear, 2, &made));
        GIVES(CKR_SESSION_READ_ONLY, f->C_GenerateKey(session, &gen_aes, leaves, 4, &made));
        GIVES(CKR_TEMPLATE_INCONSISTENT, f->C_GenerateKey(writer, &gen_aes, leaves, 4, &made));
        GIVES(CKR_OK, f->C_GenerateKey(session, &gen_aes, narrow, 2, &made));
        HOLDS(!flag_of(made, CKA_ENCRYPT) && flag_of(made, CKA_DECRYPT));
        GIVES(CKR_KEY_FUNCTION_NOT_PERMITTED, f->C_EncryptInit(session, &ecb, made));
        GIVES(CKR_OK, f->C_GenerateKey(session, &gen_des3, NULL, 0, &des3));
        GIVES(CKR_OK, f->C_GenerateKey(session, &gen_aes, of_session, 3, &aes));
        GIVES(CKR_OK, f->C_GenerateKey(session, &gen_aes, of_session, 3, &inner));
        HOLDS(aes != inner && number_of(aes, CKA_VALUE_LEN) == 16 && number_of(des3, CKA_VALUE_LEN) == 24 &&
                number_of(des3, CKA_KEY_TYPE) == CKK_DES3);
        HOLDS(flag_of(aes, CKA_SENSITIVE) && !flag_of(aes, CKA_TOKEN) && flag_of(aes, CKA_LOCAL));
}

static void test_value(void)
{
        CK_BYTE bytes[32];
        CK_ATTRIBUTE value = {CKA_VALUE, bytes, sizeof(bytes)};

        GIVES(CKR_ATTRIBUTE_SENSITIVE, f->C_GetAttributeValue(session, aes, &value, 1));
        HOLDS(value.ulValueLen == CK_UNAVAILABLE_INFORMATION);
}

static void test_on_token(void)
{
        CK_ATTRIBUTE template[] = {
                FLAG(CKA_TOKEN, yes), NUMBER(CKA_VALUE_LEN, sixteen), {CKA_LABEL, label, 8}, {CKA_ID, id, 3}};
        CK_ATTRIBUTE other = {CKA_LABEL, id, 3};
        CK_OBJECT_HANDLE made, promised;

        GIVES(CKR_OK, f->C_GenerateKey(writer, &gen_aes, template, 4, &made));
        HOLDS(find(CKO_SECRET_KEY, "a secret") == made && flag_of(made, CKA_TOKEN));
        GIVES(CKR_ATTRIBUTE_VALUE_INVALID, f->C_GenerateKey(writer, &gen_aes, template, 4, &promised));
        HOLDS(memcmp(encrypted_zeros(&ecb, made), encrypted_zeros(&ecb, made), 16) == 0);
        GIVES(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(writer, made, &other, 1));
        GIVES(CKR_SESSION_READ_ONLY, f->C_DestroyObject(session, made));
        /* It never leaves the token. */
        GIVES(CKR_KEY_UNEXTRACTABLE, f->C_WrapKey(session, &kwp, aes, made, NULL, &bits));
        bits = 2048;
        GIVES(CKR_ACTION_PROHIBITED, f->C_CopyObject(writer, made, NULL, 0, &promised));
        GIVES(CKR_OK, f->C_DestroyObject(writer, made));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_EncryptInit(session, &ecb, made));
        /* Without a label it is made when it gets one. */
        GIVES(CKR_OK, f->C_GenerateKey(writer, &gen_aes, template, 2, &promised));
        HOLDS(promised != made && flag_of(promised, CKA_TOKEN));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_EncryptInit(session, &ecb, promised));
        GIVES(CKR_OK, f->C_SetAttributeValue(writer, promised, &template[2], 1));
        HOLDS(find(CKO_SECRET_KEY, "a secret") == promised);
        HOLDS(memcmp(encrypted_zeros(&ecb, promised), encrypted_zeros(&ecb, promised), 16) == 0);
        GIVES(CKR_OK, f->C_DestroyObject(writer, promised));
        GIVES(CKR_OK, f->C_GenerateKey(writer, &gen_aes, template, 2, &promised));
        GIVES(CKR_OK, f->C_DestroyObject(writer, promised));
        GIVES(CKR_OBJECT_HANDLE_INVALID, f->C_DestroyObject(writer, promised));
}

/* ---- wrapping ---- */

static void test_wrap(void)
{
        CK_BYTE wrapped[512];
        CK_ULONG n = sizeof(wrapped);
        CK_OBJECT_HANDLE stays;
        CK_ATTRIBUTE unextractable[] = {NUMBER(CKA_VALUE_LEN, sixteen), FLAG(CKA_EXTRACTABLE, no)};

        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_WrapKey(NO_SESSION, &kwp, aes, inner, wrapped, &n));
        GIVES(CKR_ARGUMENTS_BAD, f->C_WrapKey(session, NULL, aes, inner, wrapped, &n));
        GIVES(CKR_ARGUMENTS_BAD, f->C_WrapKey(session, &kwp, aes, inner, wrapped, NULL));
        GIVES(CKR_ARGUMENTS_BAD, f->C_WrapKey(session, &no_iv, aes, inner, wrapped, &n));
        GIVES(CKR_MECHANISM_INVALID, f->C_WrapKey(session, &unknown, aes, inner, wrapped, &n));
        GIVES(CKR_MECHANISM_INVALID, f->C_WrapKey(session, &ecb, aes, inner, wrapped, &n));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_WrapKey(session, &short_iv, aes, inner, wrapped, &n));
        GIVES(CKR_WRAPPING_KEY_HANDLE_INVALID, f->C_WrapKey(session, &kwp, NO_OBJECT, inner, wrapped, &n));
        GIVES(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, f->C_WrapKey(session, &kwp, des3, inner, wrapped, &n));
        GIVES(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, f->C_WrapKey(session, &pkcs1, aes, inner, wrapped, &n));
        GIVES(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, f->C_WrapKey(session, &pkcs1, rsa, inner, wrapped, &n));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_WrapKey(session, &kwp, aes, NO_OBJECT, wrapped, &n));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_WrapKey(session, &kwp, aes, rsa_public, wrapped, &n));
        GIVES(CKR_KEY_UNEXTRACTABLE, f->C_WrapKey(session, &kwp, aes, rsa, wrapped, &n));
        GIVES(CKR_OK, f->C_GenerateKey(session, &gen_aes, unextractable, 2, &stays));
        GIVES(CKR_KEY_UNEXTRACTABLE, f->C_WrapKey(session, &kwp, aes, stays, wrapped, &n));
        GIVES(CKR_OK, f->C_WrapKey(session, &kwp, aes, inner, NULL, &n));
        HOLDS(n == 24);
        n = 23;
        GIVES(CKR_BUFFER_TOO_SMALL, f->C_WrapKey(session, &kwp, aes, inner, wrapped, &n));
        HOLDS(n == 24);
        GIVES(CKR_OK, f->C_WrapKey(session, &kwp, aes, inner, wrapped, &n));
        HOLDS(n == 24);
        n = sizeof(wrapped);
        GIVES(CKR_OK, f->C_WrapKey(session, &pkcs1, rsa_public, inner, wrapped, &n));
        HOLDS(n == 256);
}

static void test_unwrap(void)
{
        CK_ATTRIBUTE no_type[] = {NUMBER(CKA_CLASS, secret_key), NUMBER(CKA_VALUE_LEN, sixteen)},
                     no_class[] = {NUMBER(CKA_KEY_TYPE, type_aes), NUMBER(CKA_VALUE_LEN, sixteen)},
                     strange[] = {NUMBER(CKA_CLASS, private_key), NUMBER(CKA_KEY_TYPE, type_dh)},
                     on_token[] = {NUMBER(CKA_CLASS, secret_key), NUMBER(CKA_KEY_TYPE, type_aes),
                             FLAG(CKA_TOKEN, yes)};
        CK_BYTE wrapped[512], bad[512];
        CK_OBJECT_HANDLE made, other;
        CK_ULONG n = sizeof(wrapped);

        GIVES(CKR_OK, f->C_WrapKey(session, &pkcs1, rsa_public, inner, wrapped, &n));
        memcpy(bad, wrapped, n);
        bad[7] ^= 1;
        GIVES(CKR_SESSION_HANDLE_INVALID,
                f->C_UnwrapKey(NO_SESSION, &pkcs1, rsa, wrapped, n, unwrapped, 3, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_UnwrapKey(session, NULL, rsa, wrapped, n, unwrapped, 3, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_UnwrapKey(session, &pkcs1, rsa, NULL, n, unwrapped, 3, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_UnwrapKey(session, &pkcs1, rsa, wrapped, n, NULL, 3, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_UnwrapKey(session, &pkcs1, rsa, wrapped, n, unwrapped, 3, NULL));
        GIVES(CKR_MECHANISM_INVALID, f->C_UnwrapKey(session, &unknown, rsa, wrapped, n, unwrapped, 3, &made));
        GIVES(CKR_MECHANISM_PARAM_INVALID,
                f->C_UnwrapKey(session, &short_iv, aes, wrapped, n, unwrapped, 3, &made));
        GIVES(CKR_UNWRAPPING_KEY_HANDLE_INVALID,
                f->C_UnwrapKey(session, &pkcs1, NO_OBJECT, wrapped, n, unwrapped, 3, &made));
        GIVES(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
                f->C_UnwrapKey(session, &pkcs1, aes, wrapped, n, unwrapped, 3, &made));
        GIVES(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
                f->C_UnwrapKey(session, &kwp, rsa, wrapped, n, unwrapped, 3, &made));
        GIVES(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
                f->C_UnwrapKey(session, &pkcs1, ec, wrapped, n, unwrapped, 3, &made));
        GIVES(CKR_TEMPLATE_INCOMPLETE, f->C_UnwrapKey(session, &pkcs1, rsa, wrapped, n, no_type, 2, &made));
        GIVES(CKR_TEMPLATE_INCOMPLETE, f->C_UnwrapKey(session, &pkcs1, rsa, wrapped, n, no_class, 2, &made));
        GIVES(CKR_TEMPLATE_INCONSISTENT, f->C_UnwrapKey(session, &pkcs1, rsa, wrapped, n, strange, 2, &made));
        GIVES(CKR_TEMPLATE_INCONSISTENT, f->C_UnwrapKey(writer, &pkcs1, rsa, wrapped, n, on_token, 3, &made));
        GIVES(CKR_WRAPPED_KEY_LEN_RANGE,
                f->C_UnwrapKey(session, &pkcs1, rsa, wrapped, 0, unwrapped, 3, &made));
        GIVES(CKR_WRAPPED_KEY_INVALID, f->C_UnwrapKey(session, &pkcs1, rsa, bad, n, unwrapped, 3, &made));
        GIVES(CKR_OK, f->C_UnwrapKey(session, &pkcs1, rsa, wrapped, n, unwrapped, 3, &made));
        HOLDS(memcmp(encrypted_zeros(&ecb, made), encrypted_zeros(&ecb, inner), 16) == 0);
        HOLDS(!flag_of(made, CKA_LOCAL));
        /* The template need not say how long it is. */
        GIVES(CKR_OK, f->C_UnwrapKey(session, &pkcs1, rsa, wrapped, n, unwrapped, 2, &other));
        HOLDS(number_of(other, CKA_VALUE_LEN) == 16);
        n = sizeof(wrapped);
        GIVES(CKR_OK, f->C_WrapKey(session, &kwp, aes, inner, wrapped, &n));
        GIVES(CKR_OK, f->C_UnwrapKey(session, &kwp, aes, wrapped, n, unwrapped, 2, &other));
        HOLDS(memcmp(encrypted_zeros(&ecb, other), encrypted_zeros(&ecb, inner), 16) == 0);
        unwrapped[1].pValue = &type_generic;
        GIVES(CKR_TEMPLATE_INCOMPLETE, f->C_UnwrapKey(session, &kwp, aes, wrapped, n, unwrapped, 2, &other));
        unwrapped[1].pValue = &type_aes;
        wrapped[3] ^= 1;
        GIVES(CKR_WRAPPED_KEY_INVALID, f->C_UnwrapKey(session, &kwp, aes, wrapped, n, unwrapped, 3, &other));
        GIVES(CKR_OK, f->C_DestroyObject(session, made));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_EncryptInit(session, &ecb, made));
}

/* A pair of the session goes out and comes back, and signs as before. */
static void test_pair(void)
{
        CK_ATTRIBUTE public_template[] = {NUMBER(CKA_MODULUS_BITS, bits), FLAG(CKA_VERIFY, yes)},
                     private_template[] = {FLAG(CKA_TOKEN, no), FLAG(CKA_EXTRACTABLE, yes),
                             FLAG(CKA_SIGN, yes), {CKA_ID, id, 3}},
                     back[] = {NUMBER(CKA_CLASS, private_key), NUMBER(CKA_KEY_TYPE, type_rsa),
                             FLAG(CKA_SIGN, yes)};
        CK_MECHANISM generate = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0}, sign = {CKM_SHA256_RSA_PKCS, NULL, 0};
        CK_OBJECT_HANDLE public, private, again;
        CK_BYTE wrapped[4096], signature[256], modulus[2][256];
        CK_ATTRIBUTE read = {CKA_MODULUS, modulus[0], 256}, other = {CKA_MODULUS, modulus[1], 256};
        CK_ULONG n = sizeof(wrapped), m = sizeof(signature);

        GIVES(CKR_OK, f->C_GenerateKeyPair(session, &generate, public_template, 2, private_template, 4,
                              &public, &private));
        HOLDS(!flag_of(private, CKA_TOKEN) && !flag_of(public, CKA_TOKEN) && flag_of(private, CKA_SENSITIVE));
        GIVES(CKR_OK, f->C_WrapKey(session, &kwp, aes, private, wrapped, &n));
        GIVES(CKR_OK, f->C_UnwrapKey(session, &kwp, aes, wrapped, n, back, 3, &again));
        GIVES(CKR_OK, f->C_GetAttributeValue(session, again, &read, 1));
        GIVES(CKR_OK, f->C_GetAttributeValue(session, public, &other, 1));
        HOLDS(memcmp(modulus[0], modulus[1], 256) == 0);
        GIVES(CKR_KEY_NOT_WRAPPABLE, f->C_WrapKey(session, &cbc, aes, private, wrapped, &n));
        GIVES(CKR_OK, f->C_SignInit(session, &sign, again));
        GIVES(CKR_OK, f->C_Sign(session, iv, 16, signature, &m));
        GIVES(CKR_OK, f->C_VerifyInit(session, &sign, public));
        GIVES(CKR_OK, f->C_Verify(session, iv, 16, signature, m));
}

/* ---- encrypting ---- */

static void test_cipher_init(void)
{
        CK_GCM_PARAMS gcm = {.pIv = iv, .ulIvLen = 11, .ulTagBits = 128};
        CK_MECHANISM bad_gcm = {CKM_AES_GCM, &gcm, sizeof(gcm)}, extra = {CKM_AES_ECB, iv, 16};

        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_EncryptInit(NO_SESSION, &ecb, aes));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_EncryptInit(session, &ecb, NO_OBJECT));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_EncryptInit(session, &ecb, rsa));
        GIVES(CKR_KEY_TYPE_INCONSISTENT, f->C_EncryptInit(session, &ecb, des3));
        GIVES(CKR_KEY_TYPE_INCONSISTENT, f->C_DecryptInit(session, &des3_ecb, aes));
        GIVES(CKR_MECHANISM_INVALID, f->C_EncryptInit(session, &unknown, aes));
        GIVES(CKR_MECHANISM_INVALID, f->C_EncryptInit(session, &kwp, aes));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(session, &short_iv, aes));
        GIVES(CKR_ARGUMENTS_BAD, f->C_EncryptInit(session, &no_iv, aes));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(session, &extra, aes));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_DecryptInit(session, &bad_gcm, aes));
        GIVES(CKR_OK, f->C_EncryptInit(session, &ecb, aes));
        GIVES(CKR_OPERATION_ACTIVE, f->C_EncryptInit(session, &ecb, aes));
        GIVES(CKR_OK, f->C_EncryptInit(session, NULL, 0));
}

static void test_encrypt(void)
{
        CK_BYTE data[48] = {1, 2, 3}, out[64], parts[64], back[64];
        CK_ULONG n = 0, m, k;

        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_Encrypt(session, data, 16, out, &n));
        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_EncryptUpdate(session, data, 16, out, &n));
        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_EncryptFinal(session, out, &n));
        GIVES(CKR_OK, f->C_EncryptInit(session, &pad, aes));
        GIVES(CKR_OK, f->C_Encrypt(session, data, 40, NULL, &n));
        HOLDS(n == 48);
        n = 47;
        GIVES(CKR_BUFFER_TOO_SMALL, f->C_Encrypt(session, data, 40, out, &n));
        GIVES(CKR_OK, f->C_Encrypt(session, data, 40, out, &n));
        HOLDS(n == 48);
        /* In parts it is the same, and at the end comes one block at most. */
        GIVES(CKR_OK, f->C_EncryptInit(session, &pad, aes));
        m = 0;
        GIVES(CKR_OK, f->C_EncryptUpdate(session, data, 20, NULL, &m));
        HOLDS(m == 16);
        m = 15;
        GIVES(CKR_BUFFER_TOO_SMALL, f->C_EncryptUpdate(session, data, 20, parts, &m));
        GIVES(CKR_OK, f->C_EncryptUpdate(session, data, 20, parts, &m));
        GIVES(CKR_OPERATION_ACTIVE, f->C_Encrypt(session, data, 20, parts, &m));
        k = sizeof(parts) - 16;
        GIVES(CKR_OK, f->C_EncryptUpdate(session, data + 20, 20, parts + 16, &k));
        HOLDS(k == 16);
        m = 16;
        GIVES(CKR_OK, f->C_EncryptFinal(session, parts + 32, &m));
        HOLDS(m == 16 && memcmp(parts, out, 48) == 0);
        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_EncryptFinal(session, parts, &m));
        GIVES(CKR_OK, f->C_DecryptInit(session, &pad, aes));
        m = sizeof(back);
        GIVES(CKR_OK, f->C_DecryptUpdate(session, out, 32, back, &m));
        HOLDS(m == 16); /* the second block may be the last one */
        k = sizeof(back) - m;
        GIVES(CKR_OK, f->C_DecryptUpdate(session, out + 32, 16, back + 16, &k));
        HOLDS(k == 16);
        k = 7;
        GIVES(CKR_BUFFER_TOO_SMALL, f->C_DecryptFinal(session, back + 32, &k));
        HOLDS(k == 8);
        GIVES(CKR_OK, f->C_DecryptFinal(session, back + 32, &k));
        HOLDS(k == 8 && memcmp(back, data, 40) == 0);
}

static void test_bad_input(void)
{
        CK_BYTE data[48] = {1, 2, 3}, out[64];
        CK_ULONG n = sizeof(out);

        GIVES(CKR_OK, f->C_EncryptInit(session, &cbc, aes));
        GIVES(CKR_DATA_LEN_RANGE, f->C_Encrypt(session, data, 17, out, &n));
        GIVES(CKR_OK, f->C_EncryptInit(session, &cbc, aes));
        GIVES(CKR_ARGUMENTS_BAD, f->C_Encrypt(session, NULL, 16, out, &n));
        GIVES(CKR_OK, f->C_EncryptInit(session, &cbc, aes));
        GIVES(CKR_ARGUMENTS_BAD, f->C_EncryptUpdate(session, data, 16, out, NULL));
        n = sizeof(out);
        GIVES(CKR_OK, f->C_DecryptInit(session, &pad, aes));
        GIVES(CKR_ENCRYPTED_DATA_LEN_RANGE, f->C_Decrypt(session, data, 17, out, &n));
        n = sizeof(out);
        GIVES(CKR_OK, f->C_DecryptInit(session, &pad, aes));
        GIVES(CKR_ENCRYPTED_DATA_LEN_RANGE, f->C_Decrypt(session, data, 0, out, &n));
        n = sizeof(out);
        GIVES(CKR_OK, f->C_EncryptInit(session, &pad, aes));
        GIVES(CKR_OK, f->C_Encrypt(session, data, 0, out, &n));
        HOLDS(n == 16);
        out[3] ^= 1;
        GIVES(CKR_OK, f->C_DecryptInit(session, &pad, aes));
        GIVES(CKR_ENCRYPTED_DATA_INVALID, f->C_Decrypt(session, out, 16, out, &n));
}

/* More than one request takes: in one call, and in parts. */
static void test_large(void)
{
        size_t length = 200000;
        CK_BYTE *data = calloc(1, length), *whole = calloc(1, length + 16), *back = calloc(1, length + 16);
        CK_ULONG n = length + 16, m;

        data[length - 1] = 7;
        GIVES(CKR_OK, f->C_EncryptInit(session, &pad, aes));
        GIVES(CKR_OK, f->C_Encrypt(session, data, length, whole, &n));
        HOLDS(n == length + 16);
        GIVES(CKR_OK, f->C_DecryptInit(session, &pad, aes));
        m = length + 16;
        GIVES(CKR_OK, f->C_DecryptUpdate(session, whole, n, back, &m));
        n = 16;
        GIVES(CKR_OK, f->C_DecryptFinal(session, back + m, &n));
        HOLDS(m + n == length && memcmp(back, data, length) == 0);
        free(data);
        free(whole);
        free(back);
}

static void test_gcm(void)
{
        CK_BYTE data[] = "a message", out[64], back[64];
        CK_GCM_PARAMS params = {.pIv = iv, .ulIvLen = 12, .pAAD = id, .ulAADLen = 3, .ulTagBits = 128};
        CK_MECHANISM gcm = {CKM_AES_GCM, &params, sizeof(params)};
        CK_ULONG n = sizeof(out), m = sizeof(back);

        GIVES(CKR_OK, f->C_EncryptInit(session, &gcm, aes));
        GIVES(CKR_OK, f->C_Encrypt(session, data, 9, out, &n));
        HOLDS(n == 25);
        GIVES(CKR_OK, f->C_DecryptInit(session, &gcm, aes));
        GIVES(CKR_OK, f->C_Decrypt(session, out, n, back, &m));
        HOLDS(m == 9 && memcmp(back, data, 9) == 0);
        out[0] ^= 1;
        GIVES(CKR_OK, f->C_DecryptInit(session, &gcm, aes));
        GIVES(CKR_ENCRYPTED_DATA_INVALID, f->C_Decrypt(session, out, n, back, &m));
        GIVES(CKR_OK, f->C_DecryptInit(session, &gcm, aes));
        GIVES(CKR_ENCRYPTED_DATA_LEN_RANGE, f->C_Decrypt(session, out, 15, back, &m));
}

/* ---- deriving ---- */

static void test_derive(void)
{
        CK_BYTE data[16] = {9, 8, 7};
        CK_KEY_DERIVATION_STRING_DATA string = {data, 16}, odd = {data, 15};
        CK_MECHANISM good = {CKM_DES3_ECB_ENCRYPT_DATA, &string, sizeof(string)},
                     bare = {CKM_DES3_ECB_ENCRYPT_DATA, NULL, 0},
                     uneven = {CKM_DES3_ECB_ENCRYPT_DATA, &odd, sizeof(odd)},
                     ecdh = {CKM_ECDH1_DERIVE, NULL, 0};
        CK_ATTRIBUTE as_aes[] = {NUMBER(CKA_KEY_TYPE, type_aes)},
                     too_long[] = {NUMBER(CKA_VALUE_LEN, seventeen)}, on_token[] = {FLAG(CKA_TOKEN, yes)};
        CK_OBJECT_HANDLE made;

        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_DeriveKey(NO_SESSION, &good, des3, NULL, 0, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_DeriveKey(session, NULL, des3, NULL, 0, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_DeriveKey(session, &good, des3, NULL, 1, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_DeriveKey(session, &good, des3, NULL, 0, NULL));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_DeriveKey(session, &good, NO_OBJECT, NULL, 0, &made));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_DeriveKey(session, &good, rsa, NULL, 0, &made));
        GIVES(CKR_KEY_TYPE_INCONSISTENT, f->C_DeriveKey(session, &good, aes, NULL, 0, &made));
        GIVES(CKR_MECHANISM_INVALID, f->C_DeriveKey(session, &ecb, aes, NULL, 0, &made));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_DeriveKey(session, &bare, des3, NULL, 0, &made));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_DeriveKey(session, &uneven, des3, NULL, 0, &made));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_DeriveKey(session, &ecdh, ec, NULL, 0, &made));
        GIVES(CKR_TEMPLATE_INCONSISTENT, f->C_DeriveKey(session, &good, des3, too_long, 1, &made));
        GIVES(CKR_TEMPLATE_INCONSISTENT, f->C_DeriveKey(writer, &good, des3, on_token, 1, &made));
        GIVES(CKR_OK, f->C_DeriveKey(session, &good, des3, NULL, 0, &made));
        HOLDS(number_of(made, CKA_VALUE_LEN) == 16 && number_of(made, CKA_KEY_TYPE) == CKK_GENERIC_SECRET);
        GIVES(CKR_OK, f->C_DeriveKey(session, &good, des3, as_aes, 1, &made));
        HOLDS(memcmp(encrypted_zeros(&ecb, made), encrypted_zeros(&ecb, made), 16) == 0);
}

/* ---- what is listed ---- */

/* A mechanism with its parameter, and the key that it uses. */
static CK_MECHANISM with_parameter(CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE *ret_key)
{
        static CK_GCM_PARAMS gcm = {.pIv = iv, .ulIvLen = 12, .ulTagBits = 128};

        *ret_key = aes;
        switch (type) {
        case CKM_AES_CBC:
        case CKM_AES_CBC_PAD:
                return (CK_MECHANISM){type, iv, 16};
        case CKM_AES_GCM:
                return (CK_MECHANISM){type, &gcm, sizeof(gcm)};
        case CKM_DES3_CBC:
        case CKM_DES3_CBC_PAD:
                *ret_key = des3;
                return (CK_MECHANISM){type, iv, 8};
        case CKM_DES3_ECB:
                *ret_key = des3;
                return (CK_MECHANISM){type, NULL, 0};
        default:
                return (CK_MECHANISM){type, NULL, 0};
        }
}

static void try_listed(CK_MECHANISM_TYPE type, CK_FLAGS flags)
{
        CK_BYTE data[16] = {5}, out[64], back[64];
        CK_ULONG n = sizeof(out), m = sizeof(back);
        CK_OBJECT_HANDLE key, made;
        CK_MECHANISM mechanism = with_parameter(type, &key);

        if (flags & CKF_WRAP) {
                GIVES(CKR_OK, f->C_WrapKey(session, &mechanism, key, inner, out, &n));
                if (flags & CKF_UNWRAP) {
                        GIVES(CKR_OK, f->C_UnwrapKey(session, &mechanism, key, out, n, unwrapped, 3, &made));
                        HOLDS(memcmp(encrypted_zeros(&ecb, made), encrypted_zeros(&ecb, inner), 16) == 0);
                } else {
                        HOLDS(f->C_UnwrapKey(session, &mechanism, key, out, n, unwrapped, 3, &made) !=
                                CKR_OK);
                }
        } else {
                HOLDS(f->C_WrapKey(session, &mechanism, key, inner, out, &n) != CKR_OK);
        }
        if (!(flags & CKF_ENCRYPT))
                return;
        n = sizeof(out);
        GIVES(CKR_OK, f->C_EncryptInit(session, &mechanism, key));
        GIVES(CKR_OK, f->C_Encrypt(session, data, 16, out, &n));
        GIVES(CKR_OK, f->C_DecryptInit(session, &mechanism, key));
        GIVES(CKR_OK, f->C_Decrypt(session, out, n, back, &m));
        HOLDS(m == 16 && memcmp(data, back, 16) == 0);
}

/* What a mechanism of ciphers is said to do on this token it does, and wraps nothing where it is not said to. */
static void test_listed(void)
{
        static const CK_MECHANISM_TYPE types[] = {CKM_AES_ECB, CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_GCM,
                CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP, CKM_DES3_ECB, CKM_DES3_CBC, CKM_DES3_CBC_PAD};
        CK_MECHANISM_INFO info;

        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (f->C_GetMechanismInfo(slot, types[i], &info) == CKR_OK)
                        try_listed(types[i], info.flags);
}

/* ---- changing and copying what a session has ---- */

static void test_objects(void)
{
        CK_ATTRIBUTE named = {CKA_LABEL, id, 3}, wider = {CKA_SENSITIVE, &no, 1}, kept = {CKA_TOKEN, &yes, 1};
        CK_OBJECT_HANDLE copy;

        GIVES(CKR_OK, f->C_SetAttributeValue(session, inner, &named, 1));
        GIVES(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(session, inner, &wider, 1));
        GIVES(CKR_TEMPLATE_INCONSISTENT, f->C_CopyObject(session, inner, &wider, 1, &copy));
        GIVES(CKR_TEMPLATE_INCONSISTENT, f->C_CopyObject(writer, inner, &kept, 1, &copy));
        GIVES(CKR_OK, f->C_CopyObject(session, inner, &named, 1, &copy));
        HOLDS(copy != inner);
        HOLDS(memcmp(encrypted_zeros(&ecb, copy), encrypted_zeros(&ecb, inner), 16) == 0);
        GIVES(CKR_OK, f->C_DestroyObject(session, inner));
        HOLDS(memcmp(encrypted_zeros(&ecb, copy), encrypted_zeros(&ecb, copy), 16) == 0);
}

int main(int argc, char **argv)
{
        void *library;

        if (argc != 3) {
                fprintf(stderr, "usage: conformance_secrets MODULE TOKEN\n");
                return 2;
        }
        library = load(argv[1]);
        GIVES(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GenerateKey(1, NULL, NULL, 0, NULL));
        GIVES(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_WrapKey(1, NULL, 0, 0, NULL, NULL));
        GIVES(CKR_OK, f->C_Initialize(NULL));
        find_slot(argv[2]);
        GIVES(CKR_OK, f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
        GIVES(CKR_OK, f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &writer));
        rsa = find(CKO_PRIVATE_KEY, "rsa");
        rsa_public = find(CKO_PUBLIC_KEY, "rsa");
        ec = find(CKO_PRIVATE_KEY, "ec");
        test_generate();
        test_value();
        test_on_token();
        test_wrap();
        test_unwrap();
        test_pair();
        test_cipher_init();
        test_encrypt();
        test_bad_input();
        test_large();
        test_gcm();
        test_derive();
        test_listed();
        test_objects();
        GIVES(CKR_OK, f->C_CloseSession(session));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_EncryptInit(writer, &ecb, aes));
        GIVES(CKR_OK, f->C_Finalize(NULL));
        dlclose(library);
        printf("%u passed, %u failed\n", n_passed, n_failed);
        return n_failed > 0;
}

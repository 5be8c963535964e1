/* SPDX-License-Identifier: MPL-2.0 */
/*
 * RSA decryptions, ECDH agreements, and AES keys wrapped and unwrapped a second, one client: by direct calls with a session key of this process, and through the
 * daemon with a key of the same token. They take turns of a short slice each.
 */
#include "tests/bench/secrets.h"

#include "tests/bench/wraps.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <nss/keyhi.h>
#include <nss/pkcs11.h>
#include <nss/secmod.h>
#include <nss/secmodt.h>

#define N_ROUNDS    8
#define SLICE_NSEC  400000000LL
#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

struct bench {
        struct tokend *handle;
        CK_FUNCTION_LIST *functions;
        CK_SESSION_HANDLE session;
        CK_OBJECT_HANDLE key;                  /* of this process */
        unsigned char input[256], theirs[256]; /* ciphertexts, or points, for that and for the daemon's */
        size_t n_input;
};

static int64_t now_nsec(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* ---- the four ways: 0, or it failed ---- */

static int decrypt_direct(void *userdata)
{
        struct bench *b = userdata;
        CK_MECHANISM mechanism = {CKM_RSA_PKCS, NULL, 0};
        unsigned char plaintext[256];
        CK_ULONG n = sizeof(plaintext);

        return b->functions->C_DecryptInit(b->session, &mechanism, b->key) != CKR_OK ||
               b->functions->C_Decrypt(b->session, b->input, b->n_input, plaintext, &n) != CKR_OK;
}

static int decrypt_tokend(void *userdata)
{
        struct bench *b = userdata;
        unsigned char *plaintext;
        size_t n;

        if (tokend_decrypt(b->handle, "bench:decrypts", "rsa_pkcs1", b->theirs, b->n_input, NULL, 0, 10000,
                    &plaintext, &n, NULL) != TOKEND_OK)
                return 1;
        tokend_secret_free(plaintext, n);
        return 0;
}

static int derive_direct(void *userdata)
{
        struct bench *b = userdata;
        CK_ECDH1_DERIVE_PARAMS parameters = {
                .kdf = CKD_NULL, .ulPublicDataLen = b->n_input, .pPublicData = b->input};
        CK_MECHANISM mechanism = {CKM_ECDH1_DERIVE, &parameters, sizeof(parameters)};
        CK_OBJECT_CLASS class = CKO_SECRET_KEY;
        CK_KEY_TYPE type = CKK_GENERIC_SECRET;
        CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
        CK_ULONG length = 32;
        CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)},
                {CKA_TOKEN, &no, sizeof(no)}, {CKA_SENSITIVE, &no, sizeof(no)},
                {CKA_EXTRACTABLE, &yes, sizeof(yes)}, {CKA_VALUE_LEN, &length, sizeof(length)}};
        unsigned char value[66];
        CK_ATTRIBUTE read = {CKA_VALUE, value, sizeof(value)};
        CK_OBJECT_HANDLE secret;

        return b->functions->C_DeriveKey(b->session, &mechanism, b->key, template, N_OF(template), &secret) !=
                       CKR_OK ||
               b->functions->C_GetAttributeValue(b->session, secret, &read, 1) != CKR_OK ||
               b->functions->C_DestroyObject(b->session, secret) != CKR_OK;
}

static int derive_tokend(void *userdata)
{
        struct bench *b = userdata;
        unsigned char *secret;
        size_t n;

        if (tokend_derive(b->handle, "bench:derives", b->theirs, b->n_input, 10000, &secret, &n, NULL) !=
                TOKEND_OK)
                return 1;
        tokend_secret_free(secret, n);
        return 0;
}

/* ---- setting up ---- */

static int make_session_key(struct bench *b, bool rsa)
{
        static CK_BYTE curve[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
        static CK_BYTE exponent[] = {0x01, 0x00, 0x01};
        CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
        CK_ULONG bits = 2048;
        CK_OBJECT_HANDLE public;
        CK_MECHANISM mechanism = {rsa ? CKM_RSA_PKCS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN, NULL, 0},
                     encrypt = {CKM_RSA_PKCS, NULL, 0};
        CK_ATTRIBUTE ec_half[] = {{CKA_TOKEN, &no, sizeof(no)}, {CKA_EC_PARAMS, curve, sizeof(curve)}};
        CK_ATTRIBUTE rsa_half[] = {{CKA_TOKEN, &no, sizeof(no)},
                {CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)}, {CKA_MODULUS_BITS, &bits, sizeof(bits)},
                {CKA_ENCRYPT, &yes, sizeof(yes)}};
        CK_ATTRIBUTE private[] = {{CKA_TOKEN, &no, sizeof(no)}, {CKA_SENSITIVE, &yes, sizeof(yes)},
                {rsa ? CKA_DECRYPT : CKA_DERIVE, &yes, sizeof(yes)}};
        unsigned char text[48] = "an archived session key";
        CK_ULONG n = sizeof(b->input);

        if (b->functions->C_GenerateKeyPair(b->session, &mechanism, rsa ? rsa_half : ec_half,
                    rsa ? N_OF(rsa_half) : N_OF(ec_half), private, N_OF(private), &public, &b->key) != CKR_OK)
                return -1;
        if (!rsa)
                return 0;
        b->n_input = sizeof(b->input);
        return b->functions->C_EncryptInit(b->session, &encrypt, public) == CKR_OK &&
                               b->functions->C_Encrypt(b->session, text, sizeof(text), b->input, &n) == CKR_OK
                       ? 0
                       : -1;
}

/* The daemon's key, and what it is given: the ciphertext for it; the point of its own public key, for both. */
static int make_their_key(struct bench *b, bool rsa)
{
        const struct tokend_template wanted = {.struct_size = sizeof(wanted),
                .token = "bench",
                .nickname = rsa ? "decrypts" : "derives",
                .type = rsa ? "rsa" : "ec",
                .size = rsa ? 2048 : 0,
                .usage = rsa ? TOKEND_USAGE_DECRYPT : TOKEND_USAGE_DERIVE};
        unsigned char text[48] = "an archived session key";
        struct tokend_key *key;
        CERTSubjectPublicKeyInfo *info;
        SECKEYPublicKey *public;
        SECItem item;
        int r = 0;

        if (tokend_generate(b->handle, &wanted, 60000, &key, NULL) != TOKEND_OK)
                return -1;
        item = (SECItem){
                siBuffer, (unsigned char *)(uintptr_t)key->public_key, (unsigned)key->public_key_length};
        if (rsa) {
                info = SECKEY_DecodeDERSubjectPublicKeyInfo(&item);
                public = info ? SECKEY_ExtractPublicKey(info) : NULL;
                r = public && PK11_PubEncryptPKCS1(public, b->theirs, text, sizeof(text), NULL) == SECSuccess
                            ? 0
                            : -1;
        } else {
                b->n_input = 65;
                memcpy(b->input, key->public_key + key->public_key_length - 65, 65);
                memcpy(b->theirs, b->input, 65);
        }
        tokend_key_free(key);
        return r;
}

/* ---- the table ---- */

static int compare(void *b, const char *name, int (*const ways[2])(void *b))
{
        double rates[2];
        unsigned done[2] = {0};
        int failed = 0;

        for (size_t turn = 0; turn < 2 * N_ROUNDS; turn++) {
                int64_t until = now_nsec() + SLICE_NSEC;

                while (now_nsec() < until)
                        if (ways[turn % 2](b) == 0)
                                done[turn % 2]++;
                        else
                                failed++;
        }
        for (size_t way = 0; way < 2; way++)
                rates[way] = done[way] * 1e9 / (N_ROUNDS * (double)SLICE_NSEC);
        printf("%-14s %12.0f %12.0f %10.2f\n", name, rates[0], rates[1], rates[1] / rates[0]);
        fflush(stdout);
        return failed;
}

int secrets_run(struct tokend *handle, PK11SlotInfo *slot)
{
        static int (*const decrypts[2])(void *) = {decrypt_direct, decrypt_tokend};
        static int (*const derives[2])(void *) = {derive_direct, derive_tokend};
        static int (*const wrap[2])(void *) = {wraps_wrap_direct, wraps_wrap_tokend};
        static int (*const unwrap[2])(void *) = {wraps_unwrap_direct, wraps_unwrap_tokend};
        struct wraps wraps;
        struct bench b = {.handle = handle, .functions = PK11_GetModule(slot)->functionList};
        int failed = 0;

        if (b.functions->C_OpenSession(PK11_GetSlotID(slot), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                    &b.session) != CKR_OK)
                return -1;
        printf("\none client\n%-14s %12s %12s %10s\n", "what", "direct/s", "tokend/s", "ratio");
        for (int rsa = 1; rsa >= 0; rsa--) {
                if (make_session_key(&b, rsa) < 0 || make_their_key(&b, rsa) < 0)
                        return -1;
                failed += compare(&b, rsa ? "RSA-2048 decrypt" : "P-256 ECDH", rsa ? decrypts : derives);
        }
        if (wraps_open(&wraps, handle, slot, b.session) < 0)
                return -1;
        failed += compare(&wraps, "AES wrap", wrap);
        failed += compare(&wraps, "AES unwrap", unwrap);
        return failed;
}

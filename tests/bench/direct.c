/* SPDX-License-Identifier: MPL-2.0 */
/* See direct.h. */
#include "tests/bench/direct.h"

#include <nss/secmod.h>
#include <nss/secmodt.h>
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static int generate(struct direct *direct)
{
        /* The object identifier of P-256, as DER. */
        static CK_BYTE curve[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
        static CK_BYTE exponent[] = {0x01, 0x00, 0x01};
        CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
        CK_ULONG bits = 2048;
        CK_OBJECT_HANDLE public;
        CK_MECHANISM mechanism = {direct->rsa ? CKM_RSA_PKCS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN, NULL, 0};
        CK_ATTRIBUTE ec[] = {{CKA_TOKEN, &no, sizeof(no)}, {CKA_EC_PARAMS, curve, sizeof(curve)}};
        CK_ATTRIBUTE rsa[] = {{CKA_TOKEN, &no, sizeof(no)}, {CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)},
                {CKA_MODULUS_BITS, &bits, sizeof(bits)}};
        CK_ATTRIBUTE private[] = {{CKA_TOKEN, &no, sizeof(no)}, {CKA_PRIVATE, &yes, sizeof(yes)},
                {CKA_SENSITIVE, &yes, sizeof(yes)}, {CKA_EXTRACTABLE, &no, sizeof(no)},
                {CKA_SIGN, &yes, sizeof(yes)}};

        return direct->functions->C_GenerateKeyPair(direct->sessions[0], &mechanism, direct->rsa ? rsa : ec,
                       direct->rsa ? N_OF(rsa) : N_OF(ec), private, N_OF(private), &public,
                       &direct->key) == CKR_OK
                       ? 0
                       : -1;
}

int direct_open(struct direct *direct, PK11SlotInfo *slot, bool rsa)
{
        *direct = (struct direct){.functions = PK11_GetModule(slot)->functionList, .rsa = rsa};
        for (size_t i = 0; i < DIRECT_THREADS; i++) {
                if (direct->functions->C_OpenSession(PK11_GetSlotID(slot),
                            CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &direct->sessions[i]) != CKR_OK)
                        return -1;
        }
        return generate(direct);
}

int direct_sign(const struct direct *direct, size_t thread, unsigned turn)
{
        CK_MECHANISM mechanism = {direct->rsa ? CKM_RSA_PKCS : CKM_ECDSA, NULL, 0};
        /* As long as what tokend has signed: a DigestInfo, or the digest alone. */
        unsigned char input[51] = {0}, signature[256];
        CK_ULONG n = sizeof(signature);

        memcpy(input, &turn, sizeof(turn));
        return direct->functions->C_SignInit(direct->sessions[thread], &mechanism, direct->key) == CKR_OK &&
                               direct->functions->C_Sign(direct->sessions[thread], input,
                                       direct->rsa ? sizeof(input) : 32, signature, &n) == CKR_OK
                       ? 0
                       : -1;
}

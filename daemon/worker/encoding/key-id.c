/* SPDX-License-Identifier: MPL-2.0 */
/* See key-id.h. */
#include "daemon/worker/encoding/key-id.h"

#include <nss/pk11pub.h>

#include "daemon/util/spki.h"

static int hash(struct der bytes, uint8_t ret[static KEY_ID_LENGTH])
{
        return PK11_HashBuf(SEC_OID_SHA1, ret, bytes.data, (PRInt32)bytes.length) == SECSuccess ? 0 : -EIO;
}

int key_id(struct der spki, uint8_t ret[static KEY_ID_LENGTH])
{
        struct der bytes, modulus, exponent;
        unsigned bits;

        if (!spki_bits(spki, &bytes))
                return -EINVAL;
        if (spki_key_type(spki, &bits, &bytes) == KEY_RSA && spki_rsa(bytes, &modulus, &exponent))
                bytes = modulus;
        return hash(bytes, ret);
}

int key_id_alone(struct der certificate, uint8_t ret[static KEY_ID_ALONE_LENGTH])
{
        static const char text[] = "tokend: a certificate that stands alone";
        PK11Context *context = PK11_CreateDigestContext(SEC_OID_SHA256);
        unsigned length = 0;
        bool good = context && PK11_DigestBegin(context) == SECSuccess &&
                    PK11_DigestOp(context, (const unsigned char *)text, sizeof(text)) == SECSuccess &&
                    PK11_DigestOp(context, certificate.data, (unsigned)certificate.length) == SECSuccess &&
                    PK11_DigestFinal(context, ret, &length, KEY_ID_ALONE_LENGTH) == SECSuccess;

        if (context)
                PK11_DestroyContext(context, PR_TRUE);
        return good && length == KEY_ID_ALONE_LENGTH ? 0 : -EIO;
}

int key_id_x509(struct der spki, uint8_t ret[static KEY_ID_LENGTH])
{
        struct der bytes;

        return spki_bits(spki, &bytes) ? hash(bytes, ret) : -EINVAL;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See public-key.h. */
#include "daemon/worker/encoding/public-key.h"

SECKEYPublicKey *public_key_import(struct wire_bytes spki)
{
        SECItem item = {siBuffer, (unsigned char *)(uintptr_t)spki.data, (unsigned)spki.length};
        CERTSubjectPublicKeyInfo *info = SECKEY_DecodeDERSubjectPublicKeyInfo(&item);
        SECKEYPublicKey *key = info ? SECKEY_ExtractPublicKey(info) : NULL;

        if (info)
                SECKEY_DestroySubjectPublicKeyInfo(info);
        return key;
}

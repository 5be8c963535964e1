/* SPDX-License-Identifier: MPL-2.0 */
/* See spki.h. */
#include "daemon/broker/model/spki.h"

#include <string.h>

#define TAG_INTEGER    0x02
#define TAG_BIT_STRING 0x03
#define TAG_SEQUENCE   0x30
#define TAG_VERSION    0xa0 /* [0], explicit */

/* One element of DER off the front of *at: its contents, and the whole of it where ret_whole is not NULL. The length is
 * definite, in its shortest form, and within what is there. */
static bool take(
        struct wire_bytes *at, unsigned char tag, struct wire_bytes *ret, struct wire_bytes *ret_whole)
{
        const unsigned char *p = at->data;
        size_t header = 2, length;

        if (at->length < 2 || p[0] != tag)
                return false;
        length = p[1];
        if (length >= 0x80) {
                size_t n = length & 0x7f;

                if (n == 0 || n > 3 || at->length < 2 + n || p[2] == 0)
                        return false;
                length = 0;
                for (size_t i = 0; i < n; i++)
                        length = length << 8 | p[2 + i];
                if (length < 0x80)
                        return false;
                header += n;
        }
        if (length > at->length - header)
                return false;
        if (ret)
                *ret = (struct wire_bytes){p + header, length};
        if (ret_whole)
                *ret_whole = (struct wire_bytes){p, header + length};
        at->data += header + length;
        at->length -= header + length;
        return true;
}

/* The subjectPublicKey of a SubjectPublicKeyInfo. */
static bool take_key(struct wire_bytes spki, struct wire_bytes *ret)
{
        struct wire_bytes info, key;

        if (!take(&spki, TAG_SEQUENCE, &info, NULL) || spki.length != 0 ||
                !take(&info, TAG_SEQUENCE, NULL, NULL) || !take(&info, TAG_BIT_STRING, &key, NULL) ||
                info.length != 0 || key.length < 2 || key.data[0] != 0)
                return false;
        *ret = key;
        return true;
}

bool spki_of_certificate(struct wire_bytes der, struct wire_bytes *ret)
{
        struct wire_bytes certificate, tbs, spki, key;

        if (!take(&der, TAG_SEQUENCE, &certificate, NULL) || der.length != 0)
                return false;
        if (!take(&certificate, TAG_SEQUENCE, &tbs, NULL) || !take(&certificate, TAG_SEQUENCE, NULL, NULL) ||
                !take(&certificate, TAG_BIT_STRING, NULL, NULL) || certificate.length != 0)
                return false;
        /* version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo */
        if (tbs.length > 0 && tbs.data[0] == TAG_VERSION && !take(&tbs, TAG_VERSION, NULL, NULL))
                return false;
        if (!take(&tbs, TAG_INTEGER, NULL, NULL))
                return false;
        for (unsigned i = 0; i < 4; i++)
                if (!take(&tbs, TAG_SEQUENCE, NULL, NULL))
                        return false;
        if (!take(&tbs, TAG_SEQUENCE, NULL, &spki) || !take_key(spki, &key))
                return false;
        *ret = spki;
        return true;
}

bool spki_is_same(struct wire_bytes a, struct wire_bytes b)
{
        struct wire_bytes key_a, key_b;

        return take_key(a, &key_a) && take_key(b, &key_b) && key_a.length == key_b.length &&
               memcmp(key_a.data, key_b.data, key_a.length) == 0;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See der.h. */
#include "daemon/worker/encoding/der.h"

#include <string.h>

#define TAG_INTEGER  0x02U
#define TAG_SEQUENCE 0x30U
#define TAG_VERSION  0xa0U /* [0] of a TBSCertificate */

static bool take_length(struct der *in, size_t *ret)
{
        size_t value = 0, n;

        if (in->length < 1)
                return false;
        n = *in->data;
        in->data++;
        in->length--;
        if (n < 0x80) {
                *ret = n;
                return true;
        }
        n &= 0x7f;
        if (n < 1 || n > 3 || n > in->length || in->data[0] == 0)
                return false;
        for (size_t i = 0; i < n; i++)
                value = value << 8 | in->data[i];
        in->data += n;
        in->length -= n;
        if (value < 0x80)
                return false;
        *ret = value;
        return true;
}

bool der_next(struct der *in, uint8_t *ret_tag, struct der *ret_content)
{
        struct der rest = *in;
        uint8_t tag;
        size_t length;

        if (rest.length < 2)
                return false;
        tag = *rest.data;
        rest.data++;
        rest.length--;
        if ((tag & 0x1f) == 0x1f || !take_length(&rest, &length) || length > rest.length)
                return false;
        *ret_tag = tag;
        *ret_content = (struct der){rest.data, length};
        *in = (struct der){rest.data + length, rest.length - length};
        return true;
}

size_t der_head(uint8_t *out, uint8_t tag, size_t n)
{
        uint8_t head[5] = {tag};
        size_t length = 2;

        if (n < 0x80) {
                head[1] = (uint8_t)n;
        } else {
                size_t bytes = n > 0xffff ? 3 : n > 0xff ? 2 : 1;
                head[1] = (uint8_t)(0x80 | bytes);
                for (size_t i = 0; i < bytes; i++)
                        head[2 + i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
                length += bytes;
        }
        if (out)
                memcpy(out, head, length);
        return length;
}

/* A positive INTEGER of big-endian bytes. 0: it is zero. */
static size_t put_integer(const uint8_t *value, size_t n, uint8_t *out)
{
        size_t at;

        while (n > 0 && *value == 0) {
                value++;
                n--;
        }
        if (n == 0)
                return 0;
        at = der_head(out, TAG_INTEGER, n + (*value >> 7));
        if (*value & 0x80)
                out[at++] = 0;
        memcpy(out + at, value, n);
        return at + n;
}

size_t der_from_ecdsa(const uint8_t *raw, size_t raw_length, uint8_t out[static DER_ECDSA_MAX])
{
        uint8_t body[DER_ECDSA_MAX];
        size_t half = raw_length / 2, r, s, head;

        if (raw_length < 2 || raw_length > 132 || raw_length % 2 != 0)
                return 0;
        r = put_integer(raw, half, body);
        s = put_integer(raw + half, half, body + r);
        if (r == 0 || s == 0)
                return 0;
        head = der_head(out, TAG_SEQUENCE, r + s);
        memcpy(out + head, body, r + s);
        return head + r + s;
}

/* A minimal, positive INTEGER into exactly n bytes. */
static bool take_integer(struct der *in, uint8_t *out, size_t n)
{
        struct der value;
        uint8_t tag;

        if (!der_next(in, &tag, &value) || tag != TAG_INTEGER || value.length == 0 || (value.data[0] & 0x80))
                return false;
        if (value.data[0] == 0) {
                if (value.length < 2 || !(value.data[1] & 0x80))
                        return false;
                value.data++;
                value.length--;
        }
        if (value.length > n)
                return false;
        memset(out, 0, n - value.length);
        memcpy(out + n - value.length, value.data, value.length);
        return true;
}

bool der_to_ecdsa(const uint8_t *der, size_t length, uint8_t *raw, size_t raw_length)
{
        struct der in = {der, length}, body;
        size_t half = raw_length / 2;
        uint8_t tag;

        return der_next(&in, &tag, &body) && tag == TAG_SEQUENCE && in.length == 0 &&
               take_integer(&body, raw, half) && take_integer(&body, raw + half, half) && body.length == 0;
}

size_t der_digest_info(enum hash hash, const uint8_t *digest, uint8_t out[static DER_DIGEST_INFO_MAX])
{
        /* RFC 8017, 9.2, note 1; the three differ in the last arc of the OID and in the lengths. */
        static const uint8_t prefix[] = {0x30, 0, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
                0x04, 0x02, 0, 0x05, 0x00, 0x04, 0};
        size_t length = hash_length(hash);

        if (length == 0)
                return 0;
        memcpy(out, prefix, sizeof(prefix));
        out[1] = (uint8_t)(sizeof(prefix) - 2 + length);
        out[14] = hash_info(hash)->arc;
        out[18] = (uint8_t)length;
        memcpy(out + sizeof(prefix), digest, length);
        return sizeof(prefix) + length;
}

bool der_spki_of_certificate(struct der certificate, struct der *ret)
{
        struct der body, tbs, content;
        const uint8_t *begin;
        uint8_t tag;

        if (!der_next(&certificate, &tag, &body) || tag != TAG_SEQUENCE)
                return false;
        if (!der_next(&body, &tag, &tbs) || tag != TAG_SEQUENCE)
                return false;
        /* version (v1 has none), serialNumber, signature, issuer, validity, subject */
        if (!der_next(&tbs, &tag, &content))
                return false;
        if (tag == TAG_VERSION && !der_next(&tbs, &tag, &content))
                return false;
        for (int i = 0; i < 4; i++)
                if (!der_next(&tbs, &tag, &content))
                        return false;
        begin = tbs.data;
        if (!der_next(&tbs, &tag, &content) || tag != TAG_SEQUENCE)
                return false;
        *ret = (struct der){begin, (size_t)(tbs.data - begin)};
        return true;
}

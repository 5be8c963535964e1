/* SPDX-License-Identifier: MPL-2.0 */
/* See signature.h. */
#include "daemon/worker/encoding/signature.h"

#include <string.h>

size_t signature_to_der(const uint8_t *raw, size_t raw_length, uint8_t out[static SIGNATURE_DER_MAX])
{
        uint8_t body[SIGNATURE_DER_MAX];
        size_t half = raw_length / 2, r, s, head;

        if (raw_length < 2 || raw_length > 132 || raw_length % 2 != 0)
                return 0;
        r = der_put_unsigned(body, (struct der){raw, half});
        s = der_put_unsigned(body + r, (struct der){raw + half, half});
        if (r == 0 || s == 0)
                return 0;
        head = der_head(out, DER_TAG_SEQUENCE, r + s);
        memcpy(out + head, body, r + s);
        return head + r + s;
}

/* A minimal, positive INTEGER into exactly n bytes. */
static bool take_integer(struct der *in, uint8_t *out, size_t n)
{
        struct der value;

        if (!der_take(in, DER_TAG_INTEGER, &value) || value.length == 0 || (value.data[0] & 0x80))
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

bool signature_from_der(struct der der, uint8_t *raw, size_t raw_length)
{
        struct der body;
        size_t half = raw_length / 2;

        return der_take(&der, DER_TAG_SEQUENCE, &body) && der.length == 0 && take_integer(&body, raw, half) &&
               take_integer(&body, raw + half, half) && body.length == 0;
}

size_t signature_digest_info(
        enum hash hash, const uint8_t *digest, uint8_t out[static SIGNATURE_DIGEST_INFO_MAX])
{
        /* RFC 8017, 9.2, note 1; the three differ in the last arc of the OID and in the lengths. */
        static const uint8_t prefix[] = {0x30, 0, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
                0x04, 0x02, 0, 0x05, 0x00, 0x04, 0};
        static const uint8_t arcs[] = {[HASH_SHA256] = 1, [HASH_SHA384] = 2, [HASH_SHA512] = 3};
        size_t length = hash_length(hash);

        if (length == 0)
                return 0;
        memcpy(out, prefix, sizeof(prefix));
        out[1] = (uint8_t)(sizeof(prefix) - 2 + length);
        out[14] = arcs[hash];
        out[18] = (uint8_t)length;
        memcpy(out + sizeof(prefix), digest, length);
        return sizeof(prefix) + length;
}

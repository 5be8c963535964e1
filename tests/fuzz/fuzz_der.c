/* SPDX-License-Identifier: MPL-2.0 */
/* The small DER: ECDSA signatures of clients, points and curves of tokens. */
#include <string.h>

#include "daemon/util/spki.h"
#include "daemon/worker/encoding/signature.h"
#include "tests/fuzz/fuzz.h"

static void check_signature(const uint8_t *data, size_t size, size_t raw_length)
{
        uint8_t raw[132], again[SIGNATURE_DER_MAX];
        size_t n;

        if (!signature_from_der((struct der){data, size}, raw, raw_length))
                return;
        /* Strictly DER: there is one way to write it. But zero, which no signature has, is not written. */
        n = signature_to_der(raw, raw_length, again);
        CHECK(n == 0 || (n == size && memcmp(again, data, size) == 0));
}

static void check_point(const uint8_t *data, size_t size, unsigned bits)
{
        _cleanup_(freep) uint8_t *spki = NULL;
        struct der point, key;
        unsigned found = 0;
        size_t length = 0;
        int r = spki_from_point(bits, (struct der){data, size}, &spki, &length);

        CHECK(r == 0 || r == -EINVAL);
        if (r < 0) {
                CHECK(!spki_point(bits, (struct der){data, size}, &point));
                return;
        }
        CHECK(spki_key_type((struct der){spki, length}, &found, &key) != 0 && found == bits);
        /* A compressed point is written out. */
        if (spki_point(bits, (struct der){data, size}, &point))
                CHECK(der_is_same(key, point));
        else
                CHECK(spki_point(bits, key, &point) && size < key.length);
}

static void check_rsa(const uint8_t *data, size_t size)
{
        struct der modulus = {data, size - size / 4}, exponent = {data + modulus.length, size / 4}, key;
        _cleanup_(freep) uint8_t *spki = NULL;
        unsigned bits = 0;
        size_t length = 0;

        if (spki_from_rsa(modulus, exponent, &spki, &length) < 0)
                return;
        CHECK(spki_key_type((struct der){spki, length}, &bits, &key) == KEY_RSA);
        modulus = der_unsigned(modulus);
        CHECK(bits <= 8 * modulus.length && bits + 8 > 8 * modulus.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const unsigned curves[] = {256, 384, 521, 255};
        struct der in = {data, size}, content;
        uint8_t tag;

        while (der_next(&in, &tag, &content))
                CHECK(content.data >= data && content.data + content.length == in.data);
        CHECK(in.length <= size);
        (void)spki_curve_bits((struct der){data, size});
        for (size_t raw = 64; raw <= 132; raw += raw == 96 ? 36 : 32)
                check_signature(data, size, raw);
        for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
                check_point(data, size, curves[i]);
        check_rsa(data, size);
        return 0;
}

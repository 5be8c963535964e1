/* SPDX-License-Identifier: MPL-2.0 */
/* See spki.h. */
#include "daemon/worker/encoding/spki.h"

#include <string.h>

#define TAG_INTEGER      0x02U
#define TAG_BIT_STRING   0x03U
#define TAG_OCTET_STRING 0x04U
#define TAG_PRINTABLE    0x13U
#define TAG_SEQUENCE     0x30U

struct curve {
        unsigned bits;
        size_t field; /* bytes of a coordinate; of the whole key for Ed25519 */
        uint8_t params[10];
        size_t params_length;
};

static const struct curve curves[] = {
        {256, 32, {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, 10},
        {384, 48, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22}, 7},
        {521, 66, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23}, 7},
        {255, 32, {0x06, 0x03, 0x2b, 0x65, 0x70}, 5},
};

static const uint8_t rsa_algorithm[] = {
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
static const uint8_t ec_algorithm[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};

static const struct curve *curve_of(unsigned bits)
{
        for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
                if (curves[i].bits == bits)
                        return &curves[i];
        return NULL;
}

static bool same(struct der a, const void *data, size_t length)
{
        return a.length == length && memcmp(a.data, data, length) == 0;
}

unsigned spki_curve_bits(struct der params)
{
        static const char named[] = "edwards25519";
        struct der in = params, content;
        uint8_t tag;

        for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
                if (same(params, curves[i].params, curves[i].params_length))
                        return curves[i].bits;
        /* PKCS #11 v3.0, 2.3.5: a PrintableString is the other way to name it. */
        if (der_next(&in, &tag, &content) && tag == TAG_PRINTABLE && in.length == 0 &&
                same(content, named, sizeof(named) - 1))
                return 255;
        return 0;
}

const uint8_t *spki_curve_params(unsigned bits, size_t *ret_length)
{
        const struct curve *curve = curve_of(bits);

        if (!curve)
                return NULL;
        *ret_length = curve->params_length;
        return curve->params;
}

struct der spki_unsigned(struct der value)
{
        while (value.length > 0 && *value.data == 0) {
                value.data++;
                value.length--;
        }
        return value;
}

bool spki_point(unsigned bits, struct der point, struct der *ret)
{
        const struct curve *curve = curve_of(bits);
        struct der in = point, content;
        size_t length;
        uint8_t tag;

        if (!curve)
                return false;
        length = bits == 255 ? curve->field : 2 * curve->field + 1;
        if (point.length != length) {
                if (!der_next(&in, &tag, &content) || tag != TAG_OCTET_STRING || in.length != 0)
                        return false;
                point = content;
        }
        if (point.length != length || (bits != 255 && point.data[0] != 0x04))
                return false;
        *ret = point;
        return true;
}

/* SEQUENCE { SEQUENCE { algorithm }, BIT STRING { head, key } }. head: what stands before the key's bytes. */
static int build(struct der algorithm, struct der head, struct der key, uint8_t **ret, size_t *ret_length)
{
        size_t bits = 1 + head.length + key.length, at;
        size_t inner = der_head(NULL, TAG_SEQUENCE, algorithm.length) + algorithm.length +
                       der_head(NULL, TAG_BIT_STRING, bits) + bits;
        size_t length = der_head(NULL, TAG_SEQUENCE, inner) + inner;
        uint8_t *out = malloc(length);

        if (!out)
                return -ENOMEM;
        at = der_head(out, TAG_SEQUENCE, inner);
        at += der_head(out + at, TAG_SEQUENCE, algorithm.length);
        memcpy(out + at, algorithm.data, algorithm.length);
        at += algorithm.length;
        at += der_head(out + at, TAG_BIT_STRING, bits);
        out[at++] = 0; /* unused bits */
        if (head.length > 0)
                memcpy(out + at, head.data, head.length);
        at += head.length;
        memcpy(out + at, key.data, key.length);
        *ret = out;
        *ret_length = length;
        return 0;
}

static size_t integer_length(struct der value)
{
        size_t n = value.length + (value.data[0] >> 7);

        return der_head(NULL, TAG_INTEGER, n) + n;
}

static size_t put_integer(uint8_t *out, struct der value)
{
        size_t at = der_head(out, TAG_INTEGER, value.length + (value.data[0] >> 7));

        if (value.data[0] & 0x80)
                out[at++] = 0;
        memcpy(out + at, value.data, value.length);
        return at + value.length;
}

int spki_from_rsa(struct der modulus, struct der exponent, uint8_t **ret, size_t *ret_length)
{
        _cleanup_(freep) uint8_t *key = NULL;
        uint8_t head[5];
        size_t n, head_length, at;

        modulus = spki_unsigned(modulus);
        exponent = spki_unsigned(exponent);
        if (modulus.length == 0 || modulus.length > 0x10000 || exponent.length == 0 ||
                exponent.length > 0x10000)
                return -EINVAL;
        n = integer_length(modulus) + integer_length(exponent);
        key = malloc(n);
        if (!key)
                return -ENOMEM;
        at = put_integer(key, modulus);
        put_integer(key + at, exponent);
        head_length = der_head(head, TAG_SEQUENCE, n);
        return build((struct der){rsa_algorithm, sizeof(rsa_algorithm)}, (struct der){head, head_length},
                (struct der){key, n}, ret, ret_length);
}

int spki_from_point(unsigned bits, struct der point, uint8_t **ret, size_t *ret_length)
{
        const struct curve *curve = curve_of(bits);
        uint8_t algorithm[sizeof(ec_algorithm) + sizeof(curve->params)];
        size_t n = 0;

        if (!curve || !spki_point(bits, point, &point))
                return -EINVAL;
        if (bits != 255) {
                memcpy(algorithm, ec_algorithm, sizeof(ec_algorithm));
                n = sizeof(ec_algorithm);
        }
        memcpy(algorithm + n, curve->params, curve->params_length);
        return build((struct der){algorithm, n + curve->params_length}, (struct der){NULL, 0}, point, ret,
                ret_length);
}

static unsigned rsa_key(struct der key, unsigned *ret_bits)
{
        struct der body, modulus, exponent;
        uint8_t tag;

        if (!der_next(&key, &tag, &body) || tag != TAG_SEQUENCE || !der_next(&body, &tag, &modulus) ||
                tag != TAG_INTEGER || !der_next(&body, &tag, &exponent) || tag != TAG_INTEGER)
                return 0;
        modulus = spki_unsigned(modulus);
        if (modulus.length == 0 || modulus.length > 0x10000)
                return 0;
        *ret_bits = (unsigned)modulus.length * 8U - (unsigned)(__builtin_clz(modulus.data[0]) - 24);
        return KEY_RSA;
}

unsigned spki_key_type(struct der spki, unsigned *ret_bits, struct der *ret_key)
{
        struct der body, algorithm, bits, rest;

        uint8_t tag;

        if (!der_next(&spki, &tag, &body) || tag != TAG_SEQUENCE || spki.length != 0 ||
                !der_next(&body, &tag, &algorithm) || tag != TAG_SEQUENCE || !der_next(&body, &tag, &bits) ||
                tag != TAG_BIT_STRING || body.length != 0 || bits.length < 2 || bits.data[0] != 0)
                return 0;
        *ret_key = (struct der){bits.data + 1, bits.length - 1};
        if (same(algorithm, rsa_algorithm, sizeof(rsa_algorithm)))
                return rsa_key(*ret_key, ret_bits);
        rest = algorithm;
        if (algorithm.length > sizeof(ec_algorithm) &&
                memcmp(algorithm.data, ec_algorithm, sizeof(ec_algorithm)) == 0)
                rest = (struct der){
                        algorithm.data + sizeof(ec_algorithm), algorithm.length - sizeof(ec_algorithm)};
        *ret_bits = spki_curve_bits(rest);
        if (*ret_bits == 0 || (*ret_bits == 255) != (rest.data == algorithm.data))
                return 0;
        return *ret_bits == 255 ? KEY_ED25519 : KEY_EC;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See spki.h. */
#include "daemon/util/spki.h"

#include <string.h>

#include "daemon/util/curve-point.h"

/* Bytes of a modulus or an exponent, at most. */
#define INTEGER_MAX 0x10000U

/* The first byte of a point (SEC 1, 2.3.3). */
#define POINT_EVEN  0x02 /* x follows, and y is even */
#define POINT_ODD   0x03
#define POINT_PLAIN 0x04 /* x and y follow */
#define POINT_MAX   133U /* bytes: of P-521 */

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

/* ---- reading ---- */

static const struct curve *curve_of(unsigned bits)
{
        for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
                if (curves[i].bits == bits)
                        return &curves[i];
        return NULL;
}

static bool take_both(struct der spki, struct der *ret_algorithm, struct der *ret_bits)
{
        struct der info, algorithm, bits;

        if (!der_take(&spki, DER_TAG_SEQUENCE, &info) || spki.length != 0 ||
                !der_take(&info, DER_TAG_SEQUENCE, &algorithm) ||
                !der_take(&info, DER_TAG_BIT_STRING, &bits) || info.length != 0 || bits.length < 2 ||
                bits.data[0] != 0)
                return false;
        *ret_algorithm = algorithm;
        *ret_bits = (struct der){bits.data + 1, bits.length - 1};
        return true;
}

bool spki_bits(struct der spki, struct der *ret)
{
        struct der algorithm;

        return take_both(spki, &algorithm, ret);
}

bool spki_of_certificate(struct der der, struct der *ret)
{
        struct der certificate, tbs, ignored, spki, bits;

        if (!der_take(&der, DER_TAG_SEQUENCE, &certificate) || der.length != 0)
                return false;
        if (!der_take(&certificate, DER_TAG_SEQUENCE, &tbs) ||
                !der_take(&certificate, DER_TAG_SEQUENCE, &ignored) ||
                !der_take(&certificate, DER_TAG_BIT_STRING, &ignored) || certificate.length != 0)
                return false;
        /* version (v1 has none), serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo */
        (void)der_take(&tbs, DER_TAG_CONTEXT_0, &ignored);
        if (!der_take(&tbs, DER_TAG_INTEGER, &ignored))
                return false;
        for (unsigned i = 0; i < 4; i++)
                if (!der_take(&tbs, DER_TAG_SEQUENCE, &ignored))
                        return false;
        if (!der_take_whole(&tbs, DER_TAG_SEQUENCE, &spki) || !spki_bits(spki, &bits))
                return false;
        *ret = spki;
        return true;
}

bool spki_rsa(struct der key, struct der *ret_modulus, struct der *ret_exponent)
{
        struct der body, modulus, exponent;

        if (!der_take(&key, DER_TAG_SEQUENCE, &body) || !der_take(&body, DER_TAG_INTEGER, &modulus) ||
                !der_take(&body, DER_TAG_INTEGER, &exponent))
                return false;
        modulus = der_unsigned(modulus);
        if (modulus.length == 0 || modulus.length > INTEGER_MAX)
                return false;
        *ret_modulus = modulus;
        *ret_exponent = der_unsigned(exponent);
        return true;
}

unsigned spki_modulus_bits(struct der modulus)
{
        if (modulus.length == 0)
                return 0;
        return (unsigned)modulus.length * 8U - ((unsigned)__builtin_clz(modulus.data[0]) - 24U);
}

unsigned spki_key_type(struct der spki, unsigned *ret_bits, struct der *ret_key)
{
        struct der algorithm, key, params, modulus, exponent;
        unsigned bits;

        if (!take_both(spki, &algorithm, &key))
                return 0;
        if (der_is_same(algorithm, (struct der){rsa_algorithm, sizeof(rsa_algorithm)})) {
                if (!spki_rsa(key, &modulus, &exponent))
                        return 0;
                *ret_bits = spki_modulus_bits(modulus);
                *ret_key = key;
                return KEY_RSA;
        }
        params = algorithm;
        if (algorithm.length > sizeof(ec_algorithm) &&
                memcmp(algorithm.data, ec_algorithm, sizeof(ec_algorithm)) == 0)
                params = (struct der){
                        algorithm.data + sizeof(ec_algorithm), algorithm.length - sizeof(ec_algorithm)};
        bits = spki_curve_bits(params);
        /* Ed25519 is the algorithm itself, a curve is a parameter of one. */
        if (bits == 0 || (bits == 255) != (params.data == algorithm.data))
                return 0;
        *ret_bits = bits;
        *ret_key = key;
        return bits == 255 ? KEY_ED25519 : KEY_EC;
}

/* ---- curves ---- */

unsigned spki_curve_bits(struct der params)
{
        static const char named[] = "edwards25519";
        struct der in = params, content;

        for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
                if (der_is_same(params, (struct der){curves[i].params, curves[i].params_length}))
                        return curves[i].bits;
        /* PKCS #11 v3.0, 2.3.5: a PrintableString is the other way to name it. */
        if (der_take(&in, DER_TAG_PRINTABLE_STRING, &content) && in.length == 0 &&
                der_is_same(content, (struct der){(const uint8_t *)named, sizeof(named) - 1}))
                return 255;
        return 0;
}

struct der spki_curve_params(unsigned bits)
{
        const struct curve *curve = curve_of(bits);

        return curve ? (struct der){curve->params, curve->params_length} : (struct der){NULL, 0};
}

/* CKA_EC_POINT is an OCTET STRING of the point (PKCS #11 v2.40, 2.3.3). There are tokens that give the point bare, and
 * others that read v3.0 as a BIT STRING. The lengths tell which it is. */
static bool unwrap_point(struct der point, size_t length, struct der *ret)
{
        struct der octets = point, bits = point, content;

        if (point.length == length)
                content = point;
        else if (der_take(&bits, DER_TAG_BIT_STRING, &content) && bits.length == 0 &&
                 content.length == length + 1 && content.data[0] == 0)
                content = (struct der){content.data + 1, length};
        else if (!der_take(&octets, DER_TAG_OCTET_STRING, &content) || octets.length != 0 ||
                 content.length != length)
                return false;
        *ret = content;
        return true;
}

bool spki_point(unsigned bits, struct der point, struct der *ret)
{
        const struct curve *curve = curve_of(bits);

        if (!curve || !unwrap_point(point, bits == 255 ? curve->field : 2 * curve->field + 1, &point) ||
                (bits != 255 && point.data[0] != POINT_PLAIN))
                return false;
        *ret = point;
        return true;
}

static bool is_compressed(const struct curve *curve, struct der point)
{
        return curve->bits != 255 && point.length == curve->field + 1 &&
               (point.data[0] == POINT_EVEN || point.data[0] == POINT_ODD);
}

/* Whether the compressed point is the other one, which is of the same curve and is written out. */
static bool is_same_point(const struct curve *curve, struct der compressed, struct der plain)
{
        return is_compressed(curve, compressed) && plain.length == 2 * curve->field + 1 &&
               plain.data[0] == POINT_PLAIN &&
               memcmp(compressed.data + 1, plain.data + 1, curve->field) == 0 &&
               (compressed.data[0] & 1) == (plain.data[plain.length - 1] & 1);
}

/* Writes a compressed point out. */
static bool expand_point(const struct curve *curve, struct der point, uint8_t *buffer, struct der *ret)
{
        if (!unwrap_point(point, curve->field + 1, &point) || !is_compressed(curve, point) ||
                !curve_point_y(
                        curve->bits, point.data + 1, point.data[0] == POINT_ODD, buffer + 1 + curve->field))
                return false;
        buffer[0] = POINT_PLAIN;
        memcpy(buffer + 1, point.data + 1, curve->field);
        *ret = (struct der){buffer, 2 * curve->field + 1};
        return true;
}

bool spki_is_same(struct der a, struct der b)
{
        struct der key_a, key_b;
        unsigned bits_a, bits_b;
        const struct curve *curve;

        if (spki_bits(a, &key_a) && spki_bits(b, &key_b) && der_is_same(key_a, key_b))
                return true;
        if (spki_key_type(a, &bits_a, &key_a) != KEY_EC || spki_key_type(b, &bits_b, &key_b) != KEY_EC ||
                bits_a != bits_b)
                return false;
        curve = curve_of(bits_a);
        return is_same_point(curve, key_a, key_b) || is_same_point(curve, key_b, key_a);
}

/* ---- which certificate it is ---- */

struct der certificate_mark(struct der certificate)
{
        if (certificate.length < CERTIFICATE_MARK)
                return (struct der){0};
        return (struct der){certificate.data + certificate.length - CERTIFICATE_MARK, CERTIFICATE_MARK};
}

bool certificate_has_mark(struct der certificate, struct der marks)
{
        struct der mark = certificate_mark(certificate);

        for (size_t at = 0; mark.length > 0 && at + CERTIFICATE_MARK <= marks.length; at += CERTIFICATE_MARK)
                if (memcmp(mark.data, marks.data + at, CERTIFICATE_MARK) == 0)
                        return true;
        return false;
}

/* ---- making ---- */

/* SEQUENCE { SEQUENCE { algorithm }, BIT STRING { head, key } }. head: what stands before the key's bytes. */
static int build(struct der algorithm, struct der head, struct der key, uint8_t **ret, size_t *ret_length)
{
        size_t bits = 1 + head.length + key.length, at;
        size_t inner = der_head(NULL, DER_TAG_SEQUENCE, algorithm.length) + algorithm.length +
                       der_head(NULL, DER_TAG_BIT_STRING, bits) + bits;
        size_t length = der_head(NULL, DER_TAG_SEQUENCE, inner) + inner;
        uint8_t *out = malloc(length);

        if (!out)
                return -ENOMEM;
        at = der_head(out, DER_TAG_SEQUENCE, inner);
        at += der_head(out + at, DER_TAG_SEQUENCE, algorithm.length);
        memcpy(out + at, algorithm.data, algorithm.length);
        at += algorithm.length;
        at += der_head(out + at, DER_TAG_BIT_STRING, bits);
        out[at++] = 0; /* unused bits */
        if (head.length > 0)
                memcpy(out + at, head.data, head.length);
        at += head.length;
        memcpy(out + at, key.data, key.length);
        *ret = out;
        *ret_length = length;
        return 0;
}

int spki_from_rsa(struct der modulus, struct der exponent, uint8_t **ret, size_t *ret_length)
{
        _cleanup_(freep) uint8_t *key = NULL;
        uint8_t head[5];
        size_t n, head_length, at;

        modulus = der_unsigned(modulus);
        exponent = der_unsigned(exponent);
        if (modulus.length == 0 || modulus.length > INTEGER_MAX || exponent.length == 0 ||
                exponent.length > INTEGER_MAX)
                return -EINVAL;
        n = der_put_unsigned(NULL, modulus) + der_put_unsigned(NULL, exponent);
        key = malloc(n);
        if (!key)
                return -ENOMEM;
        at = der_put_unsigned(key, modulus);
        der_put_unsigned(key + at, exponent);
        head_length = der_head(head, DER_TAG_SEQUENCE, n);
        return build((struct der){rsa_algorithm, sizeof(rsa_algorithm)}, (struct der){head, head_length},
                (struct der){key, n}, ret, ret_length);
}

int spki_from_point(unsigned bits, struct der point, uint8_t **ret, size_t *ret_length)
{
        const struct curve *curve = curve_of(bits);
        uint8_t algorithm[sizeof(ec_algorithm) + sizeof(curve->params)], expanded[POINT_MAX];
        size_t n = 0;

        if (!curve || (!spki_point(bits, point, &point) && !expand_point(curve, point, expanded, &point)))
                return -EINVAL;
        if (bits != 255) {
                memcpy(algorithm, ec_algorithm, sizeof(ec_algorithm));
                n = sizeof(ec_algorithm);
        }
        memcpy(algorithm + n, curve->params, curve->params_length);
        return build((struct der){algorithm, n + curve->params_length}, (struct der){NULL, 0}, point, ret,
                ret_length);
}

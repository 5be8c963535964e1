/* SPDX-License-Identifier: MPL-2.0 */
/* See secret-public.h. */
#include "daemon/worker/secrets/secret-public.h"

#include <string.h>
#include <sys/random.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/curve-point.h"
#include "daemon/util/secret-algorithm.h"
#include "daemon/util/spki.h"
#include "daemon/worker/accel/accel-public.h"
#include "daemon/worker/core/attributes.h"

#define COORDINATE_MAX 66U
#define POINT_MAX      (1 + 2 * COORDINATE_MAX)

unsigned secret_public_usage(unsigned type)
{
        return type == SECRET_EC ? USAGE_DERIVE | USAGE_SIGN : 0;
}

/* ---- RSA ---- */

static int public_rsa(struct session *session, CK_OBJECT_HANDLE handle, uint8_t **ret, size_t *ret_length)
{
        uint8_t modulus[LIMIT_RSA_BITS_MAX / 8 + 8], exponent[LIMIT_RSA_BITS_MAX / 8 + 8];
        CK_ATTRIBUTE attributes[] = {
                ATTRIBUTE(CKA_MODULUS, modulus, sizeof(modulus)),
                ATTRIBUTE(CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)),
        };
        int r = attributes_read(session, handle, attributes, ARRAY_SIZE(attributes));

        if (r != 0)
                return r;
        r = spki_from_rsa(attribute_bytes(&attributes[0]), attribute_bytes(&attributes[1]), ret, ret_length);
        return r == -EINVAL ? 0 : r;
}

/* ---- EC ---- */

/* The generators of the three curves (SEC 2): x, and whether y is odd. */
static const struct {
        unsigned bits;
        bool odd;
        uint8_t x[COORDINATE_MAX];
} generators[] = {
        {256, true,
                "\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d\xeb\x33"
                "\xa0"
                "\xf4\xa1\x39\x45\xd8\x98\xc2\x96"},
        {384, true,
                "\xaa\x87\xca\x22\xbe\x8b\x05\x37\x8e\xb1\xc7\x1e\xf3\x20\xad\x74\x6e\x1d\x3b\x62\x8b\xa7\x9b"
                "\x98"
                "\x59\xf7\x41\xe0\x82\x54\x2a\x38\x55\x02\xf2\x5d\xbf\x55\x29\x6c\x3a\x54\x5e\x38\x72\x76\x0a"
                "\xb7"},
        {521, false,
                "\x00\xc6\x85\x8e\x06\xb7\x04\x04\xe9\xcd\x9e\x3e\xcb\x66\x23\x95\xb4\x42\x9c\x64\x81\x39\x05"
                "\x3f"
                "\xb5\x21\xf8\x28\xaf\x60\x6b\x4d\x3d\xba\xa1\x4b\x5e\x77\xef\xe7\x59\x28\xfe\x1d\xc1\x27\xa2"
                "\xff"
                "\xa8\xde\x33\x48\xb3\xc1\x85\x6a\x42\x9b\xf9\x7e\x7e\x31\xc2\xe5\xbd\x66"},
};

/* The point of that x, written out. Returns its length; 0: there is no such point. */
static size_t put_point(unsigned bits, const uint8_t *x, bool odd, uint8_t ret[static POINT_MAX])
{
        size_t n = (bits + 7U) / 8U;

        ret[0] = 4;
        memcpy(ret + 1, x, n);
        return curve_point_y(bits, x, odd, ret + 1 + n) ? 1 + 2 * n : 0;
}

static size_t put_generator(unsigned bits, uint8_t ret[static POINT_MAX])
{
        for (size_t i = 0; i < ARRAY_SIZE(generators); i++)
                if (generators[i].bits == bits)
                        return put_point(bits, generators[i].x, generators[i].odd, ret);
        return 0;
}

/* The x of the public point, which is no secret. */
static int public_x(
        struct session *session, CK_OBJECT_HANDLE handle, unsigned bits, uint8_t ret[static COORDINATE_MAX])
{
        uint8_t generator[POINT_MAX];
        CK_ECDH1_DERIVE_PARAMS params = {
                .kdf = CKD_NULL, .ulPublicDataLen = put_generator(bits, generator), .pPublicData = generator};
        CK_MECHANISM mechanism = {CKM_ECDH1_DERIVE, &params, sizeof(params)};
        CK_ATTRIBUTE template[] = {
                ATTRIBUTE_ULONG(CKA_CLASS, CKO_SECRET_KEY),
                ATTRIBUTE_ULONG(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
                ATTRIBUTE_BOOL(CKA_TOKEN, false),
                ATTRIBUTE_BOOL(CKA_SENSITIVE, false),
                ATTRIBUTE_BOOL(CKA_EXTRACTABLE, true),
                ATTRIBUTE_ULONG(CKA_VALUE_LEN, (bits + 7U) / 8U),
        };
        CK_ATTRIBUTE value = ATTRIBUTE(CKA_VALUE, ret, (bits + 7U) / 8U);
        CK_OBJECT_HANDLE derived;
        int r = P11(session, C_DeriveKey, session->handle, &mechanism, handle, template, ARRAY_SIZE(template),
                &derived);

        if (r != 0)
                return r;
        r = P11(session, C_GetAttributeValue, session->handle, derived, &value, 1);
        session_destroy(session, derived);
        if (r == 0 && value.ulValueLen != (bits + 7U) / 8U)
                return session_fail(session, CKR_ATTRIBUTE_VALUE_INVALID, "C_GetAttributeValue");
        return r;
}

/* Whether the key signs what this point verifies. */
static int signs_for(struct session *session, struct signing *signing, unsigned bits, struct der point,
        struct wire_bytes signature, bool *ret)
{
        CK_OBJECT_HANDLE public;
        int r = public_create(session, KEY_EC, bits, point, &public);

        if (r != 0)
                return r;
        r = public_check(session, signing, public, signature, ret);
        session_destroy(session, public);
        return r;
}

/* Of the two points of that x, the one that verifies what the key signs. */
static int choose(struct operation *operation, CK_OBJECT_HANDLE handle, unsigned bits, const uint8_t *x,
        uint8_t **ret, size_t *ret_length)
{
        struct session *session = operation->session;
        uint8_t digest[32], raw[2 * COORDINATE_MAX], point[POINT_MAX];
        CK_ULONG length = sizeof(raw);
        const struct to_sign what = {
                .algorithm = ECDSA_SHA256, .prehashed = true, .data = wire_bytes(digest, sizeof(digest))};
        struct signing signing;
        bool found = false;
        int r;

        if (getrandom(digest, sizeof(digest), 0) != (ssize_t)sizeof(digest))
                return -EIO;
        r = operation_prepare(operation, &signing, &what, KEY_EC, bits);
        if (r == 0)
                r = P11(session, C_SignInit, session->handle, &signing.mechanism, handle);
        if (r == 0)
                r = P11(session, C_Sign, session->handle, (CK_BYTE_PTR)(uintptr_t)signing.input.data,
                        signing.input.length, raw, &length);
        for (int odd = 0; odd < 2 && r == 0 && !found; odd++) {
                struct der bytes = {point, put_point(bits, x, odd, point)};

                if (bytes.length > 0)
                        r = signs_for(session, &signing, bits, bytes, wire_bytes(raw, length), &found);
                if (found && r == 0)
                        r = spki_from_point(bits, bytes, ret, ret_length);
        }
        return r;
}

int secret_public(struct operation *operation, CK_OBJECT_HANDLE handle, const struct secret_shape *shape,
        uint8_t **ret, size_t *ret_length)
{
        const struct slot_token *token = operation->session->token;
        uint8_t x[COORDINATE_MAX];
        int r;

        *ret = NULL;
        *ret_length = 0;
        if (shape->type == SECRET_RSA)
                return public_rsa(operation->session, handle, ret, ret_length);
        if (!slot_token_can(token, CKM_ECDH1_DERIVE, CKF_DERIVE) ||
                !slot_token_can(token, CKM_ECDSA, CKF_SIGN | CKF_VERIFY))
                return 0;
        r = public_x(operation->session, handle, shape->size, x);
        return r == 0 ? choose(operation, handle, shape->size, x, ret, ret_length) : r;
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See curve-point.h. y is a square root of x^3 - 3x + b modulo a prime p. Every p here is 3 modulo 4, so that the root of
 * a is a^((p+1)/4) if there is one.
 *
 * A number is 32-bit words, the least first. Products are Montgomery's: multiply(a, b) is ab/R with R = 2^(32 * words).
 * Every p here is -1 modulo 2^32, which makes Montgomery's constant 1.
 */
#include "daemon/util/curve-point.h"

#include <string.h>

#define WORDS 17U /* 521 bits */

struct prime_field {
        unsigned bits, words;
        uint32_t p[WORDS], b[WORDS];
};

static const struct prime_field fields[] = {
        {256, 8, {0xffffffff, 0xffffffff, 0xffffffff, 0, 0, 0, 0x00000001, 0xffffffff},
                {0x27d2604b, 0x3bce3c3e, 0xcc53b0f6, 0x651d06b0, 0x769886bc, 0xb3ebbd55, 0xaa3a93e7,
                        0x5ac635d8}},
        {384, 12,
                {0xffffffff, 0, 0, 0xffffffff, 0xfffffffe, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
                        0xffffffff, 0xffffffff, 0xffffffff},
                {0xd3ec2aef, 0x2a85c8ed, 0x8a2ed19d, 0xc656398d, 0x5013875a, 0x0314088f, 0xfe814112,
                        0x181d9c6e, 0xe3f82d19, 0x988e056b, 0xe23ee7e4, 0xb3312fa7}},
        {521, 17,
                {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
                        0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
                        0xffffffff, 0xffffffff, 0x000001ff},
                {0x6b503f00, 0xef451fd4, 0x3d2c34f1, 0x3573df88, 0x3bb1bf07, 0x1652c0bd, 0xec7e937b,
                        0x56193951, 0x8ef109e1, 0xb8b48991, 0x99b315f3, 0xa2da725b, 0xb68540ee, 0x929a21a0,
                        0x8e1c9a1f, 0x953eb961, 0x00000051}},
};

static const struct prime_field *field_of(unsigned bits)
{
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
                if (fields[i].bits == bits)
                        return &fields[i];
        return NULL;
}

static int compare(const struct prime_field *f, const uint32_t *a, const uint32_t *b)
{
        for (unsigned i = f->words; i-- > 0;)
                if (a[i] != b[i])
                        return a[i] < b[i] ? -1 : 1;
        return 0;
}

/* a - b, whatever is borrowed from above; a may be ret. */
static void subtract_words(const struct prime_field *f, const uint32_t *a, const uint32_t *b, uint32_t *ret)
{
        uint64_t borrow = 0;

        for (unsigned i = 0; i < f->words; i++) {
                uint64_t difference = (uint64_t)a[i] - b[i] - borrow;

                ret[i] = (uint32_t)difference;
                borrow = difference >> 63;
        }
}

/* a + b modulo p; a may be ret. */
static void add(const struct prime_field *f, const uint32_t *a, const uint32_t *b, uint32_t *ret)
{
        uint64_t carry = 0;

        for (unsigned i = 0; i < f->words; i++) {
                carry += (uint64_t)a[i] + b[i];
                ret[i] = (uint32_t)carry;
                carry >>= 32;
        }
        if (carry || compare(f, ret, f->p) >= 0)
                subtract_words(f, ret, f->p, ret);
}

/* a - b modulo p; a may be ret. */
static void subtract(const struct prime_field *f, const uint32_t *a, const uint32_t *b, uint32_t *ret)
{
        uint32_t minus_b[WORDS];

        subtract_words(f, f->p, b, minus_b);
        add(f, a, minus_b, ret);
}

/* ab/R modulo p; both may be ret. */
static void multiply(const struct prime_field *f, const uint32_t *a, const uint32_t *b, uint32_t *ret)
{
        uint32_t sum[WORDS + 2] = {0};

        for (unsigned i = 0; i < f->words; i++) {
                uint64_t carry = 0, factor;

                for (unsigned j = 0; j < f->words; j++) {
                        carry += (uint64_t)a[j] * b[i] + sum[j];
                        sum[j] = (uint32_t)carry;
                        carry >>= 32;
                }
                carry += sum[f->words];
                sum[f->words] = (uint32_t)carry;
                sum[f->words + 1] = (uint32_t)(carry >> 32);
                /* So many p that the lowest word becomes 0; then it is shifted out. */
                factor = sum[0];
                carry = 0;
                for (unsigned j = 0; j < f->words; j++) {
                        carry += factor * f->p[j] + sum[j];
                        if (j > 0)
                                sum[j - 1] = (uint32_t)carry;
                        carry >>= 32;
                }
                carry += sum[f->words];
                sum[f->words - 1] = (uint32_t)carry;
                sum[f->words] = sum[f->words + 1] + (uint32_t)(carry >> 32);
        }
        if (sum[f->words] || compare(f, sum, f->p) >= 0)
                subtract_words(f, sum, f->p, sum);
        memcpy(ret, sum, f->words * sizeof(*ret));
}

/* aR modulo p, the form that multiply() keeps. */
static void enter(const struct prime_field *f, const uint32_t *a, uint32_t *ret)
{
        memcpy(ret, a, f->words * sizeof(*ret));
        for (unsigned i = 0; i < 32 * f->words; i++)
                add(f, ret, ret, ret);
}

/* a^((p+1)/4). ret is not a. */
static void root(const struct prime_field *f, const uint32_t *a, uint32_t *ret)
{
        static const uint32_t one[WORDS] = {1};
        uint32_t exponent[WORDS] = {0}; /* p + 1 */
        uint64_t carry = 1;

        for (unsigned i = 0; i < f->words; i++) {
                carry += f->p[i];
                exponent[i] = (uint32_t)carry;
                carry >>= 32;
        }
        enter(f, one, ret);
        for (unsigned i = 32 * f->words; i-- > 2;) {
                multiply(f, ret, ret, ret);
                if (exponent[i / 32] >> i % 32 & 1)
                        multiply(f, ret, a, ret);
        }
}

/* x^3 - 3x + b */
static void right_side(const struct prime_field *f, const uint32_t *x, uint32_t *ret)
{
        static const uint32_t three[WORDS] = {3};
        uint32_t term[WORDS];

        enter(f, three, term);
        multiply(f, x, x, ret);
        subtract(f, ret, term, ret);
        multiply(f, ret, x, ret);
        enter(f, f->b, term);
        add(f, ret, term, ret);
}

static void read_number(const uint8_t *bytes, size_t length, uint32_t *ret)
{
        for (size_t i = 0; i < length; i++)
                ret[i / 4] |= (uint32_t)bytes[length - 1 - i] << 8 * (i % 4);
}

static void write_number(const uint32_t *number, size_t length, uint8_t *ret)
{
        for (size_t i = 0; i < length; i++)
                ret[length - 1 - i] = (uint8_t)(number[i / 4] >> 8 * (i % 4));
}

bool curve_point_y(unsigned bits, const uint8_t *x_bytes, bool odd, uint8_t *ret_y)
{
        static const uint32_t one[WORDS] = {1};
        const struct prime_field *f = field_of(bits);
        uint32_t x[WORDS] = {0}, square[WORDS], y[WORDS], check[WORDS];
        size_t length = (bits + 7U) / 8U;

        if (!f)
                return false;
        read_number(x_bytes, length, x);
        if (compare(f, x, f->p) >= 0)
                return false;
        enter(f, x, x);
        right_side(f, x, square);
        root(f, square, y);
        multiply(f, y, y, check);
        if (compare(f, check, square) != 0)
                return false;
        multiply(f, y, one, y); /* out of the form of multiply() */
        if ((y[0] & 1) != odd)
                subtract_words(f, f->p, y, y);
        write_number(y, length, ret_y);
        return true;
}

bool curve_point_is_there(unsigned bits, const uint8_t *x_bytes, const uint8_t *y_bytes)
{
        const struct prime_field *f = field_of(bits);
        uint32_t x[WORDS] = {0}, y[WORDS] = {0}, left[WORDS], right[WORDS];
        size_t length = (bits + 7U) / 8U;

        if (!f)
                return false;
        read_number(x_bytes, length, x);
        read_number(y_bytes, length, y);
        if (compare(f, x, f->p) >= 0 || compare(f, y, f->p) >= 0)
                return false;
        enter(f, x, x);
        enter(f, y, y);
        right_side(f, x, right);
        multiply(f, y, y, left);
        return compare(f, left, right) == 0;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See rsa.h. RFC 8017, 7.1.1 and 7.2.1; the numbers by Montgomery's multiplication, in words of 32 bits, the lowest first. */
#include "client/pkcs11/rsa.h"

#include <string.h>
#include <sys/random.h>

#include "daemon/util/macros.h"

#define WORDS_MAX (RSA_BYTES_MAX / sizeof(uint32_t))

/* ---- numbers ---- */

struct modulus {
        uint32_t words[WORDS_MAX];
        uint32_t inverse; /* -1 / words[0] modulo 2^32 */
        size_t n;         /* words in use */
};

static void number_read(struct der bytes, size_t n, uint32_t *ret)
{
        memset(ret, 0, n * sizeof(*ret));
        for (size_t i = 0; i < bytes.length; i++)
                ret[i / 4] |= (uint32_t)bytes.data[bytes.length - 1 - i] << (8 * (i % 4));
}

static void number_write(const uint32_t *number, size_t length, uint8_t *ret)
{
        for (size_t i = 0; i < length; i++)
                ret[length - 1 - i] = (uint8_t)(number[i / 4] >> (8 * (i % 4)));
}

/* Takes the modulus away once, if the number (with this bit above it) is not below it. */
static void reduce(const struct modulus *modulus, uint32_t above, uint32_t *number)
{
        uint32_t less[WORDS_MAX];
        uint64_t borrow = 0;

        for (size_t i = 0; i < modulus->n; i++) {
                uint64_t difference = (uint64_t)number[i] - modulus->words[i] - borrow;

                less[i] = (uint32_t)difference;
                borrow = difference >> 63;
        }
        if (above || !borrow)
                memcpy(number, less, modulus->n * sizeof(*number));
}

/* a * b / 2^(32 n). ret may be one of them. */
static void multiply(const struct modulus *modulus, const uint32_t *a, const uint32_t *b, uint32_t *ret)
{
        uint32_t sum[WORDS_MAX + 1] = {0};
        size_t n = modulus->n;

        for (size_t i = 0; i < n; i++) {
                uint64_t low = (uint64_t)a[0] * b[i] + sum[0];
                uint32_t factor = (uint32_t)low * modulus->inverse;
                uint64_t carry = low >> 32,
                         other = ((uint64_t)factor * modulus->words[0] + (uint32_t)low) >> 32;

                for (size_t j = 1; j < n; j++) {
                        carry += (uint64_t)a[j] * b[i] + sum[j];
                        other += (uint64_t)factor * modulus->words[j] + (uint32_t)carry;
                        sum[j - 1] = (uint32_t)other;
                        carry >>= 32;
                        other >>= 32;
                }
                carry += other + sum[n];
                sum[n - 1] = (uint32_t)carry;
                sum[n] = (uint32_t)(carry >> 32);
        }
        reduce(modulus, sum[n], sum);
        memcpy(ret, sum, n * sizeof(*ret));
}

static void modulus_begin(struct modulus *modulus, struct der bytes)
{
        modulus->n = (bytes.length + 3) / 4;
        number_read(bytes, modulus->n, modulus->words);
        /* Newton's: each step doubles the bits that are right, of which an odd number has three. */
        modulus->inverse = modulus->words[0];
        for (int i = 0; i < 4; i++)
                modulus->inverse *= 2 - modulus->words[0] * modulus->inverse;
        modulus->inverse = -modulus->inverse;
}

/* 2^(64 n) modulo the modulus, by which a number is brought into Montgomery's form. */
static void form(const struct modulus *modulus, uint32_t *ret)
{
        memset(ret, 0, modulus->n * sizeof(*ret));
        ret[0] = 1;
        for (size_t i = 0; i < 64 * modulus->n; i++) {
                uint32_t carry = 0;

                for (size_t j = 0; j < modulus->n; j++) {
                        uint32_t word = ret[j];

                        ret[j] = word << 1 | carry;
                        carry = word >> 31;
                }
                reduce(modulus, carry, ret);
        }
}

/* number^exponent, in its place. */
static void raise(const struct modulus *modulus, struct der exponent, uint32_t *number)
{
        uint32_t base[WORDS_MAX], one[WORDS_MAX] = {1};
        bool begun = false;

        form(modulus, base);
        multiply(modulus, number, base, base);
        for (size_t i = 0; i < 8 * exponent.length; i++) {
                bool bit = exponent.data[i / 8] >> (7 - i % 8) & 1;

                if (begun)
                        multiply(modulus, number, number, number);
                if (begun && bit)
                        multiply(modulus, number, base, number);
                if (!begun && bit)
                        memcpy(number, base, modulus->n * sizeof(*number));
                begun = begun || bit;
        }
        multiply(modulus, number, one, number);
        explicit_bzero(base, sizeof(base));
}

/* ---- paddings ---- */

static CK_RV pad_pkcs1(const void *message, size_t length, size_t size, uint8_t *block)
{
        size_t n;

        if (length > size - 11)
                return CKR_DATA_LEN_RANGE;
        n = size - length - 3;
        block[0] = 0;
        block[1] = 2;
        for (size_t i = 0; i < n; i++)
                do
                        if (getrandom(block + 2 + i, 1, 0) != 1)
                                return CKR_FUNCTION_FAILED;
                while (block[2 + i] == 0);
        block[2 + n] = 0;
        if (length > 0)
                memcpy(block + 3 + n, message, length);
        return CKR_OK;
}

/* MGF1 of the seed, over the bytes. */
static void mask(struct hashing *hashing, size_t hash_length, const uint8_t *seed, size_t seed_length,
        uint8_t *bytes, size_t length)
{
        uint8_t part[MODULE_DIGEST_MAX];

        for (size_t at = 0; at < length; at++) {
                size_t i = at % hash_length, number = at / hash_length;

                if (i == 0) {
                        uint8_t counter[4] = {0, 0, (uint8_t)(number >> 8), (uint8_t)number};

                        hashing_add(hashing, seed, seed_length);
                        hashing_add(hashing, counter, sizeof(counter));
                        hashing_end(hashing, part);
                }
                bytes[at] ^= part[i];
        }
}

static CK_RV pad_oaep(
        const struct rsa_padding *padding, const void *message, size_t length, size_t size, uint8_t *block)
{
        size_t n = padding->oaep->length;
        uint8_t *seed = block + 1, *data = seed + n;
        struct hashing *hashing;

        if (size < 2 * n + 2 || length > size - 2 * n - 2)
                return CKR_DATA_LEN_RANGE;
        if (getrandom(seed, n, 0) != (ssize_t)n)
                return CKR_FUNCTION_FAILED;
        hashing = hashing_new(padding->oaep);
        if (!hashing)
                return CKR_HOST_MEMORY;
        block[0] = 0;
        hashing_add(hashing, padding->label, padding->label_length);
        hashing_end(hashing, data);
        memset(data + n, 0, size - 2 * n - 2 - length);
        block[size - length - 1] = 1;
        if (length > 0)
                memcpy(block + size - length, message, length);
        mask(hashing, n, seed, n, data, size - n - 1);
        mask(hashing, n, data, size - n - 1, seed, n);
        hashing_free(hashing);
        return CKR_OK;
}

CK_RV rsa_encrypt(
        struct der spki, const struct rsa_padding *padding, const void *message, size_t length, uint8_t *ret)
{
        struct modulus modulus;
        struct der key, bytes, exponent;
        uint8_t block[RSA_BYTES_MAX];
        uint32_t number[WORDS_MAX];
        unsigned bits;
        CK_RV rv;

        if (spki_key_type(spki, &bits, &key) != KEY_RSA || !spki_rsa(key, &bytes, &exponent) ||
                bytes.length < 64 || bytes.length > RSA_BYTES_MAX || !(bytes.data[bytes.length - 1] & 1) ||
                exponent.length == 0)
                return CKR_KEY_TYPE_INCONSISTENT;
        rv = padding->oaep ? pad_oaep(padding, message, length, bytes.length, block)
                           : pad_pkcs1(message, length, bytes.length, block);
        if (rv == CKR_OK) {
                modulus_begin(&modulus, bytes);
                number_read((struct der){block, bytes.length}, modulus.n, number);
                raise(&modulus, exponent, number);
                number_write(number, bytes.length, ret);
        }
        explicit_bzero(block, sizeof(block));
        return rv;
}

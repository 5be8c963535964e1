/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SubjectPublicKeyInfo out of a token's attributes: RSA, the three curves, Ed25519. Pure; touches no token.
 */
#pragma once

#include "daemon/worker/encoding/der.h"

/* All three put a new buffer into *ret, which the caller frees. -EINVAL: the values are none; -ENOMEM. */

/* Big-endian unsigned integers, leading zeros allowed. */
int spki_from_rsa(struct der modulus, struct der exponent, uint8_t **ret, size_t *ret_length);

/* bits: 256, 384, 521, or 255 for Ed25519. point: CKA_EC_POINT, in an OCTET STRING as PKCS #11 has it, or
 * bare. */
int spki_from_point(unsigned bits, struct der point, uint8_t **ret, size_t *ret_length);

/* The point itself, without the OCTET STRING where there is one. false: it is none of that curve. */
bool spki_point(unsigned bits, struct der point, struct der *ret);

/* Size of the curve that CKA_EC_PARAMS names; 255: Ed25519; 0: none of ours. */
unsigned spki_curve_bits(struct der params);

/* CKA_EC_PARAMS of a curve: an OID. NULL where bits is none of ours. */
const uint8_t *spki_curve_params(unsigned bits, size_t *ret_length);

/* The big-endian integer without its leading zeros. */
struct der spki_unsigned(struct der value);

/* What an SPKI is of: type (0: none of ours), bits of the modulus or curve, and the key's own bytes within
 * it. */
unsigned spki_key_type(struct der spki, unsigned *ret_bits, struct der *ret_key);

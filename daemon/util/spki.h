/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SubjectPublicKeyInfo: found in a certificate, compared, read, and made from a token's attributes. RSA, the
 * three curves of NIST, Ed25519. The broker decides with it whose key a certificate is for. What is read may
 * come from anybody. Pure.
 */
#pragma once

#include "daemon/util/algorithm.h"
#include "daemon/util/der.h"

/* ---- reading ---- */

/* The SubjectPublicKeyInfo in a certificate, within its bytes. false: this is not exactly one certificate in
 * DER, as far as can be seen without reading names and extensions. */
bool spki_of_certificate(struct der certificate, struct der *ret);

/* The subjectPublicKey, without the byte of its unused bits, which must be 0. The algorithm may be any. */
bool spki_bits(struct der spki, struct der *ret);

/* Whether both are of one public key: the keys themselves are compared, not how their algorithm is named (a
 * key that is marked for PSS alone is the same RSA key) or whether a point is compressed. false if one of them
 * cannot be read. */
bool spki_is_same(struct der a, struct der b);

/* The type of the key (enum key_type), the bits of its modulus or curve, and its subjectPublicKey. 0: an
 * unknown type. */
unsigned spki_key_type(struct der spki, unsigned *ret_bits, struct der *ret_key);

/* The two integers of an RSA key (what spki_key_type() gave), without leading zeros. */
bool spki_rsa(struct der key, struct der *ret_modulus, struct der *ret_exponent);

/* Bits of a modulus without leading zeros; 0 for none. */
unsigned spki_modulus_bits(struct der modulus);

/* ---- curves: by their bits, 256, 384 and 521, and 255 for Ed25519 ---- */

/* The point itself, without the OCTET STRING that PKCS #11 puts around it or the BIT STRING of some tokens, if there
 * is one. false: it is not as long as a point of that curve, or it is compressed. */
bool spki_point(unsigned bits, struct der point, struct der *ret);

/* The bits of the curve that CKA_EC_PARAMS names; 0: an unknown curve. */
unsigned spki_curve_bits(struct der params);

/* CKA_EC_PARAMS of a curve: an OID. Empty for an unknown curve. */
struct der spki_curve_params(unsigned bits);

/* ---- which certificate it is ---- */

/* The last bytes of a certificate, which are of its signature: they tell it from every other that nobody made to be taken for it.
 * Empty: it is shorter. For those who only have to know whether a certificate is one that they have seen, and have no hash. */
#define CERTIFICATE_MARK 32U
struct der certificate_mark(struct der certificate);
/* Whether it has one of these marks, which lie one after the other. */
bool certificate_has_mark(struct der certificate, struct der marks);

/* ---- making: a new buffer into *ret, which the caller frees. -EINVAL: these values make no key; -ENOMEM ---- */

/* Big-endian unsigned integers; leading zeros are allowed. */
int spki_from_rsa(struct der modulus, struct der exponent, uint8_t **ret, size_t *ret_length);

/* point: CKA_EC_POINT, in an OCTET STRING, in a BIT STRING or bare. In the key it is written out if it was compressed;
 * then -EINVAL also if the curve has no such point. */
int spki_from_point(unsigned bits, struct der point, uint8_t **ret, size_t *ret_length);

/* SPDX-License-Identifier: MPL-2.0 */
/* The identifiers that are made of a public key. SHA-1, because everybody finds keys and certificates by
 * these: they name a key and protect nothing. Hashed by NSS's own software token. */
#pragma once

#include "daemon/util/der.h"

#define KEY_ID_LENGTH 20U

/* CKA_ID as NSS makes it (PK11_MakeIDFromPubKey): of the modulus without leading zeros, of the bare point,
 * and of the whole subjectPublicKey of any other type. -EINVAL: it is not a SubjectPublicKeyInfo; -EIO: NSS
 * cannot hash. */
int key_id(struct der spki, uint8_t ret[static KEY_ID_LENGTH]);

/* CKA_ID of a certificate that stands alone: SHA-256 of a fixed text and of the certificate. No key's CKA_ID
 * has this length and this value, so no key that comes to the token later is joined to the certificate. -EIO:
 * NSS cannot hash. */
#define KEY_ID_ALONE_LENGTH 32U
int key_id_alone(struct der certificate, uint8_t ret[static KEY_ID_ALONE_LENGTH]);

/* The key identifier in a certificate: of the subjectPublicKey (RFC 5280, 4.2.1.2, method 1). As key_id(). */
int key_id_x509(struct der spki, uint8_t ret[static KEY_ID_LENGTH]);

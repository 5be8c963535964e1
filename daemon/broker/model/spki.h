/* SPDX-License-Identifier: MPL-2.0 */
/* Whose a certificate is: its public key, out of its DER. The little of X.509 that policy needs; what else a certificate
 * is made of the worker looks at. Trusts nothing. Pure. */
#pragma once

#include <stdbool.h>

#include "daemon/channel/wire.h"

/* The SubjectPublicKeyInfo in a certificate, within its bytes. false: this is not exactly one certificate in DER, as
 * far as can be seen without reading names and extensions. */
bool spki_of_certificate(struct wire_bytes der, struct wire_bytes *ret);

/* Whether both are of one public key: the keys themselves are compared, not how their algorithm is named (a key for PSS
 * alone is still that RSA key). false where one is none. */
bool spki_is_same(struct wire_bytes a, struct wire_bytes b);

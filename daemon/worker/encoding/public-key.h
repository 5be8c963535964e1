/* SPDX-License-Identifier: MPL-2.0 */
/* Public keys as NSS has them, for what its own software token does with them: the device is not asked. */
#pragma once

#include <nss/keyhi.h>

#include "daemon/channel/wire.h"
#include "daemon/util/macros.h"

DEFINE_CLEANUP(SECKEYPublicKey *, SECKEY_DestroyPublicKey);

/* From a SubjectPublicKeyInfo. NULL: NSS cannot use it. The caller destroys. */
SECKEYPublicKey *public_key_import(struct wire_bytes spki);

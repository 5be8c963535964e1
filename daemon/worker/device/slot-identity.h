/* SPDX-License-Identifier: MPL-2.0 */
/* What a module says of a token, of its slot and of itself. Calls the module, and nothing else. */
#pragma once

#include <nss/pkcs11.h>

#include "daemon/util/uri.h"

/* What the token of a slot, the slot and the library say of themselves. info: the token's. A part that the module
 * does not tell is empty. */
void slot_token_identity(
        CK_FUNCTION_LIST_PTR p11, CK_SLOT_ID slot, const CK_TOKEN_INFO *info, struct uri_token *ret);

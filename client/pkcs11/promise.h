/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Secret keys that a program asked to have on a token, and has not named yet: NSS (tkstool, JSS) generates such a key without a label
 * and gives it one afterwards. On a token of tokend a secret has a nickname from its first moment. So the key is made when it is named,
 * under the handle that the program already has; what is never named is never made, and can do nothing.
 */
#pragma once

#include "client/pkcs11/module.h"

/* Takes a reference. *ret: the handle. CKR_HOST_MEMORY. */
CK_RV promise_add(struct module *module, struct p11_object *object, CK_OBJECT_HANDLE *ret);

/* Makes the key under this label. CKR_ATTRIBUTE_VALUE_INVALID, and what a call gives. */
CK_RV promise_keep(struct module *module, const struct p11_object *object, const CK_ATTRIBUTE *label);

/* Forgets it. CKR_OBJECT_HANDLE_INVALID: there is none of this handle. */
CK_RV promise_forget(struct module *module, CK_OBJECT_HANDLE handle);

/* SPDX-License-Identifier: MPL-2.0 */
/* Mechanisms of PKCS #11 by their names: what Certificates.Check is asked for. Pure, thread-safe. */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* "CKM_RSA_PKCS" to its number. false: the table has none. */
bool ckm_from_name(const char *name, uint64_t *ret);

/* SPDX-License-Identifier: MPL-2.0 */
/* Where the PIN of a token is read from. */
#pragma once

#include "daemon/config/config.h"

/* The path of Pin=. NULL: there is none, the unit has no credentials, or memory is short. The caller frees. */
char *pin_place(const struct config_token *token);

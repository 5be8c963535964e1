/* SPDX-License-Identifier: MPL-2.0 */
/* Dogtag's password.conf, where an operator may have given it as the file of a PIN. Pure, thread-safe. */
#pragma once

#include <stdbool.h>

/* Whether this is a line of it: NAME=PIN, where NAME is the token's section or label ("": not known), or one of Dogtag's own. */
bool password_conf_has(const char *pin, const char *section, const char *label);

/* SPDX-License-Identifier: MPL-2.0 */
/* What tokendctl status says above its tables: everything that is not as it should be. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/tokend.h"

bool token_is_ready(const struct tokend_token_status *token);

/* now: microseconds since 1970. Nothing is printed where nothing is wrong. */
void print_troubles(const struct tokend_status *status, bool color, int64_t now);

/* Where keys are served, and whether anybody could connect there now: the file may be gone while the daemon lives. */
void print_socket(const char *path, bool color);

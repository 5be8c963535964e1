/* SPDX-License-Identifier: MPL-2.0 */
/* Durations as systemd.time(7) writes time spans, in configuration and on the command line. Pure, thread-safe. */
#pragma once

#include "daemon/util/macros.h"

/* The longest duration that is read: a day, in microseconds. */
#define DURATION_MAX_USEC (UINT64_C(86400) * USEC_PER_SEC)

/* `500ms`, `1min 30s`, `1.5h`; a bare number is in seconds. -EINVAL: this is not a duration; -ERANGE: it is longer than a day.
 */
int duration_parse(const char *text, uint64_t *ret_usec);

/* `90d`, `12w`, `2y` (of 365 days); a bare number is days. -EINVAL: this is none of these; -ERANGE: it is longer than a million days. */
int duration_days(const char *text, uint64_t *ret_days);

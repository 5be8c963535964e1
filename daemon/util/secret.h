/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The one type a PIN lives in: its own pages, locked in memory, left out of core dumps and of children, wiped
 * when freed. Nothing else in the daemon may hold a PIN, and nothing may print one.
 */
#pragma once

#include "daemon/util/macros.h"

struct secret;

/* Reads a whole file of 1 to LIMIT_PIN bytes; one newline at the end is not part of the secret.
 * -EINVAL: empty, too long, or with a NUL in it; -ENODEV: no regular file; -ENOENT and the like from the file. The caller frees. */
int secret_read_file(const char *path, struct secret **ret);

/* n_bytes random bytes (up to LIMIT_PIN / 2) as hex, from getrandom(2). The caller frees. */
int secret_new_random(size_t n_bytes, struct secret **ret);

/* Wipes and frees; NULL is fine. */
void secret_free(struct secret *secret);
DEFINE_CLEANUP(struct secret *, secret_free);

/* The bytes, NUL-terminated, and their count without the NUL; owned by the secret. */
const char *secret_text(const struct secret *secret);
size_t secret_length(const struct secret *secret);

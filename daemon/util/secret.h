/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The only type that holds a PIN: in pages of its own, which are locked in memory, are not in core dumps and not in children,
 * and are wiped when they are freed. Nothing else in the daemon may hold a PIN, and nothing may print one.
 */
#pragma once

#include "daemon/util/macros.h"

struct secret;

/* Reads a whole file of 1 to LIMIT_PIN bytes; one line end (LF or CR LF) at its end is not part of the secret. The caller frees *ret. -EINVAL: the file
 * is empty, is too long, or has a NUL; -ENODEV: it is not a regular file; another -errno of the file. */
int secret_read_file(const char *path, struct secret **ret);

/* The same of a descriptor, to its end; it may be a pipe. */
int secret_read_fd(int fd, struct secret **ret);
/* The same of bytes in memory, which the caller wipes. */
int secret_new_bytes(const void *bytes, size_t length, struct secret **ret);

/* What an editor or a shell may have added to the secret in a file. A blank at the end is meant if no line end follows it: then
 * the file was written byte by byte. */
enum secret_oddity {
        SECRET_PLAIN,
        SECRET_BYTE_ORDER_MARK, /* at its beginning */
        SECRET_WHITE_SPACE,     /* at its end */
};
enum secret_oddity secret_oddity(const struct secret *secret);

/* Makes a secret of n_bytes random bytes from getrandom(2), at most LIMIT_PIN / 2, as hexadecimal digits. The caller frees *ret. */
int secret_new_random(size_t n_bytes, struct secret **ret);

/* Wipes and frees it. NULL is allowed. */
void secret_free(struct secret *secret);
DEFINE_CLEANUP(struct secret *, secret_free);

/* The bytes with a NUL, which stay in the secret, and their number without the NUL. */
const char *secret_text(const struct secret *secret);
size_t secret_length(const struct secret *secret);

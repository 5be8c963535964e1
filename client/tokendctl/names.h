/* SPDX-License-Identifier: MPL-2.0 */
/* The usual other names of types, curves and algorithms: P-256 and prime256v1, RSA, SHA256withRSA, ES256. Pure; all strings are static. */
#pragma once

/* The name on the wire. NULL: nothing is called so. */
const char *name_of_type(const char *text);
const char *name_of_curve(const char *text);
/* Of an algorithm of any kind; of a hash alone (SHA256), `sha256`, for algorithm_of_key(). */
const char *name_of_algorithm(const char *text);

/* The algorithm of signatures that a key of this type ("rsa") and size (bits) has where none is named (NULL), or a hash alone. NULL: there is
 * none. */
const char *algorithm_of_key(const char *algorithm, const char *type, unsigned size);

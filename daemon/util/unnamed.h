/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Nicknames of keys that have none yet: `unnamed INSTANCE ID16`, the instance that had the key made and the first 16 digits of its id.
 * Programs such as NSS make a key first, and name it by its certificate. Nobody gives such a nickname to anything. Pure,
 * thread-safe.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* Bytes of the longest, with its NUL: an instance's name has 64 at most. */
#define UNNAMED_SIZE 96U

/* Whether a client may give that nickname to something: it is one (text_is_nickname()), and not such a one. */
bool nickname_may_be_given(const char *nickname);
/* Whether it is such a nickname. */
bool nickname_is_unnamed(const char *nickname);
/* Whether it is one of this instance's. */
bool nickname_is_unnamed_of(const char *nickname, const char *instance);

/* id: of n bytes. */
void unnamed_nickname(const char *instance, const void *id, size_t n, char ret[static UNNAMED_SIZE]);

/* Gives such a nickname the digits of this id, as far as both have any: a key's id is known only when the key is there, and it may be
 * changed. */
void unnamed_set_id(char *nickname, const void *id, size_t n);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The key of AuditKey=. It signs the heads of the audit file, and nothing else: whoever can use it otherwise can sign a file
 * of records that he made up, and whoever can delete it ends the signing. So no instance may, whatever its Keys= and Allow=
 * say. Pure.
 */
#pragma once

#include "daemon/broker/model/registry.h"
#include "daemon/util/der.h"

/* The one key of that nickname, and its token. NULL: done; else the sentence that says why there is none, and the outputs are
 * untouched. */
const char *audit_key_find(const struct broker *broker, struct token **ret_token, struct entry **ret);

/* Whether AuditKey= names this nickname of this token: what bears it, or would, is the audit's. */
bool audit_key_is_named(const struct broker *broker, const struct token *token, const char *nickname);
/* Whether it is a name of what lies on that token. */
bool audit_key_names(const struct broker *broker, const struct token *token, const struct entry *entry);

/* Whether a key of that name has this public key (SubjectPublicKeyInfo), whatever names it here: it may be on the token under
 * two labels, or the token in two sections. */
bool audit_key_is_same(const struct broker *broker, struct der spki);

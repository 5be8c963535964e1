/* SPDX-License-Identifier: MPL-2.0 */
/* Reads the value of a key into the object of its section. */
#pragma once

#include "daemon/config/keys.h"
#include "daemon/config/parser.h"

/* again: the key was given before in this section, and may be (key_may_repeat()). What is wrong with the value is reported. */
void key_parse(const struct config_key *key, struct parser *parser, struct place place, void *object,
        bool again, const char *value);

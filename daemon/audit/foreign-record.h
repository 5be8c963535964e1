/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a record of the broker must be, so that a broker that was taken over can lie about uses of keys but can neither break
 * the file nor write in the name of tokend-audit. Pure.
 */
#pragma once

#include <stddef.h>

/*
 * Checks a record: one JSON object on one line (line_text_ok()), whose members are strings, whole numbers, true, false or null;
 * without U+0000, with every member once, without a member of the chain (`seq`, `prev`, `hash`) and not of a kind that is
 * tokend-audit's own (own-kind.h). Escapes are decoded first: a reader of the file sees what is checked here.
 * Returns NULL, or what is wrong: a sentence, static.
 */
const char *foreign_record_fault(const char *text, size_t length);

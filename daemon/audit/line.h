/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One line of an audit file, and the chain that the lines make. A line is one JSON object:
 *
 *     {"seq":N,"prev":"<64 hex>",<the record's fields>,"hash":"<64 hex>"}\n
 *
 * hash is SHA-256 of the very bytes of the line before `,"hash":`; so it covers prev, which is the hash of
 * the line before. The first line of a chain has seq 1 and a prev of zeros. An auditor needs no program of
 * ours:
 *
 *     printf %s "${line%,\"hash\":*}" | sha256sum        is      jq -r .hash
 *
 * Pure. tokendctl(1) has a reader of its own that shares nothing with this one, so that a fault here does not
 * hide itself.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"
#include "proto/limits.h"

#define LINE_HASH_SIZE 32U

/* Bytes that the chain adds to a record: the head with 20 digits of seq, the tail, the newline. */
#define LINE_EXTRA     192U
#define LINE_MAX_BYTES (LIMIT_AUDIT_RECORD + LINE_EXTRA)

/* Where a chain stands: the last record's number and hash. All zero: before the first. */
struct chain {
        uint64_t seq;
        uint8_t hash[LINE_HASH_SIZE];
};

/* Whether text may become a line: in UTF-8, between braces, with at least one member, of at most LIMIT_AUDIT_RECORD bytes, and
 * without utf8_is_deceptive() characters: it is one line, and a terminal shows it as it is. That it is JSON is checked of the
 * broker's records alone (foreign-record.h). */
bool line_text_ok(const char *text, size_t length);

/* Writes the next line with its newline (no NUL) and moves the chain on. -EINVAL: !line_text_ok(); -EMSGSIZE: ret is too small. */
int line_format(
        struct chain *chain, const char *text, size_t length, char *ret, size_t size, size_t *ret_length);

/* Whether a line (without its newline) has this form and the right hash. Then *ret is where the chain stands after it. The line
 * before is not looked at. */
bool line_check(const char *line, size_t length, struct chain *ret);

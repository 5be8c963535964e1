/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Text of others, made fit for a person to read: for a terminal, a log line, a field of the journal, the status that systemd
 * shows, the label of a metric. All of them use this file, and the strings of JSON (json-string.h) escape the same characters.
 * What a text may do there is to be read: no line breaks, no command to a terminal, nothing unseen, and no bytes that are not
 * UTF-8. Pure, thread-safe.
 *
 * A byte that must not be seen as it is becomes \xNN. A text that has a backslash, an x and two digits looks the same: who needs
 * to tell them apart reads the JSON.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* How many bytes at the beginning stand as they are: whole characters that are not utf8_is_deceptive(), and none of stop, a string
 * of ASCII. */
size_t printable_run(const char *text, size_t length, const char *stop);

/* One character of up to four bytes, each as \xNN, and a NUL. */
#define PRINTABLE_ESCAPE_SIZE 17

/*
 * What stands for a text, piece by piece: a run of characters that stand as they are, or one character that is escaped, in
 * room. Returns the length of the piece at *ret; 0: *text has reached end.
 *
 *     while ((n = printable_next(&text, end, &piece, room)) > 0)
 *             put(piece, n);
 */
size_t printable_next(
        const char **text, const char *end, const char **ret, char room[static PRINTABLE_ESCAPE_SIZE]);

/* The whole into out, with a NUL at its end: at most size bytes (1 or more), cut between two characters. Returns its length
 * without the NUL. text must not overlap out. */
size_t printable_copy(char *out, size_t size, const char *text, size_t length);

/* As a new string, which the caller frees. NULL: no memory. */
char *printable_new(const char *text);

/* SPDX-License-Identifier: MPL-2.0 */
/* Which sections are in force: the snapshot that the broker and the workers have may be of several readings of the files. */
#pragma once

#include <stdbool.h>

struct supervised_token;
struct supervisor;

/* The section in force and token->next.section change places, for the supervisor, the broker and every worker that starts from now on.
 * -errno: nothing has changed. */
int section_exchange(struct supervised_token *token);

/* Sends the broker the snapshot. read: an operator had the files read; the caller then sends what has changed, and GO. */
void section_tell_all(struct supervisor *supervisor, bool read);

/* Works out whether the files are in force, and tells the broker. */
void section_tell_state(struct supervisor *supervisor);

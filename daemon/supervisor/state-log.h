/* SPDX-License-Identifier: MPL-2.0 */
/* What the supervisor says of changes of state: in the log, with what an operator can do about it. */
#pragma once

struct supervised_token;
struct supervisor;

/* The state of the token, if it or its reason is another than the last time. */
void state_log_token(struct supervised_token *token);
/* It is not configured any more. */
void state_log_removed(const struct supervised_token *token);

/* Whether the section of the files is in force, which changed. */
void state_log_section(const struct supervised_token *token);

/* Whether the files are in force, as they were read. */
void state_log_config(const struct supervisor *supervisor);

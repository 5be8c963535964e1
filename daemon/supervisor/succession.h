/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A section that changed gets its worker beside the one that serves: a newcomer. When the broker has what the newcomer tells of the
 * token, the two change places, and the section is in force. A newcomer that does not come up leaves everything as it is. See
 * docs/lifecycle.md.
 *
 * A token has `worker`, of the section in force, and `other`: a newcomer, or the one before, which finishes what it has.
 */
#pragma once

#include "daemon/supervisor/supervised-token.h"

void succession_init(struct supervised_token *token);
void succession_done(struct supervised_token *token);

/* Whether a section that differs from the one in force is to be in force only when its worker has shown that it serves. */
bool succession_protects(const struct supervised_token *token, const struct config_token *section);

/* The files say this. Takes section; config_fd (which stays the caller's) has it. */
void succession_want(struct supervised_token *token, struct config_token *section, int config_fd);
/* The files say what is in force, or the token goes. */
void succession_drop(struct supervised_token *token);

/* Whether it is to come, and its time is not over. */
bool succession_is_pending(const struct supervised_token *token, uint64_t now);

/* The other process: what it says, and its end. succession_gone() true: the token has no room for two at once, so the section is
 * to be tried alone (trial.h). */
int succession_message(struct supervised_token *token, enum message_type type, struct wire *wire);
bool succession_gone(struct supervised_token *token, const char *how);
/* The broker has its directory, or wants it replaced. false: it is not about the other. */
bool succession_serving(struct supervised_token *token, uint64_t life);
bool succession_replace(struct supervised_token *token, const struct message_replace *message);
/* A broker that is new. */
void succession_connect(struct supervised_token *token);

/* For trial.c: goes on in that phase (NONE: the section is freed); it did not come up; whether two sections are of one token, so that
 * a PIN file that was refused for one of them is for the other. */
void succession_set_phase(struct supervised_token *token, enum succession_phase phase);
void succession_fail(struct supervised_token *token, const char *reason);
bool succession_is_refused_alike(const struct config_token *a, const struct config_token *b);

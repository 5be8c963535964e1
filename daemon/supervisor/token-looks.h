/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Looks: fresh worker processes that see what is on a token now, which some modules hide from a process that runs
 * (docs/tokens.md). There are two kinds, and a token has one look of either kind at a time:
 *
 *   look             shows the broker the directory; the broker asks for it
 *   nickname check   tells a worker that wrote a claim on a nickname what others wrote. The question (SEEK) is handed to the
 *                    process as it came, and its answer (SOUGHT) back; a process that ends without an answer is answered for
 *
 * No look tries a PIN that was refused.
 */
#pragma once

#include "daemon/supervisor/supervised-token.h"

/* Prepares both in a new token, and frees what they hold. */
void token_looks_init(struct supervised_token *token);
void token_looks_done(struct supervised_token *token);

/* Starts a look, or does nothing where one runs, none may be started, or the token does not serve. */
void look_start(struct supervised_token *token);
void look_end(struct supervised_token *token);

/* A SEEK of the token's worker, instead of one that has no answer yet. -errno: it is invalid. */
int nickname_check_ask(struct supervised_token *token, struct wire *wire);
/* Nobody waits for the answer any more. */
void nickname_check_end(struct supervised_token *token);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A section that changed, of a token that has no room for two workers: its worker starts when the one before has ended. If it does not
 * serve, the section before is in force again.
 */
#pragma once

#include "daemon/supervisor/supervised-token.h"

/* The section is in force on trial: the caller ends the worker and starts another. false: memory is short, and it is not. */
bool trial_begin(struct supervised_token *token);
/* The worker ended. Whether it was of the section on trial and had not served: then the one before is in force again. renewed: it was
 * of the section before. */
bool trial_is_lost(struct supervised_token *token, bool renewed);
/* The worker of the section in force serves. */
void trial_is_won(struct supervised_token *token);

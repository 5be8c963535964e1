/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What goes to an accelerator instead of a key's own token: Verify and Random, and signatures of keys of which it
 * holds a copy. The job stays its own token's (JOB_AWAY); a job of its own, the trial, is submitted to the
 * accelerator for a share of the time. Whatever becomes of the trial, but a right answer, sends the job to its own
 * token, with the deadline that it had: no request fails because an accelerator does.
 */
#pragma once

#include "daemon/broker/token.h"

/* As token_submit(), by way of an accelerator where one can do it. */
void accelerator_submit(struct token *token, struct job *job);

/* What the trial answers, or why not. In worker.c's and token.c's place for a trial's end. */
static inline bool job_is_trial(const struct job *job)
{
        return job->trial_of != NULL;
}

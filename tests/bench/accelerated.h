/* SPDX-License-Identifier: MPL-2.0 */
/* The second table of the bench. */
#pragma once

struct tokend;

/* Keys of the internal token, with an accelerator and without. -1: it could not be run; else how many signatures failed. */
int accelerated_run(struct tokend *handle);

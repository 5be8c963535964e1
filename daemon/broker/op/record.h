/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the audit says of an op, and when: one record of each end of a method that has a kind; of what changes a token also
 * one before it begins; each denial; each repeat. A record is made out of the op when it is due, and nothing is kept beside it.
 */
#pragma once

#include "daemon/broker/op/op.h"

/* The op is about to be handed to a token. Decides whether what becomes of it is recorded, and announces what changes the
 * token. 0: it may go on. 1: it has to wait: on_safe is called once, with may false where it could not be recorded.
 * -EACCES: nothing may be done, because nothing can be recorded. */
int record_begin(struct op *op, void (*on_safe)(struct op *op, bool may));

/* The op has its answer. Where its client has to wait for the record, op->record is set until on_safe is called. -EACCES: the
 * record could not be kept, and the answer is to be withheld. */
int record_end(struct op *op, void (*on_safe)(struct op *op, bool may));

/* ok, dropped, or the name of the error that the client gets. */
const char *op_end_name(enum op_end end);

/* Whether the answer is withheld where it could not be recorded. What changed the token is done, and is told. */
bool record_is_withheld(const struct op *op);

/* Denials of the user that were only counted: one record of their number. */
void record_denials(struct broker *broker, struct account *account);

/* The op ended on its token after its client had been answered. */
void record_late_end(struct op *op);

/* It is about to be sent once more. */
void record_repeat(struct op *op);

/* Nobody waits for the op's record any more. */
void record_forget(struct op *op);

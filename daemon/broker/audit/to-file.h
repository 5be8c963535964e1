/* SPDX-License-Identifier: MPL-2.0 */
/* The way of records to tokend-audit. */
#pragma once

#include "daemon/broker/audit/records.h"

/* Sends what can be sent. */
void file_flush(struct audit *audit);
/* What is overdue; returns when to come again. */
uint64_t file_tick(struct audit *audit, uint64_t now);
/* The channel is given up; what was not answered is sent again on the next one. */
void file_close(struct audit *audit);

/* A channel to tokend-audit, taken over. */
int audit_attach(struct broker *broker, int fd);
/* Answers HEAD. An answer that cannot be sent does not come: tokend-audit asks again. */
void audit_head_answer(struct audit *audit, const struct message_head_signed *answer);

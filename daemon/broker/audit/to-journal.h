/* SPDX-License-Identifier: MPL-2.0 */
/* The way of records to journald. */
#pragma once

#include "daemon/broker/audit/records.h"

/* Sends what can be sent. */
void journal_flush(struct audit *audit);
/* What is overdue; returns when to come again. */
uint64_t journal_tick(struct audit *audit, uint64_t now);
/* Stops watching the socket. */
void journal_close(struct audit *audit);

/* Another socket that is connected to journald, taken over. */
void audit_journal_attach(struct broker *broker, int fd);

/* SPDX-License-Identifier: MPL-2.0 */
/* The audit as a whole: which way records go, its time, its configuration, and what the status says of it. */
#pragma once

#include "daemon/broker/audit/records.h"
#include "daemon/broker/base/output.h"

/* Connects to the journal, before the process is closed in. Records nothing until audit_configure(). */
int audit_start(struct broker *broker);
void audit_stop(struct broker *broker);
/* Follows the broker's configuration. */
void audit_configure(struct broker *broker);
/* Sends what was put. */
void audit_flush(struct broker *broker);
/* What is overdue; returns when to come again. */
uint64_t audit_tick(struct broker *broker, uint64_t now);

/* Records given up, here and by tokend-audit. */
uint64_t audit_lost(const struct audit *audit);
/* For a struct output_part: io.tokend.Status.Audit. userdata: the broker. */
void audit_put_status(struct output *output, void *userdata);

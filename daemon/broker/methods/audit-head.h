/* SPDX-License-Identifier: MPL-2.0 */
/* Signs the head of the audit file with AuditKey=, for tokend-audit. */
#pragma once

#include "daemon/broker/audit/records.h"

/* Answers HEAD, sooner or later. */
void audit_head(struct audit *audit, const struct message_head *head);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * In which systemd unit a caller runs. This process can open nothing: the supervisor is asked, once for each connection,
 * when it is accepted, or when a reload first makes its unit matter. Where an [Instance] has Unit=, requests are not read before the answer is there, or
 * GIVE_UP_USEC have passed. Where only the records of the audit want the unit, AWAITED_USEC are enough: a record that is made
 * before the answer has no unit.
 */
#pragma once

#include "daemon/broker/net/connection.h"

/* Asks, if the unit is not known and something depends on it: who the caller is (connection->unit_pending), or what the records say.
 * When a connection is accepted, and after each reload. */
void unit_wanted(struct connection *connection);
void unit_forget(struct connection *connection);

/* The supervisor's UNIT. */
void unit_answer(struct broker *broker, const struct message_unit *message);
/* Sends what could not be sent, and gives up what is overdue; returns when to come again. */
uint64_t unit_tick(struct broker *broker, uint64_t now);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The worker at the other end of a token's channel: its hello, its directory, and its death, which is one path whatever it
 * died of. It runs vendor code: its messages are checked, and an invalid one ends it.
 */
#pragma once

#include "daemon/broker/token/backlog.h"

/* A worker's channel, taken over. beside: of a newcomer, while another serves. */
int worker_attach(struct token *token, bool beside, int fd, uint64_t life, uint32_t epoch);
/* The supervisor reaped the worker of that life. */
void worker_gone(struct token *token, uint64_t life);
/* Forgets the channel, without a word to anybody. */
void worker_detach(struct worker *worker);
/* Asks for the replacement, at once or (grace) when nothing is out. */
void worker_replace(struct worker *worker, const char *reason, bool grace);
/* Asks for the replacement of a worker that lost its channel and lives on; returns when to come again. */
uint64_t worker_tick(struct token *token, uint64_t now);
/* Nothing is out: does what had to wait for that. */
void worker_idle(struct worker *worker);
/* Watches for room in the channel, or stops. */
void worker_watch(struct worker *worker, bool writable);

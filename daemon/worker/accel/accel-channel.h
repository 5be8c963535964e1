/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The peer channels that the supervisor hands to this worker, on their way from the monitor to the thread that uses them:
 * a session thread that loads a key, or the accelerator's peer thread. One for each token at the other end.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

struct peers;

/* A channel and whose it is; both the receiver's. */
struct peer {
        char *token;
        int fd;
};

/* -errno. Lives as long as the process. */
int peers_new(struct peers **ret);
void peers_free(struct peers *peers);
DEFINE_CLEANUP(struct peers *, peers_free);

/* A new channel, taken over; one of the same token that nobody has taken yet is closed. Never waits. */
void peers_put(struct peers *peers, const char *token, int fd);

/* The next one that came. false: none did. */
bool peers_take(struct peers *peers, struct peer *ret);

/* Nobody will take any: those that came are closed, and those that come. */
void peers_close(struct peers *peers);

/* Readable when there is one to take; peers_take() empties it. For poll(). */
int peers_fd(const struct peers *peers);

/* Closes and frees, and leaves it empty. */
void peer_close(struct peer *peer);

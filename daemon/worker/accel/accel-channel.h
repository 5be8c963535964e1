/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The peer channels that the supervisor hands to this worker, on their way from the monitor to the thread
 * that uses them: a session thread that loads a key, or the peer thread of an accelerator. There is one for
 * each token at the other end.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

struct accel_channels;

/* A channel, and the token of the worker at its other end. Who has the struct owns both. */
struct accel_channel {
        char *token;
        int fd;
};

/* -errno. Lives as long as the process. */
int accel_channels_new(struct accel_channels **ret);
void accel_channels_free(struct accel_channels *channels);
DEFINE_CLEANUP(struct accel_channels *, accel_channels_free);

/* A new channel, whose descriptor is taken over. A channel of the same token that nobody has taken yet is
 * closed. Never waits. */
void accel_channels_put(struct accel_channels *channels, const char *token, int fd);

/* The next channel. false: there is none. */
bool accel_channels_take(struct accel_channels *channels, struct accel_channel *ret);

/* Nobody will take any channel: all that came and all that will come are closed. */
void accel_channels_close(struct accel_channels *channels);

/* For poll(): readable when there is a channel to take. accel_channels_take() empties it. */
int accel_channels_fd(const struct accel_channels *channels);

/* Closes and frees it, and leaves it empty. */
void accel_channel_close(struct accel_channel *channel);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A channel between two of our processes: a pair of SOCK_SEQPACKET sockets. A packet is one message, with descriptors or
 * without. Whether a socket blocks is for its owner to set.
 */
#pragma once

#include "daemon/util/macros.h"
#include "proto/limits.h"

/* Makes both ends: close-on-exec and blocking, with send buffers for LIMIT_CHANNEL_MESSAGE. The caller closes them. -errno. */
int channel_pair(int ret_fds[static 2]);

/* Sends one message of length bytes with n_fds descriptors, at most LIMIT_CHANNEL_FDS. The caller keeps and closes the descriptors.
 * -EAGAIN: the socket is non-blocking and full; -EPIPE, -ECONNRESET: the peer is gone; there is no SIGPIPE. Thread-safe. */
int channel_send(int fd, const void *data, size_t length, const int *fds, size_t n_fds);

/* Receives one message of at most size bytes into data. ret_fds: the descriptors that came with it, close-on-exec, which the caller
 * closes; the other places become -1. 1: the peer is gone (EOF). -EAGAIN; -EMSGSIZE: the message or its descriptors did not fit, and
 * it was dropped with them. Thread-safe: one of the callers gets the message. */
int channel_receive(
        int fd, void *data, size_t size, size_t *ret_length, int ret_fds[static LIMIT_CHANNEL_FDS]);

/* Likewise for a channel on which no descriptors are expected. Those that come are dropped before they are anything here: to close a
 * descriptor of a hostile file system may take as long as that likes. */
int channel_receive_plain(int fd, void *data, size_t size, size_t *ret_length);

/* Closes the received descriptors that were not taken, and sets them to -1:
 *     _cleanup_(channel_close_fds) int fds[LIMIT_CHANNEL_FDS] = {-1, -1}; */
void channel_close_fds(int (*fds)[LIMIT_CHANNEL_FDS]);

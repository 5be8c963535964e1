/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A SOCK_SEQPACKET socket pair between two of our processes: one message a packet, descriptors beside it where
 * there are any. The sockets are blocking or not as their owner made them.
 */
#pragma once

#include "daemon/util/macros.h"
#include "proto/limits.h"

/* Both ends close-on-exec, blocking, with send buffers that hold LIMIT_CHANNEL_MESSAGE. The caller closes. */
int channel_pair(int ret_fds[static 2]);

/* Sends one message with n_fds (up to LIMIT_CHANNEL_FDS) descriptors, which stay the caller's.
 * -EAGAIN: the socket does not block and is full; -EPIPE, -ECONNRESET: the peer is gone (no SIGPIPE).
 * Thread-safe. */
int channel_send(int fd, const void *data, size_t length, const int *fds, size_t n_fds);

/* Receives one message into data, its length into *ret_length; descriptors, close-on-exec, into ret_fds (-1
 * where none came): the caller closes them. 1: the peer is gone (EOF). -EAGAIN; -EMSGSIZE: the message or its
 * descriptors did not fit, and all of it was dropped. Thread-safe: a message goes to one of the callers. */
int channel_receive(
        int fd, void *data, size_t size, size_t *ret_length, int ret_fds[static LIMIT_CHANNEL_FDS]);

/* Likewise, where no descriptor is expected: those that come all the same are closed. */
int channel_receive_plain(int fd, void *data, size_t size, size_t *ret_length);

/* Closes the received descriptors that nobody took, and sets them to -1:
 *     _cleanup_(channel_close_fds) int fds[LIMIT_CHANNEL_FDS] = {-1, -1}; */
void channel_close_fds(int (*fds)[LIMIT_CHANNEL_FDS]);

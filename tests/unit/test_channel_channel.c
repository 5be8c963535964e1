/* SPDX-License-Identifier: MPL-2.0 */
/* Messages and descriptors over a channel, and what is left when one end has died. */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/channel/channel.h"
#include "tests/unit/suite.h"

static void test_dead_peer(void)
{
        int fds[2], received[LIMIT_CHANNEL_FDS];
        char buffer[64];
        size_t length = 0;

        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        CU_ASSERT_EQUAL(channel_send(fds[0], "unread", 6, NULL, 0), 0);
        CU_ASSERT_EQUAL(channel_send(fds[1], "last", 4, NULL, 0), 0);
        CU_ASSERT_EQUAL(channel_send(fds[1], "words", 5, NULL, 0), 0);
        close(fds[1]);
        CU_ASSERT_EQUAL(channel_receive(fds[0], buffer, sizeof(buffer), &length, received), 0);
        CU_ASSERT_EQUAL(length, 4);
        CU_ASSERT_EQUAL(channel_receive(fds[0], buffer, sizeof(buffer), &length, received), 0);
        CU_ASSERT_EQUAL(length, 5);
        CU_ASSERT_EQUAL(channel_receive(fds[0], buffer, sizeof(buffer), &length, received), 1);
        CU_ASSERT_EQUAL(channel_receive(fds[0], buffer, sizeof(buffer), &length, received), 1);
        close(fds[0]);
}

/* A pipe tells whether its writing end is open anywhere. */
static bool is_closed(int pipe_fd)
{
        char byte;

        return read(pipe_fd, &byte, 1) == 0;
}

static void test_descriptors(void)
{
        int fds[2], ends[2];
        char buffer[64];
        size_t length = 0;

        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        for (int plain = 0; plain < 2; plain++) {
                CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
                CU_ASSERT_EQUAL(channel_send(fds[0], "end", 3, &ends[1], 1), 0);
                close(ends[1]);
                CU_ASSERT_FALSE(is_closed(ends[0]));
                if (plain) {
                        CU_ASSERT_EQUAL(channel_receive_plain(fds[1], buffer, sizeof(buffer), &length), 0);
                } else {
                        _cleanup_(channel_close_fds) int received[LIMIT_CHANNEL_FDS] = {-1, -1};

                        CU_ASSERT_EQUAL(
                                channel_receive(fds[1], buffer, sizeof(buffer), &length, received), 0);
                        CU_ASSERT_TRUE(received[0] >= 0);
                        CU_ASSERT_EQUAL(received[1], -1);
                        CU_ASSERT_FALSE(is_closed(ends[0]));
                }
                CU_ASSERT_EQUAL(length, 3);
                CU_ASSERT_TRUE(is_closed(ends[0]));
                close(ends[0]);
        }
        close(fds[0]);
        CU_ASSERT_EQUAL(channel_receive_plain(fds[1], buffer, sizeof(buffer), &length), 1);
        close(fds[1]);
}

SUITE(channel_channel, {"received descriptors that nobody takes are closed", test_descriptors},
        {"what a process sent before it died is read, though it left something unread", test_dead_peer});

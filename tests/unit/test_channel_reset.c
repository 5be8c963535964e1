/* SPDX-License-Identifier: MPL-2.0 */
/* What a process sent before it died is not lost, whatever it left unread. */
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

SUITE(channel_reset,
        {"what a process sent before it died is read, though it left something unread", test_dead_peer});

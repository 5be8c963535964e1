/* SPDX-License-Identifier: MPL-2.0 */
/* proto/frame.c: messages come out whole, however the bytes came in, and never longer than the limit. */
#include "proto/frame.h"

#include <errno.h>
#include <string.h>

#include "proto/limits.h"
#include "tests/unit/suite.h"

/* Puts bytes in, as much at once as there is room for. 0, or what frame_room() said. */
static int feed(struct frame *frame, const char *bytes, size_t n)
{
        while (n > 0) {
                char *room;
                size_t length;
                int r = frame_room(frame, &room, &length);

                if (r < 0)
                        return r;
                if (length > n)
                        length = n;
                memcpy(room, bytes, length);
                frame_filled(frame, length);
                bytes += length;
                n -= length;
        }
        return 0;
}

static void expect_message(struct frame *frame, const char *text)
{
        char *message = NULL;
        size_t length = 0;

        CU_ASSERT_EQUAL_FATAL(frame_next(frame, &message, &length), 1);
        CU_ASSERT_EQUAL(length, strlen(text));
        CU_ASSERT_STRING_EQUAL(message, text);
}

static void expect_nothing(struct frame *frame)
{
        char *message;
        size_t length;

        CU_ASSERT_EQUAL(frame_next(frame, &message, &length), 0);
}

static void test_ahead(void)
{
        struct frame frame;

        frame_init(&frame, 100);
        CU_ASSERT_EQUAL(feed(&frame, "one\0two\0\0thr", 12), 0);
        expect_message(&frame, "one");
        expect_message(&frame, "two");
        expect_message(&frame, "");
        expect_nothing(&frame);
        CU_ASSERT_EQUAL(frame_pending(&frame), 3);
        CU_ASSERT_EQUAL(feed(&frame, "ee", 3), 0);
        expect_message(&frame, "three");
        CU_ASSERT_EQUAL(frame_pending(&frame), 0);
        frame_done(&frame);
}

static void test_bytewise(void)
{
        static const char text[] = "{\"method\": \"io.tokend.Keys.List\"}";
        struct frame frame;

        frame_init(&frame, 100);
        for (int round = 0; round < 10; round++) {
                for (size_t i = 0; i + 1 < sizeof(text); i++) {
                        CU_ASSERT_EQUAL(feed(&frame, text + i, 1), 0);
                        expect_nothing(&frame);
                }
                CU_ASSERT_EQUAL(feed(&frame, "", 1), 0);
                expect_message(&frame, text);
        }
        frame_done(&frame);
}

static void test_limit(void)
{
        static char text[LIMIT_MESSAGE + 2];
        struct frame frame;
        char *message;
        size_t length;

        memset(text, 'x', sizeof(text));
        frame_init(&frame, LIMIT_MESSAGE);
        CU_ASSERT_EQUAL(feed(&frame, text, LIMIT_MESSAGE), 0);
        expect_nothing(&frame);
        CU_ASSERT_EQUAL(feed(&frame, "", 1), 0);
        CU_ASSERT_EQUAL_FATAL(frame_next(&frame, &message, &length), 1);
        CU_ASSERT_EQUAL(length, LIMIT_MESSAGE);

        CU_ASSERT_EQUAL(feed(&frame, text, LIMIT_MESSAGE + 1), 0);
        CU_ASSERT_EQUAL(frame_next(&frame, &message, &length), -EMSGSIZE);
        CU_ASSERT_EQUAL(frame_room(&frame, &message, &length), -EMSGSIZE);
        CU_ASSERT_TRUE(frame.size <= LIMIT_MESSAGE + 1);
        frame_done(&frame);
}

static void test_small_behind_large(void)
{
        struct frame frame;
        char text[64];

        frame_init(&frame, 63);
        for (size_t n = 0; n < sizeof(text); n++) {
                memset(text, 'a', n);
                text[n] = 0;
                CU_ASSERT_EQUAL(feed(&frame, text, n / 2), 0);
                expect_nothing(&frame);
                CU_ASSERT_EQUAL(feed(&frame, text + n / 2, n - n / 2 + 1), 0);
                expect_message(&frame, text);
        }
        frame_done(&frame);
}

static void test_nul_flood(void)
{
        static const char nuls[4096];
        struct frame frame;

        frame_init(&frame, LIMIT_MESSAGE);
        CU_ASSERT_EQUAL(feed(&frame, nuls, sizeof(nuls)), 0);
        for (size_t i = 0; i < sizeof(nuls); i++)
                expect_message(&frame, "");
        expect_nothing(&frame);
        frame_done(&frame);
}

static void test_shrink(void)
{
        struct frame frame;

        frame_init(&frame, 100);
        CU_ASSERT_EQUAL(feed(&frame, "one\0t", 5), 0);
        expect_message(&frame, "one");
        frame_shrink(&frame);
        CU_ASSERT_PTR_NOT_NULL(frame.data);
        CU_ASSERT_EQUAL(feed(&frame, "wo", 3), 0);
        expect_message(&frame, "two");
        frame_shrink(&frame);
        CU_ASSERT_PTR_NULL(frame.data);
        CU_ASSERT_EQUAL(feed(&frame, "three", 6), 0);
        expect_message(&frame, "three");
        frame_done(&frame);
}

SUITE(proto_frame, {"messages sent ahead come out one by one", test_ahead},
        {"a message that comes byte by byte comes out whole", test_bytewise},
        {"LIMIT_MESSAGE: a message of 128 KiB is taken, and one byte more refused", test_limit},
        {"messages of every length up to the limit, cut in two, come out", test_small_behind_large},
        {"a flood of NULs is a flood of empty messages", test_nul_flood},
        {"an empty frame holds no memory, one with a begun message keeps it", test_shrink});

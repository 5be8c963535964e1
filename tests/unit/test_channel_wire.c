/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/channel: messages come out as they went in, and a hostile one comes out as -EBADMSG. */
#include "daemon/channel/message.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/suite.h"

/* One of each message with something in every field: by type, as the list in message.h has them. */
#define FILL_u8(field)    field = 7;
#define FILL_u32(field)   field = 70000;
#define FILL_u64(field)   field = UINT64_C(0x0102030405060708);
#define FILL_bytes(field) field = wire_bytes("a\0b", 3);
#define FILL_text(field)  field = "text";
#define FILL_(type, name) FILL_##type(message.name)

#define SAME_u8(a)        CU_ASSERT_EQUAL(a, 7);
#define SAME_u32(a)       CU_ASSERT_EQUAL(a, 70000);
#define SAME_u64(a)       CU_ASSERT_EQUAL(a, UINT64_C(0x0102030405060708));
#define SAME_bytes(a)     CU_ASSERT(a.length == 3 && memcmp(a.data, "a\0b", 3) == 0);
#define SAME_text(a)      CU_ASSERT_STRING_EQUAL(a, "text");
#define SAME_(type, name) SAME_##type(got.name)

/* For each message: what it is filled with comes out again; cut at every byte, or longer by one, it is refused, and
 * nothing is put out. */
#define CHECK_MESSAGE(NAME, lower, ...)                                                                      \
        static void check_##lower(void)                                                                      \
        {                                                                                                    \
                uint8_t buffer[1024] = {0};                                                                  \
                struct wire wire = {.data = buffer, .size = sizeof(buffer)};                                 \
                struct message_##lower message, got;                                                         \
                size_t length;                                                                               \
                                                                                                             \
                fill_##lower(&message);                                                                      \
                message_put_##lower(&wire, &message);                                                        \
                CU_ASSERT_FALSE_FATAL(wire.bad);                                                             \
                length = wire.at;                                                                            \
                wire = (struct wire){.data = buffer, .size = length};                                        \
                CU_ASSERT_EQUAL(message_type(&wire), MESSAGE_TYPE_##NAME);                                   \
                CU_ASSERT_EQUAL_FATAL(message_get_##lower(&wire, &got), 0);                                  \
                same_##lower(got);                                                                           \
                for (size_t cut = 0; cut < length; cut++) {                                                  \
                        uint8_t *exact = malloc(cut ? cut : 1);                                              \
                                                                                                             \
                        memcpy(exact, buffer, cut);                                                          \
                        wire = (struct wire){.data = exact, .size = cut};                                    \
                        (void)message_type(&wire);                                                           \
                        CU_ASSERT_EQUAL(message_get_##lower(&wire, &got), -EBADMSG);                         \
                        free(exact);                                                                         \
                }                                                                                            \
                wire = (struct wire){.data = buffer, .size = length + 1};                                    \
                (void)message_type(&wire);                                                                   \
                CU_ASSERT_EQUAL(message_get_##lower(&wire, &got), -EBADMSG);                                 \
                wire = (struct wire){.data = buffer, .size = length - 1};                                    \
                message_put_##lower(&wire, &message);                                                        \
                CU_ASSERT(wire.bad);                                                                         \
        }
/* clang-format off */
#define FILL_MESSAGE(NAME, lower, fields) \
        static void fill_##lower(struct message_##lower *ret) \
        { \
                struct message_##lower message; \
                fields \
                *ret = message; \
        }
#define FILL_OPERATION(NAME, lower, class, answer, fields) FILL_MESSAGE(NAME, lower, OPERATION_HEAD(FILL_) fields)
OPERATIONS(FILL_OPERATION, FILL_)
OTHER_MESSAGES(FILL_MESSAGE, FILL_)
#define SAME_MESSAGE(NAME, lower, fields) \
        static void same_##lower(struct message_##lower got) \
        { \
                fields \
        }
#define SAME_OPERATION(NAME, lower, class, answer, fields) SAME_MESSAGE(NAME, lower, OPERATION_HEAD(SAME_) fields)
OPERATIONS(SAME_OPERATION, SAME_)
OTHER_MESSAGES(SAME_MESSAGE, SAME_)
OPERATIONS(CHECK_MESSAGE, )
OTHER_MESSAGES(CHECK_MESSAGE, )
/* clang-format on */

static void test_every_message(void)
{
#define CALL_(NAME, lower, ...) check_##lower();
        OPERATIONS(CALL_, )
        OTHER_MESSAGES(CALL_, )
#undef CALL_
}

static void test_names(void)
{
        CU_ASSERT_STRING_EQUAL(message_name(MESSAGE_TYPE_SIGN), "SIGN");
        CU_ASSERT_STRING_EQUAL(message_name(MESSAGE_TYPE_NONE_), "?");
        CU_ASSERT_STRING_EQUAL(message_name(MESSAGE_TYPE_MAX_), "?");
        for (unsigned i = 1; i < MESSAGE_TYPE_MAX_; i++)
                CU_ASSERT_PTR_NOT_NULL(message_name((enum message_type)i));
}

static void test_types(void)
{
        for (unsigned i = 0; i < 256; i++) {
                uint8_t byte = (uint8_t)i;
                struct wire wire = {.data = &byte, .size = 1};

                CU_ASSERT_EQUAL(message_type(&wire), i < MESSAGE_TYPE_MAX_ ? i : MESSAGE_TYPE_NONE_);
        }
        CU_ASSERT_EQUAL(message_type(&(struct wire){.data = NULL}), MESSAGE_TYPE_NONE_);
}

/* A length that says more than there is, up to the largest. */
static void test_lengths(void)
{
        static const uint32_t lengths[] = {4, 5, 255, 65536, 0x7fffffff, 0x80000000, 0xfffffffb, 0xffffffff};

        for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
                uint8_t buffer[8] = {0};
                struct wire wire = {.data = buffer, .size = 4};
                struct wire_bytes bytes;

                wire_put_u32(&wire, lengths[i]);
                wire = (struct wire){.data = buffer, .size = 7};
                bytes = wire_get_bytes(&wire);
                CU_ASSERT(wire.bad);
                CU_ASSERT_EQUAL(bytes.length, 0);
                /* And bad it stays. */
                CU_ASSERT_EQUAL(wire_get_u8(&wire), 0);
                CU_ASSERT_STRING_EQUAL(wire_get_text(&wire), "");
        }
}

static void test_text(void)
{
        static const struct {
                const char *bytes;
                size_t length;
        } bad[] = {{"", 0}, {"a", 1}, {"a\0b\0", 4}, {"\0\0", 2}};

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                uint8_t buffer[16];
                struct wire wire = {.data = buffer, .size = sizeof(buffer)};

                wire_put_bytes(&wire, wire_bytes(bad[i].bytes, bad[i].length));
                wire = (struct wire){.data = buffer, .size = wire.at};
                CU_ASSERT_STRING_EQUAL(wire_get_text(&wire), "");
                CU_ASSERT(wire.bad);
        }
}

static void test_limit(void)
{
        static uint8_t data[LIMIT_CHANNEL_MESSAGE + 1];
        int fds[2], got[LIMIT_CHANNEL_FDS];
        size_t length = 0;

        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        CU_ASSERT_EQUAL(channel_send(fds[0], data, LIMIT_CHANNEL_MESSAGE + 1, NULL, 0), -EINVAL);
        CU_ASSERT_EQUAL(channel_send(fds[0], data, 0, NULL, 0), -EINVAL);
        CU_ASSERT_EQUAL(channel_send(fds[0], data, LIMIT_CHANNEL_MESSAGE, NULL, 0), 0);
        CU_ASSERT_EQUAL(channel_receive(fds[1], data, sizeof(data), &length, got), 0);
        CU_ASSERT_EQUAL(length, LIMIT_CHANNEL_MESSAGE);
        /* What does not fit is dropped, and the next is whole. */
        CU_ASSERT_EQUAL(channel_send(fds[0], data, 100, NULL, 0), 0);
        CU_ASSERT_EQUAL(channel_send(fds[0], data, 10, NULL, 0), 0);
        CU_ASSERT_EQUAL(channel_receive(fds[1], data, 50, &length, got), -EMSGSIZE);
        CU_ASSERT_EQUAL(channel_receive(fds[1], data, 50, &length, got), 0);
        CU_ASSERT_EQUAL(length, 10);
        close(fds[0]);
        close(fds[1]);
}

static void test_descriptors(void)
{
        int fds[2], many[LIMIT_CHANNEL_FDS + 1], got[LIMIT_CHANNEL_FDS];
        char byte;
        size_t length = 0;

        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        for (size_t i = 0; i < ARRAY_SIZE(many); i++)
                many[i] = fds[0];
        CU_ASSERT_EQUAL(channel_send(fds[0], "x", 1, many, LIMIT_CHANNEL_FDS + 1), -EINVAL);
        CU_ASSERT_EQUAL(channel_send(fds[0], "x", 1, many, LIMIT_CHANNEL_FDS), 0);
        CU_ASSERT_EQUAL(channel_receive(fds[1], &byte, 1, &length, got), 0);
        for (size_t i = 0; i < LIMIT_CHANNEL_FDS; i++) {
                CU_ASSERT(got[i] >= 0);
                CU_ASSERT_EQUAL(fcntl(got[i], F_GETFD), FD_CLOEXEC);
                closep(&got[i]);
        }
        close(fds[0]);
        CU_ASSERT_EQUAL(channel_receive(fds[1], &byte, 1, &length, got), 1);
        CU_ASSERT_EQUAL(channel_send(fds[1], "x", 1, NULL, 0), -EPIPE);
        close(fds[1]);
}

SUITE(channel_wire,
        {"every message comes out as it went in, and cut anywhere not at all", test_every_message},
        {"every type has a name", test_names}, {"a type that is none of ours is none", test_types},
        {"a length beyond the message is refused", test_lengths},
        {"text without its NUL, or with one inside, is refused", test_text},
        {"LIMIT_CHANNEL_MESSAGE bytes pass, and not one more", test_limit},
        {"LIMIT_CHANNEL_FDS descriptors pass, and a dead peer is told", test_descriptors});

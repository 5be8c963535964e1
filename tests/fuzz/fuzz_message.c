/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The messages between our own processes, of which one may have been taken over: whatever is read is what putting it
 * again gives, byte for byte, so that nothing was passed over and nothing beyond the message was read.
 */
#include <string.h>

#include "daemon/channel/message.h"
#include "proto/limits.h"
#include "tests/fuzz/fuzz.h"

static void check_same(const struct wire *wire, const uint8_t *data, size_t size)
{
        CHECK(!wire->bad && wire->at == size && memcmp(wire->data, data, size) == 0);
}

#define AGAIN(NAME, name, ...)                                                                               \
        case MESSAGE_TYPE_##NAME: {                                                                          \
                struct message_##name message;                                                               \
                int r = message_get_##name(&in, &message);                                                   \
                                                                                                             \
                CHECK(r == 0 || r == -EBADMSG);                                                              \
                if (r == 0) {                                                                                \
                        message_put_##name(&out, &message);                                                  \
                        check_same(&out, data, size);                                                        \
                }                                                                                            \
                break;                                                                                       \
        }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static uint8_t room[LIMIT_CHANNEL_MESSAGE];
        _cleanup_(freep) uint8_t *copy = malloc(size);
        struct wire in = {.data = copy, .size = size}, out = {.data = room, .size = sizeof(room)};

        if (size == 0 || size > sizeof(room) || !copy)
                return 0;
        memcpy(copy, data, size);
        switch (message_type(&in)) {
                OPERATIONS(AGAIN, )
                OTHER_MESSAGES(AGAIN, )
        case MESSAGE_TYPE_NONE_:
        case MESSAGE_TYPE_MAX_:
                break;
        }
        return 0;
}

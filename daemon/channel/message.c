/* SPDX-License-Identifier: MPL-2.0 */
/* See message.h. All of it comes out of the lists there. */
#include "daemon/channel/message.h"

/* A whole message fits on the stack of every thread (NSPR's have 8 MiB as the system's do). */
#define PUT_FIELD_(type, name) wire_put_##type(wire, message->name);
#define GET_FIELD_(type, name) message.name = wire_get_##type(wire);

#define MESSAGE_DEFINE_(NAME, lower)                                                                         \
        void message_put_##lower(struct wire *wire, const struct message_##lower *message)                   \
        {                                                                                                    \
                wire_put_u8(wire, MESSAGE_TYPE_##NAME);                                                      \
                MESSAGE_##NAME(PUT_FIELD_)                                                                   \
        }                                                                                                    \
        int message_get_##lower(struct wire *wire, struct message_##lower *ret)                              \
        {                                                                                                    \
                struct message_##lower message;                                                              \
                MESSAGE_##NAME(GET_FIELD_) if (wire->bad || wire->at != wire->size) return -EBADMSG;         \
                *ret = message;                                                                              \
                return 0;                                                                                    \
        }                                                                                                    \
        int message_send_##lower(                                                                            \
                int fd, const struct message_##lower *message, const int *fds, size_t n_fds)                 \
        {                                                                                                    \
                uint8_t buffer[LIMIT_CHANNEL_MESSAGE];                                                       \
                struct wire wire = {.data = buffer, .size = sizeof(buffer)};                                 \
                message_put_##lower(&wire, message);                                                         \
                return wire.bad ? -EMSGSIZE : channel_send(fd, buffer, wire.at, fds, n_fds);                 \
        }
MESSAGES(MESSAGE_DEFINE_)

enum message_type message_type(struct wire *wire)
{
        uint8_t type = wire_get_u8(wire);

        return !wire->bad && type < MESSAGE_TYPE_MAX_ ? (enum message_type)type : MESSAGE_TYPE_NONE_;
}

#define MESSAGE_NAME_(NAME, lower) [MESSAGE_TYPE_##NAME] = #NAME,

const char *message_name(enum message_type type)
{
        static const char *const names[MESSAGE_TYPE_MAX_] = {MESSAGES(MESSAGE_NAME_)};

        return type > MESSAGE_TYPE_NONE_ && type < MESSAGE_TYPE_MAX_ ? names[type] : "?";
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See message.h. All of it comes out of the two lists there. */
#include "daemon/channel/message.h"

#include <string.h>

/* clang-format off */

/* A whole message fits on the stack of every thread (NSPR's have 8 MiB as the system's do). */
#define PUT_FIELD_(type, name) wire_put_##type(wire, message->name);
#define PUT_(NAME, lower, puts)                                                                               \
        void message_put_##lower(struct wire *wire, const struct message_##lower *message)                    \
        {                                                                                                     \
                wire_put_u8(wire, MESSAGE_TYPE_##NAME);                                                       \
                puts                                                                                          \
        }                                                                                                     \
        int message_send_##lower(int fd, const struct message_##lower *message, const int *fds, size_t n_fds) \
        {                                                                                                     \
                uint8_t buffer[LIMIT_CHANNEL_MESSAGE];                                                        \
                struct wire wire = {.data = buffer, .size = sizeof(buffer)};                                  \
                int r;                                                                                        \
                message_put_##lower(&wire, message);                                                          \
                r = wire.bad ? -EMSGSIZE : channel_send(fd, buffer, wire.at, fds, n_fds);                     \
                /* It may have had something secret. */                                                       \
                explicit_bzero(buffer, wire.at);                                                              \
                return r;                                                                                     \
        }
#define PUT_OPERATION_(NAME, lower, class, answer, puts)                                                      \
        PUT_(NAME, lower, OPERATION_HEAD(PUT_FIELD_) puts)                                                    \
        static void put_##lower(struct wire *wire, const union operation_message *operation)                          \
        {                                                                                                     \
                message_put_##lower(wire, &operation->lower);                                                 \
        }
OPERATIONS(PUT_OPERATION_, PUT_FIELD_)
OTHER_MESSAGES(PUT_, PUT_FIELD_)

#define GET_FIELD_(type, name) message.name = wire_get_##type(wire);
#define GET_(NAME, lower, gets)                                                                               \
        int message_get_##lower(struct wire *wire, struct message_##lower *ret)                               \
        {                                                                                                     \
                struct message_##lower message;                                                               \
                gets                                                                                          \
                if (wire->bad || wire->at != wire->size)                                                      \
                        return -EBADMSG;                                                                      \
                *ret = message;                                                                               \
                return 0;                                                                                     \
        }
#define GET_OPERATION_(NAME, lower, class, answer, gets)                                                      \
        GET_(NAME, lower, OPERATION_HEAD(GET_FIELD_) gets)                                                    \
        static int get_##lower(struct wire *wire, union operation_message *ret)                                       \
        {                                                                                                     \
                return message_get_##lower(wire, &ret->lower);                                                \
        }
OPERATIONS(GET_OPERATION_, GET_FIELD_)
OTHER_MESSAGES(GET_, GET_FIELD_)

#define INFO_(NAME, lower, class_, answer_, fields)                                                           \
        [MESSAGE_TYPE_##NAME] = {.class = class_, .answer = answer_, .put = put_##lower, .get = get_##lower},
static const struct operation_info operations[] = {OPERATIONS(INFO_, )};

#define NAME_(NAME, ...) [MESSAGE_TYPE_##NAME] = #NAME,
static const char *const names[MESSAGE_TYPE_MAX_] = {OPERATIONS(NAME_, ) OTHER_MESSAGES(NAME_, )};

/* clang-format on */

const struct operation_info *operation_info(enum message_type type)
{
        return type > MESSAGE_TYPE_NONE_ && type < ARRAY_SIZE(operations) ? &operations[type] : NULL;
}

enum message_type message_type(struct wire *wire)
{
        uint8_t type = wire_get_u8(wire);

        return !wire->bad && type < MESSAGE_TYPE_MAX_ ? (enum message_type)type : MESSAGE_TYPE_NONE_;
}

const char *message_name(enum message_type type)
{
        return type > MESSAGE_TYPE_NONE_ && type < MESSAGE_TYPE_MAX_ ? names[type] : "?";
}

const char *token_state_name(enum token_state state)
{
        static const char *const state_names[TOKEN_STATE_MAX_] = {
                [TOKEN_STARTING] = "starting",
                [TOKEN_READY] = "ready",
                [TOKEN_RECOVERING] = "recovering",
                [TOKEN_FAILED] = "failed",
                [TOKEN_DISABLED] = "disabled",
        };

        return state > 0 && state < TOKEN_STATE_MAX_ ? state_names[state] : "?";
}

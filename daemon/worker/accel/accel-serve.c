/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The peer thread of an accelerator's worker. It makes the transport key, which never leaves the token, and
 * takes in copies of keys. Its session owns the transport key and all copies: they are gone when the session
 * is. What a peer sends is checked, and what the token makes of it is checked as well before anything is
 * signed with it.
 */
#include "daemon/worker/accel/accel.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/util/log.h"
#include "daemon/worker/accel/accel-take.h"

/* How long a peer may take to make room for an answer. A peer that reads what it asked for needs no time; a
 * peer that does not read must not keep the others waiting. */
#define SEND_USEC (500U * USEC_PER_MSEC)

struct server {
        struct operation *operation;
        struct transport transport;
        size_t n_channels;
        struct accel_channel channels[LIMIT_SECTIONS];
        uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
};

/* ---- answers; -errno: the peer is gone, does not read, or sent an invalid message ---- */

static int send_transferred(struct server *server, const struct accel_channel *channel, uint64_t number,
        uint64_t copy, uint64_t evicted)
{
        const struct result *result = &server->operation->result;
        struct message_transferred message = {.number = number,
                .status = (uint8_t)result->status,
                .ckr = result->ckr,
                .copy = copy,
                .evicted = evicted,
                .text = result->text};

        return message_send_transferred(channel->fd, &message, NULL, 0);
}

static int on_transport(struct server *server, const struct accel_channel *channel, struct wire *wire)
{
        struct operation *operation = server->operation;
        struct transport *transport = &server->transport;
        struct message_transport message;
        uint64_t copy;
        int r = message_get_transport(wire, &message);

        if (r < 0)
                return r;
        /* This also checks that the session, and with it every copy, is still there. */
        operation_run(operation, transport_attempt, transport);
        copy = operation->result.status == REPLY_OK
                       ? copies_find(operation->accel->copies, channel->token, message.spki)
                       : 0;
        if (copy != 0 || operation->result.status != REPLY_OK)
                return send_transferred(server, channel, message.number, copy, 0);
        return message_send_transport_key(channel->fd,
                &(struct message_transport_key){.number = message.number,
                        .modulus = wire_bytes(transport->modulus, transport->n_modulus),
                        .exponent = wire_bytes(transport->exponent, transport->n_exponent)},
                NULL, 0);
}

static int on_transfer(struct server *server, const struct accel_channel *channel, struct wire *wire)
{
        struct taking taking = {.transport = &server->transport, .token = channel->token};
        int r = message_get_transfer(wire, &taking.message);

        if (r < 0)
                return r;
        operation_run(server->operation, take_attempt, &taking);
        return send_transferred(server, channel, taking.message.number, taking.copy, taking.evicted);
}

static int on_message(struct server *server, const struct accel_channel *channel)
{
        struct wire wire = {.data = server->buffer};
        int r = channel_receive_plain(channel->fd, server->buffer, sizeof(server->buffer), &wire.size);

        if (r != 0)
                return r > 0 ? -EPIPE : r;
        switch (message_type(&wire)) {
        case MESSAGE_TYPE_TRANSPORT:
                return on_transport(server, channel, &wire);
        case MESSAGE_TYPE_TRANSFER:
                return on_transfer(server, channel, &wire);
        default:
                return -EBADMSG;
        }
}

/* ---- the thread ---- */

static void drop_channel(struct server *server, size_t i)
{
        accel_channel_close(&server->channels[i]);
        server->channels[i] = server->channels[--server->n_channels];
}

static void take_channels(struct server *server)
{
        const struct timeval timeout = {.tv_usec = SEND_USEC};
        struct accel_channel fresh;

        while (accel_channels_take(server->operation->accel->channels, &fresh)) {
                for (size_t i = 0; i < server->n_channels; i++)
                        if (strcmp(server->channels[i].token, fresh.token) == 0)
                                drop_channel(server, i--);
                (void)setsockopt(fresh.fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
                if (server->n_channels < LIMIT_SECTIONS)
                        server->channels[server->n_channels++] = fresh;
                else
                        accel_channel_close(&fresh);
        }
}

/* Copies that the present broker does not know: it would not have them destroyed when their keys are
 * deleted. */
static void destroy_abandoned(struct server *server)
{
        struct session *session = server->operation->session;
        CK_OBJECT_HANDLE handle;

        while (copies_abandoned(server->operation->accel->copies, now_usec(), &handle))
                session_destroy(session, handle);
}

/* Runs at least every KeepAlive=. */
static void turn(struct server *server)
{
        const struct slot_token *token = server->operation->session->token;
        struct pollfd fds[LIMIT_SECTIONS + 1];
        size_t n = server->n_channels;
        int r;

        for (size_t i = 0; i < n; i++)
                fds[i] = (struct pollfd){.fd = server->channels[i].fd, .events = POLLIN};
        fds[n] = (struct pollfd){
                .fd = accel_channels_fd(server->operation->accel->channels), .events = POLLIN};
        r = poll(
                fds, n + 1, (int)MIN_OF(token->config->keep_alive_usec / USEC_PER_MSEC, (uint64_t)INT32_MAX));
        /* Nobody asked. The session is checked all the same: if it was lost, so were the copies. */
        if (r == 0)
                operation_run(server->operation, transport_attempt, &server->transport);
        if (!server->operation->ending)
                destroy_abandoned(server);
        if (r <= 0)
                return;
        /* Backwards, because dropping one moves another into its place. */
        for (size_t i = n; i-- > 0 && !server->operation->ending;)
                if (fds[i].revents && on_message(server, &server->channels[i]) < 0)
                        drop_channel(server, i);
        if (fds[n].revents)
                take_channels(server);
}

void accel_serve(struct operation *operation)
{
        struct server *server = calloc(1, sizeof(*server));

        if (!server) {
                (void)failure_errno(&operation->failure, -ENOMEM);
                return;
        }
        server->operation = operation;
        /* Before the first peer asks, because this takes a while. */
        operation_run(operation, transport_attempt, &server->transport);
        if (operation->result.status != REPLY_OK)
                log_notice("token %s: copies of keys are not accepted: %s",
                        operation->session->token->config->name, operation->result.text);
        while (!operation->ending)
                turn(server);
        while (server->n_channels > 0)
                drop_channel(server, 0);
        free(server);
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The peer thread of an accelerator's worker: it makes the transport key, which never leaves the token, and takes copies
 * of keys in. Its session owns the transport key and all copies: with it they are gone. What a peer says is checked; what
 * the token made of it is checked as well, before anybody signs with it.
 */
#include "daemon/worker/accel/accel.h"

#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/worker/accel/accel-public.h"
#include "daemon/worker/accel/accel-take.h"

/* How long a peer may take to make room for an answer. None that reads what it asked for takes any time; one that does not
 * must not keep the others waiting. */
#define SEND_USEC (500U * USEC_PER_MSEC)

struct server {
        struct operation *operation;
        struct transport transport;
        size_t n_peers;
        struct peer peers[LIMIT_SECTIONS];
        uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
};

int accel_prepare(struct accel *accel, const struct token *token)
{
        uint64_t first;

        if (getrandom(&first, sizeof(first), 0) != (ssize_t)sizeof(first))
                return -EIO;
        return copies_new(token->config->accelerated_keys, first, &accel->copies);
}

int accel_init(struct accel *accel)
{
        *accel = (struct accel){.peer = {.fd = -1}};
        pthread_mutex_init(&accel->load_lock, NULL);
        return peers_new(&accel->peers);
}

/* ---- answers; -errno: the peer is gone, does not read, or says what cannot be ---- */

static int send_transferred(
        struct server *server, const struct peer *peer, uint64_t number, uint64_t copy, uint64_t evicted)
{
        const struct result *result = &server->operation->result;
        struct message_transferred message = {.number = number,
                .status = (uint8_t)result->status,
                .ckr = result->ckr,
                .copy = copy,
                .evicted = evicted,
                .text = result->text};

        return message_send_transferred(peer->fd, &message, NULL, 0);
}

static int on_transport(struct server *server, const struct peer *peer, struct wire *wire)
{
        struct operation *operation = server->operation;
        struct transport *transport = &server->transport;
        struct message_transport message;
        uint64_t copy;
        int r = message_get_transport(wire, &message);

        if (r < 0)
                return r;
        /* Also looks whether the session, and so every copy, is still there. */
        operation_run(operation, transport_attempt, transport);
        copy = operation->result.status == REPLY_OK
                       ? copies_find(operation->accel->copies, peer->token, message.spki)
                       : 0;
        if (copy != 0 || operation->result.status != REPLY_OK)
                return send_transferred(server, peer, message.number, copy, 0);
        return message_send_transport_key(peer->fd,
                &(struct message_transport_key){.number = message.number,
                        .modulus = wire_bytes(transport->modulus, transport->n_modulus),
                        .exponent = wire_bytes(transport->exponent, transport->n_exponent)},
                NULL, 0);
}

static int on_transfer(struct server *server, const struct peer *peer, struct wire *wire)
{
        struct taking taking = {.transport = &server->transport, .token = peer->token};
        int r = message_get_transfer(wire, &taking.message);

        if (r < 0)
                return r;
        operation_run(server->operation, take_attempt, &taking);
        return send_transferred(server, peer, taking.message.number, taking.copy, taking.evicted);
}

static int on_peer(struct server *server, const struct peer *peer)
{
        struct wire wire = {.data = server->buffer};
        int r = channel_receive_plain(peer->fd, server->buffer, sizeof(server->buffer), &wire.size);

        if (r != 0)
                return r > 0 ? -EPIPE : r;
        switch (message_type(&wire)) {
        case MESSAGE_TYPE_TRANSPORT:
                return on_transport(server, peer, &wire);
        case MESSAGE_TYPE_TRANSFER:
                return on_transfer(server, peer, &wire);
        default:
                return -EBADMSG;
        }
}

/* ---- the thread ---- */

static void drop_peer(struct server *server, size_t i)
{
        peer_close(&server->peers[i]);
        server->peers[i] = server->peers[--server->n_peers];
}

static void take_peers(struct server *server)
{
        const struct timeval timeout = {.tv_usec = SEND_USEC};
        struct peer fresh;

        while (peers_take(server->operation->accel->peers, &fresh)) {
                for (size_t i = 0; i < server->n_peers; i++)
                        if (strcmp(server->peers[i].token, fresh.token) == 0)
                                drop_peer(server, i--);
                (void)setsockopt(fresh.fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
                if (server->n_peers < LIMIT_SECTIONS)
                        server->peers[server->n_peers++] = fresh;
                else
                        peer_close(&fresh);
        }
}

/* Copies that the broker of now knows nothing of: it would never have them destroyed when their keys are. */
static void destroy_abandoned(struct server *server)
{
        struct session *session = server->operation->session;
        CK_OBJECT_HANDLE handle;

        while (copies_abandoned(server->operation->accel->copies, now_usec(), &handle))
                if (handle != CK_INVALID_HANDLE)
                        (void)P11(session, C_DestroyObject, session->handle, handle);
}

/* At least every KeepAlive=. */
static void turn(struct server *server)
{
        const struct token *token = server->operation->session->token;
        struct pollfd fds[LIMIT_SECTIONS + 1];
        size_t n = server->n_peers;
        int r;

        for (size_t i = 0; i < n; i++)
                fds[i] = (struct pollfd){.fd = server->peers[i].fd, .events = POLLIN};
        fds[n] = (struct pollfd){.fd = peers_fd(server->operation->accel->peers), .events = POLLIN};
        r = poll(
                fds, n + 1, (int)MIN_OF(token->config->keep_alive_usec / USEC_PER_MSEC, (uint64_t)INT32_MAX));
        /* Nobody asked: the session is looked at all the same, and where it was lost so are the copies. */
        if (r == 0)
                operation_run(server->operation, transport_attempt, &server->transport);
        if (!server->operation->ending)
                destroy_abandoned(server);
        if (r <= 0)
                return;
        /* From the last: one that is dropped moves none before it. */
        for (size_t i = n; i-- > 0 && !server->operation->ending;)
                if (fds[i].revents && on_peer(server, &server->peers[i]) < 0)
                        drop_peer(server, i);
        if (fds[n].revents)
                take_peers(server);
}

void accel_serve(struct operation *operation)
{
        struct server *server = calloc(1, sizeof(*server));

        if (!server) {
                (void)failure_set(&operation->failure, WORKER_END_ERROR, 0, "out of memory");
                return;
        }
        server->operation = operation;
        /* Before the first peer asks: it takes a while. */
        operation_run(operation, transport_attempt, &server->transport);
        if (operation->result.status != REPLY_OK)
                log_notice("token %s: no copies of keys are taken: %s",
                        operation->session->token->config->name, operation->result.text);
        while (!operation->ending)
                turn(server);
        while (server->n_peers > 0)
                drop_peer(server, 0);
        free(server);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See accel-channel.h. */
#include "daemon/worker/accel/accel-channel.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#include "daemon/util/log.h"
#include "proto/limits.h"

struct peers {
        pthread_mutex_t lock; /* never over anything that waits */
        int event_fd;
        bool closed;
        size_t n;
        struct peer waiting[LIMIT_SECTIONS];
};

int peers_new(struct peers **ret)
{
        _cleanup_(freep) struct peers *peers = calloc(1, sizeof(*peers));

        if (!peers)
                return -ENOMEM;
        peers->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (peers->event_fd < 0)
                return -errno;
        pthread_mutex_init(&peers->lock, NULL);
        *ret = TAKE_PTR(peers);
        return 0;
}

void peers_free(struct peers *peers)
{
        if (!peers)
                return;
        for (size_t i = 0; i < peers->n; i++)
                peer_close(&peers->waiting[i]);
        close(peers->event_fd);
        pthread_mutex_destroy(&peers->lock);
        free(peers);
}

void peer_close(struct peer *peer)
{
        if (peer->fd >= 0)
                close(peer->fd);
        free(peer->token);
        *peer = (struct peer){.fd = -1};
}

static struct peer *place_of(struct peers *peers, const char *token)
{
        for (size_t i = 0; i < peers->n; i++)
                if (strcmp(peers->waiting[i].token, token) == 0)
                        return &peers->waiting[i];
        return peers->n < LIMIT_SECTIONS ? &peers->waiting[peers->n] : NULL;
}

void peers_put(struct peers *peers, const char *token, int fd)
{
        struct peer peer = {.token = strdup(token), .fd = fd};
        struct peer *place;

        pthread_mutex_lock(&peers->lock);
        if (peers->closed) {
                pthread_mutex_unlock(&peers->lock);
                peer_close(&peer);
                return;
        }
        place = peer.token ? place_of(peers, token) : NULL;
        if (place == &peers->waiting[peers->n])
                peers->n++;
        else if (place)
                peer_close(place);
        if (place)
                *place = peer;
        pthread_mutex_unlock(&peers->lock);
        if (!place) {
                peer_close(&peer);
                log_error("no room for the channel to the worker of %s", token);
                return;
        }
        (void)eventfd_write(peers->event_fd, 1);
}

bool peers_take(struct peers *peers, struct peer *ret)
{
        eventfd_t ignored;
        bool there;

        pthread_mutex_lock(&peers->lock);
        there = peers->n > 0;
        if (there)
                *ret = peers->waiting[--peers->n];
        else
                (void)eventfd_read(peers->event_fd, &ignored);
        pthread_mutex_unlock(&peers->lock);
        return there;
}

void peers_close(struct peers *peers)
{
        pthread_mutex_lock(&peers->lock);
        peers->closed = true;
        while (peers->n > 0)
                peer_close(&peers->waiting[--peers->n]);
        pthread_mutex_unlock(&peers->lock);
}

int peers_fd(const struct peers *peers)
{
        return peers->event_fd;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See accel-channel.h. */
#include "daemon/worker/accel/accel-channel.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#include "daemon/util/log.h"
#include "proto/limits.h"

struct accel_channels {
        pthread_mutex_t lock; /* never held while anything waits */
        int event_fd;
        bool closed;
        size_t n;
        struct accel_channel waiting[LIMIT_SECTIONS];
};

int accel_channels_new(struct accel_channels **ret)
{
        _cleanup_(freep) struct accel_channels *channels = calloc(1, sizeof(*channels));

        if (!channels)
                return -ENOMEM;
        channels->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (channels->event_fd < 0)
                return -errno;
        pthread_mutex_init(&channels->lock, NULL);
        *ret = TAKE_PTR(channels);
        return 0;
}

void accel_channels_free(struct accel_channels *channels)
{
        if (!channels)
                return;
        for (size_t i = 0; i < channels->n; i++)
                accel_channel_close(&channels->waiting[i]);
        close(channels->event_fd);
        pthread_mutex_destroy(&channels->lock);
        free(channels);
}

void accel_channel_close(struct accel_channel *channel)
{
        if (channel->fd >= 0)
                close(channel->fd);
        free(channel->token);
        *channel = (struct accel_channel){.fd = -1};
}

static struct accel_channel *place_of(struct accel_channels *channels, const char *token)
{
        for (size_t i = 0; i < channels->n; i++)
                if (strcmp(channels->waiting[i].token, token) == 0)
                        return &channels->waiting[i];
        return channels->n < LIMIT_SECTIONS ? &channels->waiting[channels->n] : NULL;
}

void accel_channels_put(struct accel_channels *channels, const char *token, int fd)
{
        struct accel_channel channel = {.token = strdup(token), .fd = fd};
        struct accel_channel *place;

        pthread_mutex_lock(&channels->lock);
        if (channels->closed) {
                pthread_mutex_unlock(&channels->lock);
                accel_channel_close(&channel);
                return;
        }
        place = channel.token ? place_of(channels, token) : NULL;
        if (place == &channels->waiting[channels->n])
                channels->n++;
        else if (place)
                accel_channel_close(place);
        if (place)
                *place = channel;
        pthread_mutex_unlock(&channels->lock);
        if (!place) {
                accel_channel_close(&channel);
                log_error("no room for the channel to the worker of %s", token);
                return;
        }
        (void)eventfd_write(channels->event_fd, 1);
}

bool accel_channels_take(struct accel_channels *channels, struct accel_channel *ret)
{
        eventfd_t ignored;
        bool there;

        pthread_mutex_lock(&channels->lock);
        there = channels->n > 0;
        if (there)
                *ret = channels->waiting[--channels->n];
        else
                (void)eventfd_read(channels->event_fd, &ignored);
        pthread_mutex_unlock(&channels->lock);
        return there;
}

void accel_channels_close(struct accel_channels *channels)
{
        pthread_mutex_lock(&channels->lock);
        channels->closed = true;
        while (channels->n > 0)
                accel_channel_close(&channels->waiting[--channels->n]);
        pthread_mutex_unlock(&channels->lock);
}

int accel_channels_fd(const struct accel_channels *channels)
{
        return channels->event_fd;
}

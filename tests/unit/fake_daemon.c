/* SPDX-License-Identifier: MPL-2.0 */
/* See fake_daemon.h. Failures of its own end the test program: nothing can be tested then. */
#include "tests/unit/fake_daemon.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/frame.h"
#include "proto/limits.h"

#define CONNECTIONS 64

struct peer {
        int fd;
        struct frame frame;
};

static void must(bool ok, const char *what)
{
        if (ok)
                return;
        perror(what);
        abort();
}

void fake_init(struct fake *fake, fake_handler handler)
{
        memset(fake, 0, sizeof(*fake));
        fake->handler = handler;
        fake->held = -1;
        snprintf(fake->directory, sizeof(fake->directory), "/tmp/tokend-unit-XXXXXX");
        must(mkdtemp(fake->directory) != NULL, "mkdtemp");
        snprintf(fake->path, sizeof(fake->path), "%s/socket", fake->directory);
}

/* false: the connection is over. */
static bool serve(struct fake *fake, struct peer *peer)
{
        char *room, *request;
        size_t length;
        ssize_t n;

        if (frame_room(&peer->frame, &room, &length) < 0)
                return false;
        n = recv(peer->fd, room, length, 0);
        if (n <= 0)
                return false;
        frame_filled(&peer->frame, (size_t)n);
        while (frame_next(&peer->frame, &request, &length) > 0) {
                fake_handler handler = atomic_load(&fake->handler);

                fake->n_requests++;
                if (!handler(fake, peer->fd, request))
                        return false;
        }
        return true;
}

static void hang_up(struct fake *fake, struct peer *peer)
{
        if (fake->held == peer->fd)
                fake->held = -1;
        close(peer->fd);
        frame_done(&peer->frame);
}

static void *run(void *userdata)
{
        struct fake *fake = userdata;
        struct peer peers[CONNECTIONS];
        struct pollfd fds[CONNECTIONS + 2] = {{fake->stop[0], POLLIN, 0}, {fake->listener, POLLIN, 0}};
        unsigned n = 0;

        for (;;) {
                for (unsigned i = 0; i < n; i++)
                        fds[i + 2] = (struct pollfd){peers[i].fd, POLLIN, 0};
                must(poll(fds, n + 2, -1) > 0, "poll");
                if (fds[0].revents)
                        break;
                for (unsigned i = n; i-- > 0;)
                        if (fds[i + 2].revents && !serve(fake, &peers[i])) {
                                hang_up(fake, &peers[i]);
                                peers[i] = peers[--n];
                        }
                if (fds[1].revents && n < CONNECTIONS) {
                        peers[n].fd = accept(fake->listener, NULL, NULL);
                        must(peers[n].fd >= 0, "accept");
                        frame_init(&peers[n++].frame, LIMIT_MESSAGE);
                        fake->n_connections++;
                }
        }
        while (n > 0)
                hang_up(fake, &peers[--n]);
        return NULL;
}

void fake_start(struct fake *fake)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake->path);
        fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(fake->listener >= 0, "socket");
        must(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
        must(listen(fake->listener, 64) == 0, "listen");
        must(pipe(fake->stop) == 0, "pipe");
        must(pthread_create(&fake->thread, NULL, run, fake) == 0, "pthread_create");
        fake->running = true;
}

void fake_stop(struct fake *fake)
{
        if (!fake->running)
                return;
        close(fake->stop[1]);
        pthread_join(fake->thread, NULL);
        close(fake->stop[0]);
        close(fake->listener);
        unlink(fake->path);
        fake->running = false;
}

void fake_done(struct fake *fake)
{
        fake_stop(fake);
        rmdir(fake->directory);
}

void fake_send_bytes(int fd, const void *bytes, size_t n)
{
        const char *at = bytes;

        while (n > 0) {
                ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

                if (sent < 0)
                        return; /* the client may have gone: that is its right */
                at += sent;
                n -= (size_t)sent;
        }
}

void fake_send(int fd, const char *text)
{
        fake_send_bytes(fd, text, strlen(text) + 1);
}

bool fake_is(const char *request, const char *method)
{
        char text[80];

        snprintf(text, sizeof(text), "\"method\":\"io.tokend.%s\"", method);
        return strstr(request, text) != NULL;
}

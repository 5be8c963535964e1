/* SPDX-License-Identifier: MPL-2.0 */
/* The socket of one connection. It does not block: poll(2) waits, and only for so long. Called by exchange.c, pool.c and run.c. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client/internal.h"

int socket_new(void)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), moved, error;

        if (fd < 0 || fd > STDERR_FILENO)
                return fd;
        moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        error = errno;
        close(fd);
        errno = error;
        return moved;
}

int socket_connect(struct pool_connection *connection, const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        memcpy(address.sun_path, path, strlen(path)); /* tokend_open() checked the length */
        return connect(connection->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

void socket_wait(int fd, short events, int64_t until)
{
        for (;;) {
                struct pollfd pollfd = {.fd = fd, .events = events};
                int64_t left = until - clock_usec();
                struct timespec ts = {.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};

                if (left <= 0 || ppoll(&pollfd, 1, &ts, NULL) >= 0 || errno != EINTR)
                        return;
        }
}

int socket_send(struct pool_connection *connection, const char **text, size_t *length)
{
        while (*length > 0) {
                ssize_t n = send(connection->fd, *text, *length, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n >= 0) {
                        *text += n;
                        *length -= (size_t)n;
                } else if (errno != EINTR) {
                        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
                }
        }
        return 0;
}

int socket_read(struct pool_connection *connection)
{
        char *room;
        size_t length;
        ssize_t n;
        int r = frame_room(&connection->frame, &room, &length);

        if (r < 0)
                return r;
        n = recv(connection->fd, room, length, MSG_DONTWAIT);
        if (n <= 0)
                return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? -EAGAIN
                                                                                            : -ECONNRESET;
        frame_filled(&connection->frame, (size_t)n);
        return 0;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* The socket of one connection. It does not block: poll(2) waits, and only until the deadline. Called by call.c. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client/internal.h"

void sleep_until(int64_t usec)
{
        struct timespec ts = {.tv_sec = usec / 1000000, .tv_nsec = usec % 1000000 * 1000};

        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
                ;
}

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

/* 0: the socket is ready, or broken, which the next system call reports. */
static int wait_for(int fd, short events, int64_t deadline)
{
        for (;;) {
                struct pollfd pollfd = {.fd = fd, .events = events};
                int64_t left = deadline - clock_usec();
                struct timespec ts = {.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};
                int r;

                if (left <= 0)
                        return -ETIMEDOUT;
                /* A fork in a callback closed it: poll(2) would wait in vain. */
                if (fd < 0)
                        return -ECONNRESET;
                r = ppoll(&pollfd, 1, &ts, NULL);
                if (r > 0)
                        return 0;
                if (r < 0 && errno != EINTR)
                        return -errno;
        }
}

int socket_send(struct pool_connection *connection, const char *message, int64_t deadline, bool *ret_sent)
{
        size_t left = strlen(message) + 1;

        *ret_sent = false;
        while (left > 0) {
                ssize_t n = send(connection->fd, message, left, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n >= 0) {
                        message += n;
                        left -= (size_t)n;
                } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
                        int r = wait_for(connection->fd, POLLOUT, deadline);
                        if (r < 0)
                                return r;
                } else if (errno != EINTR) {
                        return -errno;
                }
        }
        *ret_sent = true;
        return 0;
}

int socket_receive(struct pool_connection *connection, int64_t deadline, char **ret, size_t *ret_length)
{
        for (;;) {
                char *room;
                size_t length;
                ssize_t n;
                int r = frame_next(&connection->frame, ret, ret_length);

                if (r != 0)
                        return r < 0 ? r : 0;
                r = frame_room(&connection->frame, &room, &length);
                if (r < 0)
                        return r;
                /* A reply takes some time: to wait first saves a system call. */
                r = wait_for(connection->fd, POLLIN, deadline);
                if (r < 0)
                        return r;
                n = recv(connection->fd, room, length, MSG_DONTWAIT);
                if (n > 0)
                        frame_filled(&connection->frame, (size_t)n);
                else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
                        return -ECONNRESET;
        }
}

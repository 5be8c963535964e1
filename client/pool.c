/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The handle and its connections: those in use and those kept for the next call. It owns every descriptor of the library.
 * Called by call.c. The lock of a handle is held for a few instructions at a time, and never over a system call that waits.
 *
 * fork(2): all handles are in one list, so that the handlers of pthread_atfork(3) can take every lock while the process is
 * copied, and the child can close the connections that it inherited. If the child kept its copies, the connections would
 * stay open after the parent closed them; if it used them, the requests of two processes would be mixed. This list is the
 * only global of the library.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/internal.h"

#define DEFAULT_SOCKET        "/run/tokend/tokend.sock"
#define DEFAULT_STATUS_SOCKET "/run/tokend/status.sock"

static pthread_mutex_t handles_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tokend *handles;
static pthread_once_t handlers_once = PTHREAD_ONCE_INIT;

/* ---- descriptors ---- */

/* Whether the descriptor is still the connection's socket. Programs that become daemons close descriptors that are not theirs
 * (closefrom(3)), and what they open then gets the numbers. A process that may not ask, because of a seccomp filter, did not. */
static bool is_own(const struct pool_connection *connection)
{
        struct stat status;

        if (connection->fd < 0 || fstat(connection->fd, &status) < 0)
                return connection->fd >= 0 && errno != EBADF;
        return S_ISSOCK(status.st_mode) && status.st_ino == connection->ino;
}

/* Whether the loop's descriptors are still its own: no other epoll has this timer. */
static bool has_loop(const struct tokend *handle)
{
        struct epoll_event event = {.events = EPOLLIN};

        return handle->loop_fd >= 0 &&
               epoll_ctl(handle->loop_fd, EPOLL_CTL_MOD, handle->timer_fd, &event) == 0;
}

static void close_loop(struct tokend *handle)
{
        if (has_loop(handle)) {
                close(handle->loop_fd);
                close(handle->timer_fd);
        }
        handle->loop_fd = handle->timer_fd = -1;
        handle->armed_usec = INT64_MAX;
}

static void close_own(struct pool_connection *connection)
{
        if (is_own(connection))
                close(connection->fd);
        connection->fd = -1;
}

/* ---- fork ---- */

static void before_fork(void)
{
        pthread_mutex_lock(&handles_lock);
        for (struct tokend *h = handles; h; h = h->next)
                pthread_mutex_lock(&h->lock);
}

static void after_fork_in_parent(void)
{
        for (struct tokend *h = handles; h; h = h->next)
                pthread_mutex_unlock(&h->lock);
        pthread_mutex_unlock(&handles_lock);
}

/* Frees the idle connections. One in use belonged to a thread that the child does not have, or to a callback of tokend_watch()
 * that forked: it is closed and stays in the list, for that callback's call or for tokend_close(). */
static void close_inherited(struct tokend *handle)
{
        struct pool_connection **link = &handle->connections;

        while (*link) {
                struct pool_connection *connection = *link;

                close_own(connection);
                if (!connection->idle) {
                        link = &connection->next;
                        continue;
                }
                *link = connection->next;
                frame_done(&connection->frame);
                free(connection);
        }
        handle->n_idle = 0;
}

static void after_fork_in_child(void)
{
        for (struct tokend *h = handles; h; h = h->next) {
                close_inherited(h);
                /* The parent's calls are not the child's: a thread that it does not have may have been at them. */
                h->waiting = h->ready = h->turn = NULL;
                close_loop(h);
                pthread_mutex_unlock(&h->lock);
        }
        pthread_mutex_unlock(&handles_lock);
}

static void install_handlers(void)
{
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- the handle ---- */

static struct tokend *open_path(const char *path, const char *variable, const char *otherwise, unsigned flags)
{
        struct tokend *handle;

        if (!path)
                path = secure_getenv(variable);
        if (!path || !*path)
                path = otherwise;
        if (flags & ~TOKEND_NO_WAIT) {
                errno = EINVAL;
                return NULL;
        }
        if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
                errno = ENAMETOOLONG;
                return NULL;
        }
        handle = calloc(1, sizeof(*handle));
        if (!handle)
                return NULL;
        handle->path = strdup(path);
        if (!handle->path) {
                free(handle);
                return NULL;
        }
        handle->flags = flags;
        handle->loop_fd = handle->timer_fd = -1;
        handle->armed_usec = INT64_MAX;
        pthread_mutex_init(&handle->lock, NULL);

        pthread_once(&handlers_once, install_handlers);
        pthread_mutex_lock(&handles_lock);
        handle->next = handles;
        handles = handle;
        pthread_mutex_unlock(&handles_lock);
        return handle;
}

struct tokend *tokend_open(const char *path, unsigned flags)
{
        return open_path(path, "TOKEND_SOCKET", DEFAULT_SOCKET, flags);
}

struct tokend *tokend_open_status(const char *path, unsigned flags)
{
        return open_path(path, "TOKEND_STATUS_SOCKET", DEFAULT_STATUS_SOCKET, flags);
}

static void unlist_handle(struct tokend *handle)
{
        struct tokend **link = &handles;

        pthread_mutex_lock(&handles_lock);
        while (*link != handle)
                link = &(*link)->next;
        *link = handle->next;
        pthread_mutex_unlock(&handles_lock);
}

void pool_close(struct tokend *handle)
{
        unlist_handle(handle);
        close_loop(handle);
        while (handle->connections) {
                struct pool_connection *connection = handle->connections;

                handle->connections = connection->next;
                close_own(connection);
                /* A connection in use, though no call is in progress, was left by a thread that the child of a fork does
                 * not have. Its buffer may be half changed. */
                if (connection->idle)
                        frame_done(&connection->frame);
                free(connection);
        }
        pthread_mutex_destroy(&handle->lock);
        free(handle->path);
        free(handle);
}

/* ---- its connections ---- */

/* Whether the daemon closed the connection, or sent something, or the program closed it, while it was idle. */
static bool is_stale(const struct pool_connection *connection)
{
        char byte;

        return !is_own(connection) || recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
               (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static struct pool_connection *take_idle(struct tokend *handle)
{
        struct pool_connection *connection;
        uid_t uid = geteuid();

        pthread_mutex_lock(&handle->lock);
        connection = handle->connections;
        while (connection && !(connection->idle && connection->uid == uid))
                connection = connection->next;
        if (connection) {
                connection->idle = false;
                handle->n_idle--;
        }
        pthread_mutex_unlock(&handle->lock);
        return connection;
}

struct pool_connection *pool_take(struct tokend *handle)
{
        struct pool_connection *connection;

        while ((connection = take_idle(handle)) && is_stale(connection))
                pool_drop(handle, connection);
        return connection;
}

int pool_new(struct tokend *handle, struct pool_connection **ret)
{
        struct pool_connection *connection = calloc(1, sizeof(*connection));
        struct stat status;
        int r = 0;

        if (!connection)
                return -ENOMEM;
        frame_init(&connection->frame, REPLY_MAX);
        pthread_mutex_lock(&handle->lock);
        connection->fd = socket_new();
        if (connection->fd < 0) {
                r = -errno;
        } else {
                connection->ino = fstat(connection->fd, &status) == 0 ? status.st_ino : 0;
                connection->uid = geteuid();
                connection->next = handle->connections;
                handle->connections = connection;
        }
        pthread_mutex_unlock(&handle->lock);
        if (r < 0) {
                free(connection);
                return r;
        }
        *ret = connection;
        return 0;
}

int pool_loop(struct tokend *handle)
{
        struct epoll_event event = {.events = EPOLLIN};
        int r;

        if (has_loop(handle))
                return 0;
        handle->armed_usec = INT64_MAX;
        handle->loop_fd = epoll_create1(EPOLL_CLOEXEC);
        handle->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (handle->loop_fd >= 0 && handle->timer_fd >= 0 &&
                epoll_ctl(handle->loop_fd, EPOLL_CTL_ADD, handle->timer_fd, &event) == 0)
                return 0;
        r = -errno;
        if (handle->loop_fd >= 0)
                close(handle->loop_fd);
        if (handle->timer_fd >= 0)
                close(handle->timer_fd);
        handle->loop_fd = handle->timer_fd = -1;
        return r;
}

int pool_watch(struct tokend *handle, struct pool_connection *connection, uint32_t events, void *owner)
{
        struct epoll_event event = {.events = events, .data.ptr = owner};

        if (connection->watched == events)
                return 0;
        if (epoll_ctl(handle->loop_fd, connection->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, connection->fd,
                    &event) < 0)
                return -errno;
        connection->watched = events;
        return 0;
}

static void unwatch(struct tokend *handle, struct pool_connection *connection)
{
        struct epoll_event none = {0};

        /* A child that was made past pthread_atfork(3) may have a copy: closing ours does not end it. */
        if (connection->watched && is_own(connection))
                (void)epoll_ctl(handle->loop_fd, EPOLL_CTL_DEL, connection->fd, &none);
        connection->watched = 0;
}

void pool_give_back(struct tokend *handle, struct pool_connection *connection)
{
        bool keep;

        unwatch(handle, connection);
        /* A fork in a callback closed it, or there are bytes after the reply. */
        if (connection->fd < 0 || frame_pending(&connection->frame) > 0) {
                pool_drop(handle, connection);
                return;
        }
        frame_shrink(&connection->frame);
        pthread_mutex_lock(&handle->lock);
        keep = handle->n_idle < IDLE_MAX;
        if (keep) {
                connection->idle = true;
                handle->n_idle++;
        }
        pthread_mutex_unlock(&handle->lock);
        if (!keep)
                pool_drop(handle, connection);
}

void pool_drop(struct tokend *handle, struct pool_connection *connection)
{
        struct pool_connection **link;

        unwatch(handle, connection);
        pthread_mutex_lock(&handle->lock);
        for (link = &handle->connections; *link != connection; link = &(*link)->next)
                ;
        *link = connection->next;
        close_own(connection);
        pthread_mutex_unlock(&handle->lock);
        frame_done(&connection->frame);
        free(connection);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See sockets.h. */
#include "daemon/supervisor/sockets.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "daemon/util/log.h"
#include "daemon/util/name-service.h"

/* Callers wait here while a broker is replaced. */
#define BACKLOG 4096
/* How long the children of a killed daemon may take to close its sockets. */
#define ORPHANS_USEC      (5 * USEC_PER_SEC)
#define ORPHANS_STEP_USEC (20 * USEC_PER_MSEC)

static struct sockaddr_un address_of(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        /* The configuration has checked that it fits. */
        strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        return address;
}

/* Whether the process that listens on the other end is alive. */
static bool listener_lives(int fd)
{
        struct ucred peer = {0};
        socklen_t length = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 || peer.pid <= 0)
                return true;
        return kill(peer.pid, 0) == 0 || errno != ESRCH;
}

enum socket_owner {
        NOBODY,
        DAEMON,
        ORPHAN
};

/* Who answers at a socket: NOBODY, a living DAEMON, or an ORPHAN: a child that still holds the socket of a dead daemon. -errno. */
static int who_answers(const char *path)
{
        const struct sockaddr_un address = address_of(path);
        _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
                if (errno == ECONNREFUSED || errno == ENOENT)
                        return NOBODY;
                /* EAGAIN: its queue is full, so somebody listens. */
                return errno == EAGAIN ? DAEMON : -errno;
        }
        return listener_lives(fd) ? DAEMON : ORPHAN;
}

/* Removes a socket that nobody listens on any more. 1: another process listens there; 2: the file is not a socket. -errno. */
static int remove_stale(const char *path)
{
        const struct timespec step = {.tv_nsec = (long)ORPHANS_STEP_USEC * 1000};
        struct stat st;
        int who;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return 2;
        who = who_answers(path);
        /* A daemon was killed a moment ago, and its broker is about to end. Waiting here delays nobody: nothing else runs yet. */
        for (uint64_t waited = 0; who == ORPHAN && waited < ORPHANS_USEC; waited += ORPHANS_STEP_USEC) {
                (void)nanosleep(&step, NULL);
                who = who_answers(path);
        }
        if (who < 0)
                return who;
        if (who != NOBODY)
                return 1;
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int make_parent(const char *path)
{
        _cleanup_(freep) char *parent = strdup(path);
        char *slash = parent ? strrchr(parent, '/') : NULL;

        if (!parent)
                return -ENOMEM;
        if (!slash || slash == parent)
                return 0;
        *slash = '\0';
        if (mkdir(parent, 0700) < 0)
                return errno == EEXIST ? 0 : -errno;
        /* Callers must get through here, whatever the umask is. */
        return chmod(parent, 0755) < 0 ? -errno : 0;
}

/* Sets the mode, and the group tokend if it exists and we may give files to it. */
static int set_access(const char *path, mode_t mode, bool to_group)
{
        uint32_t gid = 0;
        int r = to_group ? name_service_number(NAME_GROUP, "tokend", &gid) : -ENOENT;

        if (r < 0 && r != -ENOENT)
                return r;
        if (r == 0 && chown(path, (uid_t)-1, gid) < 0)
                log_warning("%s cannot be given to the group tokend: %s", path, strerror(errno));
        return chmod(path, mode) < 0 ? -errno : 0;
}

/* Binds without access for anybody, then gives access, and only then listens. */
static int bind_to(int fd, const char *path, mode_t mode, bool to_group)
{
        const struct sockaddr_un address = address_of(path);
        mode_t mask = umask(0777);
        int r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;

        (void)umask(mask);
        if (r == 0)
                r = set_access(path, mode, to_group);
        if (r == 0 && listen(fd, BACKLOG) < 0)
                r = -errno;
        return r;
}

/* 1, 2: as remove_stale(). */
static int open_own(struct listening *listening, const char *path, mode_t mode, bool to_group)
{
        _cleanup_(closep) int fd = -1;
        _cleanup_(freep) char *copy = strdup(path);
        struct stat st;
        int r;

        if (!copy)
                return -ENOMEM;
        r = make_parent(path);
        if (r == 0)
                r = remove_stale(path);
        if (r != 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        r = bind_to(fd, path, mode, to_group);
        if (r == 0 && lstat(path, &st) < 0)
                r = -errno;
        if (r < 0)
                return r;
        *listening = (struct listening){.fd = take_fd(&fd),
                .path = TAKE_PTR(copy),
                .device = st.st_dev,
                .inode = st.st_ino,
                .mode = mode,
                .group = st.st_gid};
        return 0;
}

/* ---- systemd's ---- */

/* Takes the descriptor over. 1: it is not the socket that it should be, and the log says so. -errno. */
static int take_passed(struct sockets *sockets, const char *name, int fd)
{
        struct listening *listening;

        if (strcmp(name, "keys") == 0)
                listening = &sockets->keys;
        else if (strcmp(name, "status") == 0)
                listening = &sockets->status;
        else {
                log_warning("systemd passed a descriptor named %s, expected `keys` or `status`; it is closed",
                        name);
                close(fd);
                return 0;
        }
        if (listening->fd >= 0 || sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0) {
                log_error("systemd passed %s for %s, expected one listening UNIX stream socket",
                        listening->fd >= 0 ? "a second descriptor" : "a descriptor of another kind", name);
                close(fd);
                return 1;
        }
        listening->fd = fd;
        return fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int take_all_passed(struct sockets *sockets)
{
        char **names = NULL;
        int n = sd_listen_fds_with_names(1, &names), r = 0;

        for (int i = 0; i < n; i++) {
                int taken = take_passed(sockets, names[i], SD_LISTEN_FDS_START + i);

                if (taken != 0)
                        r = taken;
                free(names[i]);
        }
        free(names);
        return n < 0 ? n : r;
}

static int open_one(struct listening *listening, const char *path, mode_t mode, bool to_group)
{
        int r;

        if (listening->fd >= 0)
                return 0;
        r = open_own(listening, path, mode, to_group);
        if (r != 0)
                log_error("cannot listen on %s: %s", path,
                        r == 1   ? "another process listens there"
                        : r == 2 ? "the file exists and is not a socket"
                                 : strerror(-r));
        return r != 0;
}

int sockets_open(struct sockets *sockets, const struct config *config)
{
        int r;

        r = take_all_passed(sockets);
        if (r != 0)
                return r;
        r = open_one(&sockets->keys, config->socket, 0666, false);
        if (r == 0)
                r = open_one(&sockets->status, config->status_socket, 0660, true);
        return r;
}

/* ---- a file that was removed ---- */

/* Whether the path is that of our own file still. 1: there is no file; 2: it is another one. */
static int is_gone(const struct listening *listening)
{
        struct stat st;

        if (lstat(listening->path, &st) < 0)
                return errno == ENOENT ? 1 : 0;
        return st.st_dev == listening->device && st.st_ino == listening->inode ? 0 : 2;
}

/* Without the group's name, which may take long to look up. */
static int make_again(struct listening *listening)
{
        struct listening made = {.fd = -1};
        int r = open_own(&made, listening->path, listening->mode, false);

        if (r == 0 && chown(made.path, (uid_t)-1, listening->group) < 0)
                log_warning("%s cannot be given to its group again: %s", made.path, strerror(errno));
        if (r != 0)
                return r < 0 ? r : -EADDRINUSE;
        made.group = listening->group;
        closep(&listening->fd);
        free(listening->path);
        *listening = made;
        return 0;
}

/* systemd's: its path is the socket's own. */
static bool is_passed_gone(const struct listening *listening)
{
        struct sockaddr_un address = {0};
        socklen_t length = sizeof(address);

        return getsockname(listening->fd, (struct sockaddr *)&address, &length) == 0 &&
               address.sun_family == AF_UNIX && address.sun_path[0] == '/' &&
               access(address.sun_path, F_OK) < 0 && errno == ENOENT;
}

bool sockets_mend(struct listening *listening)
{
        int gone = listening->fd < 0  ? 0
                   : !listening->path ? (is_passed_gone(listening) ? 1 : 0)
                                      : is_gone(listening),
            r = gone;

        if (gone == 0)
                listening->missed = false;
        else if (gone == 1 && listening->path) {
                r = make_again(listening);
                if (r == 0)
                        log_warning("%s was removed while tokend listened on it: it is there again",
                                listening->path);
        }
        if (r != 0 && !listening->missed) {
                log_error("nobody can connect to %s: %s",
                        listening->path ? listening->path : "a socket of systemd's",
                        r == 1   ? "its file was removed; restart its unit"
                        : r == 2 ? "another file is in its place; restart tokend"
                                 : strerror(-r));
                listening->missed = true;
        }
        return gone == 1 && r == 0;
}

static void close_one(struct listening *listening)
{
        /* The file may be a successor's by now. */
        if (listening->path && is_gone(listening) == 0)
                (void)unlink(listening->path);
        free(listening->path);
        closep(&listening->fd);
        *listening = (struct listening){.fd = -1};
}

void sockets_close(struct sockets *sockets)
{
        close_one(&sockets->keys);
        close_one(&sockets->status);
}

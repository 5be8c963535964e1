/* SPDX-License-Identifier: MPL-2.0 */
/* See name-service.h. */
#include "daemon/util/name-service.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/util/macros.h"

struct answer {
        int r;
        uint32_t number;
};

static struct answer look_up(enum name_kind kind, const char *name)
{
        const struct passwd *user;
        const struct group *group;

        errno = 0;
        if (kind == NAME_USER && (user = getpwnam(name)))
                return (struct answer){.number = user->pw_uid};
        if (kind == NAME_GROUP && (group = getgrnam(name)))
                return (struct answer){.number = group->gr_gid};
        return (struct answer){.r = errno == ENOMEM ? -ENOMEM : -ENOENT};
}

/* In the child. It keeps no descriptor whose end somebody waits for. */
static _Noreturn void answer(enum name_kind kind, const char *name, pid_t parent, int fd)
{
        struct answer found;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || dup2(fd, STDIN_FILENO) < 0)
                _exit(EXIT_FAILURE);
        closefrom(STDERR_FILENO + 1);
        found = look_up(kind, name);
        _exit(write(STDIN_FILENO, &found, sizeof(found)) == (ssize_t)sizeof(found) ? EXIT_SUCCESS
                                                                                   : EXIT_FAILURE);
}

int name_service_number(enum name_kind kind, const char *name, uint32_t *ret)
{
        _cleanup_(closep) int ours = -1, theirs = -1;
        struct answer found;
        pid_t parent = getpid(), pid;
        ssize_t n;
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        ours = fds[0];
        theirs = fds[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                answer(kind, name, parent, theirs);
        close(take_fd(&theirs));
        while ((n = read(ours, &found, sizeof(found))) < 0 && errno == EINTR)
                ;
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        if (n != (ssize_t)sizeof(found))
                return -ENOMEM;
        if (found.r == 0)
                *ret = found.number;
        return found.r;
}

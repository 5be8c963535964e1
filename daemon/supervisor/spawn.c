/* SPDX-License-Identifier: MPL-2.0 */
/* See spawn.h. */
#include "daemon/supervisor/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>

#define FIRST_FD 3

static size_t count(char *const *list)
{
        size_t n = 0;

        while (list && list[n])
                n++;
        return n;
}

static bool starts(const char *text, const char *with)
{
        return strncmp(text, with, strlen(with)) == 0;
}

int environment_of_broker(char ***ret)
{
        char **environment = calloc(count(environ) + 1, sizeof(*environment));
        size_t n = 0;

        if (!environment)
                return -ENOMEM;
        for (char **variable = environ; *variable; variable++) {
                const char *equals = strchr(*variable, '=');

                if (starts(*variable, "JOURNAL_STREAM=") || starts(*variable, "TOKEND_DEBUG=") ||
                        (equals && equals - *variable > 11 && starts(equals - 11, "SAN_OPTIONS=")))
                        environment[n++] = *variable;
        }
        *ret = environment;
        return 0;
}

/* Sets NAME=VALUE in an environment that has room for it. */
static void put(char **environment, size_t *n, char *variable)
{
        size_t length = strcspn(variable, "=") + 1;

        for (size_t i = 0; i < *n; i++)
                if (strncmp(environment[i], variable, length) == 0) {
                        environment[i] = variable;
                        return;
                }
        environment[(*n)++] = variable;
}

int environment_of_worker(char *const *more, char ***ret)
{
        char **environment = calloc(count(environ) + count(more) + 1, sizeof(*environment));
        size_t n = 0;

        if (!environment)
                return -ENOMEM;
        for (char **variable = environ; *variable; variable++)
                if (!starts(*variable, "NOTIFY_SOCKET=") && !starts(*variable, "LISTEN_") &&
                        !starts(*variable, "WATCHDOG_"))
                        environment[n++] = *variable;
        for (; *more; more++)
                put(environment, &n, *more);
        *ret = environment;
        return 0;
}

static int set_actions(posix_spawn_file_actions_t *actions, const int *fds, size_t n_fds, int output_fd)
{
        int r;

        r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(
                        actions, output_fd >= 0 ? output_fd : STDERR_FILENO, STDOUT_FILENO);
        if (r == 0 && output_fd >= 0)
                r = posix_spawn_file_actions_adddup2(actions, output_fd, STDERR_FILENO);
        for (size_t i = 0; i < n_fds && r == 0; i++)
                r = posix_spawn_file_actions_adddup2(actions, fds[i], FIRST_FD + (int)i);
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(actions, FIRST_FD + (int)n_fds);
        return r;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
        sigset_t none, all;
        int r;

        sigemptyset(&none);
        sigfillset(&all);
        /* A process group of its own, so that what it starts ends with it. */
        r = posix_spawnattr_setflags(
                attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        if (r == 0)
                r = posix_spawnattr_setsigmask(attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(attributes, &all);
        return r;
}

int program_start(const char *path, char *const argv[], char *const environment[], const int *fds,
        size_t n_fds, int output_fd, pid_t *ret)
{
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        pid_t pid;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r == 0) {
                r = set_attributes(&attributes);
                if (r == 0)
                        r = set_actions(&actions, fds, n_fds, output_fd);
                if (r == 0)
                        r = posix_spawn(&pid, path, &actions, &attributes, argv, environment);
                posix_spawnattr_destroy(&attributes);
        }
        posix_spawn_file_actions_destroy(&actions);
        if (r == 0)
                *ret = pid;
        return -r;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See unit.h. */
#include "client/tokendctl/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/util/printable.h"

/* How long one question to systemd may take, and how much of its answer is read. */
#define ASK_USEC   (USEC_PER_SEC)
#define ASK_ANSWER 8192U

/* ---- another program's output ---- */

static int start(char *const *argv, int fd, pid_t *ret)
{
        posix_spawn_file_actions_t actions;
        int r = posix_spawn_file_actions_init(&actions);

        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawnp(ret, argv[0], &actions, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* What it writes, with a NUL; what it has written by the end of the time, or as much as there is room for. */
static void read_output(int fd, char text[static ASK_ANSWER])
{
        uint64_t end = now_usec() + ASK_USEC;
        size_t n = 0;

        while (n + 1 < ASK_ANSWER) {
                struct pollfd wait = {.fd = fd, .events = POLLIN};
                uint64_t now = now_usec();
                ssize_t more;

                if (now >= end || poll(&wait, 1, (int)((end - now) / USEC_PER_MSEC) + 1) <= 0)
                        break;
                more = read(fd, text + n, ASK_ANSWER - 1 - n);
                if (more <= 0)
                        break;
                n += (size_t)more;
        }
        text[n] = '\0';
}

/* text is empty where the program is not there, or says nothing. */
static void output_of(char *const *argv, char text[static ASK_ANSWER])
{
        int fds[2];
        pid_t pid;

        text[0] = '\0';
        if (pipe2(fds, O_CLOEXEC) < 0)
                return;
        if (start(argv, fds[1], &pid) < 0) {
                close(fds[0]);
                close(fds[1]);
                return;
        }
        close(fds[1]);
        read_output(fds[0], text);
        close(fds[0]);
        (void)kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

/* ---- what systemd says ---- */

/* The value of NAME=VALUE in the block that has Id=unit, which is cut off there; NULL: there is none. */
static char *property(char *text, const char *unit, const char *name)
{
        char *found = NULL, *line, *next;
        bool is_units = false;

        for (line = text; line; line = next) {
                size_t n = strlen(name);

                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                if (!*line) {
                        if (is_units && found)
                                break;
                        is_units = false;
                        found = NULL;
                }
                if (strncmp(line, "Id=", 3) == 0 && strcmp(line + 3, unit) == 0)
                        is_units = true;
                if (strncmp(line, name, n) == 0 && line[n] == '=')
                        found = line + n + 1;
        }
        return is_units ? found : NULL;
}

/* As a new string; "" where there is none. NULL: no memory. */
static char *property_new(const char *text, const char *unit, const char *name)
{
        _cleanup_(freep) char *copy = strdup(text);
        const char *value = copy ? property(copy, unit, name) : NULL;

        return copy ? strdup(value ? value : "") : NULL;
}

/* "PATH (Stream)", one or several. */
static bool listens_on(const char *listen, const char *path)
{
        size_t n = strlen(path);

        return strncmp(listen, path, n) == 0 && (listen[n] == ' ' || !listen[n]);
}

/* Whether a line begins with FILE:LINE: as the faults of a configuration do. */
static bool is_fault(const char *line)
{
        const char *colon = strchr(line, ':');

        return *line == '/' && colon && colon[1] >= '1' && colon[1] <= '9' &&
               colon[1 + strspn(colon + 1, "0123456789")] == ':';
}

/* The last fault of the files that the service wrote, or nothing. */
static void find_fault(char *ret, size_t size)
{
        char program[] = "journalctl", unit[] = "--unit=tokend.service", n[] = "--lines=30",
             output[] = "--output=cat", quiet[] = "--quiet", pager[] = "--no-pager";
        char *const argv[] = {program, unit, n, output, quiet, pager, NULL};
        char text[ASK_ANSWER], *line, *next;

        *ret = '\0';
        output_of(argv, text);
        for (line = text; line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                if (is_fault(line))
                        (void)snprintf(ret, size, ": %.*s", (int)size - 3, line);
        }
}

static void describe(const char *state, const char *sub_state, const char *status, struct tokend_failure *ret)
{
        bool failed = strcmp(status, "0") != 0 && *status;
        char fault[256], text[sizeof(ret->text)];

        *ret = (struct tokend_failure){.error = TOKEND_CANNOT_CONNECT};
        (void)snprintf(ret->name, sizeof(ret->name), "%s", tokend_error_name(TOKEND_CANNOT_CONNECT));
        *fault = '\0';
        if (failed)
                find_fault(fault, sizeof(fault));
        (void)snprintf(text, sizeof(text), "tokend.service: %s, %s%s%s%s", state, sub_state,
                failed ? ", status " : "", failed ? status : "", fault);
        (void)printable_copy(ret->text, sizeof(ret->text), text, strlen(text));
        if (*fault)
                ret->next = "Mend this line; `tokend --check` says whether all is well then. systemd starts "
                            "the service again by "
                            "itself, or `systemctl restart tokend` does.";
        else
                ret->next =
                        failed ? "`journalctl -u tokend` says why." : "`systemctl start tokend` starts it.";
}

int unit_check(const char *path, const char *socket, struct tokend_failure *ret_failure)
{
        char program[] = "systemctl", show[] = "show", service[] = "tokend.service",
             names[] = "--property=Id,ActiveState,SubState,ExecMainStatus,Listen";
        char *const argv[] = {program, show, service, (char *)(uintptr_t)socket, names, NULL};
        char text[ASK_ANSWER];
        _cleanup_(freep) char *listen = NULL, *state = NULL, *sub_state = NULL, *status = NULL;

        output_of(argv, text);
        listen = property_new(text, socket, "Listen");
        state = property_new(text, service, "ActiveState");
        sub_state = property_new(text, service, "SubState");
        status = property_new(text, service, "ExecMainStatus");
        if (!listen || !state || !sub_state || !status || !listens_on(listen, path))
                return 0;
        if (strcmp(state, "active") == 0 || strcmp(state, "reloading") == 0 ||
                strncmp(sub_state, "start", strlen("start")) == 0)
                return 0;
        describe(state, sub_state, status, ret_failure);
        return 1;
}

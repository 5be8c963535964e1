/* SPDX-License-Identifier: MPL-2.0 */
/* See program-output.h. */
#include "daemon/doctor/program-output.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

static int start(char *const *argv, int in, int out, int err, pid_t *ret)
{
        posix_spawn_file_actions_t actions;
        int r = posix_spawn_file_actions_init(&actions);

        if (r != 0)
                return -r;
        r = in < 0 ? posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
                   : posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
        if (r == 0)
                r = posix_spawnp(ret, argv[0], &actions, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* Reads once. false: the stream is at its end. */
static bool read_some(int fd, char *text, size_t *n)
{
        char dropped[4096];
        bool full = *n + 1 >= OUTPUT_MAX;
        ssize_t more = full ? read(fd, dropped, sizeof(dropped)) : read(fd, text + *n, OUTPUT_MAX - 1 - *n);

        if (more < 0)
                return errno == EINTR;
        if (more > 0 && !full)
                *n += (size_t)more;
        text[*n] = '\0';
        return more > 0;
}

/* Until both are at their end. false: the time is over. */
static bool collect(int out, int err, uint64_t limit_usec, struct program_output *output)
{
        struct pollfd fds[] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
        char *texts[] = {output->out, output->err};
        uint64_t end = now_usec() + limit_usec, now;
        size_t n[] = {0, 0};

        while (fds[0].fd >= 0 || fds[1].fd >= 0) {
                now = now_usec();
                if (now >= end)
                        return false;
                if (poll(fds, ARRAY_SIZE(fds), (int)((end - now) / USEC_PER_MSEC) + 1) < 0 && errno != EINTR)
                        return false;
                for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                        if (fds[i].fd >= 0 && fds[i].revents && !read_some(fds[i].fd, texts[i], &n[i]))
                                fds[i].fd = -1;
        }
        return true;
}

int program_run(char *const *argv, int input_fd, uint64_t limit_usec, struct program_output *ret)
{
        struct program_output output = {.out = calloc(1, OUTPUT_MAX), .err = calloc(1, OUTPUT_MAX)};
        int out[2] = {-1, -1}, err[2] = {-1, -1}, r = 0;
        pid_t pid = -1;

        if (!output.out || !output.err)
                r = -ENOMEM;
        else if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
                r = -errno;
        if (r == 0)
                r = start(argv, input_fd, out[1], err[1], &pid);
        closep(&out[1]);
        closep(&err[1]);
        if (r == 0) {
                output.late = !collect(out[0], err[0], limit_usec, &output);
                if (output.late)
                        (void)kill(pid, SIGKILL);
                while (waitpid(pid, &output.status, 0) < 0 && errno == EINTR)
                        ;
        }
        closep(&out[0]);
        closep(&err[0]);
        if (r < 0)
                program_output_done(&output);
        else
                *ret = output;
        return r;
}

void program_output_done(struct program_output *output)
{
        free(TAKE_PTR(output->out));
        free(TAKE_PTR(output->err));
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See module-watch.h. */
#include "daemon/doctor/module-watch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "daemon/doctor/module-child.h"

/* What one module may tell, and what of its output is kept. */
#define TOLD_MAX   65536U
#define OUTPUT_END 1024U

struct module_watch {
        pid_t pid;
        int signals, told_fd, output_fd;
        char told[TOLD_MAX], output[OUTPUT_END];
        size_t n_told, n_output;
        bool ended;
};

/* ---- the child, before it is a program of its own ---- */

static void set_environment(char *const *environment)
{
        for (; *environment; environment++)
                if (putenv(*environment) != 0)
                        _exit(EXIT_FAILURE);
}

static _Noreturn void become(
        const struct config_token *config, const char *pin_file, const int gate[2], int told, int output)
{
        const char *argv[] = {"tokend-doctor", "--module", config->module, "--uri",
                config->uri ? config->uri : "", "--pin", pin_file ? pin_file : "", NULL};
        sigset_t none;
        char c;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)setpgid(0, 0);
        /* The parent begins to trace. */
        close(gate[1]);
        (void)!read(gate[0], &c, 1);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
                _exit(EXIT_FAILURE);
        if (told == MODULE_CHILD_FD ? fcntl(told, F_SETFD, 0) < 0 : dup2(told, MODULE_CHILD_FD) < 0)
                _exit(EXIT_FAILURE);
        set_environment(config->environment);
        execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
        _exit(EXIT_FAILURE);
}

static int start(struct module_watch *watch, const struct config_token *config, const char *pin_file)
{
        int gate[2] = {-1, -1}, told[2] = {-1, -1}, output[2] = {-1, -1}, r = 0;

        if (pipe2(gate, O_CLOEXEC) < 0 || pipe2(told, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC) < 0)
                r = -errno;
        if (r == 0) {
                watch->pid = fork();
                if (watch->pid < 0)
                        r = -errno;
        }
        if (r == 0 && watch->pid == 0)
                become(config, pin_file, gate, told[1], output[1]);
        if (r == 0)
                (void)refusals_attach(watch->pid);
        closep(&gate[0]);
        closep(&gate[1]);
        closep(&told[1]);
        closep(&output[1]);
        if (r < 0) {
                closep(&told[0]);
                closep(&output[0]);
                return r;
        }
        watch->told_fd = told[0];
        watch->output_fd = output[0];
        return 0;
}

/* ---- while it runs ---- */

/* Everything of it that has stopped or ended. */
static void wait_for_children(struct module_watch *watch, struct module_report *report)
{
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
                if (WIFSTOPPED(status))
                        refusals_stopped(&report->refusals, pid, status);
                else if (pid == watch->pid) {
                        report->status = status;
                        watch->ended = true;
                }
        }
}

/* false: the end. */
static bool read_told(struct module_watch *watch)
{
        ssize_t n =
                read(watch->told_fd, watch->told + watch->n_told, sizeof(watch->told) - 1 - watch->n_told);

        if (n > 0)
                watch->n_told += (size_t)n;
        return n > 0 || (n < 0 && errno == EINTR);
}

/* Keeps the end of what it writes. */
static bool read_output(struct module_watch *watch)
{
        size_t half = sizeof(watch->output) / 2;
        ssize_t n;

        if (watch->n_output > half) {
                memmove(watch->output, watch->output + watch->n_output - half, half);
                watch->n_output = half;
        }
        n = read(watch->output_fd, watch->output + watch->n_output,
                sizeof(watch->output) - 1 - watch->n_output);
        if (n > 0)
                watch->n_output += (size_t)n;
        return n > 0 || (n < 0 && errno == EINTR);
}

/* Until it has ended, or for so long. */
static void follow(struct module_watch *watch, uint64_t limit_usec, struct module_report *report)
{
        struct pollfd fds[] = {{.fd = watch->signals, .events = POLLIN},
                {.fd = watch->told_fd, .events = POLLIN}, {.fd = watch->output_fd, .events = POLLIN}};
        uint64_t end = now_usec() + limit_usec, now;
        struct signalfd_siginfo info;

        while (!watch->ended) {
                wait_for_children(watch, report);
                now = now_usec();
                if (watch->ended || now >= end)
                        break;
                if (poll(fds, ARRAY_SIZE(fds), (int)((end - now) / USEC_PER_MSEC) + 1) < 0 && errno != EINTR)
                        break;
                if (fds[0].revents)
                        (void)!read(watch->signals, &info, sizeof(info));
                if (fds[1].revents && !read_told(watch))
                        fds[1].fd = -1;
                if (fds[2].revents && !read_output(watch))
                        fds[2].fd = -1;
        }
        report->late = !watch->ended;
}

/* Nothing of it is left, and what it wrote last is read. */
static void end(struct module_watch *watch)
{
        (void)kill(-watch->pid, SIGKILL);
        (void)kill(watch->pid, SIGKILL);
        while (!watch->ended && waitpid(watch->pid, NULL, __WALL) >= 0)
                ;
        while (fcntl(watch->told_fd, F_SETFL, O_NONBLOCK) == 0 && read_told(watch))
                ;
        while (fcntl(watch->output_fd, F_SETFL, O_NONBLOCK) == 0 && read_output(watch))
                ;
        close(watch->told_fd);
        close(watch->output_fd);
}

/* ---- what it told ---- */

static void read_report(struct module_watch *watch, struct module_report *report)
{
        watch->told[watch->n_told] = '\0';
        watch->output[watch->n_output] = '\0';
        module_report_read(report, watch->told, watch->output);
}

int module_watch(const struct config_token *config, const char *pin_file, struct module_report *ret)
{
        _cleanup_(freep) struct module_watch *watch = calloc(1, sizeof(*watch));
        sigset_t child;
        int r;

        if (!watch)
                return -ENOMEM;
        *ret = (struct module_report){0};
        watch->told_fd = watch->output_fd = -1;
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        (void)sigprocmask(SIG_BLOCK, &child, NULL);
        watch->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
        r = watch->signals < 0 ? -errno : start(watch, config, pin_file);
        if (r == 0) {
                follow(watch, config->start_timeout_usec, ret);
                end(watch);
                read_report(watch, ret);
        }
        closep(&watch->signals);
        (void)sigprocmask(SIG_UNBLOCK, &child, NULL);
        return r;
}

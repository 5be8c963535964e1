/* SPDX-License-Identifier: MPL-2.0 */
/* See process.h. Each does it in the thread that made the call, without a word to the process. */
#include "tests/module/process.h"

#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The thread that made the last call, if it is another one. */
static _Atomic pthread_t last_thread;

static void close_fd(unsigned long fd)
{
        (void)close((int)fd);
}

/* The descriptor is another file's from now on, and what it was stays open. */
static void replace_fd(unsigned long fd)
{
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        (void)fcntl((int)fd, F_DUPFD_CLOEXEC, 100);
        (void)dup2(null, (int)fd);
        (void)close(null);
}

static void close_from(unsigned long fd)
{
        closefrom((int)fd);
}

static void end_thread(unsigned long value)
{
        (void)value;
        pthread_exit(NULL);
}

static void end_other_thread(unsigned long value)
{
        pthread_t other = atomic_exchange(&last_thread, pthread_self());

        (void)value;
        if (other && !pthread_equal(other, pthread_self()))
                (void)pthread_cancel(other);
}

static void on_signal(int number)
{
        (void)number;
}

static void take_signals(unsigned long value)
{
        struct sigaction action = {.sa_handler = on_signal};
        sigset_t all;

        (void)value;
        for (int number = 1; number < SIGRTMAX; number++)
                (void)sigaction(number, &action, NULL);
        sigfillset(&all);
        (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
        (void)kill(getpid(), SIGTERM);
}

static void leave_child(unsigned long value)
{
        (void)value;
        if (fork() == 0)
                for (;;)
                        pause();
}

static void lower_limits(unsigned long value)
{
        const struct rlimit none = {0, 0}, little = {value, value};

        (void)setrlimit(RLIMIT_NOFILE, &none);
        (void)setrlimit(RLIMIT_FSIZE, &little);
        (void)setrlimit(RLIMIT_MEMLOCK, &none);
}

static void change_places(unsigned long value)
{
        (void)value;
        (void)umask(0777);
        (void)!chdir("/proc");
        (void)setlocale(LC_ALL, "");
        (void)prctl(PR_SET_DUMPABLE, 1);
        (void)clearenv();
}

static void ring(unsigned long value)
{
        (void)alarm((unsigned)value);
}

/* So many MiB that are never given back. */
static void eat(unsigned long value)
{
        size_t size = (size_t)value << 20;
        char *memory = malloc(size);

        if (memory)
                memset(memory, 1, size);
        /* As other code would that leaks: somebody may still have it. */
        static char *volatile kept __attribute__((unused));
        kept = memory;
}

/* So many lines on standard error. */
static void say(unsigned long value)
{
        for (unsigned long i = 0; i < value; i++)
                (void)!write(STDERR_FILENO, "a line of the module\n", strlen("a line of the module\n"));
}

static const struct {
        const char *word;
        void (*act)(unsigned long value);
} acts[] = {
        {"close", close_fd},
        {"replace", replace_fd},
        {"closefrom", close_from},
        {"end_thread", end_thread},
        {"end_other", end_other_thread},
        {"signals", take_signals},
        {"fork", leave_child},
        {"limits", lower_limits},
        {"places", change_places},
        {"alarm", ring},
        {"eat", eat},
        {"say", say},
};

bool process_act(const char *word, unsigned long value)
{
        for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
                if (strcmp(acts[i].word, word) == 0) {
                        acts[i].act(value);
                        return true;
                }
        return false;
}

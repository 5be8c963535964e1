/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/util/log: a line never waits for a reader. Standard error is a pipe, a socket or a terminal of the test's, full; a call
 * that waited would wait for ever, and ends the program by SIGALRM. */
#include "daemon/util/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/suite.h"

#define HANGS_S 30

struct fixture {
        int given, reader; /* what standard error was; the end that nobody reads */
};

static void set_up(struct fixture *f, int reader, int writer)
{
        CU_ASSERT_FATAL(reader >= 0 && writer >= 0);
        f->given = dup(STDERR_FILENO);
        f->reader = reader;
        CU_ASSERT_EQUAL_FATAL(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
        CU_ASSERT_EQUAL_FATAL(dup2(writer, STDERR_FILENO), STDERR_FILENO);
        close(writer);
        log_open("unit");
        (void)alarm(HANGS_S);
}

static void tear_down(struct fixture *f)
{
        (void)alarm(0);
        (void)dup2(f->given, STDERR_FILENO);
        close(f->given);
        if (f->reader >= 0)
                close(f->reader);
        log_open("unit");
}

/* Reads what there is; whether one of the pieces has the text in it, and how many lines there are. */
static bool reads(struct fixture *f, const char *text, unsigned *ret_lines)
{
        static char buffer[1 << 20];
        size_t size = 0;
        ssize_t n;

        while ((n = read(f->reader, buffer + size, sizeof(buffer) - 1 - size)) > 0)
                size += (size_t)n;
        buffer[size] = '\0';
        *ret_lines = 0;
        for (size_t i = 0; i < size; i++)
                *ret_lines += buffer[i] == '\n';
        return strstr(buffer, text) != NULL;
}

/* Many more lines than anything holds; afterwards it says how many are missing. */
static void fill(struct fixture *f)
{
        char long_text[600], expected[64];
        unsigned lines, n = 10000;

        memset(long_text, 'x', sizeof(long_text) - 1);
        long_text[sizeof(long_text) - 1] = '\0';
        for (unsigned i = 0; i < n; i++)
                log_error("%s", long_text);
        CU_ASSERT_FALSE(reads(f, "lost", &lines));
        CU_ASSERT(lines > 0 && lines < n);
        log_error("the end");
        snprintf(expected, sizeof(expected), "log lines lost: %u", n - lines);
        CU_ASSERT_TRUE(reads(f, expected, &lines));
        CU_ASSERT_EQUAL(lines, 2);
        log_error("another");
        CU_ASSERT_FALSE(reads(f, "lost", &lines));
        CU_ASSERT_EQUAL(lines, 1);
}

static void test_pipe(void)
{
        struct fixture f;
        int fds[2];

        CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
        set_up(&f, fds[0], fds[1]);
        fill(&f);
        /* Whoever gave it to us finds it as it was. */
        CU_ASSERT_FALSE(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK);
        tear_down(&f);
}

static void test_socket(void)
{
        struct fixture f;
        int fds[2];

        CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        set_up(&f, fds[0], fds[1]);
        fill(&f);
        CU_ASSERT_FALSE(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK);
        tear_down(&f);
}

/* A terminal may take a part of a line, and hands on what it took in its own time: what is lost is not counted out, and the line
 * that says so comes with one of the next. */
static void test_terminal(void)
{
        int master = posix_openpt(O_RDWR | O_NOCTTY);
        struct fixture f;
        unsigned lines;

        CU_ASSERT_FATAL(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
        set_up(&f, master, open(ptsname(master), O_RDWR | O_NOCTTY));
        do
                for (unsigned i = 0; i < 10000; i++)
                        log_error("a line for a terminal that nobody reads");
        while (!reads(&f, "log lines lost: ", &lines));
        tear_down(&f);
}

static void test_no_reader(void)
{
        struct fixture f;
        int fds[2];

        CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
        (void)signal(SIGPIPE, SIG_IGN);
        set_up(&f, fds[0], fds[1]);
        close(f.reader);
        f.reader = -1;
        log_error("for nobody");
        close(STDERR_FILENO);
        log_open("unit");
        errno = ENOENT;
        log_error("to nowhere");
        CU_ASSERT_EQUAL(errno, ENOENT);
        tear_down(&f);
}

static void test_rate(void)
{
        struct log_rate rate = {0};
        unsigned n_dropped;

        for (unsigned i = 0; i < 3; i++)
                CU_ASSERT_TRUE(log_may(&rate, USEC_PER_SEC + i, 3, &n_dropped));
        for (unsigned i = 0; i < 5; i++)
                CU_ASSERT_FALSE(log_may(&rate, 2 * USEC_PER_SEC, 3, &n_dropped));
        CU_ASSERT_TRUE(log_may(&rate, 11 * USEC_PER_SEC, 3, &n_dropped));
        CU_ASSERT_EQUAL(n_dropped, 5);
        CU_ASSERT_TRUE(log_may(&rate, 12 * USEC_PER_SEC, 3, &n_dropped));
        CU_ASSERT_EQUAL(n_dropped, 0);
}

SUITE(util_log, {"so many lines of one kind are written in 10 s, and the others are counted", test_rate},
        {"a full pipe stops nobody; what was lost is counted, and the pipe's flags stay", test_pipe},
        {"nor does a full socket", test_socket}, {"nor a terminal that nobody reads", test_terminal},
        {"a reader that is gone, and no standard error at all, are no trouble", test_no_reader});

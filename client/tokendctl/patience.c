/* SPDX-License-Identifier: MPL-2.0 */
/* See patience.h. */
#include "client/tokendctl/patience.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/util/macros.h"

#define INTERVAL_MS 2000

static void end_by(int number, const char *text, size_t length)
{
        (void)!write(STDERR_FILENO, text, length);
        /* Its action is the usual one again. */
        (void)raise(number);
}

static void on_interrupted_change(int number)
{
        static const char text[] =
                "\ntokendctl: interrupted. The token was asked already, and may still do it: look with "
                "`tokendctl list` or `tokendctl certs` before you try again.\n";

        end_by(number, text, sizeof(text) - 1);
}

static void on_interrupted_read(int number)
{
        static const char text[] = "\ntokendctl: interrupted. Nothing on the token is changed by it.\n";

        end_by(number, text, sizeof(text) - 1);
}

static void *show(void *userdata)
{
        struct patience *patience = userdata;
        struct pollfd end = {.fd = patience->fds[0], .events = POLLIN};
        uint64_t begun = now_usec();
        bool shown = false;

        while (poll(&end, 1, INTERVAL_MS) == 0) {
                fprintf(stderr, "\rtokendctl: %s, %" PRIu64 " s by now ",
                        patience->kind == PATIENCE_CHANGES ? "the token is at work" : "waiting for tokend",
                        (now_usec() - begun) / USEC_PER_SEC);
                shown = true;
        }
        if (shown)
                fprintf(stderr, "\r\033[K");
        return NULL;
}

void patience_begin(struct patience *patience, enum patience_kind kind)
{
        struct sigaction action = {
                .sa_handler = kind == PATIENCE_CHANGES ? on_interrupted_change : on_interrupted_read,
                .sa_flags = SA_RESETHAND | SA_RESTART};
        struct sigaction before;

        *patience = (struct patience){.kind = kind};
        /* A program in the background of a script ignores it, and goes on to. */
        if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
                (void)sigaction(SIGINT, &action, NULL);
        if (!isatty(STDERR_FILENO) || pipe2(patience->fds, O_CLOEXEC) < 0)
                return;
        patience->shows = pthread_create(&patience->thread, NULL, show, patience) == 0;
        if (!patience->shows) {
                close(patience->fds[0]);
                close(patience->fds[1]);
        }
}

void patience_end(struct patience *patience)
{
        struct sigaction now;

        if (sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
                (void)signal(SIGINT, SIG_DFL);
        if (!patience->shows)
                return;
        close(patience->fds[1]);
        (void)pthread_join(patience->thread, NULL);
        close(patience->fds[0]);
}

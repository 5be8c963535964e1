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

static void on_interrupt(int number)
{
        static const char text[] =
                "\ntokendctl: interrupted. The token was asked already, and may still do it: look with "
                "`tokendctl list` or `tokendctl certs` before you try again.\n";

        (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
        /* Its action is the usual one again. */
        (void)raise(number);
}

static void *show(void *userdata)
{
        struct patience *patience = userdata;
        struct pollfd end = {.fd = patience->fds[0], .events = POLLIN};
        uint64_t begun = now_usec();
        bool shown = false;

        while (poll(&end, 1, INTERVAL_MS) == 0) {
                fprintf(stderr, "\rtokendctl: the token is at work, %" PRIu64 " s by now ",
                        (now_usec() - begun) / USEC_PER_SEC);
                shown = true;
        }
        if (shown)
                fprintf(stderr, "\r\033[K");
        return NULL;
}

void patience_begin(struct patience *patience)
{
        struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND | SA_RESTART};

        *patience = (struct patience){.shows = false};
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
        (void)signal(SIGINT, SIG_DFL);
        if (!patience->shows)
                return;
        close(patience->fds[1]);
        (void)pthread_join(patience->thread, NULL);
        close(patience->fds[0]);
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See log.h. Debug lines are written only if TOKEND_DEBUG is in the environment.
 *
 * Nothing waits for the log: its reader may have stopped, and the keys must go on working. So a line is written only if there
 * is room for it now; otherwise it is dropped and counted. poll() tells whether there is room: three quarters of the buffer of
 * a socket (to journald), or a page of a pipe, in which four of our lines fit. A terminal may have less, and another process may
 * fill the pipe meanwhile. So a terminal or a pipe is opened once more, as a file description that does not block. The one that
 * the process inherited is shared with others, and stays as it is.
 */
#include "daemon/util/log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/util/journal.h"
#include "daemon/util/printable.h"
#include "daemon/util/utf8.h"

enum {
        LINE_MAX_BYTES = 1024,
        LOST_MAX_BYTES = 128,
};

/* The time that log_may() counts in. */
#define RATE_USEC (10 * USEC_PER_SEC)

static const char *log_process = "tokend";
static int log_fd = STDERR_FILENO;
static bool log_journal;
static bool log_verbose;
static int log_journal_fd = -1; /* to journald, for records */
static atomic_uint log_lost;    /* lines since the last one that was written */

/* Another descriptor for the log that does not block; the same one if it cannot be opened, for example because it is another
 * user's. */
static int own_description(int given)
{
        char path[32];
        struct stat st;
        int fd;

        if (fstat(given, &st) < 0 || (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode)))
                return given;
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", given);
        fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return fd < 0 ? given : fd;
}

void log_open_at(const char *process, int fd)
{
        log_process = process;
        log_fd = own_description(fd);
        log_journal = getenv("JOURNAL_STREAM") != NULL;
        log_verbose = getenv("TOKEND_DEBUG") != NULL;
}

void log_open(const char *process)
{
        log_open_at(process, STDERR_FILENO);
}

bool log_is_journal(void)
{
        return log_journal;
}

void log_open_journal(const char *path)
{
        if (log_journal_fd >= 0)
                close(log_journal_fd);
        log_journal_fd = -1;
        if (log_journal)
                (void)journal_open(path, &log_journal_fd);
}

/* The beginning of each line. Returns its length. */
static size_t put_head(char *line, size_t size, int priority)
{
        int n = log_journal ? snprintf(line, size, "<%d>", priority)
                            : snprintf(line, size, "%s[%d]: ", log_process, (int)getpid());

        return MIN_OF((size_t)MAX_OF(n, 0), size - 1);
}

_printf_(4, 0) static size_t put_line(char *line, size_t size, int priority, const char *format, va_list args)
{
        char text[LINE_MAX_BYTES];
        size_t length = put_head(line, size, priority);
        int n = vsnprintf(text, sizeof(text), format, args);

        if (n < 0)
                return 0;
        length += printable_copy(line + length, size - length, text,
                (size_t)n < sizeof(text) ? (size_t)n : utf8_whole(text, sizeof(text) - 1));
        line[length++] = '\n';
        return length;
}

bool log_may(struct log_rate *rate, uint64_t now, unsigned max, unsigned *ret_dropped)
{
        *ret_dropped = 0;
        if (rate->since_usec == 0 || now - rate->since_usec >= RATE_USEC) {
                *ret_dropped = rate->n_dropped;
                *rate = (struct log_rate){.since_usec = now};
        }
        if (rate->n_written >= max) {
                rate->n_dropped++;
                return false;
        }
        rate->n_written++;
        return true;
}

static size_t put_lost(char *line, size_t size, unsigned lost)
{
        size_t head = put_head(line, size, 4);
        int n = snprintf(line + head, size - head, "log lines lost: %u\n", lost);

        return MIN_OF(head + (size_t)MAX_OF(n, 0), size - 1);
}

/* Writes with one write(2): a pipe takes all of it or nothing. */
static bool write_to(int fd, const char *text, size_t length)
{
        struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

        return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT) && write(fd, text, length) >= 0;
}

/* A module may have closed the descriptor of a worker's log: then standard error is what is left. */
static bool write_now(const char *text, size_t length)
{
        return write_to(log_fd, text, length) ||
               (fcntl(log_fd, F_GETFD) < 0 && write_to(STDERR_FILENO, text, length));
}

void log_line(int priority, const char *format, ...)
{
        char text[LOST_MAX_BYTES + LINE_MAX_BYTES];
        int saved = errno;
        size_t before = 0, length;
        unsigned lost;
        va_list args;

        if (priority > 6 && !log_verbose)
                return;
        lost = atomic_exchange(&log_lost, 0);
        if (lost > 0)
                before = put_lost(text, LOST_MAX_BYTES, lost);
        va_start(args, format);
        length = put_line(text + before, LINE_MAX_BYTES, priority, format, args);
        va_end(args);
        if (length == 0 || !write_now(text, before + length))
                atomic_fetch_add(&log_lost, lost + 1);
        errno = saved;
}

/* ---- records ---- */

static void put_field(struct journal_record *record, const char *name, const char *value)
{
        char text[LINE_MAX_BYTES];

        if (value)
                journal_put(record, name, text, printable_copy(text, sizeof(text), value, strlen(value)));
}

/* 0; -EAGAIN: journald does not read now; another -errno: there is none. */
static int send_event(int priority, const struct event *event, const char *sentence)
{
        struct journal_record record;

        if (log_journal_fd < 0)
                return -ENOENT;
        journal_record_init(&record);
        put_field(&record, "MESSAGE", sentence);
        journal_put_text(&record, "MESSAGE_ID", event_message_id(event->kind));
        journal_put_format(&record, "PRIORITY", "%d", priority);
        journal_put_text(&record, "SYSLOG_IDENTIFIER", "tokend");
        journal_put_text(&record, "TOKEND_EVENT", event_name(event->kind));
        put_field(&record, "TOKEND_TOKEN", event->token);
        put_field(&record, "TOKEND_STATE", event->state);
        put_field(&record, "TOKEND_REASON", event->reason);
        put_field(&record, "TOKEND_REMEDY", event->remedy);
        put_field(&record, "TOKEND_OBJECTS", event->objects);
        return journal_send(log_journal_fd, &record);
}

void log_event(int priority, const struct event *event, const char *format, ...)
{
        char sentence[LINE_MAX_BYTES];
        int saved = errno, n, r;
        va_list args;

        va_start(args, format);
        n = vsnprintf(sentence, sizeof(sentence), format, args);
        va_end(args);
        if (n >= (int)sizeof(sentence))
                sentence[utf8_whole(sentence, sizeof(sentence) - 1)] = '\0';
        r = n < 0 ? -EINVAL : send_event(priority, event, sentence);
        if (r == -EAGAIN)
                atomic_fetch_add(&log_lost, 1);
        else if (r < 0 && n >= 0)
                log_line(priority, "%s", sentence);
        errno = saved;
}

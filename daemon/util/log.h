/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The log: whole lines on standard error. Under systemd that is the journal, and each line begins with its priority as in
 * sd-daemon(3). No line may have a secret in it. The log does not wait: a line is lost if there is no room for it, and the
 * next line that is written follows one that says how many were lost.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/event.h"
#include "daemon/util/macros.h"

/* Call it first, before a sandbox is entered, because it may open a file. process: the name in each line that is not for the journal; the
 * string is kept, not copied. */
void log_open(const char *process);
/* Likewise, to that descriptor in place of standard error. */
void log_open_at(const char *process, int fd);

/* Whether the log is the journal. */
bool log_is_journal(void);

/* Writes one line with a syslog(3) priority. The format has no newline. Control characters become '?'. A line is cut at 1 KiB. errno does
 * not change. Thread-safe: each line is one write(2). */
void log_line(int priority, const char *format, ...) _printf_(2, 3);

/* Connects to the journald that listens at path (JOURNAL_SOCKET; tests use others), if standard error is the journal. From then on
 * log_event() writes records. Call it before a sandbox is entered. */
void log_open_journal(const char *path);

/* Writes a change of state: as a record of journald, with the fields of the event, or as the line alone where there is none. The format
 * is as that of log_line(). Thread-safe. */
void log_event(int priority, const struct event *event, const char *format, ...) _printf_(3, 4);

/* Lines of one kind that others can cause at will. All zero: none yet. Not thread-safe. */
struct log_rate {
        uint64_t since_usec;
        unsigned n_written, n_dropped;
};

/* Whether one more may be written at this time: max of them may in 10 s. The others are counted. *ret_dropped: how many were dropped in the
 * 10 s before, once; else 0. */
bool log_may(struct log_rate *rate, uint64_t now, unsigned max, unsigned *ret_dropped);

#define log_error(...)   log_line(3, __VA_ARGS__)
#define log_warning(...) log_line(4, __VA_ARGS__)
#define log_notice(...)  log_line(5, __VA_ARGS__)
#define log_info(...)    log_line(6, __VA_ARGS__)
#define log_debug(...)   log_line(7, __VA_ARGS__)

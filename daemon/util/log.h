/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The log: whole lines on standard error, which is the journal under systemd (then each line carries its
 * priority as sd-daemon(3) has it) and the terminal otherwise. Never a secret, never bytes of a client that
 * were not escaped. Never waits: a line for which there is no room is lost, and the next one that there is room for
 * comes behind one that says how many were.
 */
#pragma once

#include "daemon/util/macros.h"

/* Before anything is closed in: it may open a file. Names the process in each line that is not for the journal. The string is
 * kept, not copied. */
void log_open(const char *process);

/* One line, at a syslog(3) priority; without a newline. Control characters are written as '?'. A line is cut at
 * 1 KiB. Thread-safe (one write(2) a line); errno is kept. */
void log_line(int priority, const char *format, ...) _printf_(2, 3);

#define log_error(...)   log_line(3, __VA_ARGS__)
#define log_warning(...) log_line(4, __VA_ARGS__)
#define log_notice(...)  log_line(5, __VA_ARGS__)
#define log_info(...)    log_line(6, __VA_ARGS__)
#define log_debug(...)   log_line(7, __VA_ARGS__)

/* SPDX-License-Identifier: MPL-2.0 */
/* See log.h. Debug lines are written only where TOKEND_DEBUG is in the environment. */
#include "daemon/util/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
        LINE_MAX_BYTES = 1024
};

static const char *log_process = "tokend";
static bool log_journal;
static bool log_verbose;

void log_open(const char *process)
{
        log_process = process;
        log_journal = getenv("JOURNAL_STREAM") != NULL;
        log_verbose = getenv("TOKEND_DEBUG") != NULL;
}

void log_line(int priority, const char *format, ...)
{
        char line[LINE_MAX_BYTES];
        int saved = errno;
        int head, length;
        va_list args;

        if (priority > 6 && !log_verbose)
                return;
        if (log_journal)
                head = snprintf(line, sizeof(line), "<%d>", priority);
        else
                head = snprintf(line, sizeof(line), "%s[%d]: ", log_process, (int)getpid());
        va_start(args, format);
        length = vsnprintf(line + head, sizeof(line) - (size_t)head, format, args);
        va_end(args);
        if (length < 0)
                return;
        length = MIN_OF(head + length, LINE_MAX_BYTES - 1);
        for (int i = head; i < length; i++)
                if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
                        line[i] = '?';
        line[length++] = '\n';
        /* Nobody can be told that the log is gone. */
        if (write(STDERR_FILENO, line, (size_t)length) < 0)
                errno = saved;
        errno = saved;
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Structured records to journald, in its native protocol. Unlike sd_journal_send() this does not block when journald does not
 * read, it reports when there is no journald, and it opens nothing after journal_open(). So it works in a process that seccomp
 * allows only to send.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* Bytes of one record with all its fields. Ours take 2 KiB. A larger one would need a memfd. */
#define JOURNAL_RECORD_MAX 16384U

struct journal_record {
        size_t length;
        bool bad; /* something did not fit: the record must not be sent */
        char data[JOURNAL_RECORD_MAX];
};

void journal_record_init(struct journal_record *record);

/* Adds a field. name: at most 64 bytes of A-Z, 0-9 and _, the first of which is a letter; with any other name the record is bad. The
 * value may have any bytes, also newlines and NULs. */
void journal_put(struct journal_record *record, const char *name, const void *value, size_t length);
void journal_put_text(struct journal_record *record, const char *name, const char *value);
void journal_put_format(struct journal_record *record, const char *name, const char *format, ...)
        _printf_(3, 4);

/* Bytes of records that journald may leave unread before journal_send() returns -EAGAIN: some 100 of ours. The kernel's bound of 512
 * records would tell too late that records are not being kept. */
#define JOURNAL_UNREAD_MAX (128 * 1024)

/* Connects a socket, close-on-exec and non-blocking, to the journald that listens at path; only tests use another path than
 * JOURNAL_SOCKET. The caller closes it. -ENOENT, -ECONNREFUSED: there is no journald. systemd keeps the listening socket when journald
 * restarts; if that socket is made anew, call journal_open() again. */
int journal_open(const char *path, int *ret_fd);

/* Sends the record to journald. -EAGAIN: journald does not read; -ECONNREFUSED: its socket is gone; -EMSGSIZE: the record is bad.
 * Thread-safe. After -EAGAIN, POLLOUT tells that it reads again if JOURNAL_UNREAD_MAX was reached, but nothing tells it if the
 * kernel's bound was: try again after some time, too. */
int journal_send(int fd, const struct journal_record *record);

/* The bytes that were sent and not read yet, as the kernel counts them with its overhead. 0: journald has read everything. -errno. */
int journal_unread(int fd);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Structured records to journald, in its native protocol, on a socket opened early. Unlike sd_journal_send()
 * it never blocks where journald does not read, says so where there is no journald, and opens nothing after
 * journal_open(): it works in a process that is closed in by seccomp, as long as send(2) is let through.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* Bytes of one record with all its fields. More would need a memfd; ours take 2 KiB. */
#define JOURNAL_RECORD_MAX 16384U

struct journal_record {
        size_t length;
        bool bad; /* something did not fit: not to be sent */
        char data[JOURNAL_RECORD_MAX];
};

void journal_record_init(struct journal_record *record);

/* Adds a field. name: A-Z, 0-9 and _, not beginning with _ or a digit, 64 bytes at most (else the record is
 * bad). The value may hold anything, newlines and NULs too. */
void journal_put(struct journal_record *record, const char *name, const void *value, size_t length);
void journal_put_text(struct journal_record *record, const char *name, const char *value);
void journal_put_format(struct journal_record *record, const char *name, const char *format, ...)
        _printf_(3, 4);

/* Bytes of records that journald may leave unread before journal_send() says -EAGAIN: some 100 of ours. The system's own
 * bound is 512 records, which is late to learn that nothing is being kept. */
#define JOURNAL_UNREAD_MAX (128 * 1024)

/* A socket that does not block, close-on-exec, connected to the journald that listens at path (JOURNAL_SOCKET, but for
 * tests). The caller closes. -ENOENT, -ECONNREFUSED: there is no journald. systemd keeps the listening socket while
 * journald is started again; where that socket itself is made anew, another journal_open() is needed. */
int journal_open(const char *path, int *ret_fd);

/* Hands the record to journald. -EAGAIN: it does not read; -ECONNREFUSED: the socket it listened at is gone;
 * -EMSGSIZE: the record is bad. Thread-safe. That it reads again is told by POLLOUT where JOURNAL_UNREAD_MAX was
 * reached, and by nothing where the system's bound was: have a clock as well. */
int journal_send(int fd, const struct journal_record *record);

/* Bytes (the kernel's count, with its overhead) that were sent and are not read yet; 0: journald has all of it.
 * -errno. */
int journal_unread(int fd);

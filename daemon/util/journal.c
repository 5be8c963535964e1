/* SPDX-License-Identifier: MPL-2.0 */
/* See journal.h. The protocol is systemd's JOURNAL_NATIVE_PROTOCOL. Each record is one datagram of fields: NAME=value\n, or, if the value
 * has a newline, NAME\n, its length in 64 bits little-endian, the value, \n. */
#include "daemon/util/journal.h"

#include <linux/sockios.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
        NAME_MAX_BYTES = 64,
        FORMAT_MAX_BYTES = 2048
};

void journal_record_init(struct journal_record *record)
{
        record->length = 0;
        record->bad = false;
}

static void journal_append(struct journal_record *record, const void *bytes, size_t length)
{
        if (record->bad || length > sizeof(record->data) - record->length) {
                record->bad = true;
                return;
        }
        if (length > 0)
                memcpy(record->data + record->length, bytes, length);
        record->length += length;
}

static bool journal_name_ok(const char *name)
{
        size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

        return length > 0 && length <= NAME_MAX_BYTES && name[length] == '\0' && name[0] != '_' &&
               (name[0] < '0' || name[0] > '9');
}

void journal_put(struct journal_record *record, const char *name, const void *value, size_t length)
{
        if (!journal_name_ok(name))
                record->bad = true;
        journal_append(record, name, strlen(name));
        if (length > 0 && memchr(value, '\n', length)) {
                unsigned char size[8];

                for (size_t i = 0; i < sizeof(size); i++)
                        size[i] = (unsigned char)((uint64_t)length >> (8 * i));
                journal_append(record, "\n", 1);
                journal_append(record, size, sizeof(size));
        } else
                journal_append(record, "=", 1);
        journal_append(record, value, length);
        journal_append(record, "\n", 1);
}

void journal_put_text(struct journal_record *record, const char *name, const char *value)
{
        journal_put(record, name, value, strlen(value));
}

void journal_put_format(struct journal_record *record, const char *name, const char *format, ...)
{
        char value[FORMAT_MAX_BYTES];
        va_list args;
        int length;

        va_start(args, format);
        length = vsnprintf(value, sizeof(value), format, args);
        va_end(args);
        if (length < 0 || (size_t)length >= sizeof(value))
                record->bad = true;
        else
                journal_put(record, name, value, (size_t)length);
}

int journal_open(const char *path, int *ret_fd)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_(closep) int fd = -1;
        size_t length = strlen(path);
        int size = JOURNAL_UNREAD_MAX / 2; /* the kernel doubles it */

        if (length >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, length + 1);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0 ||
                connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        *ret_fd = take_fd(&fd);
        return 0;
}

int journal_unread(int fd)
{
        int n;

        return ioctl(fd, SIOCOUTQ, &n) < 0 ? -errno : n;
}

int journal_send(int fd, const struct journal_record *record)
{
        ssize_t n;

        if (record->bad || record->length == 0)
                return -EMSGSIZE;
        do
                n = send(fd, record->data, record->length, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n >= 0)
                return 0;
        /* After the socket of journald has gone, the kernel returns ECONNREFUSED once, and then ENOTCONN. */
        return errno == ENOTCONN ? -ECONNREFUSED : -errno;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* Whole files, in and out. A file is made only when there is something to put into it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/tokendctl/tokendctl.h"
#include "proto/base64.h"

static bool is_standard(const char *path)
{
        return !path || strcmp(path, "-") == 0;
}

static int read_all(int fd, size_t max, unsigned char *bytes, size_t *ret_length)
{
        size_t length = 0;

        for (;;) {
                ssize_t n = read(fd, bytes + length, max + 1 - length);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        break;
                length += n > 0 ? (size_t)n : 0;
                if (length > max)
                        return -EFBIG;
        }
        *ret_length = length;
        return 0;
}

int file_read(const char *path, size_t max, unsigned char **ret, size_t *ret_length)
{
        int fd = is_standard(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), r;
        unsigned char *bytes;

        if (fd < 0)
                return -errno;
        bytes = malloc(max + 1);
        r = bytes ? read_all(fd, max, bytes, ret_length) : -ENOMEM;
        if (fd != STDIN_FILENO)
                close(fd);
        if (r < 0)
                free(bytes);
        else
                *ret = bytes;
        return r;
}

static int write_all(int fd, const unsigned char *bytes, size_t length)
{
        while (length > 0) {
                ssize_t n = write(fd, bytes, length);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0) {
                        bytes += n;
                        length -= (size_t)n;
                }
        }
        return 0;
}

int file_write(const char *path, const void *bytes, size_t length)
{
        int fd, r;

        if (is_standard(path)) {
                r = fflush(stdout) == 0 ? write_all(STDOUT_FILENO, bytes, length) : -errno;
                path = "standard output";
        } else {
                fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
                if (fd < 0)
                        return usage("%s: %s", path, strerror(errno));
                r = write_all(fd, bytes, length);
                if (close(fd) < 0 && r == 0)
                        r = -errno;
        }
        if (r == 0)
                return EXIT_DONE;
        complain("%s: %s", path, strerror(-r));
        return EXIT_UNREACHABLE;
}

int print_json_bytes(const char *path, const char *name, const void *bytes, size_t length)
{
        _cleanup_(freep) char *text = malloc(BASE64_LENGTH(length) + 1), *line = NULL;
        int n;

        if (!text)
                return EXIT_UNREACHABLE;
        base64_encode(bytes, length, text);
        n = asprintf(&line, "{\"%s\":\"%s\"}\n", name, text);
        return n < 0 ? EXIT_UNREACHABLE : file_write(path, line, (size_t)n);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* Whole files, in and out. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
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

int output_open(const char *path, struct output *output)
{
        *output = (struct output){.path = path, .fd = -1};
        if (is_standard(path))
                return EXIT_DONE;
        output->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        output->made = output->fd >= 0;
        /* What is in a file that is there stays until there is something else to put into it. */
        if (output->fd < 0 && errno == EEXIST)
                output->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        return output->fd < 0 ? usage("%s: %s", path, strerror(errno)) : EXIT_DONE;
}

static int write_file(struct output *output, const unsigned char *bytes, size_t length)
{
        struct stat st;
        int r = 0;

        if (fstat(output->fd, &st) < 0 || (S_ISREG(st.st_mode) && ftruncate(output->fd, 0) < 0))
                r = -errno;
        if (r == 0)
                r = write_all(output->fd, bytes, length);
        if (close(output->fd) < 0 && r == 0)
                r = -errno;
        output->fd = -1;
        if (r == 0)
                output->made = false;
        return r;
}

int output_write(struct output *output, const void *bytes, size_t length)
{
        bool standard = is_standard(output->path);
        int r;

        if (standard)
                r = fflush(stdout) == 0 ? write_all(STDOUT_FILENO, bytes, length) : -errno;
        else
                r = write_file(output, bytes, length);
        if (r == 0)
                return EXIT_DONE;
        complain("%s: %s", standard ? "standard output" : output->path, strerror(-r));
        return EXIT_UNREACHABLE;
}

void output_done(struct output *output)
{
        if (output->fd >= 0)
                close(output->fd);
        if (output->made)
                unlink(output->path);
}

int output_json_bytes(struct output *output, const char *name, const void *bytes, size_t length)
{
        _cleanup_(freep) char *text = malloc(BASE64_LENGTH(length) + 1), *line = NULL;
        int n;

        if (!text)
                return EXIT_UNREACHABLE;
        base64_encode(bytes, length, text);
        n = asprintf(&line, "{\"%s\":\"%s\"}\n", name, text);
        return n < 0 ? EXIT_UNREACHABLE : output_write(output, line, (size_t)n);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* Whole files, read and written. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/wipe.h"
#include "proto/base64.h"

bool file_is_standard(const char *path)
{
        return !path || strcmp(path, "-") == 0;
}

const char *file_name(const char *path, const char *standard)
{
        return file_is_standard(path) ? standard : path;
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
        int fd = file_is_standard(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), r;
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

int file_unread(const char *path, int r, const char *too_long)
{
        return usage("%s: %s", file_name(path, "standard input"), r == -EFBIG ? too_long : strerror(-r));
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

int ctl_output_open(const char *path, struct ctl_output *output)
{
        mode_t mode = output->secret ? 0600 : 0666;

        output->path = path;
        if (file_is_standard(path))
                return EXIT_DONE;
        output->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        output->made = output->fd >= 0;
        /* The content of a file that exists stays until there is something to replace it. */
        if (output->fd < 0 && errno == EEXIST && !output->fresh)
                output->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
        return output->fd < 0 ? usage("%s: %s", path, strerror(errno)) : EXIT_DONE;
}

int ctl_binary_fits(const struct ctl_options *o, const char *path)
{
        if (o->json || o->base64 || !file_is_standard(path) || !isatty(STDOUT_FILENO))
                return EXIT_DONE;
        return usage("standard output is a terminal, which bytes may upset: redirect it, or see --out and "
                     "--base64 "
                     "in `tokendctl help`");
}

int ctl_output_open_binary(const struct ctl_options *o, struct ctl_output *output)
{
        int r = ctl_binary_fits(o, o->out);

        return r == EXIT_DONE ? ctl_output_open(o->out, output) : r;
}

static int write_file(struct ctl_output *output, const unsigned char *bytes, size_t length)
{
        struct stat st;
        int r = 0;

        if (fstat(output->fd, &st) < 0 || (S_ISREG(st.st_mode) && ftruncate(output->fd, 0) < 0))
                r = -errno;
        if (r == 0)
                r = write_all(output->fd, bytes, length);
        if (r == 0 && output->fresh && fsync(output->fd) < 0)
                r = -errno;
        if (close(output->fd) < 0 && r == 0)
                r = -errno;
        output->fd = -1;
        if (r == 0)
                output->made = false;
        return r;
}

int ctl_output_write(struct ctl_output *output, const void *bytes, size_t length)
{
        bool standard = file_is_standard(output->path);
        int r;

        if (standard)
                r = fflush(stdout) == 0 ? write_all(STDOUT_FILENO, bytes, length) : -errno;
        else
                r = write_file(output, bytes, length);
        if (r == 0)
                return EXIT_DONE;
        complain("%s: %s", file_name(output->path, "standard output"), strerror(-r));
        return EXIT_UNREACHABLE;
}

void ctl_output_done(struct ctl_output *output)
{
        if (output->fd >= 0)
                close(output->fd);
        if (output->made)
                unlink(output->path);
}

int ctl_output_json_bytes(struct ctl_output *output, const char *name, const void *bytes, size_t length)
{
        size_t before = strlen("{\"\":\"") + strlen(name), size = before + BASE64_LENGTH(length) + 4;
        char *line = malloc(size);
        int r;

        if (!line)
                return no_memory();
        sprintf(line, "{\"%s\":\"", name);
        base64_encode(bytes, length, line + before);
        memcpy(line + size - 4, "\"}\n", 4);
        r = ctl_output_write(output, line, size - 1);
        wipe_free(line, size);
        return r;
}

int ctl_output_pem(struct ctl_output *output, const char *label, const void *der, size_t length)
{
        _cleanup_(freep) char *text = pem_text(label, der, length);

        return text ? ctl_output_write(output, text, strlen(text)) : no_memory();
}

int ctl_output_result(const struct ctl_options *o, struct ctl_output *output, const char *name,
        const void *bytes, size_t length)
{
        size_t size = BASE64_LENGTH(length) + 2;
        char *text;
        int r;

        if (o->json)
                return ctl_output_json_bytes(output, name, bytes, length);
        if (!o->base64)
                return ctl_output_write(output, bytes, length);
        text = malloc(size);
        if (!text)
                return no_memory();
        base64_encode(bytes, length, text);
        text[size - 2] = '\n';
        r = ctl_output_write(output, text, size - 1);
        wipe_free(text, size);
        return r;
}

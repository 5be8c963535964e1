/* SPDX-License-Identifier: MPL-2.0 */
/* See secret.h. */
#include "daemon/util/secret.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "daemon/util/text.h"
#include "proto/limits.h"

struct secret {
        size_t length;
        bool had_line_end; /* in its file */
        char text[LIMIT_PIN + 2];
};

static int secret_new(struct secret **ret)
{
        struct secret *secret =
                mmap(NULL, sizeof(*secret), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (secret == MAP_FAILED)
                return -errno;
        /* A container may refuse locked memory. The process is not dumpable either way, so this goes on without. */
        (void)mlock(secret, sizeof(*secret));
        (void)madvise(secret, sizeof(*secret), MADV_DONTDUMP);
        (void)madvise(secret, sizeof(*secret), MADV_WIPEONFORK);
        *ret = secret;
        return 0;
}

/* LF, or CR LF. */
static void cut_line_end(struct secret *secret)
{
        if (secret->length == 0 || secret->text[secret->length - 1] != '\n')
                return;
        secret->had_line_end = true;
        secret->text[--secret->length] = '\0';
        if (secret->length > 0 && secret->text[secret->length - 1] == '\r')
                secret->text[--secret->length] = '\0';
}

static int check_text(struct secret **secret, struct secret **ret)
{
        cut_line_end(*secret);
        if ((*secret)->length == 0 || (*secret)->length > LIMIT_PIN ||
                memchr((*secret)->text, 0, (*secret)->length))
                return -EINVAL;
        *ret = TAKE_PTR(*secret);
        return 0;
}

int secret_read_fd(int fd, struct secret **ret)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        int r = secret_new(&secret);

        if (r < 0)
                return r;
        /* Read one byte more than is allowed, to see that the file is too long. The last byte stays the NUL. */
        while (secret->length < sizeof(secret->text) - 1) {
                ssize_t n =
                        read(fd, secret->text + secret->length, sizeof(secret->text) - 1 - secret->length);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                secret->length += (size_t)n;
        }
        return check_text(&secret, ret);
}

int secret_read_file(const char *path, struct secret **ret)
{
        _cleanup_(closep) int fd = -1;
        struct stat status;

        /* O_NONBLOCK: do not wait for the writer of a FIFO. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &status) < 0)
                return -errno;
        return S_ISREG(status.st_mode) ? secret_read_fd(fd, ret) : -ENODEV;
}

int secret_new_bytes(const void *bytes, size_t length, struct secret **ret)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        int r = secret_new(&secret);

        if (r < 0)
                return r;
        secret->length = MIN_OF(length, sizeof(secret->text) - 1);
        memcpy(secret->text, bytes, secret->length);
        return check_text(&secret, ret);
}

int secret_new_random(size_t n_bytes, struct secret **ret)
{
        _cleanup_(secret_freep) struct secret *secret = NULL;
        unsigned char bytes[LIMIT_PIN / 2];
        int r;

        if (n_bytes == 0 || n_bytes > sizeof(bytes))
                return -EINVAL;
        r = secret_new(&secret);
        if (r < 0)
                return r;
        if (getrandom(bytes, n_bytes, 0) != (ssize_t)n_bytes)
                return -EIO;
        text_hex(bytes, n_bytes, secret->text);
        secret->length = 2 * n_bytes;
        explicit_bzero(bytes, sizeof(bytes));
        *ret = TAKE_PTR(secret);
        return 0;
}

enum secret_oddity secret_oddity(const struct secret *secret)
{
        char last = secret->length > 0 ? secret->text[secret->length - 1] : '\0';

        if (strncmp(secret->text, "\xef\xbb\xbf", 3) == 0)
                return SECRET_BYTE_ORDER_MARK;
        if (last == '\r' || last == '\n' || last == '\v' || last == '\f')
                return SECRET_WHITE_SPACE;
        return secret->had_line_end && (last == ' ' || last == '\t') ? SECRET_WHITE_SPACE : SECRET_PLAIN;
}

void secret_free(struct secret *secret)
{
        if (!secret)
                return;
        explicit_bzero(secret, sizeof(*secret));
        munmap(secret, sizeof(*secret));
}

const char *secret_text(const struct secret *secret)
{
        return secret->text;
}

size_t secret_length(const struct secret *secret)
{
        return secret->length;
}

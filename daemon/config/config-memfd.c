/* SPDX-License-Identifier: MPL-2.0 */
/* See config.h: a snapshot on its way to another process. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/config/config.h"
#include "daemon/config/parser.h"
#include "daemon/util/text.h"
#include "proto/limits.h"

/* Bytes of a snapshot as text: each byte of the files may become two, and defaults are written out. */
#define FORMAT_MAX (4U * LIMIT_CONFIG)
#define SEALS      (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int write_all(int fd, const char *text, size_t length)
{
        while (length > 0) {
                ssize_t n = write(fd, text, length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                text += n;
                length -= (size_t)n;
        }
        return 0;
}

int config_parse(const char *name, const char *text, size_t length,
        void (*report)(void *userdata, const char *line), void *userdata, struct config **ret)
{
        _cleanup_(parser_done) struct parser parser;
        int r;

        r = parser_init(&parser, report, userdata);
        if (r < 0)
                return r;
        parser_read(&parser, name, text, length);
        return parser_finish(&parser, ret);
}

int config_to_memfd(const struct config *config, int *ret_fd)
{
        _cleanup_(freep) char *text = NULL;
        _cleanup_(closep) int fd = -1;
        int r;

        r = config_format(config, &text);
        if (r < 0)
                return r;
        fd = memfd_create("tokend-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text, strlen(text));
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        *ret_fd = take_fd(&fd);
        return 0;
}

/* Reads with fcntl(2) and pread(2) alone: the broker does this under seccomp. */
int config_from_memfd(int fd, struct config **ret)
{
        _cleanup_(parser_done) struct parser parser = {0};
        _cleanup_(freep) char *text = NULL;
        size_t length = 0;
        int seals = fcntl(fd, F_GET_SEALS), r;

        if (seals < 0)
                return -errno;
        if ((seals & SEALS) != SEALS)
                return -EBADMSG;
        r = text_read(fd, FORMAT_MAX, &text, &length);
        if (r < 0)
                return r;
        if (length > FORMAT_MAX)
                return -EBADMSG;
        r = parser_init(&parser, NULL, NULL);
        if (r < 0)
                return r;
        parser.incomplete = true;
        parser_read(&parser, "memfd", text, length);
        r = parser_finish(&parser, ret);
        return r > 0 ? -EBADMSG : r;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See config.h: from which files, or from which text, a snapshot is read. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "daemon/config/parser.h"
#include "daemon/util/text.h"
#include "proto/limits.h"

/* Reading must not wait, at a reload least of all. So only regular files are read, and /dev/null, with which drop-ins of
 * systemd are masked. */
static bool may_be_read(const struct stat *st)
{
        return S_ISREG(st->st_mode) || (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3));
}

/* /dev/stdin, or /dev/fd/63 of a shell's <(…): perhaps a pipe. */
static bool is_handed(const char *path)
{
        return strcmp(path, "/dev/stdin") == 0 || strncmp(path, "/dev/fd/", 8) == 0;
}

/* waits: a pipe may be read, to its end. 1: it is not a regular file. */
static int read_file(const char *path, bool waits, size_t max, char **ret, size_t *ret_length)
{
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (waits ? 0 : O_NONBLOCK));
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        return waits || may_be_read(&st) ? text_read(fd, max, ret, ret_length) : 1;
}

static unsigned line_at(const char *text, size_t length)
{
        unsigned line = 1;

        for (size_t i = 0; i < length; i++)
                line += text[i] == '\n';
        return line;
}

/* Keeps a copy of the name for as long as the parser, since places point to it. */
static const char *keep_name(struct parser *parser, const char *path)
{
        char **grown = parser_grow(parser, parser->files, parser->n_files, sizeof(*grown));

        if (!grown)
                return NULL;
        parser->files = grown;
        grown[parser->n_files] = strdup(path);
        if (!grown[parser->n_files]) {
                parser->error = -ENOMEM;
                return NULL;
        }
        return grown[parser->n_files++];
}

/* 1, -errno: it could not be read, which is reported. */
static int load_file(struct parser *parser, const char *path, bool waits)
{
        _cleanup_(freep) char *text = NULL;
        const char *name = keep_name(parser, path);
        size_t left = LIMIT_CONFIG - parser->n_bytes, length = 0;
        int r;

        if (!name)
                return -ENOMEM;
        r = read_file(path, waits, left, &text, &length);
        if (r == -ENOMEM)
                parser->error = r;
        if (r != 0) {
                parser->incomplete = true;
                if (r > 0)
                        parser_fault(parser, (struct place){name, 1}, "not a regular file");
                else
                        parser_fault(parser, (struct place){name, 1}, "cannot be read: %s", strerror(-r));
                return r;
        }
        if (length > left) {
                parser->incomplete = true;
                parser_fault(parser, (struct place){name, line_at(text, left)},
                        "the files together are longer than %u bytes, which is the limit", LIMIT_CONFIG);
                length = left;
                while (length > 0 && text[length - 1] != '\n')
                        length--;
        }
        parser->n_bytes += length;
        parser->current = NULL;
        parser_read(parser, name, text, length);
        return 0;
}

static int is_conf(const struct dirent *entry)
{
        size_t length = strlen(entry->d_name);

        return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_directory(struct parser *parser, const char *path)
{
        struct dirent **entries = NULL;
        int n = scandir(path, &entries, is_conf, by_name);

        if (n < 0 && errno == ENOMEM)
                parser->error = -ENOMEM;
        else if (n < 0 && errno != ENOENT) {
                const char *name = keep_name(parser, path);
                int error = errno;

                parser->incomplete = true;
                if (name)
                        parser_fault(parser, (struct place){name, 1}, "cannot be read: %s", strerror(error));
        }
        for (int i = 0; i < n; i++) {
                _cleanup_(freep) char *file = text_format("%s/%s", path, entries[i]->d_name);

                free(entries[i]);
                if (!file)
                        parser->error = -ENOMEM;
                if (!parser->error)
                        (void)load_file(parser, file, false);
        }
        free(entries);
}

static int load(const char *path, bool waits, void (*report)(void *userdata, const char *line),
        void *userdata, struct config **ret)
{
        _cleanup_(parser_done) struct parser parser;
        _cleanup_(freep) char *directory = text_format("%s.d", path);
        int r, unread;

        r = parser_init(&parser, report, userdata);
        if (r < 0 || !directory)
                return -ENOMEM;
        parser.look_up = name_service_number;
        unread = load_file(&parser, path, waits);
        load_directory(&parser, directory);
        r = parser_finish(&parser, ret);
        return unread < 0 && r >= 0 ? unread : r;
}

int config_load(const char *path, void (*report)(void *userdata, const char *line), void *userdata,
        struct config **ret)
{
        return load(path, false, report, userdata, ret);
}

int config_check(const char *path, void (*report)(void *userdata, const char *line), void *userdata,
        struct config **ret)
{
        return load(path, is_handed(path), report, userdata, ret);
}

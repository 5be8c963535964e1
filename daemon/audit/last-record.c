/* SPDX-License-Identifier: MPL-2.0 */
/* See last-record.h. */
#include "daemon/audit/last-record.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/util/log.h"

static int read_all(int fd, char *data, size_t length, uint64_t offset)
{
        while (length > 0) {
                ssize_t n = pread(fd, data, length, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                data += n;
                length -= (size_t)n;
                offset += (uint64_t)n;
        }
        return 0;
}

int last_record_read(int fd, uint64_t size, struct chain *ret_chain, uint64_t *ret_end)
{
        size_t window = (size_t)MIN_OF(size, (uint64_t)LAST_RECORD_WINDOW);
        _cleanup_(freep) char *data = malloc(window + 1);
        const char *newline;
        int r;

        if (!data)
                return -ENOMEM;
        if ((r = read_all(fd, data, window, size - window)) < 0)
                return r;
        /* Line by line, backwards: newline ends the line that is looked at. */
        newline = memrchr(data, '\n', window);
        while (newline) {
                const char *before = memrchr(data, '\n', (size_t)(newline - data));
                const char *start = before ? before + 1 : data;

                if (line_check(start, (size_t)(newline - start), ret_chain)) {
                        *ret_end = size - window + (uint64_t)(newline - data) + 1;
                        return 0;
                }
                newline = before;
        }
        return 1;
}

/* The SEQ in BASE.TIME.SEQ; 0: it is another name. */
static uint64_t name_seq(const char *name, const char *base)
{
        size_t length = strlen(base);
        const char *dot;

        if (strncmp(name, base, length) != 0 || name[length] != '.')
                return 0;
        dot = strchr(name + length + 1, '.');
        return dot && dot[1] >= '1' && dot[1] <= '9' ? strtoull(dot + 1, NULL, 10) : 0;
}

/* Sets *chain if the chain of this file stands further. 1: it does not, or the file has no records. -errno. */
static int last_record_take(int directory_fd, const char *name, struct chain *chain)
{
        _cleanup_(closep) int fd = -1;
        struct chain found;
        struct stat st;
        uint64_t end;
        int r;

        fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return 1;
        if ((r = last_record_read(fd, (uint64_t)st.st_size, &found, &end)) != 0)
                return r;
        if (found.seq <= chain->seq)
                return 1;
        *chain = found;
        return 0;
}

/* Whether the fault is this file's: a symbolic link, a file that we may not read, or that was removed meanwhile. If we are short
 * of memory or descriptors, the search has to be repeated: otherwise the chain would go on from the wrong file. */
static bool is_of_the_file(int error)
{
        return error < 0 && error != -ENOMEM && error != -EMFILE && error != -ENFILE;
}

/* The caller closedir()s *ret. */
static int open_listing(int directory_fd, DIR **ret)
{
        int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret = fdopendir(fd);
        if (!*ret) {
                close(fd);
                return -ENOMEM;
        }
        return 0;
}

int last_record_find(int directory_fd, const char *base, struct chain *ret_chain, char **ret_name)
{
        struct chain chain = {0};
        _cleanup_(freep) char *best = NULL;
        const struct dirent *entry;
        DIR *dir;
        int r;

        r = open_listing(directory_fd, &dir);
        if (r < 0)
                return r;
        /* A file with a lower SEQ in its name cannot stand further: of thousands, few are opened. */
        while (r >= 0 && (errno = 0, entry = readdir(dir))) {
                if (name_seq(entry->d_name, base) <= chain.seq)
                        continue;
                r = last_record_take(directory_fd, entry->d_name, &chain);
                if (is_of_the_file(r)) {
                        log_warning("audit: %s is skipped in the search for the last record: %s",
                                entry->d_name, strerror(-r));
                        r = 1;
                }
                if (r == 0) {
                        free(best);
                        best = strdup(entry->d_name);
                        r = best ? 0 : -ENOMEM;
                }
        }
        closedir(dir);
        if (r < 0)
                return r;
        if (!best)
                return 1;
        *ret_chain = chain;
        *ret_name = TAKE_PTR(best);
        return 0;
}

/* Whether the name ends with the SEQ, and perhaps -N. */
static bool is_whole_name(const char *name, const char *base)
{
        const char *seq = strchr(name + strlen(base) + 1, '.') + 1;

        return seq[strspn(seq, "0123456789-")] == '\0';
}

static int find_lowest(int directory_fd, const char *base, char **ret_name)
{
        _cleanup_(freep) char *best = NULL;
        uint64_t lowest = UINT64_MAX, seq;
        const struct dirent *entry;
        DIR *dir;
        int r = open_listing(directory_fd, &dir);

        if (r < 0)
                return r;
        while (r == 0 && (entry = readdir(dir))) {
                seq = name_seq(entry->d_name, base);
                if (seq == 0 || seq >= lowest || !is_whole_name(entry->d_name, base))
                        continue;
                lowest = seq;
                free(best);
                best = strdup(entry->d_name);
                r = best ? 0 : -ENOMEM;
        }
        closedir(dir);
        if (r == 0 && !best)
                return 1;
        if (r == 0)
                *ret_name = TAKE_PTR(best);
        return r;
}

int last_record_oldest(
        int directory_fd, const char *base, uint64_t keep_usec, struct chain *ret_chain, char **ret_name)
{
        _cleanup_(freep) char *name = NULL;
        _cleanup_(closep) int fd = -1;
        struct stat st;
        uint64_t end;
        int r = find_lowest(directory_fd, base, &name);

        if (r != 0)
                return r;
        fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || (uint64_t)st.st_mtime * USEC_PER_SEC + keep_usec > wall_usec())
                return 1;
        r = last_record_read(fd, (uint64_t)st.st_size, ret_chain, &end);
        if (r == 0)
                *ret_name = TAKE_PTR(name);
        return r;
}

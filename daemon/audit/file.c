/* SPDX-License-Identifier: MPL-2.0 */
/* See file.h. */
#include "daemon/audit/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/audit/last-record.h"
#include "daemon/audit/locked-file.h"
#include "daemon/audit/own-kind.h"
#include "daemon/audit/quarantine.h"
#include "daemon/util/audit.h"
#include "daemon/util/log.h"
#include "daemon/util/text.h"

/* Bytes of notes that the file could not write yet: a few sentences. */
enum {
        NOTES_SIZE = 32768
};

struct file {
        char *path, *directory, *base;
        struct confined_directory place; /* of that name */
        int directory_fd, fd;            /* -1: not open */
        bool known;                      /* the chain is: a file was open before */
        struct chain chain;
        uint64_t length; /* what is ours, on the disk, and was announced */
        bool dirty;      /* a write failed: bytes behind length are ours, and are to be cut off */
        struct batch notes;
};

int file_new(const char *path, confine_directory *confine, struct file **ret)
{
        const char *slash = strrchr(path, '/');
        _cleanup_(file_freep) struct file *file = NULL;

        if (path[0] != '/' || slash[1] == '\0')
                return -EINVAL;
        file = calloc(1, sizeof(*file));
        if (!file)
                return -ENOMEM;
        file->fd = file->directory_fd = -1;
        file->path = strdup(path);
        file->directory = strndup(path, slash == path ? 1 : (size_t)(slash - path));
        file->base = strdup(slash + 1);
        if (!file->path || !file->directory || !file->base || batch_init(&file->notes, NOTES_SIZE) < 0)
                return -ENOMEM;
        file->place = (struct confined_directory){.path = file->directory, .confine = confine};
        *ret = TAKE_PTR(file);
        return 0;
}

static void file_close(struct file *file)
{
        closep(&file->fd);
        closep(&file->directory_fd);
        file->fd = file->directory_fd = -1;
        file->length = 0;
        file->dirty = false;
}

void file_free(struct file *file)
{
        if (!file)
                return;
        file_close(file);
        batch_done(&file->notes);
        free(file->path);
        free(file->directory);
        free(file->base);
        free(file);
}

/* A record about the file itself, written before the next records. format: the JSON members after `kind`. */
static _printf_(3, 4) void file_note(struct file *file, enum own_kind own, const char *format, ...)
{
        const char *kind = own_kind_name(own);
        char when[AUDIT_TIME_SIZE], members[8192], text[8192 + 128];
        va_list args;
        int length;

        va_start(args, format);
        length = vsnprintf(members, sizeof(members), format, args);
        va_end(args);
        audit_time(wall_usec(), when);
        if (length >= 0 && (size_t)length < sizeof(members))
                length = snprintf(
                        text, sizeof(text), "{\"time\":\"%s\",\"kind\":\"%s\",%s}", when, kind, members);
        else
                length = snprintf(text, sizeof(text), "{\"time\":\"%s\",\"kind\":\"%s\"}", when, kind);
        log_notice("audit: %s: %s", file->path, text);
        if (batch_add(&file->notes, text, (size_t)length) < 0)
                log_error("audit: this note cannot be added to the file: too many wait to be written");
}

/* A file's name or a sentence as a JSON string; both are shorter than NAME_MAX. */
static const char *quoted(const char *text, char ret[static 2048])
{
        return audit_quote(text, ret, 2048) > 0 ? ret : "\"\"";
}

/* A file with our records: whatever follows the last whole record is moved to another file. */
static int take_up(struct file *file, int fd, uint64_t size, uint64_t end, const struct chain *chain)
{
        _cleanup_(freep) char *name = NULL;
        char quote[2048];
        int r;

        if (end == size)
                return 0;
        r = quarantine_copy(file->directory_fd, file->base, chain->seq, fd, end, size, &name);
        if (r < 0)
                return r;
        if (ftruncate(fd, (off_t)end) < 0 || fsync(fd) < 0)
                return -errno;
        file_note(file, OWN_TORN, "\"bytes\":%" PRIu64 ",\"file\":%s", size - end, quoted(name, quote));
        return 0;
}

/* A new, empty file. It continues the chain that we know, or the chain of the newest renamed file; else a chain begins here. */
static int begin(struct file *file, struct chain *chain)
{
        _cleanup_(freep) char *name = NULL;
        char quote[2048];
        int r;

        if (fsync(file->directory_fd) < 0)
                return -errno;
        if (file->known) {
                *chain = file->chain;
                return 0;
        }
        r = last_record_find(file->directory_fd, file->base, chain, &name);
        if (r < 0)
                return r;
        if (r == 0)
                file_note(file, OWN_START, "\"pid\":%d,\"follows\":%s", (int)getpid(), quoted(name, quote));
        else {
                *chain = (struct chain){0};
                file_note(file, OWN_START, "\"pid\":%d,\"reason\":\"a new chain\"", (int)getpid());
        }
        return 0;
}

static bool chain_equal(const struct chain *a, const struct chain *b)
{
        return a->seq == b->seq && memcmp(a->hash, b->hash, sizeof(a->hash)) == 0;
}

/* The file is not ours, or its chain is not where it stood: it is renamed. */
static int set_aside(struct file *file, uint64_t seq)
{
        _cleanup_(freep) char *name = NULL;
        char quote[2048];
        int r;

        r = quarantine_rename(file->directory_fd, file->base, seq, ".damaged", &name);
        if (r < 0)
                return r;
        file_note(file, OWN_DAMAGED, "\"file\":%s,\"reason\":\"%s\"", quoted(name, quote),
                file->known ? "its last whole record is not the last that was written"
                            : "no whole record at its end");
        return 0;
}

/* 1: the file was moved out of the way: try again. */
static int file_acquire_once(struct file *file)
{
        _cleanup_(closep) int fd = -1;
        struct chain chain = {0};
        uint64_t size = 0, end = 0;
        int r;

        if ((r = locked_file_open(file->directory_fd, file->base, &fd, &size)) < 0)
                return r;
        if (size == 0)
                r = begin(file, &chain);
        else {
                r = last_record_read(fd, size, &chain, &end);
                if (r == 1 || (r == 0 && file->known && !chain_equal(&chain, &file->chain))) {
                        r = set_aside(file, chain.seq);
                        return r < 0 ? r : 1;
                }
                if (r == 0)
                        r = take_up(file, fd, size, end, &chain);
                if (r == 0 && !file->known)
                        file_note(file, OWN_START, "\"pid\":%d", (int)getpid());
        }
        if (r < 0)
                return r;
        file->fd = take_fd(&fd);
        file->length = end;
        file->chain = chain;
        file->known = true;
        return 0;
}

static int file_acquire(struct file *file)
{
        int r = confined_directory_open(&file->place, &file->directory_fd);

        if (r < 0)
                return r;
        r = 1;
        for (int i = 0; r == 1 && i < 3; i++)
                r = file_acquire_once(file);
        if (r != 0)
                file_close(file);
        return r == 1 ? -EBUSY : r;
}

/* Cuts off what a failed write left. The next write then writes those pages anew. Otherwise the kernel would take the pages on
 * which an fsync failed for clean. */
static int file_undo(struct file *file)
{
        if (ftruncate(file->fd, (off_t)file->length) < 0 || fdatasync(file->fd) < 0)
                return -errno;
        file->dirty = false;
        return 0;
}

/* Why the open file is not where and as we left it; NULL: it is as we left it. */
static const char *file_fault(const struct file *file)
{
        struct stat st, named, directory, now;

        if (fstat(file->fd, &st) < 0 || fstat(file->directory_fd, &directory) < 0)
                return "the file cannot be looked at";
        if (stat(file->directory, &now) < 0 || now.st_ino != directory.st_ino ||
                now.st_dev != directory.st_dev)
                return "the directory was renamed or removed";
        if (fstatat(file->directory_fd, file->base, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
                named.st_ino != st.st_ino || named.st_dev != st.st_dev)
                return "the file was renamed or removed";
        if ((uint64_t)st.st_size < file->length)
                return "the file is shorter than what was written";
        if ((uint64_t)st.st_size > file->length && !file->dirty)
                return "someone else wrote to the file";
        return NULL;
}

/* Open, ours, and ending where our last record ends. */
static int file_ready(struct file *file)
{
        const char *fault = file->fd >= 0 ? file_fault(file) : NULL;

        if (fault) {
                file_note(file, OWN_REOPENED, "\"reason\":\"%s\"", fault);
                file_close(file);
        }
        if (file->fd < 0)
                return file_acquire(file);
        return file->dirty ? file_undo(file) : 0;
}

static int file_write(struct file *file, const char *data, size_t length)
{
        while (length > 0) {
                ssize_t n = write(file->fd, data, length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                data += n;
                length -= (size_t)n;
        }
        return fdatasync(file->fd) < 0 ? -errno : 0;
}

/* Appends the lines of a batch at *length of out, and moves the chain on. */
static int format_batch(
        struct chain *chain, const struct batch *batch, char *out, size_t size, size_t *length)
{
        size_t at = 0, n, text_length;
        const char *text;
        int r;

        while ((text = batch_next(batch, &at, &text_length))) {
                r = line_format(chain, text, text_length, out + *length, size - *length, &n);
                if (r < 0)
                        return r;
                *length += n;
        }
        return 0;
}

int file_append(struct file *file, const char *first, const struct batch *records)
{
        static const struct batch none;
        _cleanup_(freep) char *out = NULL;
        size_t size, n, length = 0;
        struct chain chain;
        int r;

        if ((r = file_ready(file)) < 0)
                return r;
        records = records ? records : &none;
        size = file->notes.length + records->length + (first ? strlen(first) : 0) +
               (file->notes.n + records->n + 1) * LINE_EXTRA;
        out = malloc(size);
        if (!out)
                return -ENOMEM;
        chain = file->chain;
        r = format_batch(&chain, &file->notes, out, size, &length);
        if (r == 0 && first) {
                r = line_format(&chain, first, strlen(first), out + length, size - length, &n);
                length += r == 0 ? n : 0;
        }
        if (r == 0)
                r = format_batch(&chain, records, out, size, &length);
        if (r < 0 || length == 0)
                return r;
        file->dirty = true;
        if ((r = file_write(file, out, length)) < 0) {
                /* At once, so that a reader sees whole lines. If even this fails, it is done before the next write. */
                (void)file_undo(file);
                return r;
        }
        file->dirty = false;
        file->length += length;
        file->chain = chain;
        batch_clear(&file->notes);
        return 0;
}

int file_rotate(struct file *file, bool head_signed, const char *reason)
{
        _cleanup_(freep) char *name = NULL;
        char quote[2048], why[2048];
        int r;

        if ((r = file_ready(file)) < 0)
                return r;
        if (file->length == 0)
                return 0;
        r = quarantine_rename(file->directory_fd, file->base, file->chain.seq, "", &name);
        if (r < 0)
                return r;
        file_close(file);
        file_note(file, OWN_ROTATED, "\"file\":%s,\"headSigned\":%s%s%s", quoted(name, quote),
                head_signed ? "true" : "false", reason ? ",\"reason\":" : "",
                reason ? quoted(reason, why) : "");
        return 0;
}

int file_sweep(struct file *file, uint64_t keep_usec)
{
        int r = file_ready(file);

        while (r == 0) {
                _cleanup_(freep) char *name = NULL;
                char quote[2048], hash[2 * sizeof(file->chain.hash) + 1];
                struct chain chain;

                r = last_record_oldest(file->directory_fd, file->base, keep_usec, &chain, &name);
                if (r != 0)
                        break;
                text_hex(chain.hash, sizeof(chain.hash), hash);
                file_note(file, OWN_REMOVED, "\"file\":%s,\"upTo\":%" PRIu64 ",\"upToHash\":\"%s\"",
                        quoted(name, quote), chain.seq, hash);
                r = file_append(file, NULL, NULL);
                if (r == 0 && unlinkat(file->directory_fd, name, 0) < 0)
                        r = -errno;
        }
        return MIN_OF(r, 0);
}

const struct chain *file_chain(const struct file *file)
{
        return &file->chain;
}

uint64_t file_length(const struct file *file)
{
        return file->length;
}

const char *file_path(const struct file *file)
{
        return file->path;
}

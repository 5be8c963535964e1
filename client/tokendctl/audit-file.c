/* SPDX-License-Identifier: MPL-2.0 */
/* See audit-file.h. */
#include "client/tokendctl/audit-file.h"

#include <dirent.h>
#include <string.h>

#include "client/tokendctl/chain.h"
#include "client/tokendctl/token-place.h"
#include "daemon/util/text.h"

/* tokend-audit may be writing a last line that has no end yet. How often it is read again, and the wait between, in
 * microseconds. */
#define GROW_TRIES   20
#define GROW_WAIT_US 50000

/* ---- lines ---- */

int audit_file_line(FILE *stream, char *buffer, size_t size, size_t *ret_length, bool *ret_whole)
{
        size_t length = 0;
        int tries = 0, c;

        for (;;) {
                c = getc_unlocked(stream);
                if (c == '\n' || (c == EOF && (ferror(stream) || length == 0 || tries == GROW_TRIES)))
                        break;
                if (c == EOF) {
                        clearerr(stream);
                        (void)usleep(GROW_WAIT_US);
                        tries++;
                        continue;
                }
                if (length < size)
                        buffer[length++] = (char)c;
        }
        if (ferror(stream))
                return -errno;
        *ret_length = length;
        *ret_whole = c == '\n';
        return c == EOF && length == 0 ? 1 : 0;
}

/* ---- files ---- */

static int add(struct audit_files *files, const char *path)
{
        struct audit_file *grown = reallocarray(files->list, files->n + 1, sizeof(*grown));

        if (!grown)
                return no_memory();
        files->list = grown;
        grown[files->n] = (struct audit_file){.path = strdup(path)};
        return grown[files->n++].path ? EXIT_DONE : no_memory();
}

/* BASE.TIME.SEQ, without another end. */
static bool is_rotated(const char *name, const char *base)
{
        size_t length = strlen(base);
        const char *time, *seq;

        if (strncmp(name, base, length) != 0 || name[length] != '.')
                return false;
        time = name + length + 1;
        seq = strchr(time, '.');
        return seq && seq > time && seq[1] >= '1' && seq[1] <= '9' &&
               seq[1 + strspn(seq + 1, "0123456789-")] == '\0';
}

static int add_rotated(struct audit_files *files, const char *path)
{
        const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
        _cleanup_(freep) char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
        DIR *dir = directory ? opendir(directory) : NULL;
        const struct dirent *entry;
        int r = EXIT_DONE;

        if (!directory)
                return no_memory();
        if (!dir)
                return usage("%s: %s", directory, strerror(errno));
        while (r == EXIT_DONE && (entry = readdir(dir))) {
                _cleanup_(freep) char *found = NULL;

                if (!is_rotated(entry->d_name, base))
                        continue;
                found = text_format("%s%s", slash ? directory : "", entry->d_name);
                r = found ? add(files, found) : no_memory();
        }
        closedir(dir);
        return r;
}

static int add_configured(const struct ctl_options *o, struct audit_files *files)
{
        _cleanup_(freep) char *path = NULL;
        int r = audit_path_find(o, &path);

        if (r == EXIT_DONE && access(path, F_OK) == 0)
                r = add(files, path);
        return r == EXIT_DONE ? add_rotated(files, path) : r;
}

/* Opens the file, and reads the number of its first record that has one. */
static int open_file(struct audit_file *file)
{
        static char buffer[CHAIN_LINE_MAX + 1];
        size_t length;
        bool whole;

        file->stream = fopen(file->path, "re");
        if (!file->stream)
                return usage("%s: %s", file->path, strerror(errno));
        for (int i = 0; i < 100 && file->first_seq == 0; i++) {
                int r = audit_file_line(file->stream, buffer, sizeof(buffer), &length, &whole);

                if (r < 0)
                        return usage("%s: %s", file->path, strerror(-r));
                if (r == 1)
                        break;
                file->first_seq = chain_line_seq(buffer, length);
        }
        rewind(file->stream);
        return EXIT_DONE;
}

static int by_seq(const void *a, const void *b)
{
        const struct audit_file *x = a, *y = b;

        return x->first_seq < y->first_seq ? -1 : x->first_seq > y->first_seq;
}

int audit_files_open(const struct ctl_options *o, struct audit_files *ret)
{
        int r = o->n_arguments > 1 ? EXIT_DONE : add_configured(o, ret);

        for (unsigned i = 1; r == EXIT_DONE && i < o->n_arguments; i++)
                r = add(ret, o->arguments[i]);
        if (r == EXIT_DONE && ret->n == 0)
                return usage("there is no audit file yet");
        for (size_t i = 0; r == EXIT_DONE && i < ret->n; i++)
                r = open_file(&ret->list[i]);
        if (r == EXIT_DONE)
                qsort(ret->list, ret->n, sizeof(*ret->list), by_seq);
        return r;
}

void audit_files_done(struct audit_files *files)
{
        for (size_t i = 0; i < files->n; i++) {
                if (files->list[i].stream)
                        fclose(files->list[i].stream);
                free(files->list[i].path);
        }
        free(files->list);
}

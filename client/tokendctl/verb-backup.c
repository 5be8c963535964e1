/* SPDX-License-Identifier: MPL-2.0 */
/*
 * tokendctl backup and restore: the files of an internal token, into an encrypted archive and out of it. Root's own work on files, without
 * the daemon: no process of the service can make a backup, whoever takes it over.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "client/tokendctl/tokendctl.h"
#include "client/tokendctl/token-place.h"
#include "daemon/backup/archive.h"
#include "daemon/backup/database.h"
#include "daemon/backup/owner.h"
#include "daemon/backup/place.h"
#include "daemon/util/printable.h"

/* Bytes of a sentence. */
#define REASON_MAX 1024U

/* What is in this process now is as much as the token. */
static void keep_private(void)
{
        static const struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none);
        (void)prctl(PR_SET_DUMPABLE, 0);
}

static int say_reason(int error, const char *reason)
{
        if (error == -ENOMEM)
                return no_memory();
        if (error == -EFBIG && !*reason)
                complain("the token is larger than %u MiB, which is the most that a backup has",
                        LIMIT_BACKUP >> 20);
        else
                complain("%s", *reason ? reason : strerror(-error));
        if (error == -EACCES || error == -EPERM)
                complain("next: do it as root");
        return EXIT_REFUSED;
}

static void say_done(
        const struct ctl_options *o, const char *token, const char *name, const char *value, size_t bytes)
{
        _cleanup_(freep) char *token_text = printable_new(token), *value_text = printable_new(value);

        if (!o->json) {
                printf("%s %s %s (%zu bytes)\n", token_text ? token_text : "",
                        strcmp(name, "file") == 0 ? "is saved in" : "is restored in",
                        value_text ? value_text : "", bytes);
                return;
        }
        printf("{\"token\":");
        json_string_print(stdout, token);
        printf(",\"%s\":", name);
        json_string_print(stdout, value);
        printf(",\"bytes\":%zu}\n", bytes);
}

/* ---- backup ---- */

static int write_archive(const char *path, const uint8_t *bytes, size_t length)
{
        struct ctl_output output = CTL_OUTPUT_FRESH;
        int r = ctl_output_open(path, &output);

        if (r == EXIT_DONE)
                r = ctl_output_write(&output, bytes, length);
        ctl_output_done(&output);
        return r;
}

static int read_token(const struct token_place *place, struct backup *backup)
{
        char reason[REASON_MAX] = "";
        int r = owner_become(place->owner);

        if (r == 0)
                r = place_read(place->directory, backup, reason, sizeof(reason));
        if (owner_return() < 0)
                abort();
        return r < 0 ? say_reason(r, reason) : EXIT_DONE;
}

static int save(const struct ctl_options *o, const struct token_place *place, const struct secret *passphrase)
{
        struct backup backup = {.made_usec = wall_usec()};
        _cleanup_(freep) uint8_t *bytes = NULL;
        size_t length = 0;
        int r = read_token(place, &backup);

        if (r != EXIT_DONE)
                return r;
        backup.token = strdup(o->arguments[0]);
        r = backup.token ? archive_seal(&backup, passphrase, &bytes, &length) : -ENOMEM;
        if (r == 0 && !backup.files[BACKUP_PIN].data)
                complain("the PIN is not in this backup: it is not in %s, but where Pin= names it",
                        place->directory);
        backup_done(&backup);
        if (r < 0)
                return say_reason(r, "");
        r = write_archive(o->arguments[1], bytes, length);
        if (r == EXIT_DONE)
                say_done(o, o->arguments[0], "file", o->arguments[1], length);
        return r;
}

int verb_backup(const struct ctl_options *o)
{
        _cleanup_(secret_freep) struct secret *passphrase = NULL;
        struct token_place place = {0};
        struct stat st;
        int r;

        keep_private();
        if (file_is_standard(o->arguments[1]))
                return usage("name a file: a backup is not written to standard output");
        if (lstat(o->arguments[1], &st) == 0)
                return usage("%s: there is such a file, and it is not overwritten", o->arguments[1]);
        r = token_place_find(o, o->arguments[0], &place);
        if (r == EXIT_DONE)
                r = passphrase_get(o, true, &passphrase);
        if (r == EXIT_DONE)
                r = save(o, &place, passphrase);
        token_place_done(&place);
        return r;
}

/* ---- restore ---- */

/* Only a file, and not one that never ends. */
static int read_archive(const char *path, uint8_t **ret, size_t *ret_length)
{
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return usage("%s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return usage("%s: expected a file", path);
        if (st.st_size > (off_t)LIMIT_BACKUP) {
                complain("%s: larger than any backup, which has at most %u MiB", path, LIMIT_BACKUP >> 20);
                return EXIT_REFUSED;
        }
        r = file_read(path, (size_t)st.st_size, ret, ret_length);
        return r < 0 ? usage("%s: %s", path, r == -EFBIG ? "it grows while it is read" : strerror(-r))
                     : EXIT_DONE;
}

static int check_databases(const char *path, const struct backup *backup)
{
        for (enum backup_file file = BACKUP_CERTIFICATES; file <= BACKUP_KEYS; file++) {
                char reason[REASON_MAX] = "";
                int r = database_check(
                        backup->files[file].data, backup->files[file].length, reason, sizeof(reason));

                if (r == -ENOMEM)
                        return no_memory();
                if (r < 0) {
                        complain("%s: its %s is not whole: %s", path, backup_file_name(file), reason);
                        return EXIT_REFUSED;
                }
        }
        return EXIT_DONE;
}

static int open_archive(const struct ctl_options *o, struct backup *backup)
{
        _cleanup_(secret_freep) struct secret *passphrase = NULL;
        _cleanup_(freep) uint8_t *bytes = NULL;
        const char *path = o->arguments[0];
        size_t length;
        int r = read_archive(path, &bytes, &length);

        if (r == EXIT_DONE)
                r = passphrase_get(o, false, &passphrase);
        if (r != EXIT_DONE)
                return r;
        r = archive_open(bytes, length, passphrase, backup);
        explicit_bzero(bytes, length);
        if (r < 0)
                return no_memory();
        if (r > 0) {
                complain("%s: %s", path, archive_fault_text((enum archive_fault)r));
                return EXIT_REFUSED;
        }
        return check_databases(path, backup);
}

static int put_back(const struct ctl_options *o, const struct backup *backup, const char *token)
{
        struct token_place place = {0};
        char reason[REASON_MAX] = "";
        size_t bytes = 0;
        int r = token_place_find(o, token, &place);

        if (r != EXIT_DONE)
                return r;
        r = token_place_prepare(&place);
        if (r == 0)
                r = owner_become(place.owner);
        if (r == 0)
                r = place_write(place.directory, backup, reason, sizeof(reason));
        if (owner_return() < 0)
                abort();
        for (size_t i = 0; i < BACKUP_FILES; i++)
                bytes += backup->files[i].length;
        if (r == 0)
                say_done(o, token, "directory", place.directory, bytes);
        token_place_done(&place);
        return r < 0 ? say_reason(r, reason) : EXIT_DONE;
}

int verb_restore(const struct ctl_options *o)
{
        struct backup backup = {0};
        int r;

        keep_private();
        r = open_archive(o, &backup);
        if (r == EXIT_DONE)
                r = put_back(o, &backup, o->n_arguments > 1 ? o->arguments[1] : backup.token);
        backup_done(&backup);
        return r;
}

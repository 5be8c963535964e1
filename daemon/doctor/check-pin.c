/* SPDX-License-Identifier: MPL-2.0 */
/* Whether the service can read the PIN, and who else can. The PIN is read, and tried nowhere. */
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/doctor/checks.h"
#include "daemon/doctor/reach.h"
#include "daemon/util/secret.h"
#include "daemon/util/text.h"
#include "daemon/worker/device/password-conf.h"

/* The command that asks for the PIN and puts it there. */
static char *write_file(const struct doctor *doctor, const char *token, const char *path)
{
        if (!remedy_is_plain(path) || !remedy_is_plain(token))
                return NULL;
        return text_format(
                "systemd-ask-password -n 'PIN of %s:' | install -D -o root -g %s -m 0640 /dev/stdin %s",
                token, doctor->group, path);
}

static char *write_credential(const struct doctor *doctor, const char *token, const char *credential)
{
        _cleanup_(freep) char *line = text_format("LoadCredential=%s", credential), *drop_in = NULL,
                              *name = NULL;

        if (!line || !remedy_is_plain(credential) || !remedy_is_plain(token))
                return NULL;
        name = text_format("credential-%s", credential);
        drop_in = name && doctor->unit ? remedy_drop_in(name, line) : NULL;
        return drop_in ? text_format("install -d -m 0700 /etc/credstore && systemd-ask-password -n 'PIN of "
                                     "%s:' | install "
                                     "-m 0600 /dev/stdin /etc/credstore/%s && %s",
                                 token, credential, drop_in)
                       : NULL;
}

/* Who may read it beside the service. Says whether that was a finding. */
static bool check_readers(
        struct doctor *doctor, const char *name, const char *token, const char *path, const struct stat *st)
{
        _cleanup_(freep) char *remedy = NULL;
        const struct group *group = getgrgid(st->st_gid);
        const char *whose = group ? group->gr_name : "?";
        bool all = st->st_mode & S_IROTH;

        if (!all && (!(st->st_mode & S_IRGRP) || st->st_gid == 0 || strcmp(whose, doctor->group) == 0))
                return false;
        if (remedy_is_plain(path))
                remedy = text_format("chown root:%s %s && chmod 0640 %s", doctor->group, path, path);
        doubtful(doctor, token, name, "a file that root and the service alone can read", remedy,
                "%s has mode %04o and the group %s: %s can read it", path, (unsigned)st->st_mode & 07777U,
                whose, all ? "every user of this host" : "that group");
        return true;
}

static void check_content(struct doctor *doctor, const char *name, const char *token, const char *path)
{
        _cleanup_(secret_freep) struct secret *pin = NULL;
        int r = secret_read_file(path, &pin);
        const char *what = r == -EINVAL                                   ? "is empty, too long, or has a NUL"
                           : r == -ENODEV                                 ? "is not a regular file"
                           : r < 0                                        ? "cannot be read"
                           : secret_oddity(pin) == SECRET_BYTE_ORDER_MARK ? "begins with a byte order mark"
                           : password_conf_has(secret_text(pin), token, "")
                                   ? "has NAME=PIN instead of the PIN alone"
                           : secret_oddity(pin) == SECRET_WHITE_SPACE
                                   ? "has white space or a second line end behind the PIN"
                                   : NULL;
        _cleanup_(freep) char *remedy = what ? write_file(doctor, token, path) : NULL;

        if (what)
                bad(doctor, token, name, "the PIN alone, in one line", remedy,
                        "%s %s: tokend would try no login", path, what);
}

static void check_file(struct doctor *doctor, const char *name, const char *token, const char *path)
{
        _cleanup_(freep) char *remedy = NULL;
        const struct passwd *user;
        const struct group *group;
        struct stat st;

        if (stat(path, &st) < 0 && errno == ENOENT) {
                remedy = write_file(doctor, token, path);
                bad(doctor, token, name, "a file with the PIN", remedy, "%s: %s", path, strerror(ENOENT));
                return;
        }
        if (!reach(doctor, token, name, "the PIN file", path, R_OK, false))
                return;
        if (stat(path, &st) == 0 && !check_readers(doctor, name, token, path, &st)) {
                user = getpwuid(st.st_uid);
                group = getgrgid(st.st_gid);
                good(doctor, token, name, "%s of %s:%s, mode %04o", path, user ? user->pw_name : "?",
                        group ? group->gr_name : "?", (unsigned)st.st_mode & 07777U);
        }
        check_content(doctor, name, token, path);
}

static void check_credential(
        struct doctor *doctor, const char *name, const char *token, const char *credential)
{
        const char *directory = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_(freep) char *path = directory ? text_format("%s/%s", directory, credential) : NULL,
                              *remedy = NULL;

        if (path && access(path, R_OK) == 0) {
                good(doctor, token, name, "systemd hands over the credential %s", credential);
                check_content(doctor, name, token, path);
                return;
        }
        remedy = write_credential(doctor, token, credential);
        if (!doctor->unit)
                doubtful(doctor, token, name, "a credential of systemd's", NULL,
                        "the credential %s was not looked for: it is only there in the unit", credential);
        else
                bad(doctor, token, name, "a credential of systemd's", remedy,
                        "the unit gets no credential %s", credential);
}

void check_pin(struct doctor *doctor, const char *name, const struct config_token *token)
{
        if (!token->pin)
                return;
        if (strncmp(token->pin, "file:", 5) == 0)
                check_file(doctor, name, token->name, token->pin + 5);
        else
                check_credential(doctor, name, token->name, token->pin + strlen("credential:"));
}

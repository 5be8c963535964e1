/* SPDX-License-Identifier: MPL-2.0 */
/* See reach.h. */
#include "daemon/doctor/reach.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/util/text.h"

/* Where the way to a file ends for this process. */
struct barrier {
        char path[PATH_MAX];
        struct stat st;
        int need; /* what this process lacks there: R_OK, W_OK, X_OK */
};

static int try(const char *path, int want)
{
        return faccessat(AT_FDCWD, path, want, AT_EACCESS) == 0 ? 0 : -errno;
}

/* The first directory that cannot be passed, else the file itself. false: it cannot be told. */
static bool find_barrier(const char *path, int want, struct barrier *ret)
{
        size_t length = strlen(path);

        if (length >= sizeof(ret->path))
                return false;
        for (size_t i = 1; i <= length; i++) {
                bool last = i == length;

                if (!last && path[i] != '/')
                        continue;
                memcpy(ret->path, path, i);
                ret->path[i] = '\0';
                ret->need = last ? want : X_OK;
                if (stat(ret->path, &ret->st) < 0)
                        return false;
                if (try(ret->path, ret->need) < 0)
                        return true;
        }
        return false;
}

static bool is_below(const char *path, const char *directory)
{
        size_t n = strlen(directory);

        return strncmp(path, directory, n) == 0 && (path[n] == '/' || !path[n]);
}

/* ---- what mends it ---- */

/* Groups that give far more than one file. */
static bool is_mighty(const char *group)
{
        static const char *const names[] = {
                "root", "shadow", "disk", "kmem", "sudo", "wheel", "adm", "docker", "mem", "tty"};

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (strcmp(group, names[i]) == 0)
                        return true;
        return false;
}

/* The group of what is in the way lets its members through. */
static char *join_group(const struct doctor *doctor, const struct barrier *barrier)
{
        const struct group *group = getgrgid(barrier->st.st_gid);
        unsigned bits = (barrier->st.st_mode >> 3) & 7U;
        _cleanup_(freep) char *line = NULL, *name = NULL;

        /* A directory of a mode 1730 lets its members make files, and see none. */
        if (!group || is_mighty(group->gr_name) || !remedy_is_plain(group->gr_name) ||
                (bits & (unsigned)barrier->need) != (unsigned)barrier->need)
                return NULL;
        if (!doctor->unit)
                return text_format("usermod --append --groups %s %s", group->gr_name, doctor->user);
        line = text_format("SupplementaryGroups=%s", group->gr_name);
        name = text_format("group-%s", group->gr_name);
        return line && name ? remedy_drop_in(name, line) : NULL;
}

static char *change_owner(const struct doctor *doctor, const struct barrier *barrier)
{
        static const char *const system[] = {"/", "/etc", "/var", "/usr", "/opt", "/dev", "/run", "/var/lib"};

        for (size_t i = 0; i < ARRAY_SIZE(system); i++)
                if (strcmp(barrier->path, system[i]) == 0)
                        return NULL;
        if (barrier->need & W_OK)
                return text_format("chown -R %s:%s %s", doctor->user, doctor->group, barrier->path);
        return text_format("chgrp %s %s && chmod g+r%s %s", doctor->group, barrier->path,
                S_ISDIR(barrier->st.st_mode) ? "x" : "", barrier->path);
}

static char *mend_refused(const struct doctor *doctor, const char *path, int want, bool trusted)
{
        struct barrier barrier;
        char *remedy;

        if (doctor->unit &&
                (is_below(path, "/home") || is_below(path, "/root") || is_below(path, "/run/user")))
                return remedy_drop_in("home", "ProtectHome=read-only");
        if (!find_barrier(path, want, &barrier))
                return NULL;
        remedy = join_group(doctor, &barrier);
        return remedy || !trusted ? remedy : change_owner(doctor, &barrier);
}

/* Devices that give the whole host. */
static bool is_mighty_device(const char *path)
{
        static const char *const names[] = {"mem", "kmem", "port", "kmsg", "sd", "nvme", "vd", "xvd", "dm-",
                "mapper", "loop", "disk", "md", "input", "console", "tty", "fuse", "kvm", "vfio", "log"};

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (strncmp(path + strlen("/dev/"), names[i], strlen(names[i])) == 0)
                        return true;
        return false;
}

static char *mend_absent(const struct doctor *doctor, const char *path)
{
        _cleanup_(freep) char *lines = NULL, *name = NULL;

        if (!doctor->unit || strncmp(path, "/dev/", 5) != 0 || is_mighty_device(path))
                return NULL;
        /* With PrivateDevices=yes there are the harmless devices alone. */
        lines = text_format("PrivateDevices=no 'DeviceAllow=%s rw'%s", path,
                strncmp(path, "/dev/tpm", 8) == 0 ? " SupplementaryGroups=tss" : "");
        name = text_format("device-%s", strrchr(path, '/') + 1);
        return lines && name ? remedy_drop_in(name, lines) : NULL;
}

char *reach_remedy(const struct doctor *doctor, const char *path, int want, int error, bool trusted)
{
        if (!remedy_is_plain(path))
                return NULL;
        switch (error) {
        case -EROFS:
                return doctor->unit ? remedy_writable(path) : NULL;
        case -EACCES:
        case -EPERM:
                return mend_refused(doctor, path, want, trusted);
        case -ENOENT:
        case -ENXIO:
                return mend_absent(doctor, path);
        default:
                return NULL;
        }
}

/* "root:softhsm 0640 /etc/softhsm/softhsm2.conf": what is in the way; "" where nothing can be seen. */
static void describe(const char *path, int want, char *ret, size_t size)
{
        const struct passwd *user;
        const struct group *group;
        struct barrier barrier;

        *ret = '\0';
        if (!find_barrier(path, want, &barrier))
                return;
        user = getpwuid(barrier.st.st_uid);
        group = getgrgid(barrier.st.st_gid);
        snprintf(ret, size, " (%s belongs to %s:%s with mode %04o)", barrier.path, user ? user->pw_name : "?",
                group ? group->gr_name : "?", (unsigned)barrier.st.st_mode & 07777U);
}

bool reach(struct doctor *doctor, const char *token, const char *check, const char *what, const char *path,
        int want, bool optional)
{
        _cleanup_(freep) char *remedy = NULL, *expected = NULL;
        char why[PATH_MAX + 128];
        int r = try(path, want);

        if (r == 0 || (r == -ENOENT && optional))
                return true;
        remedy = reach_remedy(doctor, path, want, r, true);
        expected = text_format("%s can be %s by the user %s", what,
                want & W_OK   ? "read and written"
                : want & X_OK ? "entered"
                              : "read",
                doctor->user);
        describe(path, want, why, sizeof(why));
        bad(doctor, token, check, expected, remedy, "%s %s: %s%s", what, path, strerror(-r), why);
        return false;
}

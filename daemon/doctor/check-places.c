/* SPDX-License-Identifier: MPL-2.0 */
/* Directories that the service writes, and what it needs of the kernel. */
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <systemd/sd-login.h>

#include "daemon/doctor/checks.h"
#include "daemon/doctor/reach.h"
#include "daemon/sandbox/landlock.h"
#include "daemon/util/text.h"
#include "daemon/worker/device/mark.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* A directory that must be there, and be written. make: what makes it, or NULL. Returns whether it is so. */
static bool writable(struct doctor *doctor, const char *name, const char *token, const char *what,
        const char *path, const char *make)
{
        struct stat st;

        if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
                bad(doctor, token, name, "a directory", NULL, "%s %s is not a directory", what, path);
                return false;
        }
        if (access(path, F_OK) < 0 && errno == ENOENT) {
                bad(doctor, token, name, "a directory that the service can write", make, "%s %s is not there",
                        what, path);
                return false;
        }
        return reach(doctor, token, name, what, path, R_OK | W_OK | X_OK, false);
}

/* The command that makes a directory which the unit may write. */
static char *make_command(const struct doctor *doctor, const char *path)
{
        _cleanup_(freep) char *line = NULL, *drop_in = NULL, *make = NULL;

        if (!remedy_is_plain(path))
                return NULL;
        if (doctor->unit && strncmp(path, "/var/log/", 9) == 0) {
                line = text_format("LogsDirectory=%s", path + 9);
                return line ? remedy_drop_in("logs", line) : NULL;
        }
        make = text_format("install -d -o %s -g %s -m 0700 %s", doctor->user, doctor->group, path);
        if (!doctor->unit)
                return TAKE_PTR(make);
        drop_in = remedy_writable(path);
        return make && drop_in ? text_format("%s && %s", make, drop_in) : NULL;
}

static char *parent_of(const char *path)
{
        char *copy = strdup(path), *slash = copy ? strrchr(copy, '/') : NULL;

        if (slash)
                slash[slash == copy ? 1 : 0] = '\0';
        return copy;
}

/* Without the unit, tokend makes the socket's directory itself, but not the one above it. */
static bool check_socket(struct doctor *doctor, const char *name, const char *socket)
{
        _cleanup_(freep) char *directory = parent_of(socket),
                              *above = directory ? parent_of(directory) : NULL, *make = NULL;
        bool absent = directory && access(directory, F_OK) < 0 && errno == ENOENT;
        const char *needed = absent ? above : directory;

        if (doctor->unit || !needed || access(needed, W_OK | X_OK) == 0)
                return true;
        if (remedy_is_plain(directory))
                make = text_format(
                        "install -d -o %s -g %s -m 0755 %s", doctor->user, doctor->group, directory);
        bad(doctor, NULL, name, "a directory for the sockets that the service can write", make, "%s: %s",
                needed, strerror(errno));
        return false;
}

void check_directories(struct doctor *doctor, const char *name)
{
        const struct config *config = doctor->config;
        const char *file = config_audit_path(config);
        _cleanup_(freep) char *audit = file ? parent_of(file) : NULL,
                              *make_audit = audit ? make_command(doctor, audit) : NULL,
                              *make_state = make_command(doctor, config->state_directory);
        bool fine = writable(doctor, name, NULL, "the state directory", config->state_directory, make_state);

        if (doctor->unit && strcmp(doctor->config_path, DEFAULT_CONFIG) == 0 &&
                !reach(doctor, "", name, "the configuration", DEFAULT_CONFIG, R_OK, false))
                fine = false;
        if (audit && !writable(doctor, name, NULL, "the directory of the audit file", audit, make_audit))
                fine = false;
        if (!check_socket(doctor, name, config->socket) || !check_socket(doctor, name, config->status_socket))
                fine = false;
        if (fine)
                good(doctor, NULL, name, "the user %s can write %s%s%s", doctor->user,
                        config->state_directory, audit ? " and " : "", audit ? audit : "");
}

/* A token that was made once is not made again: what it held would be lost in silence. Returns whether that is found. */
static bool lost(struct doctor *doctor, const char *name, const struct config_token *token)
{
        _cleanup_(freep) char *remedy = NULL;
        struct mark mark;

        if (mark_read(doctor->config->state_directory, token->directory, &mark) < 0 ||
                mark.state != MARK_MADE)
                return false;
        if (remedy_is_plain(token->name))
                remedy = text_format(
                        "mount or restore %s; where it is lost for good: tokendctl make-anew %s --yes",
                        token->directory, token->name);
        bad(doctor, token->name, name, "the databases of a token that was made", remedy,
                "%s lacks files of the token, which was made %s", token->directory, mark.since);
        return true;
}

/* The databases are made at the first start, and their directory with them: then the one above it must be written. */
void check_internal(struct doctor *doctor, const char *name, const struct config_token *token)
{
        static const char *const files[] = {"cert9.db", "key4.db", "pin"};
        size_t before = doctor->findings.n, n = 0;
        _cleanup_(freep) char *parent = NULL, *make = NULL;

        if (strcmp(token->module, "internal") != 0)
                return;
        if (access(token->directory, F_OK) < 0 && errno == ENOENT) {
                if (lost(doctor, name, token))
                        return;
                parent = parent_of(token->directory);
                make = parent ? make_command(doctor, parent) : NULL;
                if (parent && writable(doctor, name, token->name, "the directory above the databases", parent,
                                      make))
                        good(doctor, token->name, name, "%s is not there yet: the first start makes it",
                                token->directory);
                return;
        }
        (void)writable(doctor, name, token->name, "the directory of the databases", token->directory, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                _cleanup_(freep) char *path = text_format("%s/%s", token->directory, files[i]);

                if (path && access(path, F_OK) == 0)
                        n++;
                if (path)
                        (void)reach(
                                doctor, token->name, name, "a file of the token", path, R_OK | W_OK, true);
        }
        if (n < ARRAY_SIZE(files) - (token->pin ? 1 : 0))
                (void)lost(doctor, name, token);
        if (doctor->findings.n == before)
                good(doctor, token->name, name, "%s can be written, and has %zu of the token's three files",
                        token->directory, n);
}

/* ---- the kernel ---- */

static bool has_peer_handles(void)
{
        _cleanup_(closep) int a = -1, b = -1, handle = -1;
        socklen_t size = sizeof(handle);
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return false;
        a = pair[0];
        b = pair[1];
        return getsockopt(a, SOL_SOCKET, SO_PEERPIDFD, &handle, &size) == 0;
}

static bool wants_units(const struct config *config)
{
        for (size_t i = 0; i < config->n_instances; i++)
                if (config->instances[i]->unit)
                        return true;
        return false;
}

void check_kernel(struct doctor *doctor, const char *name)
{
        _cleanup_(freep) char *unit = NULL;
        _cleanup_(closep) int handle = (int)syscall(SYS_pidfd_open, getpid(), 0U);
        int r = sd_pid_get_unit(getpid(), &unit);
        bool wanted = wants_units(doctor->config);

        if (handle < 0)
                bad(doctor, NULL, name, "Linux 5.3 or later, with pidfd_open(2)", "start a newer kernel",
                        "this kernel has no handles of processes: %s", strerror(errno));
        if (wanted && (r < 0 || !unit))
                bad(doctor, NULL, name,
                        "a system unit for each process, as systemd keeps them in control groups",
                        "boot with systemd as the init of this system, or leave out Unit= in [Instance]",
                        "the kernel tells no unit of this process: Unit= matches nobody");
        else if (wanted && !has_peer_handles())
                doubtful(doctor, NULL, name, "Linux 6.5 or later, which says which process connected",
                        "start a newer kernel",
                        "this kernel gives numbers of callers, and no handles: tokend.conf(5) says at Unit= "
                        "what that leaves");
        else if (handle >= 0)
                good(doctor, NULL, name, "handles of processes%s%s, Landlock %d",
                        has_peer_handles() ? " and of callers" : "", unit ? ", units" : "",
                        landlock_version());
}

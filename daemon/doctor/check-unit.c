/* SPDX-License-Identifier: MPL-2.0 */
/* tokend.service as systemd knows it, and the users, groups and units of callers. */
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/doctor/ask-systemd.h"
#include "daemon/doctor/checks.h"
#include "daemon/util/text.h"

void check_unit(struct doctor *doctor, const char *name)
{
        _cleanup_(freep) char *lines = NULL, *load = NULL, *reload = NULL;

        if (!systemd_is_there()) {
                good(doctor, NULL, name,
                        "systemd does not run here: all is tried as the user %s, without a sandbox",
                        doctor->user);
                return;
        }
        lines = systemd_show(TOKEND_UNIT, "LoadState,NeedDaemonReload");
        load = lines ? systemd_value(lines, "LoadState") : NULL;
        reload = lines ? systemd_value(lines, "NeedDaemonReload") : NULL;
        if (!load || !reload || strcmp(load, "loaded") != 0)
                bad(doctor, NULL, name, TOKEND_UNIT ", loaded",
                        "systemctl daemon-reload && systemctl status " TOKEND_UNIT,
                        "systemd says of " TOKEND_UNIT ": %s", load && *load ? load : "nothing");
        else if (strcmp(reload, "yes") == 0)
                doubtful(doctor, NULL, name, "units as they are on the disk",
                        "systemctl daemon-reload && systemctl try-restart " TOKEND_UNIT,
                        "the files of " TOKEND_UNIT " were changed since systemd read them");
        else if (!doctor->unit)
                doubtful(doctor, NULL, name, "root, who can try it in the unit's sandbox", "run it as root",
                        "everything was tried as the user %s, outside of the unit's sandbox", doctor->user);
        else
                good(doctor, NULL, name,
                        TOKEND_UNIT " is loaded; what follows was tried in its sandbox, as %s", doctor->user);
}

/* ---- credentials ---- */

static void check_source(struct doctor *doctor, const char *name, const struct systemd_credential *credential)
{
        _cleanup_(freep) char *remedy = NULL;
        bool plain = remedy_is_plain(credential->source);
        struct stat st;

        if (credential->source[0] != '/')
                return;
        if (stat(credential->source, &st) < 0) {
                if (plain && strcmp(credential->kind, "LoadCredential") == 0)
                        remedy = text_format(
                                "systemd-ask-password -n 'PIN:' | install -D -m 0600 /dev/stdin %s",
                                credential->source);
                else if (plain && remedy_is_plain(credential->name))
                        remedy = text_format(
                                "systemd-ask-password -n 'PIN:' | systemd-creds encrypt --name=%s - %s",
                                credential->name, credential->source);
                bad(doctor, NULL, name, "the file of a credential, without which the unit does not start",
                        remedy, "%s=%s:%s: %s", credential->kind, credential->name, credential->source,
                        strerror(errno));
        } else if (strcmp(credential->kind, "LoadCredential") == 0 && (st.st_mode & (S_IRGRP | S_IROTH))) {
                if (plain)
                        remedy = text_format("chown root:root %s && chmod 0600 %s", credential->source,
                                credential->source);
                doubtful(doctor, NULL, name, "a file that root alone can read", remedy, "%s has mode %04o",
                        credential->source, (unsigned)st.st_mode & 07777U);
        }
}

void check_credentials(struct doctor *doctor, const char *name)
{
        struct systemd_credentials credentials;

        if (!doctor->unit || systemd_credentials(TOKEND_UNIT, &credentials) < 0)
                return;
        for (size_t i = 0; i < credentials.n; i++)
                check_source(doctor, name, &credentials.items[i]);
        systemd_credentials_done(&credentials);
}

/* ---- callers: users and groups that do not exist are faults of the files already, if they were given by name ---- */

/* Whether the unit runs as the user that [Instance] wants beside it. */
static void check_user_of(
        struct doctor *doctor, const char *name, const struct config_instance *instance, const char *user)
{
        const struct passwd *found = getpwnam(*user ? user : "root"), *wanted;
        _cleanup_(freep) char *remedy = NULL;

        if (!found || instance->user == (uid_t)-1 || found->pw_uid == instance->user)
                return;
        if (remedy_is_plain(found->pw_name))
                remedy = text_format("write into [Instance %s]: User=%s", instance->name, found->pw_name);
        wanted = getpwuid(instance->user);
        doubtful(doctor, NULL, name, "a unit that runs as User= of the section", remedy,
                "[Instance %s] has Unit=%s, which systemd runs as another user than %s: nothing in it "
                "matches",
                instance->name, instance->unit, wanted ? wanted->pw_name : "User= says");
}

/* Returns whether all is well. */
static bool check_instance_unit(
        struct doctor *doctor, const char *name, const struct config_instance *instance)
{
        _cleanup_(freep) char *lines = NULL, *load = NULL, *user = NULL, *remedy = NULL;
        size_t before = doctor->findings.n;

        lines = systemd_show(instance->unit, "LoadState,User");
        load = lines ? systemd_value(lines, "LoadState") : NULL;
        user = lines ? systemd_value(lines, "User") : NULL;
        if (load && user && strcmp(load, "loaded") == 0)
                check_user_of(doctor, name, instance, user);
        else {
                if (remedy_is_plain(instance->unit))
                        remedy = text_format("systemctl list-units --all --type=service has the names; to "
                                             "act for the instance: "
                                             "systemd-run --pipe --wait --unit=%s --uid=USER tokendctl list",
                                instance->unit);
                doubtful(doctor, NULL, name, "a unit that systemd knows", remedy,
                        "[Instance %s] has Unit=%s, and systemd says of it: %s", instance->name,
                        instance->unit, load && *load ? load : "nothing");
        }
        return doctor->findings.n == before;
}

void check_callers(struct doctor *doctor, const char *name)
{
        const struct config *config = doctor->config;
        bool fine = true;

        if (config->n_instances == 0) {
                good(doctor, NULL, name,
                        "there is no [Instance]: root and the service's user may do everything, and nobody "
                        "else anything");
                return;
        }
        for (size_t i = 0; i < config->n_instances; i++) {
                const struct config_instance *instance = config->instances[i];

                if (instance->user != (uid_t)-1 && !getpwuid(instance->user)) {
                        fine = false;
                        doubtful(doctor, NULL, name, "a user that exists", "write the user's name into User=",
                                "[Instance %s] has the user %u: no user has that number", instance->name,
                                (unsigned)instance->user);
                }
                if (instance->group != (gid_t)-1 && !getgrgid(instance->group)) {
                        fine = false;
                        doubtful(doctor, NULL, name, "a group that exists",
                                "write the group's name into Group=",
                                "[Instance %s] has the group %u: no group has that number", instance->name,
                                (unsigned)instance->group);
                }
                if (instance->unit && systemd_is_there() && !check_instance_unit(doctor, name, instance))
                        fine = false;
        }
        if (fine)
                good(doctor, NULL, name, "what %zu [Instance] sections name exists", config->n_instances);
}

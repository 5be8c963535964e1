/* SPDX-License-Identifier: MPL-2.0 */
/* What all checks work with, and the words of which remedies are made. One thread. */
#pragma once

#include <stdbool.h>

#include "daemon/config/config.h"
#include "daemon/doctor/finding.h"

#define DEFAULT_CONFIG "/etc/tokend/tokend.conf"
/* Where tokend-status.socket listens. */
#define DEFAULT_STATUS_SOCKET "/run/tokend/status.sock"
#define TOKEND_UNIT           "tokend.service"
#define DROP_INS              "/etc/systemd/system/" TOKEND_UNIT ".d"

struct doctor {
        const struct config *config; /* NULL: it does not read */
        const char *config_path;
        const char *status_socket;
        const char *only;   /* the token that was asked for; NULL: all */
        char *user, *group; /* as whom the modules are tried: the service's */
        bool login;         /* one PIN attempt for each token is allowed */
        bool unit;          /* tokend.service is known to systemd: drop-ins mend */
        struct findings findings;
};

/* Findings of a check: the last arguments are as in printf(3). remedy: NULL: nothing to mend. */
#define good(doctor, token, check, ...)                                                                      \
        finding_add(&(doctor)->findings, token, check, FINDING_OK, NULL, NULL, __VA_ARGS__)
#define doubtful(doctor, token, check, expected, remedy, ...)                                                \
        finding_add(&(doctor)->findings, token, check, FINDING_WARNING, expected, remedy, __VA_ARGS__)
#define bad(doctor, token, check, expected, remedy, ...)                                                     \
        finding_add(&(doctor)->findings, token, check, FINDING_ERROR, expected, remedy, __VA_ARGS__)

/* Whether a text may stand in a command or a unit as it is: no character means anything there. */
bool remedy_is_plain(const char *text);

/* The command that puts lines (each quoted by the caller, with blanks between) into a drop-in of the service. name: a slash becomes a
 * hyphen. The caller frees; NULL: no memory. */
char *remedy_drop_in(const char *name, const char *lines);

/* Likewise the drop-in that lets the service write a path. */
char *remedy_writable(const char *path);

/* Sets user and group to those of this process. -ENOMEM. */
int doctor_own_user(struct doctor *doctor);
void doctor_done(struct doctor *doctor);

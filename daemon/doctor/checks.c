/* SPDX-License-Identifier: MPL-2.0 */
/* See checks.h. */
#include "daemon/doctor/checks.h"

#include <string.h>

const struct check checks[] = {
        {"unit", "systemd knows tokend.service as it is on the disk", CHECK_FRONT, check_unit, NULL},
        {"credentials", "files of the unit's credentials are there, and root alone reads them", CHECK_FRONT,
                check_credentials, NULL},
        {"callers", "users, groups and units of [Instance] exist, and fit each other", CHECK_FRONT,
                check_callers, NULL},
        {"kernel", "the kernel tells which unit a caller is in", CHECK_INSIDE, check_kernel, NULL},
        {"directories", "state, audit and sockets can be written by the service's user", CHECK_INSIDE,
                check_directories, NULL},
        {"internal", "the directory of an internal token can be written", CHECK_INSIDE, NULL, check_internal},
        {"pin", "the PIN's file or credential can be read, and by no stranger", CHECK_INSIDE, NULL,
                check_pin},
        {"needs", "files, devices and groups that the maker of the module asks for", CHECK_INSIDE, NULL,
                check_needs},
        {"module", "the module loads, is PKCS #11, and shows the one token of Uri=", CHECK_INSIDE, NULL,
                check_module},
        {"daemon", "what a running daemon says: tokens, files in force, ends of certificates", CHECK_FRONT,
                check_daemon, NULL},
};
const size_t n_checks = ARRAY_SIZE(checks);

void checks_run(struct doctor *doctor, enum check_place place)
{
        for (size_t i = 0; i < n_checks; i++)
                if (checks[i].place == place && checks[i].service)
                        checks[i].service(doctor, checks[i].name);
        for (size_t t = 0; t < doctor->config->n_tokens; t++) {
                const struct config_token *token = doctor->config->tokens[t];

                if (doctor->only && strcmp(doctor->only, token->name) != 0)
                        continue;
                for (size_t i = 0; i < n_checks; i++)
                        if (checks[i].place == place && checks[i].token)
                                checks[i].token(doctor, checks[i].name, token);
        }
}

void checks_print(FILE *to)
{
        for (size_t i = 0; i < n_checks; i++)
                fprintf(to, "  %-12s %s\n", checks[i].name, checks[i].about);
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The checks, in one table (checks.c): where each runs, and what it is about. A check adds findings under its own name, at least one,
 * or says by none that it does not apply.
 */
#pragma once

#include "daemon/doctor/doctor.h"

enum check_place {
        CHECK_FRONT,  /* in the process that was called: it asks systemd and the daemon */
        CHECK_INSIDE, /* as the service's user, in the unit's sandbox where there is one */
};

struct check {
        const char *name, *about;
        enum check_place place;
        void (*service)(struct doctor *doctor, const char *name);
        void (*token)(struct doctor *doctor, const char *name, const struct config_token *token);
};

extern const struct check checks[];
extern const size_t n_checks;

/* Runs those of one place: first those about the service, then all about the first token, and so on. */
void checks_run(struct doctor *doctor, enum check_place place);

/* Prints the table. */
void checks_print(FILE *to);

/* ---- each of them; name: its own ---- */

void check_unit(struct doctor *doctor, const char *name);
void check_credentials(struct doctor *doctor, const char *name);
void check_callers(struct doctor *doctor, const char *name);
void check_daemon(struct doctor *doctor, const char *name);
void check_kernel(struct doctor *doctor, const char *name);
void check_directories(struct doctor *doctor, const char *name);
void check_internal(struct doctor *doctor, const char *name, const struct config_token *token);
void check_pin(struct doctor *doctor, const char *name, const struct config_token *token);
void check_needs(struct doctor *doctor, const char *name, const struct config_token *token);
void check_module(struct doctor *doctor, const char *name, const struct config_token *token);

/* The command that makes a token of that label, if the module is one for which it is known. The caller frees. */
char *needs_new_token(const struct doctor *doctor, const struct config_token *token, const char *label);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a check found: what was expected, what is there, and the command or the lines that mend it. All findings of a run are in
 * one list. They travel from the process in the service's sandbox to the one in front as lines of text, and are printed there.
 * One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "daemon/util/macros.h"

enum finding_result {
        FINDING_OK,
        FINDING_WARNING,
        FINDING_ERROR,
};

/* Every string is printable (daemon/util/printable.h), "" where there is nothing to say, and the finding's own. */
struct doctor_finding {
        char *token; /* "": the service as a whole */
        char *check;
        enum finding_result result;
        char *expected, *found, *remedy;
};

struct findings {
        struct doctor_finding *items;
        size_t n;
        bool failed; /* memory was short: the list is not whole */
};

void findings_done(struct findings *findings);

/* Copies what it is given. NULL stands for "". */
void finding_add(struct findings *findings, const char *token, const char *check, enum finding_result result,
        const char *expected, const char *remedy, const char *found, ...) _printf_(7, 8);

/* Whether a finding of that token and that check is an error. */
bool findings_have_error(const struct findings *findings, const char *token, const char *check);

/* Whether a finding of that token names what, or a directory above it, or has that remedy (NULL: none). */
bool findings_tell(const struct findings *findings, const char *token, const char *what, const char *remedy);

/* Writes each as a line, and reads such a line. false: it is none. */
void findings_write(const struct findings *findings, FILE *to);
bool finding_read(struct findings *findings, const char *line);

/* For people, and as a JSON array. */
void findings_print(const struct findings *findings, FILE *to);
void findings_print_json(const struct findings *findings, FILE *to);

/* 0: every finding is ok; 1: one is not. */
int findings_status(const struct findings *findings);

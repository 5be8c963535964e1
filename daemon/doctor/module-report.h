/* SPDX-License-Identifier: MPL-2.0 */
/* What became of one module: what module-child.c told of it, how it ended, and what it was refused. All that comes from the child counts as
 * a hostile module's. Pure. */
#pragma once

#include "daemon/doctor/refusals.h"

#define MODULE_SLOTS 64U

/* Texts are printable: they are the module's. */
struct module_slot {
        uint64_t number, flags;
        bool matches;
        char label[260], serial[260];
};

struct module_report {
        char at[64];      /* the last call that it began */
        char error[1024]; /* "": none */
        char library[256];
        char login[128]; /* "": no login was tried */
        struct module_slot slots[MODULE_SLOTS];
        size_t n_slots;
        bool done, late;
        int status;      /* as of waitpid(2) */
        char words[512]; /* the last line that it wrote to standard output or standard error */
        struct refusals refusals;
};

/* Reads the lines of told (module-child.h), of which one without an end does not count, and the last line of output. Both are changed. */
void module_report_read(struct module_report *report, char *told, char *output);

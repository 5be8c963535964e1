/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Runs module-child.c over one module, for a limited time, and keeps what it tells, how it ended, and what the kernel refused it: files,
 * sockets, shared memory. It is traced for that (ptrace(2)) where that is possible.
 */
#pragma once

#include "daemon/config/config.h"
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

/* pin_file: NULL: no login. -errno: it could not be started. */
int module_watch(const struct config_token *config, const char *pin_file, struct module_report *ret);

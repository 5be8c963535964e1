/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The seccomp filters of our processes: programs for the kernel, made when tokend is built from the rules in compile/. So a process
 * takes no memory for its filter, and loads no library for it.
 */
#pragma once

#include <linux/filter.h>
#include <stddef.h>

/* Stands in a filter for the number of the process that enters it: above every number that Linux gives. */
#define FILTER_OWN_PID 0x7fffff01

struct filter {
        const struct sock_filter *code;
        size_t n;
};

/* One for each process; compile/NAME-rules.c says what it lets through. The supervisor's is inherited by all the others. */
extern const struct filter filter_broker, filter_audit, filter_supervisor;

/* From here on the calling thread, the threads and the programs that it starts can make no other calls. Needs no_new_privs
 * (close_off()). Not undone. -errno. */
int filter_enter(const struct filter *filter);

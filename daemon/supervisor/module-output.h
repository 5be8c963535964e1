/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the processes of one token write to their standard output and error: that is the module's, for they log elsewhere. Its lines go
 * to the log, so many of them, and a module that writes more is left unread for a while: it loses what it writes, and never waits.
 */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/util/log.h"

struct module_output {
        const char *token; /* its name, which outlives this */
        int fd;            /* the end that is read; -1: there is none */
        int module_fd;     /* the end for the processes; -1: they write to the log themselves */
        sd_event_source *source, *timer;
        struct log_rate rate;
        uint64_t rest_usec; /* how long it is left unread the next time */
        size_t length;      /* of the line that has no end yet */
        char line[512];
};

/* Where that cannot be set up, the log says so, and the processes write to the log themselves. */
void module_output_open(struct module_output *output, sd_event *event, const char *token);
/* Logs what is there, within bounds. */
void module_output_close(struct module_output *output);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * tokend-audit's life, with Audit=file: alone: started, connected to the broker, started again when it dies. It is the last
 * to end, because until then there may be something to record. It writes a disk that may be slow, and so has more time to
 * answer than the others.
 */
#pragma once

#include "daemon/supervisor/child.h"

struct supervisor;

struct audit_process {
        struct supervisor *supervisor;
        struct child child;
        char *path;    /* of the file that it writes; NULL: it is not wanted */
        bool draining; /* it was asked to sign the head of its file, and has not answered */
        sd_event_source *timer;
};

void audit_process_init(struct audit_process *audit, struct supervisor *supervisor);
void audit_process_done(struct audit_process *audit);

/* Does what the configuration in force says: starts it, tells it, replaces it or ends it. */
void audit_process_configure(struct audit_process *audit);

/* Opens a fresh channel between it and the broker, if both are there. */
void audit_process_connect(struct audit_process *audit);

/* SIGUSR1. */
void audit_process_rotate(struct audit_process *audit);

/* Everything else has been answered: it signs the head of its file, or ends, or does not answer in time. Then `draining` is
 * false again. */
void audit_process_drain(struct audit_process *audit);

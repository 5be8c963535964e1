/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The broker's life: started, told what there is, started again when it dies. Its messages are checked: it talks to
 * clients, and one of them may have taken it over.
 */
#pragma once

#include "daemon/supervisor/child.h"

struct supervisor;

struct broker_process {
        struct supervisor *supervisor;
        struct child child;
        bool drained; /* it has answered all that it could before the end */
        sd_event_source *timer;
};

void broker_process_init(struct broker_process *broker, struct supervisor *supervisor);
void broker_process_done(struct broker_process *broker);

/* Starts it, and tells it everything. If that fails, it is tried again later. */
void broker_process_start(struct broker_process *broker);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reads the configuration files in a thread. The names in User= and Group= are looked up in the user database, which may
 * be a server that does not answer. The supervisor's loop must not wait for that: the children wait for the loop.
 */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/config/config.h"

struct config_thread;

/* result 0: config, and the same as a sealed memfd; both are the receiver's. 1: the files have faults, which are logged; fault is the
 * first. -errno. */
typedef void config_thread_done(
        void *userdata, int result, struct config *config, int config_fd, const char *fault);

/* Starts to read; done is called once, from the loop, and *ret is no longer valid then. path must outlive the process's last
 * thread. -errno. */
int config_thread_start(sd_event *event, const char *path, config_thread_done *done, void *userdata,
        struct config_thread **ret);

/* At the end of the process: done is not called. The thread may still be waiting for an answer, so its memory stays. */
void config_thread_leave(struct config_thread *thread);

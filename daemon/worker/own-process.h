/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Whether this process is still what it was: a vendor's module can close or replace its descriptors, end its threads, lower its
 * limits, and take memory without end. The monitor alone calls these.
 */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "daemon/worker/device/failure.h"

#define OWN_LIMITS 4U

struct own_process {
        struct {
                dev_t dev;
                ino_t ino;
        } request, control;
        rlim_t limits[OWN_LIMITS]; /* descriptors, bytes of a file, of data, of addresses */
        uint64_t memory_kib;       /* at the last look */
        bool grows;                /* it took much since the look before */
};

/* What is there, at the beginning and when the request channel was replaced. */
void own_process_note(struct own_process *own);

/* 0: it is as it was. Positive: it cannot go on, and *failure says why. Where the control is gone nobody can be told: it ends then. */
int own_process_check(struct own_process *own, struct failure *failure);

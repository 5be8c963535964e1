/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Records that wait for the disk, in order, in one buffer of fixed size. One fsync takes a batch; while the file cannot be
 * written, the batch is the backlog.
 */
#pragma once

#include "daemon/util/macros.h"

struct batch {
        char *data;
        size_t size, length;
        size_t n; /* records in it */
};

/* -ENOMEM. The owner calls batch_done(). */
int batch_init(struct batch *batch, size_t size);
void batch_done(struct batch *batch);

/* Copies a record in. -ENOBUFS: it does not fit. */
int batch_add(struct batch *batch, const char *text, size_t length);

/* Returns the record at *at (0: the first) and moves *at to the next. NULL at the end. */
const char *batch_next(const struct batch *batch, size_t *at, size_t *ret_length);

void batch_clear(struct batch *batch);

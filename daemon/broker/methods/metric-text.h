/* SPDX-License-Identifier: MPL-2.0 */
/* How one metric is written as OpenMetrics text (1.0). Its name is given without the "tokend_" that it begins with. */
#pragma once

#include "daemon/broker/base/histogram.h"
#include "daemon/broker/base/output.h"

struct metric_label {
        const char *name, *value;
};

/* LABELS({"token", name}, {"state", state}): what tells a sample of a family from the others; its end is marked. */
#define LABELS(...) ((const struct metric_label[]){__VA_ARGS__, {NULL, NULL}})
#define NO_LABELS   ((const struct metric_label[]){{NULL, NULL}})

/* What comes before the samples of a family; all of these follow before the next family. type: gauge, counter or histogram. unit: the
 * last word of the name, or NULL. */
void metric_family(
        struct output *output, const char *name, const char *type, const char *unit, const char *help);

/* One sample. suffix: "", or "_total" of a counter. */
void metric_sample(struct output *output, const char *name, const char *suffix,
        const struct metric_label *labels, uint64_t number);

/* The samples of one histogram, with one label. */
void metric_histogram(struct output *output, const char *name, const char *label, const char *value,
        const struct histogram *histogram);

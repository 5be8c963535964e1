/* SPDX-License-Identifier: MPL-2.0 */
/* See metric-text.h. No type but gauge, counter and histogram: node_exporter's textfile collector reads Prometheus's older format, and
 * refuses a file with others. */
#include "daemon/broker/methods/metric-text.h"

#include <stdio.h>
#include <string.h>

#include "daemon/util/printable.h"

#define U64(value) ((unsigned long long)(value))

/* The borders of the buckets: 64 us, 96 us, 128 us, 192 us, … 67 s; exact, since each is a border of the histogram. */
#define FIRST_USEC (UINT64_C(1) << 6)
#define LAST_USEC  (UINT64_C(1) << 26)

/* What is printable, with quote and backslash escaped as the format wants it. */
static void put_label(struct output *output, const char *value)
{
        const char *end = value + strlen(value), *piece;
        char room[PRINTABLE_ESCAPE_SIZE];
        size_t n;

        while ((n = printable_next(&value, end, &piece, room)) > 0)
                for (size_t i = 0; i < n; i++) {
                        if (piece[i] == '\\' || piece[i] == '"')
                                output_text(output, "\\");
                        output_bytes(output, piece + i, 1);
                }
}

void metric_family(
        struct output *output, const char *name, const char *type, const char *unit, const char *help)
{
        output_format(output, "# TYPE tokend_%s %s\n", name, type);
        if (unit)
                output_format(output, "# UNIT tokend_%s %s\n", name, unit);
        output_format(output, "# HELP tokend_%s %s\n", name, help);
}

static void put_head(
        struct output *output, const char *name, const char *suffix, const struct metric_label *labels)
{
        const char *between = "{";

        output_format(output, "tokend_%s%s", name, suffix);
        for (; labels->name; labels++) {
                output_format(output, "%s%s=\"", between, labels->name);
                put_label(output, labels->value);
                output_text(output, "\"");
                between = ",";
        }
        output_text(output, *between == ',' ? "} " : " ");
}

void metric_sample(struct output *output, const char *name, const char *suffix,
        const struct metric_label *labels, uint64_t number)
{
        put_head(output, name, suffix, labels);
        output_format(output, "%llu\n", U64(number));
}

/* OpenMetrics wants a border as a float. */
static void seconds_text(char *text, size_t size, uint64_t usec)
{
        size_t n;

        snprintf(text, size, "%llu.%06llu", U64(usec / USEC_PER_SEC), U64(usec % USEC_PER_SEC));
        for (n = strlen(text); n > 0 && text[n - 1] == '0' && text[n - 2] != '.'; n--)
                text[n - 1] = '\0';
}

static void put_bucket(struct output *output, const char *name, const char *label, const char *value,
        const struct histogram *histogram, uint64_t usec)
{
        char text[40];

        seconds_text(text, sizeof(text), usec);
        metric_sample(output, name, "_bucket", LABELS({label, value}, {"le", text}),
                histogram_below(histogram, usec));
}

void metric_histogram(struct output *output, const char *name, const char *label, const char *value,
        const struct histogram *histogram)
{
        char text[40];

        for (uint64_t usec = FIRST_USEC; usec < LAST_USEC; usec *= 2) {
                put_bucket(output, name, label, value, histogram, usec);
                put_bucket(output, name, label, value, histogram, usec + usec / 2);
        }
        put_bucket(output, name, label, value, histogram, LAST_USEC);
        metric_sample(output, name, "_bucket", LABELS({label, value}, {"le", "+Inf"}), histogram->count);
        metric_sample(output, name, "_count", LABELS({label, value}), histogram->count);
        seconds_text(text, sizeof(text), histogram->sum_usec);
        put_head(output, name, "_sum", LABELS({label, value}));
        output_format(output, "%s\n", text);
}

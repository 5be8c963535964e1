/* SPDX-License-Identifier: MPL-2.0 */
/* See module-report.h. */
#include "daemon/doctor/module-report.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/util/printable.h"

static void copy(char *ret, size_t size, const char *text)
{
        printable_copy(ret, size, text ? text : "", text ? strlen(text) : 0);
}

static void read_slot(struct module_report *report, char *at)
{
        struct module_slot *slot = &report->slots[report->n_slots];
        const char *number = strsep(&at, "\t"), *flags = strsep(&at, "\t"), *matches = strsep(&at, "\t"),
                   *label = strsep(&at, "\t"), *serial = strsep(&at, "\t");

        if (!serial || report->n_slots == MODULE_SLOTS)
                return;
        slot->number = strtoull(number, NULL, 10);
        slot->flags = strtoull(flags, NULL, 16);
        slot->matches = strcmp(matches, "1") == 0;
        copy(slot->label, sizeof(slot->label), label);
        copy(slot->serial, sizeof(slot->serial), serial);
        report->n_slots++;
}

static void read_line(struct module_report *report, char *line)
{
        const char *word = strsep(&line, "\t");

        if (strcmp(word, "at") == 0)
                copy(report->at, sizeof(report->at), line);
        else if (strcmp(word, "error") == 0)
                copy(report->error, sizeof(report->error), line);
        else if (strcmp(word, "library") == 0)
                copy(report->library, sizeof(report->library), line);
        else if (strcmp(word, "login") == 0)
                copy(report->login, sizeof(report->login), line);
        else if (strcmp(word, "done") == 0)
                report->done = true;
        else if (strcmp(word, "slot") == 0 && line)
                read_slot(report, line);
}

void module_report_read(struct module_report *report, char *told, char *output)
{
        size_t n = strlen(output);
        char *line;

        while ((line = strsep(&told, "\n")) && told)
                read_line(report, line);
        while (n > 0 && output[n - 1] == '\n')
                output[--n] = '\0';
        line = strrchr(output, '\n');
        copy(report->words, sizeof(report->words), line ? line + 1 : output);
}

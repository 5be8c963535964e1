/* SPDX-License-Identifier: MPL-2.0 */
/* What a hostile module's process tells tokend-doctor, and what of it becomes findings: lines that are read back as they were, whatever
 * the texts are. */
#include <stdio.h>
#include <string.h>

#include "daemon/doctor/finding.h"
#include "daemon/doctor/module-report.h"
#include "daemon/util/text.h"
#include "tests/fuzz/fuzz.h"

/* A text is shown: no control character is left, and so no tab and no line break. */
static void check_text(const char *text)
{
        for (; *text; text++)
                if ((unsigned char)*text < 0x20)
                        abort();
}

/* Through a file of lines and back. */
static void check_findings(const struct findings *findings)
{
        struct findings again = {0};
        char *text = NULL, *at, *line;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        if (!file)
                abort();
        findings_write(findings, file);
        fclose(file);
        at = text;
        while ((line = strsep(&at, "\n")) && at)
                if (!finding_read(&again, line))
                        abort();
        if (again.n != findings->n)
                abort();
        for (size_t i = 0; i < again.n; i++)
                if (strcmp(again.items[i].found, findings->items[i].found) != 0)
                        abort();
        findings_done(&again);
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(freep) char *told = strndup((const char *)data, size),
                              *output = strndup((const char *)data, size);
        _cleanup_(freep) struct module_report *report = calloc(1, sizeof(*report));
        struct findings findings = {0};

        if (!told || !output || !report)
                return 0;
        module_report_read(report, told, output);
        check_text(report->error);
        check_text(report->words);
        for (size_t i = 0; i < report->n_slots; i++) {
                check_text(report->slots[i].label);
                finding_add(&findings, "t", "module", FINDING_ERROR, report->slots[i].serial, NULL, "%s",
                        report->slots[i].label);
        }
        finding_add(
                &findings, report->words, report->at, FINDING_OK, NULL, report->login, "%s", report->error);
        check_findings(&findings);
        findings_done(&findings);
        /* And as lines that the inside wrote. */
        free(told);
        told = strndup((const char *)data, size);
        if (told && finding_read(&findings, told))
                check_findings(&findings);
        findings_done(&findings);
        return 0;
}

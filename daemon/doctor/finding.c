/* SPDX-License-Identifier: MPL-2.0 */
/* See finding.h. */
#include "daemon/doctor/finding.h"

#include <stdarg.h>
#include <string.h>

#include "daemon/util/json-string.h"
#include "daemon/util/printable.h"
#include "daemon/util/text.h"

/* Fields of a line, with a tab between two. */
#define FIELDS 6U
/* Blanks before the second line of a finding. */
#define INDENT "             "

static const char *const result_names[] = {"ok", "warning", "error"};

static void finding_done(struct doctor_finding *finding)
{
        free(finding->token);
        free(finding->check);
        free(finding->expected);
        free(finding->found);
        free(finding->remedy);
}

void findings_done(struct findings *findings)
{
        for (size_t i = 0; i < findings->n; i++)
                finding_done(&findings->items[i]);
        free(findings->items);
        *findings = (struct findings){0};
}

static char *copy(const char *text)
{
        return printable_new(text ? text : "");
}

static void append(struct findings *findings, const char *token, const char *check,
        enum finding_result result, const char *expected, const char *found, const char *remedy)
{
        struct doctor_finding *grown =
                reallocarray(findings->items, findings->n + 1, sizeof(*findings->items));
        struct doctor_finding *finding;

        if (!grown) {
                findings->failed = true;
                return;
        }
        findings->items = grown;
        finding = &grown[findings->n];
        *finding = (struct doctor_finding){.token = copy(token),
                .check = copy(check),
                .result = result,
                .expected = copy(expected),
                .found = copy(found),
                .remedy = copy(remedy)};
        if (finding->token && finding->check && finding->expected && finding->found && finding->remedy) {
                findings->n++;
                return;
        }
        finding_done(finding);
        findings->failed = true;
}

void finding_add(struct findings *findings, const char *token, const char *check, enum finding_result result,
        const char *expected, const char *remedy, const char *found, ...)
{
        _cleanup_(freep) char *text = NULL;
        va_list args;

        va_start(args, found);
        text = text_format_args(found, args);
        va_end(args);
        if (text)
                append(findings, token, check, result, expected, text, remedy);
        else
                findings->failed = true;
}

bool findings_have_error(const struct findings *findings, const char *token, const char *check)
{
        for (size_t i = 0; i < findings->n; i++)
                if (findings->items[i].result == FINDING_ERROR &&
                        strcmp(findings->items[i].token, token) == 0 &&
                        strcmp(findings->items[i].check, check) == 0)
                        return true;
        return false;
}

bool findings_tell(const struct findings *findings, const char *token, const char *what, const char *remedy)
{
        for (size_t i = 0; i < findings->n; i++) {
                const struct doctor_finding *f = &findings->items[i];
                _cleanup_(freep) char *above = strdup(what);

                if (f->result == FINDING_OK || strcmp(f->token, token) != 0)
                        continue;
                if (remedy && strcmp(f->remedy, remedy) == 0)
                        return true;
                /* "/a/b", then "/a"; a single component of the root is no match. */
                for (char *slash; above && *above && (slash = strrchr(above, '/')); *slash = '\0')
                        if (slash > above && strstr(f->found, above))
                                return true;
        }
        return false;
}

void findings_write(const struct findings *findings, FILE *to)
{
        for (size_t i = 0; i < findings->n; i++) {
                const struct doctor_finding *f = &findings->items[i];

                fprintf(to, "%s\t%s\t%s\t%s\t%s\t%s\n", result_names[f->result], f->token, f->check,
                        f->expected, f->found, f->remedy);
        }
}

bool finding_read(struct findings *findings, const char *line)
{
        _cleanup_(freep) char *text = strdup(line);
        char *fields[FIELDS], *at = text;
        size_t n = 0;

        while (at && n < FIELDS)
                fields[n++] = strsep(&at, "\t");
        if (at || n < FIELDS)
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(result_names); i++)
                if (strcmp(fields[0], result_names[i]) == 0) {
                        append(findings, fields[1], fields[2], (enum finding_result)i, fields[3], fields[4],
                                fields[5]);
                        return true;
                }
        return false;
}

static void print_one(const struct doctor_finding *f, FILE *to)
{
        fprintf(to, "  %-9s  %s: %s\n", result_names[f->result], f->check, f->found);
        if (f->result != FINDING_OK && *f->expected)
                fprintf(to, INDENT "expected: %s\n", f->expected);
        if (*f->remedy)
                fprintf(to, INDENT "to mend: %s\n", f->remedy);
}

/* All of a token together, whatever came between. */
void findings_print(const struct findings *findings, FILE *to)
{
        for (size_t i = 0; i < findings->n; i++) {
                const char *token = findings->items[i].token;
                size_t first = 0;

                while (strcmp(findings->items[first].token, token) != 0)
                        first++;
                if (first < i)
                        continue;
                fprintf(to, "%s%s\n", i > 0 ? "\n" : "", *token ? token : "the service");
                for (size_t j = i; j < findings->n; j++)
                        if (strcmp(findings->items[j].token, token) == 0)
                                print_one(&findings->items[j], to);
        }
}

static void print_member(FILE *to, const char *name, const char *text)
{
        const char *end = text + strlen(text), *piece;
        char room[JSON_STRING_ESCAPE_SIZE];
        size_t n;

        fprintf(to, ",\"%s\":\"", name);
        while ((n = json_string_next(&text, end, &piece, room)) > 0)
                fwrite(piece, 1, n, to);
        fputc('"', to);
}

void findings_print_json(const struct findings *findings, FILE *to)
{
        fputc('[', to);
        for (size_t i = 0; i < findings->n; i++) {
                const struct doctor_finding *f = &findings->items[i];

                fprintf(to, "%s{\"result\":\"%s\"", i > 0 ? "," : "", result_names[f->result]);
                print_member(to, "token", f->token);
                print_member(to, "check", f->check);
                print_member(to, "expected", f->expected);
                print_member(to, "found", f->found);
                print_member(to, "remedy", f->remedy);
                fputc('}', to);
        }
        fputs("]\n", to);
}

int findings_status(const struct findings *findings)
{
        for (size_t i = 0; i < findings->n; i++)
                if (findings->items[i].result != FINDING_OK)
                        return 1;
        return findings->failed ? 1 : 0;
}

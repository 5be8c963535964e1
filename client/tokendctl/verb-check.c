/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl check: is a token fit for a new subsystem? It is fit if none of the nicknames that the subsystem would use is
 * taken, and if the token has the mechanisms that the subsystem needs. */
#include <string.h>

#include "client/tokendctl/subsystem.h"
#include "client/tokendctl/patience.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/printable.h"

struct nicknames {
        size_t n;
        char **list;
};

static void nicknames_done(struct nicknames *nicknames)
{
        for (size_t i = 0; i < nicknames->n; i++)
                free(nicknames->list[i]);
        free(nicknames->list);
}

static void print_lines(const char *title, const char *const *lines, size_t n)
{
        if (n == 0)
                return;
        printf("%s:\n", title);
        for (size_t i = 0; i < n; i++) {
                _cleanup_(freep) char *line = printable_new(lines[i]);

                printf("  %s\n", line ? line : "?");
        }
}

static void print_json(const struct tokend_check *check, bool fit)
{
        const struct {
                const char *name;
                const char *const *list;
                size_t n;
        } arrays[] = {
                {"found", check->found, check->n_found},
                {"collisions", check->collisions, check->n_collisions},
                {"missingMechanisms", check->missing_mechanisms, check->n_missing_mechanisms},
        };

        printf("{\"fit\":%s,\"empty\":%s", fit ? "true" : "false", check->empty ? "true" : "false");
        for (size_t i = 0; i < ARRAY_SIZE(arrays); i++) {
                printf(",\"%s\":[", arrays[i].name);
                for (size_t at = 0; at < arrays[i].n; at++) {
                        fputs(at > 0 ? "," : "", stdout);
                        json_string_print(stdout, arrays[i].list[at]);
                }
                printf("]");
        }
        printf("}\n");
}

static void print_answer(const struct ctl_options *o, const struct tokend_check *check, bool fit)
{
        _cleanup_(freep) char *token = printable_new(o->arguments[0]), *instance = printable_new(o->instance);

        if (check->empty)
                printf("The token is empty.\n");
        else if (check->n_found == 0)
                printf("The token is not empty, but nothing on it has a nickname.\n");
        print_lines("On the token", check->found, check->n_found);
        print_lines("Nicknames of the instance that are taken", check->collisions, check->n_collisions);
        print_lines("Mechanisms that the subsystem needs and the token does not have",
                check->missing_mechanisms, check->n_missing_mechanisms);
        printf("%s is %s for %s of instance %s.\n", token ? token : "?", fit ? "fit" : "not fit",
                o->subsystem, instance ? instance : "?");
}

int verb_check(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(nicknames_done) struct nicknames nicknames = {0};
        const struct subsystem *subsystem;
        struct tokend_failure failure;
        struct tokend_check *check;
        size_t n_mechanisms = 0;
        bool fit;

        if (!o->subsystem || !o->instance)
                return usage("check needs --subsystem (%s) and --instance", subsystem_names);
        subsystem = subsystem_find(o->subsystem);
        if (!subsystem)
                return usage("--subsystem: expected %s, not '%s'", subsystem_names, o->subsystem);
        if (subsystem_nicknames(subsystem, o->instance, &nicknames.list, &nicknames.n) < 0)
                return no_memory();
        while (subsystem->mechanisms[n_mechanisms])
                n_mechanisms++;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS,
                    tokend_check(handle, o->arguments[0], (const char *const *)nicknames.list, nicknames.n,
                            subsystem->mechanisms, n_mechanisms, o->timeout_ms, &check, &failure)) !=
                TOKEND_OK)
                return refused(o, &failure);
        fit = check->n_collisions == 0 && check->n_missing_mechanisms == 0;
        if (o->json)
                print_json(check, fit);
        else
                print_answer(o, check, fit);
        tokend_check_free(check);
        return fit ? EXIT_DONE : EXIT_REFUSED;
}

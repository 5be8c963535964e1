/* SPDX-License-Identifier: MPL-2.0 */
/* See help.h. */
#include "client/tokendctl/help.h"

#include <string.h>

#include "proto/remedy.h"

int help_all(void)
{
        printf("tokendctl [--socket PATH] [--status-socket PATH] [--json] [--timeout DURATION] VERB ...\n\n"
               "KEY is TOKEN:NICKNAME, NICKNAME or a pkcs11: URI. generate and import take no URI.\n\n");
        for (size_t i = 0; i < n_verbs; i++)
                printf("  %s %s\n        %s\n", verbs[i].name, verbs[i].synopsis, verbs[i].help);
        printf("\n  --socket PATH         default: $TOKEND_SOCKET, else /run/tokend/tokend.sock\n"
               "  --status-socket PATH  default: $TOKEND_STATUS_SOCKET, else /run/tokend/status.sock\n"
               "  --json                print the reply for programs\n"
               "  --timeout DURATION    500ms, 10s, 2min; default: 30s\n\n"
               "Exit status: 0 done, 1 the daemon refused, 2 the command line is wrong, 3 the daemon could "
               "not be\n"
               "asked. See tokendctl(1).\n");
        return EXIT_DONE;
}

int help_verb(const struct verb *verb)
{
        printf("tokendctl %s %s\n        %s\n", verb->name, verb->synopsis, verb->help);
        return EXIT_DONE;
}

/* The whole table of what to do next. */
static int help_errors(const struct ctl_options *o)
{
        for (size_t i = 0; i < n_remedies; i++) {
                const struct remedy *at = &remedies[i];

                if (!o->json) {
                        printf("%s\n        %s%s%s\n", at->word, at->sentence ? at->sentence : "",
                                at->sentence ? ".\n        " : "", at->next);
                        continue;
                }
                printf("%s", i == 0 ? "{" : ",");
                json_string_print(stdout, at->word);
                printf(":");
                json_string_print(stdout, at->next);
        }
        if (o->json)
                printf("}\n");
        return EXIT_DONE;
}

int help(const struct ctl_options *o)
{
        const struct verb *verb;

        if (o->n_arguments == 0)
                return help_all();
        if (o->n_arguments > 1)
                return usage("usage: tokendctl help [VERB | errors]");
        if (strcmp(o->arguments[0], "errors") == 0)
                return help_errors(o);
        verb = verb_find(o->arguments[0]);
        return verb ? help_verb(verb) : verb_unknown(o->arguments[0]);
}

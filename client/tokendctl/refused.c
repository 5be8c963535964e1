/* SPDX-License-Identifier: MPL-2.0 */
/* What the daemon or the library refused: a sentence and the next step on standard error, and with --json an object on standard
 * output. */
#include <string.h>
#include <sys/stat.h>

#include "client/tokendctl/tokendctl.h"

/* What stands on the command line for a parameter of a method; a parameter that is called as its option is not here. */
static const struct {
        const char *parameter, *words;
} words[] = {
        {"key", "KEY"},
        {"operation", "OPERATION"},
        {"nickname", "the nickname"},
        {"nicknames", "--instance"},
        {"token", "TOKEN"},
        {"certificate", "the certificate"},
        {"type", "--type"},
        {"size", "--size"},
        {"curve", "--curve"},
        {"usage", "--usage"},
        {"id", "--id"},
        {"algorithm", "--algorithm"},
        {"saltLength", "--salt-length"},
        {"digest", "--digest"},
        {"message", "the input"},
        {"plaintext", "the input"},
        {"ciphertext", "the input"},
        {"wrapped", "the input"},
        {"label", "--label"},
        {"iv", "--iv"},
        {"length", "LENGTH"},
        {"publicKey", "--public-key"},
        {"signature", "--signature"},
        {"subject", "--subject"},
        {"dnsNames", "--dns"},
        {"validityDays", "--days"},
        {"timeoutMs", "--timeout"},
        {"claimant", "--claimant"},
        {"secret", "SEALED"},
        /* Its reason says which. */
        {"template", "--type, --usage, --length, --size or --curve"},
};

static const char *words_of(const char *parameter)
{
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (strcmp(words[i].parameter, parameter) == 0)
                        return words[i].words;
        return parameter;
}

int refused_text(const struct tokend_failure *failure)
{
        if (failure->parameter[0])
                complain("%s: %s: %s", failure->name, words_of(failure->parameter), failure->text);
        else
                complain("%s: %s", failure->name, failure->text);
        if (failure->next[0])
                complain("next: %s", failure->next);
        switch (failure->error) {
        case TOKEND_INVALID_ARGUMENT:
                return EXIT_USAGE;
        case TOKEND_CANNOT_CONNECT:
        case TOKEND_TIMED_OUT:
        case TOKEND_PROTOCOL_VIOLATION:
        case TOKEND_NO_MEMORY:
                return EXIT_UNREACHABLE;
        default:
                return EXIT_REFUSED;
        }
}

/* A sealed key is given as @FILE, which is easily forgotten. */
static void hint_sealed(const struct ctl_options *o, const struct tokend_failure *failure)
{
        struct stat st;

        if (failure->error != TOKEND_KEY_NOT_FOUND && failure->error != TOKEND_SECRET_NOT_FOUND)
                return;
        for (unsigned i = 0; i < o->n_arguments; i++)
                if (o->arguments[i][0] != '@' && stat(o->arguments[i], &st) == 0 && S_ISREG(st.st_mode))
                        complain("%s is a file here: to use the sealed key in it, write @%s", o->arguments[i],
                                o->arguments[i]);
}

int refused(const struct ctl_options *o, const struct tokend_failure *failure)
{
        if (o->json) {
                printf("{\"error\":");
                json_string_print(stdout, failure->name);
                printf(",\"parameters\":%s,\"message\":",
                        failure->parameters[0] ? failure->parameters : "{}");
                json_string_print(stdout, failure->text);
                printf(",\"next\":");
                json_string_print(stdout, failure->next);
                printf("}\n");
        }
        hint_sealed(o, failure);
        return refused_text(failure);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See help.h. */
#include "client/tokendctl/help.h"

#include <string.h>

#include "gen/proto/enums.h"
#include "proto/remedy.h"

/* Blanks before what is said of a word above. */
#define INDENT 8

int help_all(void)
{
        printf("tokendctl [OPTION]... VERB ...\n\n"
               "KEY is TOKEN:NICKNAME, NICKNAME or a pkcs11: URI (not of generate and import).\n\n");
        for (size_t i = 0; i < n_verbs; i++)
                printf("  %-16s %s\n", verbs[i].name, verbs[i].help);
        printf("\n  help VERB, help algorithms, help errors\n");
        printf("\n  --socket PATH         default: $TOKEND_SOCKET, else /run/tokend/tokend.sock\n"
               "  --status-socket PATH  default: $TOKEND_STATUS_SOCKET, else\n"
               "                        /run/tokend/status.sock\n"
               "  --json                print the reply for programs\n"
               "  --timeout DURATION    500ms, 10s, 2min; default: 30s\n\n"
               "Exit status: 0 done, 1 the daemon refused, 2 the command line is wrong, 3 the\n"
               "daemon could not be asked, 4 a listing lacks tokens. See tokendctl(1).\n");
        return EXIT_DONE;
}

int help_verb(const struct verb *verb)
{
        const char *end;

        printf("tokendctl %s\n", verb->name);
        wrapped_print(verb->synopsis, INDENT);
        printf("\n%s\n\nExamples:\n", verb->help);
        for (const char *at = verb->examples; *at; at = *end ? end + 1 : end) {
                end = strchrnul(at, '\n');
                printf("        tokendctl %.*s\n", (int)(end - at), at);
        }
        return EXIT_DONE;
}

static void print_list(const char *head, const char *words)
{
        printf("%s\n", head);
        wrapped_print(words, INDENT);
}

/* One list for all verbs. */
static int help_algorithms(void)
{
        print_list("sign, verify, request, self-sign", KEYS_SIGNATURE_ALGORITHM_WORDS);
        print_list("decrypt, with an RSA key", KEYS_DECRYPTION_ALGORITHM_WORDS);
        print_list("wrap, unwrap", SECRETS_WRAP_ALGORITHM_WORDS);
        print_list("encrypt, and decrypt with a secret key", SECRETS_CIPHER_ALGORITHM_WORDS);
        print_list("derive, with --type", SECRETS_DERIVE_ALGORITHM_WORDS);
        print_list("--type of generate", KEYS_KEY_TYPE_WORDS);
        print_list("--type of secret-generate, unwrap and derive", SECRETS_SECRET_TYPE_WORDS);
        print_list("--curve", "secp256r1 (P-256, prime256v1), secp384r1 (P-384), secp521r1 (P-521)");
        printf("\n");
        wrapped_print("Where sign, verify, request and self-sign have no --algorithm, the key says which; "
                      "SHA256 alone means "
                      "the one of the key that has this hash. Case, hyphens and blanks do not count, and the "
                      "usual other "
                      "names are known: RS256, ES256, PS256, SHA256withRSA, ecdsa-with-SHA256, EdDSA.",
                0);
        return EXIT_DONE;
}

/* The whole table of what to do next. */
static int help_errors(const struct ctl_options *o)
{
        for (size_t i = 0; i < n_remedies; i++) {
                const struct remedy *at = &remedies[i];

                if (!o->json) {
                        printf("%s\n", at->word);
                        wrapped_print(at->next, INDENT);
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
                return usage("usage: tokendctl help [VERB | algorithms | errors]");
        if (strcmp(o->arguments[0], "errors") == 0)
                return help_errors(o);
        if (strcmp(o->arguments[0], "algorithms") == 0)
                return help_algorithms();
        verb = verb_find(o->arguments[0]);
        return verb ? help_verb(verb) : verb_unknown(o->arguments[0]);
}

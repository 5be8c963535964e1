/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl tokens. */
#include <string.h>

#include "client/tokendctl/patience.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/text.h"

/* The words with a blank between them. NULL: no memory. */
static char *joined(const char *const *words, size_t n)
{
        char *text = strdup("");

        for (size_t i = 0; text && i < n; i++) {
                char *longer = text_format("%s%s%s", text, i > 0 ? " " : "", words[i]);

                free(text);
                text = longer;
        }
        return text;
}

static int print_table(const struct tokend_tokens *tokens)
{
        static const char *const heads[] = {"TOKEN", "STATE", "LABEL", "MODEL", "SERIAL", "RIGHTS", "REASON"};
        struct table table;
        int r;

        table_init(&table, heads, ARRAY_SIZE(heads));
        for (size_t i = 0; i < tokens->n_tokens; i++) {
                const struct tokend_token *token = tokens->tokens[i];
                _cleanup_(freep) char *rights = joined(token->rights, token->n_rights);

                table_add(&table, token->name);
                table_add(&table, token->state);
                table_add(&table, token->label);
                table_add(&table, token->model);
                table_add(&table, token->serial);
                table_add(&table, rights);
                table_add(&table, token->reason);
                table.failed |= !rights;
        }
        r = table_print(&table, stdout, NULL);
        table_done(&table);
        return r == 0 ? EXIT_DONE : no_memory();
}

int verb_tokens(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = open_main(o);
        struct tokend_tokens *tokens;
        struct tokend_failure failure;
        int r = EXIT_DONE;

        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS, tokend_tokens(handle, o->timeout_ms, &tokens, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (o->json) {
                printf("{\"tokens\":[");
                for (size_t i = 0; i < tokens->n_tokens; i++)
                        printf("%s%s", i > 0 ? ",\n" : "\n", tokens->tokens[i]->json);
                printf("%s]}\n", tokens->n_tokens > 0 ? "\n" : "");
        } else {
                r = print_table(tokens);
        }
        tokend_tokens_free(tokens);
        return r;
}

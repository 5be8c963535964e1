/* SPDX-License-Identifier: MPL-2.0 */
/* What several verbs need: the parts of a name, and the end of a listing. */
#include <string.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/algorithm.h"

unsigned usage_mask(const char *text)
{
        unsigned usage = 0;

        for (;;) {
                size_t length = strcspn(text, ",");
                unsigned bit = 1;
                const char *name;

                while ((name = usage_name(bit)) &&
                        (strlen(name) != length || memcmp(name, text, length) != 0))
                        bit <<= 1;
                if (!name)
                        return 0;
                usage |= bit;
                if (!text[length])
                        return usage;
                text += length + 1;
        }
}

int split_name(const char *name, char **ret_token, const char **ret_nickname)
{
        const char *colon = strchr(name, ':');

        if (strncmp(name, "pkcs11:", strlen("pkcs11:")) == 0)
                return usage("%s: a URI names a key that exists; name the new one TOKEN:NICKNAME or NICKNAME",
                        name);
        if (colon) {
                *ret_token = strndup(name, (size_t)(colon - name));
                if (!*ret_token)
                        return no_memory();
        }
        *ret_nickname = colon ? colon + 1 : name;
        return EXIT_DONE;
}

int list_end_status(const struct tokend_list_end *end)
{
        for (size_t i = 0; i < end->n_unavailable; i++)
                complain("the token %s is not listed, because it is not ready: %s%s%s",
                        end->unavailable[i]->token, end->unavailable[i]->state,
                        end->unavailable[i]->reason[0] ? ", " : "", end->unavailable[i]->reason);
        return end->n_unavailable > 0 ? EXIT_INCOMPLETE : EXIT_DONE;
}

void list_end_print(const struct tokend_list_end *end)
{
        if (end->state) {
                printf(",\"state\":");
                json_string_print(stdout, end->state);
        }
        for (size_t i = 0; i < end->n_unavailable; i++) {
                printf("%s{\"token\":", i > 0 ? "," : ",\"unavailable\":[");
                json_string_print(stdout, end->unavailable[i]->token);
                printf(",\"state\":");
                json_string_print(stdout, end->unavailable[i]->state);
                printf(",\"reason\":");
                json_string_print(stdout, end->unavailable[i]->reason);
                printf("}%s", i + 1 == end->n_unavailable ? "]" : "");
        }
}

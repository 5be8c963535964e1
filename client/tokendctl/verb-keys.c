/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl list, generate, pubkey and delete. */
#include <string.h>

#include "client/tokendctl/patience.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/algorithm.h"

static void add_word(char *text, size_t size, const char *separator, const char *word)
{
        size_t at = strlen(text);

        snprintf(text + at, size - at, "%s%s", at > 0 ? separator : "", word);
}

static void add_flags(struct table *table, const struct tokend_key *key)
{
        const struct {
                bool holds;
                const char *word;
        } flags[] = {
                {key->has_certificate, "certificate"},
                {!key->sensitive, "not-sensitive"},
                {key->extractable, "extractable"},
                {!key->extractable && !key->never_extractable, "was-extractable"},
                {!key->local, "imported"},
                {key->accelerated_by != NULL, "accelerated"},
        };
        char text[256] = "";

        for (unsigned bit = 1; usage_name(bit); bit <<= 1)
                if (key->usage & bit)
                        add_word(text, sizeof(text), ",", usage_name(bit));
        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
                if (flags[i].holds)
                        add_word(text, sizeof(text), " ", flags[i].word);
        table_add(table, text);
}

static int print_table(struct tokend_key *const *keys, size_t n)
{
        static const char *const heads[] = {"TOKEN", "NICKNAME", "TYPE", "ID", "FLAGS"};
        struct table table;
        int r;

        table_init(&table, heads, ARRAY_SIZE(heads));
        for (size_t i = 0; i < n; i++) {
                const struct tokend_key *key = keys[i];

                table_add(&table, key->token);
                table_add(&table, key->nickname);
                if (strcmp(key->type, "rsa") == 0)
                        table_addf(&table, "rsa-%d", (int)key->size);
                else
                        table_add(&table, key->curve ? key->curve : key->type);
                table_add(&table, key->id);
                add_flags(&table, key);
        }
        r = table_print(&table, stdout, NULL);
        table_done(&table);
        return r == 0 ? EXIT_DONE : no_memory();
}

int verb_list(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = open_main(o);
        struct tokend_failure failure;
        struct tokend_keys *keys;
        int r = EXIT_DONE;

        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS,
                    tokend_list(handle, o->arguments[0], NULL, o->timeout_ms, &keys, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (o->json) {
                printf("{\"keys\":[");
                for (size_t i = 0; i < keys->n_keys; i++)
                        printf("%s%s", i > 0 ? ",\n" : "\n", keys->keys[i]->json);
                printf("%s]", keys->n_keys > 0 ? "\n" : "");
                list_end_print(keys->end);
                printf("}\n");
        } else {
                r = print_table(keys->keys, keys->n_keys);
        }
        if (r == EXIT_DONE)
                r = list_end_status(keys->end);
        tokend_keys_free(keys);
        return r;
}

int verb_generate(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(tokend_key_freep) struct tokend_key *key = NULL;
        _cleanup_(freep) char *token = NULL;
        struct tokend_template wanted = {.struct_size = sizeof(wanted),
                .type = o->type,
                .size = o->size,
                .curve = o->curve,
                .loadable = o->loadable,
                .id = o->id};
        struct tokend_failure failure;
        enum tokend_error error;
        int r;

        if (!o->type)
                return usage("generate needs --type rsa, ec or ed25519");
        if (key_type_from_name(o->type) == 0)
                return usage("--type: a key is rsa, ec or ed25519; secret-generate makes %s", o->type);
        if (o->size != 0 && strcmp(o->type, "rsa") != 0)
                return usage("--size: only a key of --type rsa has a size; give an ec key a --curve");
        if (o->curve && strcmp(o->type, "ec") != 0)
                return usage("--curve: only a key of --type ec has a curve");
        if (o->usage) {
                wanted.usage = usage_mask(o->usage);
                if (wanted.usage == 0)
                        return usage("--usage: expected sign, decrypt, unwrap or derive, separated by "
                                     "commas, not '%s'",
                                o->usage);
        }
        r = split_name(o->arguments[0], &token, &wanted.nickname);
        if (r != EXIT_DONE)
                return r;
        wanted.token = token;
        if (token && !wanted.nickname[0])
                wanted.nickname = NULL;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        error = PATIENTLY(PATIENCE_CHANGES, tokend_generate(handle, &wanted, o->timeout_ms, &key, &failure));
        if (error != TOKEND_OK)
                return refused(o, &failure);
        if (!o->json)
                return print_table(&key, 1);
        printf("{\"key\":%s}\n", key->json);
        return EXIT_DONE;
}

int verb_rename(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = open_main(o);
        _cleanup_(tokend_key_freep) struct tokend_key *key = NULL;
        struct tokend_failure failure;

        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_CHANGES, tokend_rename(handle, o->arguments[0], o->arguments[1], o->timeout_ms,
                                                &key, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (!o->json)
                return print_table(&key, 1);
        printf("{\"key\":%s}\n", key->json);
        return EXIT_DONE;
}

int verb_pubkey(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = open_main(o);
        _cleanup_(tokend_key_freep) struct tokend_key *key = NULL;
        struct tokend_failure failure;

        if (!handle || (o->der && ctl_binary_fits(o, NULL) != EXIT_DONE))
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS, tokend_get(handle, o->arguments[0], o->timeout_ms, &key, &failure)) !=
                TOKEND_OK)
                return refused(o, &failure);
        if (o->json)
                printf("{\"key\":%s}\n", key->json);
        else if (key->public_key_length == 0) {
                complain("%s: the token has no public key for this private key", o->arguments[0]);
                return EXIT_REFUSED;
        } else if (o->der)
                return ctl_output_write(&CTL_OUTPUT_STANDARD, key->public_key, key->public_key_length);
        else
                return ctl_output_pem(
                        &CTL_OUTPUT_STANDARD, "PUBLIC KEY", key->public_key, key->public_key_length);
        return EXIT_DONE;
}

int verb_delete(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        struct tokend_failure failure;

        if (!o->yes)
                return usage("delete destroys the key for good; give --yes to confirm");
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_CHANGES, tokend_delete(handle, o->arguments[0], o->timeout_ms, &failure)) !=
                TOKEND_OK)
                return refused(o, &failure);
        if (o->json)
                printf("{}\n");
        return EXIT_DONE;
}

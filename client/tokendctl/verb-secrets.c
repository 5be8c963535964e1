/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl secrets, secret-generate, secret-delete, unwrap and wrap. sealed-file.c says how a sealed key is named and written. */
#include <string.h>

#include "client/tokendctl/patience.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/algorithm.h"

#define PUBLIC_FILE_MAX (16U * 1024U)

/* ---- secrets ---- */

static int print_secrets(const struct tokend_secrets *secrets)
{
        static const char *const heads[] = {"TOKEN", "NICKNAME", "TYPE", ">LENGTH", "USAGE"};
        struct table table;
        int r;

        table_init(&table, heads, ARRAY_SIZE(heads));
        for (size_t i = 0; i < secrets->n_secrets; i++) {
                const struct tokend_secret *secret = secrets->secrets[i];
                char usage_text[128] = "";

                table_add(&table, secret->token);
                table_add(&table, secret->nickname);
                table_add(&table, secret->type);
                table_addf(&table, "%d", secret->length);
                for (unsigned bit = 1; usage_name(bit); bit <<= 1) {
                        size_t at = strlen(usage_text);

                        if (secret->usage & bit)
                                snprintf(usage_text + at, sizeof(usage_text) - at, "%s%s", at > 0 ? "," : "",
                                        usage_name(bit));
                }
                table_add(&table, usage_text);
        }
        r = table_print(&table, stdout, NULL);
        table_done(&table);
        return r == 0 ? EXIT_DONE : no_memory();
}

int verb_secrets(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = open_main(o);
        struct tokend_failure failure;
        struct tokend_secrets *secrets;
        int r = EXIT_DONE;

        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS, tokend_secrets_list(handle, o->arguments[0], NULL, o->timeout_ms,
                                              &secrets, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (o->json) {
                printf("{\"secrets\":[");
                for (size_t i = 0; i < secrets->n_secrets; i++)
                        printf("%s%s", i > 0 ? ",\n" : "\n", secrets->secrets[i]->json);
                printf("%s]", secrets->n_secrets > 0 ? "\n" : "");
                list_end_print(secrets->end);
                printf("}\n");
        } else {
                r = print_secrets(secrets);
        }
        if (r == EXIT_DONE)
                r = list_end_status(secrets->end);
        tokend_secrets_free(secrets);
        return r;
}

int verb_secret_delete(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        struct tokend_failure failure;

        if (!o->yes)
                return usage("secret-delete destroys the key for good; give --yes to confirm");
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_CHANGES,
                    tokend_secret_delete(handle, o->arguments[0], o->timeout_ms, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (o->json)
                printf("{}\n");
        return EXIT_DONE;
}

/* ---- the verbs of sealed keys ---- */

int verb_secret_generate(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(freep) char *token = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_SECRET;
        struct tokend_secret_template wanted;
        struct tokend_sealed *sealed;
        struct tokend_failure failure;
        const char *nickname = NULL;
        int r = options_template(o, &wanted);

        if (r == EXIT_DONE && o->n_arguments > 0)
                r = split_name(o->arguments[0], &token, &nickname);
        /* TOKEN: alone */
        if (nickname && !*nickname)
                nickname = NULL;
        wanted.id = o->id;
        if (r == EXIT_DONE && o->id && !nickname)
                return usage("--id: a sealed key has no id");
        if (r == EXIT_DONE && !nickname)
                r = ctl_output_open(o->out, &output);
        if (r != EXIT_DONE)
                return r;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (nickname)
                return PATIENTLY(PATIENCE_CHANGES, tokend_secret_generate_on_token(handle, token, nickname,
                                                           &wanted, o->timeout_ms, &failure)) == TOKEND_OK
                               ? EXIT_DONE
                               : refused(o, &failure);
        if (PATIENTLY(PATIENCE_READS, tokend_secret_generate(handle, token, &wanted, o->timeout_ms, &sealed,
                                              &failure)) != TOKEND_OK)
                return refused(o, &failure);
        return sealed_write(o, &output, sealed);
}

int verb_unwrap(const struct ctl_options *given)
{
        struct ctl_options options = *given, *o = &options;
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(sealed_text_wipe) char *key = NULL;
        _cleanup_(options_algorithm_done) struct options_algorithm algorithm = {0};
        _cleanup_(freep) unsigned char *wrapped = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_SECRET;
        struct tokend_secret_template wanted;
        struct tokend_sealed *sealed;
        struct tokend_failure failure;
        size_t length = 0;
        int r = options_template(o, &wanted);

        if (r == EXIT_DONE)
                r = cipher_algorithm(o, o->arguments[0], true);
        if (r == EXIT_DONE)
                r = options_algorithm(o, &algorithm);
        if (r == EXIT_DONE)
                r = sealed_key_text(o->arguments[0], &key);
        if (r != EXIT_DONE)
                return r;
        r = file_read(o->in, LIMIT_WRAPPED, &wrapped, &length);
        if (r < 0)
                return file_unread(o->in, r, "too long to be a wrapped key");
        r = ctl_output_open(o->out, &output);
        handle = r == EXIT_DONE ? open_main(o) : NULL;
        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS, tokend_secret_unwrap(handle, key, &algorithm.algorithm, wrapped, length,
                                              &wanted, o->timeout_ms, &sealed, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        return sealed_write(o, &output, sealed);
}

/* The public key in --public-key, as DER. */
static int read_public(const char *path, unsigned char **ret, size_t *ret_length)
{
        _cleanup_(freep) unsigned char *file = NULL;
        size_t length;
        int r = file_read(path, PUBLIC_FILE_MAX, &file, &length);

        if (r == 0)
                r = pem_read("PUBLIC KEY", file, length, ret, ret_length);
        return r < 0 ? usage("%s: expected one public key, in PEM or DER", path) : EXIT_DONE;
}

int verb_wrap(const struct ctl_options *given)
{
        struct ctl_options options = *given, *o = &options;
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(sealed_text_wipe) char *key = NULL, *secret = NULL;
        _cleanup_(options_algorithm_done) struct options_algorithm algorithm = {0};
        _cleanup_(freep) unsigned char *public = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_STANDARD;
        struct tokend_failure failure;
        unsigned char *wrapped;
        size_t n_public = 0, n;
        int r;

        if ((o->n_arguments > 1) == (o->peer != NULL))
                return usage("wrap needs a KEY or --public-key, and not both");
        r = cipher_algorithm(o, o->n_arguments > 1 ? o->arguments[1] : NULL, true);
        if (r == EXIT_DONE)
                r = options_algorithm(o, &algorithm);
        if (r == EXIT_DONE)
                r = sealed_key_text(o->arguments[0], &secret);
        if (r == EXIT_DONE && o->n_arguments > 1)
                r = sealed_key_text(o->arguments[1], &key);
        if (r == EXIT_DONE && o->peer)
                r = read_public(o->peer, &public, &n_public);
        if (r == EXIT_DONE)
                r = ctl_output_open_binary(o, &output);
        if (r != EXIT_DONE)
                return r;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS, tokend_secret_wrap(handle, key, public, n_public, &algorithm.algorithm,
                                              secret, o->timeout_ms, &wrapped, &n, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        r = ctl_output_result(o, &output, "wrapped", wrapped, n);
        free(wrapped);
        return r;
}

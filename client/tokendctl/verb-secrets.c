/* SPDX-License-Identifier: MPL-2.0 */
/*
 * tokendctl secrets, secret-generate, unwrap, wrap and encrypt. A sealed key is a file with its text: `@FILE` where a key is named, so
 * that it does not stand among the arguments of a process.
 */
#include <string.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/wipe.h"
#include "proto/base64.h"

/* A sealed key with its prefix, and a line end. */
#define SEALED_FILE_MAX (BASE64_LENGTH((size_t)LIMIT_SEALED) + 16U)
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
        if (tokend_secrets_list(handle, o->arguments[0], NULL, o->timeout_ms, &secrets, &failure) !=
                TOKEND_OK)
                return refused(&failure);
        if (o->json) {
                printf("{\"secrets\":[");
                for (size_t i = 0; i < secrets->n_secrets; i++)
                        printf("%s%s", i > 0 ? ",\n" : "\n", secrets->secrets[i]->json);
                printf("%s]}\n", secrets->n_secrets > 0 ? "\n" : "");
        } else {
                r = print_secrets(secrets);
        }
        tokend_secrets_free(secrets);
        return r;
}

/* ---- what the command line says ---- */

static void wipe_textp(char **text)
{
        if (*text)
                wipe_free(*text, strlen(*text));
}

/* The name of a key, or the text of the sealed key in the file behind the @. The caller wipes *ret. */
static int read_key(const char *name, char **ret)
{
        unsigned char *file;
        size_t length;
        int r;

        if (name[0] != '@') {
                *ret = strdup(name);
                return *ret ? EXIT_DONE : no_memory();
        }
        r = file_read(name + 1, SEALED_FILE_MAX, &file, &length);
        if (r < 0)
                return usage("%s: %s", name + 1, r == -EFBIG ? "too long to be a sealed key" : strerror(-r));
        while (length > 0 && (file[length - 1] == '\n' || file[length - 1] == '\r'))
                length--;
        *ret = strndup((const char *)file, length);
        wipe_free(file, length);
        return *ret ? EXIT_DONE : no_memory();
}

/* The template that --type, --length, --size, --curve and --usage say. */
static int read_template(const struct ctl_options *o, struct tokend_secret_template *ret)
{
        *ret = (struct tokend_secret_template){
                .type = o->type, .length = o->length, .size = o->size, .curve = o->curve};
        if (!o->type || !o->usage)
                return usage("the key needs --type aes, des2, des3, generic, rsa or ec, and --usage");
        ret->usage = usage_mask(o->usage);
        return ret->usage ? EXIT_DONE
                          : usage("--usage: expected words of encrypt, decrypt, wrap, unwrap, derive, sign, "
                                  "not '%s'",
                                    o->usage);
}

/* --algorithm, --iv and --label. The buffers are the caller's to free. */
static int read_algorithm(
        const struct ctl_options *o, struct tokend_algorithm *ret, unsigned char **iv, unsigned char **label)
{
        *ret = (struct tokend_algorithm){.name = o->algorithm};
        if (!o->algorithm)
                return usage("which --algorithm?");
        if (o->iv && hex_parse(o->iv, iv, &ret->iv_length) < 0)
                return usage("--iv: expected hexadecimal digits");
        if (o->label && hex_parse(o->label, label, &ret->label_length) < 0)
                return usage("--label: expected hexadecimal digits");
        ret->iv = *iv;
        ret->label = *label;
        return EXIT_DONE;
}

static int write_sealed(const struct ctl_options *o, struct ctl_output *output, struct tokend_sealed *sealed)
{
        const char *text = tokend_sealed_text(sealed);
        _cleanup_(wipe_textp) char *line = NULL;
        int r;

        if (asprintf(&line, o->json ? "{\"sealed\":\"%s\"}\n" : "%s\n", text) < 0) {
                line = NULL;
                tokend_sealed_free(sealed);
                return no_memory();
        }
        r = ctl_output_write(output, line, strlen(line));
        tokend_sealed_free(sealed);
        return r;
}

/* ---- the verbs ---- */

int verb_secret_generate(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(freep) char *token = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_SECRET;
        struct tokend_secret_template wanted;
        struct tokend_sealed *sealed;
        struct tokend_failure failure;
        const char *nickname = NULL;
        int r = read_template(o, &wanted);

        if (r == EXIT_DONE && o->n_arguments > 0)
                r = split_name(o->arguments[0], &token, &nickname);
        if (r == EXIT_DONE && !nickname)
                r = ctl_output_open(o->out, &output);
        if (r != EXIT_DONE)
                return r;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (nickname)
                return tokend_secret_generate_on_token(
                               handle, token, nickname, &wanted, o->timeout_ms, &failure) == TOKEND_OK
                               ? EXIT_DONE
                               : refused(&failure);
        if (tokend_secret_generate(handle, NULL, &wanted, o->timeout_ms, &sealed, &failure) != TOKEND_OK)
                return refused(&failure);
        return write_sealed(o, &output, sealed);
}

int verb_unwrap(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(wipe_textp) char *key = NULL;
        _cleanup_(freep) unsigned char *iv = NULL, *label = NULL, *wrapped = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_SECRET;
        struct tokend_secret_template wanted;
        struct tokend_algorithm algorithm;
        struct tokend_sealed *sealed;
        struct tokend_failure failure;
        size_t length = 0;
        int r = read_template(o, &wanted);

        if (r == EXIT_DONE)
                r = read_algorithm(o, &algorithm, &iv, &label);
        if (r == EXIT_DONE)
                r = read_key(o->arguments[0], &key);
        if (r != EXIT_DONE)
                return r;
        r = file_read(o->in, LIMIT_WRAPPED, &wrapped, &length);
        if (r < 0)
                return file_unread(o->in, r, "too long to be a wrapped key");
        r = ctl_output_open(o->out, &output);
        handle = r == EXIT_DONE ? open_main(o) : NULL;
        if (!handle)
                return EXIT_USAGE;
        if (tokend_secret_unwrap(handle, key, &algorithm, wrapped, length, &wanted, o->timeout_ms, &sealed,
                    &failure) != TOKEND_OK)
                return refused(&failure);
        return write_sealed(o, &output, sealed);
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

int verb_wrap(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(wipe_textp) char *key = NULL, *secret = NULL;
        _cleanup_(freep) unsigned char *iv = NULL, *label = NULL, *public = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_STANDARD;
        struct tokend_algorithm algorithm;
        struct tokend_failure failure;
        unsigned char *wrapped;
        size_t n_public = 0, n;
        int r;

        if ((o->n_arguments > 1) == (o->peer != NULL))
                return usage("wrap needs a KEY or --public-key, and not both");
        r = read_algorithm(o, &algorithm, &iv, &label);
        if (r == EXIT_DONE)
                r = read_key(o->arguments[0], &secret);
        if (r == EXIT_DONE && o->n_arguments > 1)
                r = read_key(o->arguments[1], &key);
        if (r == EXIT_DONE && o->peer)
                r = read_public(o->peer, &public, &n_public);
        if (r == EXIT_DONE)
                r = ctl_output_open(o->out, &output);
        if (r != EXIT_DONE)
                return r;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (tokend_secret_wrap(handle, key, public, n_public, &algorithm, secret, o->timeout_ms, &wrapped, &n,
                    &failure) != TOKEND_OK)
                return refused(&failure);
        r = ctl_output_result(o, &output, "wrapped", wrapped, n);
        free(wrapped);
        return r;
}

int verb_encrypt(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(wipe_textp) char *key = NULL;
        _cleanup_(freep) unsigned char *iv = NULL, *label = NULL, *ciphertext = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_STANDARD;
        struct tokend_algorithm algorithm;
        struct tokend_failure failure;
        enum tokend_error error;
        unsigned char *plaintext;
        size_t length, n;
        int r = read_algorithm(o, &algorithm, &iv, &label);

        if (r == EXIT_DONE)
                r = read_key(o->arguments[0], &key);
        if (r != EXIT_DONE)
                return r;
        r = file_read(o->in, LIMIT_CIPHER, &plaintext, &length);
        if (r < 0)
                return file_unread(o->in, r, "longer than 64 KiB");
        r = ctl_output_open(o->out, &output);
        handle = r == EXIT_DONE ? open_main(o) : NULL;
        error = handle ? tokend_secret_encrypt(handle, key, &algorithm, plaintext, length, o->timeout_ms,
                                 &ciphertext, &n, &failure)
                       : TOKEND_OK;
        wipe_free(plaintext, length);
        if (!handle)
                return EXIT_USAGE;
        return error == TOKEND_OK ? ctl_output_result(o, &output, "ciphertext", ciphertext, n)
                                  : refused(&failure);
}

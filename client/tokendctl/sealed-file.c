/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sealed keys on the command line. Each is a file with its text: `@FILE` where a key is named, so that it does not stand among the
 * arguments of a process.
 */
#include <string.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/wipe.h"
#include "proto/base64.h"

/* A sealed key with its prefix, and a line end. */
#define SEALED_FILE_MAX (BASE64_LENGTH((size_t)LIMIT_SEALED) + 16U)

void sealed_text_wipe(char **text)
{
        if (*text)
                wipe_free(*text, strlen(*text));
}

bool sealed_is_file(const char *name)
{
        return name[0] == '@';
}

int sealed_key_text(const char *name, char **ret)
{
        unsigned char *file;
        size_t length;
        int r;

        if (!sealed_is_file(name)) {
                *ret = strdup(name);
                return *ret ? EXIT_DONE : no_memory();
        }
        r = file_read(name + 1, SEALED_FILE_MAX, &file, &length);
        if (r < 0)
                return file_unread(name + 1, r, "too long to be a sealed key");
        while (length > 0 && (file[length - 1] == '\n' || file[length - 1] == '\r'))
                length--;
        *ret = strndup((const char *)file, length);
        wipe_free(file, length);
        return *ret ? EXIT_DONE : no_memory();
}

int options_template(const struct ctl_options *o, struct tokend_secret_template *ret)
{
        *ret = (struct tokend_secret_template){.struct_size = sizeof(*ret),
                .type = o->type,
                .length = o->length,
                .size = o->size,
                .curve = o->curve};
        if (!o->type || !o->usage)
                return usage("the key needs --type aes, des2, des3, generic, rsa or ec, and --usage");
        ret->usage = usage_mask(o->usage);
        return ret->usage ? EXIT_DONE
                          : usage("--usage: expected words of encrypt, decrypt, wrap, unwrap, derive, sign, "
                                  "not '%s'",
                                    o->usage);
}

void options_algorithm_done(struct options_algorithm *algorithm)
{
        for (size_t i = 0; i < ARRAY_SIZE(algorithm->buffers); i++)
                free(algorithm->buffers[i]);
}

int options_algorithm(const struct ctl_options *o, struct options_algorithm *ret)
{
        struct tokend_algorithm *a = &ret->algorithm;
        const struct {
                const char *option, *text;
                const void **bytes;
                size_t *length;
        } given[] = {
                {"iv", o->iv, &a->iv, &a->iv_length},
                {"label", o->label, &a->label, &a->label_length},
                {"aad", o->aad, &a->aad, &a->aad_length},
        };

        if (!o->algorithm)
                return usage("which --algorithm?");
        a->struct_size = sizeof(*a);
        a->name = o->algorithm;
        for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
                if (!given[i].text)
                        continue;
                if (hex_parse(given[i].text, &ret->buffers[i], given[i].length) < 0)
                        return usage("--%s: expected hexadecimal digits", given[i].option);
                *given[i].bytes = ret->buffers[i];
        }
        return EXIT_DONE;
}

/* Of a pair, programs are given the public half too. */
static int write_json(struct ctl_output *output, const struct tokend_sealed *sealed)
{
        _cleanup_(freep) char *public = NULL;
        _cleanup_(sealed_text_wipe) char *line = NULL;
        const unsigned char *der;
        size_t length = 0;

        der = tokend_sealed_public_key(sealed, &length);
        if (der) {
                public = malloc(BASE64_LENGTH(length) + 1);
                if (!public)
                        return no_memory();
                base64_encode(der, length, public);
        }
        if (asprintf(&line, "{\"sealed\":\"%s\"%s%s%s}\n", tokend_sealed_text(sealed),
                    public ? ",\"publicKey\":\"" : "", public ? public : "", public ? "\"" : "") < 0) {
                line = NULL;
                return no_memory();
        }
        return ctl_output_write(output, line, strlen(line));
}

int sealed_write(const struct ctl_options *o, struct ctl_output *output, struct tokend_sealed *sealed)
{
        const char *text = tokend_sealed_text(sealed);
        _cleanup_(sealed_text_wipe) char *line = NULL;
        int r;

        if (o->json) {
                r = write_json(output, sealed);
        } else if (asprintf(&line, "%s\n", text) < 0) {
                line = NULL;
                r = no_memory();
        } else {
                r = ctl_output_write(output, line, strlen(line));
        }
        tokend_sealed_free(sealed);
        return r;
}

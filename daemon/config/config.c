/* SPDX-License-Identifier: MPL-2.0 */
/* See config.h. The snapshot itself: from text, as text, and through a memfd. */
#include "daemon/config/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/config/keys.h"
#include "daemon/util/text.h"
#include "proto/limits.h"

/* Bytes of a snapshot as text: each byte of the files may have become two, and defaults are spelled out. */
#define FORMAT_MAX (4U * LIMIT_CONFIG)
#define SEALS      (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int config_parse(const char *name, const char *text, size_t length,
        void (*report)(void *userdata, const char *line), void *userdata, struct config **ret)
{
        _cleanup_(parser_done) struct parser parser;
        int r;

        r = parser_init(&parser, report, userdata);
        if (r < 0)
                return r;
        reader_run(&parser, name, text, length);
        check_all(&parser);
        if (parser.error)
                return parser.error;
        if (parser.n_faults > 0)
                return 1;
        *ret = TAKE_PTR(parser.config);
        return 0;
}

void config_free(struct config *config)
{
        if (!config)
                return;
        for (size_t i = 0; i < config->n_tokens; i++)
                section_free_object(SECTION_TOKEN, config->tokens[i]);
        for (size_t i = 0; i < config->n_instances; i++)
                section_free_object(SECTION_INSTANCE, config->instances[i]);
        free(config->tokens);
        free(config->instances);
        section_free_object(SECTION_DAEMON, config);
}

static int format_into(const struct config *config, FILE *out)
{
        int r;

        fputs("[Daemon]\n", out);
        r = keys_format(SECTION_DAEMON, config, out);
        for (size_t i = 0; i < config->n_tokens && r == 0; i++) {
                fprintf(out, "[Token %s]\n", config->tokens[i]->name);
                r = keys_format(SECTION_TOKEN, config->tokens[i], out);
        }
        for (size_t i = 0; i < config->n_instances && r == 0; i++) {
                fprintf(out, "[Instance %s]\n", config->instances[i]->name);
                r = keys_format(SECTION_INSTANCE, config->instances[i], out);
        }
        return r;
}

int config_format(const struct config *config, char **ret)
{
        _cleanup_(freep) char *text = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&text, &length);
        int r, failed;

        if (!out)
                return -ENOMEM;
        r = format_into(config, out);
        failed = ferror(out);
        if (fclose(out) != 0 || failed || r < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

static int write_all(int fd, const char *text, size_t length)
{
        while (length > 0) {
                ssize_t n = write(fd, text, length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                text += n;
                length -= (size_t)n;
        }
        return 0;
}

int config_to_memfd(const struct config *config, int *ret_fd)
{
        _cleanup_(freep) char *text = NULL;
        _cleanup_(closep) int fd = -1;
        int r;

        r = config_format(config, &text);
        if (r < 0)
                return r;
        fd = memfd_create("tokend-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text, strlen(text));
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        *ret_fd = take_fd(&fd);
        return 0;
}

/* Reads with fcntl(2) and pread(2) alone: the broker does this under seccomp. */
int config_from_memfd(int fd, struct config **ret)
{
        _cleanup_(freep) char *text = NULL;
        size_t length = 0;
        int seals = fcntl(fd, F_GET_SEALS), r;

        if (seals < 0)
                return -errno;
        if ((seals & SEALS) != SEALS)
                return -EBADMSG;
        r = text_read(fd, FORMAT_MAX, &text, &length);
        if (r < 0)
                return r;
        if (length > FORMAT_MAX)
                return -EBADMSG;
        r = config_parse("memfd", text, length, NULL, NULL, ret);
        return r > 0 ? -EBADMSG : r;
}

const struct config_token *config_token(const struct config *config, const char *name)
{
        for (size_t i = 0; i < config->n_tokens; i++)
                if (strcmp(config->tokens[i]->name, name) == 0)
                        return config->tokens[i];
        return NULL;
}

enum audit_mode config_audit_mode(const struct config *config)
{
        if (strcmp(config->audit, "none") == 0)
                return AUDIT_MODE_NONE;
        return strcmp(config->audit, "journal") == 0 ? AUDIT_MODE_JOURNAL : AUDIT_MODE_FILE;
}

const char *config_audit_path(const struct config *config)
{
        return config_audit_mode(config) == AUDIT_MODE_FILE ? config->audit + strlen("file:") : NULL;
}

bool config_asks_units(const struct config *config)
{
        for (size_t i = 0; i < config->n_instances; i++)
                if (config->instances[i]->unit)
                        return true;
        return false;
}

bool config_token_equal(const struct config_token *a, const struct config_token *b)
{
        return strcmp(a->name, b->name) == 0 && keys_equal(SECTION_TOKEN, a, b);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See token-place.h. */
#include "client/tokendctl/token-place.h"

#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/config/config.h"

#define CONFIG "/etc/tokend/tokend.conf"

static int take(const char *directory, const char *state_directory, struct token_place *ret)
{
        ret->directory = strdup(directory);
        ret->state_directory = strdup(state_directory);
        if (!ret->directory || !ret->state_directory)
                return no_memory();
        ret->owner = owner_find(state_directory);
        return EXIT_DONE;
}

void token_place_done(struct token_place *place)
{
        free(place->directory);
        free(place->state_directory);
}

/* ---- the configuration ---- */

/* The first fault is enough: `tokend --check` has all. */
static void on_fault(void *userdata, const char *line)
{
        bool *said = userdata;

        if (!*said)
                complain("%s", line);
        *said = true;
}

/* 1: it has no such token, or cannot be read. An exit status otherwise. */
static int find_configured(const char *path, const char *name, struct token_place *ret)
{
        _cleanup_(config_freep) struct config *config = NULL;
        const struct config_token *token;
        bool said = false;

        if (config_load(path, on_fault, &said, &config) != 0)
                return -1;
        token = config_token(config, name);
        if (!token)
                return -1;
        if (!token->directory) {
                complain("%s: the token %s is on a device: its maker says how that is saved", path, name);
                return EXIT_REFUSED;
        }
        return take(token->directory, config->state_directory, ret);
}

/* ---- the daemon ---- */

static int ask_running(const struct ctl_options *o, struct tokend_status **ret)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        int r = open_status(o, &handle);

        return r == EXIT_DONE ? ask_status(o, handle, ret) : r;
}

static int find_running(const struct ctl_options *o, const char *name, struct token_place *ret)
{
        struct tokend_status *status;
        int r = ask_running(o, &status);

        if (r != EXIT_DONE)
                return r;
        r = -1;
        for (size_t i = 0; r < 0 && i < status->n_tokens; i++) {
                const struct tokend_token_status *token = status->tokens[i];
                _cleanup_(freep) char *above = token->directory ? strdup(token->directory) : NULL;

                if (strcmp(token->name, name) != 0)
                        continue;
                if (above)
                        r = take(token->directory, dirname(above), ret);
                else
                        r = usage("the token %s is on a device: its maker says how that is saved", name);
        }
        tokend_status_free(status);
        return r >= 0 ? r : usage("the daemon has no token %s", name);
}

int token_place_find(const struct ctl_options *o, const char *token, struct token_place *ret)
{
        int r;

        if (o->config || access(CONFIG, R_OK) == 0) {
                r = find_configured(o->config ? o->config : CONFIG, token, ret);
                if (r >= 0)
                        return r;
        }
        if (o->config)
                return usage("%s has no token %s, or has faults", o->config, token);
        return find_running(o, token, ret);
}

int token_place_prepare(const struct token_place *place)
{
        if (geteuid() != 0 || mkdir(place->state_directory, 0700) < 0)
                return 0;
        return lchown(place->state_directory, place->owner.uid, place->owner.gid) < 0 ? -errno : 0;
}

/* ---- the audit ---- */

static int take_path(const char *path, char **ret)
{
        if (!path || !*path)
                return usage("Audit= names no file; records in the journal are shown by `journalctl -x "
                             "TOKEND_KIND=sign`, and so on");
        *ret = strdup(path);
        return *ret ? EXIT_DONE : no_memory();
}

static int running_path(const struct ctl_options *o, char **ret)
{
        struct tokend_status *status;
        int r = ask_running(o, &status);

        if (r != EXIT_DONE)
                return r;
        r = take_path(status->audit->file, ret);
        tokend_status_free(status);
        return r;
}

int audit_path_find(const struct ctl_options *o, char **ret)
{
        _cleanup_(config_freep) struct config *config = NULL;
        const char *path = o->config ? o->config : CONFIG;
        bool said = false;

        if (!o->config && access(CONFIG, R_OK) < 0)
                return running_path(o, ret);
        if (config_load(path, on_fault, &said, &config) != 0)
                return o->config ? usage("%s has faults", path) : running_path(o, ret);
        return config_audit_path(config) || o->config ? take_path(config_audit_path(config), ret)
                                                      : running_path(o, ret);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See reload.h. */
#include "daemon/supervisor/reload.h"

#include <fcntl.h>
#include <string.h>

#include "daemon/supervisor/notify.h"
#include "daemon/supervisor/section.h"
#include "daemon/supervisor/state-log.h"
#include "daemon/supervisor/succession.h"
#include "daemon/util/log.h"
#include "daemon/util/printable.h"

/* The sockets are bound once, so a change there has to wait. systemd's sockets have no path here, and their keys do not count. */
static void compare_socket(const char *key, const struct listening *bound, const char *path)
{
        if (bound->path && strcmp(bound->path, path) != 0)
                log_warning("%s=%s takes effect when tokend is started again; until then the socket is %s",
                        key, path, bound->path);
}

/* Whether a token that exists has to start anew with that section. */
static bool must_renew(const struct supervised_token *token, const struct config_token *config)
{
        if (!token->config || !config_token_equal(token->config, config))
                return true;
        /* It may have fewer objects by now. */
        if (token->life.end == WORKER_END_FULL)
                return true;
        /* Another PIN than the refused one is worth a try. */
        return token->refused_pin.refused && !pin_is_refused(&token->refused_pin, config);
}

static bool is_in(struct supervised_token *const *tokens, size_t n, const struct supervised_token *token)
{
        for (size_t i = 0; i < n; i++)
                if (tokens[i] == token)
                        return true;
        return false;
}

static void free_new_tokens(const struct supervisor *supervisor, struct supervised_token **tokens, size_t n)
{
        for (size_t i = 0; tokens && i < n; i++)
                if (!is_in(supervisor->tokens, supervisor->n_tokens, tokens[i]))
                        supervised_token_free(tokens[i]);
        free(tokens);
}

/* The tokens in the order of the new files; the removed ones follow. -ENOMEM: nothing has changed. */
static int order_tokens(struct supervisor *supervisor, const struct config *config,
        struct supervised_token ***ret, size_t *ret_n)
{
        struct supervised_token **tokens =
                calloc(config->n_tokens + supervisor->n_tokens, sizeof(struct supervised_token *));
        size_t n = 0;
        int r = tokens ? 0 : -ENOMEM;

        for (; r == 0 && n < config->n_tokens; n++) {
                tokens[n] = supervised_token_find(supervisor, config->tokens[n]->name);
                if (!tokens[n])
                        r = supervised_token_new(supervisor, config->tokens[n], &tokens[n]);
        }
        if (r < 0) {
                free_new_tokens(supervisor, tokens, n);
                return r;
        }
        for (size_t i = 0; i < supervisor->n_tokens; i++)
                if (!is_in(tokens, config->n_tokens, supervisor->tokens[i]))
                        tokens[n++] = supervisor->tokens[i];
        *ret = tokens;
        *ret_n = n;
        return 0;
}

/* The section of that name in either configuration is the other's from now on. */
static void exchange(struct config *one, size_t i, struct config *two)
{
        for (size_t j = 0; j < two->n_tokens; j++) {
                struct config_token *section = one->tokens[i];

                if (strcmp(section->name, two->tokens[j]->name) != 0)
                        continue;
                one->tokens[i] = two->tokens[j];
                two->tokens[j] = section;
                return;
        }
}

static bool is_in_force(const struct supervisor *supervisor, const struct config_token *section)
{
        const struct supervised_token *token = supervised_token_find(supervisor, section->name);

        return token && token->config == section;
}

/* Sections that serve stay in force until their successors have shown that they do. ret_fd: what is in force then; -1: all that the
 * files say. -errno: nothing has changed. */
static int hold_sections(struct supervisor *supervisor, struct config *config, int *ret_fd)
{
        size_t n_held = 0;
        int r = 0;

        for (size_t i = 0; i < config->n_tokens; i++) {
                const struct supervised_token *token =
                        supervised_token_find(supervisor, config->tokens[i]->name);

                if (!token || !succession_protects(token, config->tokens[i]))
                        continue;
                exchange(config, i, supervisor->config);
                n_held++;
        }
        if (n_held > 0)
                r = config_to_memfd(config, ret_fd);
        for (size_t i = 0; i < config->n_tokens && r < 0; i++)
                if (is_in_force(supervisor, config->tokens[i]))
                        exchange(config, i, supervisor->config);
        return r;
}

/* Takes the section of that name, which is not in force. */
static struct config_token *take_section(struct config *config, const char *name)
{
        for (size_t i = 0; i < config->n_tokens; i++)
                if (config->tokens[i] && strcmp(config->tokens[i]->name, name) == 0)
                        return TAKE_PTR(config->tokens[i]);
        return NULL;
}

/* The section of one token that was there before. */
static void apply_section(struct supervised_token *token, const struct config_token *section,
        struct config *before, int files_fd)
{
        bool kept =
                token->next.phase == SUCCESSION_ALONE && !config_token_equal(token->next.section, section);

        if (token->config == section) {
                succession_want(token, take_section(before, token->name), files_fd);
                return;
        }
        if (!kept)
                succession_drop(token);
        supervised_token_configure(token, section, must_renew(token, section));
}

static void put_in_force(struct supervisor *supervisor, struct config *config, int files_fd, int fd,
        struct supervised_token **tokens, size_t n)
{
        struct supervised_token **old = supervisor->tokens;
        struct config *before = supervisor->config;
        size_t n_old = supervisor->n_tokens;

        closep(&supervisor->config_fd);
        supervisor->config_fd = fd;
        supervisor->config = config;
        supervisor->tokens = tokens;
        supervisor->n_tokens = n;
        section_tell_all(supervisor, true);
        audit_process_configure(&supervisor->audit);
        for (size_t i = 0; i < config->n_tokens; i++) {
                if (is_in(old, n_old, tokens[i]))
                        apply_section(tokens[i], config->tokens[i], before, files_fd);
                else {
                        supervised_token_tell(tokens[i]);
                        supervised_token_arm(tokens[i]);
                }
        }
        for (size_t i = config->n_tokens; i < n; i++)
                if (tokens[i]->config)
                        supervised_token_remove(tokens[i]);
        (void)child_tell(&supervisor->broker.child, go, -1, .unused = 0);
        free(old);
        config_free(before);
}

/* 0: config is taken. -errno: nothing has changed. */
static int apply(struct supervisor *supervisor, struct config *config, int files_fd)
{
        _cleanup_(closep) int fd = -1;
        struct supervised_token **tokens;
        size_t n;
        int r;

        r = order_tokens(supervisor, config, &tokens, &n);
        if (r < 0)
                return r;
        r = hold_sections(supervisor, config, &fd);
        if (r == 0 && fd < 0) {
                fd = fcntl(files_fd, F_DUPFD_CLOEXEC, 10);
                r = fd < 0 ? -errno : 0;
        }
        if (r < 0) {
                free_new_tokens(supervisor, tokens, config->n_tokens);
                return r;
        }
        compare_socket("Socket", &supervisor->sockets.keys, config->socket);
        compare_socket("StatusSocket", &supervisor->sockets.status, config->status_socket);
        put_in_force(supervisor, config, files_fd, take_fd(&fd), tokens, n);
        return 0;
}

static bool has_instance(const struct config *config, const char *name)
{
        for (size_t i = 0; i < config->n_instances; i++)
                if (strcmp(config->instances[i]->name, name) == 0)
                        return true;
        return false;
}

static void log_instances(const struct config *before, const struct config *config)
{
        for (size_t i = 0; i < before->n_instances; i++)
                if (!has_instance(config, before->instances[i]->name))
                        log_notice("instance %s is not configured any more", before->instances[i]->name);
        for (size_t i = 0; i < config->n_instances; i++)
                if (!has_instance(before, config->instances[i]->name))
                        log_notice("instance %s is configured now", config->instances[i]->name);
}

/* A file that was cut at the end of a section is valid, and without any [Instance] root may do everything; without any [Token] there is
 * an internal one alone. Nobody gains rights by that: the rule is for a start. NULL: nothing is lost; else the reason why that is refused. */
static const char *lost_sections(const struct config *before, const struct config *config)
{
        if (before->n_instances > 0 && config->n_instances == 0)
                return "it has no [Instance] section any more, so that root might do everything; if the file "
                       "is "
                       "not cut short, restart tokend to let it take effect";
        if (!before->default_token && config->default_token)
                return "it has no [Token] section any more, so that there would be an internal token alone; "
                       "if "
                       "the file is not cut short, restart tokend to let it take effect";
        return NULL;
}

/* reason: why the files are not in force; NULL: they are. */
static void set_state(struct supervisor *supervisor, const char *reason)
{
        struct config_state *state = &supervisor->config_state;

        (void)printable_copy(
                state->fault, sizeof(state->fault), reason ? reason : "", reason ? strlen(reason) : 0);
        state_log_config(supervisor);
        section_tell_state(supervisor);
}

static void on_loaded(void *userdata, int r, struct config *config, int config_fd, const char *fault)
{
        struct supervisor *supervisor = userdata;
        bool again = supervisor->reload_again, stopping = supervisor_is_stopping(supervisor);
        const char *reason = r > 0 ? fault : NULL;

        supervisor->reloading = NULL;
        supervisor->reload_again = false;
        if (r == 0 && !stopping)
                reason = lost_sections(supervisor->config, config);
        if (r == 0 && !stopping && !reason) {
                log_instances(supervisor->config, config);
                r = apply(supervisor, config, config_fd);
        }
        closep(&config_fd);
        if (r != 0 || reason || stopping)
                config_free(config);
        if (stopping)
                return;
        set_state(supervisor, r < 0 ? strerror(-r) : reason);
        if (again)
                supervisor_reload(supervisor);
        else
                notify_reloaded(supervisor);
}

void supervisor_reload(struct supervisor *supervisor)
{
        int r;

        notify_reloading(supervisor);
        /* The files may have changed since they were read. */
        supervisor->reload_again = supervisor->reloading != NULL;
        if (supervisor->reloading)
                return;
        r = config_thread_start(
                supervisor->event, supervisor->config_path, on_loaded, supervisor, &supervisor->reloading);
        if (r == 0)
                return;
        set_state(supervisor, strerror(-r));
        notify_reloaded(supervisor);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* whoami: as whom the daemon sees the caller. may: what its policy would answer to somebody. */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>

#include "client/tokendctl/patience.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/printable.h"
#include "daemon/util/text.h"
#include "proto/remedy.h"

static void print_line(const char *name, const char *text)
{
        _cleanup_(freep) char *escaped = printable_new(text);

        printf("%-10s%s\n", name, escaped ? escaped : "?");
}

static void print_words(const char *name, const char **words, size_t n)
{
        printf("%-10s", name);
        for (size_t i = 0; i < n; i++) {
                _cleanup_(freep) char *escaped = printable_new(words[i]);
                const char *quote = strchr(words[i], ' ') ? "\"" : "";

                printf("%s%s%s%s", i > 0 ? " " : "", quote, escaped ? escaped : "?", quote);
        }
        printf("\n");
}

static void print_identity(const struct tokend_identity *identity)
{
        const struct passwd *user = getpwuid((uid_t)identity->uid);

        printf("%-10s%" PRId64 "%s%s%s\n", "user", identity->uid, user ? " (" : "", user ? user->pw_name : "",
                user ? ")" : "");
        printf("%-10s%" PRId64, "groups", identity->gid);
        for (size_t i = 0; i < identity->n_groups; i++)
                printf(" %" PRId64, identity->groups[i]);
        printf("\n");
        print_line("unit", identity->unit ? identity->unit : "not asked for: it decides nothing for you");
        if (!identity->instance) {
                print_line("instance", "none: no [Instance] of tokend.conf matches, and you may do nothing");
                print_line("next", remedy_find("no-instance")->next);
                return;
        }
        print_line("instance", identity->instance);
        print_line("token", identity->token ? identity->token : "none");
        print_words("keys", identity->keys, identity->n_keys);
        print_words("rights", identity->rights, identity->n_rights);
}

int verb_whoami(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = open_main(o);
        struct tokend_identity *identity;
        struct tokend_failure failure;

        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS, tokend_whoami(handle, o->timeout_ms, &identity, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (o->json)
                printf("%s\n", identity->json);
        else
                print_identity(identity);
        tokend_identity_free(identity);
        return EXIT_DONE;
}

/* ---- may ---- */

/* Who it is about. What it points to is its own. */
struct whom {
        struct tokend_whom whom;
        char *unit;
        char (*digits)[sizeof("4294967295")]; /* the groups, of which whom has pointers */
        const char **groups;
};

static void whom_done(struct whom *whom)
{
        free(whom->unit);
        free(whom->digits);
        free(whom->groups);
}

/* The user of that name, or number: their name, user and group. A number that no user has is a user without a name. */
static int find_user(const char *text, const char **ret_name, struct whom *whom)
{
        const struct passwd *user = getpwnam(text);
        const char *at = text;
        uint64_t number;

        if (!user && text_digits(&at, &number) == 0 && !*at && number < UINT32_MAX) {
                user = getpwuid((uid_t)number);
                whom->whom.uid = whom->whom.gid = (int64_t)number;
        } else if (!user) {
                return usage("--as: there is no user '%s'", text);
        }
        if (user) {
                whom->whom.uid = user->pw_uid;
                whom->whom.gid = user->pw_gid;
        }
        *ret_name = user ? user->pw_name : NULL;
        return EXIT_DONE;
}

static int take_groups(const gid_t *groups, size_t n, struct whom *whom)
{
        whom->digits = calloc(n + 1, sizeof(*whom->digits));
        whom->groups = calloc(n + 1, sizeof(*whom->groups));
        if (!whom->digits || !whom->groups)
                return no_memory();
        for (size_t i = 0; i < n; i++) {
                (void)snprintf(whom->digits[i], sizeof(whom->digits[i]), "%u", (unsigned)groups[i]);
                whom->groups[i] = whom->digits[i];
        }
        whom->whom.groups = whom->groups;
        whom->whom.n_groups = n;
        return EXIT_DONE;
}

static int find_groups(const char *name, struct whom *whom)
{
        _cleanup_(freep) gid_t *groups = NULL;
        int n = 0;

        if (!name)
                return take_groups(NULL, 0, whom);
        /* How many there are. */
        (void)getgrouplist(name, (gid_t)whom->whom.gid, NULL, &n);
        groups = calloc((size_t)n + 1, sizeof(*groups));
        if (!groups)
                return no_memory();
        if (getgrouplist(name, (gid_t)whom->whom.gid, groups, &n) < 0)
                return usage("--as: the groups of '%s' cannot be found", name);
        return take_groups(groups, (size_t)n, whom);
}

/* USER or USER:UNIT. */
static int parse_whom(const char *text, struct whom *ret)
{
        const char *colon = strchr(text, ':'), *name = NULL;
        _cleanup_(freep) char *user = strndup(text, colon ? (size_t)(colon - text) : strlen(text));
        int r;

        if (!user)
                return no_memory();
        if (colon && colon[1]) {
                ret->unit = strdup(colon + 1);
                if (!ret->unit)
                        return no_memory();
                ret->whom.unit = ret->unit;
        }
        r = find_user(user, &name, ret);
        return r == EXIT_DONE ? find_groups(name, ret) : r;
}

/* Without --as: as whom the daemon sees the caller. */
static int whom_of_caller(const struct ctl_options *o, struct whom *ret)
{
        _cleanup_(tokend_closep) struct tokend *handle = open_main(o);
        _cleanup_(freep) gid_t *groups = NULL;
        struct tokend_identity *identity;
        struct tokend_failure failure;
        int r = EXIT_DONE;

        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS, tokend_whoami(handle, o->timeout_ms, &identity, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        ret->whom.uid = identity->uid;
        ret->whom.gid = identity->gid;
        groups = calloc(identity->n_groups + 1, sizeof(*groups));
        for (size_t i = 0; groups && i < identity->n_groups; i++)
                groups[i] = (gid_t)identity->groups[i];
        if (identity->unit)
                ret->unit = strdup(identity->unit);
        ret->whom.unit = ret->unit;
        if (!groups || (identity->unit && !ret->unit))
                r = no_memory();
        else
                r = take_groups(groups, identity->n_groups, ret);
        tokend_identity_free(identity);
        return r;
}

static void print_permission(const struct tokend_permission *permission, const char *operation)
{
        const struct remedy *remedy = permission->reason ? remedy_find(permission->reason) : NULL;
        _cleanup_(freep) char *instance = printable_new(permission->instance ? permission->instance : "");

        if (permission->allowed) {
                printf("yes: [Instance %s] may %s\n", instance ? instance : "?", operation);
                return;
        }
        printf("no: %s", permission->reason ? permission->reason : "");
        if (permission->instance)
                printf(" (the call is of [Instance %s])", instance ? instance : "?");
        if (permission->nearest) {
                _cleanup_(freep) char *nearest = printable_new(permission->nearest);

                printf(" (the nearest is [Instance %s], but for its %s)", nearest ? nearest : "?",
                        permission->nearest_lacks ? permission->nearest_lacks : "");
        }
        printf("\n");
        if (remedy)
                printf("next: %s\n", remedy->next);
}

int verb_may(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(whom_done) struct whom whom = {.whom.struct_size = sizeof(whom.whom)};
        struct tokend_permission *permission;
        struct tokend_failure failure;
        const char *key = o->n_arguments > 1 ? o->arguments[1] : NULL;
        int r = o->as ? parse_whom(o->as, &whom) : whom_of_caller(o, &whom);

        if (r != EXIT_DONE)
                return r;
        r = open_status(o, &handle);
        if (r != EXIT_DONE)
                return r;
        if (PATIENTLY(PATIENCE_READS, tokend_may(handle, o->arguments[0], key, &whom.whom, o->timeout_ms,
                                              &permission, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (o->json)
                printf("%s\n", permission->json);
        else
                print_permission(permission, o->arguments[0]);
        r = permission->allowed ? EXIT_DONE : EXIT_REFUSED;
        tokend_permission_free(permission);
        return r;
}

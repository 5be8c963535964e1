/* SPDX-License-Identifier: MPL-2.0 */
/* See vanished.h. */
#include "daemon/broker/token/vanished.h"

#include <stdio.h>
#include <string.h>

#include "daemon/broker/op/op.h"
#include "daemon/util/log.h"
#include "gen/broker/base/replies.h"

/* Bytes of the names in one line of the log. */
#define NAMES_TEXT 512U

static const char *kind_word(enum object_kind kind)
{
        return kind == OBJECT_KEY ? "key" : kind == OBJECT_CERTIFICATE ? "certificate" : "secret";
}

/* ---- what a request of ours took away ---- */

/* What deletes that object, or makes and replaces objects of that name. */
static bool is_about(const struct op *op, const struct entry *entry)
{
        if (!op || !op_is(op, CLASS_CHANGES))
                return false;
        return (op->entry && entry_is_same(op->entry, entry)) ||
               (op->nickname && strcmp(op->nickname, entry->nickname) == 0);
}

bool vanished_is_ours(const struct token *token, const struct entry *entry)
{
        for (size_t i = 0; i < ARRAY_SIZE(token->worker->slots); i++)
                if (is_about(token->worker->slots[i].op, entry))
                        return true;
        LINK_FOREACH(at, (struct link *)(uintptr_t)&token->unsettled)
        {
                if (is_about(LINK_OF(at, struct op, link), entry))
                        return true;
        }
        return false;
}

/* ---- what is gone ---- */

/* A certificate that was renewed by others has another in its place. Another key of the same name is not the same key. */
static bool is_there(const struct directory *directory, const struct entry *entry)
{
        struct entry *at = NULL;

        if (directory_same_key(directory, entry))
                return true;
        while (entry->kind == OBJECT_CERTIFICATE && *entry->nickname &&
                (at = directory_nickname(directory, entry->nickname, at)))
                if (at->kind == OBJECT_CERTIFICATE)
                        return true;
        return false;
}

/* What lies on an accelerator are copies. */
static bool matters(const struct token *token, const struct entry *entry)
{
        return token->config->role != ROLE_ACCELERATOR && !vanished_is_ours(token, entry);
}

void vanished_note(struct token *token, const struct entry *entry)
{
        struct vanished *vanished = &token->vanished;

        if (!matters(token, entry))
                return;
        if (vanished->n == LIMIT_VANISHED) {
                vanished->more[entry->kind]++;
                return;
        }
        vanished->objects[vanished->n++] =
                (struct vanished_object){.entry = entry_ref((struct entry *)(uintptr_t)entry)};
}

void vanished_compare(struct token *token, const struct directory *before, const struct directory *now)
{
        for (enum object_kind kind = OBJECT_KEY; before && kind <= OBJECT_SECRET; kind++)
                for (struct entry *at = NULL; (at = directory_next(before, kind, at));)
                        if (!is_there(now, at))
                                vanished_note(token, at);
}

/* Kinds and nicknames with commas between them, as far as there is room. */
struct name_list {
        char text[NAMES_TEXT];
        size_t length, n, n_left_out;
};

static void add_name(struct name_list *names, const struct entry *entry)
{
        const char *name = *entry->nickname ? entry->nickname : "(without a nickname)";
        size_t room = sizeof(names->text) - names->length;
        int n = snprintf(names->text + names->length, room, "%s%s %s", names->n > 0 ? ", " : "",
                kind_word(entry->kind), name);

        names->n++;
        if (n < 0 || (size_t)n >= room) {
                names->text[names->length] = '\0'; /* whole names alone */
                names->n_left_out++;
        } else
                names->length += (size_t)n;
}

static void log_names(const struct token *token, bool gone, const struct name_list *names, size_t n_more)
{
        size_t n = names->n + n_more;
        char what[NAMES_TEXT + 64];

        if (n == 0)
                return;
        snprintf(what, sizeof(what), "%s%s", names->text,
                n_more + names->n_left_out > 0 ? ", and others" : "");
        log_event(gone ? 4 : 5,
                &(struct event){
                        .kind = gone ? EVENT_OBJECTS_GONE : EVENT_OBJECTS_BACK,
                        .token = token->name,
                        .state = token_state_name(token->state),
                        .objects = what,
                        .remedy = gone ? "Look at the token with its own tools. If they were removed on "
                                         "purpose, "
                                         "reload tokend: then it is not told any more."
                                       : NULL,
                },
                gone ? "token %s: these are gone, and no request of ours deleted them (%zu): %s"
                     : "token %s: these were gone and are there again (%zu): %s",
                token->name, n, what);
}

void vanished_settle(struct token *token)
{
        struct vanished *vanished = &token->vanished;
        struct name_list gone = {0}, back = {0};
        size_t kept = 0, more = 0;

        if (vanished->n == 0 || token_is_unsure(token) || token->worker->phase != WORKER_SERVING)
                return;
        for (size_t i = 0; i < vanished->n; i++) {
                struct vanished_object object = vanished->objects[i];

                if (is_there(token->directory, object.entry)) {
                        if (object.since_usec)
                                add_name(&back, object.entry);
                        entry_unref(object.entry);
                        continue;
                }
                if (!object.since_usec) {
                        object.since_usec = wall_usec();
                        add_name(&gone, object.entry);
                }
                vanished->objects[kept++] = object;
        }
        vanished->n = kept;
        for (size_t kind = 0; kind < ARRAY_SIZE(vanished->more); kind++) {
                more += vanished->more[kind] - vanished->more_told[kind];
                vanished->more_told[kind] = vanished->more[kind];
        }
        log_names(token, true, &gone, more);
        log_names(token, false, &back, 0);
}

void vanished_forget(struct token *token)
{
        struct vanished *vanished = &token->vanished;

        for (size_t i = 0; i < vanished->n; i++)
                entry_unref(vanished->objects[i].entry);
        *vanished = (struct vanished){0};
}

/* ---- what is shown ---- */

size_t vanished_count(const struct token *token, enum object_kind kind)
{
        size_t n = token->vanished.more_told[kind];

        for (size_t i = 0; i < token->vanished.n; i++)
                n += token->vanished.objects[i].since_usec && token->vanished.objects[i].entry->kind == kind;
        return n;
}

void vanished_put(struct output *output, void *userdata)
{
        const struct token *token = userdata;
        const char *comma = "";

        for (size_t i = 0; i < token->vanished.n; i++) {
                const struct vanished_object *object = &token->vanished.objects[i];

                if (!object->since_usec)
                        continue;
                output_text(output, comma);
                status_gone_put(output, &(struct status_gone){
                                                .kind = kind_word(object->entry->kind),
                                                .nickname = object->entry->nickname,
                                                .since_usec = object->since_usec,
                                        });
                comma = ",";
        }
}

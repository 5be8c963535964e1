/* SPDX-License-Identifier: MPL-2.0 */
/* List, of keys and of certificates: from the last directory, in one reply or in several, never from the device. */
#include <string.h>

#include "daemon/broker/methods/steps.h"
#include "daemon/broker/token/live.h"
#include "gen/broker/methods/methods.h"

/* A reply of several is not longer than this but by its last object, so that each fits whatever that takes. */
#define LIST_REPLY (LIMIT_MESSAGE / 4)
/* The envelope of a List's reply: {"parameters":{"certificates":[]},"continues":true}, and room to spare. */
#define LIST_ENVELOPE 64U

/* What both methods called List are asked for; NULL: left out. */
struct list_wanted {
        const char *token, *nickname;
};

static struct list_wanted list_wanted(const struct op *op)
{
        const struct keys_list_parameters *keys = (const void *)op->parameters;
        const struct certificates_list_parameters *certificates = (const void *)op->parameters;

        if (op->method->begin == keys_list)
                return (struct list_wanted){keys->token, keys->nickname};
        return (struct list_wanted){certificates->token, certificates->nickname};
}

/* The token that a List has to wait for; NULL: it can be answered. only: the token that it names. */
static struct token *list_waits_for(const struct op *op, struct token *only)
{
        const struct config_instance *policy = op_policy(op);

        if (only)
                return only->directory ? NULL : only;
        /* All tokens: those that are still starting, and the rest as they were last seen. */
        if (now_usec() >= op->deadline_usec)
                return NULL;
        LINK_FOREACH(at, &op->broker->tokens)
        {
                struct token *token = LINK_OF(at, struct token, link);

                if (token->state == TOKEN_STARTING && !token->directory &&
                        policy_sees_token(policy, token->config))
                        return token;
        }
        return NULL;
}

static void list(struct op *op);

static void list_go_on(struct op *op)
{
        bool failed = op->end == END_FULL || op->end == END_NO_MEMORY || op->end == END_DROPPED;

        if (failed || (list_wanted(op).token && op->end != END_OK))
                op_finish(op);
        else
                list(op);
}

static void list(struct op *op)
{
        const struct list_wanted wanted = list_wanted(op);
        struct token *token;

        if (!op_may(op, RIGHT_LIST) || (wanted.token && !op_find_token(op, wanted.token)))
                return;
        token = list_waits_for(op, wanted.token ? op->token : NULL);
        if (!token) {
                op_done(op);
                return;
        }
        op->token = token;
        op->then = list_go_on;
        token_wait(token, op);
}

void keys_list(struct op *op)
{
        list(op);
}

void certificates_list(struct op *op)
{
        list(op);
}

static bool list_wants(const struct op *op, const struct config_instance *policy, const struct token *token)
{
        const struct list_wanted wanted = list_wanted(op);

        return token->directory && policy_sees_token(policy, token->config) &&
               (!wanted.token || strcmp(wanted.token, token->name) == 0);
}

static size_t list_capacity(struct op *op, const struct config_instance *policy, enum object_kind kind)
{
        size_t n = 0;

        LINK_FOREACH(at, &op->broker->tokens)
        {
                const struct token *token = LINK_OF(at, struct token, link);

                if (list_wants(op, policy, token))
                        n += directory_count(token->directory, kind);
        }
        return n;
}

static int list_token(struct op *op, const struct config_instance *policy, struct token *token,
        enum object_kind kind, struct listing *listing)
{
        const struct list_wanted wanted = list_wanted(op);
        struct entry **sorted = NULL;
        int r = directory_sorted(token->directory, kind, &sorted);

        for (size_t i = 0; r == 0 && i < directory_count(token->directory, kind); i++) {
                struct entry *entry = sorted[i];

                if ((wanted.nickname && strcmp(wanted.nickname, entry->nickname) != 0) ||
                        !entry_is_listed(entry) || !policy_sees_nickname(policy, entry->nickname))
                        continue;
                listing->entries[listing->n++] = entry_ref(entry);
        }
        return r;
}

/* What there is to be listed now, kept until it is all written: a reply of several is of one moment. */
static int list_collect(struct op *op, enum object_kind kind)
{
        const struct config_instance *policy = op_policy(op);
        struct listing *listing;
        size_t n = policy ? list_capacity(op, policy, kind) : 0;
        int r;

        listing = calloc(1, sizeof(*listing) + n * sizeof(struct entry *));
        if (!listing)
                return -ENOMEM;
        op->listing = listing;
        op_charge(op, sizeof(*listing) + n * sizeof(struct entry *));
        if (!policy)
                return 0;
        LINK_FOREACH(at, &op->broker->tokens)
        {
                struct token *token = LINK_OF(at, struct token, link);

                if (!list_wants(op, policy, token))
                        continue;
                r = list_token(op, policy, token, kind, listing);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The elements of one reply: as many as it may have. */
static void put_entries(struct output *output, void *userdata)
{
        const struct op *op = userdata;
        struct listing *listing = op->listing;
        size_t start = output_pending(output), first;

        for (first = listing->at; listing->at < listing->n; listing->at++) {
                struct entry *entry = listing->entries[listing->at];
                size_t length = output_pending(output) - start;

                if (op->more && length > LIST_REPLY)
                        break;
                if (length + LIST_ENVELOPE > LIMIT_MESSAGE)
                        break;
                output_text(output, listing->at > first ? "," : "");
                entry_put(output, entry);
                entry_unref(entry);
        }
}

/* What the reply that has just been written means. length: of its parameters, in bytes. */
static enum render list_rendered(struct op *op, size_t length)
{
        const struct listing *listing = op->listing;

        if (!op->more && (listing->at < listing->n || length + LIST_ENVELOPE > LIMIT_MESSAGE)) {
                op_fail(op, PROTO_EXPECTED_MORE, NULL);
                return RENDER_FAILED;
        }
        return listing->at < listing->n ? RENDER_MORE : RENDER_LAST;
}

enum render keys_list_render(struct op *op, struct output *output)
{
        size_t start = output_pending(output);

        if (!op->listing && list_collect(op, OBJECT_KEY) < 0) {
                output->failed = true;
                return RENDER_LAST;
        }
        keys_list_reply_put(output, &(struct keys_list_reply){{put_entries, op}});
        return list_rendered(op, output_pending(output) - start);
}

enum render certificates_list_render(struct op *op, struct output *output)
{
        size_t start = output_pending(output);

        if (!op->listing && list_collect(op, OBJECT_CERTIFICATE) < 0) {
                output->failed = true;
                return RENDER_LAST;
        }
        certificates_list_reply_put(output, &(struct certificates_list_reply){{put_entries, op}});
        return list_rendered(op, output_pending(output) - start);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* List, of keys, of certificates and of secrets: from the last directory, in one reply or in several, never from the device. */
#include <stdio.h>
#include <string.h>

#include "daemon/broker/methods/steps.h"
#include "daemon/broker/token/live.h"
#include "gen/broker/methods/methods.h"

/* A reply of several is not longer than this but by its last object, so that each fits whatever that takes. */
#define LIST_REPLY (LIMIT_MESSAGE / 4)
/* What a List's reply has beside its objects and what is unavailable: {"parameters":{"certificates":[],"state":"0123456789abcdef",
 * "unchanged":true,"unavailable":[]},"continues":true}, and room to spare. */
#define LIST_ENVELOPE 160U

/* What all methods called List are asked for; NULL: left out. */
struct list_wanted {
        enum object_kind kind;
        const char *token, *nickname, *since;
};

static struct list_wanted list_wanted(const struct op *op)
{
        const struct keys_list_parameters *keys = (const void *)op->parameters;
        const struct certificates_list_parameters *certificates = (const void *)op->parameters;
        const struct secrets_list_parameters *secrets = (const void *)op->parameters;

        if (op->method->begin == keys_list)
                return (struct list_wanted){OBJECT_KEY, keys->token, keys->nickname, keys->since};
        if (op->method->begin == secrets_list)
                return (struct list_wanted){OBJECT_SECRET, secrets->token, secrets->nickname, NULL};
        return (struct list_wanted){
                OBJECT_CERTIFICATE, certificates->token, certificates->nickname, certificates->since};
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

void secrets_list(struct op *op)
{
        list(op);
}

/* ---- what there is ---- */

static bool list_wants(const struct op *op, const struct config_instance *policy, const struct token *token)
{
        const char *name = list_wanted(op).token;

        return policy_sees_token(policy, token->config) && (!name || strcmp(name, token->name) == 0);
}

static size_t list_capacity(struct op *op, const struct config_instance *policy)
{
        size_t n = 0;

        LINK_FOREACH(at, &op->broker->tokens)
        {
                const struct token *token = LINK_OF(at, struct token, link);

                if (token->directory && list_wants(op, policy, token))
                        n += directory_count(token->directory, list_wanted(op).kind);
        }
        return n;
}

static int list_token(
        struct op *op, const struct config_instance *policy, struct token *token, uint64_t *content)
{
        const struct list_wanted wanted = list_wanted(op);
        struct listing *listing = op->listing;
        struct entry **sorted = NULL;
        int r = directory_sorted(token->directory, wanted.kind, &sorted);

        for (size_t i = 0; r == 0 && i < directory_count(token->directory, wanted.kind); i++) {
                struct entry *entry = sorted[i];

                if ((wanted.nickname && !entry_name(entry, wanted.nickname)) ||
                        !policy_sees_entry(policy, entry))
                        continue;
                listing->entries[listing->n++] = entry_ref(entry);
                *content = content_add(*content, &entry->content, sizeof(entry->content));
                if (entry->copy)
                        *content = content_add(*content, entry->accelerator, strlen(entry->accelerator) + 1);
        }
        return r;
}

/* Its objects are not shown. */
static void list_unavailable(struct op *op, const struct token *token)
{
        struct listing *listing = op->listing;
        char reason[OP_REASON_SIZE];
        /* A type of its own in each interface, and the same in both. */
        const struct keys_unavailable unavailable = {.token = token->name,
                .state = token_state_name(token->state),
                .reason = op_reason(op, token, reason)};

        output_text(&listing->unavailable, output_pending(&listing->unavailable) > 0 ? "," : "");
        keys_unavailable_put(&listing->unavailable, &unavailable);
}

/* The state, and whether it is the one that the caller has: then there is nothing to be listed. */
static void list_compare(struct op *op, uint64_t content)
{
        const struct list_wanted wanted = list_wanted(op);
        struct listing *listing = op->listing;
        const struct output *unavailable = &listing->unavailable;

        content = content_add(content, &wanted.kind, sizeof(wanted.kind));
        if (output_pending(unavailable) > 0)
                content = content_add(
                        content, unavailable->data + unavailable->begin, output_pending(unavailable));
        snprintf(listing->state, sizeof(listing->state), "%016llx", (unsigned long long)content);
        listing->unchanged = wanted.since && strcmp(wanted.since, listing->state) == 0;
        while (listing->unchanged && listing->n > 0)
                entry_unref(listing->entries[--listing->n]);
}

/* What there is to be listed now, kept until it is all written: a reply of several is of one moment. */
static int list_collect(struct op *op)
{
        const struct config_instance *policy = op_policy(op);
        uint64_t content = op->broker->list_seed;
        size_t n = policy ? list_capacity(op, policy) : 0;

        op->listing = calloc(1, sizeof(*op->listing) + n * sizeof(struct entry *));
        if (!op->listing)
                return -ENOMEM;
        op_charge(op, sizeof(*op->listing) + n * sizeof(struct entry *));
        if (!policy)
                return 0;
        LINK_FOREACH(at, &op->broker->tokens)
        {
                struct token *token = LINK_OF(at, struct token, link);

                if (!list_wants(op, policy, token))
                        continue;
                if (!token->directory || token->state == TOKEN_FAILED)
                        list_unavailable(op, token);
                else if (list_token(op, policy, token, &content) < 0)
                        return -ENOMEM;
        }
        if (op->listing->unavailable.failed)
                return -ENOMEM;
        list_compare(op, content);
        return 0;
}

/* ---- what is written ---- */

/* What only the last reply has, by its places in the reply's struct. */
struct list_end {
        struct op *op;
        const char **state;
        const bool **unchanged;
        struct output_part *unavailable;
};

static void put_unavailable(struct output *output, void *userdata)
{
        const struct listing *listing = userdata;

        output_bytes(output, listing->unavailable.data + listing->unavailable.begin,
                output_pending(&listing->unavailable));
}

/* The elements of one reply: as many as it may have. */
static void put_entries(struct output *output, struct op *op)
{
        struct listing *listing = op->listing;
        size_t start = output_pending(output),
               envelope = LIST_ENVELOPE + output_pending(&listing->unavailable);

        for (size_t first = listing->at; listing->at < listing->n; listing->at++) {
                struct entry *entry = listing->entries[listing->at];
                size_t length = output_pending(output) - start;

                if (op->more && length > LIST_REPLY)
                        break;
                if (length + envelope > LIMIT_MESSAGE)
                        break;
                output_text(output, listing->at > first ? "," : "");
                entry_put(output, entry);
                entry_unref(entry);
        }
}

/* The objects come first: it is known then whether it is the last reply. */
static void put_list(struct output *output, void *userdata)
{
        static const bool yes = true;
        struct list_end *end = userdata;
        struct listing *listing = end->op->listing;

        put_entries(output, end->op);
        if (listing->at < listing->n)
                return;
        *end->state = listing->state;
        *end->unchanged = listing->unchanged ? &yes : NULL;
        if (output_pending(&listing->unavailable) > 0)
                *end->unavailable = (struct output_part){put_unavailable, listing};
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

static bool list_is_collected(struct op *op, struct output *output)
{
        output->failed |= !op->listing && list_collect(op) < 0;
        return !output->failed;
}

enum render keys_list_render(struct op *op, struct output *output)
{
        size_t start = output_pending(output);
        struct keys_list_reply reply = {0};
        struct list_end end = {op, &reply.state, &reply.unchanged, &reply.unavailable};

        if (!list_is_collected(op, output))
                return RENDER_LAST;
        reply.keys = (struct output_part){put_list, &end};
        keys_list_reply_put(output, &reply);
        return list_rendered(op, output_pending(output) - start);
}

enum render certificates_list_render(struct op *op, struct output *output)
{
        size_t start = output_pending(output);
        struct certificates_list_reply reply = {0};
        struct list_end end = {op, &reply.state, &reply.unchanged, &reply.unavailable};

        if (!list_is_collected(op, output))
                return RENDER_LAST;
        reply.certificates = (struct output_part){put_list, &end};
        certificates_list_reply_put(output, &reply);
        return list_rendered(op, output_pending(output) - start);
}

/* Without a state. */
enum render secrets_list_render(struct op *op, struct output *output)
{
        size_t start = output_pending(output);
        struct certificates_list_reply unused = {0};
        struct secrets_list_reply reply = {0};
        struct list_end end = {op, &unused.state, &unused.unchanged, &reply.unavailable};

        if (!list_is_collected(op, output))
                return RENDER_LAST;
        reply.secrets = (struct output_part){put_list, &end};
        secrets_list_reply_put(output, &reply);
        return list_rendered(op, output_pending(output) - start);
}

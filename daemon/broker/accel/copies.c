/* SPDX-License-Identifier: MPL-2.0 */
/* See copies.h. */
#include "daemon/broker/accel/copies.h"

#include <string.h>

#include "daemon/broker/token/live.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/ckm.h"
#include "daemon/util/log.h"

/* For the worker to wrap, and its peer to unwrap and look. What takes longer is tried again later. */
#define LOAD_USEC (20U * USEC_PER_SEC)
/* After a load that failed for the moment: the next is not before so long, doubled each time. */
#define AGAIN_USEC     (500U * USEC_PER_MSEC)
#define AGAIN_MAX_USEC (30U * USEC_PER_SEC)
/* After one that another copy made room for: where more keys are in use than there is room for, each load is the end of another,
 * and costs some milliseconds of both tokens. */
#define EVICTED_USEC (100U * USEC_PER_MSEC)

bool copies_may(const struct token *token, const struct entry *entry)
{
        const unsigned wanted = FLAG_SENSITIVE | FLAG_ALWAYS_SENSITIVE | FLAG_EXTRACTABLE;

        return token->config->accelerator && (entry->flags & wanted) == wanted && (entry->usage & USAGE_SIGN);
}

bool copies_can(const struct token *token, unsigned key_type)
{
        /* Some modules call CKM_AES_KEY_WRAP_KWP by its older name CKM_AES_KEY_WRAP_PAD. */
        return token->config->accelerator && key_type != KEY_ED25519 &&
               (token_has_mechanism(token, CKM_AES_KEY_WRAP_KWP) ||
                       token_has_mechanism(token, CKM_AES_KEY_WRAP_PAD)) &&
               token_has_mechanism(token, CKM_RSA_PKCS_OAEP) && token_has_mechanism(token, CKM_AES_KEY_GEN);
}

/* ---- the list ---- */

static void copy_free(struct copy *copy)
{
        if (copy->entry->copy == copy)
                copy->entry->copy = NULL;
        copy->accelerator->n_copies--;
        copy->token->n_copies--;
        link_remove(&copy->link);
        entry_unref(copy->entry);
        free(copy);
}

static struct copy *copy_of_number(struct token *accelerator, uint64_t number)
{
        LINK_FOREACH(at, &accelerator->copies)
        {
                struct copy *copy = LINK_OF(at, struct copy, link);

                if (copy->number == number)
                        return copy;
        }
        return NULL;
}

static void copy_bind(struct copy *copy, struct entry *entry)
{
        if (copy->entry->copy == copy)
                copy->entry->copy = NULL;
        entry_ref(entry);
        entry_unref(copy->entry);
        copy->entry = entry;
        entry->copy = copy;
        entry->accelerator = copy->accelerator->name;
}

/* The accelerator is asked for it; where memory is short its worker finds out by itself that nobody asks for the copy. */
static void forget(struct token *accelerator, uint64_t number)
{
        _cleanup_(op_unrefp) struct op *op = op_new(accelerator->broker, MESSAGE_TYPE_FORGET_COPY);

        if (!op)
                return;
        op->token = accelerator;
        op->input.head.key = number;
        token_submit(accelerator, op);
}

/* It is of no use any more, and is to be gone from the accelerator as well. */
static void copy_destroy(struct copy *copy)
{
        struct token *accelerator = copy->accelerator;
        uint64_t number = copy->number;

        copy_free(copy);
        forget(accelerator, number);
}

static void copy_add(struct token *token, struct token *accelerator, struct entry *entry, uint64_t number)
{
        struct copy *copy = copy_of_number(accelerator, number);

        if (entry->copy && entry->copy != copy)
                copy_destroy(entry->copy);
        if (copy && copy->token == token) {
                copy_bind(copy, entry);
                return;
        }
        copy = calloc(1, sizeof(*copy));
        if (!copy)
                return;
        *copy = (struct copy){
                .accelerator = accelerator, .token = token, .entry = entry_ref(entry), .number = number};
        link_init(&copy->link);
        link_append(&accelerator->copies, &copy->link);
        copy_bind(copy, entry);
        accelerator->n_copies++;
        token->n_copies++;
}

void copies_lost_one(struct entry *entry)
{
        if (entry->copy)
                copy_free(entry->copy);
}

static void copies_lost(struct token *accelerator)
{
        while (!link_is_empty(&accelerator->copies))
                copy_free(LINK_OF(accelerator->copies.next, struct copy, link));
}

void copies_on_lost(struct token *token)
{
        if (token->config->role != ROLE_ACCELERATOR)
                return;
        copies_lost(token);
        backlog_end_waiting(token, END_UNAVAILABLE);
}

/* Whether the key, if it is still there, may have a copy on that accelerator. */
static bool may_be_on(const struct token *token, const struct token *accelerator, const struct entry *entry)
{
        return entry && copies_may(token, entry) &&
               strcmp(token->config->accelerator, accelerator->name) == 0;
}

static void settle(struct token *token, struct token *accelerator, bool abandon)
{
        struct link all;

        /* To destroy one sends to the accelerator, and what ends there may take others off the list. */
        link_init(&all);
        link_append_all(&all, &accelerator->copies);
        while (!link_is_empty(&all)) {
                struct copy *copy = LINK_OF(all.next, struct copy, link);
                struct entry *entry = NULL;

                link_remove(&copy->link);
                link_append(&accelerator->copies, &copy->link);
                if (copy->token != token || (copy->entry->live && !abandon))
                        continue;
                if (token->directory && !abandon)
                        entry = directory_same_key(token->directory, copy->entry);
                if (!may_be_on(token, accelerator, entry) || entry->copy)
                        copy_destroy(copy);
                else
                        copy_bind(copy, entry);
        }
}

void copies_settle(struct token *token)
{
        if (token->n_copies == 0)
                return;
        LINK_FOREACH(at, &token->broker->tokens)
        {
                settle(token, LINK_OF(at, struct token, link), false);
        }
}

void copies_abandon(struct token *token)
{
        copies_lost(token);
        LINK_FOREACH(at, &token->broker->tokens)
        {
                settle(token, LINK_OF(at, struct token, link), true);
        }
}

/* ---- loading ---- */

static void load_failed(struct token *token, struct token *accelerator, const struct op *op)
{
        struct entry *entry = op->entry;

        /* As long as neither worker is another, it would end so again. */
        if (op->end == END_NOT_SUPPORTED) {
                entry->refused_life = accelerator->worker->life;
                log_warning("token %s: no copy of the key \"%s\" on %s: %s", token->name, entry->nickname,
                        accelerator->name, op->text ? op->text : "it is refused");
                return;
        }
        token->load_wait_usec = token->load_wait_usec
                                        ? MIN_OF(2 * token->load_wait_usec, (uint64_t)AGAIN_MAX_USEC)
                                        : AGAIN_USEC;
        token->load_after_usec = now_usec() + token->load_wait_usec;
        log_info("token %s: no copy of the key \"%s\" on %s for now: %s", token->name, entry->nickname,
                accelerator->name, op->text ? op->text : "no answer");
}

static void load_done(struct token *token, struct token *accelerator, const struct op *op)
{
        struct wire wire = {.data = (uint8_t *)(uintptr_t)op->payload.data, .size = op->payload.length};
        uint64_t number = wire_get_u64(&wire), evicted = wire_get_u64(&wire);
        struct copy *old = evicted != 0 ? copy_of_number(accelerator, evicted) : NULL;
        struct entry *entry = op->entry;

        token->load_wait_usec = 0;
        if (old)
                copy_free(old);
        if (evicted != 0)
                token->load_after_usec = now_usec() + EVICTED_USEC;
        if (!entry->live)
                entry = token->directory ? directory_same_key(token->directory, entry) : NULL;
        /* Meanwhile the key was deleted, or a reload named another accelerator. */
        if (!may_be_on(token, accelerator, entry)) {
                forget(accelerator, number);
                return;
        }
        /* A copy of a worker that is gone by now is found out when it is used. */
        if (accelerator->worker->phase != WORKER_SERVING)
                return;
        token->loads++;
        accelerator->loads++;
        copy_add(token, accelerator, entry, number);
}

static void on_loaded(struct op *op)
{
        struct token *token = op->token, *accelerator = registry_token(op->broker, (const char *)op->buffer);

        token->loading_key = false;
        if (!accelerator)
                return;
        if (op->end == END_OK)
                load_done(token, accelerator, op);
        else
                load_failed(token, accelerator, op);
}

void copies_load(struct token *token, struct token *accelerator, struct entry *entry)
{
        _cleanup_(op_unrefp) struct op *op = NULL;

        if (token->loading_key || token->worker->phase != WORKER_SERVING || !entry->live ||
                entry->refused_life == accelerator->worker->life || now_usec() < token->load_after_usec)
                return;
        op = op_new(token->broker, MESSAGE_TYPE_LOAD);
        if (!op)
                return;
        /* By name: a reload may take the accelerator away meanwhile. */
        op->buffer = (unsigned char *)strdup(accelerator->name);
        if (!op->buffer)
                return;
        op_set_entry(op, entry);
        op->token = token;
        op->input.load.spki = wire_bytes(entry->der, entry->der_length);
        op->then = on_loaded;
        op->deadline_usec = now_usec() + LOAD_USEC;
        token->loading_key = true;
        token_submit(token, op);
}

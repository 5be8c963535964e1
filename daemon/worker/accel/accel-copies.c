/* SPDX-License-Identifier: MPL-2.0 */
/* See accel-copies.h. The number of a copy contains its place, so that a signature needs no search. */
#include "daemon/worker/accel/accel-copies.h"

#include <pthread.h>
#include <string.h>

/* The lowest bits of a number are the place; AcceleratedKeys= is at most 65536. */
#define PLACE_BITS 16U
#define PLACE_MASK ((UINT64_C(1) << PLACE_BITS) - 1)

struct held_copy {
        struct copy_key key;
        char *token;
        uint8_t *spki;
        size_t spki_length;
        uint64_t used; /* the turn of the table when it was used last */
        unsigned users;
        bool disowned;  /* the broker that knew it is gone, and the next has not asked for it */
        bool out, lost; /* out: it is not in its place any more; lost: its object was lost */
        struct held_copy *next_out;
};

struct copies {
        pthread_mutex_t lock; /* for everything; never held over a call into the module */
        uint64_t turn, serial;
        uint64_t disowned_until_usec; /* 0: no copy is disowned */
        unsigned max, n_clears;
        struct held_copy *outs; /* copies that are out, but in use */
        struct held_copy *places[];
};

int copies_new(unsigned max, uint64_t first, struct copies **ret)
{
        struct copies *copies;

        if (max == 0 || max > PLACE_MASK + 1)
                return -EINVAL;
        copies = calloc(1, sizeof(*copies) + max * sizeof(copies->places[0]));
        if (!copies)
                return -ENOMEM;
        pthread_mutex_init(&copies->lock, NULL);
        copies->max = max;
        /* This leaves room above for all that one life can make. 0 is not a number. */
        copies->serial = (first & (UINT64_MAX >> (PLACE_BITS + 1))) + 1;
        *ret = copies;
        return 0;
}

static void copy_free(struct held_copy *copy)
{
        free(copy->token);
        free(copy->spki);
        free(copy);
}

void copies_free(struct copies *copies)
{
        if (!copies)
                return;
        copies_clear(copies);
        for (struct held_copy *copy = copies->outs, *next; copy; copy = next) {
                next = copy->next_out;
                copy_free(copy);
        }
        pthread_mutex_destroy(&copies->lock);
        free(copies);
}

/* ---- the caller holds the lock ---- */

static struct held_copy *find(struct copies *copies, uint64_t number)
{
        uint64_t place = number & PLACE_MASK;
        struct held_copy *copy = place < copies->max ? copies->places[place] : NULL;

        return copy && copy->key.number == number ? copy : NULL;
}

/* Returns the handle to destroy now, or CK_INVALID_HANDLE. */
static CK_OBJECT_HANDLE take_out(struct copies *copies, struct held_copy *copy, bool lost)
{
        CK_OBJECT_HANDLE handle = lost ? CK_INVALID_HANDLE : copy->key.handle;

        copies->places[copy->key.number & PLACE_MASK] = NULL;
        if (copy->users == 0) {
                copy_free(copy);
                return handle;
        }
        copy->out = true;
        copy->lost = lost;
        copy->next_out = copies->outs;
        copies->outs = copy;
        return CK_INVALID_HANDLE;
}

static struct held_copy **find_out(struct copies *copies, uint64_t number)
{
        struct held_copy **at = &copies->outs;

        while (*at && (*at)->key.number != number)
                at = &(*at)->next_out;
        return at;
}

/* ---- for all threads ---- */

bool copies_use(struct copies *copies, uint64_t number, struct copy_key *ret)
{
        struct held_copy *copy;

        pthread_mutex_lock(&copies->lock);
        copy = find(copies, number);
        if (copy) {
                copy->users++;
                copy->used = ++copies->turn;
                *ret = copy->key;
        }
        pthread_mutex_unlock(&copies->lock);
        return copy != NULL;
}

bool copies_release(struct copies *copies, const struct copy_key *key, bool *ret_lost)
{
        bool destroy = false;
        struct held_copy *copy;

        pthread_mutex_lock(&copies->lock);
        copy = find(copies, key->number);
        *ret_lost = false;
        if (copy) {
                copy->users--;
        } else {
                struct held_copy **at = find_out(copies, key->number);

                copy = *at;
                *ret_lost = copy && copy->lost;
                if (copy && --copy->users == 0) {
                        destroy = !copy->lost;
                        *at = copy->next_out;
                        copy_free(copy);
                }
        }
        pthread_mutex_unlock(&copies->lock);
        return destroy;
}

uint64_t copies_find(struct copies *copies, const char *token, struct wire_bytes spki)
{
        uint64_t number = 0;

        pthread_mutex_lock(&copies->lock);
        for (unsigned i = 0; i < copies->max && number == 0; i++) {
                struct held_copy *copy = copies->places[i];

                if (copy && copy->spki_length == spki.length &&
                        memcmp(copy->spki, spki.data, spki.length) == 0 && strcmp(copy->token, token) == 0) {
                        copy->used = ++copies->turn;
                        copy->disowned = false;
                        number = copy->key.number;
                }
        }
        pthread_mutex_unlock(&copies->lock);
        return number;
}

/* A free place, or the place of the copy that was used least recently. */
static unsigned choose(const struct copies *copies)
{
        unsigned chosen = 0;

        for (unsigned i = 0; i < copies->max; i++) {
                if (!copies->places[i])
                        return i;
                if (copies->places[i]->used < copies->places[chosen]->used)
                        chosen = i;
        }
        return chosen;
}

int copies_add(struct copies *copies, const char *token, struct wire_bytes spki, struct copy_key *key,
        uint64_t *ret_out, CK_OBJECT_HANDLE *ret_handle)
{
        struct held_copy *copy = calloc(1, sizeof(*copy)), *old;
        unsigned place;

        if (!copy)
                return -ENOMEM;
        copy->token = strdup(token);
        copy->spki = malloc(spki.length + 1);
        if (!copy->token || !copy->spki) {
                copy_free(copy);
                return -ENOMEM;
        }
        memcpy(copy->spki, spki.data, spki.length);
        copy->spki_length = spki.length;
        pthread_mutex_lock(&copies->lock);
        place = choose(copies);
        old = copies->places[place];
        *ret_out = old ? old->key.number : 0;
        *ret_handle = old ? take_out(copies, old, false) : CK_INVALID_HANDLE;
        key->number = copies->serial++ << PLACE_BITS | place;
        copy->key = *key;
        copy->used = ++copies->turn;
        copies->places[place] = copy;
        pthread_mutex_unlock(&copies->lock);
        return 0;
}

bool copies_remove(struct copies *copies, uint64_t number, CK_OBJECT_HANDLE *ret_handle)
{
        struct held_copy *copy;

        pthread_mutex_lock(&copies->lock);
        copy = find(copies, number);
        if (copy)
                *ret_handle = take_out(copies, copy, false);
        pthread_mutex_unlock(&copies->lock);
        return copy != NULL;
}

bool copies_evict(struct copies *copies, uint64_t *ret_number, CK_OBJECT_HANDLE *ret_handle)
{
        struct held_copy *oldest = NULL;

        pthread_mutex_lock(&copies->lock);
        for (unsigned i = 0; i < copies->max; i++)
                if (copies->places[i] && (!oldest || copies->places[i]->used < oldest->used))
                        oldest = copies->places[i];
        if (oldest) {
                *ret_number = oldest->key.number;
                *ret_handle = take_out(copies, oldest, false);
        }
        pthread_mutex_unlock(&copies->lock);
        return oldest != NULL;
}

void copies_disown(struct copies *copies, uint64_t until_usec)
{
        pthread_mutex_lock(&copies->lock);
        copies->disowned_until_usec = until_usec;
        for (unsigned i = 0; i < copies->max; i++)
                if (copies->places[i])
                        copies->places[i]->disowned = true;
        pthread_mutex_unlock(&copies->lock);
}

bool copies_abandoned(struct copies *copies, uint64_t now_usec, CK_OBJECT_HANDLE *ret_handle)
{
        struct held_copy *found = NULL;

        pthread_mutex_lock(&copies->lock);
        if (copies->disowned_until_usec != 0 && now_usec >= copies->disowned_until_usec) {
                for (unsigned i = 0; i < copies->max && !found; i++)
                        if (copies->places[i] && copies->places[i]->disowned)
                                found = copies->places[i];
                if (found)
                        *ret_handle = take_out(copies, found, false);
                else
                        copies->disowned_until_usec = 0;
        }
        pthread_mutex_unlock(&copies->lock);
        return found != NULL;
}

unsigned copies_n_clears(struct copies *copies)
{
        unsigned n;

        pthread_mutex_lock(&copies->lock);
        n = copies->n_clears;
        pthread_mutex_unlock(&copies->lock);
        return n;
}

void copies_clear(struct copies *copies)
{
        pthread_mutex_lock(&copies->lock);
        copies->n_clears++;
        for (unsigned i = 0; i < copies->max; i++)
                if (copies->places[i])
                        (void)take_out(copies, copies->places[i], true);
        /* Also those that were taken out before and are still in use. */
        for (struct held_copy *copy = copies->outs; copy; copy = copy->next_out)
                copy->lost = true;
        pthread_mutex_unlock(&copies->lock);
}

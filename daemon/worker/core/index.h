/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The inventory's objects in three orders, sorted anew whenever one came or went (which is rare; 10 000
 * objects take a few milliseconds) and searched by halves. Private to inventory.c and refresh.c.
 */
#pragma once

#include "daemon/worker/core/inventory.h"

struct index {
        struct object **by_handle; /* class, handle; owns the objects */
        struct object **by_number; /* those with a number come last; only for lookup */
        struct object **by_id;     /* id, class, handle */
        size_t n;
};

struct inventory {
        pthread_mutex_t
                renewal; /* one renewal, and one round of telling, at a time; over calls into the module */
        pthread_mutex_t
                lock; /* What the other threads see, over every look at the index and at its objects: who renews
                                 holds it to write, and needs it not to read what it alone writes. Never over
                                 a call into the module. */
        struct index index;
        uint64_t round, last_number, generation;
        bool waits;      /* some object does (object.h) */
        size_t check_at; /* where the next renewal goes on with reading known objects again */
};

/* Of n objects; takes the array over as by_handle. -ENOMEM: the array stays the caller's. */
int index_init(struct index *index, struct object **objects, size_t n);
/* Frees the orders, not the objects. */
void index_done(struct index *index);

/* NULL: none. */
struct object *index_by_handle(const struct index *index, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle);
struct object *index_by_number(const struct index *index, uint64_t number);

/* Where in by_id the objects of the key's id begin; n where there are none and nothing follows. */
size_t index_first_of_id(const struct index *index, const struct object *key);

/* Puts by_number in order again, after numbers were given. */
void index_renumber(struct index *index);

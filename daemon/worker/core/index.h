/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The inventory's objects in three orders. They are sorted anew when objects came or went, which is rare (10
 * 000 objects take a few milliseconds), and searched by bisection. Private to inventory.c, refresh.c and
 * join.c.
 */
#pragma once

#include "daemon/worker/core/handle-list.h"
#include "daemon/worker/core/inventory.h"

struct index {
        struct object **by_handle; /* class, handle; owns the objects */
        struct object **by_number; /* objects without a number come first */
        struct object **by_id;     /* id, class, and what the objects are: see order_id() */
        size_t n;
};

struct inventory {
        /* One renewal, with its reports, at a time; held over calls into the module. Taken before lock. */
        pthread_mutex_t renewal;
        /* The index and its objects, for all threads. Who holds renewal needs it to write, and to read what
         * others write (doubted, leaving, destroyed, copy, no_copy). Never held over a call into the
         * module. */
        pthread_mutex_t lock;
        struct index index;
        uint64_t round, last_number, generation;
        bool waits;                 /* an object waits for its public half (object.h) */
        struct handle_list strikes; /* handles of new objects that the last renewal could not read */
        size_t check_at;            /* where the next renewal goes on to read known objects again */
};

/* Of n objects; takes ownership of the array, as by_handle. -ENOMEM: the array stays the caller's. */
int index_init(struct index *index, struct object **objects, size_t n);
/* Frees the orders, not the objects. */
void index_done(struct index *index);

/* NULL: there is none. */
struct object *index_by_handle(const struct index *index, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle);
struct object *index_by_number(const struct index *index, uint64_t number);

/* Where in by_id the objects of the key's id begin, or would begin. */
size_t index_first_of_id(const struct index *index, const struct object *key);

/* Sorts by_number again, after numbers were given. */
void index_renumber(struct index *index);

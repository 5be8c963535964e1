/* SPDX-License-Identifier: MPL-2.0 */
/* See index.h. */
#include "daemon/worker/core/index.h"

#include <string.h>

static int compare(uint64_t a, uint64_t b)
{
        return a < b ? -1 : a > b;
}

static int compare_ids(const struct object *a, const struct object *b)
{
        int r = compare(a->id_length, b->id_length);

        return r != 0 || a->id_length == 0 ? r : memcmp(a->id, b->id, a->id_length);
}

static int order_handle(const void *x, const void *y)
{
        const struct object *a = *(struct object *const *)x, *b = *(struct object *const *)y;
        int r = compare(a->class, b->class);

        return r != 0 ? r : compare(a->handle, b->handle);
}

static int order_number(const void *x, const void *y)
{
        const struct object *a = *(struct object *const *)x, *b = *(struct object *const *)y;

        return compare(a->number, b->number);
}

static int compare_bytes(const void *a, size_t n_a, const void *b, size_t n_b)
{
        int r = n_a > 0 && n_b > 0 ? memcmp(a, b, MIN_OF(n_a, n_b)) : 0;

        return r != 0 ? r : compare(n_a, n_b);
}

/* Handles are numbers of one life: which object comes first must follow from the objects themselves. That is the oldest
 * certificate, then the label, then the bytes. A private key's public half is not its own: it may be found later. */
static int order_id(const void *x, const void *y)
{
        const struct object *a = *(struct object *const *)x, *b = *(struct object *const *)y;
        int r = compare_ids(a, b);

        if (r == 0)
                r = compare(a->class, b->class);
        if (r == 0)
                r = compare(a->not_before_usec, b->not_before_usec);
        if (r == 0)
                r = compare_bytes(a->label, a->label_length, b->label, b->label_length);
        if (r == 0 && a->class != CKO_PRIVATE_KEY)
                r = compare_bytes(a->der, a->der_length, b->der, b->der_length);
        return r != 0 ? r : compare(a->handle, b->handle);
}

int index_init(struct index *index, struct object **objects, size_t n)
{
        struct index made = {.by_handle = objects, .n = n};

        made.by_number = calloc(n + 1, sizeof(struct object *));
        made.by_id = calloc(n + 1, sizeof(struct object *));
        if (!made.by_number || !made.by_id) {
                free(made.by_number);
                free(made.by_id);
                return -ENOMEM;
        }
        if (n > 0) {
                memcpy(made.by_number, objects, n * sizeof(struct object *));
                memcpy(made.by_id, objects, n * sizeof(struct object *));
                qsort(made.by_handle, n, sizeof(struct object *), order_handle);
                qsort(made.by_id, n, sizeof(struct object *), order_id);
        }
        index_renumber(&made);
        *index = made;
        return 0;
}

void index_done(struct index *index)
{
        free(index->by_handle);
        free(index->by_number);
        free(index->by_id);
        *index = (struct index){0};
}

void index_renumber(struct index *index)
{
        if (index->n > 0)
                qsort(index->by_number, index->n, sizeof(struct object *), order_number);
}

struct object *index_by_handle(const struct index *index, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle)
{
        struct object key = {.class = class, .handle = handle}, *at = &key, **found;

        found = index->n > 0 ? bsearch(&at, index->by_handle, index->n, sizeof(at), order_handle) : NULL;
        return found ? *found : NULL;
}

struct object *index_by_number(const struct index *index, uint64_t number)
{
        struct object key = {.number = number}, *at = &key, **found;

        if (number == 0 || index->n == 0)
                return NULL;
        found = bsearch(&at, index->by_number, index->n, sizeof(at), order_number);
        return found ? *found : NULL;
}

size_t index_first_of_id(const struct index *index, const struct object *key)
{
        size_t low = 0, high = index->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (compare_ids(index->by_id[middle], key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

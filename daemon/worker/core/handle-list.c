/* SPDX-License-Identifier: MPL-2.0 */
/* See handle-list.h. */
#include "daemon/worker/core/handle-list.h"

#include "daemon/worker/device/attribute.h"

/* Handles that a list has room for at first. */
#define FIRST_SIZE 256U

static int add(void *userdata, const CK_OBJECT_HANDLE *handles, size_t n)
{
        struct handle_list *list = userdata;

        if (list->n + n > list->size) {
                size_t size = 2 * list->size + n + FIRST_SIZE;
                struct listed *items = realloc(list->items, size * sizeof(*items));
                if (!items)
                        return -ENOMEM;
                list->items = items;
                list->size = size;
        }
        for (size_t i = 0; i < n; i++)
                list->items[list->n++] = (struct listed){list->class, handles[i]};
        return 0;
}

int handle_list_add(struct handle_list *list, struct session *session, CK_OBJECT_CLASS class)
{
        CK_ATTRIBUTE template[] = {ATTRIBUTE_ULONG(CKA_CLASS, class), ATTRIBUTE_BOOL(CKA_TOKEN, true)};

        list->class = class;
        return session_find_all(session, template, ARRAY_SIZE(template), add, list);
}

static int order_listed(const void *x, const void *y)
{
        const struct listed *a = x, *b = y;

        return a->class != b->class     ? (a->class < b->class ? -1 : 1)
               : a->handle != b->handle ? (a->handle < b->handle ? -1 : 1)
                                        : 0;
}

int handle_list_put(struct handle_list *list, const struct listed *listed)
{
        list->class = listed->class;
        return add(list, &listed->handle, 1);
}

bool handle_list_has(const struct handle_list *list, const struct listed *listed)
{
        return list->n > 0 &&
               bsearch(listed, list->items, list->n, sizeof(*list->items), order_listed) != NULL;
}

void handle_list_sort(struct handle_list *list)
{
        size_t n = 0;

        if (list->n > 0)
                qsort(list->items, list->n, sizeof(*list->items), order_listed);
        for (size_t i = 0; i < list->n; i++)
                if (n == 0 || order_listed(&list->items[n - 1], &list->items[i]) != 0)
                        list->items[n++] = list->items[i];
        list->n = n;
}

void handle_list_done(struct handle_list *list)
{
        free(list->items);
        *list = (struct handle_list){0};
}

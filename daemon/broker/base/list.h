/* SPDX-License-Identifier: MPL-2.0 */
/* A doubly linked list whose links lie in what it links. The head is a link of its own; a link that is in no
 * list points at itself, so that removing it once more is harmless. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct link {
        struct link *prev, *next;
};

#define LINK_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define LINK_FOREACH(at, head)         for (struct link *at = (head)->next; at != (head); at = at->next)
/* The body may remove (and free) the one at hand, and no other: it must not call what may do more. */
#define LINK_FOREACH_SAFE(at, head)                                                                          \
        for (struct link *at = (head)->next, *at##_next = at->next; at != (head);                            \
                at = at##_next, at##_next = at->next)

static inline void link_init(struct link *link)
{
        link->prev = link->next = link;
}

static inline bool link_is_empty(const struct link *head)
{
        return head->next == head;
}

static inline void link_append(struct link *head, struct link *link)
{
        link->prev = head->prev;
        link->next = head;
        head->prev->next = link;
        head->prev = link;
}

static inline void link_prepend(struct link *head, struct link *link)
{
        link_append(head->next, link);
}

static inline void link_remove(struct link *link)
{
        link->prev->next = link->next;
        link->next->prev = link->prev;
        link_init(link);
}

/* Everything of the other list, behind what is in this one; the other is empty afterwards. */
static inline void link_append_all(struct link *head, struct link *other)
{
        struct link *first = other->next, *last = other->prev;

        if (link_is_empty(other))
                return;
        first->prev = head->prev;
        head->prev->next = first;
        last->next = head;
        head->prev = last;
        link_init(other);
}

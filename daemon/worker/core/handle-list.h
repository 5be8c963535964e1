/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The handles of the token's keys and certificates, as one listing shows them. Owned by who lists; no locking
 * here. Errors as in session.h.
 */
#pragma once

#include "daemon/worker/device/session.h"

struct listed {
        CK_OBJECT_CLASS class; /* CKO_PRIVATE_KEY, CKO_PUBLIC_KEY or CKO_CERTIFICATE */
        CK_OBJECT_HANDLE handle;
};

struct handle_list {
        CK_OBJECT_CLASS class; /* of what is being added */
        struct listed *items;
        size_t n, size;
};

/* Adds the token objects of a class. */
int handle_list_add(struct handle_list *list, struct session *session, CK_OBJECT_CLASS class);

/* Sorts them by class and handle, and keeps one of those that the module listed twice. */
void handle_list_sort(struct handle_list *list);

/* Adds one. -ENOMEM. */
int handle_list_put(struct handle_list *list, const struct listed *listed);
/* In a list that is in order. */
bool handle_list_has(const struct handle_list *list, const struct listed *listed);

void handle_list_done(struct handle_list *list);

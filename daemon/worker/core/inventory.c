/* SPDX-License-Identifier: MPL-2.0 */
/* See inventory.h. Lookups; the renewal is in refresh.c. */
#include "daemon/worker/core/inventory.h"

#include <string.h>

#include "daemon/util/spki.h"
#include "daemon/util/text.h"
#include "daemon/worker/core/join.h"

int inventory_new(struct inventory **ret)
{
        struct inventory *inventory = calloc(1, sizeof(*inventory));
        pthread_mutexattr_t recursive;

        if (!inventory)
                return -ENOMEM;
        /* Whoever holds it may have to renew it, after a session that was lost. */
        pthread_mutexattr_init(&recursive);
        pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
        pthread_mutex_init(&inventory->renewal, &recursive);
        pthread_mutexattr_destroy(&recursive);
        pthread_mutex_init(&inventory->lock, NULL);
        *ret = inventory;
        return 0;
}

void inventory_free(struct inventory *inventory)
{
        if (!inventory)
                return;
        for (size_t i = 0; i < inventory->index.n; i++)
                object_free(inventory->index.by_handle[i]);
        index_done(&inventory->index);
        handle_list_done(&inventory->strikes);
        pthread_mutex_destroy(&inventory->renewal);
        pthread_mutex_destroy(&inventory->lock);
        free(inventory);
}

void inventory_hold(struct inventory *inventory)
{
        pthread_mutex_lock(&inventory->renewal);
}

void inventory_release(struct inventory *inventory)
{
        pthread_mutex_unlock(&inventory->renewal);
}

void inventory_doubt(struct inventory *inventory, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle)
{
        struct object *object;

        pthread_mutex_lock(&inventory->lock);
        object = index_by_handle(&inventory->index, class, handle);
        if (object)
                object->doubted = true;
        pthread_mutex_unlock(&inventory->lock);
}

void inventory_leave(
        struct inventory *inventory, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle, enum leave leave)
{
        struct object *object;

        pthread_mutex_lock(&inventory->lock);
        object = index_by_handle(&inventory->index, class, handle);
        if (object) {
                object->leaving = leave != LEAVE_NOT;
                object->destroyed = leave == LEAVE_DONE;
                object->doubted = true;
        }
        pthread_mutex_unlock(&inventory->lock);
}

static struct object *find_of(struct inventory *inventory, CK_OBJECT_CLASS class, uint64_t number)
{
        struct object *object = index_by_number(&inventory->index, number);

        return object && object->class == class && !object->leaving ? object : NULL;
}

static struct object *find_key(struct inventory *inventory, uint64_t number)
{
        return find_of(inventory, CKO_PRIVATE_KEY, number);
}

static struct inventory_key key_of(const struct object *object)
{
        return (struct inventory_key){.number = object->number,
                .handle = object->handle,
                .trial = object->trial,
                .always_authenticate = object->always_authenticate,
                .restricted = object->n_allowed > 0,
                .key_type = object->key_type,
                .size = object->size,
                .usage = object->usage,
                .flags = object->flags};
}

bool inventory_key(struct inventory *inventory, uint64_t number, struct inventory_key *ret)
{
        struct object *object;

        pthread_mutex_lock(&inventory->lock);
        object = find_key(inventory, number);
        if (object)
                *ret = key_of(object);
        pthread_mutex_unlock(&inventory->lock);
        return object != NULL;
}

bool inventory_allows(struct inventory *inventory, uint64_t number, CK_MECHANISM_TYPE mechanism)
{
        const struct object *object;
        bool allows;

        pthread_mutex_lock(&inventory->lock);
        object = find_key(inventory, number);
        allows = object && object->n_allowed == 0;
        for (size_t i = 0; object && i < object->n_allowed && !allows; i++)
                allows = object->allowed[i] == mechanism;
        pthread_mutex_unlock(&inventory->lock);
        return allows;
}

bool inventory_secret(struct inventory *inventory, uint64_t number, struct inventory_key *ret)
{
        struct object *object;

        pthread_mutex_lock(&inventory->lock);
        object = find_of(inventory, CKO_SECRET_KEY, number);
        if (object && object_is_reserved(object))
                object = NULL;
        if (object)
                *ret = key_of(object);
        pthread_mutex_unlock(&inventory->lock);
        return object != NULL;
}

bool inventory_has_still(struct inventory *inventory, const struct inventory_key *key)
{
        const struct object *object;
        bool there;

        pthread_mutex_lock(&inventory->lock);
        object = index_by_number(&inventory->index, key->number);
        there = object && !object->leaving && object->handle == key->handle;
        pthread_mutex_unlock(&inventory->lock);
        return there;
}

static bool has_id(const struct object *object, struct wire_bytes id)
{
        return id.length > 0 && object->id_length == id.length && memcmp(object->id, id.data, id.length) == 0;
}

bool inventory_has_id(struct inventory *inventory, struct wire_bytes id)
{
        bool found = false;

        pthread_mutex_lock(&inventory->lock);
        for (size_t i = 0; i < inventory->index.n && !found; i++)
                found = has_id(inventory->index.by_handle[i], id);
        pthread_mutex_unlock(&inventory->lock);
        return found;
}

static bool is_in_scope(const struct object *object, enum nickname_scope scope, struct wire_bytes id)
{
        return scope == SCOPE_ALL || object->class == CKO_CERTIFICATE ||
               (scope == SCOPE_OTHERS && !has_id(object, id));
}

bool inventory_has_handle(struct inventory *inventory, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle)
{
        bool has;

        pthread_mutex_lock(&inventory->lock);
        has = index_by_handle(&inventory->index, class, handle) != NULL;
        pthread_mutex_unlock(&inventory->lock);
        return has;
}

bool inventory_has_nickname(struct inventory *inventory, const char *nickname, enum nickname_scope scope,
        struct wire_bytes id, struct wire_bytes known)
{
        bool found = false;

        pthread_mutex_lock(&inventory->lock);
        for (size_t i = 0; i < inventory->index.n && !found; i++) {
                const struct object *object = inventory->index.by_handle[i];
                found = object_has_label(object, nickname) && is_in_scope(object, scope, id) &&
                        !object_has_mark(object, known);
        }
        pthread_mutex_unlock(&inventory->lock);
        return found;
}

bool inventory_reserved(struct inventory *inventory, const char *label, struct wire_bytes id, size_t id_size,
        struct inventory_key *ret, uint8_t *ret_id)
{
        const struct object *found = NULL;

        pthread_mutex_lock(&inventory->lock);
        for (size_t i = 0; i < inventory->index.n; i++) {
                const struct object *object = inventory->index.by_handle[i];

                if (object->class != CKO_SECRET_KEY || !object->listable || object->leaving ||
                        object->id_length != id_size || !object_has_label(object, label) ||
                        (id.length > 0 && !has_id(object, id)))
                        continue;
                if (!found || memcmp(object->id, found->id, id_size) < 0)
                        found = object;
        }
        if (found) {
                *ret = key_of(found);
                memcpy(ret_id, found->id, id_size);
        }
        pthread_mutex_unlock(&inventory->lock);
        return found != NULL;
}

uint64_t inventory_find_secret(struct inventory *inventory, struct wire_bytes id, const char *label)
{
        uint64_t number = 0;

        pthread_mutex_lock(&inventory->lock);
        for (size_t i = 0; i < inventory->index.n && number == 0; i++) {
                const struct object *object = inventory->index.by_handle[i];

                if (object->class == CKO_SECRET_KEY && object->listable && has_id(object, id) &&
                        object_has_label(object, label))
                        number = object->number;
        }
        pthread_mutex_unlock(&inventory->lock);
        return number;
}

bool inventory_has_key(struct inventory *inventory, struct der spki, struct wire_bytes id)
{
        bool found = false;

        pthread_mutex_lock(&inventory->lock);
        for (size_t i = 0; i < inventory->index.n && !found; i++) {
                const struct object *object = inventory->index.by_handle[i];
                if (object->class == CKO_CERTIFICATE || object->class == CKO_SECRET_KEY)
                        continue;
                found = object->der ? spki_is_same((struct der){object->der, object->der_length}, spki)
                                    : has_id(object, id);
        }
        pthread_mutex_unlock(&inventory->lock);
        return found;
}

int inventory_public(struct inventory *inventory, uint64_t number, struct inventory_public *ret)
{
        struct inventory_public public = {0};
        const struct object *object;
        int r = 1;

        pthread_mutex_lock(&inventory->lock);
        object = find_key(inventory, number);
        if (object && object->der && object->id_length <= sizeof(public.id)) {
                public.spki = malloc(object->der_length);
                r = public.spki ? 0 : -ENOMEM;
        }
        if (r == 0) {
                memcpy(public.spki, object->der, object->der_length);
                public.spki_length = object->der_length;
                memcpy(public.id, object->id, object->id_length);
                public.id_length = object->id_length;
                if (text_is_listable(object->label, object->label_length))
                        memcpy(public.label, object->label, object->label_length + 1);
                *ret = public;
        }
        pthread_mutex_unlock(&inventory->lock);
        return r;
}

uint64_t inventory_find(struct inventory *inventory, struct wire_bytes id, const char *label)
{
        struct object key = {.id = (uint8_t *)(uintptr_t)id.data, .id_length = id.length};
        size_t length = strlen(label), at;
        uint64_t number = 0;

        pthread_mutex_lock(&inventory->lock);
        for (at = index_first_of_id(&inventory->index, &key); at < inventory->index.n; at++) {
                const struct object *object = inventory->index.by_id[at];
                if (!object_same_id(object, &key))
                        break;
                if (object->class == CKO_PRIVATE_KEY && object->der && object->label_length == length &&
                        memcmp(object->label, label, length) == 0)
                        number = object->number;
        }
        pthread_mutex_unlock(&inventory->lock);
        return number;
}

/* The key, if it is still the same object. */
static struct object *find_same(struct inventory *inventory, const struct inventory_key *key)
{
        struct object *object = find_key(inventory, key->number);

        return object && object->handle == key->handle ? object : NULL;
}

bool inventory_begin_trial(struct inventory *inventory, const struct inventory_key *key)
{
        struct object *object;
        bool open;

        pthread_mutex_lock(&inventory->lock);
        object = find_same(inventory, key);
        open = object && object->trial == COPY_OPEN;
        if (open)
                object->trial = COPY_UNDER_WAY;
        pthread_mutex_unlock(&inventory->lock);
        return open;
}

void inventory_end_trial(
        struct inventory *inventory, const struct inventory_key *key, enum copy_verdict verdict)
{
        struct object *object;

        pthread_mutex_lock(&inventory->lock);
        object = find_same(inventory, key);
        if (object && (object->trial == COPY_UNDER_WAY || verdict == COPY_NO_COPY))
                object->trial = verdict;
        pthread_mutex_unlock(&inventory->lock);
}

static size_t pair_of(
        const struct index *index, const struct object *key, CK_OBJECT_HANDLE *handles, size_t n)
{
        size_t first = index_first_of_id(index, key), end, count = 0, private = 0;

        for (end = first; end < index->n && object_same_id(index->by_id[end], key); end++)
        private += index->by_id[end]->class == CKO_PRIVATE_KEY;
        handles[count++] = key->handle;
        /* An empty id joins nothing. */
        for (size_t i = first; i < end && count < n && key->id_length > 0; i++) {
                const struct object *other = index->by_id[i];
                if (other->class == CKO_PUBLIC_KEY && (private == 1 || object_same_label(other, key)))
                        handles[count++] = other->handle;
        }
        for (size_t i = 0; i < index->n && count < n && key->der; i++)
                if (join_by_label(index, key, index->by_handle[i]))
                        handles[count++] = index->by_handle[i]->handle;
        return count;
}

size_t inventory_pair(struct inventory *inventory, uint64_t number, CK_OBJECT_HANDLE *handles, size_t n)
{
        const struct object *key;
        size_t count = 0;

        pthread_mutex_lock(&inventory->lock);
        key = find_key(inventory, number);
        if (key && n > 0)
                count = pair_of(&inventory->index, key, handles, n);
        pthread_mutex_unlock(&inventory->lock);
        return count;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See inventory.h. Lookups; the renewal is in refresh.c. */
#include "daemon/worker/core/inventory.h"

#include <string.h>

#include "daemon/util/text.h"
#include "daemon/worker/core/index.h"

int directory_new(struct directory **ret)
{
        struct directory *directory = calloc(1, sizeof(*directory));

        if (!directory)
                return -ENOMEM;
        pthread_mutex_init(&directory->renewal, NULL);
        pthread_mutex_init(&directory->lock, NULL);
        *ret = directory;
        return 0;
}

void directory_free(struct directory *directory)
{
        if (!directory)
                return;
        for (size_t i = 0; i < directory->index.n; i++)
                object_free(directory->index.by_handle[i]);
        index_done(&directory->index);
        pthread_mutex_destroy(&directory->renewal);
        pthread_mutex_destroy(&directory->lock);
        free(directory);
}

void directory_doubt(struct directory *directory, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle)
{
        struct object *object;

        pthread_mutex_lock(&directory->lock);
        object = index_by_handle(&directory->index, class, handle);
        if (object)
                object->doubted = true;
        pthread_mutex_unlock(&directory->lock);
}

void directory_leave(
        struct directory *directory, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle, enum leave leave)
{
        struct object *object;

        pthread_mutex_lock(&directory->lock);
        object = index_by_handle(&directory->index, class, handle);
        if (object) {
                object->leaving = leave != LEAVE_NOT;
                object->destroyed = leave == LEAVE_DONE;
                object->doubted = true;
        }
        pthread_mutex_unlock(&directory->lock);
}

static struct object *find_key(struct directory *directory, uint64_t number)
{
        struct object *object = index_by_number(&directory->index, number);

        return object && object->class == CKO_PRIVATE_KEY && !object->leaving ? object : NULL;
}

bool directory_key(struct directory *directory, uint64_t number, struct directory_key *ret)
{
        struct object *object;

        pthread_mutex_lock(&directory->lock);
        object = find_key(directory, number);
        if (object)
                *ret = (struct directory_key){.number = number,
                        .handle = object->handle,
                        .copy = object->copy,
                        .no_copy = object->no_copy,
                        .always_authenticate = object->always_authenticate,
                        .key_type = object->key_type,
                        .size = object->size,
                        .usage = object->usage,
                        .flags = object->flags};
        pthread_mutex_unlock(&directory->lock);
        return object != NULL;
}

bool directory_has_still(struct directory *directory, const struct directory_key *key)
{
        const struct object *object;
        bool there;

        pthread_mutex_lock(&directory->lock);
        object = find_key(directory, key->number);
        there = object && object->handle == key->handle;
        pthread_mutex_unlock(&directory->lock);
        return there;
}

bool directory_has_nickname(struct directory *directory, const char *nickname)
{
        size_t length = strlen(nickname);
        bool found = false;

        pthread_mutex_lock(&directory->lock);
        for (size_t i = 0; i < directory->index.n && !found; i++) {
                const struct object *object = directory->index.by_handle[i];
                found = object->label_length == length && memcmp(object->label, nickname, length) == 0;
        }
        pthread_mutex_unlock(&directory->lock);
        return found;
}

static bool has_id(const struct object *object, struct wire_bytes id)
{
        return id.length > 0 && object->id_length == id.length && memcmp(object->id, id.data, id.length) == 0;
}

bool directory_has_other_of_nickname(struct directory *directory, const char *nickname, struct wire_bytes id)
{
        size_t length = strlen(nickname);
        bool found = false;

        pthread_mutex_lock(&directory->lock);
        for (size_t i = 0; i < directory->index.n && !found; i++) {
                const struct object *object = directory->index.by_handle[i];
                found = object->label_length == length && memcmp(object->label, nickname, length) == 0 &&
                        (object->class == CKO_CERTIFICATE || !has_id(object, id));
        }
        pthread_mutex_unlock(&directory->lock);
        return found;
}

bool directory_has_key(struct directory *directory, struct der spki, struct wire_bytes id)
{
        bool found = false;

        pthread_mutex_lock(&directory->lock);
        for (size_t i = 0; i < directory->index.n && !found; i++) {
                const struct object *object = directory->index.by_handle[i];
                if (object->class == CKO_CERTIFICATE)
                        continue;
                found = object->der ? object->der_length == spki.length &&
                                              memcmp(object->der, spki.data, spki.length) == 0
                                    : has_id(object, id);
        }
        pthread_mutex_unlock(&directory->lock);
        return found;
}

int directory_public(struct directory *directory, uint64_t number, struct directory_public *ret)
{
        struct directory_public public = {0};
        const struct object *object;
        int r = 1;

        pthread_mutex_lock(&directory->lock);
        object = find_key(directory, number);
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
        pthread_mutex_unlock(&directory->lock);
        return r;
}

CK_OBJECT_HANDLE directory_certificate(struct directory *directory, uint64_t number)
{
        const struct object *object;
        CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;

        pthread_mutex_lock(&directory->lock);
        object = index_by_number(&directory->index, number);
        if (object && object->class == CKO_CERTIFICATE)
                handle = object->handle;
        pthread_mutex_unlock(&directory->lock);
        return handle;
}

uint64_t directory_find_certificate(struct directory *directory, const char *label, struct der der)
{
        size_t length = strlen(label);
        uint64_t number = 0;

        pthread_mutex_lock(&directory->lock);
        for (size_t i = 0; i < directory->index.n && number == 0; i++) {
                const struct object *object = directory->index.by_handle[i];
                if (object->class == CKO_CERTIFICATE && object->listable && object->label_length == length &&
                        memcmp(object->label, label, length) == 0 && object->der_length == der.length &&
                        memcmp(object->der, der.data, der.length) == 0)
                        number = object->number;
        }
        pthread_mutex_unlock(&directory->lock);
        return number;
}

uint64_t directory_find(struct directory *directory, struct wire_bytes id, const char *label)
{
        struct object key = {.id = (uint8_t *)(uintptr_t)id.data, .id_length = id.length};
        size_t length = strlen(label), at;
        uint64_t number = 0;

        pthread_mutex_lock(&directory->lock);
        for (at = index_first_of_id(&directory->index, &key); at < directory->index.n; at++) {
                const struct object *object = directory->index.by_id[at];
                if (!object_same_id(object, &key))
                        break;
                if (object->class == CKO_PRIVATE_KEY && object->der && object->label_length == length &&
                        memcmp(object->label, label, length) == 0)
                        number = object->number;
        }
        pthread_mutex_unlock(&directory->lock);
        return number;
}

bool directory_set_copy(struct directory *directory, uint64_t number, CK_OBJECT_HANDLE copy)
{
        struct object *object;
        bool taken = false;

        pthread_mutex_lock(&directory->lock);
        object = find_key(directory, number);
        if (object && object->copy == CK_INVALID_HANDLE) {
                object->copy = copy;
                object->no_copy = copy == CK_INVALID_HANDLE;
                taken = true;
        }
        pthread_mutex_unlock(&directory->lock);
        return taken;
}

void directory_forget_copy(struct directory *directory, uint64_t number, CK_OBJECT_HANDLE copy)
{
        struct object *object;

        pthread_mutex_lock(&directory->lock);
        object = find_key(directory, number);
        if (object && object->copy == copy)
                object->copy = CK_INVALID_HANDLE;
        pthread_mutex_unlock(&directory->lock);
}

static size_t pair_of(
        const struct index *index, const struct object *key, CK_OBJECT_HANDLE *handles, size_t n)
{
        size_t first = index_first_of_id(index, key), end, count = 0, private = 0;

        for (end = first; end < index->n && object_same_id(index->by_id[end], key); end++)
        private += index->by_id[end]->class == CKO_PRIVATE_KEY;
        handles[count++] = key->handle;
        /* An empty id joins nothing. */
        if (key->id_length == 0)
                return count;
        for (size_t i = first; i < end && count < n; i++) {
                const struct object *other = index->by_id[i];
                if (other->class == CKO_PUBLIC_KEY && (private == 1 || object_same_label(other, key)))
                        handles[count++] = other->handle;
        }
        return count;
}

size_t directory_pair(struct directory *directory, uint64_t number, CK_OBJECT_HANDLE *handles, size_t n)
{
        const struct object *key;
        size_t count = 0;

        pthread_mutex_lock(&directory->lock);
        key = find_key(directory, number);
        if (key && n > 0)
                count = pair_of(&directory->index, key, handles, n);
        pthread_mutex_unlock(&directory->lock);
        return count;
}

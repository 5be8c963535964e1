/* SPDX-License-Identifier: MPL-2.0 */
/* See catalogue.h: the life of a catalogue, and what is found in it. */
#include "client/pkcs11/catalogue.h"

#include <string.h>

struct catalogue *catalogue_ref(struct catalogue *catalogue)
{
        atomic_fetch_add(&catalogue->refs, 1);
        return catalogue;
}

void catalogue_unref(struct catalogue *catalogue)
{
        if (!catalogue || atomic_fetch_sub(&catalogue->refs, 1) != 1)
                return;
        for (size_t i = 0; i < catalogue->n_slots; i++)
                free(catalogue->slots[i].uri);
        for (size_t i = 0; i < catalogue->n_objects; i++)
                object_unref(catalogue->objects[i]);
        free(catalogue->slots);
        free(catalogue->objects);
        free(catalogue->by_handle);
        tokend_tokens_free(catalogue->tokens);
        tokend_secrets_free(catalogue->secrets);
        free(catalogue->keys_state);
        free(catalogue->certificates_state);
        free(catalogue);
}

const struct p11_slot *catalogue_slot(const struct catalogue *catalogue, CK_SLOT_ID id)
{
        for (size_t i = 0; i < catalogue->n_slots; i++)
                if (catalogue->slots[i].id == id)
                        return &catalogue->slots[i];
        return NULL;
}

static bool has_word(const char *const *words, size_t n, const char *word)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(words[i], word) == 0)
                        return true;
        return false;
}

bool slot_allows(const struct p11_slot *slot, const char *right)
{
        return has_word(slot->token->rights, slot->token->n_rights, right);
}

bool slot_has(const struct p11_slot *slot, const char *mechanism)
{
        return has_word(slot->token->mechanisms, slot->token->n_mechanisms, mechanism);
}

bool slot_wraps(const struct p11_slot *slot, const char *mechanism)
{
        return slot->token->wraps ? has_word(slot->token->wraps, slot->token->n_wraps, mechanism)
                                  : slot_has(slot, mechanism);
}

bool slot_unwraps(const struct p11_slot *slot, const char *mechanism)
{
        return slot->token->unwraps ? has_word(slot->token->unwraps, slot->token->n_unwraps, mechanism)
                                    : slot_has(slot, mechanism);
}

/* ---- handles ---- */

static int by_handle(const void *a, const void *b)
{
        CK_ULONG one = (*(struct p11_object *const *)a)->handle,
                 other = (*(struct p11_object *const *)b)->handle;

        return one < other ? -1 : one > other;
}

CK_RV catalogue_number(struct catalogue *catalogue, struct handles *handles)
{
        if (catalogue->by_handle)
                return CKR_OK;
        catalogue->by_handle = calloc(catalogue->n_objects + 1, sizeof(struct p11_object *));
        if (!catalogue->by_handle)
                return CKR_HOST_MEMORY;
        for (size_t i = 0; i < catalogue->n_objects; i++) {
                struct p11_object *object = catalogue->objects[i];

                /* One that was kept from an older catalogue has it already, and other threads read it. */
                if (object->handle == 0)
                        object->handle = handles_of(handles, object);
                if (object->handle == 0)
                        return CKR_HOST_MEMORY;
                catalogue->by_handle[i] = object;
        }
        qsort(catalogue->by_handle, catalogue->n_objects, sizeof(struct p11_object *), by_handle);
        return CKR_OK;
}

static int compare_handle(const void *handle, const void *object)
{
        CK_ULONG one = *(const CK_ULONG *)handle, other = (*(struct p11_object *const *)object)->handle;

        return one < other ? -1 : one > other;
}

struct p11_object *catalogue_object(const struct catalogue *catalogue, CK_OBJECT_HANDLE handle)
{
        struct p11_object **found = bsearch(&handle, catalogue->by_handle, catalogue->n_objects,
                sizeof(struct p11_object *), compare_handle);

        return found ? *found : NULL;
}

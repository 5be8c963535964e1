/* SPDX-License-Identifier: MPL-2.0 */
/* See handles.h: a hash table with open addressing, whose rows are never removed. */
#include "client/pkcs11/handles.h"

#include <nettle/sha2.h>
#include <string.h>

struct handle_row {
        uint8_t identity[SHA256_DIGEST_SIZE];
        CK_ULONG handle; /* 0: the row is free */
        bool gone;       /* it goes, or went, with another object, and may be deleted once all the same */
};

static void add_value(struct sha256_ctx *hash, const struct p11_object *object, CK_ATTRIBUTE_TYPE type)
{
        const void *value = "";
        size_t length = 0;

        (void)attributes_get(&object->attributes, type, &value, &length);
        sha256_update(hash, sizeof(length), (const uint8_t *)&length);
        sha256_update(hash, length, value);
}

/* Not its label, which a program may change. */
static void identify(const struct p11_object *object, uint8_t identity[static SHA256_DIGEST_SIZE])
{
        struct sha256_ctx hash;

        sha256_init(&hash);
        sha256_update(&hash, sizeof(object->slot), (const uint8_t *)&object->slot);
        add_value(&hash, object, CKA_CLASS);
        add_value(&hash, object, CKA_ID);
        add_value(&hash, object, CKA_VALUE);
        add_value(&hash, object, CKA_PUBLIC_KEY_INFO);
        add_value(&hash, object, CKA_PROFILE_ID);
        /* A key whose public half is not on the token is known by its name alone; so are secret keys. */
        if (!object->spki && object->class != CKO_CERTIFICATE)
                add_value(&hash, object, CKA_LABEL);
        sha256_digest(&hash, SHA256_DIGEST_SIZE, identity);
}

static struct handle_row *row_of(struct handles *handles, const uint8_t *identity)
{
        size_t at;

        memcpy(&at, identity, sizeof(at));
        for (;; at++) {
                struct handle_row *row = &handles->rows[at & (handles->size - 1)];

                if (row->handle == 0 || memcmp(row->identity, identity, sizeof(row->identity)) == 0)
                        return row;
        }
}

/* At most half of the rows are in use. */
static bool grow(struct handles *handles)
{
        struct handles larger = {
                .n = handles->n, .size = handles->size ? handles->size * 2 : 64, .last = handles->last};

        if (2 * handles->n < handles->size)
                return true;
        larger.rows = calloc(larger.size, sizeof(*larger.rows));
        if (!larger.rows)
                return false;
        for (size_t i = 0; i < handles->size; i++)
                if (handles->rows[i].handle != 0)
                        *row_of(&larger, handles->rows[i].identity) = handles->rows[i];
        free(handles->rows);
        *handles = larger;
        return true;
}

void handles_done(struct handles *handles)
{
        free(handles->rows);
        *handles = (struct handles){0};
}

CK_ULONG handles_next(struct handles *handles)
{
        return ++handles->last;
}

/* The row of the object, which gets this number if it has none. NULL: no memory. */
static struct handle_row *claim(struct handles *handles, const struct p11_object *object, CK_ULONG handle)
{
        uint8_t identity[SHA256_DIGEST_SIZE];
        struct handle_row *row;

        if (!grow(handles))
                return NULL;
        identify(object, identity);
        row = row_of(handles, identity);
        if (row->handle == 0) {
                memcpy(row->identity, identity, sizeof(identity));
                row->handle = handle;
                row->gone = object->class == CKO_PUBLIC_KEY;
                handles->n++;
        }
        return row;
}

CK_ULONG handles_of(struct handles *handles, const struct p11_object *object)
{
        const struct handle_row *row = claim(handles, object, handles->last + 1);

        if (!row)
                return 0;
        if (row->handle == handles->last + 1)
                handles->last++;
        return row->handle;
}

static struct handle_row *row_of_handle(struct handles *handles, CK_ULONG handle)
{
        for (size_t i = 0; i < handles->size; i++)
                if (handles->rows[i].handle == handle && handle != 0)
                        return &handles->rows[i];
        return NULL;
}

void handles_went(struct handles *handles, CK_ULONG handle)
{
        struct handle_row *row = row_of_handle(handles, handle);

        if (row)
                row->gone = true;
}

bool handles_delete_gone(struct handles *handles, CK_ULONG handle)
{
        struct handle_row *row = row_of_handle(handles, handle);
        bool gone = row && row->gone;

        if (gone)
                row->gone = false;
        return gone;
}

CK_RV handles_bind(struct handles *handles, const struct p11_object *object, CK_ULONG handle)
{
        struct handle_row *row = claim(handles, object, handle);

        if (!row)
                return CKR_HOST_MEMORY;
        row->handle = handle;
        return CKR_OK;
}

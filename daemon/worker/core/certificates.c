/* SPDX-License-Identifier: MPL-2.0 */
/* See inventory.h. Lookups of certificates. */
#include "daemon/util/spki.h"
#include "daemon/worker/core/entries.h"
#include "daemon/worker/encoding/certificate.h"

CK_OBJECT_HANDLE inventory_certificate(struct inventory *inventory, uint64_t number)
{
        const struct object *object;
        CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;

        pthread_mutex_lock(&inventory->lock);
        object = index_by_number(&inventory->index, number);
        if (object && object->class == CKO_CERTIFICATE)
                handle = object->handle;
        pthread_mutex_unlock(&inventory->lock);
        return handle;
}

size_t inventory_marked(struct inventory *inventory, const char *label, struct wire_bytes marks,
        struct der spki, CK_OBJECT_HANDLE *handles, size_t n)
{
        size_t count = 0;

        pthread_mutex_lock(&inventory->lock);
        for (size_t i = 0; i < inventory->index.n && count < n; i++) {
                const struct object *object = inventory->index.by_handle[i];
                struct der of;

                if (!object->leaving && object_has_label(object, label) && object_has_mark(object, marks) &&
                        spki_of_certificate((struct der){object->der, object->der_length}, &of) &&
                        spki_is_same(of, spki))
                        handles[count++] = object->handle;
        }
        pthread_mutex_unlock(&inventory->lock);
        return count;
}

bool inventory_has_issued(
        struct inventory *inventory, struct der issuer, struct der serial, struct der der, const char *label)
{
        bool found = false;

        pthread_mutex_lock(&inventory->lock);
        for (size_t i = 0; i < inventory->index.n && !found; i++) {
                const struct object *object = inventory->index.by_handle[i];
                struct der bytes = {object->der, object->der_length};
                struct certificate certificate;

                if (object->class != CKO_CERTIFICATE ||
                        (der_is_same(bytes, der) && object_has_label(object, label)) ||
                        !certificate_parse(bytes, &certificate))
                        continue;
                found = der_is_same(certificate.issuer, issuer) && der_is_same(certificate.serial, serial);
        }
        pthread_mutex_unlock(&inventory->lock);
        return found;
}

uint64_t inventory_find_certificate(
        struct inventory *inventory, const char *label, struct der der, struct wire_bytes id)
{
        uint64_t number = 0;

        pthread_mutex_lock(&inventory->lock);
        for (size_t i = 0; i < inventory->index.n && number == 0; i++) {
                const struct object *object = inventory->index.by_handle[i];

                if (object->class == CKO_CERTIFICATE && object->listable && !object->leaving &&
                        object_has_label(object, label) &&
                        der_is_same((struct der){object->der, object->der_length}, der) &&
                        (id.length == 0 || der_is_same((struct der){object->id, object->id_length},
                                                   (struct der){id.data, id.length})))
                        number = object->number;
        }
        pthread_mutex_unlock(&inventory->lock);
        return number;
}

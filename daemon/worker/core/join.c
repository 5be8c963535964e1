/* SPDX-License-Identifier: MPL-2.0 */
/* See join.h. */
#include "daemon/worker/core/join.h"

#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/spki.h"
#include "daemon/util/text.h"

/* The public key that this object is or certifies. */
static bool spki_of_object(const struct object *object, struct der *ret)
{
        struct der der = {object->der, object->der_length}, certificate;

        if (object->class != CKO_CERTIFICATE) {
                *ret = der;
                return true;
        }
        /* What a token may have put behind the certificate does not matter here. */
        return der_take_whole(&der, DER_TAG_SEQUENCE, &certificate) && spki_of_certificate(certificate, ret);
}

/* The key's public half as this object has it. */
static bool half_of(const struct object *other, const struct object *key, struct der *ret)
{
        struct der bytes, modulus, exponent;
        unsigned bits;

        if (!spki_of_object(other, ret) || spki_key_type(*ret, &bits, &bytes) != key->key_type ||
                bits != key->size)
                return false;
        return !key->modulus ||
               (spki_rsa(bytes, &modulus, &exponent) &&
                       der_is_same(modulus, (struct der){key->modulus, key->modulus_length}));
}

/* Whether the certificate is for exactly the public key of this private key. */
static bool certifies(const struct object *certificate, const struct object *key)
{
        struct der spki;

        return key->der && spki_of_object(certificate, &spki) &&
               spki_is_same(spki, (struct der){key->der, key->der_length});
}

/* Of that class and the key's id; where pairs of others share one id, the label tells which is which. */
static bool find_half(
        const struct index *index, const struct object *key, CK_OBJECT_CLASS class, struct der *ret)
{
        size_t first = index_first_of_id(index, key);
        bool found = false;

        for (size_t i = first; i < index->n && object_same_id(index->by_id[i], key); i++) {
                const struct object *other = index->by_id[i];
                struct der half;

                if (other->class != class || !half_of(other, key, &half))
                        continue;
                if (!found)
                        *ret = half;
                found = true;
                if (object_same_label(other, key)) {
                        *ret = half;
                        break;
                }
        }
        return found;
}

/* The key may be in the inventory already, where other threads read it. Takes der over. */
static void set_der(struct inventory *inventory, struct object *key, uint8_t *der, size_t length)
{
        pthread_mutex_lock(&inventory->lock);
        key->der = der;
        key->der_length = length;
        pthread_mutex_unlock(&inventory->lock);
}

static CK_RV copy_der(struct inventory *inventory, struct object *key, struct der spki)
{
        uint8_t *der = malloc(spki.length);

        if (!der)
                return CKR_HOST_MEMORY;
        memcpy(der, spki.data, spki.length);
        set_der(inventory, key, der, spki.length);
        return CKR_OK;
}

/* A private key's public half: the public key of its id, else its certificate's, else what the key itself
 * shows. */
static CK_RV join_der(
        struct session *session, struct inventory *inventory, const struct index *index, struct object *key)
{
        static const CK_OBJECT_CLASS order[] = {CKO_PUBLIC_KEY, CKO_CERTIFICATE};
        struct der spki = {0};
        uint8_t *der = NULL;
        size_t length = 0;
        CK_RV rv = CKR_OK;

        for (size_t c = 0; c < ARRAY_SIZE(order) && key->id_length > 0; c++)
                if (find_half(index, key, order[c], &spki))
                        return copy_der(inventory, key, spki);
        if (key->key_type != KEY_RSA && !key->point_read) {
                rv = object_read_point(session, key, &der, &length);
                key->point_read = rv == CKR_OK;
        }
        if (der)
                set_der(inventory, key, der, length);
        return rv;
}

/* A key whose public half is not there may be one that another host is making now, which takes it milliseconds: it is
 * told of where the next renewal finds it so again. What is there when the worker starts is taken for what it is. */
static bool waits_for_half(const struct inventory *inventory, struct object *key)
{
        key->waits = !key->der && !key->alone && inventory->generation > 0;
        key->alone = !key->der;
        return key->waits;
}

CK_RV join_halves(struct session *session, struct inventory *inventory, const struct index *index)
{
        CK_RV rv = CKR_OK;

        inventory->waits = false;
        for (size_t i = 0; i < index->n && rv == CKR_OK; i++) {
                struct object *object = index->by_handle[i];
                if (object->class != CKO_PRIVATE_KEY || !object->listable)
                        continue;
                if (!object->der)
                        rv = join_der(session, inventory, index, object);
                if (waits_for_half(inventory, object))
                        inventory->waits = true;
        }
        return rv;
}

const char *join_names(const struct index *index, const struct object *object, unsigned *flags)
{
        const char *nickname = text_is_listable(object->label, object->label_length) ? object->label : "";

        if (object->id_length == 0)
                return nickname;
        for (size_t i = index_first_of_id(index, object); i < index->n; i++) {
                const struct object *other = index->by_id[i];

                if (!object_same_id(other, object))
                        break;
                if (object->class == CKO_CERTIFICATE && other->class == CKO_PRIVATE_KEY)
                        *flags |= FLAG_HAS_PRIVATE_KEY;
                if (object->class != CKO_PRIVATE_KEY || other->class != CKO_CERTIFICATE)
                        continue;
                *flags |= FLAG_HAS_CERTIFICATE;
                if (object->label_length == 0 && *nickname == '\0' &&
                        text_is_listable(other->label, other->label_length) && certifies(other, object))
                        nickname = other->label;
        }
        return nickname;
}

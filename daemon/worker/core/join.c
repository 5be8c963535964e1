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

/* Whether the public key may be this private one's half by what both say. */
static bool may_be_half(const struct object *public, const struct object *key)
{
        struct der half;

        return object_same_label(public, key) && half_of(public, key, &half) &&
               (!key->der || spki_is_same(half, (struct der){key->der, key->der_length}));
}

bool join_by_label(const struct index *index, const struct object *key, const struct object *public)
{
        if (public->class != CKO_PUBLIC_KEY || key->label_length == 0 || !may_be_half(public, key))
                return false;
        for (size_t i = 0; i < index->n; i++) {
                const struct object *other = index->by_handle[i];
                bool same_id = public->id_length > 0 && object_same_id(other, public);

                if (other->class == CKO_PRIVATE_KEY &&
                        (same_id || (other != key && may_be_half(public, other))))
                        return false;
        }
        return true;
}

/* Whether the id is another private key's, too. */
static bool shares_id(const struct index *index, const struct object *key)
{
        size_t n = 0;

        for (size_t i = index_first_of_id(index, key); i < index->n && object_same_id(index->by_id[i], key);
                i++)
                n += index->by_id[i]->class == CKO_PRIVATE_KEY;
        return n > 1;
}

/* The public half that an object of this class and of the key's id has. If pairs of other people share the
 * id, the label tells which is which: the half of another pair must not pass for this key's. A certificate that
 * tokend wrote has the label of its own key. */
static bool find_half(
        const struct index *index, const struct object *key, CK_OBJECT_CLASS class, struct der *ret)
{
        size_t first = index_first_of_id(index, key);
        bool shared = shares_id(index, key), found = false;

        for (size_t i = first; i < index->n && object_same_id(index->by_id[i], key); i++) {
                const struct object *other = index->by_id[i];
                bool same_label = object_same_label(other, key);
                struct der half;

                if (other->class != class || ((shared || other->apart) && !same_label) ||
                        !half_of(other, key, &half))
                        continue;
                if (!found || same_label)
                        *ret = half;
                found = true;
                if (same_label)
                        break;
        }
        return found;
}

/* The key may be in the inventory already, where other threads read it. Takes ownership of der. */
static void set_der(struct inventory *inventory, struct object *key, uint8_t *der, size_t length)
{
        pthread_mutex_lock(&inventory->lock);
        key->der = der;
        key->der_length = length;
        pthread_mutex_unlock(&inventory->lock);
}

static int copy_bytes(struct der from, uint8_t **ret, size_t *ret_length)
{
        uint8_t *copy = malloc(from.length);

        if (!copy)
                return -ENOMEM;
        memcpy(copy, from.data, from.length);
        *ret = copy;
        *ret_length = from.length;
        return 0;
}

/* The point of a certificate's key may be compressed: the key has it written out, as other programs want it. -EINVAL: the
 * curve has no such point. */
static int copy_der(struct inventory *inventory, struct object *key, struct der spki)
{
        unsigned type, bits;
        uint8_t *der;
        struct der bytes;
        size_t length;
        int r;

        type = spki_key_type(spki, &bits, &bytes);
        r = type == KEY_EC ? spki_from_point(bits, bytes, &der, &length) : copy_bytes(spki, &der, &length);
        if (r == 0)
                set_der(inventory, key, der, length);
        return r;
}

/* From the one public key that the label gives it, if there is one. -ENOMEM. */
static int join_der_by_label(struct inventory *inventory, const struct index *index, struct object *key)
{
        struct der spki = {0};

        for (size_t i = 0; i < index->n; i++) {
                const struct object *other = index->by_handle[i];
                struct der half = {other->der, other->der_length};

                if (!join_by_label(index, key, other))
                        continue;
                if (spki.length > 0 && !spki_is_same(spki, half))
                        return 0;
                spki = half;
        }
        return spki.length > 0 ? copy_der(inventory, key, spki) : 0;
}

/* A private key has its public half from the public key of its id, else from its certificate, else from
 * itself. */
static int join_der(
        struct session *session, struct inventory *inventory, const struct index *index, struct object *key)
{
        static const CK_OBJECT_CLASS order[] = {CKO_PUBLIC_KEY, CKO_CERTIFICATE};
        struct der spki = {0};
        uint8_t *der = NULL;
        size_t length = 0;
        int r = 0;

        for (size_t c = 0; c < ARRAY_SIZE(order) && key->id_length > 0; c++)
                if (find_half(index, key, order[c], &spki)) {
                        r = copy_der(inventory, key, spki);
                        if (r != -EINVAL)
                                return r;
                        r = 0;
                }
        if (key->key_type != KEY_RSA && !key->point_read) {
                r = object_read_point(session, key, &der, &length);
                key->point_read = r == 0;
                /* Few tokens have it there, and what one answers instead says nothing of the other keys. */
                if (r == CALL_FAILED && session_is_well(session))
                        r = 0;
        }
        if (der)
                set_der(inventory, key, der, length);
        return r;
}

/* If the public half of a new key is missing, another host may be making the pair at this moment, which takes
 * milliseconds: the broker is told of the key only if the next renewal finds it the same. The keys that are
 * there when the worker starts are told as they are. */
static bool waits_for_half(const struct inventory *inventory, struct object *key)
{
        key->waits = !key->der && !key->alone && inventory->generation > 0;
        key->alone = !key->der;
        return key->waits;
}

static bool has_no_half(const struct object *object)
{
        return object->class == CKO_PRIVATE_KEY && object->listable && !object->der;
}

int join_halves(struct session *session, struct inventory *inventory, const struct index *index)
{
        int r = 0;

        inventory->waits = false;
        for (size_t i = 0; i < index->n && r == 0; i++)
                if (has_no_half(index->by_handle[i]))
                        r = join_der(session, inventory, index, index->by_handle[i]);
        /* What ids say of all keys comes before what a label says of one. */
        for (size_t i = 0; i < index->n && r == 0; i++) {
                struct object *object = index->by_handle[i];

                if (has_no_half(object))
                        r = join_der_by_label(inventory, index, object);
                if (object->class == CKO_PRIVATE_KEY && object->listable && waits_for_half(inventory, object))
                        inventory->waits = true;
        }
        return r;
}

static bool has_name(const struct joined *joined, const char *name)
{
        bool found = strcmp(joined->nickname, name) == 0;

        for (size_t at = 0; at < joined->others_length && !found; at += strlen(joined->others + at) + 1)
                found = strcmp(joined->others + at, name) == 0;
        return found;
}

/* Those beyond LIMIT_OTHER_NAMES name nothing. */
static void add_name(struct joined *joined, const char *name)
{
        size_t length = strlen(name) + 1;

        if (joined->nickname[0] == '\0') {
                joined->nickname = name;
        } else if (!has_name(joined, name) && joined->n_others < LIMIT_OTHER_NAMES) {
                memcpy(joined->others + joined->others_length, name, length);
                joined->others_length += length;
                joined->n_others++;
        }
}

/* Whether the certificate lends its nickname to the key. One that tokend wrote bears a nickname that an instance
 * chose. */
static bool lends_name(const struct object *certificate, const struct object *key)
{
        return key->label_length == 0 && !certificate->apart &&
               text_is_listable(certificate->label, certificate->label_length) && certifies(certificate, key);
}

static bool is_labelled_pair(const struct object *certificate, const struct object *key)
{
        return certificate->class == CKO_CERTIFICATE && key->class == CKO_PRIVATE_KEY &&
               key->label_length > 0 && object_same_label(certificate, key) && certifies(certificate, key);
}

void join_names(const struct index *index, const struct object *object, struct joined *ret)
{
        ret->nickname = text_is_listable(object->label, object->label_length) ? object->label : "";
        ret->flags = object->flags;
        ret->n_others = ret->others_length = 0;
        for (size_t i = index_first_of_id(index, object); i < index->n; i++) {
                const struct object *other = index->by_id[i];

                if (!object_same_id(other, object))
                        break;
                /* An empty id joins nothing: the label does, and the public key. */
                if (object->id_length == 0 &&
                        !(object->class == CKO_CERTIFICATE ? is_labelled_pair(object, other)
                                                           : is_labelled_pair(other, object)))
                        continue;
                if (object->class == CKO_CERTIFICATE && other->class == CKO_PRIVATE_KEY)
                        ret->flags |= FLAG_HAS_PRIVATE_KEY;
                if (object->class != CKO_PRIVATE_KEY || other->class != CKO_CERTIFICATE)
                        continue;
                ret->flags |= FLAG_HAS_CERTIFICATE;
                if (lends_name(other, object))
                        add_name(ret, other->label);
        }
}

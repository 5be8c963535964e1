/* SPDX-License-Identifier: MPL-2.0 */
/* See accel-public.h. */
#include "daemon/worker/accel/accel-public.h"

#include <string.h>

#include "daemon/util/ckr.h"
#include "daemon/util/spki.h"

struct cached_key {
        uint8_t *spki; /* NULL: none here */
        size_t length;
        CK_OBJECT_HANDLE handle;
        uint64_t used; /* when it was, in turns of the cache */
};

struct public_cache {
        uint64_t session; /* n_opens of the one whose objects they are: with another they are gone */
        uint64_t turn;
        struct cached_key keys[PUBLIC_CACHE_MAX];
};

static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static struct public_cache *cache_of(struct session *session)
{
        struct public_cache *cache = session->publics;

        if (!cache)
                cache = session->publics = calloc(1, sizeof(*cache));
        if (cache && cache->session != session->n_opens) {
                for (size_t i = 0; i < PUBLIC_CACHE_MAX; i++) {
                        free(cache->keys[i].spki);
                        cache->keys[i] = (struct cached_key){0};
                }
                cache->session = session->n_opens;
        }
        return cache;
}

static struct cached_key *cache_find(struct public_cache *cache, struct wire_bytes spki)
{
        for (size_t i = 0; i < PUBLIC_CACHE_MAX; i++) {
                struct cached_key *key = &cache->keys[i];

                if (key->spki && key->length == spki.length && memcmp(key->spki, spki.data, spki.length) == 0)
                        return key;
        }
        return NULL;
}

static CK_RV create(
        struct session *session, CK_ATTRIBUTE *more, size_t n_more, CK_KEY_TYPE type, CK_OBJECT_HANDLE *ret)
{
        CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
        CK_ATTRIBUTE template[8] = {
                {CKA_CLASS, &class, sizeof(class)},
                {CKA_KEY_TYPE, &type, sizeof(type)},
                {CKA_TOKEN, (void *)(uintptr_t)&no, sizeof(no)},
                {CKA_PRIVATE, (void *)(uintptr_t)&no, sizeof(no)},
                {CKA_VERIFY, (void *)(uintptr_t)&yes, sizeof(yes)},
        };

        memcpy(template + 5, more, n_more * sizeof(*more));
        return P11(session, C_CreateObject, session->handle, template, 5 + n_more, ret);
}

static CK_RV create_rsa(struct session *session, struct der key, CK_OBJECT_HANDLE *ret)
{
        struct der modulus, exponent;

        if (!spki_rsa(key, &modulus, &exponent))
                return CKR_ATTRIBUTE_VALUE_INVALID;
        return create(session,
                (CK_ATTRIBUTE[]){{CKA_MODULUS, (void *)(uintptr_t)modulus.data, modulus.length},
                        {CKA_PUBLIC_EXPONENT, (void *)(uintptr_t)exponent.data, exponent.length}},
                2, CKK_RSA, ret);
}

static CK_RV create_point(
        struct session *session, unsigned type, unsigned bits, struct der point, CK_OBJECT_HANDLE *ret)
{
        uint8_t wrapped[4 + 133]; /* the point of secp521r1 in its OCTET STRING */
        struct der params = spki_curve_params(bits);
        size_t n_head;

        if (params.length == 0 || point.length > 133)
                return CKR_ATTRIBUTE_VALUE_INVALID;
        n_head = der_head(wrapped, DER_TAG_OCTET_STRING, point.length);
        memcpy(wrapped + n_head, point.data, point.length);
        return create(session,
                (CK_ATTRIBUTE[]){{CKA_EC_PARAMS, (void *)(uintptr_t)params.data, params.length},
                        {CKA_EC_POINT, wrapped, n_head + point.length}},
                2, type == KEY_EC ? CKK_EC : CKK_EC_EDWARDS, ret);
}

/* The one that was not used for the longest time makes room. */
static void cache_put(
        struct session *session, struct public_cache *cache, struct wire_bytes spki, CK_OBJECT_HANDLE handle)
{
        struct cached_key *oldest = &cache->keys[0];
        uint8_t *copy = malloc(spki.length);

        if (!copy) {
                (void)P11(session, C_DestroyObject, session->handle, handle);
                return;
        }
        for (size_t i = 1; i < PUBLIC_CACHE_MAX && oldest->spki; i++)
                if (!cache->keys[i].spki || cache->keys[i].used < oldest->used)
                        oldest = &cache->keys[i];
        if (oldest->spki)
                (void)P11(session, C_DestroyObject, session->handle, oldest->handle);
        free(oldest->spki);
        memcpy(copy, spki.data, spki.length);
        *oldest = (struct cached_key){copy, spki.length, handle, ++cache->turn};
}

static CK_RV verify(struct session *session, struct signing *signing, CK_OBJECT_HANDLE key,
        struct wire_bytes signature, bool *ret_valid)
{
        CK_RV rv = P11(session, C_VerifyInit, session->handle, &signing->mechanism, key);

        if (rv == CKR_OK)
                rv = P11(session, C_Verify, session->handle, (CK_BYTE_PTR)(uintptr_t)signing->input.data,
                        signing->input.length, (CK_BYTE_PTR)(uintptr_t)signature.data, signature.length);
        if (rv == CKR_OK || rv == CKR_SIGNATURE_INVALID || rv == CKR_SIGNATURE_LEN_RANGE) {
                *ret_valid = rv == CKR_OK;
                return CKR_OK;
        }
        return rv;
}

CK_RV public_verify(struct session *session, struct signing *signing, struct wire_bytes spki, unsigned type,
        unsigned bits, struct der key, struct wire_bytes signature, bool *ret_valid)
{
        struct public_cache *cache = cache_of(session);
        struct cached_key *known = cache ? cache_find(cache, spki) : NULL;
        CK_OBJECT_HANDLE handle;
        CK_RV rv;

        if (!cache)
                return CKR_HOST_MEMORY;
        if (known) {
                known->used = ++cache->turn;
                return verify(session, signing, known->handle, signature, ret_valid);
        }
        rv = type == KEY_RSA ? create_rsa(session, key, &handle)
                             : create_point(session, type, bits, key, &handle);
        if (rv != CKR_OK)
                return rv;
        rv = verify(session, signing, handle, signature, ret_valid);
        /* Only what is of use is kept. */
        if (rv == CKR_OK)
                cache_put(session, cache, spki, handle);
        else
                (void)P11(session, C_DestroyObject, session->handle, handle);
        return rv;
}

CK_RV public_attempt(struct operation *operation, struct signing *signing, struct wire_bytes spki,
        unsigned type, unsigned bits, struct der key, struct wire_bytes signature)
{
        struct session *session = operation->session;
        struct result *result = &operation->result;
        bool valid = false;
        CK_RV rv;

        if (!slot_token_has_mechanism(session->token, signing->mechanism.mechanism))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token lacks the mechanism");
        rv = public_verify(session, signing, spki, type, bits, key, signature, &valid);
        if (rv == CKR_OK) {
                result->payload[0] = valid;
                result->payload_length = 1;
                return CKR_OK;
        }
        /* A device that calls a client's nonsense an error of its own is not lost for it, if it still answers. */
        if (ckr_class(rv) == CKR_CLASS_SESSION ||
                (ckr_class(rv) == CKR_CLASS_DEVICE && session_check(session) != CKR_OK))
                return rv;
        result->ckr = rv;
        return operation_answer(
                operation, REPLY_NOT_SUPPORTED, "the accelerator cannot verify with this key");
}

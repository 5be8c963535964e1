/* SPDX-License-Identifier: MPL-2.0 */
/* See accel-public.h. */
#include "daemon/worker/accel/accel-public.h"

#include <string.h>

#include "daemon/util/spki.h"
#include "daemon/worker/device/attribute.h"

struct cached_key {
        uint8_t *spki; /* NULL: the place is free */
        size_t length;
        CK_OBJECT_HANDLE handle;
        uint64_t used; /* the turn of the cache when it was used last */
};

struct public_cache {
        uint64_t
                session; /* n_opens of the session that has the objects: with another session they are gone */
        uint64_t turn;
        struct cached_key keys[PUBLIC_CACHE_MAX];
};

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

static int create(
        struct session *session, CK_ATTRIBUTE *more, size_t n_more, CK_KEY_TYPE type, CK_OBJECT_HANDLE *ret)
{
        CK_ATTRIBUTE template[8] = {
                ATTRIBUTE_ULONG(CKA_CLASS, CKO_PUBLIC_KEY),
                ATTRIBUTE_ULONG(CKA_KEY_TYPE, type),
                ATTRIBUTE_BOOL(CKA_TOKEN, false),
                ATTRIBUTE_BOOL(CKA_PRIVATE, false),
                ATTRIBUTE_BOOL(CKA_VERIFY, true),
        };

        memcpy(template + 5, more, n_more * sizeof(*more));
        return P11(session, C_CreateObject, session->handle, template, 5 + n_more, ret);
}

static int create_rsa(struct session *session, struct der key, CK_OBJECT_HANDLE *ret)
{
        struct der modulus, exponent;

        if (!spki_rsa(key, &modulus, &exponent))
                return session_fail(session, CKR_ATTRIBUTE_VALUE_INVALID, "C_CreateObject");
        return create(session,
                (CK_ATTRIBUTE[]){ATTRIBUTE_BYTES(CKA_MODULUS, modulus),
                        ATTRIBUTE_BYTES(CKA_PUBLIC_EXPONENT, exponent)},
                2, CKK_RSA, ret);
}

static int create_point(
        struct session *session, unsigned type, unsigned bits, struct der point, CK_OBJECT_HANDLE *ret)
{
        uint8_t wrapped[4 + 133]; /* the point of secp521r1 in its OCTET STRING */
        struct der params = spki_curve_params(bits);
        size_t n_head;

        if (params.length == 0 || point.length > 133)
                return session_fail(session, CKR_ATTRIBUTE_VALUE_INVALID, "C_CreateObject");
        n_head = der_head(wrapped, DER_TAG_OCTET_STRING, point.length);
        memcpy(wrapped + n_head, point.data, point.length);
        return create(session,
                (CK_ATTRIBUTE[]){ATTRIBUTE_BYTES(CKA_EC_PARAMS, params),
                        ATTRIBUTE(CKA_EC_POINT, wrapped, n_head + point.length)},
                2, type == KEY_EC ? CKK_EC : CKK_EC_EDWARDS, ret);
}

int public_create(
        struct session *session, unsigned type, unsigned bits, struct der key, CK_OBJECT_HANDLE *ret)
{
        return type == KEY_RSA ? create_rsa(session, key, ret) : create_point(session, type, bits, key, ret);
}

/* The key that was used least recently makes room. */
static void cache_put(
        struct session *session, struct public_cache *cache, struct wire_bytes spki, CK_OBJECT_HANDLE handle)
{
        struct cached_key *oldest = &cache->keys[0];
        uint8_t *copy = malloc(spki.length);

        if (!copy) {
                session_destroy(session, handle);
                return;
        }
        for (size_t i = 1; i < PUBLIC_CACHE_MAX && oldest->spki; i++)
                if (!cache->keys[i].spki || cache->keys[i].used < oldest->used)
                        oldest = &cache->keys[i];
        if (oldest->spki)
                session_destroy(session, oldest->handle);
        free(oldest->spki);
        memcpy(copy, spki.data, spki.length);
        *oldest = (struct cached_key){copy, spki.length, handle, ++cache->turn};
}

int public_check(struct session *session, struct signing *signing, CK_OBJECT_HANDLE key,
        struct wire_bytes signature, bool *ret_valid)
{
        int r = P11(session, C_VerifyInit, session->handle, &signing->mechanism, key);

        if (r == 0)
                r = P11(session, C_Verify, session->handle, (CK_BYTE_PTR)(uintptr_t)signing->input.data,
                        signing->input.length, (CK_BYTE_PTR)(uintptr_t)signature.data, signature.length);
        if (r == 0 || session_said(session, r, CKR_SIGNATURE_INVALID) ||
                session_said(session, r, CKR_SIGNATURE_LEN_RANGE)) {
                *ret_valid = r == 0;
                return 0;
        }
        return r;
}

int public_verify(struct session *session, struct signing *signing, struct wire_bytes spki, unsigned type,
        unsigned bits, struct der key, struct wire_bytes signature, bool *ret_valid)
{
        struct public_cache *cache = cache_of(session);
        struct cached_key *known = cache ? cache_find(cache, spki) : NULL;
        CK_OBJECT_HANDLE handle;
        int r;

        if (!cache)
                return -ENOMEM;
        if (known) {
                known->used = ++cache->turn;
                return public_check(session, signing, known->handle, signature, ret_valid);
        }
        r = public_create(session, type, bits, key, &handle);
        if (r != 0)
                return r;
        r = public_check(session, signing, handle, signature, ret_valid);
        /* A key that the device cannot use is not kept. */
        if (r == 0)
                cache_put(session, cache, spki, handle);
        else
                session_destroy(session, handle);
        return r;
}

int public_attempt(struct operation *operation, struct signing *signing, struct wire_bytes spki,
        unsigned type, unsigned bits, struct der key, struct wire_bytes signature)
{
        struct session *session = operation->session;
        struct result *result = &operation->result;
        bool valid = false;
        int r;

        if (!slot_token_has_mechanism(session->token, signing->mechanism.mechanism))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token lacks the mechanism");
        r = public_verify(session, signing, spki, type, bits, key, signature, &valid);
        if (r == 0) {
                result->payload[0] = valid;
                result->payload_length = 1;
                return 0;
        }
        if (r != CALL_FAILED || session_class(session, r) == CKR_CLASS_SESSION ||
                session_class(session, r) == CKR_CLASS_DEVICE)
                return r;
        /* Some devices call a client's nonsense an error of their own. */
        result->ckr = session->failed.ckr;
        return operation_answer(
                operation, REPLY_NOT_SUPPORTED, "the accelerator cannot verify with this key");
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See cert-store.h. */
#include "daemon/worker/ops/cert-store.h"

#include <string.h>

#include "daemon/worker/claims/create-under-claim.h"
#include "daemon/worker/ops/pair.h"

/* Certificates of one nickname that are looked at where one may have been left. */
#define SEARCH_MAX 16U

static CK_ATTRIBUTE attribute_of(CK_ATTRIBUTE_TYPE type, struct der der)
{
        return (CK_ATTRIBUTE){type, (void *)(uintptr_t)der.data, der.length};
}

/* subject: as CKA_SUBJECT. */
static CK_RV write_object(
        struct session *session, const struct cert_store *store, struct der subject, bool modifiable)
{
        CK_OBJECT_CLASS class = CKO_CERTIFICATE;
        CK_CERTIFICATE_TYPE type = CKC_X_509;
        CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
        CK_OBJECT_HANDLE handle;
        CK_ATTRIBUTE template[] = {
                {CKA_CLASS, &class, sizeof(class)},
                {CKA_CERTIFICATE_TYPE, &type, sizeof(type)},
                {CKA_TOKEN, &yes, sizeof(yes)},
                {CKA_PRIVATE, &no, sizeof(no)},
                {CKA_LABEL, (void *)(uintptr_t)store->nickname, strlen(store->nickname)},
                {CKA_ID, (void *)(uintptr_t)store->id.data, store->id.length},
                attribute_of(CKA_SUBJECT, subject),
                attribute_of(CKA_ISSUER, store->certificate.issuer),
                attribute_of(CKA_SERIAL_NUMBER, store->certificate.serial),
                attribute_of(CKA_VALUE, store->der),
                {CKA_MODIFIABLE, &no, sizeof(no)},
        };
        /* It is true where it is left out. */
        CK_ULONG n = ARRAY_SIZE(template) - (modifiable ? 1 : 0);

        return P11(session, C_CreateObject, session->handle, template, n, &handle);
}

static bool refuses_attribute(CK_RV rv)
{
        return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_VALUE_INVALID ||
               rv == CKR_ATTRIBUTE_READ_ONLY || rv == CKR_TEMPLATE_INCONSISTENT;
}

/* Other programs must neither take its nickname for another key of the same subject, nor make it a key's by writing the same
 * certificate again (docs/names-of-keys.md). A token may refuse the attributes that see to it: then it gets plain ones. */
static CK_RV write_apart(struct session *session, const struct cert_store *store)
{
        _cleanup_(freep) uint8_t *apart = NULL;
        struct der subject = {0};
        CK_RV rv;

        if (certificate_subject_apart(store->certificate.subject, &apart, &subject.length) < 0)
                return CKR_HOST_MEMORY;
        subject.data = apart;
        rv = write_object(session, store, subject, store->paired);
        return refuses_attribute(rv) ? write_object(session, store, store->certificate.subject, true) : rv;
}

static CK_RV create(struct operation *operation, const void *request)
{
        const struct cert_store *store = request;
        struct result *result = &operation->result;
        struct wire wire = {.data = result->payload, .size = sizeof(result->payload)};
        uint64_t number;
        CK_RV rv;

        /* The inventory is of this moment. A key's certificate bears the key's nickname, and no other. */
        if (!store->paired && inventory_has_key(operation->inventory, store->certificate.spki, store->key_id))
                return operation_answer(operation, REPLY_INVALID,
                        "certificate: it is for a key on the token, whose nickname it must bear");
        rv = write_apart(operation->session, store);
        if (rv != CKR_OK)
                return rv;
        if (!pair_renew(operation))
                return CKR_OK;
        number = inventory_find_certificate(operation->inventory, store->nickname, store->der);
        if (number == 0)
                return operation_answer(operation, REPLY_OUTCOME_UNKNOWN,
                        "the certificate was written, and the token does not list it");
        wire_put_u64(&wire, number);
        result->payload_length = wire.at;
        return CKR_OK;
}

static bool is_it(const struct object *object, const struct cert_store *store)
{
        return object->der && object->der_length == store->der.length &&
               memcmp(object->der, store->der.data, store->der.length) == 0;
}

static CK_RV remove_it(struct operation *operation, const void *request)
{
        const struct cert_store *store = request;
        struct session *session = operation->session;
        CK_OBJECT_HANDLE handles[SEARCH_MAX];
        size_t n = 0;
        CK_RV rv = pair_search(
                session, CKO_CERTIFICATE, wire_bytes(NULL, 0), store->nickname, handles, SEARCH_MAX, &n);

        for (size_t i = 0; i < n && rv == CKR_OK; i++) {
                _cleanup_(object_freep) struct object *object = NULL;

                rv = object_read(session, CKO_CERTIFICATE, handles[i], &object);
                if (rv == CKR_OK && is_it(object, store))
                        rv = operation_destroy(operation, CKO_CERTIFICATE, handles[i]);
                if (rv == CKR_OBJECT_HANDLE_INVALID)
                        rv = CKR_OK;
        }
        return rv;
}

CK_RV cert_store_run(struct operation *operation, const struct cert_store *store)
{
        const struct creation creation = {.nickname = store->nickname,
                .kind = CLAIM_CERTIFICATE,
                .id = store->id,
                .paired = store->paired,
                .waits = store->waits,
                .create = create,
                .remove = remove_it,
                .request = store};

        return create_under_claim(operation, &creation);
}

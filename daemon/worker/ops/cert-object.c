/* SPDX-License-Identifier: MPL-2.0 */
/* See cert-object.h. */
#include "daemon/worker/ops/cert-object.h"

#include <string.h>

#include "daemon/worker/core/attributes.h"
#include "daemon/worker/ops/pair.h"

/* Copies of the certificate itself that are looked for beside those that it replaces: a token that fails can leave more than one. */
#define COPIES_MAX 4U
#define SEARCH_MAX (LIMIT_REPLACED + COPIES_MAX)

/* ---- writing ---- */

/* subject: as CKA_SUBJECT. */
static int write_object(struct session *session, const struct cert_store *store, struct der subject,
        bool modifiable, CK_OBJECT_HANDLE *ret)
{
        CK_ATTRIBUTE template[] = {
                ATTRIBUTE_ULONG(CKA_CLASS, CKO_CERTIFICATE),
                ATTRIBUTE_ULONG(CKA_CERTIFICATE_TYPE, CKC_X_509),
                ATTRIBUTE_BOOL(CKA_TOKEN, true),
                ATTRIBUTE_BOOL(CKA_PRIVATE, false),
                ATTRIBUTE_TEXT(CKA_LABEL, store->nickname),
                ATTRIBUTE_BYTES(CKA_ID, store->id),
                ATTRIBUTE_BYTES(CKA_SUBJECT, subject),
                ATTRIBUTE_BYTES(CKA_ISSUER, store->certificate.issuer),
                ATTRIBUTE_BYTES(CKA_SERIAL_NUMBER, store->certificate.serial),
                ATTRIBUTE_BYTES(CKA_VALUE, store->der),
                ATTRIBUTE_BOOL(CKA_MODIFIABLE, false),
        };
        /* CKA_MODIFIABLE is true if it is left out. */
        CK_ULONG n = ARRAY_SIZE(template) - (modifiable ? 1 : 0);

        return P11(session, C_CreateObject, session->handle, template, n, ret);
}

enum {
        WITHOUT_MODIFIABLE = 1,
        WITHOUT_SUBJECT = 2,
        WITHOUT_ALL = 4, /* how many sets of these there are */
};

static bool refuses_attribute(const struct session *session, int r)
{
        return session_said(session, r, CKR_ATTRIBUTE_TYPE_INVALID) ||
               session_said(session, r, CKR_ATTRIBUTE_VALUE_INVALID) ||
               session_said(session, r, CKR_ATTRIBUTE_READ_ONLY) ||
               session_said(session, r, CKR_TEMPLATE_INCONSISTENT);
}

/* Other programs must neither take its nickname for another key of the same subject, nor make it the certificate of a key by writing
 * the same certificate again (docs/names-of-keys.md). If the token refuses one of the two attributes that prevent this, it gets that
 * one as others would write it. apart: its subject in our form. */
static int write_apart(
        struct session *session, const struct cert_store *store, struct der apart, CK_OBJECT_HANDLE *ret)
{
        int r = 0;

        for (unsigned without = 0; without < WITHOUT_ALL; without++) {
                if ((without & WITHOUT_MODIFIABLE) && store->paired)
                        continue;
                r = write_object(session, store,
                        without & WITHOUT_SUBJECT ? store->certificate.subject : apart,
                        store->paired || (without & WITHOUT_MODIFIABLE), ret);
                if (!refuses_attribute(session, r))
                        break;
        }
        return r;
}

/* *ret: its CKA_SUBJECT, in a new buffer, which the caller frees. */
static int read_subject(struct session *session, CK_OBJECT_HANDLE handle, uint8_t **ret, size_t *ret_length)
{
        CK_ATTRIBUTE attribute = ATTRIBUTE(CKA_SUBJECT, NULL, LIMIT_CERTIFICATE);
        int r;

        attribute.pValue = malloc(LIMIT_CERTIFICATE);
        if (!attribute.pValue)
                return -ENOMEM;
        r = attributes_read(session, handle, &attribute, 1);
        if (r != 0) {
                free(attribute.pValue);
                return r;
        }
        *ret = attribute.pValue;
        *ret_length = attribute_bytes(&attribute).length;
        return 0;
}

/* NSS lets all certificates of a nickname have one CKA_SUBJECT, and never changes it: if the old one has another, the new one gets that.
 * What the certificate itself says is read from its DER. */
static int write_beside(struct session *session, const struct cert_store *store, const CK_OBJECT_HANDLE *old,
        size_t n, CK_OBJECT_HANDLE *ret)
{
        int r = 0;

        for (size_t i = 0; i < n; i++) {
                _cleanup_(freep) uint8_t *subject = NULL;
                size_t length;

                r = read_subject(session, old[i], &subject, &length);
                if (r == 0)
                        r = write_object(session, store, (struct der){subject, length}, store->paired, ret);
                if (!refuses_attribute(session, r))
                        break;
        }
        return r;
}

static int write_new(struct session *session, const struct cert_store *store, struct der apart,
        const CK_OBJECT_HANDLE *old, size_t n, CK_OBJECT_HANDLE *ret)
{
        int r;

        store->progress->wrote = true;
        r = write_apart(session, store, apart, ret);
        return session->token->internal && n > 0 && refuses_attribute(session, r)
                       ? write_beside(session, store, old, n, ret)
                       : r;
}

/* ---- taking it back ---- */

static int remove_certificates(struct operation *operation, const struct cert_store *store)
{
        struct session *session = operation->session;
        CK_OBJECT_HANDLE handles[SEARCH_MAX];
        size_t n = 0;
        int r = pair_search(
                session, CKO_CERTIFICATE, wire_bytes(NULL, 0), store->nickname, handles, SEARCH_MAX, &n);

        for (size_t i = 0; i < n && r == 0; i++) {
                _cleanup_(object_freep) struct object *object = NULL;

                r = object_read(session, CKO_CERTIFICATE, handles[i], &object);
                if (r == 0 && object->unreadable)
                        r = session_fail(session, object->unreadable, "C_GetAttributeValue");
                if (r == 0 && der_is_same((struct der){object->der, object->der_length}, store->der))
                        r = operation_destroy(operation, CKO_CERTIFICATE, handles[i]);
                if (session_said(session, r, CKR_OBJECT_HANDLE_INVALID))
                        r = 0;
        }
        return r;
}

int cert_object_take_back(struct operation *operation, const void *request)
{
        const struct cert_store *store = request;
        unsigned tries = 0;
        int r;

        if (!store->progress->wrote || store->progress->removes)
                return 0;
        do
                r = remove_certificates(operation, store);
        while (operation_tries_again(operation, r, ++tries));
        return r;
}

/* ---- those that it replaces ---- */

static int remove_old(struct operation *operation, const struct cert_store *store, CK_OBJECT_HANDLE old)
{
        struct session *session = operation->session;
        int r = operation_destroy(operation, CKO_CERTIFICATE, old);
        enum ckr_class class = session_class(session, r);
        struct failed_call failed = session->failed;

        if (session_said(session, r, CKR_OBJECT_HANDLE_INVALID))
                r = 0;
        /* The token does not let it go: then there is to be one certificate as before, and not two. */
        if (r != 0 && (class == CKR_CLASS_REQUEST || class == CKR_CLASS_BUSY) && !store->progress->removes) {
                (void)cert_object_take_back(operation, store);
                session->failed = failed;
                return r;
        }
        store->progress->removes = true;
        return r;
}

/* The certificate itself, if it is there already, which is not believed of the inventory: the others are to go. CK_INVALID_HANDLE: it is
 * not. */
static int find_written(struct operation *operation, const struct cert_store *store, CK_OBJECT_HANDLE *ret)
{
        struct session *session = operation->session;
        _cleanup_(object_freep) struct object *object = NULL;
        uint64_t number =
                inventory_find_certificate(operation->inventory, store->nickname, store->der, store->id);
        CK_OBJECT_HANDLE handle = inventory_certificate(operation->inventory, number);
        int r;

        if (handle == CK_INVALID_HANDLE)
                return 0;
        r = object_read(session, CKO_CERTIFICATE, handle, &object);
        if (session_said(session, r, CKR_OBJECT_HANDLE_INVALID))
                return 0;
        if (r == 0 && der_is_same((struct der){object->der, object->der_length}, store->der) &&
                object_has_label(object, store->nickname))
                *ret = handle;
        return r;
}

int cert_object_put(struct operation *operation, const struct cert_store *store)
{
        struct session *session = operation->session;
        CK_OBJECT_HANDLE old[LIMIT_REPLACED + COPIES_MAX], new = CK_INVALID_HANDLE;
        _cleanup_(freep) uint8_t *buffer = NULL;
        struct der apart = {0};
        size_t n = 0;
        int r = certificate_subject_apart(store->certificate.subject, &buffer, &apart.length);

        if (r < 0)
                return r;
        apart.data = buffer;
        if (store->replaces) {
                r = find_written(operation, store, &new);
                n = inventory_marked(operation->inventory, store->nickname, store->known,
                        store->certificate.spki, old, ARRAY_SIZE(old));
        }
        if (r == 0 && new == CK_INVALID_HANDLE)
                r = write_new(session, store, apart, old, n, &new);
        for (size_t i = 0; i < n && r == 0; i++)
                if (old[i] != new)
                        r = remove_old(operation, store, old[i]);
        return r;
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See cert-store.h. The object is written so that NSS, certutil and pkcs11-tool find it under its nickname,
 * and its key by its id, and so that it lends its nickname to no other key or certificate
 * (docs/names-of-keys.md).
 *
 * IMPORT: a certificate that somebody else made, for a key on the token and under that key's nickname, or for
 * no key on the token. It gives nobody a key: whatever the broker thinks, this file checks that the
 * certificate is that key's. Called by a session thread through operation_run().
 */
#include "daemon/worker/ops/cert-store.h"

#include <nss/cert.h>
#include <nss/secder.h>
#include <string.h>

#include "daemon/util/text.h"
#include "daemon/util/unnamed.h"
#include "daemon/worker/claims/create-under-claim.h"
#include "daemon/worker/device/attribute.h"
#include "daemon/worker/ops/pair.h"

/* Certificates of one nickname that are looked at if one may have been left. */
#define SEARCH_MAX 16U

/* ---- the object ---- */

/* subject: as CKA_SUBJECT. */
static int write_object(
        struct session *session, const struct cert_store *store, struct der subject, bool modifiable)
{
        CK_OBJECT_HANDLE handle;
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

        return P11(session, C_CreateObject, session->handle, template, n, &handle);
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

/* Other programs must neither take its nickname for another key of the same subject, nor make it the
 * certificate of a key by writing the same certificate again (docs/names-of-keys.md). If the token refuses
 * one of the two attributes that prevent this, it gets that one as others would write it. */
static int write_apart(struct session *session, const struct cert_store *store)
{
        _cleanup_(freep) uint8_t *apart = NULL;
        struct der subject = {0};
        int r = certificate_subject_apart(store->certificate.subject, &apart, &subject.length);

        if (r < 0)
                return r;
        subject.data = apart;
        for (unsigned without = 0; without < WITHOUT_ALL; without++) {
                if ((without & WITHOUT_MODIFIABLE) && store->paired)
                        continue;
                r = write_object(session, store,
                        without & WITHOUT_SUBJECT ? store->certificate.subject : subject,
                        store->paired || (without & WITHOUT_MODIFIABLE));
                if (!refuses_attribute(session, r))
                        break;
        }
        return r;
}

/* The key gets the nickname first: from then on it is the key's, whatever becomes of the certificate. Once more under the same claim
 * it may have it already, and another number. */
static int name_key(struct operation *operation, const struct cert_store *store)
{
        uint64_t number = inventory_find(operation->inventory, store->id, store->nickname);
        int r = pair_label(operation, number ? number : store->names, store->nickname);

        return session_said(operation->session, r, CKR_OBJECT_HANDLE_INVALID)
                       ? operation_gone(operation, "there is no such key")
                       : r;
}

/* The certificate was refused: the key is as it was before. Where the session or the device was lost, it is tried again, or the
 * next worker sees what there is. */
static int unname_key(struct operation *operation, const struct cert_store *store, int r)
{
        struct session *session = operation->session;
        struct failed_call failed = session->failed;
        enum ckr_class class = session_class(session, r);
        uint64_t number;
        int undone;

        if (class == CKR_CLASS_SESSION || class == CKR_CLASS_DEVICE || class == CKR_CLASS_PIN)
                return r;
        undone = operation_renew(operation);
        if (undone != 0)
                return undone;
        number = inventory_find(operation->inventory, store->id, store->nickname);
        undone = number ? pair_label(operation, number, store->label) : 0;
        if (undone == 0)
                undone = operation_renew(operation);
        if (undone != 0)
                return operation_unknown(operation, undone, "the key may have the name, and no certificate");
        session->failed = failed;
        return r;
}

static int create(struct operation *operation, const void *request)
{
        const struct cert_store *store = request;
        uint64_t number;
        int r;

        /* The inventory has just been renewed. The certificate of a key bears the key's nickname and no
         * other. */
        if (!store->paired && inventory_has_key(operation->inventory, store->certificate.spki, store->key_id))
                return operation_invalid(operation, "certificate",
                        "it is for a key on the token, whose nickname it must bear");
        r = store->names ? name_key(operation, store) : 0;
        if (r == 0)
                r = write_apart(operation->session, store);
        if (r != 0)
                return store->names ? unname_key(operation, store, r) : r;
        r = operation_renew(operation);
        if (r != 0)
                return r;
        number = inventory_find_certificate(operation->inventory, store->nickname, store->der);
        if (number == 0)
                return operation_answer(operation, REPLY_OUTCOME_UNKNOWN,
                        "the certificate was written, but the token does not list it");
        return operation_answer_number(operation, number);
}

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

static int remove_written(struct operation *operation, const void *request)
{
        unsigned tries = 0;
        int r;

        do
                r = remove_certificates(operation, request);
        while (operation_tries_again(operation, r, ++tries));
        return r;
}

int cert_store_run(struct operation *operation, const struct cert_store *store)
{
        const struct creation creation = {.nickname = store->nickname,
                .kind = store->names ? CLAIM_NAME : CLAIM_CERTIFICATE,
                .id = store->id,
                .scope = store->names    ? SCOPE_OTHERS
                         : store->paired ? SCOPE_CERTIFICATES
                                         : SCOPE_ALL,
                .waits = store->waits,
                .create = create,
                .remove = remove_written,
                .request = store};

        return create_under_claim(operation, &creation);
}

/* ---- IMPORT ---- */

#define NOT_A_CERTIFICATE 1

/* NSS must accept it too: it knows what is inside the extensions and the names. NOT_A_CERTIFICATE: it does
 * not. -ENOMEM. */
static int decode(struct der der)
{
        SECItem item = {siDERCertBuffer, (unsigned char *)(uintptr_t)der.data, (unsigned)der.length};
        PLArenaPool *arena = PORT_NewArena(DER_DEFAULT_CHUNKSIZE);
        CERTCertificate certificate = {.arena = arena};
        int r;

        if (!arena)
                return -ENOMEM;
        r = SEC_QuickDERDecodeItem(arena, &certificate, SEC_ASN1_GET(SEC_SignedCertificateTemplate), &item) ==
                            SECSuccess
                    ? 0
                    : NOT_A_CERTIFICATE;
        PORT_FreeArena(arena, PR_FALSE);
        return r;
}

/* The certificate is said to be for this key. */
static int check_key(
        struct operation *operation, const struct cert_store *store, const struct inventory_public *public)
{
        if (!der_is_same(store->certificate.spki, (struct der){public->spki, public->spki_length}))
                return operation_invalid(operation, "certificate", "it is for another key");
        if (strcmp(public->label, store->nickname) == 0)
                return 0;
        if (store->names)
                return nickname_is_unnamed(public->label)
                               ? 0
                               : operation_invalid(operation, "nickname", "the key has a name already");
        /* A key without a label of its own has its nickname from the certificate that is there. */
        if (inventory_has_nickname(operation->inventory, store->nickname, SCOPE_ALL, store->id))
                return operation_answer(operation, REPLY_NICKNAME_EXISTS, "the nickname is in use");
        return operation_invalid(operation, "nickname", "the key has another nickname");
}

int import_attempt(struct operation *operation, const void *request)
{
        const struct message_import *message = request;
        struct cert_store store = {.nickname = message->nickname,
                .waits = message->again,
                .der = {message->der.data, message->der.length}};
        struct inventory_public public = {0};
        _cleanup_(freep) uint8_t *spki = NULL;
        uint8_t id[KEY_ID_LENGTH], alone[KEY_ID_ALONE_LENGTH];
        int r;

        if (!text_is_nickname(message->nickname, strlen(message->nickname)))
                return operation_invalid(operation, "nickname", "invalid nickname");
        r = certificate_parse(store.der, &store.certificate) && !store.certificate.odd ? decode(store.der)
                                                                                       : NOT_A_CERTIFICATE;
        if (r == NOT_A_CERTIFICATE)
                return operation_invalid(
                        operation, "certificate", "it is not exactly one X.509 certificate in DER");
        if (r < 0)
                return r;
        r = key_id(store.certificate.spki, id);
        if (r == -EINVAL)
                return operation_invalid(operation, "certificate", "its public key cannot be read");
        if (r == 0)
                r = key_id_alone(store.der, alone);
        if (r < 0)
                return r;
        store.key_id = wire_bytes(id, sizeof(id));
        store.id = wire_bytes(alone, sizeof(alone));
        if (message->key == 0)
                return cert_store_run(operation, &store);
        r = inventory_public(operation->inventory, message->key, &public);
        if (r < 0)
                return r;
        if (r > 0)
                return operation_answer(operation, REPLY_KEY_GONE, "there is no such key");
        spki = public.spki;
        if (message->names) {
                store.names = message->key;
                store.label = public.label;
        }
        r = check_key(operation, &store, &public);
        if (r != 0)
                return r;
        store.paired = true;
        store.id = wire_bytes(public.id, public.id_length);
        return cert_store_run(operation, &store);
}

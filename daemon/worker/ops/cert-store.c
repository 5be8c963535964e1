/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See cert-store.h. cert-object.c writes and removes the objects.
 *
 * IMPORT: a certificate that somebody else made, for a key on the token and under that key's nickname, or for
 * no key on the token. It gives nobody a key: whatever the broker thinks, this file checks that the
 * certificate is that key's. Called by a session thread through operation_run().
 */
#include "daemon/worker/ops/cert-store.h"

#include <nss/cert.h>
#include <nss/secder.h>
#include <string.h>

#include "daemon/util/spki.h"
#include "daemon/util/text.h"
#include "daemon/util/unnamed.h"
#include "daemon/worker/claims/create-under-claim.h"
#include "daemon/worker/ops/cert-object.h"
#include "daemon/worker/ops/pair.h"

/* ---- the key's name ---- */

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

        /* It was called so before, by its certificate. */
        if (*store->label == '\0')
                return r;
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
                return operation_invalid(
                        operation, NULL, "it is for a key on the token, whose nickname it must bear");
        if (operation->session->token->internal &&
                inventory_has_issued(operation->inventory, store->certificate.issuer,
                        store->certificate.serial, store->der, store->nickname))
                return operation_invalid(operation, "certificate",
                        "the token has another certificate of this issuer and serial number, or this one "
                        "under "
                        "another nickname, and NSS cannot hold both: have the CA give it a serial number of "
                        "its own, or delete the other one first");
        r = store->names ? name_key(operation, store) : 0;
        if (r == 0) {
                inventory_hold(operation->inventory);
                r = cert_object_put(operation, store);
                inventory_release(operation->inventory);
        }
        if (r != 0)
                return store->names ? unname_key(operation, store, r) : r;
        r = operation_renew(operation);
        if (r != 0)
                return r;
        number = inventory_find_certificate(
                operation->inventory, store->nickname, store->der, wire_bytes(NULL, 0));
        if (number == 0)
                return operation_answer(operation, REPLY_OUTCOME_UNKNOWN,
                        "the certificate was written, but the token does not list it");
        return operation_answer_number(operation, number);
}

int cert_store_run(struct operation *operation, const struct cert_store *store)
{
        struct cert_progress progress = {0};
        struct cert_store with = *store;
        const struct creation creation = {.nickname = store->nickname,
                .kind = store->names ? CLAIM_NAME : CLAIM_CERTIFICATE,
                .id = store->id,
                .scope = store->names    ? SCOPE_OTHERS
                         : store->paired ? SCOPE_CERTIFICATES
                                         : SCOPE_ALL,
                .known = store->known,
                .waits = store->waits,
                .create = create,
                .remove = cert_object_take_back,
                .request = &with};

        with.progress = &progress;
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
static int check_key(struct operation *operation, struct cert_store *store, uint64_t number,
        const struct inventory_public *public)
{
        CK_OBJECT_HANDLE ignored;

        if (!der_is_same(store->certificate.spki, (struct der){public->spki, public->spki_length}))
                return operation_invalid(operation, NULL, "it is for another key");
        if (strcmp(public->label, store->nickname) == 0)
                return 0;
        if (store->names)
                return nickname_is_unnamed(public->label)
                               ? 0
                               : operation_invalid(operation, "nickname", "the key has a name already");
        /* A key without a label of its own has its nickname from the certificate that is there. Before that goes, the key gets the
         * label: a certificate of ours names no key. */
        if (public->label[0] == '\0' && inventory_marked(operation->inventory, store->nickname, store->marks,
                                                store->certificate.spki, &ignored, 1) > 0) {
                store->names = number;
                store->label = "";
                return 0;
        }
        if (inventory_has_nickname(
                    operation->inventory, store->nickname, SCOPE_ALL, store->id, wire_bytes(NULL, 0)))
                return operation_answer(operation, REPLY_NICKNAME_EXISTS, "the nickname is in use");
        return operation_invalid(operation, "nickname", "the key has another nickname");
}

/* What may bear the nickname: those that go, and the certificate itself. */
static bool take_marks(struct cert_store *store, uint8_t known[static(LIMIT_REPLACED + 1) * CERTIFICATE_MARK])
{
        struct der own = certificate_mark(store->der);
        size_t n = store->marks.length;

        if (!store->replaces)
                return n == 0;
        if (n > LIMIT_REPLACED * CERTIFICATE_MARK || n % CERTIFICATE_MARK != 0 || own.length == 0)
                return false;
        if (n > 0)
                memcpy(known, store->marks.data, n);
        memcpy(known + n, own.data, own.length);
        store->known = wire_bytes(known, n + own.length);
        return true;
}

int import_attempt(struct operation *operation, const void *request)
{
        const struct message_import *message = request;
        struct cert_store store = {.nickname = message->nickname,
                .waits = message->again,
                .replaces = message->replace,
                .marks = message->marks,
                .der = {message->der.data, message->der.length}};
        uint8_t known[(LIMIT_REPLACED + 1) * CERTIFICATE_MARK];
        struct inventory_public public = {0};
        _cleanup_(freep) uint8_t *spki = NULL;
        uint8_t id[KEY_ID_LENGTH], alone[KEY_ID_ALONE_LENGTH];
        int r;

        if (!text_is_nickname(message->nickname, strlen(message->nickname)))
                return operation_invalid(operation, "nickname", "invalid nickname");
        r = certificate_parse(store.der, &store.certificate) && !store.certificate.odd ? decode(store.der)
                                                                                       : NOT_A_CERTIFICATE;
        if (r == NOT_A_CERTIFICATE)
                return operation_invalid(operation, NULL, "it is not exactly one X.509 certificate in DER");
        if (r < 0)
                return r;
        r = key_id(store.certificate.spki, id);
        if (r == -EINVAL)
                return operation_invalid(operation, NULL, "its public key cannot be read");
        if (r == 0)
                r = key_id_alone(store.der, alone);
        if (r < 0)
                return r;
        if (!take_marks(&store, known))
                return operation_invalid(operation, NULL, "too many certificates would go");
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
        r = check_key(operation, &store, message->key, &public);
        if (r != 0)
                return r;
        store.paired = true;
        store.id = wire_bytes(public.id, public.id_length);
        return cert_store_run(operation, &store);
}

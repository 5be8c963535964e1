/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A certificate that others made, put on the token: of a key that is there, under that key's nickname, or one that stands
 * alone. It gives nobody a key: whether it is that key's is checked here, whatever the broker thinks. Called by a session
 * thread through operation_run().
 */
#include <nss/cert.h>
#include <nss/secder.h>
#include <string.h>

#include "daemon/util/text.h"
#include "daemon/worker/encoding/key-id.h"
#include "daemon/worker/ops/cert-store.h"

/* Whether NSS takes it too, which knows what is inside the extensions' and the names' wrapping. */
static bool is_certificate(struct der der)
{
        SECItem item = {siDERCertBuffer, (unsigned char *)(uintptr_t)der.data, (unsigned)der.length};
        PLArenaPool *arena = PORT_NewArena(DER_DEFAULT_CHUNKSIZE);
        CERTCertificate certificate = {.arena = arena};
        bool good = arena && SEC_QuickDERDecodeItem(arena, &certificate,
                                     SEC_ASN1_GET(SEC_SignedCertificateTemplate), &item) == SECSuccess;

        if (arena)
                PORT_FreeArena(arena, PR_FALSE);
        return good;
}

/* For the key of that number: its id, once it is known that the certificate and the nickname are the key's. */
static CK_RV for_key(
        struct operation *operation, struct cert_store *store, const struct inventory_public *public)
{
        struct der spki = store->certificate.spki;

        if (spki.length != public->spki_length || memcmp(spki.data, public->spki, spki.length) != 0)
                return operation_answer(operation, REPLY_INVALID, "certificate: it is for another key");
        if (public->id_length == 0)
                return operation_answer(
                        operation, REPLY_INVALID, "key: it has no id that would join the two");
        store->paired = true;
        store->id = wire_bytes(public->id, public->id_length);
        if (strcmp(public->label, store->nickname) == 0)
                return CKR_OK;
        /* A key without a label of its own has its nickname from the certificate that is there. */
        if (inventory_has_nickname(operation->inventory, store->nickname))
                return operation_answer(operation, REPLY_NICKNAME_EXISTS, "the nickname is in use");
        return operation_answer(operation, REPLY_INVALID, "nickname: the key bears another");
}

CK_RV import_attempt(struct operation *operation, const void *request)
{
        const struct message_import *message = request;
        struct cert_store store = {.nickname = message->nickname,
                .waits = message->again,
                .der = {message->der.data, message->der.length}};
        struct inventory_public public = {0};
        _cleanup_(freep) uint8_t *spki = NULL;
        uint8_t key[KEY_ID_LENGTH], alone[KEY_ID_ALONE_LENGTH];
        CK_RV rv = CKR_OK;
        int r;

        if (!text_is_nickname(message->nickname, strlen(message->nickname)))
                return operation_answer(operation, REPLY_INVALID, "nickname: it is none");
        if (!certificate_parse(store.der, &store.certificate) || !is_certificate(store.der) ||
                key_id(store.certificate.spki, key) < 0 || key_id_alone(store.der, alone) < 0)
                return operation_answer(operation, REPLY_INVALID,
                        "certificate: it is not exactly one X.509 certificate in DER");
        store.key_id = wire_bytes(key, sizeof(key));
        store.id = wire_bytes(alone, sizeof(alone));
        if (message->key != 0) {
                r = inventory_public(operation->inventory, message->key, &public);
                spki = public.spki;
                if (r < 0)
                        return CKR_HOST_MEMORY;
                if (r > 0)
                        return operation_answer(operation, REPLY_KEY_GONE, "no such key");
                rv = for_key(operation, &store, &public);
        }
        return rv != CKR_OK || operation->result.status != REPLY_OK ? rv : cert_store_run(operation, &store);
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * CERT_REQUEST: a PKCS #10 request, signed with its key; changes nothing on the token, and may run twice. SELF_SIGN: a
 * self-signed certificate, put on the token under its key's nickname; a second attempt makes another certificate, after the
 * first left nothing. Called by a session thread through operation_run().
 */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/signing.h"
#include "daemon/worker/encoding/x509.h"
#include "daemon/worker/ops/cert-store.h"

/* The key, its algorithm, and what is built of them with NSS. Empty before cert_build_begin(). */
struct cert_build {
        uint64_t number; /* the key's */
        struct inventory_public public;
        struct x509_key key;
        struct x509_subject subject;
        PLArenaPool *arena;
};

static void cert_build_done(struct cert_build *build)
{
        free(build->public.spki);
        if (build->arena)
                PORT_FreeArena(build->arena, PR_FALSE);
}

static CK_RV get_key(struct operation *operation, struct cert_build *build, unsigned algorithm)
{
        struct inventory_key key;
        int r = inventory_public(operation->inventory, build->number, &build->public);

        if (r < 0)
                return CKR_HOST_MEMORY;
        if (r > 0 || !inventory_key(operation->inventory, build->number, &key))
                return operation_answer(operation, REPLY_KEY_GONE, "no such key");
        build->key = (struct x509_key){.spki = {build->public.spki, build->public.spki_length},
                .key_type = key.key_type,
                .bits = key.size,
                .usage = key.usage,
                .algorithm = algorithm ? algorithm : algorithm_default(key.key_type, key.size)};
        if (!algorithm_fits(build->key.algorithm, key.key_type, key.size))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the algorithm does not fit the key");
        return CKR_OK;
}

/* CKR_OK with status REPLY_OK: go on. algorithm: 0 for the key's own. */
static CK_RV cert_build_begin(struct operation *operation, struct cert_build *build, uint64_t key,
        unsigned algorithm, const char *subject, struct wire_bytes dns_names)
{
        const char *wrong;
        CK_RV rv;

        build->number = key;
        build->arena = PORT_NewArena(DER_DEFAULT_CHUNKSIZE);
        if (!build->arena)
                return CKR_HOST_MEMORY;
        wrong = x509_subject(build->arena, subject, dns_names, &build->subject);
        if (wrong)
                return operation_answer(operation, REPLY_INVALID, "%s", wrong);
        rv = get_key(operation, build, algorithm);
        return rv;
}

/* Signs tbs as Sign does, and puts the whole into *ret, in the arena. As cert_build_begin(). */
static CK_RV cert_build_sign(
        struct operation *operation, struct cert_build *build, const SECItem *tbs, SECItem *ret)
{
        struct result *result = &operation->result;
        const struct message_sign message = {.key = build->number,
                .algorithm = (uint8_t)build->key.algorithm,
                .data = wire_bytes(tbs->data, tbs->len)};
        CK_RV rv = sign_attempt(operation, &message);

        if (rv != CKR_OK || result->status != REPLY_OK)
                return rv;
        if (x509_signed(build->arena, build->key.algorithm, tbs,
                    (struct der){result->payload, result->payload_length}, ret) < 0)
                return CKR_HOST_MEMORY;
        result->payload_length = 0;
        return CKR_OK;
}

CK_RV cert_request_attempt(struct operation *operation, const void *request)
{
        const struct message_cert_request *message = request;
        _cleanup_(cert_build_done) struct cert_build build = {.number = 0};
        struct result *result = &operation->result;
        SECItem tbs = {0}, whole = {0};
        CK_RV rv;

        rv = cert_build_begin(
                operation, &build, message->key, message->algorithm, message->subject, message->dns_names);
        if (rv != CKR_OK || result->status != REPLY_OK)
                return rv;
        if (x509_request(build.arena, &build.key, &build.subject, &tbs) < 0)
                return CKR_HOST_MEMORY;
        rv = cert_build_sign(operation, &build, &tbs, &whole);
        if (rv != CKR_OK || result->status != REPLY_OK)
                return rv;
        if (whole.len > sizeof(result->payload))
                return operation_answer(operation, REPLY_INVALID, "dnsNames: the request is too long");
        memcpy(result->payload, whole.data, whole.len);
        result->payload_length = whole.len;
        return CKR_OK;
}

CK_RV self_sign_attempt(struct operation *operation, const void *request)
{
        const struct message_self_sign *message = request;
        _cleanup_(cert_build_done) struct cert_build build = {.number = 0};
        struct cert_store store = {.paired = true, .waits = message->again};
        SECItem tbs = {0}, whole = {0};
        CK_RV rv;

        if (!x509_days_fit(message->days))
                return operation_answer(
                        operation, REPLY_INVALID, "validityDays: no such time can be written");
        rv = cert_build_begin(
                operation, &build, message->key, message->algorithm, message->subject, message->dns_names);
        if (rv != CKR_OK || operation->result.status != REPLY_OK)
                return rv;
        if (build.public.label[0] == '\0' || build.public.id_length == 0)
                return operation_answer(
                        operation, REPLY_INVALID, "key: it has no nickname, or no id, of its own");
        if (x509_certificate(build.arena, &build.key, &build.subject, message->days, message->ca, &tbs) < 0)
                return CKR_HOST_MEMORY;
        rv = cert_build_sign(operation, &build, &tbs, &whole);
        if (rv != CKR_OK || operation->result.status != REPLY_OK)
                return rv;
        store.nickname = build.public.label;
        store.id = wire_bytes(build.public.id, build.public.id_length);
        store.der = (struct der){whole.data, whole.len};
        if (!certificate_parse(store.der, &store.certificate))
                return operation_answer(
                        operation, REPLY_INVALID, "subject: no certificate can be made of it");
        return cert_store_run(operation, &store);
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A self-signed certificate, put on the token under its key's nickname. Called by a session thread through operation_run():
 * a second attempt makes another certificate, after the first left nothing.
 */
#include "daemon/worker/ops/cert-build.h"
#include "daemon/worker/ops/cert-store.h"

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

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
        _cleanup_(issue_done) struct issue issue = {.number = 0};
        struct storing storing = {.paired = true, .waits = message->again};
        SECItem tbs = {0}, whole = {0};
        CK_RV rv;

        if (!x509_days_fit(message->days))
                return operation_answer(
                        operation, REPLY_INVALID, "validityDays: no such time can be written");
        rv = issue_begin(
                operation, &issue, message->key, message->algorithm, message->subject, message->dns_names);
        if (rv != CKR_OK || operation->result.status != REPLY_OK)
                return rv;
        if (issue.public.label[0] == '\0' || issue.public.id_length == 0)
                return operation_answer(
                        operation, REPLY_INVALID, "key: it has no nickname, or no id, of its own");
        if (x509_certificate(issue.arena, &issue.key, &issue.subject, message->days, message->ca, &tbs) < 0)
                return CKR_HOST_MEMORY;
        rv = issue_sign(operation, &issue, &tbs, &whole);
        if (rv != CKR_OK || operation->result.status != REPLY_OK)
                return rv;
        storing.nickname = issue.public.label;
        storing.id = wire_bytes(issue.public.id, issue.public.id_length);
        storing.der = (struct der){whole.data, whole.len};
        if (!certificate_parse(storing.der, &storing.certificate))
                return operation_answer(
                        operation, REPLY_INVALID, "subject: no certificate can be made of it");
        return store_run(operation, &storing);
}

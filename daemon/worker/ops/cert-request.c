/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A PKCS #10 request, signed with its key: changes nothing on the token. Called by a session thread through
 * operation_run(); may run twice.
 */
#include <string.h>

#include "daemon/worker/ops/cert-build.h"

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

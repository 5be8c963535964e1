/* SPDX-License-Identifier: MPL-2.0 */
/* See cert-build.h. */
#include "daemon/worker/ops/cert-build.h"

#include "daemon/util/algorithm.h"
#include "daemon/worker/encoding/signing.h"

void issue_done(struct issue *issue)
{
        free(issue->public.spki);
        if (issue->arena)
                PORT_FreeArena(issue->arena, PR_FALSE);
}

static CK_RV get_key(struct operation *operation, struct issue *issue, unsigned algorithm)
{
        struct directory_key key;
        int r = directory_public(operation->directory, issue->number, &issue->public);

        if (r < 0)
                return CKR_HOST_MEMORY;
        if (r > 0 || !directory_key(operation->directory, issue->number, &key))
                return operation_answer(operation, REPLY_KEY_GONE, "no such key");
        issue->key = (struct x509_key){.spki = {issue->public.spki, issue->public.spki_length},
                .key_type = key.key_type,
                .bits = key.size,
                .usage = key.usage,
                .algorithm = algorithm ? algorithm : algorithm_default(key.key_type, key.size)};
        if (!algorithm_fits(issue->key.algorithm, key.key_type, key.size))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the algorithm does not fit the key");
        return CKR_OK;
}

CK_RV issue_begin(struct operation *operation, struct issue *issue, uint64_t key, unsigned algorithm,
        const char *subject, struct wire_bytes dns_names)
{
        const char *wrong;
        CK_RV rv;

        issue->number = key;
        issue->arena = PORT_NewArena(DER_DEFAULT_CHUNKSIZE);
        if (!issue->arena)
                return CKR_HOST_MEMORY;
        wrong = x509_subject(issue->arena, subject, dns_names, &issue->subject);
        if (wrong)
                return operation_answer(operation, REPLY_INVALID, "%s", wrong);
        rv = get_key(operation, issue, algorithm);
        return rv;
}

CK_RV issue_sign(struct operation *operation, struct issue *issue, const SECItem *tbs, SECItem *ret)
{
        struct result *result = &operation->result;
        const struct message_sign message = {.key = issue->number,
                .algorithm = (uint8_t)issue->key.algorithm,
                .data = wire_bytes(tbs->data, tbs->len)};
        CK_RV rv = sign_attempt(operation, &message);

        if (rv != CKR_OK || result->status != REPLY_OK)
                return rv;
        if (x509_signed(issue->arena, issue->key.algorithm, tbs,
                    (struct der){result->payload, result->payload_length}, ret) < 0)
                return CKR_HOST_MEMORY;
        result->payload_length = 0;
        return CKR_OK;
}

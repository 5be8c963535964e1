/* SPDX-License-Identifier: MPL-2.0 */
/* See cert-build.h. */
#include "daemon/worker/ops/cert-build.h"

#include "daemon/util/algorithm.h"
#include "daemon/worker/encoding/signing.h"

void cert_build_done(struct cert_build *build)
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

CK_RV cert_build_begin(struct operation *operation, struct cert_build *build, uint64_t key,
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

CK_RV cert_build_sign(struct operation *operation, struct cert_build *build, const SECItem *tbs, SECItem *ret)
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

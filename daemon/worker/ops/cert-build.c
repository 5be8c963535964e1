/* SPDX-License-Identifier: MPL-2.0 */
/*
 * CERT_REQUEST: a PKCS #10 request, signed with its key. It changes nothing on the token and may run twice.
 * SELF_SIGN: a self-signed certificate, put on the token under its key's nickname. A second attempt makes
 * another certificate, after the first left nothing. Called by a session thread through operation_run().
 */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/x509.h"
#include "daemon/worker/ops/cert-store.h"

/* The key and what NSS builds for it. Empty before cert_build_begin(). */
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
                x509_arena_free(build->arena);
}

static int get_subject(struct operation *operation, struct cert_build *build, const char *subject,
        struct wire_bytes dns_names)
{
        int r = x509_name(build->arena, subject, &build->subject.name);

        if (r > 0)
                return operation_invalid(operation, "subject", "%s", dn_fault_text((enum dn_fault)r));
        if (r < 0)
                return r;
        r = x509_dns_names(build->arena, dns_names, &build->subject.dns_names);
        if (r == X509_TOO_MANY_NAMES)
                return operation_invalid(operation, "dnsNames", "there are more than %u", LIMIT_DNS_NAMES);
        if (r == X509_NOT_A_DNS_NAME)
                return operation_invalid(operation, "dnsNames", "invalid DNS name");
        return r;
}

static int get_key(struct operation *operation, struct cert_build *build, unsigned algorithm)
{
        struct inventory_key key;
        int r = inventory_public(operation->inventory, build->number, &build->public);

        if (r < 0)
                return r;
        if (r > 0 || !inventory_key(operation->inventory, build->number, &key))
                return operation_answer(operation, REPLY_KEY_GONE, "there is no such key");
        build->key = (struct x509_key){.spki = {build->public.spki, build->public.spki_length},
                .key_type = key.key_type,
                .bits = key.size,
                .usage = key.usage,
                .algorithm = algorithm ? algorithm : algorithm_default(key.key_type, key.size)};
        if (!algorithm_fits(build->key.algorithm, key.key_type, key.size) ||
                algorithm_is_raw(build->key.algorithm))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the algorithm does not fit the key");
        return 0;
}

/* algorithm: 0 for the key's own. */
static int cert_build_begin(struct operation *operation, struct cert_build *build, uint64_t key,
        unsigned algorithm, const char *subject, struct wire_bytes dns_names)
{
        int r;

        build->number = key;
        build->arena = PORT_NewArena(DER_DEFAULT_CHUNKSIZE);
        if (!build->arena)
                return -ENOMEM;
        r = get_subject(operation, build, subject, dns_names);
        return r == 0 ? get_key(operation, build, algorithm) : r;
}

/* Signs tbs as SIGN does. *ret, in the arena, is the whole. */
static int cert_build_sign(
        struct operation *operation, struct cert_build *build, const SECItem *tbs, SECItem *ret)
{
        struct result *result = &operation->result;
        const struct message_sign message = {.key = build->number,
                .algorithm = (uint8_t)build->key.algorithm,
                .data = wire_bytes(tbs->data, tbs->len)};
        int r = sign_attempt(operation, &message);

        if (r != 0)
                return r;
        r = x509_signed(build->arena, build->key.algorithm, tbs,
                (struct der){result->payload, result->payload_length}, ret);
        result->payload_length = 0;
        return r;
}

int cert_request_attempt(struct operation *operation, const void *request)
{
        const struct message_cert_request *message = request;
        _cleanup_(cert_build_done) struct cert_build build = {.number = 0};
        struct result *result = &operation->result;
        SECItem tbs = {0}, whole = {0};
        int r;

        r = cert_build_begin(
                operation, &build, message->key, message->algorithm, message->subject, message->dns_names);
        if (r == 0)
                r = x509_request(build.arena, &build.key, &build.subject, &tbs);
        if (r == 0)
                r = cert_build_sign(operation, &build, &tbs, &whole);
        if (r != 0)
                return r;
        if (whole.len > sizeof(result->payload))
                return operation_invalid(operation, "dnsNames", "the request becomes too long");
        memcpy(result->payload, whole.data, whole.len);
        result->payload_length = whole.len;
        return 0;
}

int self_sign_attempt(struct operation *operation, const void *request)
{
        const struct message_self_sign *message = request;
        _cleanup_(cert_build_done) struct cert_build build = {.number = 0};
        struct cert_store store = {.paired = true, .waits = message->again};
        SECItem tbs = {0}, whole = {0};
        int r;

        if (!x509_days_fit(message->days))
                return operation_invalid(operation, "validityDays",
                        "a certificate cannot express a time that far in the future");
        r = cert_build_begin(
                operation, &build, message->key, message->algorithm, message->subject, message->dns_names);
        if (r != 0)
                return r;
        if (build.public.label[0] == '\0')
                return operation_invalid(operation, "key", "the key has no nickname of its own");
        r = x509_certificate(build.arena, &build.key, &build.subject, message->days, message->ca, &tbs);
        if (r == 0)
                r = cert_build_sign(operation, &build, &tbs, &whole);
        if (r != 0)
                return r;
        store.nickname = build.public.label;
        store.id = wire_bytes(build.public.id, build.public.id_length);
        store.der = (struct der){whole.data, whole.len};
        if (!certificate_parse(store.der, &store.certificate))
                return operation_invalid(operation, "subject", "it makes no valid certificate");
        return cert_store_run(operation, &store);
}

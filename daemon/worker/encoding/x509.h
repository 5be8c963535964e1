/* SPDX-License-Identifier: MPL-2.0 */
/*
 * PKCS #10 requests and certificates, built with NSS up to the bytes that are signed, and put together with the signature.
 * Pure but for NSS's own memory and clock; touches no token. Used by ops/cert-build.c.
 */
#pragma once

#include <nss/cert.h>

#include "daemon/channel/message.h"
#include "daemon/worker/encoding/dn.h"

/* The key that a request or certificate is for. */
struct x509_key {
        struct der spki;
        unsigned key_type, bits, usage; /* as in the inventory */
        unsigned algorithm;             /* enum algorithm, which fits the key */
};

struct x509_subject {
        CERTName name;
        CERTGeneralName *dns_names; /* NULL: none */
};

void x509_arena_free(PLArenaPool *arena);
DEFINE_CLEANUP(PLArenaPool *, x509_arena_free);

/* Subject and names out of a request, into arena. NULL, or what is wrong, beginning with the parameter's name. dns_names:
 * each ended by a NUL. */
const char *x509_subject(
        PLArenaPool *arena, const char *subject, struct wire_bytes dns_names, struct x509_subject *ret);

/* What is to be signed, as DER in arena. 0; -ENOMEM where NSS does not build it, for whatever reason. */
int x509_request(
        PLArenaPool *arena, const struct x509_key *key, const struct x509_subject *subject, SECItem *ret);
int x509_certificate(PLArenaPool *arena, const struct x509_key *key, const struct x509_subject *subject,
        unsigned days, bool ca, SECItem *ret);

/* What was signed, the algorithm and the signature, as one. */
int x509_signed(
        PLArenaPool *arena, unsigned algorithm, const SECItem *tbs, struct der signature, SECItem *ret);

/* Whether that many days from now can be written in a certificate. */
bool x509_days_fit(unsigned days);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * PKCS #10 requests and certificates. NSS builds the bytes that are to be signed, and puts them together with
 * the signature. Touches no token. Used by ops/cert-build.c.
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
        CERTGeneralName *dns_names; /* NULL: there are none */
};

void x509_arena_free(PLArenaPool *arena);
DEFINE_CLEANUP(PLArenaPool *, x509_arena_free);

/* ---- what a client asked for; *ret is in arena. -ENOMEM; -EIO: NSS failed ---- */

/* A subject. Positive: an enum dn_fault. */
int x509_name(PLArenaPool *arena, const char *subject, CERTName *ret);

/* What x509_dns_names() returns instead of 0. */
enum {
        X509_NOT_A_DNS_NAME = 1, /* see text_is_dns_name() */
        X509_TOO_MANY_NAMES,     /* more than LIMIT_DNS_NAMES */
};

/* DNS names, each ended by a NUL; their bytes stay borrowed. *ret is NULL if there are none. */
int x509_dns_names(PLArenaPool *arena, struct wire_bytes names, CERTGeneralName **ret);

/* Whether a certificate can express the time that many days from now. */
bool x509_days_fit(unsigned days);

/* ---- building; *ret is DER in arena. -ENOMEM; -EIO: NSS failed ---- */

/* The bytes that are to be signed. */
int x509_request(
        PLArenaPool *arena, const struct x509_key *key, const struct x509_subject *subject, SECItem *ret);
int x509_certificate(PLArenaPool *arena, const struct x509_key *key, const struct x509_subject *subject,
        unsigned days, bool ca, SECItem *ret);

/* The whole: the bytes that were signed, the algorithm, and the signature. */
int x509_signed(
        PLArenaPool *arena, unsigned algorithm, const SECItem *tbs, struct der signature, SECItem *ret);

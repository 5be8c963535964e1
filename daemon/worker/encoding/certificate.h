/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a certificate says of itself, for people and for the inventory. Reads DER that anybody may have put on the token:
 * trusts nothing, loads no NSS (a look has none), touches no token. Pure.
 */
#pragma once

#include "daemon/worker/encoding/dn.h"

/* Hex digits of a serial number with their NUL: 20 bytes are the most (RFC 5280), 64 are shown. */
#define CERTIFICATE_SERIAL_MAX 129U

struct certificate {
        /* Within the DER, whole elements. */
        struct der serial, issuer, subject, spki;
        char serial_text[CERTIFICATE_SERIAL_MAX]; /* lower-case hex of the number, no sign */
        char issuer_text[DN_TEXT_MAX], subject_text[DN_TEXT_MAX];
        uint64_t not_before_usec, not_after_usec; /* since 1970; 0 for what lies before */
};

/* The subject as CKA_SUBJECT of a certificate that tokend writes: the same name, with its length in one byte more than DER
 * allows. Whoever reads it sees the name; whoever searches for the bytes of the certificate's own subject does not find it
 * (docs/names-of-keys.md says why). A new buffer, which the caller frees. -EINVAL: it is no element of DER; -ENOMEM. */
int certificate_subject_apart(struct der subject, uint8_t **ret, size_t *ret_length);

/* Exactly one certificate and nothing behind it. false: it is none; *ret is empty then. */
bool certificate_parse(struct der der, struct certificate *ret);

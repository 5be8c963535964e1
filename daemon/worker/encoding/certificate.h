/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a certificate says of itself, for people and for the inventory. Anybody may have put it on the token.
 * Needs no NSS, because a look has none. Pure.
 */
#pragma once

#include "daemon/worker/encoding/dn.h"

/* Hexadecimal digits of a serial number, with a sign and a NUL: RFC 5280 allows 20 bytes, 64 are shown. */
#define CERTIFICATE_SERIAL_MAX 130U

struct certificate {
        /* Within the DER, whole elements. */
        struct der serial, issuer, subject, spki;
        char serial_text[CERTIFICATE_SERIAL_MAX]; /* lower-case hexadecimal; '-' before a negative one */
        char issuer_text[DN_TEXT_MAX], subject_text[DN_TEXT_MAX]; /* empty: that is not a name */
        uint64_t not_before_usec,
                not_after_usec; /* since 1970; 0 for a time before, and for none that can be read */
        bool odd;               /* a name is none, or a time has a form that RFC 5280 does not allow */
};

/* The subject as CKA_SUBJECT of a certificate that tokend writes: the same name, with its length in one byte
 * more than DER allows. Whoever reads it sees the name; whoever searches for the bytes of the certificate's
 * own subject does not find it (docs/names-of-keys.md says why). A new buffer, which the caller frees.
 * -EINVAL: this is not an element of DER; -ENOMEM. */
int certificate_subject_apart(struct der subject, uint8_t **ret, size_t *ret_length);

/* Whether a CKA_SUBJECT has that form: its length takes more bytes than DER allows. */
bool certificate_is_apart(struct der subject);

/* Reads what other programs read, too. false: this is not exactly one certificate; *ret is empty then. */
bool certificate_parse(struct der der, struct certificate *ret);

/* The length of the certificate without what a token puts behind it, such as zeros up to the size of its storage; that of der if it
 * does not begin with a certificate. */
size_t certificate_length(struct der der);

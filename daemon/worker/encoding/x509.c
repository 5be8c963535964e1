/* SPDX-License-Identifier: MPL-2.0 */
/* See x509.h. */
#include "daemon/worker/encoding/x509.h"

#include <nss/keyhi.h>
#include <nss/secder.h>
#include <nss/secerr.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/text.h"
#include "daemon/worker/encoding/key-id.h"
#include "proto/limits.h"

/* notBefore lies that much in the past: clocks differ. */
#define BACKDATED_USEC (60U * USEC_PER_SEC)
#define USEC_PER_DAY   (UINT64_C(86400) * USEC_PER_SEC)
/* 9999-12-31 23:59:59: the last that GeneralizedTime can say. */
#define LAST_USEC (UINT64_C(253402300799) * USEC_PER_SEC)

/* Bytes of a serial number (RFC 5280, 4.1.2.2: 20 at most), of which the first bit is 0. */
#define SERIAL_BYTES 20U

/* RFC 5280, 4.2.1.3, as the bits of the first byte. */
#define USAGE_DIGITAL_SIGNATURE 0x80U
#define USAGE_KEY_ENCIPHERMENT  0x20U
#define USAGE_KEY_CERT_SIGN     0x04U
#define USAGE_CRL_SIGN          0x02U

void x509_arena_free(PLArenaPool *arena)
{
        PORT_FreeArena(arena, PR_FALSE);
}

/* After a function of NSS failed. */
static int nss_error(void)
{
        return PORT_GetError() == SEC_ERROR_NO_MEMORY ? -ENOMEM : -EIO;
}

/* ---- what a client asked for ---- */

int x509_name(PLArenaPool *arena, const char *subject, CERTName *ret)
{
        uint8_t der[DN_DER_MAX];
        SECItem item = {siBuffer, der, 0}, copy;
        CERTName name = {.arena = NULL};
        size_t length = 0;
        int r = dn_from_text(subject, der, &length);

        if (r != 0)
                return r;
        item.len = (unsigned)length;
        if (SECITEM_CopyItem(arena, &copy, &item) != SECSuccess ||
                SEC_QuickDERDecodeItem(arena, &name, SEC_ASN1_GET(CERT_NameTemplate), &copy) != SECSuccess)
                return nss_error();
        *ret = name;
        return 0;
}

int x509_dns_names(PLArenaPool *arena, struct wire_bytes names, CERTGeneralName **ret)
{
        const char *at = (const char *)names.data, *end = at + names.length;
        CERTGeneralName *first = NULL;
        size_t n = 0;

        if (names.length > 0 && end[-1] != '\0')
                return X509_NOT_A_DNS_NAME;
        for (; at < end; at += strlen(at) + 1) {
                CERTGeneralName *name;

                if (!text_is_dns_name(at))
                        return X509_NOT_A_DNS_NAME;
                if (++n > LIMIT_DNS_NAMES)
                        return X509_TOO_MANY_NAMES;
                name = PORT_ArenaZAlloc(arena, sizeof(*name));
                if (!name)
                        return -ENOMEM;
                name->type = certDNSName;
                name->name.other =
                        (SECItem){siAsciiString, (unsigned char *)(uintptr_t)at, (unsigned)strlen(at)};
                /* NSS wants a ring. */
                if (!first) {
                        first = name;
                        PR_INIT_CLIST(&name->l);
                } else {
                        PR_INSERT_BEFORE(&name->l, &first->l);
                }
        }
        *ret = first;
        return 0;
}

/* ---- algorithms ---- */

static SECItem item_of(struct der der)
{
        return (SECItem){siBuffer, (unsigned char *)(uintptr_t)der.data, (unsigned)der.length};
}

static int get_identifier(PLArenaPool *arena, unsigned algorithm, SECAlgorithmID *ret)
{
        const uint8_t *identifier = algorithm_info(algorithm)->identifier;
        SECItem item = item_of((struct der){identifier, 2U + identifier[1]});
        SECItem copy;

        /* What is decoded points into what it was decoded from. */
        if (SECITEM_CopyItem(arena, &copy, &item) != SECSuccess)
                return nss_error();
        memset(ret, 0, sizeof(*ret));
        return SEC_QuickDERDecodeItem(arena, ret, SEC_ASN1_GET(SECOID_AlgorithmIDTemplate), &copy) ==
                               SECSuccess
                       ? 0
                       : nss_error();
}

int x509_signed(
        PLArenaPool *arena, unsigned algorithm, const SECItem *tbs, struct der signature, SECItem *ret)
{
        CERTSignedData data = {.data = *tbs, .signature = item_of(signature)};
        int r = get_identifier(arena, algorithm, &data.signatureAlgorithm);

        if (r < 0)
                return r;
        data.signature.len *= 8; /* a BIT STRING */
        return SEC_ASN1EncodeItem(arena, ret, &data, SEC_ASN1_GET(CERT_SignedDataTemplate)) ? 0 : nss_error();
}

/* ---- requests ---- */

static void destroy_request(CERTCertificateRequest *request)
{
        CERT_DestroyCertificateRequest(request);
}
DEFINE_CLEANUP(CERTCertificateRequest *, destroy_request);

static CERTCertificateRequest *make_request(const struct x509_key *key, const struct x509_subject *subject)
{
        SECItem item = item_of(key->spki);
        CERTSubjectPublicKeyInfo *spki = SECKEY_DecodeDERSubjectPublicKeyInfo(&item);
        CERTCertificateRequest *request;

        if (!spki)
                return NULL;
        request = CERT_CreateCertificateRequest((CERTName *)(uintptr_t)&subject->name, spki, NULL);
        SECKEY_DestroySubjectPublicKeyInfo(spki);
        return request;
}

static int add_names(PLArenaPool *arena, void *extensions, const struct x509_subject *subject)
{
        SECItem value;

        if (!subject->dns_names)
                return 0;
        if (CERT_EncodeAltNameExtension(arena, subject->dns_names, &value) != SECSuccess ||
                CERT_AddExtension(extensions, SEC_OID_X509_SUBJECT_ALT_NAME, &value, PR_FALSE, PR_TRUE) !=
                        SECSuccess)
                return nss_error();
        return 0;
}

int x509_request(
        PLArenaPool *arena, const struct x509_key *key, const struct x509_subject *subject, SECItem *ret)
{
        _cleanup_(destroy_requestp) CERTCertificateRequest *request = make_request(key, subject);
        void *extensions;
        int r;

        if (!request)
                return nss_error();
        if (subject->dns_names) {
                extensions = CERT_StartCertificateRequestAttributes(request);
                if (!extensions)
                        return nss_error();
                r = add_names(arena, extensions, subject);
                if (CERT_FinishExtensions(extensions) != SECSuccess || r < 0 ||
                        CERT_FinishCertificateRequestAttributes(request) != SECSuccess)
                        return nss_error();
        }
        return SEC_ASN1EncodeItem(arena, ret, request, SEC_ASN1_GET(CERT_CertificateRequestTemplate))
                       ? 0
                       : nss_error();
}

/* ---- certificates ---- */

static void destroy_certificate(CERTCertificate *certificate)
{
        CERT_DestroyCertificate(certificate);
}
DEFINE_CLEANUP(CERTCertificate *, destroy_certificate);

bool x509_days_fit(unsigned days)
{
        return days > 0 && wall_usec() + days * USEC_PER_DAY <= LAST_USEC;
}

static CERTCertificate *make_certificate(
        const struct x509_key *key, const struct x509_subject *subject, unsigned days)
{
        _cleanup_(destroy_requestp) CERTCertificateRequest *request = make_request(key, subject);
        uint64_t now = wall_usec();
        CERTValidity *validity;
        CERTCertificate *certificate;

        if (!request)
                return NULL;
        validity = CERT_CreateValidity((PRTime)(now - BACKDATED_USEC), (PRTime)(now + days * USEC_PER_DAY));
        if (!validity)
                return NULL;
        certificate = CERT_CreateCertificate(0, (CERTName *)(uintptr_t)&subject->name, validity, request);
        CERT_DestroyValidity(validity);
        return certificate;
}

/* Positive, and never 0: the second bit is set. */
static int set_serial(CERTCertificate *certificate)
{
        uint8_t bytes[SERIAL_BYTES];
        SECItem serial = {siUnsignedInteger, bytes, sizeof(bytes)};

        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
                return -EIO;
        bytes[0] = (bytes[0] & 0x7f) | 0x40;
        return SECITEM_CopyItem(certificate->arena, &certificate->serialNumber, &serial) == SECSuccess
                       ? 0
                       : nss_error();
}

static SECStatus add_key_ids(PLArenaPool *arena, void *extensions, const struct x509_key *key)
{
        uint8_t id[KEY_ID_LENGTH];
        SECItem item = {siBuffer, id, sizeof(id)}, subject, authority;
        CERTAuthKeyID issuer = {.keyID = item};

        if (key_id_x509(key->spki, id) < 0 || CERT_EncodeSubjectKeyID(arena, &item, &subject) != SECSuccess ||
                CERT_EncodeAuthKeyID(arena, &issuer, &authority) != SECSuccess ||
                CERT_AddExtension(extensions, SEC_OID_X509_SUBJECT_KEY_ID, &subject, PR_FALSE, PR_TRUE) !=
                        SECSuccess)
                return SECFailure;
        return CERT_AddExtension(extensions, SEC_OID_X509_AUTH_KEY_ID, &authority, PR_FALSE, PR_TRUE);
}

static uint8_t key_usage(const struct x509_key *key, bool ca)
{
        unsigned usage = USAGE_DIGITAL_SIGNATURE;

        if (ca)
                usage |= USAGE_KEY_CERT_SIGN | USAGE_CRL_SIGN;
        if (key->key_type == KEY_RSA && (key->usage & (USAGE_DECRYPT | USAGE_UNWRAP)))
                usage |= USAGE_KEY_ENCIPHERMENT;
        return (uint8_t)usage;
}

static SECStatus add_constraints(PLArenaPool *arena, void *extensions, const struct x509_key *key, bool ca)
{
        CERTBasicConstraints constraints = {
                .isCA = ca ? PR_TRUE : PR_FALSE, .pathLenConstraint = CERT_UNLIMITED_PATH_CONSTRAINT};
        uint8_t bits = key_usage(key, ca);
        SECItem value, usage = {siBuffer, &bits, sizeof(bits)}; /* bytes: NSS finds the last bit itself */

        if (CERT_EncodeBasicConstraintValue(arena, &constraints, &value) != SECSuccess ||
                CERT_AddExtension(extensions, SEC_OID_X509_BASIC_CONSTRAINTS, &value, PR_TRUE, PR_TRUE) !=
                        SECSuccess)
                return SECFailure;
        return CERT_EncodeAndAddBitStrExtension(extensions, SEC_OID_X509_KEY_USAGE, &usage, PR_TRUE);
}

static int add_extensions(PLArenaPool *arena, CERTCertificate *certificate, const struct x509_key *key,
        const struct x509_subject *subject, bool ca)
{
        void *extensions = CERT_StartCertExtensions(certificate);
        int r;

        if (!extensions)
                return nss_error();
        if (add_constraints(arena, extensions, key, ca) == SECSuccess &&
                add_key_ids(arena, extensions, key) == SECSuccess)
                r = add_names(arena, extensions, subject);
        else
                r = nss_error();
        /* This frees what it was given, also after a failure. */
        if (CERT_FinishExtensions(extensions) != SECSuccess && r == 0)
                r = nss_error();
        return r;
}

int x509_certificate(PLArenaPool *arena, const struct x509_key *key, const struct x509_subject *subject,
        unsigned days, bool ca, SECItem *ret)
{
        _cleanup_(destroy_certificatep) CERTCertificate *certificate = make_certificate(key, subject, days);
        int r;

        if (!certificate)
                return nss_error();
        r = set_serial(certificate);
        if (r == 0)
                r = get_identifier(certificate->arena, key->algorithm, &certificate->signature);
        if (r == 0)
                r = add_extensions(arena, certificate, key, subject, ca);
        if (r < 0)
                return r;
        return SEC_ASN1EncodeItem(arena, ret, certificate, SEC_ASN1_GET(CERT_CertificateTemplate))
                       ? 0
                       : nss_error();
}

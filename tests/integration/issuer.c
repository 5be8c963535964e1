/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A CA as small as one can be, on libtokend: reads a PKCS #10 request, verifies it, and issues a certificate that is
 * signed by the CA's key where it lies. The key never comes here, so the bytes to be signed are taken out of OpenSSL, and
 * the signature is put back in.
 *
 *     issuer SOCKET CA-KEY CA.pem REQUEST.pem SERIAL ocsp|audit|subsystem|server
 *
 * PEM to standard output. Exit status 1 and a line on standard error where anything is not as it should be.
 */
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tokend.h"

#define TIMEOUT_MS 30000

static __attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        exit(1);
}

static void *some(void *pointer, const char *what)
{
        if (!pointer)
                die("%s", what);
        return pointer;
}

static void must(int ok, const char *what)
{
        if (ok <= 0)
                die("%s", what);
}

static X509 *read_certificate(const char *path)
{
        FILE *file = some(fopen(path, "r"), path);
        X509 *certificate = some(PEM_read_X509(file, NULL, NULL, NULL), "no certificate");

        fclose(file);
        return certificate;
}

static X509_REQ *read_request(const char *path)
{
        FILE *file = some(fopen(path, "r"), path);
        X509_REQ *request = some(PEM_read_X509_REQ(file, NULL, NULL, NULL), "no request");

        fclose(file);
        return request;
}

static void add_extension(X509 *certificate, X509V3_CTX *context, int nid, const char *value)
{
        X509_EXTENSION *extension = some(X509V3_EXT_conf_nid(NULL, context, nid, value), value);

        must(X509_add_ext(certificate, extension, -1), value);
        X509_EXTENSION_free(extension);
}

/* What the request asks for (its subjectAltName), and what the profile gives. */
static void add_extensions(X509 *certificate, X509 *ca, X509_REQ *request, const char *profile)
{
        STACK_OF(X509_EXTENSION) *asked = X509_REQ_get_extensions(request);
        X509V3_CTX context;

        X509V3_set_ctx(&context, ca, certificate, request, NULL, 0);
        add_extension(certificate, &context, NID_basic_constraints, "critical,CA:FALSE");
        add_extension(certificate, &context, NID_subject_key_identifier, "hash");
        add_extension(certificate, &context, NID_authority_key_identifier, "keyid:always");
        add_extension(certificate, &context, NID_key_usage, "critical,digitalSignature");
        if (strcmp(profile, "ocsp") == 0)
                add_extension(certificate, &context, NID_ext_key_usage, "OCSPSigning");
        else if (strcmp(profile, "server") == 0)
                add_extension(certificate, &context, NID_ext_key_usage, "serverAuth");
        else if (strcmp(profile, "subsystem") == 0)
                add_extension(certificate, &context, NID_ext_key_usage, "clientAuth");
        for (int i = 0; i < sk_X509_EXTENSION_num(asked); i++) {
                X509_EXTENSION *extension = sk_X509_EXTENSION_value(asked, i);

                if (OBJ_obj2nid(X509_EXTENSION_get_object(extension)) == NID_subject_alt_name)
                        must(X509_add_ext(certificate, extension, -1), "subjectAltName");
        }
        sk_X509_EXTENSION_pop_free(asked, X509_EXTENSION_free);
}

static X509 *compose(X509 *ca, X509_REQ *request, long serial, const char *profile)
{
        X509 *certificate = some(X509_new(), "no memory");

        must(X509_set_version(certificate, X509_VERSION_3), "version");
        must(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial), "serial");
        must(X509_set_issuer_name(certificate, X509_get_subject_name(ca)), "issuer");
        must(X509_set_subject_name(certificate, X509_REQ_get_subject_name(request)), "subject");
        must(X509_set_pubkey(certificate, some(X509_REQ_get0_pubkey(request), "the request has no key")),
                "key");
        some(X509_gmtime_adj(X509_getm_notBefore(certificate), -60), "notBefore");
        some(X509_gmtime_adj(X509_getm_notAfter(certificate), 365L * 24 * 3600), "notAfter");
        add_extensions(certificate, ca, request, profile);
        return certificate;
}

/* Has tokend sign it, with what fits the CA's key. */
static void sign(X509 *certificate, X509 *ca, const char *socket, const char *key)
{
        bool rsa = EVP_PKEY_is_a(X509_get0_pubkey(ca), "RSA");
        int nid = rsa ? NID_sha256WithRSAEncryption : NID_ecdsa_with_SHA256;
        struct tokend *handle = some(tokend_open(socket, TOKEND_NO_WAIT), "tokend_open");
        unsigned char *tbs = NULL, *signature, digest[SHA256_DIGEST_LENGTH];
        const ASN1_BIT_STRING *place;
        const X509_ALGOR *outer, *inner = X509_get0_tbs_sigalg(certificate);
        struct tokend_failure failure;
        size_t n;
        int length;

        X509_get0_signature(&place, &outer, certificate);
        must(X509_ALGOR_set0((X509_ALGOR *)(uintptr_t)inner, OBJ_nid2obj(nid),
                     rsa ? V_ASN1_NULL : V_ASN1_UNDEF, NULL),
                "algorithm");
        must(X509_ALGOR_set0((X509_ALGOR *)(uintptr_t)outer, OBJ_nid2obj(nid),
                     rsa ? V_ASN1_NULL : V_ASN1_UNDEF, NULL),
                "algorithm");
        length = i2d_re_X509_tbs(certificate, &tbs);
        must(length, "the bytes to be signed");
        SHA256(tbs, (size_t)length, digest);
        if (tokend_sign(handle, key, rsa ? "rsa_pkcs1_sha256" : "ecdsa_sha256", TOKEND_DIGEST, digest,
                    sizeof(digest), TIMEOUT_MS, &signature, &n, &failure) != TOKEND_OK)
                die("%s: %s", failure.name, failure.text);
        must(ASN1_STRING_set((ASN1_STRING *)(uintptr_t)place, signature, (int)n), "signature");
        ((ASN1_STRING *)(uintptr_t)place)->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 7L);
        ((ASN1_STRING *)(uintptr_t)place)->flags |= ASN1_STRING_FLAG_BITS_LEFT;
        tokend_free(signature);
        tokend_close(handle);
        OPENSSL_free(tbs);
}

int main(int argc, char **argv)
{
        X509_REQ *request;
        X509 *ca, *certificate;

        if (argc != 7)
                die("usage: issuer SOCKET CA-KEY CA.pem REQUEST.pem SERIAL ocsp|audit|subsystem|server");
        ca = read_certificate(argv[3]);
        request = read_request(argv[4]);
        must(X509_REQ_verify(request, some(X509_REQ_get0_pubkey(request), "the request has no key")),
                "the request is not signed by its key");
        certificate = compose(ca, request, strtol(argv[5], NULL, 10), argv[6]);
        sign(certificate, ca, argv[1], argv[2]);
        must(X509_verify(certificate, some(X509_get0_pubkey(ca), "the CA has no key")),
                "the certificate is not good");
        must(PEM_write_X509(stdout, certificate), "write");
        X509_free(certificate);
        X509_REQ_free(request);
        X509_free(ca);
        return 0;
}

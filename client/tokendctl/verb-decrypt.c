/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl encrypt, decrypt and derive: with keys of io.tokend.Keys and of io.tokend.Secrets. The files of the last two are made with
 * mode 0600 by ctl_output_open(), and no copy of what they say stays. */
#include <errno.h>
#include <string.h>

#include "client/tokendctl/patience.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/decryption.h"
#include "daemon/util/secret-algorithm.h"
#include "daemon/util/wipe.h"
#include "proto/limits.h"

#define PUBLIC_KEY_FILE_MAX (16U * 1024U)

/* With an RSA key. */
static int decrypt_rsa(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(freep) unsigned char *ciphertext = NULL, *label = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_SECRET;
        struct tokend_failure failure;
        size_t length, label_length = 0, n;
        unsigned char *plaintext;
        int r;

        if (o->iv || o->aad)
                return usage("%s takes neither --iv nor --aad", o->algorithm);
        if (o->label && hex_parse(o->label, &label, &label_length) < 0)
                return usage("--label: expected hexadecimal digits");
        r = file_read(o->in, LIMIT_SIGNATURE, &ciphertext, &length);
        if (r < 0)
                return file_unread(o->in, r, "longer than an RSA key can decrypt");
        r = ctl_output_open_binary(o, &output);
        if (r != EXIT_DONE)
                return r;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS,
                    tokend_decrypt(handle, o->arguments[0], o->algorithm, ciphertext, length, label,
                            label_length, o->timeout_ms, &plaintext, &n, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        r = ctl_output_result(o, &output, "plaintext", plaintext, n);
        tokend_secret_free(plaintext, n);
        return r;
}

/* PEM, DER, or an uncompressed point. */
static int read_public_key(const char *path, unsigned char **ret, size_t *ret_length)
{
        _cleanup_(freep) unsigned char *file = NULL;
        size_t length;
        int r = file_read(path, PUBLIC_KEY_FILE_MAX, &file, &length);

        if (r < 0)
                return file_unread(path, r, "too long to be a public key");
        if (length > 0 && file[0] == 4) {
                *ret = file;
                *ret_length = length;
                file = NULL;
                return EXIT_DONE;
        }
        r = pem_read("PUBLIC KEY", file, length, ret, ret_length);
        return r < 0 ? usage("%s: expected one public key, in PEM or DER, or an uncompressed point",
                               file_name(path, "standard input"))
                     : EXIT_DONE;
}

/* The secret itself, with an EC key of the token. */
static int derive_secret(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(freep) unsigned char *peer = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_SECRET;
        struct tokend_failure failure;
        unsigned char *secret;
        size_t length, n;
        int r;

        if (!o->peer)
                return usage("derive needs --public-key, the file with the peer's public key");
        r = read_public_key(o->peer, &peer, &length);
        if (r == EXIT_DONE)
                r = ctl_output_open_binary(o, &output);
        if (r != EXIT_DONE)
                return r;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS, tokend_derive(handle, o->arguments[0], peer, length, o->timeout_ms,
                                              &secret, &n, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        r = ctl_output_result(o, &output, "secret", secret, n);
        tokend_secret_free(secret, n);
        return r;
}

/* ---- secret keys ---- */

/* Encrypts or decrypts a file of at most max bytes. */
static int cipher(const struct ctl_options *o, bool decrypts, struct ctl_output *output)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(sealed_text_wipe) char *key = NULL;
        _cleanup_(options_algorithm_done) struct options_algorithm algorithm = {0};
        size_t length, n = 0, max = decrypts ? LIMIT_CIPHERTEXT : LIMIT_CIPHER;
        enum tokend_error error = TOKEND_OK;
        struct tokend_failure failure;
        unsigned char *data, *out = NULL;
        int r = options_algorithm(o, &algorithm);

        if (r == EXIT_DONE)
                r = sealed_key_text(o->arguments[0], &key);
        if (r != EXIT_DONE)
                return r;
        r = file_read(o->in, max, &data, &length);
        if (r < 0)
                return file_unread(o->in, r, "longer than 64 KiB");
        r = ctl_output_open_binary(o, output);
        handle = r == EXIT_DONE ? open_main(o) : NULL;
        if (handle)
                error = PATIENTLY(PATIENCE_READS,
                        (decrypts ? tokend_secret_decrypt : tokend_secret_encrypt)(handle, key,
                                &algorithm.algorithm, data, length, o->timeout_ms, &out, &n, &failure));
        wipe_free(data, length);
        if (!handle)
                return EXIT_USAGE;
        if (error != TOKEND_OK)
                return refused(o, &failure);
        r = ctl_output_result(o, output, decrypts ? "plaintext" : "ciphertext", out, n);
        tokend_secret_free(out, n);
        return r;
}

int verb_encrypt(const struct ctl_options *given)
{
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_STANDARD;
        struct ctl_options o = *given;
        int r = cipher_algorithm(&o, o.arguments[0], false);

        return r == EXIT_DONE ? cipher(&o, false, &output) : r;
}

int verb_decrypt(const struct ctl_options *given)
{
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_SECRET;
        struct ctl_options o = *given;
        int r = cipher_algorithm(&o, o.arguments[0], false);

        if (r != EXIT_DONE)
                return r;
        if (secret_algorithm_from_name(o.algorithm, DOES_CIPHER) != 0)
                return cipher(&o, true, &output);
        if (decryption_from_name(o.algorithm) != 0)
                return decrypt_rsa(&o);
        return usage("decrypt takes --algorithm: rsa_pkcs1 or rsa_oaep_sha1, _sha256, _sha384, _sha512 with "
                     "an RSA key, or "
                     "that of a secret key, such as aes_cbc_pad");
}

/* What the options say of a derivation; the buffers are the caller's. */
struct derivation {
        struct tokend_derivation d;
        unsigned char *data, *peer;
        char *key, *other;
};

static void derivation_done(struct derivation *derivation)
{
        free(derivation->data);
        free(derivation->peer);
        sealed_text_wipe(&derivation->key);
        sealed_text_wipe(&derivation->other);
}

static int read_derivation(const struct ctl_options *o, struct derivation *ret)
{
        struct tokend_derivation *d = &ret->d;
        int r = sealed_key_text(o->arguments[0], &ret->key);

        *d = (struct tokend_derivation){.struct_size = sizeof(*d), .algorithm = o->algorithm, .bit = o->bit};
        if (r == EXIT_DONE && o->data && hex_parse(o->data, &ret->data, &d->data_length) < 0)
                r = usage("--data: expected hexadecimal digits");
        if (r == EXIT_DONE && o->peer)
                r = read_public_key(o->peer, &ret->peer, &d->public_key_length);
        if (r == EXIT_DONE && o->other)
                r = sealed_key_text(o->other, &ret->other);
        d->data = ret->data;
        d->public_key = ret->peer;
        d->other = ret->other;
        return r;
}

/* Another key, sealed. */
static int derive_sealed(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(derivation_done) struct derivation derivation = {0};
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_SECRET;
        struct tokend_secret_template wanted;
        struct tokend_sealed *sealed;
        struct tokend_failure failure;
        int r = options_template(o, &wanted);

        if (r == EXIT_DONE)
                r = read_derivation(o, &derivation);
        if (r == EXIT_DONE)
                r = ctl_output_open(o->out, &output);
        if (r != EXIT_DONE)
                return r;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (PATIENTLY(PATIENCE_READS, tokend_secret_derive(handle, derivation.key, &derivation.d, &wanted,
                                              o->timeout_ms, &sealed, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        return sealed_write(o, &output, sealed);
}

int verb_derive(const struct ctl_options *o)
{
        if (o->algorithm)
                return derive_sealed(o);
        if (o->type || o->usage || o->data || o->other)
                return usage(
                        "a key is derived with --algorithm; without it, derive prints the secret of ECDH");
        return derive_secret(o);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl decrypt and derive. Their files are made with mode 0600 by ctl_output_open(), and no copy of what they say stays. */
#include <errno.h>
#include <string.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/decryption.h"
#include "proto/limits.h"

#define PUBLIC_KEY_FILE_MAX (16U * 1024U)

int verb_decrypt(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(freep) unsigned char *ciphertext = NULL, *label = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_SECRET;
        struct tokend_failure failure;
        size_t length, label_length = 0, n;
        unsigned char *plaintext;
        int r;

        if (!o->algorithm || decryption_from_name(o->algorithm) == 0)
                return usage(
                        "decrypt needs --algorithm rsa_pkcs1 or rsa_oaep_sha1, _sha256, _sha384, _sha512");
        if (o->label && hex_parse(o->label, &label, &label_length) < 0)
                return usage("--label: expected hexadecimal digits");
        r = file_read(o->in, LIMIT_SIGNATURE, &ciphertext, &length);
        if (r < 0)
                return file_unread(o->in, r, "longer than an RSA key can decrypt");
        r = ctl_output_open(o->out, &output);
        if (r != EXIT_DONE)
                return r;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (tokend_decrypt(handle, o->arguments[0], o->algorithm, ciphertext, length, label, label_length,
                    o->timeout_ms, &plaintext, &n, &failure) != TOKEND_OK)
                return refused_for(&failure, o->arguments[0]);
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

int verb_derive(const struct ctl_options *o)
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
                r = ctl_output_open(o->out, &output);
        if (r != EXIT_DONE)
                return r;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (tokend_derive(handle, o->arguments[0], peer, length, o->timeout_ms, &secret, &n, &failure) !=
                TOKEND_OK)
                return refused_for(&failure, o->arguments[0]);
        r = ctl_output_result(o, &output, "secret", secret, n);
        tokend_secret_free(secret, n);
        return r;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl sign, verify and random. */
#include <errno.h>
#include <string.h>

#include "client/tokendctl/patience.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/text.h"
#include "proto/base64.h"

/* A message up to MESSAGE_FITS always fits into a request, in base64 and beside the name of a key. A longer one may fit, up to
 * MESSAGE_MAX. */
#define MESSAGE_FITS  (95U * 1024U)
#define MESSAGE_MAX   (96U * 1024U)
#define SIGNATURE_MAX (16U * 1024U)
/* Bytes that `random` asks for at a time. */
#define RANDOM_PIECE 65536U

struct input {
        enum tokend_input kind;
        unsigned char *bytes;
        size_t length;
};

static void input_done(struct input *input)
{
        free(input->bytes);
}

static int bad_file(const char *path, int r)
{
        return file_unread(path, r, "too long for one request");
}

/* Complains of what the library said. If a message did not fit, it names the file. */
static int input_refused(
        const struct ctl_options *o, const struct input *input, const struct tokend_failure *failure)
{
        if (failure->error == TOKEND_INVALID_ARGUMENT && input->kind == TOKEND_MESSAGE &&
                input->length > MESSAGE_FITS)
                return bad_file(o->in, -EFBIG);
        return refused(o, failure);
}

/* Of a name that signature_algorithm() took. */
static const struct algorithm_info *info_of(const char *algorithm)
{
        return algorithm_info(algorithm_from_name(algorithm));
}

static int take_digest(const struct ctl_options *o, const char *algorithm, struct input *input)
{
        size_t length = hash_length(info_of(algorithm)->hash);

        if (hex_parse(o->digest, &input->bytes, &input->length) < 0)
                return usage("--digest: expected hexadecimal digits");
        if (length > 0 && input->length != length)
                return usage("--digest: expected %zu hexadecimal digits for %s", 2 * length, algorithm);
        return EXIT_DONE;
}

/* What is signed: the digest that was given, or that of the file; for ed25519, the whole file; for what has no hash in its name, the
 * file is the digest. */
static int take_input(const struct ctl_options *o, const char *algorithm, struct input *input)
{
        bool message = info_of(algorithm)->scheme == SCHEME_EDDSA;
        int r;

        if (o->digest && o->in)
                return usage("give either --digest or --in, not both");
        if (o->digest && message)
                return usage("%s signs a message, not a digest: give --in and not --digest", algorithm);
        if (o->digest)
                return take_digest(o, algorithm, input);
        if (info_of(algorithm)->hash == HASH_NONE) {
                input->kind = message ? TOKEND_MESSAGE : TOKEND_DIGEST;
                r = file_read(o->in, MESSAGE_MAX, &input->bytes, &input->length);
                return r < 0 ? bad_file(o->in, r) : EXIT_DONE;
        }
        input->bytes = malloc(DIGEST_MAX);
        r = input->bytes ? hash_file(o->in, algorithm, input->bytes, &input->length) : -ENOMEM;
        return r < 0 ? bad_file(o->in, r) : EXIT_DONE;
}

/* A key, or a token, that has mechanisms which hash alone wants the message: the file, if it fits a request and is the same when it
 * is read once more. */
static bool take_message(const struct ctl_options *o, const char *algorithm, struct input *input)
{
        struct input message = {.kind = TOKEND_MESSAGE};

        if (input->kind != TOKEND_DIGEST || file_is_standard(o->in) ||
                file_read(o->in, MESSAGE_FITS, &message.bytes, &message.length) < 0)
                return false;
        if (!hash_is_of(input->bytes, input->length, algorithm, message.bytes, message.length)) {
                input_done(&message);
                return false;
        }
        input_done(input);
        *input = message;
        return true;
}

static enum tokend_error sign_input(struct tokend *handle, const struct ctl_options *o, const char *key,
        const char *algorithm, const struct input *input, unsigned char **ret, size_t *ret_length,
        struct tokend_failure *failure)
{
        if (sealed_is_file(o->arguments[0]))
                return PATIENTLY(
                        PATIENCE_READS, tokend_secret_sign(handle, key, algorithm, input->kind, input->bytes,
                                                input->length, o->timeout_ms, ret, ret_length, failure));
        return PATIENTLY(PATIENCE_READS,
                tokend_sign_salted(handle, key, algorithm, input->kind, input->bytes, input->length,
                        o->salted ? o->salt_length : -1, o->timeout_ms, ret, ret_length, failure));
}

int verb_sign(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(input_done) struct input input = {.kind = TOKEND_DIGEST};
        _cleanup_(sealed_text_wipe) char *key = NULL;
        _cleanup_(freep) unsigned char *signature = NULL;
        _cleanup_(ctl_output_done) struct ctl_output output = CTL_OUTPUT_STANDARD;
        enum tokend_error error;
        struct tokend_failure failure;
        const char *algorithm;
        size_t length;
        int r;

        if (o->salted && sealed_is_file(o->arguments[0]))
                return usage("--salt-length: a sealed key signs with a salt as long as the hash");
        handle = open_main(o);
        r = handle ? signature_algorithm(o, handle, &algorithm) : EXIT_USAGE;
        if (r == EXIT_DONE)
                r = take_input(o, algorithm, &input);
        if (r == EXIT_DONE)
                r = sealed_key_text(o->arguments[0], &key);
        if (r == EXIT_DONE)
                r = ctl_output_open_binary(o, &output);
        if (r != EXIT_DONE)
                return r;
        error = sign_input(handle, o, key, algorithm, &input, &signature, &length, &failure);
        if (error == TOKEND_ALGORITHM_NOT_SUPPORTED && take_message(o, algorithm, &input))
                error = sign_input(handle, o, key, algorithm, &input, &signature, &length, &failure);
        if (error != TOKEND_OK)
                return input_refused(o, &input, &failure);
        return ctl_output_result(o, &output, "signature", signature, length);
}

/* The signature in the file, as bytes or as a line of base64. */
static int read_signature(const struct ctl_options *o, unsigned char **ret, size_t *ret_length)
{
        _cleanup_(freep) unsigned char *file = NULL;
        size_t length;
        int r = file_read(o->signature, SIGNATURE_MAX, &file, &length);

        if (r < 0)
                return bad_file(o->signature, r);
        if (!o->base64) {
                *ret = file;
                *ret_length = length;
                file = NULL;
                return EXIT_DONE;
        }
        while (length > 0 && file[length - 1] == '\n')
                length--;
        r = base64_decode((const char *)file, length, ret, ret_length);
        return r < 0 ? usage("%s: expected one line of base64", o->signature) : EXIT_DONE;
}

int verb_verify(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(input_done) struct input input = {.kind = TOKEND_DIGEST};
        _cleanup_(freep) unsigned char *signature = NULL;
        struct tokend_failure failure;
        const char *algorithm;
        size_t length;
        bool valid;
        int r;

        if (!o->signature)
                return usage("verify needs --signature");
        if (!o->digest && file_is_standard(o->in) && file_is_standard(o->signature))
                return usage("--signature and --in cannot both be standard input");
        handle = open_main(o);
        r = handle ? read_signature(o, &signature, &length) : EXIT_USAGE;
        if (r == EXIT_DONE)
                r = signature_algorithm(o, handle, &algorithm);
        if (r == EXIT_DONE)
                r = take_input(o, algorithm, &input);
        if (r != EXIT_DONE)
                return r;
        if (PATIENTLY(PATIENCE_READS,
                    tokend_verify(handle, o->arguments[0], algorithm, input.kind, input.bytes, input.length,
                            signature, length, o->timeout_ms, &valid, &failure)) != TOKEND_OK)
                return input_refused(o, &input, &failure);
        if (o->json)
                printf("{\"valid\":%s}\n", valid ? "true" : "false");
        else
                puts(valid ? "The signature is good." : "The signature is NOT good.");
        return valid ? EXIT_DONE : EXIT_REFUSED;
}

int verb_random(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(freep) unsigned char *bytes = NULL;
        struct tokend_failure failure;
        char *end;
        unsigned long long left = strtoull(o->arguments[0], &end, 10);
        size_t n;
        int r = EXIT_DONE;

        if (*end || o->arguments[0][0] < '0' || o->arguments[0][0] > '9' || left == 0 || left > (1ULL << 40))
                return usage("random: expected a number of bytes, not '%s'", o->arguments[0]);
        if ((o->json || o->base64) && left > RANDOM_PIECE)
                return usage("random: with --base64 or --json, at most %u bytes", RANDOM_PIECE);
        if (ctl_binary_fits(o, NULL) != EXIT_DONE)
                return EXIT_USAGE;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        bytes = malloc(RANDOM_PIECE);
        if (!bytes)
                return no_memory();
        for (; r == EXIT_DONE && left > 0; left -= n) {
                n = left < RANDOM_PIECE ? (size_t)left : RANDOM_PIECE;
                if (PATIENTLY(PATIENCE_READS, tokend_random(handle, bytes, n, o->timeout_ms, &failure)) !=
                        TOKEND_OK)
                        return refused(o, &failure);
                r = ctl_output_result(o, &CTL_OUTPUT_STANDARD, "bytes", bytes, n);
        }
        explicit_bzero(bytes, RANDOM_PIECE);
        return r;
}

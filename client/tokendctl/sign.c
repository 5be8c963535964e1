/* SPDX-License-Identifier: MPL-2.0 */
/* sign, verify, random. */
#include <errno.h>
#include <string.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/algorithm.h"
#include "proto/base64.h"

/* Of a message, this always fits into a request, in base64 and beside a key's name; what is longer may, up to the other. */
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

static bool is_standard_input(const char *path)
{
        return !path || strcmp(path, "-") == 0;
}

static int bad_file(const char *path, int r)
{
        return usage("%s: %s", is_standard_input(path) ? "standard input" : path,
                r == -EFBIG ? "too long for one request" : strerror(-r));
}

/* Says what the library said; of a message that did not fit, which file that was. */
static int input_refused(
        const struct options *o, const struct input *input, const struct tokend_failure *failure)
{
        if (failure->error == TOKEND_INVALID_ARGUMENT && input->kind == TOKEND_MESSAGE &&
                input->length > MESSAGE_FITS)
                return bad_file(o->in, -EFBIG);
        return refused(failure);
}

static int take_digest(const struct options *o, struct input *input)
{
        size_t length = hash_length(algorithm_info(algorithm_from_name(o->algorithm))->hash);

        if (hex_parse(o->digest, &input->bytes, &input->length) < 0 || input->length != length)
                return usage("--digest takes the %zu bytes of %s in hex", length, o->algorithm);
        return EXIT_DONE;
}

/* What is to be signed: the digest that was given, or that of the file; of ed25519 the file itself. */
static int take_input(const struct options *o, struct input *input)
{
        int r;

        if (o->digest && o->in)
                return usage("--digest and --in exclude each other");
        if (o->digest && strcmp(o->algorithm, "ed25519") == 0)
                return usage("ed25519 takes a message, --in, and no --digest");
        if (o->digest)
                return take_digest(o, input);
        if (strcmp(o->algorithm, "ed25519") == 0) {
                input->kind = TOKEND_MESSAGE;
                r = file_read(o->in, MESSAGE_MAX, &input->bytes, &input->length);
                return r < 0 ? bad_file(o->in, r) : EXIT_DONE;
        }
        input->bytes = malloc(64);
        r = input->bytes ? hash_file(o->in, o->algorithm, input->bytes, &input->length) : -ENOMEM;
        if (r == -EINVAL)
                return usage("%s: no signature algorithm that is known here", o->algorithm);
        return r < 0 ? bad_file(o->in, r) : EXIT_DONE;
}

/* As bytes; as a line of base64; as JSON. */
static int put_bytes(const struct options *o, struct output *output, const char *name,
        const unsigned char *bytes, size_t length)
{
        _cleanup_(freep) char *text = NULL, *line = NULL;
        int n;

        if (o->json)
                return output_json_bytes(output, name, bytes, length);
        if (!o->base64)
                return output_write(output, bytes, length);
        text = malloc(BASE64_LENGTH(length) + 1);
        if (!text)
                return EXIT_UNREACHABLE;
        base64_encode(bytes, length, text);
        n = asprintf(&line, "%s\n", text);
        return n < 0 ? EXIT_UNREACHABLE : output_write(output, line, (size_t)n);
}

int verb_sign(const struct options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(input_done) struct input input = {.kind = TOKEND_DIGEST};
        _cleanup_(freep) unsigned char *signature = NULL;
        _cleanup_(output_done) struct output output = OUTPUT_STANDARD;
        struct tokend_failure failure;
        size_t length;
        int r;

        if (!o->algorithm)
                return usage("sign needs --algorithm");
        r = take_input(o, &input);
        if (r == EXIT_DONE)
                r = output_open(o->out, &output);
        if (r != EXIT_DONE)
                return r;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (tokend_sign(handle, o->arguments[0], o->algorithm, input.kind, input.bytes, input.length,
                    o->timeout_ms, &signature, &length, &failure) != TOKEND_OK)
                return input_refused(o, &input, &failure);
        return put_bytes(o, &output, "signature", signature, length);
}

/* The file, or what its line of base64 stands for. */
static int read_signature(const struct options *o, unsigned char **ret, size_t *ret_length)
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
        return r < 0 ? usage("%s: not base64", o->signature) : EXIT_DONE;
}

int verb_verify(const struct options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(input_done) struct input input = {.kind = TOKEND_DIGEST};
        _cleanup_(freep) unsigned char *signature = NULL;
        struct tokend_failure failure;
        size_t length;
        bool valid;
        int r;

        if (!o->algorithm || !o->signature)
                return usage("verify needs --algorithm and --signature");
        if (!o->digest && is_standard_input(o->in) && is_standard_input(o->signature))
                return usage("--signature and --in cannot both be standard input");
        r = read_signature(o, &signature, &length);
        if (r == EXIT_DONE)
                r = take_input(o, &input);
        if (r != EXIT_DONE)
                return r;
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        if (tokend_verify(handle, o->arguments[0], o->algorithm, input.kind, input.bytes, input.length,
                    signature, length, o->timeout_ms, &valid, &failure) != TOKEND_OK)
                return input_refused(o, &input, &failure);
        if (o->json)
                printf("{\"valid\":%s}\n", valid ? "true" : "false");
        else
                puts(valid ? "The signature is good." : "The signature is NOT good.");
        return valid ? EXIT_DONE : EXIT_REFUSED;
}

int verb_random(const struct options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(freep) unsigned char *bytes = NULL;
        struct tokend_failure failure;
        char *end;
        unsigned long long left = strtoull(o->arguments[0], &end, 10);
        size_t n;
        int r = EXIT_DONE;

        if (*end || o->arguments[0][0] < '0' || o->arguments[0][0] > '9' || left == 0 || left > (1ULL << 40))
                return usage("random takes a number of bytes");
        if ((o->json || o->base64) && left > RANDOM_PIECE)
                return usage("at most %u bytes as text", RANDOM_PIECE);
        handle = open_main(o);
        if (!handle)
                return EXIT_USAGE;
        bytes = malloc(RANDOM_PIECE);
        if (!bytes)
                return EXIT_UNREACHABLE;
        for (; r == EXIT_DONE && left > 0; left -= n) {
                n = left < RANDOM_PIECE ? (size_t)left : RANDOM_PIECE;
                if (tokend_random(handle, bytes, n, o->timeout_ms, &failure) != TOKEND_OK)
                        return refused(&failure);
                r = put_bytes(o, &OUTPUT_STANDARD, "bytes", bytes, n);
        }
        explicit_bzero(bytes, RANDOM_PIECE);
        return r;
}

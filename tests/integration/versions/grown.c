/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A program of another version than the library, for test_grown.py, which gives it a tokend.h whose structures are shorter or longer:
 * `grown SOCKET STATUS-SOCKET`. It uses each structure that a program makes, and reads of each that the library gives. Behind each of
 * its own lie bytes that nobody may read or write.
 */
#include <stdio.h>
#include <string.h>

/* The test has another one in front. */
#include "client/tokend.h"

#ifndef NICKNAME
#define NICKNAME "grown"
#endif

#define POISON 0xee
#define BEHIND 256

static int n_wrong;

static void check(bool right, const char *what, const struct tokend_failure *failure)
{
        if (right)
                return;
        fprintf(stderr, "%s: %s\n", what, failure->text);
        n_wrong++;
}
#define CHECK(condition) check(condition, #condition, failure)

/* A struct with poison behind it. */
#define MADE(type, ...)                                                                                      \
        struct {                                                                                             \
                struct type it;                                                                              \
                unsigned char behind[BEHIND];                                                                \
        } made;                                                                                              \
        memset(&made, POISON, sizeof(made));                                                                 \
        made.it = (struct type)                                                                              \
        {                                                                                                    \
                .struct_size = sizeof(struct type), __VA_ARGS__                                              \
        }

/* A newer program on this library: what it leaves out is 0, and what it sets is refused. */
#ifdef NEWER
#define REFUSED(call)                                                                                        \
        made.it.newer = 1;                                                                                   \
        CHECK((call) == TOKEND_INVALID_ARGUMENT)
#else
#define REFUSED(call) ((void)0)
#endif

static void generate(struct tokend *handle, struct tokend_failure *failure)
{
        struct tokend_key *key = NULL;
        MADE(tokend_template, .token = "hsm", .nickname = NICKNAME, .type = "ec");

        CHECK(tokend_generate(handle, &made.it, 0, &key, failure) == TOKEND_OK);
        CHECK(key && strcmp(key->nickname, NICKNAME) == 0 && strcmp(key->curve, "secp256r1") == 0 &&
                key->local);
        tokend_key_free(key);
        key = NULL;
        REFUSED(tokend_generate(handle, &made.it, 0, &key, failure));
}

static void request(struct tokend *handle, struct tokend_failure *failure)
{
        unsigned char *der = NULL;
        size_t length = 0;
        MADE(tokend_subject, .key = "hsm:" NICKNAME, .subject = "CN=grown");

        CHECK(tokend_request_certificate(handle, &made.it, 0, &der, &length, failure) == TOKEND_OK);
        CHECK(length > 100);
        tokend_free(der);
        REFUSED(tokend_request_certificate(handle, &made.it, 0, &der, &length, failure));
}

static struct tokend_sealed *seal(struct tokend *handle, struct tokend_failure *failure)
{
        struct tokend_sealed *sealed = NULL, *none = NULL;
        MADE(tokend_secret_template, .type = "aes", .length = 16,
                .usage = TOKEND_USAGE_WRAP | TOKEND_USAGE_DERIVE);

        CHECK(tokend_secret_generate(handle, "hsm", &made.it, 0, &sealed, failure) == TOKEND_OK);
        REFUSED(tokend_secret_generate(handle, "hsm", &made.it, 0, &none, failure));
        tokend_sealed_free(none);
        return sealed;
}

static void wrap(struct tokend *handle, const char *sealed, struct tokend_failure *failure)
{
        unsigned char *wrapped = NULL;
        size_t length = 0;
        MADE(tokend_algorithm, .name = "aes_kwp");

        CHECK(tokend_secret_wrap(handle, sealed, NULL, 0, &made.it, sealed, 0, &wrapped, &length, failure) ==
                TOKEND_OK);
        CHECK(length == 24);
        tokend_free(wrapped);
        REFUSED(tokend_secret_wrap(handle, sealed, NULL, 0, &made.it, sealed, 0, &wrapped, &length, failure));
}

static void derive(struct tokend *handle, const char *sealed, struct tokend_failure *failure)
{
        const struct tokend_secret_template wanted = {
                .struct_size = sizeof(wanted), .type = "generic", .length = 16, .usage = TOKEND_USAGE_DERIVE};
        struct tokend_sealed *derived = NULL;
        MADE(tokend_derivation, .algorithm = "aes_ecb_encrypt_data", .data = "0123456789abcdef",
                .data_length = 16);

        CHECK(tokend_secret_derive(handle, sealed, &made.it, &wanted, 0, &derived, failure) == TOKEND_OK);
        tokend_sealed_free(derived);
        REFUSED(tokend_secret_derive(handle, sealed, &made.it, &wanted, 0, &derived, failure));
}

static void may(struct tokend *status, struct tokend_failure *failure)
{
        struct tokend_permission *permission = NULL;
        MADE(tokend_whom, .uid = 12345, .gid = 12345);

        CHECK(tokend_may(status, "sign", "hsm:" NICKNAME, &made.it, 0, &permission, failure) == TOKEND_OK);
        CHECK(permission && !permission->allowed && permission->reason);
        tokend_permission_free(permission);
        REFUSED(tokend_may(status, "sign", "hsm:" NICKNAME, &made.it, 0, &permission, failure));
}

static void lists(struct tokend *handle, struct tokend_failure *failure)
{
        struct tokend_keys *keys = NULL;
        struct tokend_tokens *tokens = NULL;
        struct tokend_identity *identity = NULL;

        CHECK(tokend_list(handle, NULL, NULL, 0, &keys, failure) == TOKEND_OK);
        CHECK(keys && keys->n_keys > 0 && strcmp(keys->keys[keys->n_keys - 1]->token, "hsm") == 0);
        CHECK(tokend_tokens(handle, 0, &tokens, failure) == TOKEND_OK);
        CHECK(tokens && tokens->n_tokens == 1 && strcmp(tokens->tokens[0]->name, "hsm") == 0);
        CHECK(tokend_whoami(handle, 0, &identity, failure) == TOKEND_OK);
        CHECK(identity && identity->instance && identity->n_rights > 0);
        tokend_keys_free(keys);
        tokend_tokens_free(tokens);
        tokend_identity_free(identity);
}

static void status(struct tokend *handle, struct tokend_failure *failure)
{
        struct tokend_status *now = NULL;
        struct tokend_probe *probe = NULL;

        CHECK(tokend_status(handle, 0, &now, failure) == TOKEND_OK);
        CHECK(now && now->n_tokens == 1 && strcmp(now->tokens[0]->name, "hsm") == 0);
        CHECK(now && now->tokens[0]->request->count > 0 && now->n_instances == 1 && now->audit->mode);
        CHECK(now && *now->instances[0]->name);
        CHECK(tokend_probe(handle, "hsm", 0, &probe, failure) == TOKEND_OK);
        CHECK(probe && probe->ok);
        tokend_status_free(now);
        tokend_probe_free(probe);
}

int main(int argc, char **argv)
{
        struct {
                struct tokend_failure it;
                unsigned char behind[BEHIND];
        } failure;
        struct tokend *main_handle, *status_handle;
        struct tokend_sealed *sealed;
        struct tokend_key *none;

        memset(&failure, POISON, sizeof(failure));
        if (argc != 3)
                return 2;
        main_handle = tokend_open(argv[1], 0);
        status_handle = tokend_open_status(argv[2], 0);
        generate(main_handle, &failure.it);
        request(main_handle, &failure.it);
        sealed = seal(main_handle, &failure.it);
        if (!sealed)
                return 1;
        wrap(main_handle, tokend_sealed_text(sealed), &failure.it);
        derive(main_handle, tokend_sealed_text(sealed), &failure.it);
        tokend_sealed_free(sealed);
        lists(main_handle, &failure.it);
        may(status_handle, &failure.it);
        status(status_handle, &failure.it);
        check(tokend_get(main_handle, "hsm:none", 0, &none, &failure.it) == TOKEND_KEY_NOT_FOUND &&
                        failure.it.error == TOKEND_KEY_NOT_FOUND && *failure.it.text && *failure.it.next,
                "a key that is not there", &failure.it);
        for (size_t i = 0; i < sizeof(failure.behind); i++)
                check(failure.behind[i] == POISON, "written behind the failure", &failure.it);
        tokend_close(main_handle);
        tokend_close(status_handle);
        return n_wrong > 0;
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Signs a message with a key, and makes the key first where it is not there yet: sign KEY [MESSAGE]. KEY is TOKEN:NICKNAME.
 *
 *     cc sign.c -o sign $(pkg-config --cflags --libs libtokend)
 */
#include <stdio.h>
#include <string.h>
#include <tokend.h>

static enum tokend_error find_or_make(
        struct tokend *t, const char *name, struct tokend_key **key, struct tokend_failure *failure)
{
        char token[64];
        const char *colon = strchr(name, ':');
        struct tokend_template wanted = {.struct_size = sizeof(wanted), .token = token, .type = "ec"};
        enum tokend_error error = tokend_get(t, name, 0, key, failure);

        if (error != TOKEND_KEY_NOT_FOUND || !colon)
                return error;
        snprintf(token, sizeof(token), "%.*s", (int)(colon - name), name);
        wanted.nickname = colon + 1;
        return tokend_generate(t, &wanted, 0, key, failure);
}

int main(int argc, char **argv)
{
        const char *message = argc > 2 ? argv[2] : "sign me";
        struct tokend_failure failure;
        struct tokend_key *key;
        struct tokend *t = tokend_open(NULL, 0);
        unsigned char *signature;
        size_t length;
        enum tokend_error error;

        if (argc < 2 || !t) {
                fprintf(stderr, "usage: %s KEY [MESSAGE]\n", argv[0]);
                return 2;
        }
        error = find_or_make(t, argv[1], &key, &failure);
        if (error == TOKEND_OK) {
                printf("%s:%s, id %s\n", key->token, key->nickname, key->id);
                tokend_key_free(key);
                error = tokend_sign(t, argv[1], "ecdsa_sha256", TOKEND_MESSAGE, message, strlen(message),
                        5000, &signature, &length, &failure);
        }
        if (error == TOKEND_OK) {
                printf("a signature of %zu bytes\n", length);
                tokend_free(signature);
        } else {
                fprintf(stderr, "%s: %s\n%s\n", failure.name, failure.text, failure.next);
        }
        tokend_close(t);
        return error == TOKEND_OK ? 0 : 1;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See names.h. Names are compared without the case of their letters, and without the signs between their words. */
#include "client/tokendctl/names.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/decryption.h"
#include "daemon/util/macros.h"
#include "daemon/util/secret-algorithm.h"

/* Bytes of the longest name that is compared, with its NUL. */
#define NAME_SIZE 48

struct alias {
        const char *also, *name;
};

/* false: it is too long to be one. */
static bool simplify(const char *text, char ret[static NAME_SIZE])
{
        size_t n = 0;

        for (; *text; text++) {
                if (strchr("-_ /.:", *text))
                        continue;
                if (n + 1 == NAME_SIZE)
                        return false;
                ret[n++] = (char)tolower((unsigned char)*text);
        }
        ret[n] = '\0';
        return n > 0;
}

static bool is_called(const char *simple, const char *name)
{
        char other[NAME_SIZE];

        return simplify(name, other) && strcmp(simple, other) == 0;
}

static const char *find(const char *text, const struct alias *aliases, size_t n)
{
        char simple[NAME_SIZE];

        if (!simplify(text, simple))
                return NULL;
        for (size_t i = 0; i < n; i++)
                if (strcmp(simple, aliases[i].also) == 0 || is_called(simple, aliases[i].name))
                        return aliases[i].name;
        return NULL;
}

const char *name_of_type(const char *text)
{
        static const struct alias types[] = {
                {"rsa", "rsa"},
                {"ecc", "ec"},
                {"ecdsa", "ec"},
                {"eddsa", "ed25519"},
                {"aes", "aes"},
                {"2des", "des2"},
                {"3des", "des3"},
                {"desede", "des3"},
                {"hmac", "generic"},
        };

        return find(text, types, ARRAY_SIZE(types));
}

const char *name_of_curve(const char *text)
{
        static const struct alias curves[] = {
                {"p256", "secp256r1"},
                {"prime256v1", "secp256r1"},
                {"nistp256", "secp256r1"},
                {"p384", "secp384r1"},
                {"nistp384", "secp384r1"},
                {"p521", "secp521r1"},
                {"nistp521", "secp521r1"},
        };

        return find(text, curves, ARRAY_SIZE(curves));
}

/* ---- algorithms ---- */

#define HASHED(size)                                                                                         \
        {"rs" #size, "rsa_pkcs1_sha" #size}, {"rsasha" #size, "rsa_pkcs1_sha" #size},                        \
                {"sha" #size "withrsa", "rsa_pkcs1_sha" #size},                                              \
                {"sha" #size "withrsaencryption", "rsa_pkcs1_sha" #size}, {"ps" #size, "rsa_pss_sha" #size}, \
                {"sha" #size "withrsapss", "rsa_pss_sha" #size}, {"rsapsssha" #size, "rsa_pss_sha" #size},   \
                {"es" #size, "ecdsa_sha" #size}, {"sha" #size "withec", "ecdsa_sha" #size},                  \
                {"sha" #size "withecdsa", "ecdsa_sha" #size}, {"ecdsawithsha" #size, "ecdsa_sha" #size},     \
                {"oaepsha" #size, "rsa_oaep_sha" #size},                                                     \
        {                                                                                                    \
                "sha" #size, "sha" #size                                                                     \
        }

#define ALGORITHM_NAME(constant, name, ...) name,
static const char *const names[] = {
        ALGORITHM_LIST(ALGORITHM_NAME) DECRYPTION_LIST(ALGORITHM_NAME) SECRET_ALGORITHMS(ALGORITHM_NAME)};

const char *name_of_algorithm(const char *text)
{
        static const struct alias aliases[] = {
                HASHED(256),
                HASHED(384),
                HASHED(512),
                {"eddsa", "ed25519"},
                {"aeskeywrap", "aes_kw"},
                {"aeskeywrapkwp", "aes_kwp"},
        };
        char simple[NAME_SIZE];

        if (!simplify(text, simple))
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (is_called(simple, names[i]))
                        return names[i];
        return find(text, aliases, ARRAY_SIZE(aliases));
}

const char *algorithm_of_key(const char *algorithm, const char *type, unsigned size)
{
        unsigned key_type = key_type_from_name(type), number;
        char name[NAME_SIZE];

        if (!algorithm) {
                number = algorithm_default(key_type, size);
                return number ? algorithm_info(number)->name : NULL;
        }
        if (strncmp(algorithm, "sha", strlen("sha")) != 0)
                return algorithm;
        (void)snprintf(name, sizeof(name), "%s_%s", key_type == KEY_RSA ? "rsa_pkcs1" : "ecdsa", algorithm);
        number = key_type == KEY_ED25519 ? 0 : algorithm_from_name(name);
        return number ? algorithm_info(number)->name : NULL;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See complete.h. What may stand where is read from the synopses of the table of verbs. */
#include "client/tokendctl/complete.h"

#include <string.h>

#include "client/tokendctl/options.h"
#include "client/tokendctl/unit.h"
#include "client/tokendctl/verbs.h"
#include "gen/proto/enums.h"

/* Whoever waits for a completion does not wait long. */
#define COMPLETE_TIMEOUT_MS 1000

static void offer(const char *word, const char *begin)
{
        if (strncmp(word, begin, strlen(begin)) == 0)
                printf("%s\n", word);
}

/* words: separated by blanks and commas. */
static void offer_words(const char *words, const char *begin)
{
        while (*words) {
                size_t n = strcspn(words, ", ");

                if (n >= strlen(begin) && strncmp(words, begin, strlen(begin)) == 0)
                        printf("%.*s\n", (int)n, words);
                words += n;
                words += strspn(words, ", ");
        }
}

/* ---- what the daemon knows ---- */

/* NULL: it does not run. */
static struct tokend *open_running(const struct ctl_options *o)
{
        const char *path = o->socket ? o->socket : getenv("TOKEND_SOCKET");
        struct tokend_failure failure;

        if (unit_check(path ? path : KEYS_SOCKET, "tokend.socket", &failure) != 0)
                return NULL;
        return tokend_open(o->socket, TOKEND_NO_WAIT);
}

/* end: ":" before a nickname to be. */
static void offer_tokens(struct tokend *handle, const char *begin, const char *end)
{
        struct tokend_tokens *tokens;

        if (tokend_tokens(handle, COMPLETE_TIMEOUT_MS, &tokens, NULL) != TOKEND_OK)
                return;
        for (size_t i = 0; i < tokens->n_tokens; i++)
                if (strncmp(tokens->tokens[i]->name, begin, strlen(begin)) == 0)
                        printf("%s%s\n", tokens->tokens[i]->name, end);
        tokend_tokens_free(tokens);
}

/* A name with a control character would not be one line. */
static void offer_name(const char *token, const char *nickname, const char *begin)
{
        size_t n = strlen(token);

        if (!*nickname || nickname[strcspn(nickname, "\n\r\t")])
                return;
        if (strncmp(nickname, begin, strlen(begin)) == 0 && *begin)
                printf("%s\n", nickname);
        else if (strlen(begin) <= n ? strncmp(token, begin, strlen(begin)) == 0
                                    : strncmp(token, begin, n) == 0 && begin[n] == ':' &&
                                              strncmp(nickname, begin + n + 1, strlen(begin + n + 1)) == 0)
                printf("%s:%s\n", token, nickname);
}

static void offer_keys(struct tokend *handle, const char *begin)
{
        struct tokend_keys *keys;

        if (tokend_list(handle, NULL, NULL, COMPLETE_TIMEOUT_MS, &keys, NULL) != TOKEND_OK)
                return;
        for (size_t i = 0; i < keys->n_keys; i++)
                offer_name(keys->keys[i]->token, keys->keys[i]->nickname, begin);
        tokend_keys_free(keys);
}

static void offer_secrets(struct tokend *handle, const char *begin)
{
        struct tokend_secrets *secrets;

        if (tokend_secrets_list(handle, NULL, NULL, COMPLETE_TIMEOUT_MS, &secrets, NULL) != TOKEND_OK)
                return;
        for (size_t i = 0; i < secrets->n_secrets; i++)
                offer_name(secrets->secrets[i]->token, secrets->secrets[i]->nickname, begin);
        tokend_secrets_free(secrets);
}

static void offer_certificates(struct tokend *handle, const char *begin)
{
        struct tokend_certificates *list;

        if (tokend_list_certificates(handle, NULL, NULL, COMPLETE_TIMEOUT_MS, &list, NULL) != TOKEND_OK)
                return;
        for (size_t i = 0; i < list->n_certificates; i++)
                offer_name(list->certificates[i]->token, list->certificates[i]->nickname, begin);
        tokend_certificates_free(list);
}

/* ---- what may stand there ---- */

/* The word of the synopsis for the n-th argument (0 is the first), until its options begin. NULL: there is none. */
static const char *place_of(const struct verb *verb, size_t n, size_t *ret_length)
{
        const char *at = verb->synopsis;

        for (;; n--) {
                size_t length;

                at += strspn(at, " []");
                length = strcspn(at, " ]\n");
                if (length == 0 || *at == '-')
                        return NULL;
                if (n == 0) {
                        *ret_length = length;
                        return at;
                }
                at += length;
        }
}

static bool place_has(const char *place, size_t length, const char *word)
{
        const char *found = strstr(place, word);

        return found && found < place + length;
}

/* Whether a key that the verb names is to be made. */
static bool is_new(const struct verb *verb)
{
        return strcmp(verb->name, "generate") == 0 || strcmp(verb->name, "secret-generate") == 0;
}

static void offer_argument(const struct ctl_options *o, const struct verb *verb, size_t n, const char *begin)
{
        size_t length = 0;
        const char *place = place_of(verb, n, &length);
        struct tokend *handle;

        if (!place)
                return;
        if (place_has(place, length, "OPERATION"))
                offer_words(ALLOW_WORDS, begin);
        if (strcmp(verb->name, "audit") == 0 && n == 0)
                offer_words("show verify rotate", begin);
        handle = open_running(o);
        if (!handle)
                return;
        if (place_has(place, length, "TOKEN"))
                offer_tokens(handle, begin, "");
        else if (place_has(place, length, "CERTIFICATE"))
                offer_certificates(handle, begin);
        else if (place_has(place, length, "KEY") && is_new(verb))
                offer_tokens(handle, begin, ":");
        else if (place_has(place, length, "KEY")) {
                offer_keys(handle, begin);
                offer_secrets(handle, begin);
        }
        tokend_close(handle);
}

static void offer_value(enum ctl_option option, const char *begin)
{
        switch (option) {
        case OPTION_TYPE:
                offer_words(SECRETS_SECRET_TYPE_WORDS ", ed25519", begin);
                break;
        case OPTION_CURVE:
                offer_words("secp256r1 secp384r1 secp521r1", begin);
                break;
        case OPTION_ALGORITHM:
                offer_words(KEYS_SIGNATURE_ALGORITHM_WORDS
                        ", rsa_oaep_sha1, rsa_oaep_sha256, rsa_oaep_sha384, rsa_oaep_sha512, "
                        "aes_kw, aes_kwp, " SECRETS_CIPHER_ALGORITHM_WORDS
                        ", " SECRETS_DERIVE_ALGORITHM_WORDS,
                        begin);
                break;
        case OPTION_USAGE:
                offer_words("sign decrypt unwrap derive encrypt wrap", begin);
                break;
        case OPTION_SUBSYSTEM:
                offer_words("ca kra ocsp tks tps ra", begin);
                break;
        default:
                break;
        }
}

static void offer_options(const struct verb *verb, const char *begin)
{
        for (unsigned option = 0; option < OPTION_MAX_; option++) {
                uint64_t bit = OPTION_BIT(option);

                if (!(bit & (OPTIONS_COMMON | (verb ? verb->options : 0))))
                        continue;
                if (strncmp(begin, "--", 2) == 0
                                ? strncmp(options_name(bit), begin + 2, strlen(begin + 2)) == 0
                                : strcmp(begin, "-") == 0)
                        printf("--%s\n", options_name(bit));
        }
}

static void offer_verbs(const char *begin)
{
        for (size_t i = 0; i < n_verbs; i++)
                offer(verbs[i].name, begin);
}

int complete(const struct ctl_options *o)
{
        const struct verb *verb = NULL;
        bool helps = false;
        size_t n = 0;
        const char *last = o->n_arguments > 0 ? o->arguments[o->n_arguments - 1] : "";

        for (unsigned i = 0; i + 1 < o->n_arguments; i++) {
                const char *word = o->arguments[i];
                enum ctl_option option;

                if (options_find(word, &option)) {
                        i++;
                        /* It is the value of this option. */
                        if (i + 1 == o->n_arguments) {
                                offer_value(option, last);
                                return EXIT_DONE;
                        }
                } else if (*word != '-' && strcmp(word, "help") == 0 && !verb) {
                        helps = true;
                } else if (*word != '-' && !verb) {
                        verb = verb_find(word);
                        if (!verb)
                                return EXIT_DONE;
                } else if (*word != '-') {
                        n++;
                }
        }
        if (*last == '-') {
                offer_options(verb, last);
        } else if (verb) {
                offer_argument(o, verb, n, last);
        } else {
                offer_verbs(last);
                offer_words(helps ? "algorithms errors" : "help", last);
        }
        return EXIT_DONE;
}

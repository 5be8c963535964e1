/* SPDX-License-Identifier: MPL-2.0 */
/* Handles, and what a verb asks the daemon before it does anything. */
#include <errno.h>
#include <string.h>

#include "client/tokendctl/names.h"
#include "client/tokendctl/patience.h"
#include "client/tokendctl/tokendctl.h"
#include "client/tokendctl/unit.h"
#include "daemon/util/algorithm.h"

static struct tokend *opened(struct tokend *handle, const char *option)
{
        if (!handle)
                complain("%s: %s", option, strerror(errno));
        return handle;
}

struct tokend *open_main(const struct ctl_options *o)
{
        return opened(tokend_open(o->socket, TOKEND_NO_WAIT), "--socket");
}

int check_status(const struct ctl_options *o, struct tokend_failure *ret_failure)
{
        const char *given = o->status_socket ? o->status_socket : getenv("TOKEND_STATUS_SOCKET");

        return unit_check(given ? given : STATUS_SOCKET, "tokend-status.socket", ret_failure);
}

int open_status(const struct ctl_options *o, struct tokend **ret)
{
        struct tokend_failure failure;

        if (check_status(o, &failure) != 0)
                return refused(o, &failure);
        *ret = opened(tokend_open_status(o->status_socket, TOKEND_NO_WAIT), "--status-socket");
        return *ret ? EXIT_DONE : EXIT_USAGE;
}

int ask_status(const struct ctl_options *o, struct tokend *handle, struct tokend_status **ret)
{
        struct tokend_failure failure;

        return tokend_status(handle, o->timeout_ms, ret, &failure) == TOKEND_OK ? EXIT_DONE
                                                                                : refused(o, &failure);
}

/* What the key says. */
static int ask_algorithm(const struct ctl_options *o, struct tokend *handle, const char **ret)
{
        _cleanup_(tokend_key_freep) struct tokend_key *key = NULL;
        struct tokend_failure failure;

        if (sealed_is_file(o->arguments[0]))
                return usage("give --algorithm in full: of a sealed key nothing else can be told");
        if (PATIENTLY(PATIENCE_READS, tokend_get(handle, o->arguments[0], o->timeout_ms, &key, &failure)) !=
                TOKEND_OK)
                return refused(o, &failure);
        *ret = algorithm_of_key(o->algorithm, key->type, (unsigned)key->size);
        return *ret ? EXIT_DONE
                    : usage("--algorithm: expected an algorithm for keys of type %s; `tokendctl help "
                            "algorithms` lists them",
                              key->type);
}

int signature_algorithm(const struct ctl_options *o, struct tokend *handle, const char **ret)
{
        if (!o->algorithm || strncmp(o->algorithm, "sha", strlen("sha")) == 0)
                return ask_algorithm(o, handle, ret);
        if (!algorithm_from_name(o->algorithm))
                return usage("%s is not an algorithm of signatures; `tokendctl help algorithms` lists them",
                        o->algorithm);
        *ret = o->algorithm;
        return EXIT_DONE;
}

/* The type of a private key, or of a secret, by its name. It lives as long as the program. */
static int ask_type(const struct ctl_options *o, const char *name, const char **ret)
{
        static const char *const types[] = {"rsa", "ec", "ed25519", "aes", "des2", "des3", "generic"};
        _cleanup_(tokend_closep) struct tokend *handle = open_main(o);
        _cleanup_(tokend_key_freep) struct tokend_key *key = NULL;
        _cleanup_(freep) char *token = NULL;
        struct tokend_secrets *secrets = NULL;
        const char *nickname, *type = "";
        struct tokend_failure failure;
        enum tokend_error error;
        int r;

        if (!handle)
                return EXIT_USAGE;
        error = PATIENTLY(PATIENCE_READS, tokend_get(handle, name, o->timeout_ms, &key, &failure));
        if (error == TOKEND_KEY_NOT_FOUND) {
                r = split_name(name, &token, &nickname);
                if (r != EXIT_DONE)
                        return r;
                error = tokend_secrets_list(handle, token, nickname, o->timeout_ms, &secrets, &failure);
        }
        if (error != TOKEND_OK)
                return refused(o, &failure);
        if (key)
                type = key->type;
        else if (secrets->n_secrets == 1)
                type = secrets->secrets[0]->type;
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (strcmp(types[i], type) == 0)
                        *ret = types[i];
        r = *ret ? EXIT_DONE
                 : usage("%s: there is not one key of this name that tells its algorithm; give --algorithm",
                           name);
        tokend_secrets_free(secrets);
        return r;
}

int cipher_algorithm(struct ctl_options *o, const char *key, bool wraps)
{
        const char *type = NULL;
        int r = EXIT_DONE;

        if (o->algorithm)
                return EXIT_DONE;
        if (key && sealed_is_file(key))
                return usage("give --algorithm: of a sealed key nothing can be told");
        if (key)
                r = ask_type(o, key, &type);
        if (r != EXIT_DONE)
                return r;
        if (!key || strcmp(type, "rsa") == 0)
                o->algorithm = "rsa_oaep_sha256";
        else if (strcmp(type, "aes") == 0)
                o->algorithm = wraps ? "aes_kwp" : o->aad ? "aes_gcm" : "aes_cbc_pad";
        else if (strncmp(type, "des", strlen("des")) == 0)
                o->algorithm = "des3_cbc_pad";
        return o->algorithm ? EXIT_DONE
                            : usage("%s: a key of type %s does not do this; see `tokendctl help algorithms`",
                                      key, type);
}

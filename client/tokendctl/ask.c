/* SPDX-License-Identifier: MPL-2.0 */
/* Handles, and what a verb asks the daemon before it does anything. */
#include <errno.h>
#include <string.h>

#include "client/tokendctl/names.h"
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

/* What the key says. */
static int ask_algorithm(const struct ctl_options *o, struct tokend *handle, const char **ret)
{
        _cleanup_(tokend_key_freep) struct tokend_key *key = NULL;
        struct tokend_failure failure;

        if (sealed_is_file(o->arguments[0]))
                return usage("give --algorithm in full: of a sealed key nothing else can be told");
        if (tokend_get(handle, o->arguments[0], o->timeout_ms, &key, &failure) != TOKEND_OK)
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

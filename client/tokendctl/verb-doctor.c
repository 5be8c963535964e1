/* SPDX-License-Identifier: MPL-2.0 */
/* doctor: becomes tokend-doctor, which does the work; `tokend --check --try` is the same. */
#include <string.h>
#include <unistd.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/program-path.h"

int verb_doctor(const struct ctl_options *o)
{
        const char *argv[16] = {"tokend-doctor"};
        _cleanup_(freep) char *path = NULL;
        size_t n = 1;
        int r = program_path(argv[0], &path);

        if (o->config) {
                argv[n++] = "--config";
                argv[n++] = o->config;
        }
        if (o->as) {
                argv[n++] = "--user";
                argv[n++] = o->as;
        }
        if (o->status_socket) {
                argv[n++] = "--status-socket";
                argv[n++] = o->status_socket;
        }
        if (o->json)
                argv[n++] = "--json";
        if (o->login)
                argv[n++] = "--login";
        argv[n++] = "--";
        if (o->n_arguments > 0)
                argv[n++] = o->arguments[0];
        if (r == 0) {
                (void)execv(path, (char *const *)(uintptr_t)argv);
                r = -errno;
        }
        complain("tokend-doctor cannot be started: %s", strerror(-r));
        return EXIT_UNREACHABLE;
}

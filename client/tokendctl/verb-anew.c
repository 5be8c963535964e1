/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl make-anew: the operator's word that the databases of an internal token are lost, and empty ones may take their place. */
#include <string.h>
#include <unistd.h>

#include "client/tokendctl/patience.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/printable.h"

/* How long the new token is waited for, unless --timeout= says it, and how often it is asked for. */
#define READY_MS 30000
#define STEP_MS  100

/* Whether the token is ready. Its reason otherwise. An exit status. */
static int look(
        struct tokend *handle, const struct ctl_options *o, bool *ret_ready, char *reason, size_t size)
{
        struct tokend_status *status;
        int r = ask_status(o, handle, &status);

        if (r != EXIT_DONE)
                return r;
        *ret_ready = false;
        for (size_t i = 0; i < status->n_tokens; i++)
                if (strcmp(status->tokens[i]->name, o->arguments[0]) == 0) {
                        *ret_ready = strcmp(status->tokens[i]->state, "ready") == 0;
                        (void)printable_copy(
                                reason, size, status->tokens[i]->reason, strlen(status->tokens[i]->reason));
                }
        tokend_status_free(status);
        return EXIT_DONE;
}

static int wait_until_ready(struct tokend *handle, const struct ctl_options *o)
{
        int left_ms = o->timeout_ms > 0 ? o->timeout_ms : READY_MS, r;
        char reason[512] = "";
        bool ready = false;

        for (; (r = look(handle, o, &ready, reason, sizeof(reason))) == EXIT_DONE && !ready && left_ms > 0;
                left_ms -= STEP_MS)
                (void)usleep(STEP_MS * 1000);
        if (r != EXIT_DONE)
                return r;
        if (!ready) {
                complain("the token is not ready: %s", *reason ? reason : "it takes longer");
                return EXIT_REFUSED;
        }
        if (o->json)
                printf("{}\n");
        else
                printf("made: the token is new, and has no key\n");
        return EXIT_DONE;
}

int verb_make_anew(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        struct tokend_failure failure;
        int r;

        if (!o->yes)
                return usage("make-anew makes an empty token in the place of the one whose databases are "
                             "gone. If they can be "
                             "mounted or restored, do that. Give --yes to confirm that its keys are lost");
        r = open_status(o, &handle);
        if (r != EXIT_DONE)
                return r;
        if (PATIENTLY(PATIENCE_CHANGES, tokend_make_anew(handle, o->arguments[0], o->timeout_ms, &failure)) !=
                TOKEND_OK)
                return refused(o, &failure);
        return wait_until_ready(handle, o);
}

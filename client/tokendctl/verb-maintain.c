/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl retry, drain, disable and enable. */
#include <string.h>

#include "client/tokendctl/patience.h"
#include "client/tokendctl/tokendctl.h"

/* The daemon answers within the times of the section and 10 s; this is as long as the library waits. */
#define ANSWER_MS (600 * 1000)

/* One of tokend.h. */
typedef enum tokend_error maintain_call(struct tokend *handle, const char *token, int timeout_ms,
        struct tokend_maintenance **ret, struct tokend_failure *ret_failure);

static void print_json(const struct ctl_options *o, const struct tokend_maintenance *answer)
{
        printf("{\"token\":");
        json_string_print(stdout, o->arguments[0]);
        printf(",\"done\":%s,\"state\":", answer->done ? "true" : "false");
        json_string_print(stdout, answer->state);
        printf(",\"reason\":");
        json_string_print(stdout, answer->reason);
        printf("}\n");
}

static int ask(const struct ctl_options *o, maintain_call *call)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(tokend_maintenance_freep) struct tokend_maintenance *answer = NULL;
        struct tokend_failure failure;
        int timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : ANSWER_MS, r = open_status(o, &handle);

        if (r != EXIT_DONE)
                return r;
        if (PATIENTLY(PATIENCE_CHANGES, call(handle, o->arguments[0], timeout_ms, &answer, &failure)) !=
                TOKEND_OK)
                return refused(o, &failure);
        if (o->json)
                print_json(o, answer);
        else if (answer->done)
                printf("%s%s%s\n", answer->state, *answer->reason ? ": " : "", answer->reason);
        else {
                complain("this was not done, and the token is %s%s%s", answer->state,
                        *answer->reason ? ": " : "", answer->reason);
                complain("next: `tokendctl status` says what it waits for, and what to do");
        }
        return answer->done ? EXIT_DONE : EXIT_REFUSED;
}

int verb_retry(const struct ctl_options *o)
{
        return ask(o, tokend_retry);
}

int verb_drain(const struct ctl_options *o)
{
        return ask(o, tokend_drain);
}

int verb_disable(const struct ctl_options *o)
{
        return ask(o, tokend_disable);
}

int verb_enable(const struct ctl_options *o)
{
        return ask(o, tokend_enable);
}

/* SPDX-License-Identifier: MPL-2.0 */
/* tokendctl metrics and probe. */
#include <inttypes.h>
#include <string.h>

#include "client/tokendctl/patience.h"
#include "client/tokendctl/tokendctl.h"
#include "daemon/util/printable.h"

int verb_metrics(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        _cleanup_(freep) char *text = NULL;
        struct tokend_failure failure;
        int r = open_status(o, &handle);

        if (r != EXIT_DONE)
                return r;
        if (PATIENTLY(PATIENCE_READS, tokend_metrics(handle, o->timeout_ms, &text, &failure)) != TOKEND_OK)
                return refused(o, &failure);
        if (!o->json)
                return ctl_output_write(&CTL_OUTPUT_STANDARD, text, strlen(text));
        printf("{\"openMetrics\":");
        json_string_print(stdout, text);
        printf("}\n");
        return EXIT_DONE;
}

static int probe(struct tokend *handle, const struct ctl_options *o, const char *token)
{
        _cleanup_(freep) char *name = printable_new(token);
        struct tokend_failure failure;
        _cleanup_(tokend_probe_freep) struct tokend_probe *result = NULL;
        enum tokend_error error;
        char latency[32];

        error = PATIENTLY(PATIENCE_READS, tokend_probe(handle, token, o->timeout_ms, &result, &failure));
        if (error != TOKEND_OK || !result)
                return refused(o, &failure);
        latency_format(result->latency_usec, latency, sizeof(latency));
        if (o->json) {
                printf("{\"token\":");
                json_string_print(stdout, token);
                printf(",\"ok\":%s,\"ckr\":", result->ok ? "true" : "false");
                if (result->ckr)
                        json_string_print(stdout, result->ckr);
                else
                        printf("null");
                printf(",\"latencyUSec\":%" PRId64 ",\"reason\":", result->latency_usec);
                if (result->reason)
                        json_string_print(stdout, result->reason);
                else
                        printf("null");
                printf("}\n");
        } else if (result->ok) {
                printf("%s: answered in %s\n", name ? name : "", latency);
        } else {
                _cleanup_(freep) char *reason = printable_new(result->reason ? result->reason : "");

                printf("%s: %s%s%s%s%s\n", name ? name : "", result->ckr ? result->ckr : "no answer",
                        result->latency_usec > 0 ? " after " : "", result->latency_usec > 0 ? latency : "",
                        result->reason ? ": " : "", reason ? reason : "");
        }
        return result->ok ? EXIT_DONE : EXIT_REFUSED;
}

/* Probes one token, or all of them. The exit status is the worst of theirs. */
int verb_probe(const struct ctl_options *o)
{
        _cleanup_(tokend_closep) struct tokend *handle = NULL;
        struct tokend_status *status;
        int worst = open_status(o, &handle);

        if (worst != EXIT_DONE)
                return worst;
        if (o->n_arguments > 0)
                return probe(handle, o, o->arguments[0]);
        worst = ask_status(o, handle, &status);
        if (worst != EXIT_DONE)
                return worst;
        for (size_t i = 0; i < status->n_tokens; i++) {
                int r = probe(handle, o, status->tokens[i]->name);

                worst = r > worst ? r : worst;
        }
        tokend_status_free(status);
        return worst;
}

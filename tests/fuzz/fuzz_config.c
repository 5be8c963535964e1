/* SPDX-License-Identifier: MPL-2.0 */
/* A configuration file: what is accepted is written out again as a text that is read to the same; what is not is
 * reported. */
#include <string.h>

#include "daemon/config/config.h"
#include "tests/fuzz/fuzz.h"

static void count(void *userdata, const char *line)
{
        CHECK(line && *line);
        ++*(unsigned *)userdata;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(config_freep) struct config *config = NULL, *again = NULL;
        _cleanup_(freep) char *text = NULL, *text_again = NULL;
        unsigned n_faults = 0;
        int r = config_parse("fuzz.conf", (const char *)data, size, count, &n_faults, &config);

        CHECK(r == 0 || r == 1);
        CHECK((r == 1) == (n_faults > 0));
        if (r == 1)
                return 0;
        CHECK(config->n_tokens > 0);
        CHECK(config_format(config, &text) == 0);
        r = config_parse("again.conf", text, strlen(text), count, &n_faults, &again);
        CHECK(r == 0 && n_faults == 0);
        CHECK(config_format(again, &text_again) == 0);
        CHECK(strcmp(text, text_again) == 0);
        CHECK(again->n_tokens == config->n_tokens && again->n_instances == config->n_instances);
        for (size_t i = 0; i < config->n_tokens; i++)
                CHECK(config_token_equal(config->tokens[i], again->tokens[i]));
        return 0;
}

/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/by_loop.h"

#include <CUnit/CUnit.h>
#include <poll.h>

/* Only a fault lets it pass. */
#define LONG_MS 60000

static bool by_loop;
static int n_done;
static enum tokend_error result;

void by_loop_set(bool yes)
{
        by_loop = yes;
}

static void done(enum tokend_error error, void *userdata)
{
        (void)userdata;
        result = error;
        n_done++;
}

struct tokend *by_loop_begin(struct tokend *handle)
{
        return by_loop ? tokend_later(handle, done, NULL) : handle;
}

void by_loop_turn(struct tokend *handle)
{
        struct pollfd pollfd = {.fd = tokend_get_fd(handle), .events = (short)tokend_get_events(handle)};

        CU_ASSERT_FATAL(poll(&pollfd, 1, LONG_MS) == 1);
        CU_ASSERT_FATAL(tokend_process(handle) >= 0);
}

enum tokend_error by_loop_end(struct tokend *handle, enum tokend_error error)
{
        if (error != TOKEND_STARTED)
                return error;
        n_done = 0;
        while (n_done == 0)
                by_loop_turn(handle);
        CU_ASSERT_EQUAL(n_done, 1);
        return result;
}

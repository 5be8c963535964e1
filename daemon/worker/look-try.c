/* SPDX-License-Identifier: MPL-2.0 */
/* See look-try.h. */
#include "daemon/worker/look-try.h"

#include "daemon/worker/device/module.h"

#define TRIES      6U
#define RETRY_USEC 20000U /* the first wait; it doubles with each */

int look_try(struct slot_token *token, look_attempt *attempt, void *userdata, struct failure *failure)
{
        for (unsigned i = 1;; i++) {
                int r = token->p11 ? module_again(token, failure) : module_load(token, failure);

                if (r == 0)
                        r = attempt(token, userdata, i == TRIES, failure);
                if (r <= 0 || i == TRIES || r == WORKER_END_PIN || !token->p11)
                        return r;
                usleep(RETRY_USEC << (i - 1));
        }
}

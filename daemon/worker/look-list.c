/* SPDX-License-Identifier: MPL-2.0 */
/* See look-list.h. */
#include "daemon/worker/look-list.h"

#include "daemon/worker/core/inventory.h"
#include "daemon/worker/device/login.h"
#include "daemon/worker/report.h"

/* The whole answer is dropped where its reader is gone, so a send that fails is not looked at. */
static void look_entry(void *userdata, const struct message_entry *entry)
{
        (void)message_send_entry(REQUEST_FD, entry, NULL, 0);
}

static void look_drop(void *userdata, uint64_t number)
{
        (void)message_send_drop(REQUEST_FD, &(struct message_drop){number}, NULL, 0);
}

static void look_settled(void *userdata, uint64_t generation)
{
        (void)message_send_settled(REQUEST_FD, &(struct message_settled){generation}, NULL, 0);
}

int look_list_run(struct slot_token *token, struct failure *failure)
{
        static const struct report report = {look_entry, look_drop, look_settled, NULL};
        _cleanup_(inventory_freep) struct inventory *inventory = NULL;
        struct session session = {0};
        CK_RV rv;

        if (inventory_new(&inventory) < 0)
                return failure_set(failure, WORKER_END_ERROR, 0, "out of memory");
        rv = session_open(&session, token);
        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_OpenSession");
        if (login(&session, failure) != 0)
                return 1;
        report_hello(token, 0, 0);
        rv = inventory_refresh(inventory, &session, &report, true);
        return rv == CKR_OK ? 0 : failure_ckr(failure, rv, "the token cannot be listed");
}

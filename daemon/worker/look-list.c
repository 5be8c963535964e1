/* SPDX-License-Identifier: MPL-2.0 */
/* See look-list.h. */
#include "daemon/worker/look-list.h"

#include "daemon/worker/core/inventory.h"
#include "daemon/worker/device/login.h"
#include "daemon/worker/report.h"

/* A send that fails is ignored: without a reader the whole answer is dropped. */
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
        int r;

        if (inventory_new(&inventory) < 0)
                return -ENOMEM;
        r = session_open(&session, token);
        if (r != 0)
                return session_failure(&session, r, NULL, failure);
        r = login(&session, failure);
        if (r != 0)
                return r;
        report_hello(token, 0, 0);
        r = inventory_refresh(inventory, &session, &report, true);
        return session_failure(&session, r, "the token cannot be listed", failure);
}

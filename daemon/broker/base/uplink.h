/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the broker tells the supervisor. A message that the control channel has no room for is kept and sent later, in
 * order; at most so many are kept, and a loss is logged. What comes from the supervisor is control.c's.
 */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/broker/base/list.h"
#include "daemon/channel/message.h"

struct uplink {
        int fd;                  /* the control; -1: none */
        sd_event_source *source; /* watches fd; set by whoever reads it */
        struct link kept;
        size_t n_kept;
};

/* Takes fd over. */
void uplink_init(struct uplink *uplink, int fd);
void uplink_done(struct uplink *uplink);

/* The channel has room again: sends what was kept. */
void uplink_flush(struct uplink *uplink);

/* The directory of the worker of that life is here. */
void uplink_serving(struct uplink *uplink, const char *token, uint64_t life);
/* Everything is answered. */
void uplink_drained(struct uplink *uplink);
/* A fresh process should look at the token. */
void uplink_look_please(struct uplink *uplink, const char *token);
/* The worker of that life should be replaced. full: its token has too many objects, and no other worker is to be started. */
void uplink_replace(struct uplink *uplink, const char *token, uint64_t life, const char *reason, bool full);
/* An operator says that the databases of the token, which are gone, are to be made anew. */
void uplink_make_anew(struct uplink *uplink, const char *token);
/* An operator wants a new audit file. */
void uplink_audit_rotate(struct uplink *uplink);
/* An operator, who is that user, wants enum maintenance of the token; number: rising. */
void uplink_maintain(
        struct uplink *uplink, const char *token, uint64_t number, enum maintenance what, uid_t uid);
/* Another socket that is connected to journald is wanted. */
void uplink_journal_please(struct uplink *uplink);
void uplink_pong(struct uplink *uplink, uint64_t number);

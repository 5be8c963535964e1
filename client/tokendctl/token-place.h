/* SPDX-License-Identifier: MPL-2.0 */
/* Where the files of an internal token are, and whose: as tokend.conf says it, or else the daemon that runs. */
#pragma once

#include "client/tokendctl/tokendctl.h"
#include "daemon/backup/owner.h"

struct token_place {
        char *directory;
        char *state_directory;
        struct file_owner owner;
};

/* With --config of that file alone. Otherwise the installed configuration is asked, if it has such a token, and then the daemon. An exit
 * status. */
int token_place_find(const struct ctl_options *o, const char *token, struct token_place *ret);
void token_place_done(struct token_place *place);

/* The file of Audit=, likewise. The caller frees. */
int audit_path_find(const struct ctl_options *o, char **ret);

/* As root, before a restore on a machine where the service never ran: makes StateDirectory=. -errno. */
int token_place_prepare(const struct token_place *place);

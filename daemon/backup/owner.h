/* SPDX-License-Identifier: MPL-2.0 */
/* Whose a token's files are. Root acts as that user where it reads or writes below directories that are the service's own: what its user
 * put there (a symbolic link, say) leads root nowhere. Single-threaded programs alone. */
#pragma once

#include <sys/types.h>

#include "daemon/util/macros.h"

struct file_owner {
        uid_t uid;
        gid_t gid;
};

/* Who has StateDirectory=; where that is not there yet, the user `tokend`, or who calls. */
struct file_owner owner_find(const char *state_directory);

/* Acts as the owner, and as root again. Nothing where the caller is not root. -errno. */
int owner_become(struct file_owner owner);
int owner_return(void);

/* SPDX-License-Identifier: MPL-2.0 */
/* See owner.h. */
#include "daemon/backup/owner.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

struct file_owner owner_find(const char *state_directory)
{
        const struct passwd *user;
        struct stat st;

        if (stat(state_directory, &st) == 0)
                return (struct file_owner){st.st_uid, st.st_gid};
        user = getpwnam("tokend");
        return user ? (struct file_owner){user->pw_uid, user->pw_gid}
                    : (struct file_owner){geteuid(), getegid()};
}

int owner_become(struct file_owner owner)
{
        if (geteuid() != 0 || owner.uid == 0)
                return 0;
        if (setgroups(1, &owner.gid) < 0 || setegid(owner.gid) < 0 || seteuid(owner.uid) < 0)
                return -errno;
        return 0;
}

int owner_return(void)
{
        if (getuid() != 0 || geteuid() == 0)
                return 0;
        return seteuid(0) < 0 || setegid(0) < 0 ? -errno : 0;
}

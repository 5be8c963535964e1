/* SPDX-License-Identifier: MPL-2.0 */
/* See doctor.h. */
#include "daemon/doctor/doctor.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "daemon/util/text.h"

bool remedy_is_plain(const char *text)
{
        return *text &&
               !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@+=,-")];
}

char *remedy_drop_in(const char *name, const char *lines)
{
        _cleanup_(freep) char *file = strdup(name);

        for (char *c = file; c && *c; c++)
                if (*c == '/')
                        *c = '-';
        return file ? text_format("mkdir -p " DROP_INS " && printf '%%s\\n' '[Service]' %s >" DROP_INS
                                  "/%s.conf && systemctl daemon-reload && systemctl try-restart " TOKEND_UNIT,
                              lines, file)
                    : NULL;
}

char *remedy_writable(const char *path)
{
        _cleanup_(freep) char *name = text_format("writable%s", path),
                              *line = text_format("ReadWritePaths=%s", path);

        return name && line ? remedy_drop_in(name, line) : NULL;
}

int doctor_own_user(struct doctor *doctor)
{
        const struct passwd *user = getpwuid(geteuid());
        const struct group *group;

        doctor->user = user ? strdup(user->pw_name) : text_format("%u", (unsigned)geteuid());
        group = getgrgid(getegid());
        doctor->group = group ? strdup(group->gr_name) : text_format("%u", (unsigned)getegid());
        return doctor->user && doctor->group ? 0 : -ENOMEM;
}

void doctor_done(struct doctor *doctor)
{
        free(doctor->user);
        free(doctor->group);
        findings_done(&doctor->findings);
}

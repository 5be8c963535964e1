/* SPDX-License-Identifier: MPL-2.0 */
/* See program-path.h. */
#include "daemon/util/program-path.h"

#include <limits.h>
#include <string.h>

#include "daemon/util/text.h"

int program_path(const char *name, char **ret)
{
        _cleanup_(freep) char *path = NULL;
        char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

        if (n > 0) {
                char *slash;

                self[n] = '\0';
                slash = strrchr(self, '/');
                if (slash) {
                        *slash = '\0';
                        path = text_format("%s/%s", self, name);
                        if (!path)
                                return -ENOMEM;
                        if (access(path, X_OK) == 0) {
                                *ret = TAKE_PTR(path);
                                return 0;
                        }
                        free(path);
                }
        }
        path = text_format("%s/%s", LIBEXECDIR, name);
        if (!path)
                return -ENOMEM;
        *ret = TAKE_PTR(path);
        return 0;
}

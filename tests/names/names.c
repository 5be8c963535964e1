/* SPDX-License-Identifier: MPL-2.0 */
/*
 * libslownames.so: a user database that does not answer, as one on a server can be. Preloaded, for tests. getpwnam() makes the
 * file SLOW_NAMES.asked and waits while the file SLOW_NAMES is there; then the real function is called.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((visibility("default"))) struct passwd *getpwnam(const char *name)
{
        struct passwd *(*real)(const char *);
        void *symbol = dlsym(RTLD_NEXT, "getpwnam");
        const char *path = getenv("SLOW_NAMES");
        char asked[4096];

        if (path && access(path, F_OK) == 0) {
                snprintf(asked, sizeof(asked), "%s.asked", path);
                close(open(asked, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
                while (access(path, F_OK) == 0)
                        usleep(1000);
        }
        memcpy(&real, &symbol, sizeof(real));
        return real(name);
}

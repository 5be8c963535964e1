/* SPDX-License-Identifier: MPL-2.0 */
/* See lock.h. glibc forgets the handlers when the module is unloaded by dlclose(). */
#include "client/pkcs11/lock.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void module_lock(void)
{
        (void)pthread_mutex_lock(&lock);
}

void module_unlock(void)
{
        (void)pthread_mutex_unlock(&lock);
}

int module_lock_at_fork(void)
{
        static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
        static int registered = -1;
        int r;

        (void)pthread_mutex_lock(&once);
        if (registered != 0)
                registered = pthread_atfork(module_lock, module_unlock, module_unlock);
        r = registered;
        (void)pthread_mutex_unlock(&once);
        return r;
}

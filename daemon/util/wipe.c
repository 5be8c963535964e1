/* SPDX-License-Identifier: MPL-2.0 */
/* See wipe.h. */
#include "daemon/util/wipe.h"

#include <string.h>

void wipe_free(void *memory, size_t size)
{
        if (memory)
                explicit_bzero(memory, size);
        free(memory);
}

__attribute__((noinline)) void wipe_stack(void)
{
        char below[WIPE_STACK];

        explicit_bzero(below, sizeof(below));
}

void *wipe_realloc(void *memory, size_t old_size, size_t size)
{
        void *larger = malloc(size);

        if (!larger)
                return NULL;
        if (memory)
                memcpy(larger, memory, MIN_OF(old_size, size));
        wipe_free(memory, old_size);
        return larger;
}

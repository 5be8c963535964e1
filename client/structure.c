/* SPDX-License-Identifier: MPL-2.0 */
/* Structures that grow: what a program of another version gives, and lists of structures. Pure. */
#include <string.h>

#include "client/internal.h"

/* No structure comes near: a larger size is memory that was never set. */
#define SIZE_MAX_BYTES 4096U

enum tokend_error structure_take(
        void *ret, size_t known, const void *given, const char *name, struct tokend_failure *ret_failure)
{
        const unsigned char *bytes = given;
        size_t size;

        if (!given)
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT, "expected a struct %s, not NULL", name);
        memcpy(&size, given, sizeof(size));
        if (size <= sizeof(size) || size > SIZE_MAX_BYTES)
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT,
                        "set struct_size to sizeof(struct %s): %zu was found", name, size);
        for (size_t i = known; i < size; i++)
                if (bytes[i] != 0)
                        return fail(ret_failure, TOKEND_INVALID_ARGUMENT,
                                "the program sets a field of struct %s that this older library does not know",
                                name);
        memset(ret, 0, known);
        memcpy(ret, given, size < known ? size : known);
        return TOKEND_OK;
}

void *structures_new(size_t n, size_t size)
{
        size_t pointers = (n + 1) * sizeof(void *), elements;
        char **list;

        if (__builtin_mul_overflow(n, size, &elements) || elements > SIZE_MAX - pointers)
                return NULL;
        list = calloc(1, pointers + elements);
        for (size_t i = 0; list && i < n; i++)
                list[i] = (char *)list + pointers + i * size;
        return list;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See batch.h. Records lie one behind the other, each ended by a NUL: none has one inside. */
#include "daemon/audit/batch.h"

#include <string.h>

int batch_init(struct batch *batch, size_t size)
{
        char *data = malloc(size);

        if (!data)
                return -ENOMEM;
        *batch = (struct batch){.data = data, .size = size};
        return 0;
}

void batch_done(struct batch *batch)
{
        free(batch->data);
        *batch = (struct batch){0};
}

int batch_add(struct batch *batch, const char *text, size_t length)
{
        if (length >= batch->size - batch->length)
                return -ENOBUFS;
        memcpy(batch->data + batch->length, text, length);
        batch->data[batch->length + length] = '\0';
        batch->length += length + 1;
        batch->n++;
        return 0;
}

const char *batch_next(const struct batch *batch, size_t *at, size_t *ret_length)
{
        const char *text = batch->data + *at;

        if (*at >= batch->length)
                return NULL;
        *ret_length = strlen(text);
        *at += *ret_length + 1;
        return text;
}

void batch_clear(struct batch *batch)
{
        batch->length = 0;
        batch->n = 0;
}

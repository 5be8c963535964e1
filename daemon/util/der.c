/* SPDX-License-Identifier: MPL-2.0 */
/* See der.h. */
#include "daemon/util/der.h"

#include <string.h>

static bool take_length(struct der *in, size_t *ret)
{
        size_t value = 0, n;

        if (in->length < 1)
                return false;
        n = *in->data;
        in->data++;
        in->length--;
        if (n < 0x80) {
                *ret = n;
                return true;
        }
        n &= 0x7f;
        if (n < 1 || n > 3 || n > in->length || in->data[0] == 0)
                return false;
        for (size_t i = 0; i < n; i++)
                value = value << 8 | in->data[i];
        in->data += n;
        in->length -= n;
        if (value < 0x80)
                return false;
        *ret = value;
        return true;
}

bool der_next(struct der *in, uint8_t *ret_tag, struct der *ret_content)
{
        struct der rest = *in;
        uint8_t tag;
        size_t length;

        if (rest.length < 2)
                return false;
        tag = *rest.data;
        rest.data++;
        rest.length--;
        if ((tag & 0x1f) == 0x1f || !take_length(&rest, &length) || length > rest.length)
                return false;
        *ret_tag = tag;
        *ret_content = (struct der){rest.data, length};
        *in = (struct der){rest.data + length, rest.length - length};
        return true;
}

bool der_take(struct der *in, enum der_tag tag, struct der *ret_content)
{
        struct der rest = *in, content;
        uint8_t found;

        if (!der_next(&rest, &found, &content) || found != tag)
                return false;
        *in = rest;
        *ret_content = content;
        return true;
}

bool der_take_whole(struct der *in, enum der_tag tag, struct der *ret_whole)
{
        const uint8_t *begin = in->data;
        struct der content;

        if (!der_take(in, tag, &content))
                return false;
        *ret_whole = (struct der){begin, (size_t)(in->data - begin)};
        return true;
}

bool der_is_same(struct der a, struct der b)
{
        return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

struct der der_unsigned(struct der value)
{
        while (value.length > 0 && *value.data == 0) {
                value.data++;
                value.length--;
        }
        return value;
}

size_t der_head(uint8_t *out, enum der_tag tag, size_t n)
{
        uint8_t head[5] = {(uint8_t)tag};
        size_t length = 2;

        if (n < 0x80) {
                head[1] = (uint8_t)n;
        } else {
                size_t bytes = n > 0xffff ? 3 : n > 0xff ? 2 : 1;
                head[1] = (uint8_t)(0x80 | bytes);
                for (size_t i = 0; i < bytes; i++)
                        head[2 + i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
                length += bytes;
        }
        if (out)
                memcpy(out, head, length);
        return length;
}

size_t der_put_unsigned(uint8_t *out, struct der value)
{
        size_t sign, head;

        value = der_unsigned(value);
        if (value.length == 0)
                return 0;
        /* A first bit that is set would make it negative. */
        sign = value.data[0] >> 7;
        head = der_head(out, DER_TAG_INTEGER, sign + value.length);
        if (out) {
                out[head] = 0;
                memcpy(out + head + sign, value.data, value.length);
        }
        return head + sign + value.length;
}

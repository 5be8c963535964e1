/* SPDX-License-Identifier: MPL-2.0 */
/* See utf8.h. */
#include "daemon/util/utf8.h"

size_t utf8_decode(const char *text, size_t length, uint32_t *ret)
{
        /* The least code point that needs so many bytes: below it, the form is overlong. */
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        const unsigned char *in = (const unsigned char *)text;
        uint32_t point;
        size_t n;

        if (length == 0)
                return 0;
        if (in[0] < 0x80) {
                *ret = in[0];
                return 1;
        }
        n = in[0] >= 0xf0 ? 4 : in[0] >= 0xe0 ? 3 : 2;
        if (in[0] < 0xc0 || in[0] > 0xf7 || n > length)
                return 0;
        point = in[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if ((in[i] & 0xc0) != 0x80)
                        return 0;
                point = point << 6 | (in[i] & 0x3fU);
        }
        if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
                return 0;
        *ret = point;
        return n;
}

size_t utf8_encode(uint32_t point, char *ret)
{
        size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};

        for (size_t i = n - 1; i > 0; i--, point >>= 6)
                ret[i] = (char)(0x80 | (point & 0x3f));
        ret[0] = (char)(leads[n] | point);
        return n;
}

size_t utf8_whole(const char *text, size_t length)
{
        size_t begin = length;
        uint32_t point;

        while (begin > 0 && length - begin < 3 && (text[begin - 1] & 0xc0) == 0x80)
                begin--;
        if (begin > 0 && (unsigned char)text[begin - 1] >= 0xc0 &&
                utf8_decode(text + begin - 1, length - begin + 1, &point) == 0)
                return begin - 1;
        return length;
}

bool utf8_is_control(uint32_t point)
{
        return point < 0x20 || (point >= 0x7f && point <= 0x9f);
}

bool utf8_is_deceptive(uint32_t point)
{
        /* In order: soft hyphen, combining joiner, Arabic letter mark, fillers of Hangul, vowels of Khmer that are not seen,
         * selectors and separators of Mongolian, zero width and marks of direction, separators of lines and embeddings,
         * joiners, isolates and what is deprecated, a filler again, selectors of variants, byte order mark, a filler again,
         * annotations, marks of shorthand, of music, tags. Then what is no character. */
        static const struct {
                uint32_t first, last;
        } unseen[] = {{0xad, 0xad}, {0x34f, 0x34f}, {0x61c, 0x61c}, {0x115f, 0x1160}, {0x17b4, 0x17b5},
                {0x180b, 0x180f}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},
                {0xfdd0, 0xfdef}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb},
                {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}};

        for (size_t i = 0; i < ARRAY_SIZE(unseen) && point >= unseen[i].first; i++)
                if (point <= unseen[i].last)
                        return true;
        return utf8_is_control(point) || (point & 0xfffe) == 0xfffe;
}

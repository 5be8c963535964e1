/* SPDX-License-Identifier: MPL-2.0 */
/* See line.h. SHA-256 is libnettle's: a few hundred kilobytes, kept well for twenty years, in every
 * distribution, and without a configuration, a global state or a loader, as NSS and OpenSSL have them. */
#include "daemon/audit/line.h"

#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "daemon/util/text.h"
#include "daemon/util/utf8.h"

_Static_assert(LINE_HASH_SIZE == SHA256_DIGEST_SIZE, "one hash");

#define HASH_HEX (2U * LINE_HASH_SIZE)
/* `,"hash":"` before, `"}` behind. */
static const char tail_start[] = ",\"hash\":\"";
#define TAIL_START (sizeof(tail_start) - 1U)
#define TAIL       (TAIL_START + HASH_HEX + 2U)

static void hash_bytes(const char *bytes, size_t length, uint8_t ret[static LINE_HASH_SIZE])
{
        struct sha256_ctx context;

        sha256_init(&context);
        sha256_update(&context, length, (const uint8_t *)bytes);
        sha256_digest(&context, LINE_HASH_SIZE, ret);
}

static size_t line_head(const struct chain *chain, char ret[static LINE_EXTRA])
{
        char prev[HASH_HEX + 1];

        text_hex(chain->hash, LINE_HASH_SIZE, prev);
        return (size_t)snprintf(
                ret, LINE_EXTRA, "{\"seq\":%" PRIu64 ",\"prev\":\"%s\",", chain->seq + 1, prev);
}

bool line_text_ok(const char *text, size_t length)
{
        if (length < sizeof("{\"\":0}") - 1 || length > LIMIT_AUDIT_RECORD || text[0] != '{' ||
                text[1] != '"' || text[length - 1] != '}')
                return false;
        for (size_t at = 0, n; at < length; at += n) {
                uint32_t point;

                n = utf8_decode(text + at, length - at, &point);
                if (n == 0 || utf8_is_deceptive(point))
                        return false;
        }
        return true;
}

int line_format(
        struct chain *chain, const char *text, size_t length, char *ret, size_t size, size_t *ret_length)
{
        char head[LINE_EXTRA], hex[HASH_HEX + 1];
        size_t head_length, body_length;

        if (!line_text_ok(text, length))
                return -EINVAL;
        head_length = line_head(chain, head);
        /* The record without its two braces. */
        body_length = head_length + length - 2;
        if (body_length + TAIL + 1 > size)
                return -EMSGSIZE;
        memcpy(ret, head, head_length);
        memcpy(ret + head_length, text + 1, length - 2);
        hash_bytes(ret, body_length, chain->hash);
        chain->seq++;
        text_hex(chain->hash, LINE_HASH_SIZE, hex);
        memcpy(ret + body_length, tail_start, TAIL_START);
        memcpy(ret + body_length + TAIL_START, hex, HASH_HEX);
        memcpy(ret + body_length + TAIL_START + HASH_HEX, "\"}\n", 3);
        *ret_length = body_length + TAIL + 1;
        return 0;
}

/* The number behind `{"seq":`, without a leading zero; 0 where there is none. */
static uint64_t line_seq(const char *line, size_t length)
{
        static const char start[] = "{\"seq\":";
        uint64_t seq = 0;

        if (length < sizeof(start) || memcmp(line, start, sizeof(start) - 1) != 0 ||
                line[sizeof(start) - 1] == '0')
                return 0;
        for (size_t i = sizeof(start) - 1; i < length && line[i] >= '0' && line[i] <= '9'; i++) {
                if (seq > (UINT64_MAX - 9) / 10)
                        return 0;
                seq = seq * 10 + (uint64_t)(line[i] - '0');
        }
        return seq;
}

bool line_check(const char *line, size_t length, struct chain *ret)
{
        struct chain chain = {.seq = line_seq(line, length)};
        char hex[HASH_HEX + 1];

        if (chain.seq == 0 || length <= TAIL || length > LINE_MAX_BYTES ||
                memcmp(line + length - TAIL, tail_start, TAIL_START) != 0 ||
                memcmp(line + length - 2, "\"}", 2) != 0)
                return false;
        hash_bytes(line, length - TAIL, chain.hash);
        text_hex(chain.hash, LINE_HASH_SIZE, hex);
        if (memcmp(line + length - TAIL + TAIL_START, hex, HASH_HEX) != 0)
                return false;
        *ret = chain;
        return true;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* An audit file as `tokendctl audit verify` reads it. The hash is all zero here, always, so that a corpus can be
 * written by hand and the fuzzer gets past it. */
#include <string.h>

#include "client/tokendctl/chain.h"
#include "tests/fuzz/fuzz.h"

static int no_hash(const void *bytes, size_t length, unsigned char digest[static CHAIN_HASH])
{
        memset(digest, 0, CHAIN_HASH);
        return 0;
}

static int signature(void *userdata, const struct chain_head *head)
{
        CHECK(head->algorithm && head->key && head->signed_seq > 0);
        CHECK(head->message_length < sizeof(head->message) && strlen(head->message) == head->message_length);
        return head->signature_length % 2 ? CHAIN_BAD_SIGNATURE : CHAIN_GOOD;
}

static void check_line(struct chain_check *check, const char *line, size_t length)
{
        uint64_t n_faults = check->n_faults, seq = 0;
        int r = chain_check_line(check, line, length, &seq);

        CHECK(r >= CHAIN_GOOD && r <= CHAIN_REPEATED_HEAD);
        CHECK(check->n_faults - n_faults == (r != CHAIN_GOOD));
        CHECK(*chain_fault_text((enum chain_fault)r));
        if (r == CHAIN_GOOD)
                CHECK(seq > 0 && seq == check->last_seq && seq == chain_line_seq(line, length));
        CHECK(check->first_seq <= check->last_seq && check->signed_seq <= check->last_seq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct chain_check check = {.sha256 = no_hash, .signature = signature};
        const char *at = (const char *)data, *end = at + size;

        while (at < end) {
                const char *newline = memchr(at, '\n', (size_t)(end - at));
                size_t length = (size_t)((newline ? newline : end) - at);

                check_line(&check, at, length);
                at += length + 1;
        }
        chain_check_done(&check);
        return 0;
}

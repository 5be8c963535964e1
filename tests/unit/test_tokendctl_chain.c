/* SPDX-License-Identifier: MPL-2.0 */
/* Every kind of tampering with an audit file, and what the check says of it. */
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "client/tokendctl/chain.h"
#include "tests/unit/suite.h"

enum {
        N_LINES = 8,
        LINE_SIZE = 1024
};

/* Record 6 is a head that signs record 4. */
struct file {
        char lines[N_LINES][LINE_SIZE];
        char hashes[N_LINES][65];
};

static int sha256(const void *bytes, size_t length, unsigned char digest[static CHAIN_HASH])
{
        struct sha256_ctx context;

        sha256_init(&context);
        sha256_update(&context, length, bytes);
        sha256_digest(&context, CHAIN_HASH, digest);
        return 0;
}

static void put_line(char *line, char *hash, uint64_t seq, const char *prev, const char *members)
{
        unsigned char digest[CHAIN_HASH];
        int n = snprintf(line, LINE_SIZE, "{\"seq\":%" PRIu64 ",\"prev\":\"%s\",%s", seq, prev, members);

        sha256(line, (size_t)n, digest);
        for (int i = 0; i < 32; i++)
                (void)snprintf(hash + 2 * i, 3, "%02x", digest[i]);
        (void)snprintf(line + n, (size_t)(LINE_SIZE - n), ",\"hash\":\"%s\"}", hash);
}

static void put_file(struct file *file, const char *first)
{
        char members[512], prev[65];

        memset(prev, '0', 64);
        prev[64] = '\0';
        for (unsigned i = 0; i < N_LINES; i++) {
                if (i + 1 == 6)
                        (void)snprintf(members, sizeof(members),
                                "\"time\":\"T\",\"kind\":\"head\",\"signedSeq\":4,\"signedHash\":\"%s\","
                                "\"algorithm\":\"a\","
                                "\"key\":\"k\",\"publicKey\":\"30\",\"signature\":\"aa\"",
                                file->hashes[3]);
                else
                        (void)snprintf(
                                members, sizeof(members), "\"kind\":\"sign\",\"n\":\"%s%u\"", first, i + 1);
                put_line(file->lines[i], file->hashes[i], i + 1, prev, members);
                memcpy(prev, file->hashes[i], sizeof(prev));
        }
}

static int signature_word;
static char signed_message[128];

static int signature(void *userdata, const struct chain_head *head)
{
        (void)snprintf(signed_message, sizeof(signed_message), "%s", head->message);
        return signature_word;
}

/* Checks the lines named by number (1 to 8, as a string); the faults as "LINE:FAULT ". */
static const char *check_lines(const struct file *file, const char *order, struct chain_check *check)
{
        static char faults[256];
        uint64_t seq;

        faults[0] = '\0';
        *check = (struct chain_check){.sha256 = sha256, .signature = signature};
        for (size_t i = 0; order[i]; i++) {
                const char *line = file->lines[order[i] - '1'];
                int r = chain_check_line(check, line, strlen(line), &seq);

                if (r != CHAIN_GOOD)
                        (void)snprintf(faults + strlen(faults), sizeof(faults) - strlen(faults), "%zu:%d ",
                                i + 1, r);
        }
        chain_check_done(check);
        return faults;
}

static void test_good(void)
{
        struct chain_check check;
        char expected[128];
        struct file file;

        put_file(&file, "");
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "12345678", &check), "");
        CU_ASSERT_EQUAL(check.first_seq, 1);
        CU_ASSERT_EQUAL(check.last_seq, 8);
        CU_ASSERT_EQUAL(check.signed_seq, 4);
        CU_ASSERT_STRING_EQUAL(check.signed_time, "T");
        (void)snprintf(expected, sizeof(expected), "tokend audit head 1\nseq=4\nhash=%s\n", file.hashes[3]);
        CU_ASSERT_STRING_EQUAL(signed_message, expected);
}

static void test_part(void)
{
        struct chain_check check;
        struct file file;

        put_file(&file, "");
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "345678", &check), "");
        CU_ASSERT_EQUAL(check.first_seq, 3);
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "5678", &check), "");
        CU_ASSERT_EQUAL(check.signed_seq, 0);
}

static void test_changed(void)
{
        struct chain_check check;
        struct file file;

        put_file(&file, "");
        *strstr(file.lines[2], "sign") = 'S';
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "12345678", &check), "3:2 ");
}

static void test_rewritten(void)
{
        struct chain_check check;
        struct file file;

        put_file(&file, "");
        put_line(file.lines[2], file.hashes[2], 3, file.hashes[1], "\"kind\":\"forged\"");
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "12345678", &check), "4:3 ");
}

/* The whole of it is made anew behind the change, but the head cannot be. */
static void test_rewritten_to_the_end(void)
{
        struct chain_check check;
        struct file file, forged;
        char old_head[LINE_SIZE];

        put_file(&file, "");
        put_file(&forged, "x");
        CU_ASSERT_STRING_EQUAL(check_lines(&forged, "12345678", &check), "");
        (void)snprintf(old_head, sizeof(old_head), "%s", strstr(file.lines[5], "\"time\""));
        *strstr(old_head, ",\"hash\"") = '\0';
        put_line(forged.lines[5], forged.hashes[5], 6, forged.hashes[4], old_head);
        CU_ASSERT_STRING_EQUAL(check_lines(&forged, "123456", &check), "6:7 ");
}

static void test_missing(void)
{
        struct chain_check check;
        struct file file;

        put_file(&file, "");
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "12578", &check), "3:4 4:4 ");
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "1278", &check), "3:4 ");
        CU_ASSERT_EQUAL(check.missing_from, 3);
}

/* The records up to 3 are gone, and record 8 says so. */
static void test_removed(void)
{
        char members[256];
        struct chain_check check;
        struct file file;

        for (int right = 0; right < 2; right++) {
                put_file(&file, "");
                (void)snprintf(members, sizeof(members),
                        "\"kind\":\"removed\",\"upTo\":3,\"upToHash\":\"%s\"", file.hashes[right ? 2 : 1]);
                put_line(file.lines[7], file.hashes[7], 8, file.hashes[6], members);
                CU_ASSERT_STRING_EQUAL(check_lines(&file, "45678", &check), "");
                CU_ASSERT_EQUAL(check.first_seq, 4);
                CU_ASSERT_EQUAL(check.removed_seq, right ? 8 : 0);
                CU_ASSERT_STRING_EQUAL(check_lines(&file, "5678", &check), "");
                CU_ASSERT_EQUAL(check.removed_seq, 0);
        }
}

static void test_reordered(void)
{
        struct chain_check check;
        struct file file;

        put_file(&file, "");
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "132478", &check), "2:4 3:5 5:4 ");
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "1223", &check), "3:5 ");
}

static void test_restarted(void)
{
        struct chain_check check;
        struct file file;

        put_file(&file, "");
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "1234123", &check), "5:6 ");
}

static void test_first(void)
{
        struct chain_check check;
        struct file file;

        put_file(&file, "");
        put_line(file.lines[0], file.hashes[0], 1, file.hashes[4], "\"kind\":\"start\"");
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "1", &check), "1:3 ");
}

static void test_no_record(void)
{
        static const char *const lines[] = {
                "", "{}", "hello", "{\"seq\":0,\"prev\":\"\"}", "{\"seq\":18446744073709551616,"};
        struct chain_check check = {.sha256 = sha256};
        struct file file;
        uint64_t seq;

        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
                CU_ASSERT_EQUAL(chain_check_line(&check, lines[i], strlen(lines[i]), &seq), CHAIN_NO_RECORD);
        put_file(&file, "");
        for (size_t n = 0; n < strlen(file.lines[5]); n++)
                CU_ASSERT_EQUAL(chain_check_line(&check, file.lines[5], n, &seq), CHAIN_NO_RECORD);
        CU_ASSERT_EQUAL(check.last_seq, 0);
        chain_check_done(&check);
}

/* Of two equal members a reader of JSON shows either: what a person sees must be what is chained. */
static void test_twice(void)
{
        static const char *const members[] = {
                "\"seq\":9", "\"prev\":\"00\"", "\"hash\":\"00\",\"x\":1", "\"a\":nonsense"};
        struct chain_check check;
        struct file file;
        char zero[65];

        memset(zero, '0', 64);
        zero[64] = '\0';
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                put_line(file.lines[0], file.hashes[0], 1, zero, members[i]);
                CU_ASSERT_STRING_EQUAL(check_lines(&file, "1", &check), "1:1 ");
        }
}

static void test_heads(void)
{
        static const struct {
                const char *from, *to, *faults;
        } changes[] = {{"\"signedSeq\":4", "\"signedSeq\":5", "6:7 "},
                {"\"signedSeq\":4", "\"signedSeq\":6", "6:7 "},
                {"\"signedSeq\":4", "\"signedSeq\":0", "6:7 "},
                {"\"signedSeq\":4", "\"signedSeq\":\"4\"", "6:10 "},
                {"\"signature\":\"aa\"", "\"signature\":\"a\"", "6:10 "},
                {"\"signature\":\"aa\"", "\"signature\":\"\"", "6:10 "},
                {"\"signature\":\"aa\"", "\"signature\":\"ag\"", "6:10 "},
                {",\"signature\":\"aa\"", "", "6:10 "}, {"\"publicKey\":\"30\"", "\"publicKey\":30", "6:10 "},
                {"\"publicKey\":\"30\"", "\"publicKey\":\"\"", "6:10 "}};
        struct chain_check check;
        struct file file;

        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                char members[LINE_SIZE], *at;

                put_file(&file, "");
                (void)snprintf(members, sizeof(members), "%s", strstr(file.lines[5], "\"time\""));
                at = strstr(members, changes[i].from);
                (void)snprintf(at, sizeof(members) - (size_t)(at - members), "%s%s", changes[i].to,
                        strstr(file.lines[5], changes[i].from) + strlen(changes[i].from));
                *strstr(members, ",\"hash\"") = '\0';
                put_line(file.lines[5], file.hashes[5], 6, file.hashes[4], members);
                CU_ASSERT_STRING_EQUAL(check_lines(&file, "123456", &check), changes[i].faults);
                CU_ASSERT_EQUAL(check.signed_seq, 0);
        }
}

/* The head once more, chained as it should be: its signature is good, and says nothing new. */
static void test_repeated_head(void)
{
        struct chain_check check;
        struct file file;
        char members[LINE_SIZE];

        put_file(&file, "");
        (void)snprintf(members, sizeof(members), "%s", strstr(file.lines[5], "\"time\""));
        *strstr(members, ",\"hash\"") = '\0';
        put_line(file.lines[6], file.hashes[6], 7, file.hashes[5], members);
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "1234567", &check), "7:11 ");
        CU_ASSERT_EQUAL(check.n_heads, 1);
}

static void test_signatures(void)
{
        struct chain_check check;
        struct file file;

        put_file(&file, "");
        signature_word = CHAIN_BAD_SIGNATURE;
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "12345678", &check), "6:9 ");
        CU_ASSERT_EQUAL(check.signed_seq, 0);
        signature_word = CHAIN_OTHER_KEY;
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "12345678", &check), "6:8 ");
        signature_word = -1;
        CU_ASSERT_STRING_EQUAL(check_lines(&file, "123456", &check), "6:-1 ");
        signature_word = CHAIN_GOOD;
}

static void test_long(void)
{
        struct chain_check check = {.sha256 = sha256};
        char line[LINE_SIZE], hash[65], signed_hash[65] = "", members[512];
        uint64_t seq;

        memset(hash, '0', 64);
        hash[64] = '\0';
        for (unsigned i = 1; i <= 5000; i++) {
                char prev[65];

                memcpy(prev, hash, sizeof(prev));
                (void)snprintf(members, sizeof(members), "\"n\":%u", i);
                if (i == 5000)
                        (void)snprintf(members, sizeof(members),
                                "\"time\":\"T\",\"kind\":\"head\",\"signedSeq\":3,\"signedHash\":\"%s\","
                                "\"algorithm\":\"a\","
                                "\"key\":\"k\",\"publicKey\":\"30\",\"signature\":\"aa\"",
                                signed_hash);
                put_line(line, hash, i, prev, members);
                if (i == 3)
                        memcpy(signed_hash, hash, sizeof(hash));
                CU_ASSERT_EQUAL_FATAL(chain_check_line(&check, line, strlen(line), &seq), CHAIN_GOOD);
        }
        CU_ASSERT_EQUAL(check.signed_seq, 3);
        chain_check_done(&check);
}

SUITE(tokendctl_chain, {"a chain that nobody touched is good", test_good},
        {"a part of a chain is good, without the heads that sign what is not there", test_part},
        {"a record that was changed is named", test_changed},
        {"a record that was replaced with a hash that fits shows in the next", test_rewritten},
        {"a chain made anew to its end shows at the signed head", test_rewritten_to_the_end},
        {"records that are missing are named", test_missing},
        {"what a record says to be removed ends where the rest begins", test_removed},
        {"records that change places or stand twice are named", test_reordered},
        {"a second chain is not taken for the first", test_restarted},
        {"the first record of all follows nothing", test_first},
        {"a line that is not a record, or is cut anywhere, is found", test_no_record},
        {"a member that stands twice does not deceive", test_twice},
        {"a head that does not fit the chain is named", test_heads},
        {"a head that signs nothing new is named", test_repeated_head},
        {"a bad signature, another key, and no answer are told apart", test_signatures},
        {"a head may sign a record from thousands before", test_long});

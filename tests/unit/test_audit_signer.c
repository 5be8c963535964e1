/* SPDX-License-Identifier: MPL-2.0 */
/* When the head is signed, and the keeping of records over times when nothing can be written. Time is an argument. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/audit/keeper.h"
#include "daemon/audit/signer.h"
#include "daemon/channel/wire.h"
#include "tests/unit/suite.h"

enum {
        INTERVAL = 1000,
        START = 50
};

static struct signer signer_new(void)
{
        struct signer signer = {0};

        signer_set_interval(&signer, INTERVAL, START);
        return signer;
}

static int answer(struct signer *signer, uint64_t seq, bool ok, const char **reason)
{
        struct message_head_signed message = {.seq = seq,
                .ok = ok,
                .algorithm = 1,
                .key = "k",
                .spki = wire_bytes("0", 1),
                .signature = wire_bytes("s", 1),
                .reason = ok ? "" : "busy"};
        char text[LIMIT_AUDIT_RECORD + 1];
        size_t length;

        return signer_take(signer, &message, START + INTERVAL, text, &length, reason);
}

static void test_when(void)
{
        struct chain chain = {.seq = 9};
        struct signer signer = signer_new();

        CU_ASSERT_EQUAL(signer_next(&signer, &chain, true), START + INTERVAL);
        CU_ASSERT_EQUAL(signer_next(&signer, &chain, false), USEC_NEVER);
        signer_step(&signer, &chain, true, START + INTERVAL - 1);
        CU_ASSERT_FALSE(signer.owed);
        signer_step(&signer, &chain, false, START + INTERVAL);
        CU_ASSERT_FALSE(signer.owed);
        signer_step(&signer, &chain, true, START + INTERVAL);
        CU_ASSERT(signer.owed);
        CU_ASSERT_EQUAL(signer.head.seq, 9);
}

static void test_nothing_new(void)
{
        struct chain chain = {.seq = 9};
        struct signer signer = signer_new();
        const char *reason;

        signer_step(&signer, &chain, true, START + INTERVAL);
        CU_ASSERT_EQUAL(answer(&signer, 9, true, &reason), 0);
        signer_done(&signer);
        chain.seq = 10;
        CU_ASSERT_EQUAL(signer_next(&signer, &chain, true), USEC_NEVER);
        signer_step(&signer, &chain, true, UINT64_MAX - 1);
        CU_ASSERT_FALSE(signer.owed);
        chain.seq = 11;
        CU_ASSERT_EQUAL(signer_next(&signer, &chain, true), START + 2 * INTERVAL);
}

static void test_not_ours(void)
{
        struct chain chain = {.seq = 9};
        struct signer signer = signer_new();
        const char *reason;

        CU_ASSERT_EQUAL(answer(&signer, 0, true, &reason), 1);
        signer_ask(&signer, &chain, START);
        CU_ASSERT_EQUAL(answer(&signer, 8, true, &reason), 1);
        signer_forget(&signer);
        CU_ASSERT_EQUAL(answer(&signer, 9, true, &reason), 1);
        CU_ASSERT_EQUAL(signer.signed_seq, 0);
}

static void test_refused(void)
{
        struct chain chain = {.seq = 9};
        struct signer signer = signer_new();
        const char *reason = NULL;

        signer_ask(&signer, &chain, START);
        CU_ASSERT_EQUAL(answer(&signer, 9, false, &reason), 2);
        CU_ASSERT_STRING_EQUAL(reason, "busy");
        CU_ASSERT_EQUAL(signer_next(&signer, &chain, true), START + 2 * INTERVAL);
}

static void test_silence(void)
{
        struct chain chain = {.seq = 9};
        struct signer signer = signer_new();
        uint64_t until;

        signer_ask(&signer, &chain, START);
        until = signer_next(&signer, &chain, true);
        CU_ASSERT(until > START && until != USEC_NEVER);
        signer_step(&signer, &chain, true, until);
        CU_ASSERT_EQUAL(signer.until_usec, 0);
        CU_ASSERT_EQUAL(signer_next(&signer, &chain, true), until + INTERVAL);
}

struct place {
        char directory[32], later[64], path[96];
};

static void place_new(struct place *place)
{
        strcpy(place->directory, "/tmp/tokend-keeper-XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(place->directory));
        (void)snprintf(place->later, sizeof(place->later), "%s/later", place->directory);
        (void)snprintf(place->path, sizeof(place->path), "%s/log", place->later);
}

static void place_done(const struct place *place)
{
        unlink(place->path);
        rmdir(place->later);
        CU_ASSERT_EQUAL(rmdir(place->directory), 0);
}

static void test_backlog(void)
{
        static char big[LIMIT_AUDIT_RECORD];
        struct keeper keeper;
        struct place place;
        uint64_t n = 0;

        place_new(&place);
        CU_ASSERT_EQUAL_FATAL(keeper_init(&keeper, place.path, NULL), 0);
        memset(big, 'x', sizeof(big));
        memcpy(big, "{\"a\":\"", 6);
        memcpy(big + sizeof(big) - 2, "\"}", 2);
        keeper_add(&keeper, "{\"a\":1}", 7);
        CU_ASSERT_FALSE(keeper_commit(&keeper, START));
        CU_ASSERT_STRING_EQUAL(keeper.reason, "No such file or directory");
        while (keeper.lost_now < 3) {
                CU_ASSERT(keeper_has_room(&keeper));
                keeper_add(&keeper, big, sizeof(big));
                n++;
        }
        CU_ASSERT_EQUAL(keeper.batch.n, 1 + n - 3);
        CU_ASSERT_EQUAL_FATAL(mkdir(place.later, 0700), 0);
        /* Not before its time, so that a full disk is not written to a thousand times a second. */
        CU_ASSERT_FALSE(keeper_commit(&keeper, START + KEEPER_RETRY_USEC - 1));
        CU_ASSERT(keeper_commit(&keeper, START + KEEPER_RETRY_USEC));
        CU_ASSERT(keeper.ok);
        CU_ASSERT_EQUAL(keeper.batch.n, 0);
        CU_ASSERT_EQUAL(keeper.lost, 3);
        /* start, audit-back, and the records. */
        CU_ASSERT_EQUAL(file_chain(keeper.file)->seq, 2 + 1 + n - 3);
        CU_ASSERT(keeper_commit(&keeper, START + KEEPER_RETRY_USEC));
        CU_ASSERT_EQUAL(file_chain(keeper.file)->seq, 2 + 1 + n - 3);
        keeper_done(&keeper);
        place_done(&place);
}

static void test_room(void)
{
        struct keeper keeper;
        struct place place;
        unsigned n = 0;

        place_new(&place);
        CU_ASSERT_EQUAL_FATAL(mkdir(place.later, 0700), 0);
        CU_ASSERT_EQUAL_FATAL(keeper_init(&keeper, place.path, NULL), 0);
        for (; keeper_has_room(&keeper); n++)
                keeper_add(&keeper, "{\"a\":1}", 7);
        CU_ASSERT(n >= 1000);
        CU_ASSERT_EQUAL(keeper.batch.n, n);
        CU_ASSERT(keeper_commit(&keeper, START));
        CU_ASSERT(keeper_has_room(&keeper));
        CU_ASSERT_EQUAL(file_chain(keeper.file)->seq, n + 1);
        CU_ASSERT_EQUAL(keeper.lost, 0);
        keeper_done(&keeper);
        place_done(&place);
}

static void test_paths(void)
{
        static const char *const bad[] = {"", "log", "a/log", "/", "/var/log/"};
        struct keeper keeper;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                CU_ASSERT_EQUAL(keeper_init(&keeper, bad[i], NULL), -EINVAL);
}

SUITE(audit_signer, {"the head is signed when the interval is over and there is somebody to ask", test_when},
        {"the head is not signed again for its own record", test_nothing_new},
        {"an answer that nobody waits for is dropped", test_not_ours},
        {"a signature that was refused is asked for again", test_refused},
        {"one that does not come is given up, and asked for again", test_silence},
        {"a backlog is bounded, counted, and written as soon as it can be", test_backlog},
        {"one group is bounded, and takes at least a thousand", test_room},
        {"what is no path of a file is refused", test_paths});

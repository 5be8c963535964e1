/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker remembers of keys that fail, and when it takes the device for lost. */
#include "daemon/broker/token/verdict.h"

#include <stdio.h>
#include <string.h>

#include "daemon/util/algorithm.h"
#include "tests/unit/suite.h"

/* As in PKCS #11, whose header the broker does not have. */
#define CKR_GENERAL_ERROR     0x005U
#define CKR_FUNCTION_FAILED   0x006U
#define CKR_DEVICE_ERROR      0x030U
#define CKR_SESSION_COUNT     0x0b1U
#define CKR_FUNCTION_REJECTED 0x200U

#define NOW (1000 * USEC_PER_SEC)

static struct token token;

static struct entry *key_new(unsigned number)
{
        char nickname[16], id[16];
        struct entry *entry = NULL;
        int length = snprintf(id, sizeof(id), "%u", number);
        struct message_entry message = {.number = number,
                .kind = OBJECT_KEY,
                .nickname = nickname,
                .id = wire_bytes(id, (size_t)length),
                .key_type = KEY_EC,
                .size = 256,
                .usage = USAGE_SIGN,
                .subject = "",
                .issuer = "",
                .serial = ""};

        snprintf(nickname, sizeof(nickname), "k%u", number);
        CU_ASSERT_EQUAL_FATAL(entry_new("hsm", &message, &entry), 0);
        return entry;
}

static struct op signing(struct entry *key, uint64_t ckr)
{
        struct op op = {.kind = MESSAGE_TYPE_SIGN, .entry = key, .token = &token, .at = &token, .ckr = ckr};

        op.input.sign.algorithm = (uint8_t)algorithm_default(KEY_EC, 256);
        return op;
}

static void begin(void)
{
        token = (struct token){.name = (char *)(uintptr_t) "hsm"};
}

/* n failures of that key, each at the time; how often the device seemed lost. */
static unsigned fail(struct entry *key, enum op_end end, uint64_t ckr, unsigned n, uint64_t at)
{
        struct op op = signing(key, ckr);
        unsigned lost = 0;

        for (unsigned i = 0; i < n; i++)
                lost += verdict_learn(&token, &op, end, at);
        return lost;
}

static bool stands(struct entry *key, uint64_t at)
{
        struct op op = signing(key, 0);
        enum op_end end;

        return verdict_stands(&token, &op, at, &end);
}

/* Whether it may be sent. */
static bool passes(struct entry *key, uint64_t at)
{
        struct op op = signing(key, 0);
        enum op_end end;

        return !verdict_refuses(&token, &op, at, &end);
}

static void test_of_a_key(void)
{
        struct entry *bad = key_new(1), *good = key_new(2);
        struct op op = signing(bad, 0);
        enum op_end end = END_OK;

        begin();
        (void)fail(bad, END_CKR, CKR_GENERAL_ERROR, 2, NOW);
        CU_ASSERT_FALSE(stands(bad, NOW));
        (void)fail(bad, END_CKR, CKR_GENERAL_ERROR, 1, NOW);
        CU_ASSERT_FALSE(stands(good, NOW));
        CU_ASSERT_TRUE(verdict_stands(&token, &op, NOW, &end));
        CU_ASSERT_EQUAL(end, END_CKR);
        CU_ASSERT_EQUAL(op.ckr, CKR_GENERAL_ERROR);
        /* With another algorithm it may sign. */
        op.input.sign.algorithm++;
        CU_ASSERT_FALSE(verdict_stands(&token, &op, NOW, &end));
        /* One tries when its time is over, and the others wait for what it finds. */
        CU_ASSERT_FALSE(stands(bad, NOW + 100 * USEC_PER_MSEC));
        CU_ASSERT_TRUE(passes(bad, NOW + 100 * USEC_PER_MSEC));
        CU_ASSERT_FALSE(passes(bad, NOW + 100 * USEC_PER_MSEC));
        (void)fail(bad, END_CKR, CKR_GENERAL_ERROR, 1, NOW + 110 * USEC_PER_MSEC);
        CU_ASSERT_TRUE(stands(bad, NOW + 300 * USEC_PER_MSEC));
        CU_ASSERT_FALSE(stands(bad, NOW + 310 * USEC_PER_MSEC));
        (void)fail(bad, END_OK, 0, 1, NOW);
        CU_ASSERT_TRUE(passes(bad, NOW));
        CU_ASSERT_EQUAL(bad->refs, 1);
        entry_unref(bad);
        entry_unref(good);
}

static void test_waits(void)
{
        struct entry *bad = key_new(1);
        uint64_t at = NOW;

        begin();
        (void)fail(bad, END_CKR, CKR_FUNCTION_FAILED, 3, at);
        /* However often it fails, it is tried again within 30 s. What was under way when the verdict was made is no news. */
        for (unsigned i = 0; i < 20; i++) {
                (void)fail(bad, END_CKR, CKR_FUNCTION_FAILED, 5, at);
                at += 30 * USEC_PER_SEC;
                CU_ASSERT_TRUE(passes(bad, at));
                (void)fail(bad, END_CKR, CKR_FUNCTION_FAILED, 1, at);
        }
        /* What the request itself is told, and what passes, makes no verdict. */
        verdict_forget(&token);
        (void)fail(bad, END_CKR, CKR_FUNCTION_REJECTED, 9, at);
        (void)fail(bad, END_CKR, CKR_SESSION_COUNT, 9, at);
        CU_ASSERT_TRUE(passes(bad, at));
        entry_unref(bad);
}

static void test_of_deaths(void)
{
        struct entry *bad = key_new(1);
        struct op op = signing(bad, 0);
        enum op_end end = END_OK;

        begin();
        (void)fail(bad, END_WORKER_LOST, 0, 1, NOW);
        CU_ASSERT_FALSE(stands(bad, NOW));
        (void)fail(bad, END_WORKER_LOST, 0, 1, NOW);
        CU_ASSERT_TRUE(verdict_stands(&token, &op, NOW, &end));
        CU_ASSERT_EQUAL(end, END_WORKER_LOST);
        /* A new worker says nothing about it, as it does of an error. */
        verdict_renew(&token);
        CU_ASSERT_TRUE(stands(bad, NOW + USEC_PER_SEC));
        CU_ASSERT_FALSE(stands(bad, NOW + 2 * USEC_PER_SEC));
        verdict_forget(&token);
        (void)fail(bad, END_CKR, CKR_DEVICE_ERROR, 9, NOW);
        verdict_renew(&token);
        CU_ASSERT_FALSE(stands(bad, NOW));
        verdict_forget(&token);
        entry_unref(bad);
}

/* Operations that sign nothing, and sealed keys. A death each: two make a verdict. */
static void test_of_operations(void)
{
        struct entry *bad = key_new(1);
        struct op ops[] = {{.kind = MESSAGE_TYPE_DECRYPT, .entry = bad, .key = "hsm:k1"},
                {.kind = MESSAGE_TYPE_DECRYPT, .entry = bad, .key = "hsm:k1", .input.decrypt.decryption = 1},
                {.kind = MESSAGE_TYPE_DERIVE, .entry = bad, .key = "hsm:k1"},
                {.kind = MESSAGE_TYPE_CIPHER, .key = "sealed:00"},
                {.kind = MESSAGE_TYPE_CIPHER, .key = "sealed:01"},
                {.kind = MESSAGE_TYPE_SIGN_SEALED, .key = "sealed:00"},
                {.kind = MESSAGE_TYPE_UNWRAP, .key = "sealed:00"},
                {.kind = MESSAGE_TYPE_WRAP, .entry = bad, .key = "hsm:k1", .sealed = "00"},
                {.kind = MESSAGE_TYPE_WRAP, .key = "", .sealed = "00"},
                {.kind = MESSAGE_TYPE_SECRET_DERIVE, .key = "sealed:00", .sealed = "01"},
                /* Nobody's. */
                {.kind = MESSAGE_TYPE_SEALED_GENERATE, .key = ""}, {.kind = MESSAGE_TYPE_RANDOM}};
        enum op_end end = END_OK;

        begin();
        for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
                ops[i].token = ops[i].at = &token;
        for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
                bool blamed = i + 2 < ARRAY_SIZE(ops);

                for (size_t k = 0; k < 2; k++)
                        (void)verdict_learn(&token, &ops[i], END_WORKER_LOST, NOW);
                /* Of that one and of no other. */
                for (size_t k = 0; k < ARRAY_SIZE(ops); k++)
                        CU_ASSERT_EQUAL(verdict_stands(&token, &ops[k], NOW, &end), blamed && k == i);
                CU_ASSERT_EQUAL(end, blamed ? END_WORKER_LOST : END_OK);
                end = END_OK;
                (void)verdict_learn(&token, &ops[i], END_OK, NOW);
                CU_ASSERT_FALSE(verdict_stands(&token, &ops[i], NOW, &end));
        }
        CU_ASSERT_EQUAL(bad->refs, 1);
        entry_unref(bad);
}

static void test_limit(void)
{
        struct entry *keys[LIMIT_VERDICTS + 1];

        begin();
        for (unsigned i = 0; i <= LIMIT_VERDICTS; i++) {
                keys[i] = key_new(i + 1);
                (void)fail(keys[i], END_CKR, CKR_GENERAL_ERROR, 3, NOW + i);
        }
        CU_ASSERT_FALSE(stands(keys[0], NOW + LIMIT_VERDICTS));
        for (unsigned i = 1; i <= LIMIT_VERDICTS; i++)
                CU_ASSERT_TRUE(stands(keys[i], NOW + LIMIT_VERDICTS));
        verdict_forget(&token);
        for (unsigned i = 0; i <= LIMIT_VERDICTS; i++) {
                CU_ASSERT_EQUAL(keys[i]->refs, 1);
                entry_unref(keys[i]);
        }
}

static void test_of_the_device(void)
{
        struct entry *a = key_new(1), *b = key_new(2);
        struct op refresh = {
                .kind = MESSAGE_TYPE_REFRESH, .token = &token, .at = &token, .ckr = CKR_DEVICE_ERROR};

        begin();
        /* One key is not enough. */
        CU_ASSERT_EQUAL(fail(a, END_CKR, CKR_DEVICE_ERROR, 50, NOW), 0);
        CU_ASSERT_EQUAL(fail(b, END_CKR, CKR_DEVICE_ERROR, 1, NOW), 1);
        /* A worker that was just replaced for it is not replaced again at once. */
        CU_ASSERT_EQUAL(
                fail(a, END_CKR, CKR_DEVICE_ERROR, 2, NOW) + fail(b, END_CKR, CKR_DEVICE_ERROR, 9, NOW), 0);
        CU_ASSERT_EQUAL(fail(a, END_CKR, CKR_DEVICE_ERROR, 1, NOW + USEC_PER_SEC), 1);
        /* A success between says that the device is there. */
        (void)fail(a, END_OK, 0, 1, NOW);
        CU_ASSERT_EQUAL(fail(a, END_CKR, CKR_DEVICE_ERROR, 2, NOW), 0);
        (void)fail(b, END_OK, 0, 1, NOW);
        CU_ASSERT_EQUAL(fail(b, END_CKR, CKR_DEVICE_ERROR, 2, NOW), 0);
        /* The token as a whole is a subject as well. */
        CU_ASSERT_TRUE(verdict_learn(&token, &refresh, END_CKR, NOW));
        verdict_forget(&token);
        entry_unref(a);
        entry_unref(b);
}

static void test_of_the_only_key(void)
{
        struct entry *only = key_new(1);

        begin();
        CU_ASSERT_EQUAL(fail(only, END_CKR, CKR_DEVICE_ERROR, 9, NOW), 0);
        CU_ASSERT_EQUAL(fail(only, END_CKR, CKR_DEVICE_ERROR, 1, NOW + 5 * USEC_PER_SEC), 1);
        verdict_forget(&token);
        entry_unref(only);
}

SUITE(broker_verdict,
        {"a key that fails again and again is answered at once, and tried now and then", test_of_a_key},
        {"it is tried again within 30 s, and only errors of the token make a verdict", test_waits},
        {"a key that ends workers is remembered over these", test_of_deaths},
        {"what decrypts, derives, wraps or ciphers is told apart, and so are sealed keys",
                test_of_operations},
        {"LIMIT_VERDICTS keys are remembered", test_limit},
        {"errors of two subjects without a success between are the device's", test_of_the_device},
        {"where one key is used, errors that go on are the device's", test_of_the_only_key});

/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/broker/model/account: what one user may take, beside others, and how his denials are recorded. */
#include "daemon/broker/model/account.h"

#include "daemon/util/macros.h"
#include "proto/limits.h"
#include "tests/unit/suite.h"

#define MANY 40U

static void test_share(void)
{
        struct accounts accounts;
        struct account *account[MANY];

        accounts_init(&accounts);
        accounts.max_bytes = 1000;
        for (uid_t uid = 0; uid < MANY; uid++) {
                account[uid] = account_of(&accounts, uid);
                CU_ASSERT_PTR_NOT_NULL_FATAL(account[uid]);
                /* Each takes all that it may have, byte by byte. */
                do
                        account_charge(account[uid], 0, 1);
                while (!account_is_over(account[uid], false));
                CU_ASSERT_TRUE(accounts.bytes <= accounts.max_bytes + MANY);
        }
        /* The first has half of what there was; since others came it is over. */
        CU_ASSERT_EQUAL(account[0]->bytes, 501);
        CU_ASSERT_TRUE(account_is_over(account[0], false));
        for (uid_t uid = 0; uid < MANY; uid++) {
                account_charge(account[uid], account[uid]->bytes, 0);
                account_unref(account[uid]);
        }
        CU_ASSERT_EQUAL(accounts.bytes, 0);
        CU_ASSERT_TRUE(link_is_empty(&accounts.list));
}

static void test_stranger(void)
{
        struct accounts accounts;
        struct account *account;

        accounts_init(&accounts);
        accounts.max_bytes = SIZE_MAX / 4;
        account = account_of(&accounts, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(account);
        account_charge(account, 0, LIMIT_STRANGER_BYTES);
        CU_ASSERT_FALSE(account_is_over(account, true));
        account_charge(account, 0, 1);
        CU_ASSERT_TRUE(account_is_over(account, true));
        CU_ASSERT_FALSE(account_is_over(account, false));
        account_unref(account);
}

static void test_same(void)
{
        struct accounts accounts;
        struct account *one, *other;

        accounts_init(&accounts);
        one = account_of(&accounts, 7);
        other = account_of(&accounts, 8);
        CU_ASSERT_PTR_EQUAL(account_of(&accounts, 7), one);
        CU_ASSERT_PTR_NOT_EQUAL(one, other);
        account_unref(one);
        account_unref(one);
        account_unref(other);
        account_unref(NULL);
        CU_ASSERT_TRUE(link_is_empty(&accounts.list));
}

static void test_denials(void)
{
        struct accounts accounts;
        struct account *account;
        uint64_t now = USEC_PER_SEC;

        accounts_init(&accounts);
        account = account_of(&accounts, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(account);
        for (unsigned i = 0; i < LIMIT_DENIALS; i++)
                CU_ASSERT_TRUE(account_records_denial(account, now + i));
        CU_ASSERT_EQUAL(account_denials_due_usec(account), USEC_NEVER);
        for (unsigned i = 0; i < 5; i++)
                CU_ASSERT_FALSE(account_records_denial(account, now + USEC_PER_SEC));
        CU_ASSERT_EQUAL(account_denials_due_usec(account), now + 10 * USEC_PER_SEC);
        /* Its caller has gone; its number is not lost. */
        account_unref(account);
        CU_ASSERT_FALSE(link_is_empty(&accounts.list));
        CU_ASSERT_EQUAL(account_take_denials(account), 5);
        CU_ASSERT_TRUE(link_is_empty(&accounts.list));
}

static void test_time(void)
{
        struct accounts accounts;
        struct account *account;
        uint64_t now = 1000 * USEC_PER_SEC;

        accounts_init(&accounts);
        account = account_of(&accounts, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(account);
        /* A tenth of the time is nobody's loss. */
        for (unsigned i = 0; i < 10000; i++, now += 100)
                account_spend(account, now, 10);
        CU_ASSERT_FALSE(account_is_behind(account, now));
        CU_ASSERT_EQUAL(account->busy_usec, 100000);
        /* Half of it is too much, and is paid back when it stops. */
        for (unsigned i = 0; i < 10000; i++, now += 100)
                account_spend(account, now, 50);
        CU_ASSERT_TRUE(account_is_behind(account, now));
        CU_ASSERT_FALSE(account_is_behind(account, now + USEC_PER_SEC));
        CU_ASSERT_FALSE(account_is_behind(NULL, now));
        account_spend(NULL, now, 1);
        account_unref(account);
}

SUITE(broker_account, {"who takes much time comes behind others until it is paid back", test_time},

        {"each user may have as much as is left to all others, and there is always something left",
                test_share},
        {"LIMIT_STRANGER_BYTES: a caller of no instance has its own bound", test_stranger},
        {"one user has one account", test_same},
        {"LIMIT_DENIALS: so many denials are recorded in full, the others as one number", test_denials});

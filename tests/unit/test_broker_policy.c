/* SPDX-License-Identifier: MPL-2.0 */
/* Who a caller is, what it sees, and what its names mean. */
#include "daemon/broker/model/name.h"
#include "daemon/broker/model/policy.h"

#include <string.h>

#include "daemon/util/unnamed.h"
#include "proto/remedy.h"
#include "tests/unit/suite.h"

static struct config *config_of(const char *text)
{
        struct config *config = NULL;

        CU_ASSERT_EQUAL_FATAL(config_parse("test", text, strlen(text), NULL, NULL, &config), 0);
        return config;
}

#define TOKENS                                                                                               \
        "[Token hsm]\nModule=/m.so\n[Token soft]\nModule=/n.so\n[Token "                                     \
        "acc]\nModule=/o.so\nRole=accelerator\n"

static void test_nothing_configured(void)
{
        struct config *config = config_of(TOKENS);
        struct caller root = {.uid = 0}, own = {.uid = 7}, other = {.uid = 8};

        CU_ASSERT_PTR_EQUAL(policy_match(config, &root, 7), &policy_default_instance);
        CU_ASSERT_PTR_EQUAL(policy_match(config, &own, 7), &policy_default_instance);
        CU_ASSERT_PTR_NULL(policy_match(config, &other, 7));
        CU_ASSERT_TRUE(policy_sees_token(&policy_default_instance, config->tokens[1]));
        CU_ASSERT_FALSE(policy_sees_token(&policy_default_instance, config->tokens[2]));
        CU_ASSERT_STRING_EQUAL(policy_own_token(config, &policy_default_instance)->name, "hsm");
        config_free(config);
}

static void test_first_match(void)
{
        struct config *config = config_of(
                TOKENS "[Instance u]\nUnit=x.service\nKeys=*\n[Instance a]\nUser=5\nGroup=9\nKeys=*\n"
                       "[Instance b]\nUser=5\nKeys=*\n");
        gid_t groups[] = {3, 9};
        struct caller plain = {.uid = 5, .gid = 1},
                      member = {.uid = 5, .gid = 1, .groups = groups, .n_groups = 2}, root = {.uid = 0},
                      unit = {.uid = 4, .unit = "x.service"};

        CU_ASSERT_STRING_EQUAL(policy_match(config, &plain, 7)->name, "b");
        CU_ASSERT_STRING_EQUAL(policy_match(config, &member, 7)->name, "a");
        CU_ASSERT_STRING_EQUAL(policy_match(config, &unit, 7)->name, "u");
        CU_ASSERT_PTR_NULL(policy_match(config, &root, 0));
        config_free(config);
}

static void test_nearest(void)
{
        struct config *none = config_of(TOKENS);
        struct config *config = config_of(TOKENS
                "[Instance a]\nUser=5\nGroup=9\nKeys=*\n[Instance b]\nUser=6\nUnit=x.service\nKeys=*\n");
        gid_t groups[] = {9};
        struct caller grouped = {.uid = 4, .gid = 1, .groups = groups, .n_groups = 1},
                      alone = {.uid = 5, .gid = 1}, shell = {.uid = 6, .gid = 1, .unit = "session-1.scope"},
                      unknown = {.uid = 6, .gid = 1};
        const char *key = NULL;

        CU_ASSERT_PTR_NULL(policy_nearest(none, &alone, &key));
        CU_ASSERT_PTR_NULL(key);
        CU_ASSERT_STRING_EQUAL(policy_nearest(config, &alone, &key)->name, "a");
        CU_ASSERT_STRING_EQUAL(key, "Group=");
        CU_ASSERT_STRING_EQUAL(policy_nearest(config, &grouped, &key)->name, "a");
        CU_ASSERT_STRING_EQUAL(key, "User=");
        CU_ASSERT_STRING_EQUAL(policy_nearest(config, &shell, &key)->name, "b");
        CU_ASSERT_STRING_EQUAL(key, "Unit=");
        CU_ASSERT_STRING_EQUAL(policy_nearest(config, &unknown, &key)->name, "b");
        CU_ASSERT_STRING_EQUAL(key, "Unit=");
        config_free(none);
        config_free(config);
}

static void test_denial(void)
{
        const struct config_instance instance = {.allow = RIGHT_LIST | RIGHT_SIGN};

        CU_ASSERT_EQUAL(policy_denies(NULL, RIGHT_LIST), DENIAL_NO_INSTANCE);
        CU_ASSERT_EQUAL(policy_denies(&instance, RIGHT_SIGN), DENIAL_NONE);
        CU_ASSERT_EQUAL(policy_denies(&instance, RIGHT_DELETE), DENIAL_NOT_ALLOWED);
        for (int i = DENIAL_NONE + 1; i < DENIAL_MAX_; i++)
                CU_ASSERT_PTR_NOT_NULL(remedy_find(denial_word((enum denial)i)));
}

static void test_sight(void)
{
        struct config *config =
                config_of(TOKENS "[Instance a]\nUser=5\nToken=hsm\nOtherTokens=acc\nKeys=\"ca *\" one\n");
        const struct config_instance *a = config->instances[0];

        CU_ASSERT_TRUE(policy_sees_token(a, config->tokens[0]));
        CU_ASSERT_FALSE(policy_sees_token(a, config->tokens[1]));
        CU_ASSERT_FALSE(policy_sees_token(a, config->tokens[2]));
        CU_ASSERT_TRUE(policy_sees_nickname(a, "ca signing"));
        CU_ASSERT_TRUE(policy_sees_nickname(a, "one"));
        CU_ASSERT_FALSE(policy_sees_nickname(a, "ones"));
        CU_ASSERT_FALSE(policy_sees_nickname(a, ""));
        CU_ASSERT_TRUE(policy_sees_nickname(&policy_default_instance, ""));
        config_free(config);
}

static void test_names(void)
{
        struct config *config = config_of(TOKENS);
        struct name name;

        CU_ASSERT_EQUAL(name_parse("soft:a:b", config, &name), 0);
        CU_ASSERT_PTR_EQUAL(name.token, config->tokens[1]);
        CU_ASSERT_STRING_EQUAL(name.nickname, "a:b");
        name_done(&name);
        CU_ASSERT_EQUAL(name_parse("sof:a", config, &name), 0);
        CU_ASSERT_PTR_NULL(name.token);
        CU_ASSERT_STRING_EQUAL(name.nickname, "sof:a");
        name_done(&name);
        CU_ASSERT_EQUAL(name_parse("pkcs11:token=t%", config, &name), 1);
        CU_ASSERT_EQUAL(name_parse("pkcs11:token=lab;id=%01%02", config, &name), 0);
        CU_ASSERT_TRUE(name_may_mean(&name, NULL));
        CU_ASSERT_TRUE(name_may_mean(&name, "pkcs11:token=lab;slot-id=1"));
        CU_ASSERT_FALSE(name_may_mean(&name, "pkcs11:token=labs"));
        name_done(&name);
        config_free(config);
}

static bool means(const char *text, const struct entry *entry)
{
        struct name name;
        bool does;

        CU_ASSERT_EQUAL_FATAL(name_parse(text, NULL, &name), 0);
        does = name_matches_entry(&name, entry);
        name_done(&name);
        return does;
}

static void test_objects(void)
{
        struct entry_name names[] = {{.text = "k"}, {.text = "other"}}, none = {.text = ""};
        const struct entry labelled = {
                .names = names, .n_names = 2, .id = (const unsigned char *)"\1", .id_length = 1};
        const struct entry bare = {
                .names = &none, .n_names = 1, .id = (const unsigned char *)"\1", .id_length = 1};
        const struct entry no_id = {.names = names, .n_names = 1};

        CU_ASSERT_TRUE(means("pkcs11:object=k%00;id=%01", &labelled));
        CU_ASSERT_TRUE(means("pkcs11:object=other", &labelled));
        CU_ASSERT_TRUE(means("other", &labelled));
        CU_ASSERT_FALSE(means("another", &labelled));
        CU_ASSERT_FALSE(means("pkcs11:object=k;id=", &labelled));
        CU_ASSERT_FALSE(means("pkcs11:object=;id=%01", &labelled));
        CU_ASSERT_TRUE(means("pkcs11:object=;id=%01", &bare));
        /* The label is none that can be a nickname. */
        CU_ASSERT_TRUE(means("pkcs11:object=Pr%FCf;id=%01", &bare));
        CU_ASSERT_FALSE(means("pkcs11:object=Pr%FCf", &bare));
        CU_ASSERT_FALSE(means("pkcs11:object=", &bare));
        CU_ASSERT_TRUE(means("pkcs11:object=k;id=", &no_id));
        CU_ASSERT_FALSE(means("pkcs11:object=k;id=%01", &no_id));
}

static void test_unnamed(void)
{
        static char any[] = "*", ca_keys[] = "ca*", ca_name[] = "ca", eve_name[] = "eve",
                    *all[] = {any, NULL}, *some[] = {ca_keys, NULL};
        const struct config_instance ca = {.name = ca_name, .keys = some},
                                     eve = {.name = eve_name, .keys = all};
        char name[UNNAMED_SIZE], longest[65];

        unnamed_nickname("ca", "\1\2\3\4\5\6\7\xff\x10", 9, name);
        CU_ASSERT_STRING_EQUAL(name, "unnamed ca 01020304050607ff");
        CU_ASSERT_TRUE(policy_sees_nickname(&ca, name));
        CU_ASSERT_FALSE(policy_sees_nickname(&eve, name));
        unnamed_set_id(name, "\xab\xcd", 2);
        CU_ASSERT_STRING_EQUAL(name, "unnamed ca abcd0304050607ff");
        unnamed_nickname("ca", "\1", 1, name);
        CU_ASSERT_STRING_EQUAL(name, "unnamed ca 01");
        unnamed_set_id(name, "\xab\xcd\xef", 3);
        CU_ASSERT_STRING_EQUAL(name, "unnamed ca ab");
        CU_ASSERT_FALSE(nickname_is_unnamed_of(name, "c"));
        CU_ASSERT_FALSE(nickname_is_unnamed_of(name, "caa"));
        memset(longest, 'n', 64);
        longest[64] = 0;
        unnamed_nickname(longest, "\1\2\3\4\5\6\7\10", 8, name);
        CU_ASSERT_TRUE(nickname_is_unnamed_of(name, longest));
        CU_ASSERT_FALSE(nickname_is_unnamed("unnamed"));
        CU_ASSERT_FALSE(nickname_is_unnamed("unnamed "));
        CU_ASSERT_FALSE(nickname_is_unnamed("unnamed  01"));
        CU_ASSERT_FALSE(nickname_is_unnamed("unnamed ca"));
        CU_ASSERT_FALSE(nickname_is_unnamed("unnamed ca 0"));
        CU_ASSERT_FALSE(nickname_is_unnamed("unnamed ca 0A"));
        CU_ASSERT_FALSE(nickname_is_unnamed("unnamed ca 00112233445566778"));
        CU_ASSERT_FALSE(nickname_is_unnamed("unnamed c a 01"));
        CU_ASSERT_FALSE(nickname_is_unnamed(""));
}

SUITE(broker_policy, {"with no instance root and the own user may everything", test_nothing_configured},
        {"the first instance that matches is the caller's", test_first_match},
        {"the nearest instance is the one of which the last key does not match", test_nearest},
        {"each denial has its word, and that a line of the table", test_denial},
        {"a caller sees its tokens and its nicknames alone", test_sight},
        {"a key that has no name yet is its maker's alone, whatever Keys= says", test_unnamed},
        {"a colon ends a token's name only where that token is configured", test_names},
        {"a URI means the object of its label and its id, also where one of them is empty", test_objects});

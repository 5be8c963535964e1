/* SPDX-License-Identifier: MPL-2.0 */
/* The directory of a token, the histogram, and the text of replies. */
#include "daemon/broker/model/directory.h"

#include <stdio.h>
#include <string.h>

#include "daemon/broker/base/histogram.h"
#include "daemon/broker/base/output.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/secret-algorithm.h"
#include "tests/unit/suite.h"

static struct message_entry key(uint64_t number, const char *nickname, const char *id)
{
        return (struct message_entry){.number = number,
                .kind = OBJECT_KEY,
                .nickname = nickname,
                .id = wire_bytes(id, strlen(id)),
                .key_type = KEY_EC,
                .size = 256,
                .usage = USAGE_SIGN | USAGE_DERIVE,
                .flags = FLAG_SENSITIVE | FLAG_LOCAL,
                .der = wire_bytes("der", 3),
                .subject = "",
                .issuer = "",
                .serial = ""};
}

static void put(struct directory *d, struct message_entry entry, int wanted)
{
        CU_ASSERT_EQUAL(directory_put(d, &entry), wanted);
}

static void test_found(void)
{
        struct directory *d;
        struct entry *entry;

        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        put(d, key(1, "a", "x"), 0);
        put(d, key(2, "a", "y"), 0);
        entry = directory_nickname(d, "a", NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
        CU_ASSERT_PTR_NOT_NULL(directory_nickname(d, "a", entry));
        CU_ASSERT_PTR_NULL(directory_nickname(d, "b", NULL));
        CU_ASSERT_EQUAL(directory_id(d, "y", 1, NULL)->number, 2);
        /* The same number again is the same object, changed. */
        put(d, key(2, "b", "y"), 0);
        CU_ASSERT_EQUAL(directory_count(d, OBJECT_KEY), 2);
        CU_ASSERT_EQUAL(directory_nickname(d, "b", NULL)->number, 2);
        CU_ASSERT_EQUAL(directory_drop(d, 2), 0);
        CU_ASSERT_EQUAL(directory_drop(d, 2), 1);
        CU_ASSERT_EQUAL(directory_count(d, OBJECT_KEY), 1);
        directory_free(d);
}

/* What names a key beside its nickname, as its worker told. */
static struct message_entry named(struct message_entry entry, const char *names, size_t length)
{
        entry.other_names = wire_bytes(names, length);
        return entry;
}

static void test_other_names(void)
{
        struct directory *d;
        struct entry *entry;

        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        put(d, named(key(1, "a", "x"), "b\0c", 4), 0);
        put(d, named(key(2, "b", "y"), "c", 2), 0);
        for (uint64_t i = 3; i < 300; i++)
                put(d, key(i, "d", "z"), 0);
        CU_ASSERT_EQUAL(directory_nickname(d, "a", NULL)->number, 1);
        for (const char *name = "b"; name; name = *name == 'b' ? "c" : NULL) {
                entry = directory_nickname(d, name, NULL);
                CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
                entry = directory_nickname(d, name, entry);
                CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
                CU_ASSERT_PTR_NULL(directory_nickname(d, name, entry));
        }
        /* A name that goes, and a key. */
        put(d, named(key(1, "a", "x"), "c", 2), 0);
        CU_ASSERT_EQUAL(directory_nickname(d, "b", NULL)->number, 2);
        CU_ASSERT_EQUAL(directory_drop(d, 2), 0);
        CU_ASSERT_PTR_NULL(directory_nickname(d, "b", NULL));
        CU_ASSERT_EQUAL(directory_nickname(d, "c", NULL)->number, 1);
        directory_free(d);
}

/* No name twice, none that could not be listed, none without its end, and not too many. */
static void test_impossible_names(void)
{
        char most[2 * LIMIT_OTHER_NAMES + 2] = {0};
        struct message_entry certificate = named(key(1, "a", "x"), "b", 2);
        struct directory *d;

        certificate.kind = OBJECT_CERTIFICATE;
        for (size_t i = 0; i <= LIMIT_OTHER_NAMES; i++)
                most[2 * i] = (char)('0' + i);
        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        put(d, named(key(1, "a", "x"), "b", 1), -EBADMSG);
        put(d, named(key(1, "a", "x"), "", 1), -EBADMSG);
        put(d, named(key(1, "a", "x"), "b\n", 3), -EBADMSG);
        put(d, named(key(1, "a", "x"), "a", 2), -EBADMSG);
        put(d, named(key(1, "a", "x"), "b\0b", 4), -EBADMSG);
        put(d, named(key(1, "", "x"), "b", 2), -EBADMSG);
        put(d, certificate, -EBADMSG);
        put(d, named(key(1, "~", "x"), most, 2 * LIMIT_OTHER_NAMES + 2), -EBADMSG);
        put(d, named(key(1, "~", "x"), most, 2 * LIMIT_OTHER_NAMES), 0);
        directory_free(d);
}

static void test_impossible(void)
{
        struct message_entry bad[] = {key(1, "a\n", "x"), key(1, "a", "x"), key(1, "a", "x"),
                key(1, "a", "x"), key(1, "\xff", "x"), key(1, "a", "x"), key(1, "a", "x")};
        struct directory *d;

        bad[1].key_type = 9;
        bad[2].size = 257;
        bad[3].kind = OBJECT_SECRET + 1;
        /* A private key is no secret, and a secret has a length. */
        bad[5].kind = bad[6].kind = OBJECT_SECRET;
        bad[5].key_type = SECRET_RSA;
        bad[6].key_type = SECRET_AES;
        bad[6].size = 0;
        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                put(d, bad[i], -EBADMSG);
        CU_ASSERT_EQUAL(directory_count(d, OBJECT_KEY), 0);
        directory_free(d);
}

/* A worker that never ends to tell takes no more memory than so many objects. */
static void test_bounded(void)
{
        struct directory *d;
        uint64_t number = 0;

        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        while (number < LIMIT_OBJECTS) {
                struct message_entry entry = key(++number, "a", "x");

                CU_ASSERT_EQUAL_FATAL(directory_put(d, &entry), 0);
        }
        put(d, key(number + 1, "a", "x"), -ENOSPC);
        put(d, key(number, "b", "x"), 0);
        CU_ASSERT_EQUAL(directory_count(d, OBJECT_KEY), LIMIT_OBJECTS);
        directory_free(d);
}

static void test_bounded_bytes(void)
{
        static uint8_t der[LIMIT_CHANNEL_MESSAGE / 2];
        struct message_entry entry = key(0, "a", "x");
        struct directory *d;
        uint64_t number = 0;
        int r = 0;

        entry.kind = OBJECT_CERTIFICATE;
        entry.der = wire_bytes(der, sizeof(der));
        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        while (r == 0) {
                entry.number = ++number;
                r = directory_put(d, &entry);
        }
        CU_ASSERT_EQUAL(r, -ENOSPC);
        CU_ASSERT_TRUE(number * sizeof(der) > LIMIT_OBJECTS_BYTES / 100 * 95);
        CU_ASSERT_TRUE((number - 1) * sizeof(der) <= LIMIT_OBJECTS_BYTES);
        /* What goes gives its bytes back. */
        CU_ASSERT_EQUAL(directory_drop(d, 1), 0);
        CU_ASSERT_EQUAL(directory_put(d, &entry), 0);
        directory_free(d);
}

static void test_kept(void)
{
        struct directory *d, *next;
        struct entry *entry;

        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &next), 0);
        put(d, key(1, "a", "x"), 0);
        put(next, key(77, "a", "x"), 0);
        entry = entry_ref(directory_number(d, 1));
        directory_free(d);
        CU_ASSERT_FALSE(entry->live);
        CU_ASSERT_EQUAL(directory_same_key(next, entry)->number, 77);
        entry_unref(entry);
        directory_free(next);
}

static void test_no_public_half(void)
{
        struct message_entry one = key(1, "one", ""), two = key(2, "two", "");
        struct directory *d;

        one.der = two.der = wire_bytes(NULL, 0);
        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        put(d, one, 0);
        put(d, two, 0);
        CU_ASSERT_EQUAL(directory_same_key(d, directory_number(d, 1))->number, 1);
        CU_ASSERT_EQUAL(directory_same_key(d, directory_number(d, 2))->number, 2);
        directory_free(d);
}

static void test_sorted(void)
{
        struct directory *d;
        struct entry **sorted;
        char nickname[16];

        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        CU_ASSERT_EQUAL(directory_sorted(d, OBJECT_KEY, &sorted), 0);
        CU_ASSERT_PTR_NULL(sorted);
        for (unsigned i = 0; i < 500; i++) {
                snprintf(nickname, sizeof(nickname), "k%03u", (i * 7) % 500);
                put(d, key(i + 1, nickname, "x"), 0);
        }
        CU_ASSERT_EQUAL_FATAL(directory_sorted(d, OBJECT_KEY, &sorted), 0);
        for (unsigned i = 1; i < 500; i++)
                CU_ASSERT_TRUE(entry_compare(sorted[i - 1], sorted[i]) < 0);
        directory_free(d);
}

/* Keys alone, each once: also those that share a bucket, and none of an empty directory. */
static void test_each(void)
{
        struct message_entry certificate = key(1000, "k", "x");
        struct entry *entry = NULL;
        bool seen[500] = {false};
        struct directory *d;
        char nickname[16];
        unsigned n = 0;

        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        CU_ASSERT_PTR_NULL(directory_next(d, OBJECT_KEY, NULL));
        for (unsigned i = 0; i < 500; i++) {
                snprintf(nickname, sizeof(nickname), "k%03u", i);
                put(d, key(i, nickname, "x"), 0);
        }
        certificate.kind = OBJECT_CERTIFICATE;
        put(d, certificate, 0);
        while ((entry = directory_next(d, OBJECT_KEY, entry))) {
                CU_ASSERT_TRUE_FATAL(entry->kind == OBJECT_KEY && entry->number < 500);
                CU_ASSERT_FALSE(seen[entry->number]);
                seen[entry->number] = true;
                n++;
        }
        CU_ASSERT_EQUAL(n, 500);
        entry = directory_next(d, OBJECT_CERTIFICATE, NULL);
        CU_ASSERT_TRUE(entry && entry->number == 1000);
        CU_ASSERT_PTR_NULL(directory_next(d, OBJECT_CERTIFICATE, entry));
        directory_free(d);
}

static void test_json(void)
{
        static const char wanted[] = "{\"token\":\"hsm\",\"nickname\":\"a\\\"b\",\"id\":\"78\",\"type\":"
                                     "\"ec\",\"size\":256,\"curve\":\"secp256r1\","
                                     "\"publicKey\":\"ZGVy\",\"usage\":[\"sign\",\"derive\"],\"sensitive\":"
                                     "true,\"extractable\":false,"
                                     "\"neverExtractable\":false,\"local\":true,\"hasCertificate\":false}";
        struct directory *d;
        struct entry *entry;

        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        put(d, key(1, "a\"b", "x"), 0);
        entry = directory_number(d, 1);
        CU_ASSERT_EQUAL(entry->json_length, strlen(wanted));
        CU_ASSERT_EQUAL(strncmp(entry->json, wanted, entry->json_length), 0);
        directory_free(d);
}

static void test_quantiles(void)
{
        static struct histogram h;

        CU_ASSERT_EQUAL(histogram_quantile(&h, 500), 0);
        for (unsigned i = 1; i <= 1000; i++)
                histogram_add(&h, i);
        CU_ASSERT_TRUE(histogram_quantile(&h, 500) >= 500 && histogram_quantile(&h, 500) <= 563);
        CU_ASSERT_TRUE(histogram_quantile(&h, 999) >= 999 && histogram_quantile(&h, 999) <= 1124);
        CU_ASSERT_EQUAL(histogram_below(&h, 512), 511);
        histogram_add(&h, UINT64_MAX / 2);
        CU_ASSERT_EQUAL(histogram_quantile(&h, 1000), UINT64_C(1) << HISTOGRAM_OCTAVES);
}

static void test_escaped(void)
{
        struct output output = {0};

        output_string(&output, "a\"\\\n\x01z");
        output_bytes(&output, "", 1);
        CU_ASSERT_STRING_EQUAL(output.data, "\"a\\\"\\\\\\u000a\\u0001z\"");
        output_sent(&output, output_pending(&output));
        CU_ASSERT_PTR_NULL(output.data);
}

SUITE(broker_directory, {"an object is found by number, nickname and id", test_found},
        {"an object that cannot be is refused", test_impossible},
        {"a key is found by each of its names, as long as it has that", test_other_names},
        {"LIMIT_OTHER_NAMES: nor are more names, or impossible ones", test_impossible_names},
        {"LIMIT_OBJECTS: a directory has no more", test_bounded},
        {"LIMIT_OBJECTS_BYTES: nor more bytes", test_bounded_bytes},
        {"a key is found again after the directory was replaced", test_kept},
        {"keys without a public half are told apart by name", test_no_public_half},
        {"keys are listed in order", test_sorted}, {"each key is gone through once", test_each},
        {"a key is rendered as the protocol has it", test_json},
        {"quantiles are right to an eighth", test_quantiles}, {"strings are escaped", test_escaped});

/* SPDX-License-Identifier: MPL-2.0 */
/* The file of a backup. */
#include <string.h>

#include "daemon/backup/archive.h"
#include "proto/limits.h"
#include "tests/unit/alloc.h"
#include "tests/unit/suite.h"

static uint8_t certificates[] = "certificates", keys[] = "keys", pin[] = "0123";

static struct backup sample(void)
{
        static char token[] = "soft";

        return (struct backup){.token = token,
                .made_usec = 77,
                .files = {{certificates, sizeof(certificates)}, {keys, sizeof(keys)}, {pin, sizeof(pin)}}};
}

static struct secret *passphrase(const char *text)
{
        struct secret *secret = NULL;

        CU_ASSERT_EQUAL_FATAL(secret_new_bytes(text, strlen(text), &secret), 0);
        return secret;
}

static void test_round_trip(void)
{
        _cleanup_(secret_freep) struct secret *right = passphrase("right"), *wrong = passphrase("wrong");
        _cleanup_(freep) uint8_t *bytes = NULL, *copy = NULL;
        struct backup backup = sample(), read = {0};
        size_t length;

        CU_ASSERT_EQUAL_FATAL(archive_seal(&backup, right, &bytes, &length), 0);
        CU_ASSERT_PTR_NULL(memmem(bytes, length, certificates, sizeof(certificates)));
        CU_ASSERT_PTR_NULL(memmem(bytes, length, pin, 4));
        copy = malloc(length);
        CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
        memcpy(copy, bytes, length);
        CU_ASSERT_EQUAL(archive_open(copy, length, wrong, &read), ARCHIVE_PASSPHRASE);
        copy[length - 20] ^= 1;
        CU_ASSERT_EQUAL(archive_open(copy, length, right, &read), ARCHIVE_DAMAGED);
        for (size_t cut = 0; cut < length; cut++) {
                int r = archive_open(bytes, cut, right, &read);

                CU_ASSERT_TRUE(r == ARCHIVE_FOREIGN || r == ARCHIVE_CUT);
        }
        CU_ASSERT_EQUAL_FATAL(archive_open(bytes, length, right, &read), 0);
        CU_ASSERT_STRING_EQUAL(read.token, "soft");
        CU_ASSERT_EQUAL(read.made_usec, 77);
        for (size_t i = 0; i < BACKUP_FILES; i++) {
                CU_ASSERT_EQUAL_FATAL(read.files[i].length, backup.files[i].length);
                CU_ASSERT_EQUAL(memcmp(read.files[i].data, backup.files[i].data, read.files[i].length), 0);
        }
        backup_done(&read);
}

static void test_too_large(void)
{
        _cleanup_(secret_freep) struct secret *secret = passphrase("x");
        struct backup backup = sample();
        uint8_t *bytes = NULL;
        size_t length;

        backup.files[BACKUP_KEYS].length = LIMIT_BACKUP;
        CU_ASSERT_EQUAL(archive_seal(&backup, secret, &bytes, &length), -EFBIG);
}

static int read_payload(void *userdata)
{
        static const uint8_t bytes[] = "\0\0\0\0\0\0\0\1\0\1t\2\0\0\0\0\0\0\0\0\1c\1\0\0\0\0\0\0\0\1k";
        struct backup backup;
        int r = archive_payload(bytes, sizeof(bytes) - 1, &backup);

        if (r == 0)
                backup_done(&backup);
        return r;
}

static void test_no_memory(void)
{
        alloc_fail_each(read_payload, NULL, -ENOMEM);
}

SUITE(backup_archive, {"it is read with its passphrase alone, whole and unchanged", test_round_trip},
        {"one that is too large is not made", test_too_large},
        {"it is read whole, or there is no memory", test_no_memory});

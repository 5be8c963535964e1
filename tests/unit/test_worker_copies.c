/* SPDX-License-Identifier: MPL-2.0 */
/* Which copies an accelerator holds, and whose handle is destroyed when; the channels on their way to their thread. */
#include "daemon/worker/accel/accel-channel.h"
#include "daemon/worker/accel/accel-copies.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "tests/unit/suite.h"

static struct wire_bytes text(const char *name)
{
        return wire_bytes(name, strlen(name));
}

/* Takes one in whose handle is as said; its number. */
static uint64_t add(struct copies *copies, const char *token, const char *spki, CK_OBJECT_HANDLE handle,
        uint64_t *ret_out, CK_OBJECT_HANDLE *ret_handle)
{
        struct copy_key key = {.handle = handle, .key_type = 2, .size = 256};

        CU_ASSERT_EQUAL_FATAL(copies_add(copies, token, text(spki), &key, ret_out, ret_handle), 0);
        return key.number;
}

static void test_least_recently_used(void)
{
        _cleanup_(copies_freep) struct copies *copies = NULL;
        bool lost;
        CK_OBJECT_HANDLE handle;
        struct copy_key key;
        uint64_t a, b, c, out;

        CU_ASSERT_EQUAL_FATAL(copies_new(2, 7, &copies), 0);
        a = add(copies, "hsm", "a", 10, &out, &handle);
        CU_ASSERT_EQUAL(out, 0);
        b = add(copies, "hsm", "b", 11, &out, &handle);
        CU_ASSERT_EQUAL(out, 0);
        CU_ASSERT_TRUE(copies_use(copies, a, &key));
        CU_ASSERT_EQUAL(key.handle, 10);
        CU_ASSERT_FALSE(copies_release(copies, &key, &lost));
        c = add(copies, "hsm", "c", 12, &out, &handle);
        CU_ASSERT_EQUAL(out, b);
        CU_ASSERT_EQUAL(handle, 11);
        CU_ASSERT_FALSE(copies_use(copies, b, &key));
        CU_ASSERT_TRUE(copies_use(copies, c, &key));
        CU_ASSERT_FALSE(copies_release(copies, &key, &lost));
        CU_ASSERT_TRUE(copies_evict(copies, &out, &handle));
        CU_ASSERT_EQUAL(out, a);
        CU_ASSERT_EQUAL(handle, 10);
}

static void test_in_use(void)
{
        _cleanup_(copies_freep) struct copies *copies = NULL;
        bool lost;
        CK_OBJECT_HANDLE handle;
        struct copy_key one, two;
        uint64_t number, out;

        CU_ASSERT_EQUAL_FATAL(copies_new(1, 0, &copies), 0);
        number = add(copies, "hsm", "a", 10, &out, &handle);
        CU_ASSERT_NOT_EQUAL(number, 0);
        CU_ASSERT_TRUE(copies_use(copies, number, &one));
        CU_ASSERT_TRUE(copies_use(copies, number, &two));
        (void)add(copies, "hsm", "b", 11, &out, &handle);
        CU_ASSERT_EQUAL(out, number);
        CU_ASSERT_EQUAL(handle, CK_INVALID_HANDLE);
        CU_ASSERT_FALSE(copies_release(copies, &one, &lost));
        CU_ASSERT_FALSE(lost);
        CU_ASSERT_TRUE(copies_release(copies, &two, &lost));
        CU_ASSERT_FALSE(lost);
        CU_ASSERT_FALSE(copies_use(copies, number, &one));
}

static void test_lost(void)
{
        _cleanup_(copies_freep) struct copies *copies = NULL;
        bool lost;
        CK_OBJECT_HANDLE handle;
        struct copy_key key;
        uint64_t number, out;

        CU_ASSERT_EQUAL_FATAL(copies_new(3, 0, &copies), 0);
        number = add(copies, "hsm", "a", 10, &out, &handle);
        CU_ASSERT_TRUE(copies_use(copies, number, &key));
        CU_ASSERT_EQUAL(copies_n_clears(copies), 0);
        copies_clear(copies);
        CU_ASSERT_EQUAL(copies_n_clears(copies), 1);
        /* Its handle may be another object's by now. */
        CU_ASSERT_FALSE(copies_release(copies, &key, &lost));
        CU_ASSERT_TRUE(lost);
        CU_ASSERT_FALSE(copies_remove(copies, number, &handle));
        CU_ASSERT_FALSE(copies_evict(copies, &out, &handle));
}

static void test_lost_when_out(void)
{
        _cleanup_(copies_freep) struct copies *copies = NULL;
        bool lost;
        CK_OBJECT_HANDLE handle;
        struct copy_key one, two;
        uint64_t number, out;

        CU_ASSERT_EQUAL_FATAL(copies_new(3, 0, &copies), 0);
        number = add(copies, "hsm", "a", 10, &out, &handle);
        CU_ASSERT_TRUE(copies_use(copies, number, &one));
        CU_ASSERT_TRUE(copies_use(copies, number, &two));
        CU_ASSERT_TRUE(copies_remove(copies, number, &handle));
        CU_ASSERT_EQUAL(handle, CK_INVALID_HANDLE);
        CU_ASSERT_FALSE(copies_release(copies, &one, &lost));
        CU_ASSERT_FALSE(lost);
        copies_clear(copies);
        CU_ASSERT_FALSE(copies_release(copies, &two, &lost));
        CU_ASSERT_TRUE(lost);
}

static void test_disowned(void)
{
        _cleanup_(copies_freep) struct copies *copies = NULL;
        CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
        struct copy_key key;
        bool lost;
        uint64_t a, b, c, out;

        CU_ASSERT_EQUAL_FATAL(copies_new(4, 0, &copies), 0);
        a = add(copies, "hsm", "a", 10, &out, &handle);
        b = add(copies, "hsm", "b", 11, &out, &handle);
        c = add(copies, "hsm", "c", 12, &out, &handle);
        CU_ASSERT_FALSE(copies_abandoned(copies, 1000, &handle));
        CU_ASSERT_TRUE(copies_use(copies, c, &key));
        copies_disown(copies, 1000);
        CU_ASSERT_EQUAL(copies_find(copies, "hsm", text("a")), a);
        CU_ASSERT_FALSE(copies_abandoned(copies, 999, &handle));
        CU_ASSERT_TRUE(copies_abandoned(copies, 1000, &handle));
        CU_ASSERT_EQUAL(handle, 11);
        /* In use: whoever uses it destroys it. */
        CU_ASSERT_TRUE(copies_abandoned(copies, 1000, &handle));
        CU_ASSERT_EQUAL(handle, CK_INVALID_HANDLE);
        CU_ASSERT_TRUE(copies_release(copies, &key, &lost));
        CU_ASSERT_FALSE(lost);
        CU_ASSERT_FALSE(copies_abandoned(copies, 1000, &handle));
        CU_ASSERT_FALSE(copies_use(copies, b, &key));
        CU_ASSERT_TRUE(copies_use(copies, a, &key));
        CU_ASSERT_FALSE(copies_release(copies, &key, &lost));
}

static void test_whose(void)
{
        _cleanup_(copies_freep) struct copies *copies = NULL;
        CK_OBJECT_HANDLE handle;
        uint64_t number, out;

        CU_ASSERT_EQUAL_FATAL(copies_new(3, 0, &copies), 0);
        number = add(copies, "hsm", "a", 10, &out, &handle);
        CU_ASSERT_EQUAL(copies_find(copies, "hsm", text("a")), number);
        CU_ASSERT_EQUAL(copies_find(copies, "other", text("a")), 0);
        CU_ASSERT_EQUAL(copies_find(copies, "hsm", text("ab")), 0);
        CU_ASSERT_TRUE(copies_remove(copies, number, &handle));
        CU_ASSERT_EQUAL(handle, 10);
        CU_ASSERT_EQUAL(copies_find(copies, "hsm", text("a")), 0);
}

static void test_numbers(void)
{
        _cleanup_(copies_freep) struct copies *copies = NULL, *other = NULL;
        CK_OBJECT_HANDLE handle;
        struct copy_key key;
        uint64_t first, again, out;

        CU_ASSERT_EQUAL(copies_new(0, 0, &copies), -EINVAL);
        CU_ASSERT_EQUAL(copies_new(65537, 0, &copies), -EINVAL);
        CU_ASSERT_EQUAL_FATAL(copies_new(65536, UINT64_MAX, &copies), 0);
        CU_ASSERT_EQUAL_FATAL(copies_new(65536, UINT64_MAX - 9999, &other), 0);
        first = add(copies, "hsm", "a", 10, &out, &handle);
        CU_ASSERT_FALSE(copies_use(other, first, &key));
        CU_ASSERT_TRUE(copies_remove(copies, first, &handle));
        again = add(copies, "hsm", "a", 11, &out, &handle);
        CU_ASSERT_NOT_EQUAL(first, again);
        CU_ASSERT_FALSE(copies_use(copies, first, &key));
        CU_ASSERT_FALSE(copies_use(copies, 0, &key));
}

static void test_channels(void)
{
        _cleanup_(accel_channels_freep) struct accel_channels *peers = NULL;
        int one[2], two[2];
        struct accel_channel peer;
        struct pollfd ready;

        CU_ASSERT_EQUAL_FATAL(accel_channels_new(&peers), 0);
        ready = (struct pollfd){.fd = accel_channels_fd(peers), .events = POLLIN};
        CU_ASSERT_FALSE(accel_channels_take(peers, &peer));
        CU_ASSERT_EQUAL(poll(&ready, 1, 0), 0);
        CU_ASSERT_EQUAL_FATAL(pipe2(one, O_CLOEXEC), 0);
        CU_ASSERT_EQUAL_FATAL(pipe2(two, O_CLOEXEC), 0);
        accel_channels_put(peers, "hsm", one[0]);
        accel_channels_put(peers, "hsm", two[0]);
        CU_ASSERT_EQUAL(poll(&ready, 1, 0), 1);
        /* The first was closed: nobody reads its other end. */
        CU_ASSERT_EQUAL(fcntl(one[0], F_GETFD), -1);
        CU_ASSERT_TRUE(accel_channels_take(peers, &peer));
        CU_ASSERT_EQUAL(peer.fd, two[0]);
        CU_ASSERT_STRING_EQUAL(peer.token, "hsm");
        CU_ASSERT_FALSE(accel_channels_take(peers, &(struct accel_channel){.fd = -1}));
        CU_ASSERT_EQUAL(poll(&ready, 1, 0), 0);
        accel_channel_close(&peer);
        CU_ASSERT_EQUAL(peer.fd, -1);
        close(one[1]);
        close(two[1]);
}

SUITE(worker_copies, {"the copy that was used least recently makes room", test_least_recently_used},
        {"a copy in use is destroyed by whoever uses it last", test_in_use},
        {"a copy that was lost with its session is destroyed by nobody", test_lost},
        {"nor one that was taken out before, and was still in use", test_lost_when_out},
        {"a copy that a new broker does not ask for is taken out in time", test_disowned},
        {"a copy is found by its public key and its token", test_whose},
        {"a number is never used twice, and none of another life is one", test_numbers},
        {"of two channels to one token the later is the one", test_channels});

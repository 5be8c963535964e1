/* SPDX-License-Identifier: MPL-2.0 */
/* The inventory's three orders, and the lookups on them, without a token. */
#include <string.h>

#include "daemon/worker/core/index.h"
#include "tests/unit/suite.h"

static struct object *make(CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle, const char *id, const char *label)
{
        struct object *object = calloc(1, sizeof(*object));

        object->class = class;
        object->handle = handle;
        object->number = handle + 100;
        object->id = (uint8_t *)strdup(id);
        object->id_length = strlen(id);
        object->label = strdup(label);
        object->label_length = strlen(label);
        object->listable = true;
        return object;
}

static struct inventory *fill(void)
{
        struct inventory *inventory = NULL;
        struct object **objects = calloc(8, sizeof(*objects));

        objects[0] = make(CKO_PUBLIC_KEY, 9, "a", "one");
        objects[1] = make(CKO_PRIVATE_KEY, 3, "a", "one");
        objects[2] = make(CKO_CERTIFICATE, 4, "a", "certificate");
        objects[3] = make(CKO_PRIVATE_KEY, 1, "bb", "two");
        objects[4] = make(CKO_PRIVATE_KEY, 7, "bb", "three");
        objects[5] = make(CKO_PUBLIC_KEY, 2, "bb", "three");
        objects[6] = make(CKO_PRIVATE_KEY, 5, "", "no id");
        objects[7] = make(CKO_PUBLIC_KEY, 6, "", "no id");
        /* A key is found where its public half is known. */
        objects[4]->der = (uint8_t *)strdup("spki");
        objects[4]->der_length = 4;
        CU_ASSERT_EQUAL_FATAL(inventory_new(&inventory), 0);
        CU_ASSERT_EQUAL_FATAL(index_init(&inventory->index, objects, 8), 0);
        return inventory;
}

/* Whatever handles a token gives: the oldest certificate, then the label, then the bytes. */
static void test_order(void)
{
        static const struct {
                const char *label, *der;
                uint64_t not_before;
        } wanted[] = {{"z", "z", 1}, {"a", "b", 2}, {"a", "bc", 2}, {"b", "a", 2}, {"", "", UINT64_MAX}};

        for (unsigned turn = 0; turn < ARRAY_SIZE(wanted); turn++) {
                struct object **objects = calloc(ARRAY_SIZE(wanted), sizeof(*objects));
                _cleanup_(inventory_freep) struct inventory *inventory = NULL;

                for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
                        objects[i] = make(CKO_CERTIFICATE, 1 + (i + turn) * 3 % ARRAY_SIZE(wanted), "a",
                                wanted[i].label);
                        objects[i]->not_before_usec = wanted[i].not_before;
                        objects[i]->der = (uint8_t *)strdup(wanted[i].der);
                        objects[i]->der_length = strlen(wanted[i].der);
                }
                CU_ASSERT_EQUAL_FATAL(inventory_new(&inventory), 0);
                CU_ASSERT_EQUAL_FATAL(index_init(&inventory->index, objects, ARRAY_SIZE(wanted)), 0);
                for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
                        CU_ASSERT_STRING_EQUAL((char *)inventory->index.by_id[i]->der, wanted[i].der);
        }
}

static void test_lookups(void)
{
        _cleanup_(inventory_freep) struct inventory *inventory = fill();
        struct inventory_key key;

        CU_ASSERT_EQUAL(index_by_handle(&inventory->index, CKO_PUBLIC_KEY, 9)->number, 109);
        CU_ASSERT_PTR_NULL(index_by_handle(&inventory->index, CKO_PRIVATE_KEY, 9));
        CU_ASSERT(inventory_key(inventory, 103, &key));
        CU_ASSERT_EQUAL(key.handle, 3);
        CU_ASSERT_FALSE(inventory_key(inventory, 109, &key));
        CU_ASSERT_FALSE(inventory_key(inventory, 0, &key));
        CU_ASSERT_FALSE(inventory_key(inventory, UINT64_MAX, &key));
        CU_ASSERT_EQUAL(inventory_find(inventory, wire_bytes("bb", 2), "three"), 107);
        CU_ASSERT_EQUAL(inventory_find(inventory, wire_bytes("bb", 2), "two"), 0);
        CU_ASSERT_EQUAL(inventory_find(inventory, wire_bytes("bb", 2), "one"), 0);
        CU_ASSERT_EQUAL(inventory_find(inventory, wire_bytes("c", 1), "one"), 0);
}

static void test_nicknames(void)
{
        _cleanup_(inventory_freep) struct inventory *inventory = fill();

        struct wire_bytes a = wire_bytes("a", 1), bb = wire_bytes("bb", 2);

        CU_ASSERT(inventory_has_nickname(inventory, "certificate", SCOPE_ALL, bb, wire_bytes(NULL, 0)));
        CU_ASSERT(inventory_has_nickname(inventory, "three", SCOPE_ALL, bb, wire_bytes(NULL, 0)));
        CU_ASSERT_FALSE(inventory_has_nickname(inventory, "thre", SCOPE_ALL, bb, wire_bytes(NULL, 0)));
        CU_ASSERT_FALSE(inventory_has_nickname(inventory, "four", SCOPE_ALL, bb, wire_bytes(NULL, 0)));
        CU_ASSERT(inventory_has_nickname(inventory, "three", SCOPE_OTHERS, a, wire_bytes(NULL, 0)));
        CU_ASSERT_FALSE(inventory_has_nickname(inventory, "three", SCOPE_OTHERS, bb, wire_bytes(NULL, 0)));
        CU_ASSERT(inventory_has_nickname(inventory, "certificate", SCOPE_OTHERS, a, wire_bytes(NULL, 0)));
        CU_ASSERT(
                inventory_has_nickname(inventory, "certificate", SCOPE_CERTIFICATES, a, wire_bytes(NULL, 0)));
        CU_ASSERT_FALSE(
                inventory_has_nickname(inventory, "three", SCOPE_CERTIFICATES, a, wire_bytes(NULL, 0)));
}

static void test_pairs(void)
{
        _cleanup_(inventory_freep) struct inventory *inventory = fill();
        CK_OBJECT_HANDLE handles[4];

        CU_ASSERT_EQUAL(inventory_pair(inventory, 103, handles, 4), 2);
        CU_ASSERT(handles[0] == 3 && handles[1] == 9);
        CU_ASSERT_EQUAL(inventory_pair(inventory, 103, handles, 1), 1);
        /* Two private keys of one id: the public key is the one's of its label. */
        CU_ASSERT_EQUAL(inventory_pair(inventory, 101, handles, 4), 1);
        CU_ASSERT_EQUAL(inventory_pair(inventory, 107, handles, 4), 2);
        CU_ASSERT_EQUAL(handles[1], 2);
        /* An empty id joins nothing. */
        CU_ASSERT_EQUAL(inventory_pair(inventory, 105, handles, 4), 1);
        CU_ASSERT_EQUAL(inventory_pair(inventory, 1, handles, 4), 0);
}

static void test_trial(void)
{
        _cleanup_(inventory_freep) struct inventory *inventory = fill();
        struct inventory_key key, gone;

        CU_ASSERT_TRUE_FATAL(inventory_key(inventory, 103, &key));
        CU_ASSERT_EQUAL(key.trial, COPY_OPEN);
        CU_ASSERT(inventory_begin_trial(inventory, &key));
        CU_ASSERT_FALSE(inventory_begin_trial(inventory, &key));
        inventory_end_trial(inventory, &key, COPY_OPEN);
        CU_ASSERT(inventory_begin_trial(inventory, &key));
        /* It turned out meanwhile that there is no copy. */
        inventory_end_trial(inventory, &key, COPY_NO_COPY);
        inventory_end_trial(inventory, &key, COPY_FASTER);
        CU_ASSERT_TRUE_FATAL(inventory_key(inventory, 103, &key));
        CU_ASSERT_EQUAL(key.trial, COPY_NO_COPY);
        /* Another key has its number, or its handle. */
        gone = (struct inventory_key){.number = 999, .handle = key.handle};
        CU_ASSERT_FALSE(inventory_begin_trial(inventory, &gone));
        gone = (struct inventory_key){.number = 101, .handle = key.handle};
        CU_ASSERT_FALSE(inventory_begin_trial(inventory, &gone));
}

static void test_same(void)
{
        _cleanup_(object_freep) struct object *a = make(CKO_PRIVATE_KEY, 1, "x", "y"),
                                              *b = make(CKO_PRIVATE_KEY, 2, "x", "y");

        CU_ASSERT(object_same(a, b));
        b->usage = 1;
        CU_ASSERT_FALSE(object_same(a, b));
        b->usage = 0;
        a->der = (uint8_t *)strdup("1");
        a->der_length = 1;
        CU_ASSERT(object_same(a, b));
        b->der = (uint8_t *)strdup("2");
        b->der_length = 1;
        CU_ASSERT_FALSE(object_same(a, b));
}

SUITE(worker_index, {"objects are found by handle, number and id", test_lookups},
        {"objects of one id are in an order of their own", test_order},
        {"a nickname counts on any object, whole", test_nicknames},
        {"a pair is the private key and the public keys that are its own", test_pairs},
        {"one thread makes the trial of a key, and its verdict stays", test_trial},
        {"objects are the same in everything or not at all", test_same});

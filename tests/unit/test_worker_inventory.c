/* SPDX-License-Identifier: MPL-2.0 */
/* The inventory while other threads use it, over a module of this test: a table of EC keys with handles that the test chooses. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/spki.h"
#include "daemon/worker/core/index.h"
#include "daemon/worker/core/operation.h"
#include "tests/unit/alloc.h"
#include "tests/unit/suite.h"

/* ---- the module ---- */

#define POINT_LENGTH     65U
#define SIGNATURE_LENGTH 64U

struct fake {
        CK_OBJECT_CLASS class; /* 0: the place is free */
        CK_OBJECT_HANDLE handle;
        CK_BYTE name; /* its label and its id, and each byte of its point and of its signatures */
};

static struct {
        pthread_mutex_t lock; /* what follows: a module is called by many threads */
        struct fake objects[8];
        CK_OBJECT_CLASS finding; /* 0: all were given. One thread lists at a time */
        CK_OBJECT_HANDLE signing;
        void (*on_sign)(void), (*on_destroy)(void); /* called once, without the lock */
} module = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct fake *fake_find(CK_OBJECT_HANDLE handle)
{
        for (size_t i = 0; i < ARRAY_SIZE(module.objects); i++)
                if (module.objects[i].class != 0 && module.objects[i].handle == handle)
                        return &module.objects[i];
        return NULL;
}

static void fake_add(CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle, char name)
{
        pthread_mutex_lock(&module.lock);
        for (size_t i = 0; i < ARRAY_SIZE(module.objects); i++)
                if (module.objects[i].class == 0) {
                        module.objects[i] = (struct fake){class, handle, (CK_BYTE)name};
                        break;
                }
        pthread_mutex_unlock(&module.lock);
}

static void fake_remove(CK_OBJECT_HANDLE handle)
{
        pthread_mutex_lock(&module.lock);
        if (fake_find(handle))
                fake_find(handle)->class = 0;
        pthread_mutex_unlock(&module.lock);
}

static void call_once(void (**hook)(void))
{
        void (*function)(void) = *hook;

        *hook = NULL;
        if (function)
                function();
}

static CK_RV fake_find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG n)
{
        pthread_mutex_lock(&module.lock);
        memcpy(&module.finding, template[0].pValue, sizeof(module.finding));
        pthread_mutex_unlock(&module.lock);
        return CKR_OK;
}

static CK_RV fake_find_objects(
        CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *handles, CK_ULONG max, CK_ULONG *ret)
{
        *ret = 0;
        pthread_mutex_lock(&module.lock);
        for (size_t i = 0; i < ARRAY_SIZE(module.objects) && module.finding != 0; i++)
                if (module.objects[i].class == module.finding)
                        handles[(*ret)++] = module.objects[i].handle;
        module.finding = 0;
        pthread_mutex_unlock(&module.lock);
        return CKR_OK;
}

static CK_RV fake_find_final(CK_SESSION_HANDLE session)
{
        return CKR_OK;
}

static bool give(CK_ATTRIBUTE *attribute, const void *value, size_t length)
{
        memcpy(attribute->pValue, value, length);
        attribute->ulValueLen = length;
        return true;
}

static bool give_attribute(const struct fake *object, CK_ATTRIBUTE *attribute)
{
        const CK_BBOOL is_private = object->class == CKO_PRIVATE_KEY;
        const CK_KEY_TYPE type = CKK_EC;
        CK_BYTE point[2 + POINT_LENGTH] = {0x04, POINT_LENGTH, 0x04};
        struct der params = spki_curve_params(256);

        switch (attribute->type) {
        case CKA_ID:
        case CKA_LABEL:
                return give(attribute, &object->name, 1);
        case CKA_KEY_TYPE:
                return give(attribute, &type, sizeof(type));
        case CKA_EC_PARAMS:
                return give(attribute, params.data, params.length);
        case CKA_EC_POINT:
                memset(point + 3, object->name, POINT_LENGTH - 1);
                return !is_private && give(attribute, point, sizeof(point));
        case CKA_SIGN:
                return give(attribute, &is_private, sizeof(is_private));
        default:
                return false;
        }
}

static CK_RV fake_get_attributes(
        CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attributes, CK_ULONG n)
{
        const struct fake *object;
        CK_RV rv = CKR_OK;

        pthread_mutex_lock(&module.lock);
        object = fake_find(handle);
        if (!object)
                rv = CKR_OBJECT_HANDLE_INVALID;
        for (CK_ULONG i = 0; i < n && object; i++)
                if (!give_attribute(object, &attributes[i])) {
                        attributes[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
                        rv = CKR_ATTRIBUTE_TYPE_INVALID;
                }
        pthread_mutex_unlock(&module.lock);
        return rv;
}

static CK_RV fake_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
        *info = (CK_SESSION_INFO){.state = CKS_RW_USER_FUNCTIONS};
        return CKR_OK;
}

static CK_RV fake_destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle)
{
        fake_remove(handle);
        call_once(&module.on_destroy);
        return CKR_OK;
}

static CK_RV fake_sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
        module.signing = key;
        return CKR_OK;
}

static CK_RV fake_sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG length, CK_BYTE *ret, CK_ULONG *n)
{
        const struct fake *object;

        call_once(&module.on_sign);
        object = fake_find(module.signing);
        if (!object)
                return CKR_KEY_HANDLE_INVALID;
        memset(ret, object->name, SIGNATURE_LENGTH);
        *n = SIGNATURE_LENGTH;
        return CKR_OK;
}

static CK_FUNCTION_LIST functions = {
        .C_FindObjectsInit = fake_find_init,
        .C_FindObjects = fake_find_objects,
        .C_FindObjectsFinal = fake_find_final,
        .C_GetAttributeValue = fake_get_attributes,
        .C_GetSessionInfo = fake_session_info,
        .C_DestroyObject = fake_destroy,
        .C_SignInit = fake_sign_init,
        .C_Sign = fake_sign,
};

/* ---- the worker ---- */

static const struct config_token config = {
        .name = "hsm", .timeout_usec = USEC_PER_SEC, .session_copies = SESSION_COPIES_NO};
static CK_MECHANISM_TYPE mechanisms[] = {CKM_ECDSA};
static struct slot_token token = {.config = &config,
        .p11 = &functions,
        .mechanisms = mechanisms,
        .n_mechanisms = ARRAY_SIZE(mechanisms)};
static struct inventory *inventory;

static void no_entry(void *userdata, const struct message_entry *entry)
{
}

static void no_number(void *userdata, uint64_t number)
{
}

static void no_sessions(void *userdata)
{
}

static const struct report report = {no_entry, no_number, no_number, no_sessions, NULL};

/* A thread's: each has its session. */
struct user {
        struct session session;
        struct operation operation;
};

static void user_init(struct user *user)
{
        user->session = (struct session){.token = &token, .handle = 1};
        user->operation =
                (struct operation){.session = &user->session, .inventory = inventory, .report = &report};
}

static struct user *user_new(void)
{
        struct user *user = calloc(1, sizeof(*user));

        CU_ASSERT_PTR_NOT_NULL_FATAL(user);
        user_init(user);
        return user;
}

static void refresh(struct user *user)
{
        CU_ASSERT_EQUAL(inventory_refresh(inventory, &user->session, &report, false), CKR_OK);
}

/* The pair `a` under the handles 10 and 11, in the inventory. */
static struct user *begin(void)
{
        struct user *user;

        memset(module.objects, 0, sizeof(module.objects));
        CU_ASSERT_EQUAL_FATAL(inventory_new(&inventory), 0);
        user = user_new();
        fake_add(CKO_PRIVATE_KEY, 10, 'a');
        fake_add(CKO_PUBLIC_KEY, 11, 'a');
        refresh(user);
        return user;
}

static void end(struct user *user)
{
        inventory_free(inventory);
        free(user);
}

static uint64_t number_of(const char *name)
{
        return inventory_find(inventory, wire_bytes(name, 1), name);
}

/* ---- a handle that another key has by now ---- */

static void delete_a(void)
{
        struct user *other = user_new();
        const struct message_delete message = {.key = number_of("a")};

        operation_run(&other->operation, delete_attempt, &message);
        CU_ASSERT_EQUAL(other->operation.result.status, REPLY_OK);
        free(other);
}

static void make_b(void)
{
        fake_add(CKO_PRIVATE_KEY, 10, 'b');
        fake_add(CKO_PUBLIC_KEY, 12, 'b');
}

static void delete_a_and_make_b(void)
{
        delete_a();
        make_b();
}

static enum reply_status sign(struct user *user, uint64_t key)
{
        const uint8_t digest[32] = {0};
        const struct message_sign message = {.key = key,
                .algorithm = ECDSA_SHA256,
                .prehashed = 1,
                .data = wire_bytes(digest, sizeof(digest))};

        operation_run(&user->operation, sign_attempt, &message);
        return user->operation.result.status;
}

/* The deletion and the other key come after the handle was looked up, and before the module uses it. */
static void test_deleted_meanwhile(void)
{
        struct user *user = begin();
        uint64_t key = number_of("a");

        CU_ASSERT_EQUAL(sign(user, key), REPLY_OK);
        module.on_sign = delete_a_and_make_b;
        CU_ASSERT_EQUAL(sign(user, key), REPLY_KEY_GONE);
        CU_ASSERT_EQUAL(user->operation.result.payload_length, 0);
        end(user);
}

/* The other key has the handle before the inventory is renewed. */
static void test_handle_at_once(void)
{
        struct user *user = begin();
        uint64_t key = number_of("a"), other;

        module.on_destroy = make_b;
        module.on_sign = delete_a;
        CU_ASSERT_EQUAL(sign(user, key), REPLY_KEY_GONE);
        refresh(user);
        other = number_of("b");
        CU_ASSERT(other != 0 && other != key);
        CU_ASSERT_EQUAL(sign(user, key), REPLY_KEY_GONE);
        CU_ASSERT_EQUAL(sign(user, other), REPLY_OK);
        end(user);
}

/* A new key that looks the same: its id and its label are those of the key that was destroyed. */
static void make_a_again(void)
{
        fake_add(CKO_PRIVATE_KEY, 10, 'a');
}

static void test_same_again(void)
{
        struct user *user = begin();
        uint64_t key = number_of("a");

        module.on_destroy = make_a_again;
        module.on_sign = delete_a;
        CU_ASSERT_EQUAL(sign(user, key), REPLY_KEY_GONE);
        end(user);
}

/* ---- a public half that comes later ---- */

#define ROUNDS 200U

static atomic_bool over;

static void *look_up(void *userdata)
{
        while (!atomic_load(&over))
                for (uint64_t number = 1; number < ROUNDS; number++) {
                        struct inventory_public public;

                        if (inventory_public(inventory, number, &public) != 0)
                                continue;
                        (void)inventory_has_key(inventory, (struct der){public.spki, public.spki_length},
                                wire_bytes(public.id, public.id_length));
                        free(public.spki);
                }
        return NULL;
}

/* ThreadSanitizer sees a write that is not under the lock of those who read. */
static void test_joined_meanwhile(void)
{
        struct user *user = begin();
        pthread_t thread;

        atomic_store(&over, false);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, look_up, NULL), 0);
        for (unsigned i = 0; i < ROUNDS; i++) {
                CK_OBJECT_HANDLE private = 100 + 2 * i, public = private + 1;

                fake_add(CKO_PRIVATE_KEY, private, 'c');
                refresh(user);
                CU_ASSERT_EQUAL(number_of("c"), 0);
                fake_add(CKO_PUBLIC_KEY, public, 'c');
                refresh(user);
                CU_ASSERT_NOT_EQUAL(number_of("c"), 0);
                fake_remove(private);
                fake_remove(public);
        }
        atomic_store(&over, true);
        CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
        end(user);
}

/* ---- no memory ---- */

static int refresh_attempt_(struct operation *operation, const void *request)
{
        return inventory_refresh(operation->inventory, operation->session, operation->report, false);
}

/* As operation_run() answers, with all that is on the token in the inventory. */
static int fill(void *userdata)
{
        struct user *user = userdata;
        struct operation *operation = &user->operation;
        struct inventory_public public = {0};
        int r = inventory_new(&inventory);

        if (r < 0)
                return r;
        user_init(user);
        operation_run(operation, refresh_attempt_, NULL);
        if (operation->result.status == REPLY_OK) {
                alloc_fail(0, 0);
                CU_ASSERT_EQUAL(inventory->index.n, 4);
                CU_ASSERT_EQUAL(inventory_public(inventory, number_of("a"), &public), 0);
                free(public.spki);
                CU_ASSERT_EQUAL(inventory_public(inventory, number_of("b"), &public), 0);
                free(public.spki);
        } else {
                CU_ASSERT_EQUAL(operation->result.status, REPLY_INTERNAL);
                CU_ASSERT_EQUAL(operation->result.ckr, CKR_OK);
                CU_ASSERT_EQUAL(inventory->index.n, 0);
                r = -ENOMEM;
        }
        inventory_free(inventory);
        return r;
}

static void test_no_memory(void)
{
        struct user *user = begin();

        end(user);
        user = user_new();
        fake_add(CKO_PRIVATE_KEY, 20, 'b');
        fake_add(CKO_PUBLIC_KEY, 21, 'b');
        alloc_fail_each(fill, user, -ENOMEM);
        free(user);
}

SUITE(worker_inventory,
        {"a renewal without memory fails for that reason alone, and nothing is missing in one that succeeds",
                test_no_memory},

        {"a key that is deleted while it signs gives no signature of another", test_deleted_meanwhile},
        {"a key that gets the handle of a deleted one is another key", test_handle_at_once},
        {"a key that gets the handle, the id and the label of a deleted one is another key", test_same_again},
        {"a key is looked up while its public half is joined to it", test_joined_meanwhile});

/* SPDX-License-Identifier: MPL-2.0 */
/* Session copies of a key, over a module of this test: one EC key, and what the module makes of it. */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/spki.h"
#include "daemon/worker/core/attributes.h"
#include "daemon/worker/core/session-copy.h"
#include "daemon/worker/core/copy-trial.h"
#include "tests/unit/suite.h"

#define KEY   10U
#define FIRST 100U /* handles of copies, and on */

/* ---- the module ---- */

static struct {
        CK_BBOOL usable; /* CKA_SIGN of the key */
        CK_ATTRIBUTE_TYPE other,
                silent;    /* an attribute of a copy that differs; one that it does not show; 0: none */
        bool gone;         /* the key was deleted by another process */
        bool token_object; /* C_CopyObject makes token objects */
        bool fails;        /* C_Sign of a copy fails, as a mechanism that is only for token objects */
        bool bad;          /* C_Sign fails, whatever it signs with: the data is wrong */
        CK_RV copy_rv;
        unsigned max;      /* copies that there is room for */
        unsigned n_copies; /* that are there */
        unsigned n_made, n_signed, n_signed_with_copy;
        CK_OBJECT_HANDLE signing;
} module;

static CK_RV fake_copy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_ATTRIBUTE *template, CK_ULONG n,
        CK_OBJECT_HANDLE *ret)
{
        CU_ASSERT_EQUAL(n, 1);
        CU_ASSERT_EQUAL(template[0].type, CKA_TOKEN);
        if (module.copy_rv != CKR_OK)
                return module.copy_rv;
        if (module.n_copies >= module.max)
                return CKR_DEVICE_MEMORY;
        module.n_copies++;
        *ret = FIRST + module.n_made++;
        return CKR_OK;
}

static CK_RV fake_destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle)
{
        CU_ASSERT(handle >= FIRST);
        module.n_copies--;
        return CKR_OK;
}

static CK_RV give(CK_ATTRIBUTE *attribute, const void *value, size_t length)
{
        memcpy(attribute->pValue, value, length);
        attribute->ulValueLen = length;
        return CKR_OK;
}

static CK_RV give_one(CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attribute)
{
        const CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
        const CK_KEY_TYPE type = CKK_EC;
        bool copy = handle >= FIRST;
        CK_BBOOL value = CK_TRUE;
        struct der params = spki_curve_params(256);

        switch (attribute->type) {
        case CKA_CLASS:
                return give(attribute, &class, sizeof(class));
        case CKA_KEY_TYPE:
                return give(attribute, &type, sizeof(type));
        case CKA_EC_PARAMS:
                return give(attribute, params.data, params.length);
        case CKA_ID:
        case CKA_LABEL:
                return give(attribute, "k", 1);
        case CKA_TOKEN:
                value = !copy || module.token_object;
                return give(attribute, &value, sizeof(value));
        case CKA_SIGN:
                value = module.usable;
                break;
        case CKA_EXTRACTABLE:
        case CKA_DECRYPT:
                value = CK_FALSE;
                break;
        case CKA_SENSITIVE:
        case CKA_PRIVATE:
                break;
        default:
                attribute->ulValueLen = CK_UNAVAILABLE_INFORMATION;
                return CKR_ATTRIBUTE_TYPE_INVALID;
        }
        if (copy && attribute->type == module.silent) {
                attribute->ulValueLen = CK_UNAVAILABLE_INFORMATION;
                return CKR_ATTRIBUTE_TYPE_INVALID;
        }
        if (copy && attribute->type == module.other)
                value = !value;
        return give(attribute, &value, sizeof(value));
}

static CK_RV fake_get_attributes(
        CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attributes, CK_ULONG n)
{
        CK_RV rv = CKR_OK;

        if (module.gone && handle == KEY)
                return CKR_OBJECT_HANDLE_INVALID;
        for (CK_ULONG i = 0; i < n; i++)
                if (give_one(handle, &attributes[i]) != CKR_OK)
                        rv = CKR_ATTRIBUTE_TYPE_INVALID;
        return rv;
}

static CK_OBJECT_CLASS finding;

static CK_RV fake_find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG n)
{
        memcpy(&finding, template[0].pValue, sizeof(finding));
        return CKR_OK;
}

static CK_RV fake_find_objects(
        CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *handles, CK_ULONG max, CK_ULONG *ret)
{
        *ret = finding == CKO_PRIVATE_KEY && !module.gone ? 1 : 0;
        handles[0] = KEY;
        finding = 0;
        return CKR_OK;
}

static CK_RV fake_find_final(CK_SESSION_HANDLE session)
{
        return CKR_OK;
}

static CK_RV fake_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
        *info = (CK_SESSION_INFO){.state = CKS_RW_USER_FUNCTIONS};
        return CKR_OK;
}

static CK_RV fake_sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
        module.signing = key;
        return module.gone && key == KEY ? CKR_KEY_HANDLE_INVALID : CKR_OK;
}

static CK_RV fake_sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG length, CK_BYTE *ret, CK_ULONG *n)
{
        module.n_signed++;
        module.n_signed_with_copy += module.signing >= FIRST;
        if (module.bad)
                return CKR_DATA_INVALID;
        if (module.fails && module.signing >= FIRST)
                return CKR_MECHANISM_INVALID;
        memset(ret, 1, 64);
        *n = 64;
        return CKR_OK;
}

static CK_FUNCTION_LIST functions = {
        .C_FindObjectsInit = fake_find_init,
        .C_FindObjects = fake_find_objects,
        .C_FindObjectsFinal = fake_find_final,
        .C_GetAttributeValue = fake_get_attributes,
        .C_GetSessionInfo = fake_session_info,
        .C_CopyObject = fake_copy,
        .C_DestroyObject = fake_destroy,
        .C_SignInit = fake_sign_init,
        .C_Sign = fake_sign,
};

/* ---- the worker ---- */

static struct config_token config;
static CK_MECHANISM_TYPE mechanisms[] = {CKM_ECDSA};
static struct slot_token token;
static struct inventory *inventory;
static struct session session;
static struct operation operation;
static unsigned n_told;

static void no_entry(void *userdata, const struct message_entry *entry)
{
}

static void no_number(void *userdata, uint64_t number)
{
}

static void told(void *userdata)
{
        CU_ASSERT_EQUAL(atomic_load(&token.n_copying), 1);
        n_told++;
}

static const struct report report = {no_entry, no_number, no_number, told, NULL};

static void refresh(void)
{
        CU_ASSERT_EQUAL_FATAL(inventory_refresh(inventory, &session, &report, false), 0);
}

static void begin(enum session_copies mode)
{
        memset(&module, 0, sizeof(module));
        module.usable = CK_TRUE;
        module.max = 1000;
        config = (struct config_token){.name = "hsm",
                .timeout_usec = USEC_PER_SEC,
                .refresh_usec = 3600 * USEC_PER_SEC,
                .session_copies = mode};
        token = (struct slot_token){.config = &config,
                .p11 = &functions,
                .mechanisms = mechanisms,
                .n_mechanisms = ARRAY_SIZE(mechanisms)};
        session = (struct session){.token = &token, .handle = 1};
        n_told = 0;
        CU_ASSERT_EQUAL_FATAL(inventory_new(&inventory), 0);
        operation = (struct operation){.session = &session, .inventory = inventory, .report = &report};
        refresh();
}

static void end(void)
{
        session_copy_clear(&session);
        CU_ASSERT_EQUAL(module.n_copies, 0);
        CU_ASSERT_EQUAL(atomic_load(&token.n_copies), 0);
        free(session.copies);
        inventory_free(inventory);
}

/* Signs as often, each time well; returns how often with a copy. */
static unsigned sign(unsigned times)
{
        const uint8_t digest[32] = {0};
        const struct message_sign message = {.key = 1,
                .algorithm = ECDSA_SHA256,
                .prehashed = 1,
                .data = wire_bytes(digest, sizeof(digest))};
        unsigned before = module.n_signed_with_copy;

        while (times-- > 0) {
                operation_run(&operation, sign_attempt, &message);
                CU_ASSERT_EQUAL(operation.result.status, module.bad ? REPLY_CKR : REPLY_OK);
        }
        return module.n_signed_with_copy - before;
}

/* ---- tests ---- */

static void test_trial(void)
{
        struct copy_trial trial = {0};

        /* Some like the other are measured again, and the best of each counts. */
        CU_ASSERT_EQUAL(copy_trial_round(&trial, 100, 130), COPY_UNDER_WAY);
        CU_ASSERT_EQUAL(copy_trial_round(&trial, 190, 90), COPY_UNDER_WAY);
        CU_ASSERT_EQUAL(copy_trial_round(&trial, 105, 200), COPY_FASTER);
        trial = (struct copy_trial){0};
        CU_ASSERT_EQUAL(copy_trial_round(&trial, 100, 99), COPY_UNDER_WAY);
        CU_ASSERT_EQUAL(copy_trial_round(&trial, 100, 98), COPY_UNDER_WAY);
        CU_ASSERT_EQUAL(copy_trial_round(&trial, 100, 98), COPY_NOT_FASTER);
        /* Half the time, or a slow device: once. */
        trial = (struct copy_trial){0};
        CU_ASSERT_EQUAL(copy_trial_round(&trial, 100, 40), COPY_FASTER);
        trial = (struct copy_trial){0};
        CU_ASSERT_EQUAL(copy_trial_round(&trial, 50000, 50000), COPY_NOT_FASTER);
}

static void test_yes(void)
{
        begin(SESSION_COPIES_YES);
        CU_ASSERT_EQUAL(sign(5), 5);
        CU_ASSERT_EQUAL(module.n_signed, 5);
        CU_ASSERT_EQUAL(module.n_made, 1);
        CU_ASSERT_EQUAL(atomic_load(&token.n_copies), 1);
        CU_ASSERT_EQUAL(n_told, 1);
        end();
}

static void test_no(void)
{
        begin(SESSION_COPIES_NO);
        CU_ASSERT_EQUAL(sign(5), 0);
        CU_ASSERT_EQUAL(module.n_made, 0);
        end();
}

static void test_auto(void)
{
        struct inventory_key key;

        begin(SESSION_COPIES_AUTO);
        /* The trial is made of the first use. What it shows here is as fast as ever. */
        sign(1);
        CU_ASSERT(module.n_signed >= 2 && module.n_signed <= 2 * COPY_ROUNDS);
        CU_ASSERT_TRUE_FATAL(inventory_key(inventory, 1, &key));
        CU_ASSERT(key.trial == COPY_FASTER || key.trial == COPY_NOT_FASTER);
        CU_ASSERT_EQUAL(atomic_load(&token.n_faster) + atomic_load(&token.n_not_faster), 1);
        CU_ASSERT_EQUAL(module.n_copies, key.trial == COPY_FASTER ? 1 : 0);
        CU_ASSERT_EQUAL(sign(5), key.trial == COPY_FASTER ? 5 : 0);
        CU_ASSERT(module.n_signed <= 2 * COPY_ROUNDS + 5);
        end();
}

static void test_paused(void)
{
        begin(SESSION_COPIES_AUTO);
        atomic_store(&token.no_copies, true);
        CU_ASSERT_EQUAL(sign(2), 0);
        CU_ASSERT_EQUAL(module.n_made, 0);
        end();
}

/* What protects the key must be the copy's, all of it, and must be seen. */
static void test_protection(void)
{
        static const CK_ATTRIBUTE_TYPE types[] = {
                CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_PRIVATE, CKA_SIGN, CKA_DECRYPT};

        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                for (unsigned silent = 0; silent < 2; silent++) {
                        begin(SESSION_COPIES_YES);
                        *(silent ? &module.silent : &module.other) = types[i];
                        CU_ASSERT_EQUAL(sign(3), 0);
                        CU_ASSERT_EQUAL(module.n_made, 1);
                        CU_ASSERT_EQUAL(module.n_copies, 0);
                        end();
                }
}

static void test_token_object(void)
{
        begin(SESSION_COPIES_YES);
        module.token_object = true;
        CU_ASSERT_EQUAL(sign(3), 0);
        CU_ASSERT_EQUAL(module.n_made, 1);
        CU_ASSERT_EQUAL(module.n_copies, 0);
        end();
}

static void test_refused(void)
{
        begin(SESSION_COPIES_YES);
        module.copy_rv = CKR_ACTION_PROHIBITED;
        CU_ASSERT_EQUAL(sign(3), 0);
        module.copy_rv = CKR_OK;
        /* It is not asked again. */
        CU_ASSERT_EQUAL(sign(3), 0);
        end();
}

static void test_no_room(void)
{
        begin(SESSION_COPIES_YES);
        config.refresh_usec = 0;
        module.max = 0;
        CU_ASSERT_EQUAL(sign(3), 0);
        /* Another time there is. */
        module.max = 1;
        CU_ASSERT_EQUAL(sign(1), 1);
        end();
}

/* A copy that does not do what the key does: the key does it, and nobody sees it. */
static void test_fails(void)
{
        begin(SESSION_COPIES_YES);
        module.fails = true;
        CU_ASSERT_EQUAL(sign(3), 1);
        CU_ASSERT_EQUAL(module.n_copies, 0);
        end();
}

/* Wrong data costs no copy: whoever may sign would take it from the others. */
static void test_bad_data(void)
{
        begin(SESSION_COPIES_YES);
        sign(1);
        module.bad = true;
        CU_ASSERT_EQUAL(sign(2), 2);
        module.bad = false;
        CU_ASSERT_EQUAL(sign(2), 2);
        CU_ASSERT_EQUAL(module.n_made, 1);
        end();
}

/* The session was lost: what has the handle now is not the copy. */
static void test_session_lost(void)
{
        begin(SESSION_COPIES_YES);
        sign(1);
        session.n_opens++;
        module.n_copies = 0;
        CU_ASSERT_EQUAL(sign(2), 2);
        CU_ASSERT_EQUAL(module.n_made, 2);
        CU_ASSERT_EQUAL(atomic_load(&token.n_copies), 1);
        end();
}

/* Another process took a usage away, or the key: after Refresh= the copy is not used any more. */
static void test_changed(void)
{
        begin(SESSION_COPIES_YES);
        config.refresh_usec = 0;
        CU_ASSERT_EQUAL(sign(2), 2);
        CU_ASSERT_EQUAL(module.n_made, 1);
        module.usable = CK_FALSE;
        CU_ASSERT_EQUAL(sign(1), 0);
        end();
}

static void test_tidy(void)
{
        begin(SESSION_COPIES_YES);
        sign(1);
        CU_ASSERT_EQUAL(module.n_copies, 1);
        session_copy_tidy(&session, inventory);
        CU_ASSERT_EQUAL(module.n_copies, 1);
        module.gone = true;
        refresh();
        session_copy_tidy(&session, inventory);
        CU_ASSERT_EQUAL(module.n_copies, 0);
        end();
}

/* More keys than places: those that are in use keep theirs. */
static void test_full(void)
{
        begin(SESSION_COPIES_YES);
        for (uint64_t number = 1; number <= LIMIT_SESSION_COPIES + 5; number++) {
                struct inventory_key key = {.number = number, .handle = KEY};
                CK_OBJECT_HANDLE object = session_copy_object(&operation, &key, false);

                CU_ASSERT_EQUAL(object == KEY, number > LIMIT_SESSION_COPIES);
        }
        CU_ASSERT_EQUAL(module.n_copies, LIMIT_SESSION_COPIES);
        CU_ASSERT_EQUAL(module.n_made, LIMIT_SESSION_COPIES);
        end();
}

/* No room on the device: the least recently used copy makes it. */
static void test_make_room(void)
{
        struct inventory_key keys[] = {
                {.number = 1, .handle = KEY}, {.number = 2, .handle = KEY}, {.number = 3, .handle = KEY}};

        begin(SESSION_COPIES_YES);
        module.max = 2;
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                CU_ASSERT_NOT_EQUAL(session_copy_object(&operation, &keys[i], false), KEY);
        CU_ASSERT_EQUAL(module.n_copies, 2);
        end();
}

SUITE(worker_session_copy, {"a trial compares the fastest uses", test_trial},
        {"yes: each use is made with a copy, and the broker is told before it is made", test_yes},
        {"no: none is", test_no}, {"auto: the first use shows whether it pays", test_auto},
        {"no copy is made where workers died of it", test_paused},
        {"a copy that is not protected as the key is, or does not show it, is not used", test_protection},
        {"a module that makes token objects instead makes none more", test_token_object},
        {"a token that refuses is not asked again", test_refused},
        {"a token without room for copies signs all the same", test_no_room},
        {"what a copy does not do the key does", test_fails}, {"wrong data costs no copy", test_bad_data},
        {"a session that was lost took its copies along", test_session_lost},
        {"a key whose usage was taken away is used itself after Refresh=", test_changed},
        {"the copies of keys that are gone go", test_tidy},
        {"with more keys than places those in use keep theirs", test_full},
        {"the least recently used copy makes room on the device", test_make_room});

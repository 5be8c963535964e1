/* SPDX-License-Identifier: MPL-2.0 */
/* libtokend where memory is short: each allocation of a call fails in turn, json-c's too. The daemon lives on. */
#include <errno.h>
#include <string.h>

#include "client/tokend.h"
#include "tests/unit/alloc.h"
#include "tests/unit/by_loop.h"
#include "tests/unit/fake_daemon.h"
#include "tests/unit/suite.h"

/* Long enough that only a fault lets it pass. */
#define LONG_MS 30000

#define KEY                                                                                                  \
        "{\"token\":\"hsm\",\"nickname\":\"new\",\"id\":\"0a0b\",\"type\":\"rsa\",\"size\":2048,"            \
        "\"publicKey\":\"AQID\","                                                                            \
        "\"usage\":[\"sign\",\"derive\"],\"sensitive\":true,\"extractable\":false,\"neverExtractable\":"     \
        "true,"                                                                                              \
        "\"local\":true,\"hasCertificate\":false}"
#define CERTIFICATE                                                                                          \
        "{\"token\":\"hsm\",\"nickname\":\"new\",\"id\":\"01\",\"subject\":\"CN=x\",\"issuer\":\"CN=x\","    \
        "\"serialNumber\":"                                                                                  \
        "\"05\",\"notBeforeUSec\":0,\"notAfterUSec\":1,\"hasPrivateKey\":true,\"der\":\"MAA=\"}"
#define STATUS                                                                                               \
        "{\"version\":\"1\",\"startedUSec\":5,\"tokens\":[{\"name\":\"hsm\",\"state\":\"ready\","            \
        "\"sinceUSec\":1,\"module\":"                                                                        \
        "\"/"                                                                                                \
        "m.so\",\"claims\":[{\"nickname\":\"a\",\"claimant\":\"0b\",\"host\":\"h\",\"sinceUSec\":2}]},{"     \
        "\"name\":"                                                                                          \
        "\"soft\",\"state\":\"starting\"}],\"instances\":[{\"name\":\"i\",\"connections\":1}],\"audit\":{"   \
        "\"mode\":\"file\",\"ok\":"                                                                          \
        "true}}"

static struct fake fake;
static struct tokend *handle;

static bool answers(struct fake *f, int fd, const char *request)
{
        static const struct {
                const char *method, *reply;
        } replies[] = {
                {"Keys.Sign", "{\"parameters\":{\"signature\":\"c2lnbmVk\"}}"},
                {"Keys.Decrypt", "{\"parameters\":{\"plaintext\":\"cGxhaW4=\"}}"},
                {"Keys.Derive", "{\"parameters\":{\"secret\":\"c2VjcmV0\"}}"},
                {"Keys.Tokens",
                        "{\"parameters\":{\"tokens\":[{\"name\":\"hsm\",\"state\":\"ready\",\"label\":\"l\","
                        "\"manufacturer\":\"m\",\"model\":\"n\",\"serial\":\"s\",\"rights\":[\"list\","
                        "\"sign\"],"
                        "\"mechanisms\":[\"CKM_X\"],\"wraps\":[\"CKM_X\"],\"unwraps\":[]}]}}"},
                {"Keys.Get", "{\"parameters\":{\"key\":" KEY "}}"},
                {"Keys.Generate", "{\"parameters\":{\"key\":" KEY "}}"},
                {"Keys.Rename", "{\"parameters\":{\"key\":" KEY "}}"},
                {"Keys.Random", "{\"parameters\":{\"bytes\":\"AQIDBA==\"}}"},
                {"Certificates.Get", "{\"parameters\":{\"certificate\":" CERTIFICATE "}}"},
                {"Certificates.Request", "{\"parameters\":{\"request\":\"MAA=\"}}"},
                {"Certificates.Check",
                        "{\"parameters\":{\"empty\":false,\"found\":[\"a\",\"b\"],\"collisions\":[],"
                        "\"missingMechanisms\":[\"CKM_X\"]}}"},
                {"Status.Get", "{\"parameters\":" STATUS "}"},
                {"Status.Metrics", "{\"parameters\":{\"openMetrics\":\"# EOF\\n\"}}"},
        };

        if (fake_is(request, "Keys.List")) {
                /* The second in a call of a generate: nothing bears the name yet. */
                fake_send(fd, strstr(request, "\"nickname\"") ? "{\"parameters\":{\"keys\":[]}}"
                                                              : "{\"parameters\":{\"keys\":[" KEY
                                                                "]},\"continues\":true}");
                if (!strstr(request, "\"nickname\""))
                        fake_send(fd, "{\"parameters\":{\"keys\":[" KEY "," KEY
                                      "],\"state\":\"ab\",\"unavailable\":[{\"token\":\"soft\","
                                      "\"state\":\"failed\",\"reason\":\"why\"}]}}");
                return true;
        }
        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
                if (fake_is(request, replies[i].method)) {
                        fake_send(fd, replies[i].reply);
                        return true;
                }
        fake_send(fd, "{\"error\":\"io.tokend.Keys.KeyNotFound\",\"parameters\":{\"key\":\"hsm:new\"}}");
        return true;
}

/* ---- calls, each with an output that is whole where the call says so ---- */

/* With no memory for the reply to what is sent once, nobody knows what became of it. */
static int unless_unknown(enum tokend_error error)
{
        return error == TOKEND_OUTCOME_UNKNOWN && alloc_has_failed() ? TOKEND_NO_MEMORY : (int)error;
}

static int open_and_close(void *userdata)
{
        struct tokend *opened = tokend_open(fake.path, 0);

        if (!opened)
                return -errno;
        tokend_close(opened);
        return 0;
}

static int sign(void *userdata)
{
        unsigned char *signature = NULL;
        size_t length = 0;
        enum tokend_error error = CALL(tokend_sign, handle, "hsm:ca", "rsa_pkcs1_sha256", TOKEND_MESSAGE,
                "m\303\244", 3, LONG_MS, &signature, &length, NULL);

        if (!error)
                CU_ASSERT(length == 6 && !memcmp(signature, "signed", 6));
        tokend_free(signature);
        return (int)error;
}

static int decrypt(void *userdata)
{
        unsigned char *plaintext = NULL;
        size_t length = 0;
        enum tokend_error error = CALL(tokend_decrypt, handle, "hsm:kra", "rsa_oaep_sha1", "cipher", 6,
                "label", 5, LONG_MS, &plaintext, &length, NULL);

        if (!error)
                CU_ASSERT(length == 5 && !memcmp(plaintext, "plain", 5));
        tokend_secret_free(plaintext, length);
        return (int)error;
}

static int derive(void *userdata)
{
        unsigned char *secret = NULL;
        size_t length = 0;
        enum tokend_error error =
                CALL(tokend_derive, handle, "hsm:ec", "point", 5, LONG_MS, &secret, &length, NULL);

        if (!error)
                CU_ASSERT(length == 6 && !memcmp(secret, "secret", 6));
        tokend_secret_free(secret, length);
        return (int)error;
}

static void check_key(const struct tokend_key *key)
{
        CU_ASSERT_STRING_EQUAL(key->nickname, "new");
        CU_ASSERT_EQUAL(key->public_key_length, 3);
        CU_ASSERT_EQUAL(strlen(key->json), strlen(KEY));
}

static int get(void *userdata)
{
        struct tokend_key *key = NULL;
        enum tokend_error error = CALL(tokend_get, handle, "hsm:new", LONG_MS, &key, NULL);

        if (!error)
                check_key(key);
        tokend_key_free(key);
        return (int)error;
}

static int list(void *userdata)
{
        struct tokend_keys *keys = NULL;
        enum tokend_error error = CALL(tokend_list, handle, "hsm", NULL, LONG_MS, &keys, NULL);

        if (!error) {
                CU_ASSERT_EQUAL(keys->n_keys, 3);
                for (size_t i = 0; i < keys->n_keys; i++)
                        check_key(keys->keys[i]);
                CU_ASSERT_STRING_EQUAL(keys->end->state, "ab");
                CU_ASSERT_EQUAL(keys->end->n_unavailable, 1);
                CU_ASSERT_STRING_EQUAL(keys->end->unavailable[0]->reason, "why");
                tokend_keys_free(keys);
        }
        return (int)error;
}

static int tokens(void *userdata)
{
        struct tokend_tokens *all = NULL;
        enum tokend_error error = CALL(tokend_tokens, handle, LONG_MS, &all, NULL);

        if (!error) {
                CU_ASSERT_EQUAL(all->n_tokens, 1);
                CU_ASSERT_STRING_EQUAL(all->tokens[0]->rights[1], "sign");
                CU_ASSERT_STRING_EQUAL(all->tokens[0]->mechanisms[0], "CKM_X");
                CU_ASSERT_STRING_EQUAL(all->tokens[0]->wraps[0], "CKM_X");
                CU_ASSERT_PTR_NULL(all->tokens[0]->reason);
        }
        tokend_tokens_free(all);
        return (int)error;
}

static int generate(void *userdata)
{
        const struct tokend_template wanted = {.struct_size = sizeof(wanted),
                .token = "hsm",
                .nickname = "new",
                .type = "rsa",
                .size = 2048};
        struct tokend_key *key = NULL;
        enum tokend_error error = CALL(tokend_generate, handle, &wanted, LONG_MS, &key, NULL);

        if (!error)
                check_key(key);
        tokend_key_free(key);
        return unless_unknown(error);
}

static int rename_key(void *userdata)
{
        struct tokend_key *key = NULL;
        enum tokend_error error = CALL(tokend_rename, handle, "hsm:old", "new", LONG_MS, &key, NULL);

        if (!error)
                check_key(key);
        tokend_key_free(key);
        return unless_unknown(error);
}

static int draw(void *userdata)
{
        unsigned char bytes[4] = {0};
        enum tokend_error error = CALL(tokend_random, handle, bytes, 4, LONG_MS, NULL);

        if (!error)
                CU_ASSERT_EQUAL(memcmp(bytes, "\1\2\3\4", 4), 0);
        return (int)error;
}

static int request_certificate(void *userdata)
{
        const char *const names[] = {"a.example", "b.example"};
        const struct tokend_subject subject = {.struct_size = sizeof(subject),
                .key = "hsm:new",
                .subject = "CN=x",
                .dns_names = names,
                .n_dns_names = 2};
        unsigned char *der = NULL;
        size_t length = 0;
        enum tokend_error error =
                CALL(tokend_request_certificate, handle, &subject, LONG_MS, &der, &length, NULL);

        if (!error)
                CU_ASSERT(length == 2 && !memcmp(der, "\x30\0", 2));
        tokend_free(der);
        return (int)error;
}

static int get_certificate(void *userdata)
{
        struct tokend_certificate *certificate = NULL;
        enum tokend_error error =
                CALL(tokend_get_certificate, handle, "hsm:new", LONG_MS, &certificate, NULL);

        if (!error)
                CU_ASSERT_STRING_EQUAL(certificate->subject, "CN=x");
        tokend_certificate_free(certificate);
        return (int)error;
}

static int check(void *userdata)
{
        const char *const nicknames[] = {"a", "b"}, *const mechanisms[] = {"CKM_X"};
        struct tokend_check *found = NULL;
        enum tokend_error error =
                CALL(tokend_check, handle, "hsm", nicknames, 2, mechanisms, 1, LONG_MS, &found, NULL);

        if (!error) {
                CU_ASSERT_EQUAL(found->n_found, 2);
                CU_ASSERT_EQUAL(found->n_missing_mechanisms, 1);
                tokend_check_free(found);
        }
        return (int)error;
}

static int status(void *userdata)
{
        struct tokend_status *found = NULL;
        enum tokend_error error = CALL(tokend_status, handle, LONG_MS, &found, NULL);

        if (!error) {
                CU_ASSERT_EQUAL(found->n_tokens, 2);
                CU_ASSERT_EQUAL(found->tokens[0]->n_claims, 1);
                CU_ASSERT_EQUAL(found->n_instances, 1);
                CU_ASSERT_EQUAL(strlen(found->json), strlen(STATUS));
                tokend_status_free(found);
        }
        return (int)error;
}

static int metrics(void *userdata)
{
        char *text = NULL;
        enum tokend_error error = CALL(tokend_metrics, handle, LONG_MS, &text, NULL);

        if (!error)
                CU_ASSERT_STRING_EQUAL(text, "# EOF\n");
        tokend_free(text);
        return (int)error;
}

/* A reply that is an error. */
static int not_found(void *userdata)
{
        struct tokend_failure failure = {0};
        enum tokend_error error = CALL(tokend_delete, handle, "hsm:new", LONG_MS, &failure);

        CU_ASSERT_EQUAL(failure.error, error);
        return error == TOKEND_KEY_NOT_FOUND ? 0 : unless_unknown(error);
}

/* The call on a handle of its own, so that nothing stays that a connection needs. */
static int with_handle(void *userdata)
{
        int (*const *call)(void *userdata) = userdata;
        int r;

        handle = tokend_open(fake.path, 0);
        if (!handle)
                return errno == ENOMEM ? TOKEND_NO_MEMORY : -errno;
        r = (*call)(NULL);
        tokend_close(handle);
        return r;
}

static void each(int (*call)(void *userdata))
{
        fake_init(&fake, answers);
        fake_start(&fake);
        alloc_fail_each(with_handle, &call, TOKEND_NO_MEMORY);
        by_loop_set(true);
        alloc_fail_each(with_handle, &call, TOKEND_NO_MEMORY);
        by_loop_set(false);
        fake_done(&fake);
}

static void test_open(void)
{
        fake_init(&fake, answers);
        CU_ASSERT_EQUAL_FATAL(open_and_close(NULL), 0); /* the first registers for fork(2), for good */
        alloc_fail_each(open_and_close, NULL, -ENOMEM);
        fake_done(&fake);
}

static void test_keys(void)
{
        each(sign);
        each(decrypt);
        each(derive);
        each(get);
        each(list);
        each(tokens);
        each(rename_key);
        each(draw);
}

static void test_generate(void)
{
        each(generate);
}

static void test_certificates(void)
{
        each(request_certificate);
        each(get_certificate);
        each(check);
}

static void test_status(void)
{
        each(status);
        each(metrics);
}

static void test_error(void)
{
        each(not_found);
}

SUITE(client_no_memory, {"a handle is opened, or there is no memory", test_open},
        {"a call about keys succeeds whole, or there is no memory", test_keys},
        {"a generate succeeds whole, or there is no memory", test_generate},
        {"a call about certificates succeeds whole, or there is no memory", test_certificates},
        {"a status is whole, or there is no memory", test_status},
        {"an error of the daemon stays what it is, or there is no memory", test_error});

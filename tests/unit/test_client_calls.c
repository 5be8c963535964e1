/* SPDX-License-Identifier: MPL-2.0 */
/* libtokend against daemons that go away, lie, keep silent and come back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/tokend.h"
#include "proto/base64.h"
#include "tests/unit/by_loop.h"
#include "tests/unit/fake_daemon.h"
#include "tests/unit/suite.h"

/* Long enough that only a fault lets it pass. */
#define LONG_MS 30000

#define KEY(nickname, size)                                                                                  \
        "{\"token\":\"hsm\",\"nickname\":\"" nickname "\",\"id\":\"0a0b\",\"type\":\"rsa\",\"size\":" size   \
        ",\"publicKey\":\"AQID\",\"usage\":[\"sign\",\"derive\",\"other\"],\"sensitive\":true,"              \
        "\"extractable\":false,"                                                                             \
        "\"neverExtractable\":true,\"local\":true,\"hasCertificate\":false,\"later\":1}"
#define NOT_FOUND "{\"error\":\"io.tokend.Keys.KeyNotFound\",\"parameters\":{\"key\":\"hsm:new\"}}"
#define UNAVAILABLE                                                                                          \
        "{\"error\":\"io.tokend.Keys.TokenUnavailable\",\"parameters\":{\"token\":\"hsm\",\"state\":"        \
        "\"recovering\","                                                                                    \
        "\"reason\":\"away\"}}"
#define NO_KEYS   "{\"parameters\":{\"keys\":[]}}"
#define SIGNATURE "{\"parameters\":{\"signature\":\"c2lnbmVk\"}}"

static struct fake fake;
static struct tokend *handle;
static struct tokend_failure failure;

static void begin(fake_handler handler)
{
        fake_init(&fake, handler);
        fake_start(&fake);
        handle = tokend_open(fake.path, 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(handle);
        memset(&failure, 0xee, sizeof(failure));
}

static void end(void)
{
        tokend_close(handle);
        fake_done(&fake);
}

static enum tokend_error sign_within(int timeout_ms)
{
        unsigned char *signature = NULL;
        size_t length = 0;
        enum tokend_error error = CALL(tokend_sign, handle, "hsm:ca", "rsa_pkcs1_sha256", TOKEND_DIGEST,
                "12345678901234567890123456789012", 32, timeout_ms, &signature, &length, &failure);

        CU_ASSERT_EQUAL(error == TOKEND_OK, signature != NULL);
        if (error == TOKEND_OK) {
                CU_ASSERT_EQUAL(length, 6);
                CU_ASSERT_EQUAL(memcmp(signature, "signed", 6), 0);
        } else {
                CU_ASSERT_EQUAL(failure.error, error);
                CU_ASSERT_TRUE(strlen(failure.text) > 5);
        }
        tokend_free(signature);
        return error;
}

static enum tokend_error generate_within(int timeout_ms)
{
        const struct tokend_template wanted = {.struct_size = sizeof(wanted),
                .token = "hsm",
                .nickname = "new",
                .type = "rsa",
                .size = 2048};
        struct tokend_key *key = NULL;
        enum tokend_error error = CALL(tokend_generate, handle, &wanted, timeout_ms, &key, &failure);

        CU_ASSERT_EQUAL(error == TOKEND_OK, key != NULL);
        tokend_key_free(key);
        return error;
}

static int64_t now_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- a daemon that works ---- */

static bool works(struct fake *f, int fd, const char *request)
{
        if (fake_is(request, "Keys.Sign"))
                fake_send(fd, SIGNATURE);
        else if (fake_is(request, "Keys.List"))
                fake_send(fd, NO_KEYS);
        else if (fake_is(request, "Keys.Generate"))
                fake_send(fd, "{\"parameters\":{\"key\":" KEY("new", "2048") "}}");
        else if (fake_is(request, "Keys.Delete"))
                fake_send(fd, "{}");
        else
                fake_send(fd, "{\"error\":\"org.varlink.service.MethodNotFound\"}");
        return true;
}

static void test_connection_is_kept(void)
{
        begin(works);
        for (int i = 0; i < 5; i++)
                CU_ASSERT_EQUAL(sign_within(LONG_MS), TOKEND_OK);
        CU_ASSERT_EQUAL(generate_within(LONG_MS), TOKEND_OK);
        CU_ASSERT_EQUAL(CALL(tokend_delete, handle, "hsm:new", LONG_MS, &failure), TOKEND_OK);
        CU_ASSERT_EQUAL(fake.n_connections, 1);
        end();
}

static void test_restart_between_calls(void)
{
        begin(works);
        CU_ASSERT_EQUAL(sign_within(LONG_MS), TOKEND_OK);
        fake_stop(&fake);
        fake_start(&fake);
        CU_ASSERT_EQUAL(CALL(tokend_delete, handle, "hsm:new", LONG_MS, &failure), TOKEND_OK);
        fake_stop(&fake);
        fake_start(&fake);
        CU_ASSERT_EQUAL(generate_within(LONG_MS), TOKEND_OK);
        CU_ASSERT_EQUAL(sign_within(LONG_MS), TOKEND_OK);
        CU_ASSERT_EQUAL(fake.n_connections, 3);
        CU_ASSERT_EQUAL(fake.n_requests, 6);
        end();
}

static void *sign_in_thread(void *userdata)
{
        enum tokend_error *error = userdata;
        unsigned char *signature = NULL;
        size_t length;

        *error = tokend_sign(
                handle, "hsm:ca", "ed25519", TOKEND_MESSAGE, "m", 1, LONG_MS, &signature, &length, NULL);
        tokend_free(signature);
        return NULL;
}

static void test_absent_then_there(void)
{
        enum tokend_error error = TOKEND_OTHER_ERROR;
        pthread_t thread;

        begin(works);
        fake_stop(&fake);
        CU_ASSERT_EQUAL(sign_within(50), TOKEND_CANNOT_CONNECT);
        pthread_create(&thread, NULL, sign_in_thread, &error);
        fake_start(&fake);
        pthread_join(thread, NULL);
        CU_ASSERT_EQUAL(error, TOKEND_OK);
        end();
}

static void test_no_wait(void)
{
        int64_t start = now_ms();

        begin(works);
        fake_stop(&fake);
        tokend_close(handle);
        handle = tokend_open(fake.path, TOKEND_NO_WAIT);
        CU_ASSERT_EQUAL(sign_within(LONG_MS), TOKEND_CANNOT_CONNECT);
        CU_ASSERT_EQUAL(generate_within(LONG_MS), TOKEND_CANNOT_CONNECT);
        CU_ASSERT_TRUE(now_ms() - start < LONG_MS / 2);
        end();
}

static void test_fork(void)
{
        int status = -1;
        pid_t child;

        begin(works);
        CU_ASSERT_EQUAL(sign_within(LONG_MS), TOKEND_OK);
        child = fork();
        if (child == 0) {
                int bad = sign_within(LONG_MS) != TOKEND_OK;

                bad |= sign_within(LONG_MS) != TOKEND_OK;
                _exit(bad);
        }
        waitpid(child, &status, 0);
        CU_ASSERT_EQUAL(status, 0);
        CU_ASSERT_EQUAL(fake.n_connections, 2);
        CU_ASSERT_EQUAL(sign_within(LONG_MS), TOKEND_OK);
        CU_ASSERT_EQUAL(fake.n_connections, 2);
        end();
}

/* ---- threads ---- */

/* Holds a generate until a sign has come, on another connection. */
static bool generate_waits_for_sign(struct fake *f, int fd, const char *request)
{
        if (fake_is(request, "Keys.Generate")) {
                f->held = fd;
                return true;
        }
        works(f, fd, request);
        if (fake_is(request, "Keys.Sign") && f->held >= 0) {
                works(f, f->held, "\"method\":\"io.tokend.Keys.Generate\"");
                f->held = -1;
        } else if (fake_is(request, "Keys.Sign")) {
                f->handler = works; /* it came first, and has nothing to wait for */
        }
        return true;
}

static void test_threads_do_not_wait(void)
{
        enum tokend_error error = TOKEND_OTHER_ERROR;
        pthread_t thread;

        begin(generate_waits_for_sign);
        pthread_create(&thread, NULL, sign_in_thread, &error);
        CU_ASSERT_EQUAL(generate_within(LONG_MS), TOKEND_OK);
        pthread_join(thread, NULL);
        CU_ASSERT_EQUAL(error, TOKEND_OK);
        end();
}

/* The signature is the message. */
static bool echoes(struct fake *f, int fd, const char *request)
{
        const char *message = strstr(request, "\"message\":\"") + strlen("\"message\":\"");
        char reply[256];

        snprintf(reply, sizeof(reply), "{\"parameters\":{\"signature\":\"%.*s\"}}",
                (int)strcspn(message, "\""), message);
        fake_send(fd, reply);
        return true;
}

static void *sign_own(void *userdata)
{
        uintptr_t wrong = 0;

        for (int i = 0; i < 200; i++) {
                char message[64];
                unsigned char *signature = NULL;
                size_t length = 0, n = (size_t)snprintf(message, sizeof(message), "%p %d", userdata, i);

                if (tokend_sign(handle, "k", "ed25519", TOKEND_MESSAGE, message, n, LONG_MS, &signature,
                            &length, NULL) != TOKEND_OK ||
                        length != n || memcmp(signature, message, n) != 0)
                        wrong++;
                tokend_free(signature);
        }
        return (void *)wrong;
}

static void test_answers_are_not_mixed(void)
{
        pthread_t threads[8];

        begin(echoes);
        for (uintptr_t i = 0; i < 8; i++)
                pthread_create(&threads[i], NULL, sign_own, (void *)(i + 1));
        for (int i = 0; i < 8; i++) {
                void *wrong;

                pthread_join(threads[i], &wrong);
                CU_ASSERT_PTR_NULL(wrong);
        }
        CU_ASSERT_TRUE(fake.n_connections <= 8);
        end();
}

/* ---- a daemon that goes away ---- */

/* The first answer is cut. */
static bool cuts_once(struct fake *f, int fd, const char *request)
{
        f->handler = works;
        fake_send_bytes(fd, SIGNATURE, strlen(SIGNATURE) / 2);
        return false;
}

static void test_cut_reply(void)
{
        begin(cuts_once);
        CU_ASSERT_EQUAL(sign_within(LONG_MS), TOKEND_OK);
        CU_ASSERT_EQUAL(fake.n_connections, 2);
        CU_ASSERT_EQUAL(fake.n_requests, 2);
        end();
}

static bool always_closes(struct fake *f, int fd, const char *request)
{
        return false;
}

static void test_always_closed(void)
{
        begin(always_closes);
        CU_ASSERT_EQUAL(sign_within(100), TOKEND_CANNOT_CONNECT);
        CU_ASSERT_TRUE(fake.n_requests > 1);
        CU_ASSERT_TRUE(fake.n_requests < 12); /* with growing pauses */
        end();
}

static atomic_int n_generated, n_deleted;
static const char *before, *after; /* what List says before the generate, and Get after it */

/* Whether the daemon is there at all is asked before a generate. */
static bool is_get_info(const char *request)
{
        return strstr(request, "\"org.varlink.service.GetInfo\"");
}

static bool loses_changes(struct fake *f, int fd, const char *request)
{
        if (fake_is(request, "Keys.Delete"))
                n_deleted++;
        if (fake_is(request, "Keys.Generate"))
                n_generated++;
        if (fake_is(request, "Keys.List"))
                fake_send(fd, before);
        else if (fake_is(request, "Keys.Get"))
                fake_send(fd, after);
        else if (is_get_info(request))
                fake_send(fd, "{}");
        else
                return false;
        return true;
}

static enum tokend_error generate_lost(const char *list_before, const char *get_after, int timeout_ms)
{
        enum tokend_error error;

        before = list_before;
        after = get_after;
        n_generated = n_deleted = 0;
        begin(loses_changes);
        error = generate_within(timeout_ms);
        CU_ASSERT_EQUAL(n_generated, 1);
        end();
        return error;
}

static void test_generate_is_found(void)
{
        CU_ASSERT_EQUAL(generate_lost(NO_KEYS, "{\"parameters\":{\"key\":" KEY("new", "2048") "}}", LONG_MS),
                TOKEND_OK);
}

static void test_generate_unknown(void)
{
        static const char there[] = "{\"parameters\":{\"key\":" KEY("new", "2048") "}}";
        static const char listed[] = "{\"parameters\":{\"keys\":[" KEY("new", "2048") "]}}";
        static const char other[] = "{\"parameters\":{\"key\":" KEY("new", "4096") "}}";
        static const char denied[] =
                "{\"error\":\"io.tokend.Keys.PermissionDenied\",\"parameters\":{\"operation\":\"list\"}}";

        CU_ASSERT_EQUAL(generate_lost(listed, there, LONG_MS), TOKEND_OUTCOME_UNKNOWN);
        CU_ASSERT_EQUAL(generate_lost(NO_KEYS, other, LONG_MS), TOKEND_OUTCOME_UNKNOWN);
        CU_ASSERT_EQUAL(generate_lost(denied, denied, LONG_MS), TOKEND_OUTCOME_UNKNOWN);
        CU_ASSERT_EQUAL(generate_lost(NO_KEYS, NOT_FOUND, 400), TOKEND_OUTCOME_UNKNOWN);
        CU_ASSERT_STRING_EQUAL(failure.name, "OutcomeUnknown");
}

/* A daemon whose token is away: what needs it waits for longer than anybody here. */
static bool token_is_away(struct fake *f, int fd, const char *request)
{
        if (fake_is(request, "Keys.Generate"))
                fake_send(fd, UNAVAILABLE);
        else if (is_get_info(request))
                fake_send(fd, "{}");
        return true;
}

static bool token_has_failed(struct fake *f, int fd, const char *request)
{
        fake_send(fd, is_get_info(request) ? "{}" : UNAVAILABLE);
        return true;
}

static void test_generate_unavailable(void)
{
        int64_t start = now_ms();

        begin(token_is_away);
        CU_ASSERT_EQUAL(generate_within(LONG_MS), TOKEND_TOKEN_UNAVAILABLE);
        CU_ASSERT_TRUE(now_ms() - start < LONG_MS / 2);
        CU_ASSERT_EQUAL(generate_within(1000), TOKEND_TOKEN_UNAVAILABLE);
        end();
        begin(token_has_failed);
        CU_ASSERT_EQUAL(generate_within(LONG_MS), TOKEND_TOKEN_UNAVAILABLE);
        CU_ASSERT_EQUAL(fake.n_requests, 2);
        end();
}

static void test_delete_unknown(void)
{
        n_deleted = 0;
        begin(loses_changes);
        CU_ASSERT_EQUAL(CALL(tokend_delete, handle, "hsm:new", LONG_MS, &failure), TOKEND_OUTCOME_UNKNOWN);
        CU_ASSERT_EQUAL(n_deleted, 1);
        end();
}

/* ---- a daemon that keeps silent, or asks for patience ---- */

static char last_request[4096];

static bool keeps_silent(struct fake *f, int fd, const char *request)
{
        snprintf(last_request, sizeof(last_request), "%s", request);
        return true;
}

static void test_deadline(void)
{
        int64_t start = now_ms(), timeout_ms;
        const char *at;

        begin(keeps_silent);
        CU_ASSERT_EQUAL(sign_within(200), TOKEND_TIMED_OUT);
        CU_ASSERT_TRUE(now_ms() - start >= 200);
        CU_ASSERT_TRUE(now_ms() - start < LONG_MS / 2);
        /* Nothing to do with an outcome: Generate is not sent to a daemon that does not answer. */
        CU_ASSERT_EQUAL(generate_within(50), TOKEND_TIMED_OUT);
        CU_ASSERT_EQUAL(CALL(tokend_delete, handle, "k", 50, &failure), TOKEND_OUTCOME_UNKNOWN);
        CU_ASSERT_EQUAL(sign_within(1000), TOKEND_TIMED_OUT);
        end(); /* and its thread with it: last_request is ours */
        at = strstr(last_request, "\"timeoutMs\":");
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        timeout_ms = atoi(at + strlen("\"timeoutMs\":"));
        CU_ASSERT_TRUE(timeout_ms > 0 && timeout_ms <= 900);
}

static const char *patience;

static bool overloaded_once(struct fake *f, int fd, const char *request)
{
        fake_send(fd, patience);
        f->handler = works;
        return true;
}

static void test_overloaded(void)
{
        patience = "{\"error\":\"io.tokend.Keys.Overloaded\",\"parameters\":{\"token\":\"hsm\","
                   "\"retryAfterMs\":20}}";
        begin(overloaded_once);
        CU_ASSERT_EQUAL(sign_within(LONG_MS), TOKEND_OK);
        CU_ASSERT_EQUAL(fake.n_requests, 2);
        CU_ASSERT_EQUAL(fake.n_connections, 1);
        end();
        patience = "{\"error\":\"io.tokend.Keys.Overloaded\",\"parameters\":{\"token\":\"hsm\","
                   "\"retryAfterMs\":60000}}";
        begin(overloaded_once);
        CU_ASSERT_EQUAL(sign_within(LONG_MS), TOKEND_OVERLOADED);
        CU_ASSERT_EQUAL(fake.n_requests, 1);
        end();
}

/* ---- what daemons say ---- */

static const char *answer;

static bool answers(struct fake *f, int fd, const char *request)
{
        fake_send(fd, answer);
        return true;
}

static void test_hostile_replies(void)
{
        static const char *const replies[] = {"", "x", "[]", "{", "null", "{\"parameters\":[]}",
                "{\"parameters\":1}", "{\"error\":1}", "{\"parameters\":{}}", "{}",
                "{\"parameters\":{\"signature\":1}}", "{\"parameters\":{\"signature\":\"\"}}",
                "{\"parameters\":{\"signature\":\"????\"}}", "{\"parameters\":{\"signature\":null}}",
                "{\"parameters\":{\"signature\":\"AAAA\",\"signature\":\"AAAA\"}}",
                "{\"parameters\":{\"signature\":\"AAAA\"},\"continues\":true}",
                "{\"parameters\":{\"signature\":\"AAAA\"},\"continues\":1}",
                "{\"parameters\":{\"signature\":\"AAAA\\u0000\"}}", "{'parameters':{}}"};

        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
                answer = replies[i];
                begin(answers);
                CU_ASSERT_EQUAL(sign_within(LONG_MS), TOKEND_PROTOCOL_VIOLATION);
                CU_ASSERT_EQUAL(fake.n_requests, 1);
                end();
        }
}

static void test_hostile_keys(void)
{
        static const char *const replies[] = {"{\"parameters\":{\"keys\":{}}}", "{\"parameters\":{}}",
                "{\"parameters\":{\"keys\":[1]}}", "{\"parameters\":{\"keys\":[null]}}",
                "{\"parameters\":{\"keys\":[{}]}}", "{\"parameters\":{\"keys\":[" KEY("a", "\"2048\"") "]}}",
                "{\"parameters\":{\"keys\":[" KEY("a", "2048") "," KEY("b", "-1") "]}}"};

        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
                struct tokend_keys *keys = NULL;

                answer = replies[i];
                begin(answers);
                CU_ASSERT_EQUAL(CALL(tokend_list, handle, NULL, NULL, LONG_MS, &keys, &failure),
                        TOKEND_PROTOCOL_VIOLATION);
                CU_ASSERT_PTR_NULL(keys);
                end();
        }
}

static bool endless(struct fake *f, int fd, const char *request)
{
        static char junk[65536];

        memset(junk, ' ', sizeof(junk));
        for (int i = 0; i < 17; i++)
                fake_send_bytes(fd, junk, sizeof(junk));
        return true;
}

static void test_too_long(void)
{
        begin(endless);
        CU_ASSERT_EQUAL(sign_within(LONG_MS), TOKEND_PROTOCOL_VIOLATION);
        end();
}

static void test_named_errors(void)
{
        static const struct {
                const char *name;
                enum tokend_error error;
        } errors[] = {{"io.tokend.Keys.KeyNotFound", TOKEND_KEY_NOT_FOUND},
                {"io.tokend.Keys.AmbiguousName", TOKEND_AMBIGUOUS_NAME},
                {"io.tokend.Keys.TokenNotFound", TOKEND_TOKEN_NOT_FOUND},
                {"io.tokend.Keys.NicknameExists", TOKEND_NICKNAME_EXISTS},
                {"io.tokend.Keys.AlgorithmNotSupported", TOKEND_ALGORITHM_NOT_SUPPORTED},
                {"io.tokend.Keys.PermissionDenied", TOKEND_PERMISSION_DENIED},
                {"io.tokend.Keys.TokenUnavailable", TOKEND_TOKEN_UNAVAILABLE},
                {"io.tokend.Keys.TokenError", TOKEND_TOKEN_ERROR},
                {"io.tokend.Keys.DeadlineExceeded", TOKEND_DEADLINE_EXCEEDED},
                {"io.tokend.Keys.OutcomeUnknown", TOKEND_OUTCOME_UNKNOWN},
                {"io.tokend.Keys.WorkerLost", TOKEND_WORKER_LOST},
                {"org.varlink.service.InterfaceNotFound", TOKEND_INTERFACE_NOT_FOUND},
                {"org.varlink.service.MethodNotFound", TOKEND_METHOD_NOT_FOUND},
                {"org.varlink.service.MethodNotImplemented", TOKEND_METHOD_NOT_IMPLEMENTED},
                {"org.varlink.service.InvalidParameter", TOKEND_INVALID_PARAMETER},
                {"org.varlink.service.ExpectedMore", TOKEND_EXPECTED_MORE},
                {"io.tokend.Keys.OfALaterDaemon", TOKEND_OTHER_ERROR}, {"nonsense", TOKEND_OTHER_ERROR}};

        for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
                char text[256];

                snprintf(text, sizeof(text),
                        "{\"error\":\"%s\",\"parameters\":{\"token\":\"h\xc2\x9bsm\",\"executed\":true}}",
                        errors[i].name);
                answer = text;
                begin(answers);
                CU_ASSERT_EQUAL(sign_within(LONG_MS), errors[i].error);
                CU_ASSERT_STRING_EQUAL(failure.name, errors[i].name);
                CU_ASSERT_PTR_NOT_NULL(strstr(failure.text, "(token \"h\\u009bsm\", executed true)"));
                CU_ASSERT_TRUE(failure.executed);
                CU_ASSERT_EQUAL(sign_within(LONG_MS), errors[i].error);
                CU_ASSERT_EQUAL(fake.n_connections, 1);
                end();
        }
}

static bool lists(struct fake *f, int fd, const char *request)
{
        if (!strstr(request, "\"more\":true"))
                return false;
        fake_send(fd,
                "{\"parameters\":{\"keys\":[" KEY("a", "2048") "," KEY("b", "2048") "]},\"continues\":true}");
        fake_send(fd, "{\"parameters\":{\"keys\":[]},\"continues\":true}");
        fake_send(fd, "{\"parameters\":{\"keys\":[" KEY("\xc3\xa4", "4096") "]}}");
        return true;
}

static void test_list(void)
{
        struct tokend_keys *keys = NULL;

        begin(lists);
        for (int i = 0; i < 2; i++) {
                CU_ASSERT_EQUAL_FATAL(
                        CALL(tokend_list, handle, NULL, NULL, LONG_MS, &keys, &failure), TOKEND_OK);
                CU_ASSERT_EQUAL_FATAL(keys->n_keys, 3);
                CU_ASSERT_STRING_EQUAL(keys->keys[2]->nickname, "\xc3\xa4");
                CU_ASSERT_EQUAL(keys->keys[2]->size, 4096);
                CU_ASSERT_EQUAL(keys->keys[0]->usage, TOKEND_USAGE_SIGN | TOKEND_USAGE_DERIVE);
                CU_ASSERT_EQUAL(keys->keys[0]->public_key_length, 3);
                CU_ASSERT_PTR_NULL(keys->keys[0]->curve);
                CU_ASSERT_PTR_NOT_NULL(strstr(keys->keys[0]->json, "\"later\":1"));
                tokend_keys_free(keys);
        }
        CU_ASSERT_EQUAL(fake.n_connections, 1);
        end();
}

static bool counts_bytes(struct fake *f, int fd, const char *request)
{
        static char zeros[4096], reply[8192];
        int n = atoi(strstr(request, "\"length\":") + strlen("\"length\":"));
        size_t at = (size_t)sprintf(reply, "{\"parameters\":{\"bytes\":\"");

        base64_encode(zeros, (size_t)n, reply + at);
        at += BASE64_LENGTH((size_t)n);
        snprintf(reply + at, sizeof(reply) - at, "\"}}");
        fake_send(fd, reply);
        return true;
}

static void test_random(void)
{
        unsigned char bytes[10000];

        begin(counts_bytes);
        memset(bytes, 1, sizeof(bytes));
        CU_ASSERT_EQUAL(CALL(tokend_random, handle, bytes, sizeof(bytes), LONG_MS, &failure), TOKEND_OK);
        CU_ASSERT_PTR_NULL(memchr(bytes, 1, sizeof(bytes)));
        CU_ASSERT_EQUAL(fake.n_requests, 3);
        end();
        answer = "{\"parameters\":{\"bytes\":\"AAAA\"}}";
        begin(answers);
        CU_ASSERT_EQUAL(CALL(tokend_random, handle, bytes, 4, LONG_MS, &failure), TOKEND_PROTOCOL_VIOLATION);
        CU_ASSERT_EQUAL(CALL(tokend_random, handle, bytes, 3, LONG_MS, &failure), TOKEND_OK);
        end();
}

static void test_arguments(void)
{
        static char big[130000];
        unsigned char *signature = NULL;
        struct tokend_key *key;
        size_t length;

        begin(works);
        CU_ASSERT_EQUAL(sign_within(-1), TOKEND_INVALID_ARGUMENT);
        CU_ASSERT_EQUAL(sign_within(600001), TOKEND_INVALID_ARGUMENT);
        CU_ASSERT_EQUAL(CALL(tokend_get, handle, "\xff", LONG_MS, &key, &failure), TOKEND_INVALID_ARGUMENT);
        CU_ASSERT_EQUAL(CALL(tokend_sign, handle, "k", "ed25519", TOKEND_MESSAGE, big, sizeof(big), LONG_MS,
                                &signature, &length, &failure),
                TOKEND_INVALID_ARGUMENT);
        CU_ASSERT_EQUAL(fake.n_requests, 0);
        CU_ASSERT_EQUAL(CALL(tokend_sign, handle, "k", "ed25519", TOKEND_MESSAGE, big, 98000, LONG_MS,
                                &signature, &length, NULL),
                TOKEND_OK);
        tokend_free(signature);
        memset(big, 'x', 200);
        big[200] = 0;
        CU_ASSERT_PTR_NULL(tokend_open(big, 0));
        CU_ASSERT_PTR_NULL(tokend_open(NULL, 99));
        tokend_close(NULL);
        end();
}

#define STATUS                                                                                               \
        "{\"parameters\":{\"version\":\"1\",\"startedUSec\":5,\"tokens\":[{\"name\":\"hsm\",\"state\":"      \
        "\"failed\",\"reason\":"                                                                             \
        "\"gone\",\"sessions\":{\"open\":3,\"busy\":1,\"limit\":6},\"lastError\":{\"ckr\":\"CKR_DEVICE_"     \
        "ERROR\",\"atUSec\":7},"                                                                             \
        "\"deviceLatency\":{\"count\":1,\"p50\":2,\"p99\":3,\"p999\":4}}],\"instances\":[{\"name\":\"ca\","  \
        "\"denied\":9}]}"

static bool tells_status(struct fake *f, int fd, const char *request)
{
        bool watched = fake_is(request, "Status.Watch");

        for (int i = 0; i < (watched ? 3 : 1); i++)
                fake_send(fd, watched ? STATUS ",\"continues\":true}" : STATUS "}");
        return true;
}

static bool count_down(const struct tokend_status *status, void *userdata)
{
        int *left = userdata;

        CU_ASSERT_STRING_EQUAL(status->tokens[0]->reason, "gone");
        return --*left > 0;
}

static void test_status(void)
{
        struct tokend_status *status = NULL;
        int left = 3;

        begin(tells_status);
        CU_ASSERT_EQUAL_FATAL(CALL(tokend_status, handle, LONG_MS, &status, &failure), TOKEND_OK);
        CU_ASSERT_EQUAL(status->n_tokens, 1);
        CU_ASSERT_EQUAL(status->tokens[0]->sessions_limit, 6);
        CU_ASSERT_STRING_EQUAL(status->tokens[0]->last_error_ckr, "CKR_DEVICE_ERROR");
        CU_ASSERT_EQUAL(status->tokens[0]->device->p999, 4);
        CU_ASSERT_EQUAL(status->tokens[0]->request->count, 0);
        CU_ASSERT_EQUAL(status->instances[0]->denied, 9);
        tokend_status_free(status);
        CU_ASSERT_EQUAL(CALL(tokend_watch, handle, 10, LONG_MS, count_down, &left, &failure), TOKEND_OK);
        CU_ASSERT_EQUAL(left, 0);
        left = 4;
        CU_ASSERT_EQUAL(CALL(tokend_watch, handle, 10, 100, count_down, &left, &failure), TOKEND_TIMED_OUT);
        CU_ASSERT_EQUAL(left, 1);
        end();
}

/* ---- the same by an event loop ---- */

#define TWIN(test)                                                                                           \
        static void test##_by_loop(void)                                                                     \
        {                                                                                                    \
                by_loop_set(true);                                                                           \
                test();                                                                                      \
                by_loop_set(false);                                                                          \
        }
TWIN(test_connection_is_kept)
TWIN(test_restart_between_calls)
TWIN(test_absent_then_there)
TWIN(test_no_wait)
TWIN(test_fork)
TWIN(test_cut_reply)
TWIN(test_always_closed)
TWIN(test_generate_is_found)
TWIN(test_generate_unknown)
TWIN(test_generate_unavailable)
TWIN(test_delete_unknown)
TWIN(test_deadline)
TWIN(test_overloaded)
TWIN(test_hostile_replies)
TWIN(test_hostile_keys)
TWIN(test_too_long)
TWIN(test_named_errors)
TWIN(test_list)
TWIN(test_random)
TWIN(test_arguments)
TWIN(test_status)

SUITE(client_calls, {"a connection is kept and used again", test_connection_is_kept},
        {"a daemon restarted between calls is found again, and a change is sent once",
                test_restart_between_calls},
        {"a daemon that is not there is waited for until the deadline", test_absent_then_there},
        {"with TOKEND_NO_WAIT it is not waited for", test_no_wait},
        {"a child uses connections of its own, and the parent keeps its", test_fork},
        {"one thread's generate does not hold another's sign", test_threads_do_not_wait},
        {"answers of threads are not mixed", test_answers_are_not_mixed},
        {"a sign whose reply was cut is repeated", test_cut_reply},
        {"a daemon that always closes is asked with pauses until the deadline", test_always_closed},
        {"a generate whose answer was lost is found, and sent once", test_generate_is_found},
        {"a generate that cannot be told is unknown, and sent once", test_generate_unknown},
        {"a generate on a token that is away has the daemon's word on it, in its time",
                test_generate_unavailable},
        {"a delete whose answer was lost is unknown, and sent once", test_delete_unknown},
        {"a daemon that never answers ends at the deadline", test_deadline},
        {"Overloaded is waited out where the deadline allows", test_overloaded},
        {"hostile replies are refused", test_hostile_replies},
        {"hostile keys are refused", test_hostile_keys},
        {"a reply that is too long is refused", test_too_long},
        {"every named error is told apart", test_named_errors},
        {"a list in several replies is gathered", test_list}, {"random bytes come in turns", test_random},
        {"bad arguments are refused, and nothing is sent", test_arguments},
        {"status is taken apart, and watched", test_status});

SUITE(client_calls_by_loop, {"a connection is kept and used again", test_connection_is_kept_by_loop},
        {"a daemon restarted between calls is found again, and a change is sent once",
                test_restart_between_calls_by_loop},
        {"a daemon that is not there is waited for until the deadline", test_absent_then_there_by_loop},
        {"with TOKEND_NO_WAIT it is not waited for", test_no_wait_by_loop},
        {"a child uses connections of its own, and the parent keeps its", test_fork_by_loop},
        {"a sign whose reply was cut is repeated", test_cut_reply_by_loop},
        {"a daemon that always closes is asked with pauses until the deadline", test_always_closed_by_loop},
        {"a generate whose answer was lost is found, and sent once", test_generate_is_found_by_loop},
        {"a generate that cannot be told is unknown, and sent once", test_generate_unknown_by_loop},
        {"a generate on a token that is away has the daemon's word on it, in its time",
                test_generate_unavailable_by_loop},
        {"a delete whose answer was lost is unknown, and sent once", test_delete_unknown_by_loop},
        {"a daemon that never answers ends at the deadline", test_deadline_by_loop},
        {"Overloaded is waited out where the deadline allows", test_overloaded_by_loop},
        {"hostile replies are refused", test_hostile_replies_by_loop},
        {"hostile keys are refused", test_hostile_keys_by_loop},
        {"a reply that is too long is refused", test_too_long_by_loop},
        {"every named error is told apart", test_named_errors_by_loop},
        {"a list in several replies is gathered", test_list_by_loop},
        {"random bytes come in turns", test_random_by_loop},
        {"bad arguments are refused, and nothing is sent", test_arguments_by_loop},
        {"status is taken apart, and watched", test_status_by_loop});

/* SPDX-License-Identifier: MPL-2.0 */
/* An accelerator's worker in front of a module that is made up here: a signature by a copy that was lost, a peer that does not
 * read. */
#include "daemon/worker/accel/accel.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/util/algorithm.h"
#include "tests/unit/suite.h"

#define TOO_LONG_MS 20000

/* What the module knows. One test at a time. */
static struct {
        struct copies *clear_in_sign_init; /* their loss, in another thread, at just that moment */
        CK_RV session_info;
} module;

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
        if (module.clear_in_sign_init)
                copies_clear(module.clear_in_sign_init);
        return CKR_OK;
}

static CK_RV sign(
        CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR signature, CK_ULONG_PTR n)
{
        *n = 64;
        memset(signature, 1, *n);
        return CKR_OK;
}

static CK_RV get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR info)
{
        *info = (CK_SESSION_INFO){.state = CKS_RW_USER_FUNCTIONS};
        return module.session_info;
}

static CK_RV generate_key_pair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
        CK_ATTRIBUTE_PTR public_template, CK_ULONG n_public, CK_ATTRIBUTE_PTR private_template,
        CK_ULONG n_private, CK_OBJECT_HANDLE_PTR public, CK_OBJECT_HANDLE_PTR private)
{
        return CKR_FUNCTION_NOT_SUPPORTED;
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
        CK_SESSION_HANDLE_PTR session)
{
        *session = 1;
        return CKR_OK;
}

static CK_RV destroy_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
        return CKR_OK;
}

struct worker {
        CK_FUNCTION_LIST p11;
        CK_MECHANISM_TYPE mechanisms[4];
        struct config_token config;
        struct slot_token token;
        struct session session;
        struct accel accel;
        struct operation operation;
};

static void worker_init(struct worker *worker)
{
        memset(&module, 0, sizeof(module));
        *worker = (struct worker){.p11 = {.C_SignInit = sign_init,
                                          .C_Sign = sign,
                                          .C_GetSessionInfo = get_session_info,
                                          .C_GenerateKeyPair = generate_key_pair,
                                          .C_OpenSession = open_session,
                                          .C_DestroyObject = destroy_object},
                .mechanisms = {CKM_ECDSA, CKM_AES_KEY_WRAP_KWP, CKM_RSA_PKCS_OAEP, CKM_RSA_PKCS_KEY_PAIR_GEN},
                .config = {.name = (char *)(uintptr_t) "accel",
                        .module = (char *)(uintptr_t) "module.so",
                        .timeout_usec = USEC_PER_SEC,
                        .keep_alive_usec = 3600 * USEC_PER_SEC,
                        .accelerated_keys = 4}};
        slot_token_init(&worker->token, &worker->config, false, 0);
        worker->token.p11 = &worker->p11;
        worker->token.mechanisms = worker->mechanisms;
        worker->token.n_mechanisms = ARRAY_SIZE(worker->mechanisms);
        CU_ASSERT_EQUAL_FATAL(session_open(&worker->session, &worker->token), CKR_OK);
        CU_ASSERT_EQUAL_FATAL(accel_init(&worker->accel), 0);
        CU_ASSERT_EQUAL_FATAL(accel_prepare(&worker->accel, &worker->token), 0);
        worker->operation = (struct operation){.session = &worker->session, .accel = &worker->accel};
}

static void worker_done(struct worker *worker)
{
        copies_free(worker->accel.copies);
        accel_channels_free(worker->accel.channels);
        free(worker);
}

/* ---- a signature ---- */

static void test_lost_meanwhile(void)
{
        static const uint8_t digest[32] = {0};
        struct worker *worker = calloc(1, sizeof(*worker));
        struct copy_key key = {.handle = 7, .key_type = KEY_EC, .size = 256};
        struct message_sign_copy message = {
                .algorithm = ECDSA_SHA256, .prehashed = 1, .data = wire_bytes(digest, sizeof(digest))};
        const struct result *result;
        CK_OBJECT_HANDLE handle;
        uint64_t out;

        CU_ASSERT_PTR_NOT_NULL_FATAL(worker);
        worker_init(worker);
        result = &worker->operation.result;
        CU_ASSERT_EQUAL_FATAL(
                copies_add(worker->accel.copies, "hsm", wire_bytes("a", 1), &key, &out, &handle), 0);
        message.key = key.number;
        operation_run(&worker->operation, sign_copy_attempt, &message);
        CU_ASSERT_EQUAL(result->status, REPLY_OK);
        CU_ASSERT_TRUE(result->payload_length > 0);
        module.clear_in_sign_init = worker->accel.copies;
        operation_run(&worker->operation, sign_copy_attempt, &message);
        CU_ASSERT_EQUAL(result->status, REPLY_KEY_GONE);
        CU_ASSERT_EQUAL(result->payload_length, 0);
        worker_done(worker);
}

/* ---- peers ---- */

static void *serve(void *userdata)
{
        accel_serve(userdata);
        return NULL;
}

static int ask(int fd, uint64_t number)
{
        return message_send_transport(
                fd, &(struct message_transport){.number = number, .spki = wire_bytes("a", 1)}, NULL, 0);
}

/* Asks and does not read. 0: until its channel was closed at the other end; -EAGAIN: nobody reads it there either. */
static int flood(int fd)
{
        int r;

        CU_ASSERT_EQUAL_FATAL(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        do {
                struct pollfd ready = {.fd = fd, .events = POLLOUT};

                if (poll(&ready, 1, TOO_LONG_MS) <= 0)
                        return -EAGAIN;
                r = ask(fd, 1);
        } while (r == 0 || r == -EAGAIN);
        return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

static bool is_answered(int fd)
{
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        uint8_t buffer[4096];
        struct message_transferred message;
        struct wire wire = {.data = buffer};
        int fds[LIMIT_CHANNEL_FDS];

        return ask(fd, 5) == 0 && poll(&ready, 1, TOO_LONG_MS) == 1 &&
               channel_receive(fd, buffer, sizeof(buffer), &wire.size, fds) == 0 &&
               message_type(&wire) == MESSAGE_TYPE_TRANSFERRED &&
               message_get_transferred(&wire, &message) == 0 && message.number == 5;
}

static void test_peer_does_not_read(void)
{
        struct worker *worker = calloc(1, sizeof(*worker));
        int bad[2], good[2];
        pthread_t thread;

        CU_ASSERT_PTR_NOT_NULL_FATAL(worker);
        worker_init(worker);
        CU_ASSERT_EQUAL_FATAL(channel_pair(bad), 0);
        CU_ASSERT_EQUAL_FATAL(channel_pair(good), 0);
        accel_channels_put(worker->accel.channels, "bad", bad[0]);
        accel_channels_put(worker->accel.channels, "good", good[0]);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, serve, &worker->operation), 0);
        CU_ASSERT_EQUAL(flood(bad[1]), 0);
        CU_ASSERT_TRUE(is_answered(good[1]));
        /* Whatever came of it, the thread goes on from here, and to its end: the device is lost. */
        close(bad[1]);
        __atomic_store_n(&module.session_info, CKR_DEVICE_ERROR, __ATOMIC_SEQ_CST);
        CU_ASSERT_EQUAL(ask(good[1], 6), 0);
        CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
        close(good[1]);
        worker_done(worker);
}

SUITE(worker_accel, {"a signature by a copy that was lost meanwhile is none", test_lost_meanwhile},
        {"a peer that asks and does not read keeps no other waiting", test_peer_does_not_read});

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * held MODULE TOKEN WHAT: one request is held by whoever stands between the module and the daemon, and everything else goes on meanwhile.
 * `ready` on the output: it waits for a line of its input. `right`: all was.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "tests/integration/user.h"

static CK_SESSION_HANDLE session;

static void *sign_held(void *key)
{
        CK_SESSION_HANDLE own;

        MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &own));
        MUST(sign_with(own, *(CK_OBJECT_HANDLE *)key));
        return NULL;
}

/* A search for what is not there asks the daemon. */
static void *search_held(void *unused)
{
        CHECK(count_objects(session, "nobody") == 0);
        return unused;
}

static void beside_a_signature(void)
{
        CK_OBJECT_HANDLE key = find(session, CKO_PRIVATE_KEY, "ec");
        CK_SESSION_HANDLE other;
        CK_TOKEN_INFO info;
        pthread_t thread;
        int status;

        CHECK(pthread_create(&thread, NULL, sign_held, &key) == 0);
        wait_for_line(); /* the request is held */
        sign_once(session, "ec", CKM_ECDSA_SHA256, 1);
        MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &other));
        MUST(f->C_GetTokenInfo(slot, &info));
        CHECK(count_objects(other, "nobody") == 0);
        MUST(f->C_CloseSession(other));
        if (fork() == 0) {
                sign_once(session, "rsa", CKM_SHA256_RSA_PKCS, 1);
                MUST(f->C_Finalize(NULL));
                _exit(0);
        }
        CHECK(wait(&status) > 0 && status == 0);
        wait_for_line(); /* it goes on */
        CHECK(pthread_join(thread, NULL) == 0);
}

/* The last that holds it is the thread in the call. */
static void finalized_beside_a_signature(void)
{
        CK_OBJECT_HANDLE key = find(session, CKO_PRIVATE_KEY, "ec");
        CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
        CK_SESSION_HANDLE other;
        pthread_t thread;

        CHECK(pthread_create(&thread, NULL, sign_held, &key) == 0);
        wait_for_line();
        MUST(f->C_Finalize(NULL));
        CHECK(f->C_SignInit(session, &mechanism, key) == CKR_CRYPTOKI_NOT_INITIALIZED);
        MUST(f->C_Initialize(NULL));
        MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &other));
        sign_once(other, "ec", CKM_ECDSA_SHA256, 1);
        wait_for_line();
        CHECK(pthread_join(thread, NULL) == 0);
}

/* What one thread asked before must not hide what another one has made since. */
static void beside_a_search(void)
{
        CK_BYTE curve[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
        CK_BYTE label[] = {'m', 'a', 'd', 'e'};
        CK_BBOOL yes = CK_TRUE;
        CK_ATTRIBUTE public[] = {{CKA_EC_PARAMS, curve, sizeof(curve)}, {CKA_TOKEN, &yes, sizeof(yes)}};
        CK_ATTRIBUTE private[] = {{CKA_LABEL, label, sizeof(label)}, {CKA_TOKEN, &yes, sizeof(yes)}};
        CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
        CK_OBJECT_HANDLE halves[2];
        pthread_t thread;

        wait_for_line();
        CHECK(pthread_create(&thread, NULL, search_held, NULL) == 0);
        wait_for_line();
        MUST(f->C_GenerateKeyPair(session, &mechanism, public, 2, private, 2, &halves[0], &halves[1]));
        MUST(sign_with(session, halves[1]));
        wait_for_line();
        CHECK(pthread_join(thread, NULL) == 0);
        MUST(sign_with(session, halves[1]));
}

/* A child has no thread that asks, although its parent had one as it forked: it sees what is deleted. */
static void forked_beside_a_search(void)
{
        pthread_t thread;
        int status;

        CHECK(count_objects(session, "rsa") == 2);
        wait_for_line();
        CHECK(pthread_create(&thread, NULL, search_held, NULL) == 0);
        wait_for_line();
        if (fork() == 0) {
                wait_for_line(); /* the key is deleted */
                while (count_objects(session, "rsa") > 0)
                        (void)usleep(20000);
                _exit(0);
        }
        CHECK(wait(&status) > 0 && status == 0);
        CHECK(pthread_join(thread, NULL) == 0);
}

/* A token that is recovering has each object once. */
static void recovering(void)
{
        CK_ULONG all = count_objects(session, NULL);

        for (int i = 0; i < 2; i++) {
                wait_for_line();
                CHECK(count_objects(session, "nobody") == 0);
                CHECK(count_objects(session, NULL) == all);
        }
}

/* Nothing is known of the token when it is searched. */
static void awaited(void)
{
        wait_for_line();
        sign_once(session, "ec", CKM_ECDSA_SHA256, 1);
}

static void counted(void)
{
        CK_OBJECT_HANDLE key = find(session, CKO_PRIVATE_KEY, "ec");
        CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
        CK_ATTRIBUTE id = {CKA_ID, NULL, 0};
        CK_BYTE signature[64];
        CK_SESSION_HANDLE own;
        CK_ULONG n;

        wait_for_line();
        for (CK_BYTE i = 0; i < 10; i++) {
                MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &own));
                MUST(f->C_GetAttributeValue(own, key, &id, 1));
                MUST(f->C_SignInit(own, &mechanism, key));
                if (i % 2) {
                        MUST(f->C_SignUpdate(own, &i, 1));
                        MUST(f->C_SignFinal(own, NULL, &n));
                        MUST(f->C_SignFinal(own, signature, &n));
                } else {
                        MUST(f->C_Sign(own, &i, 1, NULL, &n));
                        MUST(f->C_Sign(own, &i, 1, signature, &n));
                }
                MUST(f->C_CloseSession(own));
        }
}

static const struct {
        const char *name;
        void (*run)(void);
} tests[] = {
        {"signature", beside_a_signature},
        {"finalize", finalized_beside_a_signature},
        {"search", beside_a_search},
        {"fork", forked_beside_a_search},
        {"recovering", recovering},
        {"awaited", awaited},
        {"counted", counted},
};

int main(int argc, char **argv)
{
        if (argc != 4 || !load(argv[1])) {
                fprintf(stderr, "usage: held MODULE TOKEN WHAT\n");
                return 2;
        }
        MUST(f->C_Initialize(NULL));
        find_slot(argv[2]);
        MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
                if (strcmp(tests[i].name, argv[3]) == 0) {
                        tests[i].run();
                        printf("right\n");
                        return 0;
                }
        return 2;
}

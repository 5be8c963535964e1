/* SPDX-License-Identifier: MPL-2.0 */
/*
 * signer MODULE TOKEN threads N COUNT: N threads sign with the keys `rsa` and `ec`, COUNT times each, and verify what they got; `fork`
 * COUNT: a child goes on with its parent's sessions and handles, and another one initializes anew, while a thread of the parent signs;
 * `exit`: ends with C_Finalize in an atexit handler while a thread signs; `none`: there is no daemon. Status 0: all was right.
 */
#include <dlfcn.h>
#define CK_PKCS11_3_0 1
#include <nss/pkcs11.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(call)                                                                                           \
        do {                                                                                                 \
                CK_RV rv_ = (call);                                                                          \
                if (rv_ != CKR_OK) {                                                                         \
                        fprintf(stderr, "%d: " #call " gave 0x%lx\n", __LINE__, rv_);                        \
                        _exit(1);                                                                            \
                }                                                                                            \
        } while (0)

static CK_FUNCTION_LIST *f;
static CK_SLOT_ID slot;
static unsigned long count;

static CK_OBJECT_HANDLE find(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *label)
{
        CK_ATTRIBUTE template[] = {
                {CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
        CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;
        CK_ULONG n = 0;

        MUST(f->C_FindObjectsInit(session, template, 2));
        MUST(f->C_FindObjects(session, &found, 1, &n));
        MUST(f->C_FindObjectsFinal(session));
        if (n != 1) {
                fprintf(stderr, "there is no %s\n", label);
                _exit(1);
        }
        return found;
}

static void sign_once(CK_SESSION_HANDLE session, const char *label, CK_MECHANISM_TYPE type, unsigned long i)
{
        CK_MECHANISM mechanism = {type, NULL, 0};
        CK_OBJECT_HANDLE key = find(session, CKO_PRIVATE_KEY, label);
        CK_BYTE signature[512];
        CK_ULONG n = sizeof(signature);

        MUST(f->C_SignInit(session, &mechanism, key));
        MUST(f->C_Sign(session, (CK_BYTE *)&i, sizeof(i), signature, &n));
        MUST(f->C_VerifyInit(session, &mechanism, find(session, CKO_PUBLIC_KEY, label)));
        MUST(f->C_Verify(session, (CK_BYTE *)&i, sizeof(i), signature, n));
}

static void *sign_many(void *unused)
{
        CK_SESSION_HANDLE session;

        MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
        for (unsigned long i = 0; i < count; i++)
                sign_once(session, i % 8 ? "ec" : "rsa", i % 8 ? CKM_ECDSA_SHA256 : CKM_SHA256_RSA_PKCS, i);
        MUST(f->C_CloseSession(session));
        return unused;
}

static void with_threads(unsigned long n)
{
        pthread_t threads[64];

        for (unsigned long i = 0; i < n && i < 64; i++)
                if (pthread_create(&threads[i], NULL, sign_many, NULL) != 0)
                        _exit(1);
        for (unsigned long i = 0; i < n && i < 64; i++)
                (void)pthread_join(threads[i], NULL);
}

static void wait_for(pid_t child)
{
        int status;

        if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
                fprintf(stderr, "a child failed\n");
                _exit(1);
        }
}

static void with_forks(void)
{
        CK_SESSION_HANDLE session;
        pthread_t thread;

        MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
        sign_once(session, "ec", CKM_ECDSA_SHA256, 0);
        if (pthread_create(&thread, NULL, sign_many, NULL) != 0)
                _exit(1);
        for (unsigned long i = 0; i < count; i++) {
                pid_t child = fork();

                if (child == 0) {
                        if (i % 2)
                                MUST(f->C_Initialize(NULL));
                        sign_once(session, "ec", CKM_ECDSA_SHA256, i);
                        if (i % 4 == 3)
                                MUST(f->C_Finalize(NULL));
                        _exit(0);
                }
                wait_for(child);
        }
        (void)pthread_join(thread, NULL);
        sign_once(session, "ec", CKM_ECDSA_SHA256, 1);
}

static void finalize(void)
{
        (void)f->C_Finalize(NULL);
}

/* The thread finds the module gone in the middle of its work, which is an error of its own and nothing worse. */
static void *sign_to_the_end(void *unused)
{
        CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
        CK_SESSION_HANDLE session;
        CK_OBJECT_HANDLE key;
        CK_BYTE signature[64];
        CK_ULONG n = sizeof(signature);

        MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
        key = find(session, CKO_PRIVATE_KEY, "ec");
        while (f->C_SignInit(session, &mechanism, key) == CKR_OK &&
                f->C_Sign(session, signature, 8, signature, &n) == CKR_OK)
                ;
        return unused;
}

static void with_exit(void)
{
        pthread_t thread;

        if (pthread_create(&thread, NULL, sign_to_the_end, NULL) != 0)
                _exit(1);
        with_threads(2);
        (void)atexit(finalize);
}

static void find_slot(const char *label)
{
        CK_SLOT_ID slots[64];
        CK_TOKEN_INFO info;
        CK_ULONG n = 64;

        MUST(f->C_GetSlotList(CK_TRUE, slots, &n));
        for (CK_ULONG i = 0; i < n; i++)
                if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK && info.label[strlen(label)] == ' ' &&
                        memcmp(info.label, label, strlen(label)) == 0) {
                        slot = slots[i];
                        return;
                }
        fprintf(stderr, "there is no token %s\n", label);
        _exit(1);
}

int main(int argc, char **argv)
{
        CK_RV (*get_list)(CK_FUNCTION_LIST **);
        void *library = argc > 3 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
        CK_ULONG n = 9;

        if (!library) {
                fprintf(stderr,
                        "usage: signer MODULE TOKEN threads N COUNT | fork COUNT | exit COUNT | none\n");
                return 2;
        }
        *(void **)&get_list = dlsym(library, "C_GetFunctionList");
        MUST(get_list(&f));
        MUST(f->C_Initialize(NULL));
        count = strtoul(argv[argc - 1], NULL, 10);
        if (strcmp(argv[3], "none") == 0) {
                MUST(f->C_GetSlotList(CK_TRUE, NULL, &n));
                return n != 0;
        }
        find_slot(argv[2]);
        if (strcmp(argv[3], "threads") == 0)
                with_threads(strtoul(argv[4], NULL, 10));
        else if (strcmp(argv[3], "fork") == 0)
                with_forks();
        else {
                with_exit();
                return 0;
        }
        MUST(f->C_Finalize(NULL));
        return dlclose(library);
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * sealer MODULE TOKEN threads N COUNT: N threads make sealed keys, wrap and unwrap them, COUNT times each, and see by what they encrypt to
 * that the key that came back is the one that went; `fork` COUNT: a child does so with its parent's session and keys while a thread
 * of the parent works. The token holds a key `rsa` that unwraps. Status 0: all was right.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "tests/integration/user.h"

static unsigned long count;

static CK_MECHANISM generate = {CKM_AES_KEY_GEN, NULL, 0}, kwp = {CKM_AES_KEY_WRAP_KWP, NULL, 0},
                    pkcs1 = {CKM_RSA_PKCS, NULL, 0}, ecb = {CKM_AES_ECB, NULL, 0};
static CK_ULONG sixteen = 16;
static CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;
static CK_KEY_TYPE aes = CKK_AES;
static CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &secret_key, sizeof(secret_key)},
        {CKA_KEY_TYPE, &aes, sizeof(aes)}, {CKA_VALUE_LEN, &sixteen, sizeof(sixteen)}};

static void encrypt(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, unsigned long i, CK_BYTE out[static 16])
{
        CK_BYTE data[16] = {0};
        CK_ULONG n = 16;

        memcpy(data, &i, sizeof(i));
        MUST(f->C_EncryptInit(session, &ecb, key));
        MUST(f->C_Encrypt(session, data, 16, out, &n));
}

/* Wraps the key by another one, and unwraps it again. */
static void there_and_back(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_MECHANISM *mechanism,
        CK_OBJECT_HANDLE wraps, CK_OBJECT_HANDLE unwraps, unsigned long i)
{
        CK_BYTE wrapped[512], one[16], other[16];
        CK_ULONG n = sizeof(wrapped);
        CK_OBJECT_HANDLE back;

        MUST(f->C_WrapKey(session, mechanism, wraps, key, wrapped, &n));
        MUST(f->C_UnwrapKey(session, mechanism, unwraps, wrapped, n, wanted, 3, &back));
        encrypt(session, key, i, one);
        encrypt(session, back, i, other);
        CHECK(memcmp(one, other, 16) == 0);
        MUST(f->C_DestroyObject(session, back));
}

static void work_once(
        CK_SESSION_HANDLE session, CK_OBJECT_HANDLE outer, CK_OBJECT_HANDLE inner, unsigned long i)
{
        if (i % 4 == 3)
                there_and_back(session, inner, &pkcs1, find(session, CKO_PUBLIC_KEY, "rsa"),
                        find(session, CKO_PRIVATE_KEY, "rsa"), i);
        else
                there_and_back(session, inner, &kwp, outer, outer, i);
}

static void *work(void *unused)
{
        CK_SESSION_HANDLE session;
        CK_OBJECT_HANDLE outer, inner;

        MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
        MUST(f->C_GenerateKey(session, &generate, wanted, 3, &outer));
        for (unsigned long i = 0; i < count; i++) {
                MUST(f->C_GenerateKey(session, &generate, wanted, 3, &inner));
                work_once(session, outer, inner, i);
                MUST(f->C_DestroyObject(session, inner));
        }
        MUST(f->C_CloseSession(session));
        return unused;
}

static void with_threads(unsigned long n)
{
        pthread_t threads[64];

        for (unsigned long i = 0; i < n && i < 64; i++)
                if (pthread_create(&threads[i], NULL, work, NULL) != 0)
                        _exit(1);
        for (unsigned long i = 0; i < n && i < 64; i++)
                (void)pthread_join(threads[i], NULL);
}

static void with_forks(void)
{
        CK_SESSION_HANDLE session;
        CK_OBJECT_HANDLE outer, inner;
        pthread_t thread;
        int status;

        MUST(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
        MUST(f->C_GenerateKey(session, &generate, wanted, 3, &outer));
        MUST(f->C_GenerateKey(session, &generate, wanted, 3, &inner));
        if (pthread_create(&thread, NULL, work, NULL) != 0)
                _exit(1);
        for (unsigned long i = 0; i < count; i++) {
                pid_t child = fork();

                if (child == 0) {
                        if (i % 2)
                                MUST(f->C_Initialize(NULL));
                        work_once(session, outer, inner, i);
                        _exit(0);
                }
                if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
                        _exit(1);
        }
        (void)pthread_join(thread, NULL);
        work_once(session, outer, inner, 1);
}

int main(int argc, char **argv)
{
        void *library;

        if (argc < 5)
                return 2;
        library = load(argv[1]);
        if (!library)
                return 2;
        MUST(f->C_Initialize(NULL));
        find_slot(argv[2]);
        count = strtoul(argv[argc - 1], NULL, 10);
        if (strcmp(argv[3], "threads") == 0)
                with_threads(strtoul(argv[4], NULL, 10));
        else
                with_forks();
        MUST(f->C_Finalize(NULL));
        dlclose(library);
        return 0;
}

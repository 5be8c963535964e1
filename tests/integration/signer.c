/* SPDX-License-Identifier: MPL-2.0 */
/*
 * signer MODULE TOKEN threads N COUNT: N threads sign with the keys `rsa` and `ec`, COUNT times each, and verify what they got;
 * `exit`: ends with C_Finalize in an atexit handler while a thread signs; `none`: there is no daemon. Status 0: all was right.
 */
#include <pthread.h>

#include "tests/integration/user.h"

static unsigned long count;

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

        if (pthread_create(&thread, NULL, sign_to_the_end, NULL) != 0 || pthread_detach(thread) != 0)
                _exit(1);
        with_threads(2);
        (void)atexit(finalize);
}

int main(int argc, char **argv)
{
        void *library = argc > 3 ? load(argv[1]) : NULL;
        CK_ULONG n = 9;

        if (!library) {
                fprintf(stderr, "usage: signer MODULE TOKEN threads N COUNT | exit COUNT | none\n");
                return 2;
        }
        MUST(f->C_Initialize(NULL));
        count = strtoul(argv[argc - 1], NULL, 10);
        if (strcmp(argv[3], "none") == 0) {
                MUST(f->C_GetSlotList(CK_TRUE, NULL, &n));
                return n != 0;
        }
        find_slot(argv[2]);
        if (strcmp(argv[3], "threads") == 0)
                with_threads(strtoul(argv[4], NULL, 10));
        else {
                with_exit();
                return 0;
        }
        MUST(f->C_Finalize(NULL));
        return dlclose(library);
}

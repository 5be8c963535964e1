/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Signs for a while in one way with so many threads, and says how that went, as one line of JSON. Called by tests/bench/table, which lets
 * the ways take turns and compares them.
 *
 *     rate MSEC THREADS rsa|ec tokend SOCKET TOKEN
 *     rate MSEC THREADS rsa|ec module PATH TOKEN PIN     C_SignInit and C_Sign, with a session for each thread
 *     rate MSEC THREADS rsa|ec copy PATH TOKEN PIN       the same with a session copy of the key
 *     rate MSEC THREADS rsa|ec nss PATH TOKEN PIN        PK11_SignWithMechanism()
 *
 * The key of the token is named as its kind. What is signed differs each time.
 */
#include <dlfcn.h>
#include <nss/keyhi.h>
#include <nss/nss.h>
#include <nss/pk11pub.h>
#include <nss/pkcs11.h>
#include <nss/secmod.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "client/tokend.h"

#define MAX_THREADS 64
#define MAX_SAMPLES 200000 /* of one thread */
#define WARM        30 /* signatures of each thread that are not timed: copies are made, trials are over */

static struct {
        bool rsa;
        const char *token;
        /* of tokend */
        struct tokend *handle;
        char key[128];
        /* of module and copy */
        CK_FUNCTION_LIST *functions;
        CK_SLOT_ID slot;
        CK_OBJECT_HANDLE object;
        bool copies;
        /* of nss */
        SECKEYPrivateKey *private;
        int (*sign)(unsigned thread, const unsigned char *digest);
        CK_SESSION_HANDLE sessions[MAX_THREADS];
        CK_OBJECT_HANDLE objects[MAX_THREADS];
} way;

struct thread {
        pthread_t id;
        unsigned number;
        float *samples; /* µs */
        size_t n;
        int failed;
};

static pthread_barrier_t begin;
static uint64_t until_usec;
static uint64_t msec;

static uint64_t usec_now(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000U + (uint64_t)ts.tv_nsec / 1000U;
}

/* ---- the ways ---- */

static int sign_tokend(unsigned thread, const unsigned char *digest)
{
        struct tokend_failure failure;
        unsigned char *signature;
        size_t length;

        if (tokend_sign(way.handle, way.key, way.rsa ? "rsa_pkcs1_sha256" : "ecdsa_sha256", TOKEND_DIGEST,
                    digest, 32, 0, &signature, &length, &failure) != TOKEND_OK)
                return -1;
        tokend_free(signature);
        return 0;
}

/* As long as what tokend has signed: of RSA a DigestInfo. */
static size_t fill(unsigned char *input, const unsigned char *digest)
{
        static const unsigned char prefix[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
        size_t n = way.rsa ? sizeof(prefix) : 0;

        memcpy(input, prefix, n);
        memcpy(input + n, digest, 32);
        return n + 32;
}

static int sign_module(unsigned thread, const unsigned char *digest)
{
        CK_MECHANISM mechanism = {way.rsa ? CKM_RSA_PKCS : CKM_ECDSA, NULL, 0};
        unsigned char input[64], signature[512];
        CK_ULONG n = sizeof(signature);
        size_t length = fill(input, digest);

        return way.functions->C_SignInit(way.sessions[thread], &mechanism, way.objects[thread]) == CKR_OK &&
                               way.functions->C_Sign(way.sessions[thread], input, length, signature, &n) ==
                                       CKR_OK
                       ? 0
                       : -1;
}

static int sign_nss(unsigned thread, const unsigned char *digest)
{
        unsigned char input[64], signature[512];
        SECItem hash = {siBuffer, input, (unsigned)fill(input, digest)},
                out = {siBuffer, signature, sizeof(signature)};

        return PK11_SignWithMechanism(way.private, way.rsa ? CKM_RSA_PKCS : CKM_ECDSA, NULL, &out, &hash) ==
                               SECSuccess
                       ? 0
                       : -1;
}

/* ---- setting up ---- */

static int find_slot(void)
{
        CK_SLOT_ID slots[64];
        CK_TOKEN_INFO info;
        CK_ULONG n = 64;

        if (way.functions->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
                return -1;
        for (CK_ULONG i = 0; i < n; i++)
                if (way.functions->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
                        info.label[strlen(way.token)] == ' ' &&
                        memcmp(info.label, way.token, strlen(way.token)) == 0) {
                        way.slot = slots[i];
                        return 0;
                }
        return -1;
}

static int find_key(void)
{
        CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
        CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)},
                {CKA_LABEL, (void *)(uintptr_t)(way.rsa ? "rsa" : "ec"), way.rsa ? 3 : 2}};
        CK_ULONG n = 0;

        return way.functions->C_FindObjectsInit(way.sessions[0], template, 2) == CKR_OK &&
                               way.functions->C_FindObjects(way.sessions[0], &way.object, 1, &n) == CKR_OK &&
                               way.functions->C_FindObjectsFinal(way.sessions[0]) == CKR_OK && n == 1
                       ? 0
                       : -1;
}

/* A session for each thread, and what it signs with. */
static int open_sessions(unsigned n, const char *pin)
{
        CK_BBOOL no = CK_FALSE;
        CK_ATTRIBUTE template = {CKA_TOKEN, &no, sizeof(no)};
        CK_RV rv;

        for (unsigned i = 0; i < n; i++)
                if (way.functions->C_OpenSession(way.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                            &way.sessions[i]) != CKR_OK)
                        return -1;
        rv = way.functions->C_Login(way.sessions[0], CKU_USER, (CK_UTF8CHAR *)(uintptr_t)pin, strlen(pin));
        if ((rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN) || find_key() < 0)
                return -1;
        for (unsigned i = 0; i < n; i++) {
                way.objects[i] = way.object;
                if (way.copies && way.functions->C_CopyObject(way.sessions[i], way.object, &template, 1,
                                          &way.objects[i]) != CKR_OK)
                        return -1;
        }
        way.sign = sign_module;
        return 0;
}

static int open_module(const char *path, unsigned n, const char *pin)
{
        CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
        CK_RV (*get_list)(CK_FUNCTION_LIST **);
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

        if (!library)
                return -1;
        *(void **)&get_list = dlsym(library, "C_GetFunctionList");
        if (!get_list || get_list(&way.functions) != CKR_OK ||
                way.functions->C_Initialize(&arguments) != CKR_OK || find_slot() < 0)
                return -1;
        return open_sessions(n, pin);
}

static int open_nss(const char *path, const char *pin)
{
        char spec[1024];
        SECMODModule *module;
        PK11SlotInfo *slot;
        SECKEYPrivateKeyList *list;

        snprintf(spec, sizeof(spec), "name=bench library=\"%s\"", path);
        if (NSS_NoDB_Init(NULL) != SECSuccess)
                return -1;
        module = SECMOD_LoadUserModule(spec, NULL, PR_FALSE);
        slot = module && module->loaded ? PK11_FindSlotByName(way.token) : NULL;
        if (!slot || PK11_CheckUserPassword(slot, pin) != SECSuccess)
                return -1;
        list = PK11_ListPrivKeysInSlot(slot, (char *)(uintptr_t)(way.rsa ? "rsa" : "ec"), NULL);
        if (!list || PRIVKEY_LIST_END(PRIVKEY_LIST_HEAD(list), list))
                return -1;
        way.private = SECKEY_CopyPrivateKey(PRIVKEY_LIST_HEAD(list)->key);
        way.sign = sign_nss;
        return way.private ? 0 : -1;
}

static int open_tokend(const char *socket)
{
        snprintf(way.key, sizeof(way.key), "%s:%s", way.token, way.rsa ? "rsa" : "ec");
        way.handle = tokend_open(socket, 0);
        way.sign = sign_tokend;
        return way.handle ? 0 : -1;
}

static int open_way(char **argv, int argc, unsigned n)
{
        const char *name = argv[4], *path = argv[5], *pin = argc > 7 ? argv[7] : "";

        way.rsa = strcmp(argv[3], "rsa") == 0;
        way.token = argv[6];
        way.copies = strcmp(name, "copy") == 0;
        if (strcmp(name, "tokend") == 0)
                return open_tokend(path);
        if (strcmp(name, "nss") == 0)
                return open_nss(path, pin);
        return open_module(path, n, pin);
}

/* ---- the measurement ---- */

static void *thread_main(void *userdata)
{
        struct thread *thread = userdata;
        unsigned char digest[32] = {0};
        uint64_t before, after;

        memcpy(digest, &thread->number, sizeof(thread->number));
        for (unsigned i = 0; i < WARM; i++)
                thread->failed += way.sign(thread->number, digest) < 0;
        pthread_barrier_wait(&begin);
        pthread_barrier_wait(&begin);
        for (before = usec_now(); before < until_usec && thread->n < MAX_SAMPLES; before = after) {
                memcpy(digest + 8, &thread->n, sizeof(thread->n));
                thread->failed += way.sign(thread->number, digest) < 0;
                after = usec_now();
                thread->samples[thread->n++] = (float)(after - before);
        }
        return NULL;
}

static int compare(const void *a, const void *b)
{
        float x = *(const float *)a, y = *(const float *)b;

        return (x > y) - (x < y);
}

static double cpu_usec(void)
{
        struct rusage usage;

        getrusage(RUSAGE_SELF, &usage);
        return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int measure(struct thread *threads, unsigned n)
{
        float *all = malloc(sizeof(float) * MAX_SAMPLES * n);
        double cpu, begun;
        size_t total = 0;
        int failed = 0;

        /* All stand, and are warm. Whoever reads our output takes what the others' processes have used by now. */
        pthread_barrier_wait(&begin);
        printf("warm\n");
        fflush(stdout);
        if (!all || getchar() == EOF)
                return -1;
        cpu = cpu_usec();
        begun = (double)usec_now();
        until_usec = usec_now() + msec * 1000U;
        pthread_barrier_wait(&begin);
        for (unsigned i = 0; i < n; i++) {
                pthread_join(threads[i].id, NULL);
                memcpy(all + total, threads[i].samples, threads[i].n * sizeof(float));
                total += threads[i].n;
                failed += threads[i].failed;
        }
        qsort(all, total, sizeof(float), compare);
        if (total > 0)
                printf("{\"n\": %zu, \"usec\": %.0f, \"cpu\": %.1f, \"p50\": %.1f, \"p99\": %.1f, "
                       "\"failed\": "
                       "%d}\n",
                        total, (double)usec_now() - begun, cpu_usec() - cpu, (double)all[total / 2],
                        (double)all[total * 99 / 100], failed);
        free(all);
        fflush(stdout);
        /* Our end would take the processor time of whoever served us alone out of sight. */
        (void)getchar();
        if (failed > 0)
                fprintf(stderr, "rate: %d signatures of %zu failed\n", failed, total);
        return total > 0 && failed == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
        static struct thread threads[MAX_THREADS];
        unsigned n = argc > 6 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;

        if (n == 0 || n > MAX_THREADS || open_way(argv, argc, n) < 0) {
                fprintf(stderr, "rate: expected a way that works: see the top of tests/bench/rate.c\n");
                return 1;
        }
        msec = strtoul(argv[1], NULL, 10);
        pthread_barrier_init(&begin, NULL, n + 1);
        for (unsigned i = 0; i < n; i++) {
                threads[i] = (struct thread){.number = i, .samples = malloc(sizeof(float) * MAX_SAMPLES)};
                if (!threads[i].samples ||
                        pthread_create(&threads[i].id, NULL, thread_main, &threads[i]) != 0)
                        return 1;
        }
        /* Without the ends of modules and of NSS, which are not what is measured. */
        _exit(measure(threads, n) < 0 ? 1 : 0);
}

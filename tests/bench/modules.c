/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Signatures a second and their median time through three PKCS #11 modules, with the same keys of the same token: SoftHSM2's own, loaded
 * into this process; p11-kit's client module, whose server has SoftHSM2; tokend's. They take turns of a short slice each.
 */
#include "tests/bench/modules.h"

#include <dlfcn.h>
#include <nss/pkcs11.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N_MODULES   3
#define MAX_THREADS 16
#define N_ROUNDS    6
#define SLICE_NSEC  500000000LL
/* Of one thread in one slice. */
#define MAX_SAMPLES 60000

static const char *const names[N_MODULES] = {"SoftHSM2 direct", "p11-kit", "tokend"};
static const struct {
        const char *name;
        const char *label;
        CK_MECHANISM_TYPE mechanism;
        CK_ULONG length; /* of what is signed: a digest, or a DigestInfo */
} kinds[] = {{"P-256", "ec", CKM_ECDSA, 32}, {"RSA-2048", "rsa", CKM_RSA_PKCS, 51}};

struct loaded {
        CK_FUNCTION_LIST *functions;
        CK_SESSION_HANDLE sessions[MAX_THREADS];
        CK_OBJECT_HANDLE keys[2];
};

struct thread {
        const struct loaded *loaded;
        size_t number, kind;
        int64_t until_nsec;
        float *samples; /* microseconds */
        size_t n_samples;
        int failed;
};

static int64_t now_nsec(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int find_key(const struct loaded *loaded, const char *label, CK_OBJECT_HANDLE *ret)
{
        CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
        CK_ATTRIBUTE template[] = {
                {CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
        CK_ULONG n = 0;

        return loaded->functions->C_FindObjectsInit(loaded->sessions[0], template, 2) == CKR_OK &&
                               loaded->functions->C_FindObjects(loaded->sessions[0], ret, 1, &n) == CKR_OK &&
                               loaded->functions->C_FindObjectsFinal(loaded->sessions[0]) == CKR_OK && n == 1
                       ? 0
                       : -1;
}

static int find_slot(const struct loaded *loaded, const char *label, CK_SLOT_ID *ret)
{
        CK_SLOT_ID slots[16];
        CK_TOKEN_INFO info;
        CK_ULONG n = 16;

        if (loaded->functions->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
                return -1;
        for (CK_ULONG i = 0; i < n; i++)
                if (loaded->functions->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
                        info.label[strlen(label)] == ' ' && memcmp(info.label, label, strlen(label)) == 0) {
                        *ret = slots[i];
                        return 0;
                }
        return -1;
}

static int open_module(struct loaded *loaded, const char *path, const char *token, const char *pin)
{
        CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
        CK_RV (*get_list)(CK_FUNCTION_LIST **);
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        CK_SLOT_ID slot = 0;
        CK_RV rv;

        if (!library)
                return -1;
        *(void **)&get_list = dlsym(library, "C_GetFunctionList");
        if (!get_list || get_list(&loaded->functions) != CKR_OK)
                return -1;
        rv = loaded->functions->C_Initialize(&arguments);
        if ((rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) || find_slot(loaded, token, &slot) < 0)
                return -1;
        for (size_t i = 0; i < MAX_THREADS; i++)
                if (loaded->functions->C_OpenSession(
                            slot, CKF_SERIAL_SESSION, NULL, NULL, &loaded->sessions[i]) != CKR_OK)
                        return -1;
        rv = loaded->functions->C_Login(
                loaded->sessions[0], CKU_USER, (CK_UTF8CHAR *)(uintptr_t)pin, strlen(pin));
        if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
                return -1;
        for (size_t i = 0; i < 2; i++)
                if (find_key(loaded, kinds[i].label, &loaded->keys[i]) < 0)
                        return -1;
        return 0;
}

static void *run_thread(void *userdata)
{
        struct thread *thread = userdata;
        CK_FUNCTION_LIST *functions = thread->loaded->functions;
        CK_SESSION_HANDLE session = thread->loaded->sessions[thread->number];
        CK_MECHANISM mechanism = {kinds[thread->kind].mechanism, NULL, 0};
        CK_BYTE input[64] = {0}, signature[256];
        int64_t before = now_nsec(), after;

        for (unsigned turn = 0; before < thread->until_nsec && thread->n_samples < MAX_SAMPLES;
                turn++, before = after) {
                CK_ULONG n = sizeof(signature);

                memcpy(input, &turn, sizeof(turn));
                thread->failed += functions->C_SignInit(session, &mechanism,
                                          thread->loaded->keys[thread->kind]) != CKR_OK ||
                                  functions->C_Sign(session, input, kinds[thread->kind].length, signature,
                                          &n) != CKR_OK;
                after = now_nsec();
                thread->samples[thread->n_samples++] = (float)(after - before) / 1000.0F;
        }
        return NULL;
}

/* All samples of one module at one setting. */
struct figures {
        float *samples;
        size_t n_samples;
        int64_t nsec;
        int failed;
};

static int slice(const struct loaded *loaded, size_t kind, size_t n_threads, struct figures *figures)
{
        struct thread threads[MAX_THREADS];
        pthread_t ids[MAX_THREADS];
        int64_t start = now_nsec();

        for (size_t i = 0; i < n_threads; i++) {
                threads[i] = (struct thread){.loaded = loaded,
                        .number = i,
                        .kind = kind,
                        .until_nsec = start + SLICE_NSEC,
                        .samples = malloc(MAX_SAMPLES * sizeof(float))};
                if (!threads[i].samples || pthread_create(&ids[i], NULL, run_thread, &threads[i]) != 0)
                        return -1;
        }
        for (size_t i = 0; i < n_threads; i++) {
                pthread_join(ids[i], NULL);
                memcpy(figures->samples + figures->n_samples, threads[i].samples,
                        threads[i].n_samples * sizeof(float));
                figures->n_samples += threads[i].n_samples;
                figures->failed += threads[i].failed;
                free(threads[i].samples);
        }
        figures->nsec += now_nsec() - start;
        return 0;
}

static int compare(const void *a, const void *b)
{
        float x = *(const float *)a, y = *(const float *)b;

        return (x > y) - (x < y);
}

static int compare_modules(const struct loaded *loaded, size_t kind, size_t n_threads)
{
        struct figures figures[N_MODULES] = {0};
        double rates[N_MODULES];
        int failed = 0;

        for (size_t i = 0; i < N_MODULES; i++) {
                figures[i].samples = malloc(N_ROUNDS * MAX_THREADS * MAX_SAMPLES * sizeof(float));
                if (!figures[i].samples)
                        return -1;
        }
        for (size_t turn = 0; turn < N_ROUNDS * N_MODULES; turn++) {
                /* Each round in another order. */
                size_t i = (turn + turn / N_MODULES) % N_MODULES;

                if (slice(&loaded[i], kind, n_threads, &figures[i]) < 0)
                        return -1;
        }
        for (size_t i = 0; i < N_MODULES; i++) {
                struct figures *f = &figures[i];

                qsort(f->samples, f->n_samples, sizeof(float), compare);
                rates[i] = (double)f->n_samples * 1e9 / (double)f->nsec;
                printf("%-9s %7zu  %-15s %12.0f %10.0f %10.2f %10.2f\n", kinds[kind].name, n_threads,
                        names[i], rates[i], f->n_samples ? (double)f->samples[f->n_samples / 2] : 0.0,
                        rates[i] / rates[0], i < 1 ? 0.0 : rates[i] / rates[1]);
                failed += f->failed;
                free(f->samples);
        }
        fflush(stdout);
        return failed;
}

int modules_run(const char *const paths[static 3], const char *token, const char *pin)
{
        struct loaded loaded[N_MODULES] = {0};
        int failed = 0;

        for (size_t i = 0; i < N_MODULES; i++)
                if (open_module(&loaded[i], paths[i], token, pin) < 0) {
                        fprintf(stderr, "bench: %s has no token %s with the keys\n", paths[i], token);
                        return -1;
                }
        printf("\n%-9s %7s  %-15s %12s %10s %10s %10s\n", "key", "threads", "module", "signatures/s",
                "p50 us", "of direct", "of p11-kit");
        for (size_t kind = 0; kind < 2; kind++)
                for (size_t n_threads = 1; n_threads <= MAX_THREADS; n_threads *= 4) {
                        int r = compare_modules(loaded, kind, n_threads);

                        if (r < 0)
                                return -1;
                        failed += r;
                }
        return failed;
}

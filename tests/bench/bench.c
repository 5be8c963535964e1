/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Signatures a second and their median time, three ways to the same keys of the same token:
 *   raw     PKCS #11 with one long-lived session a thread, in this process: what the device gives
 *   nss     PK11_SignWithMechanism() in this process: what a subsystem does without tokend
 *   tokend  tokend_sign() through the daemon
 * The ways take turns of a short slice each, so that a noisy machine hits all alike; only the ratios mean
 * anything.
 *
 *     bench MODULE TOKEN PIN DIRECTORY      DIRECTORY: empty, for an NSS database; the keys are "rsa" and
 * "ec"
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <nss/nss.h>
#include <nss/pk11pub.h>
#include <nss/keyhi.h>
#include <nss/secmod.h>
#include <nss/secmodt.h>
#include <nss/pkcs11.h>

#include "client/tokend.h"
#include "tests/bench/accelerated.h"
#include "tests/bench/modules.h"
#include "tests/bench/secrets.h"

#define MAX_CLIENTS 4
#define N_SLICES    6
#define SLICE_NSEC  500000000LL
#define MAX_SAMPLES 400000 /* of one way at one setting: 3 s at more than 100 000 a second */

enum way {
        RAW,
        NSS,
        TOKEND,
        JOURNAL, /* tokend, too, with other daemons */
        FILE_SAFE,
        N_WAYS
};
static const char *const way_names[] = {"raw PKCS #11", "NSS", "tokend", " +journal", " +file"};

struct kind {
        const char *name, *key, *algorithm;
        CK_MECHANISM_TYPE mechanism;
        const unsigned char *prefix; /* what a PKCS #1 signature has before the digest */
        size_t n_prefix;
};
static const unsigned char sha256_prefix[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
        0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
static const struct kind kinds[] = {
        {"RSA-2048", "bench:rsa", "rsa_pkcs1_sha256", CKM_RSA_PKCS, sha256_prefix, sizeof(sha256_prefix)},
        {"P-256", "bench:ec", "ecdsa_sha256", CKM_ECDSA, NULL, 0},
};

/* What all threads share; set up once. */
struct setup {
        PK11SlotInfo *slot;
        CK_FUNCTION_LIST *functions;
        CK_SESSION_HANDLE sessions[MAX_CLIENTS];
        SECKEYPrivateKey *keys[2];
        struct tokend *handles[N_WAYS - TOKEND];
};

struct client {
        const struct setup *setup;
        const struct kind *kind;
        size_t kind_index, number;
        enum way way;
        int64_t until_nsec;
        float *samples; /* microseconds */
        size_t n_samples, max_samples;
        int failed;
};

static int64_t now_nsec(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int sign_raw(struct client *client, unsigned char *input, size_t length)
{
        CK_MECHANISM mechanism = {client->kind->mechanism, NULL, 0};
        CK_SESSION_HANDLE session = client->setup->sessions[client->number];
        unsigned char signature[512];
        CK_ULONG n = sizeof(signature);

        return client->setup->functions->C_SignInit(session, &mechanism,
                       PK11_GetObjectHandle(
                               PK11_TypePrivKey, client->setup->keys[client->kind_index], NULL)) != CKR_OK ||
               client->setup->functions->C_Sign(session, input, length, signature, &n) != CKR_OK;
}

static int sign_nss(struct client *client, unsigned char *input, size_t length)
{
        unsigned char buffer[512];
        SECItem signature = {siBuffer, buffer, sizeof(buffer)}, item = {siBuffer, input, (unsigned)length};

        return PK11_SignWithMechanism(client->setup->keys[client->kind_index], client->kind->mechanism, NULL,
                       &signature, &item) != SECSuccess;
}

static int sign_tokend(struct client *client, const unsigned char *digest)
{
        unsigned char *signature;
        size_t n;

        if (tokend_sign(client->setup->handles[client->way - TOKEND], client->kind->key,
                    client->kind->algorithm, TOKEND_DIGEST, digest, 32, 10000, &signature, &n,
                    NULL) != TOKEND_OK)
                return 1;
        tokend_free(signature);
        return 0;
}

static void *client_run(void *userdata)
{
        struct client *client = userdata;
        size_t n_prefix = client->kind->n_prefix;
        unsigned char input[64] = {0}, *digest = input + n_prefix;
        int64_t before = now_nsec(), after;

        if (n_prefix)
                memcpy(input, client->kind->prefix, n_prefix);
        for (unsigned turn = 0; before < client->until_nsec; turn++, before = after) {
                int r;

                memcpy(digest, &turn, sizeof(turn));
                if (client->way == RAW)
                        r = sign_raw(client, input, n_prefix + 32);
                else if (client->way == NSS)
                        r = sign_nss(client, input, n_prefix + 32);
                else
                        r = sign_tokend(client, digest);
                after = now_nsec();
                if (r)
                        client->failed++;
                else if (client->n_samples < client->max_samples)
                        client->samples[client->n_samples++] = (float)(after - before) / 1000.0F;
        }
        return NULL;
}

static int compare(const void *a, const void *b)
{
        float x = *(const float *)a, y = *(const float *)b;

        return (x > y) - (x < y);
}

struct figures {
        float *samples;
        size_t n_samples;
        int64_t nsec;
        int failed;
};

/* One slice of one way; the samples are added. */
static int slice(
        const struct setup *setup, size_t kind, enum way way, size_t n_clients, struct figures *figures)
{
        struct client clients[MAX_CLIENTS];
        pthread_t threads[MAX_CLIENTS];
        int64_t start = now_nsec();
        size_t room = (MAX_SAMPLES - figures->n_samples) / n_clients;

        for (size_t i = 0; i < n_clients; i++) {
                clients[i] = (struct client){.setup = setup,
                        .kind = &kinds[kind],
                        .kind_index = kind,
                        .number = i,
                        .way = way,
                        .until_nsec = start + SLICE_NSEC,
                        .samples = malloc(room * sizeof(float)),
                        .max_samples = room};
                if (!clients[i].samples || pthread_create(&threads[i], NULL, client_run, &clients[i]) != 0)
                        return -1;
        }
        for (size_t i = 0; i < n_clients; i++) {
                pthread_join(threads[i], NULL);
                memcpy(figures->samples + figures->n_samples, clients[i].samples,
                        clients[i].n_samples * sizeof(float));
                figures->n_samples += clients[i].n_samples;
                figures->failed += clients[i].failed;
                free(clients[i].samples);
        }
        figures->nsec += now_nsec() - start;
        return 0;
}

static int compare_ways(const struct setup *setup, size_t kind, size_t n_clients)
{
        struct figures figures[N_WAYS] = {0};
        double rates[N_WAYS];
        int failed = 0;

        for (size_t way = 0; way < N_WAYS; way++) {
                figures[way].samples = malloc(MAX_SAMPLES * sizeof(float));
                if (!figures[way].samples)
                        return -1;
        }
        for (size_t turn = 0; turn < N_SLICES * N_WAYS; turn++) {
                /* Each round in another order. */
                size_t way = (turn + turn / N_WAYS) % N_WAYS;

                if (slice(setup, kind, (enum way)way, n_clients, &figures[way]) < 0)
                        return -1;
        }
        for (size_t way = 0; way < N_WAYS; way++) {
                struct figures *f = &figures[way];

                qsort(f->samples, f->n_samples, sizeof(float), compare);
                rates[way] = (double)f->n_samples * 1e9 / (double)f->nsec;
                printf("%-9s %7zu  %-13s %12.0f %10.0f %10.2f %10.2f\n", kinds[kind].name, n_clients,
                        way_names[way], rates[way], f->n_samples ? (double)f->samples[f->n_samples / 2] : 0.0,
                        rates[way] / rates[RAW], way < NSS ? 0.0 : rates[way] / rates[NSS]);
                failed += f->failed;
                free(f->samples);
        }
        fflush(stdout);
        return failed;
}

static char *give_pin(PK11SlotInfo *slot, PRBool retry, void *pin)
{
        return retry || !pin ? NULL : PL_strdup(pin);
}

static int set_up(char **argv, struct setup *setup)
{
        char directory[512], spec[1024];
        SECMODModule *module;

        snprintf(directory, sizeof(directory), "sql:%s", argv[4]);
        snprintf(spec, sizeof(spec), "library=\"%s\" name=bench", argv[1]);
        PK11_SetPasswordFunc(give_pin);
        if (NSS_InitReadWrite(directory) != SECSuccess)
                return -1;
        module = SECMOD_LoadUserModule(spec, NULL, PR_FALSE);
        setup->slot = module && module->loaded ? PK11_FindSlotByName(argv[2]) : NULL;
        if (!setup->slot || PK11_Authenticate(setup->slot, PR_TRUE, argv[3]) != SECSuccess)
                return -1;
        setup->functions = module->functionList;
        for (size_t i = 0; i < MAX_CLIENTS; i++) {
                if (setup->functions->C_OpenSession(PK11_GetSlotID(setup->slot), CKF_SERIAL_SESSION, NULL,
                            NULL, &setup->sessions[i]) != CKR_OK)
                        return -1;
        }
        for (size_t i = 0; i < 2; i++) {
                SECKEYPrivateKeyList *list =
                        PK11_ListPrivKeysInSlot(setup->slot, (char *)(i ? "ec" : "rsa"), argv[3]);

                if (!list || PRIVKEY_LIST_END(PRIVKEY_LIST_HEAD(list), list))
                        return -1;
                setup->keys[i] = SECKEY_CopyPrivateKey(PRIVKEY_LIST_HEAD(list)->key);
                SECKEY_DestroyPrivateKeyList(list);
        }
        for (size_t i = 0; i < N_WAYS - TOKEND; i++) {
                setup->handles[i] = tokend_open(argv[5 + i], 0);
                if (!setup->handles[i])
                        return -1;
        }
        return 0;
}

/* One part of the bench: BENCH_PART names the only one that is wanted. */
static int run_part(
        const char *name, int (*run)(struct setup *setup, char **argv), struct setup *setup, char **argv)
{
        const char *only = getenv("BENCH_PART");
        int r = only && *only && strcmp(only, name) != 0 ? 0 : run(setup, argv);

        if (r < 0)
                fprintf(stderr, "bench: %s could not be measured\n", name);
        return r < 0 ? 1 : r;
}

static int run_keys(struct setup *setup, char **argv)
{
        int failed = 0, r = 0;

        printf("%-9s %7s  %-13s %12s %10s %10s %10s\n", "key", "clients", "way", "signatures/s", "p50 us",
                "of raw", "of NSS");
        for (size_t kind = 0; kind < 2; kind++) {
                for (size_t n_clients = 1; r >= 0 && n_clients <= MAX_CLIENTS; n_clients *= 4) {
                        r = compare_ways(setup, kind, n_clients);
                        failed += r;
                }
        }
        return r < 0 ? -1 : failed;
}

static int run_accelerator(struct setup *setup, char **argv)
{
        return accelerated_run(setup->handles[0], setup->slot);
}

static int run_secrets(struct setup *setup, char **argv)
{
        return secrets_run(setup->handles[0], setup->slot);
}

/* BENCH_P11KIT, BENCH_MODULE: the paths of p11-kit's client module, without which there is nothing to compare, and of tokend's. */
static int run_modules(struct setup *setup, char **argv)
{
        const char *paths[] = {argv[1], getenv("BENCH_P11KIT"), getenv("BENCH_MODULE")};

        return paths[1] && paths[2] ? modules_run(paths, argv[2], argv[3]) : 0;
}

int main(int argc, char **argv)
{
        struct setup setup = {0};
        int failed = 0;

        if (argc != 5 + N_WAYS - TOKEND || set_up(argv, &setup) < 0) {
                fprintf(stderr, "bench: could not be set up\n");
                return 1;
        }
        failed += run_part("keys", run_keys, &setup, argv);
        failed += run_part("accelerator", run_accelerator, &setup, argv);
        failed += run_part("secrets", run_secrets, &setup, argv);
        failed += run_part("modules", run_modules, &setup, argv);
        for (size_t i = 0; i < N_WAYS - TOKEND; i++)
                tokend_close(setup.handles[i]);
        if (failed)
                fprintf(stderr, "bench: %d signatures failed\n", failed);
        return failed != 0;
}

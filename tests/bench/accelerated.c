/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Signatures a second with two keys of the internal token, through the daemon: one that stays there and signs with the
 * session copy that the internal token makes for itself, one of which the accelerator has a copy. Beside them the same two
 * tokens by direct calls in this process. Four clients; all take turns of a short slice each.
 */
#include "tests/bench/accelerated.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/tokend.h"
#include "tests/bench/direct.h"

#define N_CLIENTS  DIRECT_THREADS
#define N_ROUNDS   8
#define SLICE_NSEC 400000000LL
/* Signatures until the copy has to be there. */
#define LOADS_MAX 2000

enum place {
        ALONE,
        ACCELERATED,
        DIRECT_ALONE,
        DIRECT_ACCELERATOR,
        N_PLACES
};

static const struct {
        const char *name, *keys[DIRECT_ALONE], *algorithm;
} kinds[] = {
        {"RSA-2048", {"internal:rsa", "internal:rsa loadable"}, "rsa_pkcs1_sha256"},
        {"P-256", {"internal:ec", "internal:ec loadable"}, "ecdsa_sha256"},
};

/* One place with one kind of key. */
struct way {
        struct tokend *handle; /* NULL: by direct calls */
        const char *key, *algorithm;
        struct direct direct;
};

struct client {
        const struct way *way;
        size_t number;
        int64_t until_nsec;
        unsigned done, failed;
};

static int64_t now_nsec(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int sign(const struct way *way, size_t client, unsigned turn)
{
        unsigned char digest[32] = {0}, *signature;
        size_t n;

        if (!way->handle)
                return direct_sign(&way->direct, client, turn);
        memcpy(digest, &turn, sizeof(turn));
        if (tokend_sign(way->handle, way->key, way->algorithm, TOKEND_DIGEST, digest, sizeof(digest), 10000,
                    &signature, &n, NULL) != TOKEND_OK)
                return -1;
        tokend_free(signature);
        return 0;
}

static void *client_run(void *userdata)
{
        struct client *client = userdata;

        for (unsigned turn = 0; now_nsec() < client->until_nsec; turn++)
                if (sign(client->way, client->number, turn) < 0)
                        client->failed++;
                else
                        client->done++;
        return NULL;
}

/* Signatures a second of one slice; -1: no thread. */
static double slice(const struct way *way, int *failed)
{
        struct client clients[N_CLIENTS];
        pthread_t threads[N_CLIENTS];
        int64_t start = now_nsec();
        unsigned done = 0;

        for (size_t i = 0; i < N_CLIENTS; i++) {
                clients[i] = (struct client){.way = way, .number = i, .until_nsec = start + SLICE_NSEC};
                if (pthread_create(&threads[i], NULL, client_run, &clients[i]) != 0)
                        return -1;
        }
        for (size_t i = 0; i < N_CLIENTS; i++) {
                pthread_join(threads[i], NULL);
                done += clients[i].done;
                *failed += (int)clients[i].failed;
        }
        return done * 1e9 / (double)(now_nsec() - start);
}

/* A key is copied at its first use, in the background. */
static int wait_for_copy(const struct way *way)
{
        for (unsigned i = 0; i < LOADS_MAX; i++) {
                struct tokend_key *got;
                int there;

                if (sign(way, 0, i) < 0 || tokend_get(way->handle, way->key, 10000, &got, NULL) != TOKEND_OK)
                        return -1;
                there = got->accelerated_by != NULL;
                tokend_key_free(got);
                if (there)
                        return 0;
                usleep(1000);
        }
        return -1;
}

static int prepare(struct way ways[N_PLACES], size_t kind, struct tokend *handle, PK11SlotInfo *accelerator)
{
        PK11SlotInfo *internal = PK11_GetInternalSlot();
        bool rsa = kind == 0;
        int r;

        for (size_t place = 0; place < DIRECT_ALONE; place++)
                ways[place] = (struct way){handle, kinds[kind].keys[place], kinds[kind].algorithm, {0}};
        r = wait_for_copy(&ways[ACCELERATED]);
        if (r == 0)
                r = direct_open(&ways[DIRECT_ALONE].direct, internal, rsa);
        if (r == 0)
                r = direct_open(&ways[DIRECT_ACCELERATOR].direct, accelerator, rsa);
        PK11_FreeSlot(internal);
        return r;
}

static int compare(struct tokend *handle, PK11SlotInfo *accelerator, size_t kind)
{
        struct way ways[N_PLACES] = {0};
        double rates[N_PLACES] = {0};
        int failed = 0;

        if (prepare(ways, kind, handle, accelerator) < 0)
                return -1;
        for (size_t turn = 0; turn < N_ROUNDS * N_PLACES; turn++) {
                /* Each round in another order. */
                size_t place = (turn + turn / N_PLACES) % N_PLACES;
                double rate = slice(&ways[place], &failed);

                if (rate < 0)
                        return -1;
                rates[place] += rate / N_ROUNDS;
        }
        for (size_t place = ALONE; place < N_PLACES; place += 2)
                printf("%-9s %7d  %-13s %12.0f %12.0f %10.2f\n", kinds[kind].name, N_CLIENTS,
                        place == ALONE ? "tokend" : "direct calls", rates[place], rates[place + 1],
                        rates[place + 1] / rates[place]);
        fflush(stdout);
        return failed;
}

int accelerated_run(struct tokend *handle, PK11SlotInfo *accelerator)
{
        int failed = 0;

        printf("\nkeys of the internal token, with SoftHSM2 as its accelerator\n%-9s %7s  %-13s %12s %12s "
               "%10s\n",
                "key", "clients", "way", "alone/s", "with/s", "ratio");
        for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
                int r = compare(handle, accelerator, kind);

                if (r < 0)
                        return -1;
                failed += r;
        }
        return failed;
}

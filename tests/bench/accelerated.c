/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Signatures a second with two keys of the internal token, through the daemon: one that stays there and signs with the
 * session copy that the internal token makes for itself, one of which the accelerator has a copy. Four clients; the two
 * take turns of a short slice each.
 */
#include "tests/bench/accelerated.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/tokend.h"

#define N_CLIENTS  4
#define N_ROUNDS   8
#define SLICE_NSEC 400000000LL
/* Signatures until the copy has to be there. */
#define LOADS_MAX 2000

enum place {
        ALONE,
        ACCELERATED,
        N_PLACES
};

static const struct {
        const char *name, *keys[N_PLACES], *algorithm;
} kinds[] = {
        {"RSA-2048", {"internal:rsa", "internal:rsa loadable"}, "rsa_pkcs1_sha256"},
        {"P-256", {"internal:ec", "internal:ec loadable"}, "ecdsa_sha256"},
};

struct client {
        struct tokend *handle;
        const char *key, *algorithm;
        int64_t until_nsec;
        unsigned done, failed;
};

static int64_t now_nsec(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int sign(struct tokend *handle, const char *key, const char *algorithm, unsigned turn)
{
        unsigned char digest[32] = {0}, *signature;
        size_t n;

        memcpy(digest, &turn, sizeof(turn));
        if (tokend_sign(handle, key, algorithm, TOKEND_DIGEST, digest, sizeof(digest), 10000, &signature, &n,
                    NULL) != TOKEND_OK)
                return -1;
        tokend_free(signature);
        return 0;
}

static void *client_run(void *userdata)
{
        struct client *client = userdata;

        for (unsigned turn = 0; now_nsec() < client->until_nsec; turn++)
                if (sign(client->handle, client->key, client->algorithm, turn) < 0)
                        client->failed++;
                else
                        client->done++;
        return NULL;
}

/* Signatures a second of one slice; -1: no thread. */
static double slice(struct tokend *handle, const char *key, const char *algorithm, int *failed)
{
        struct client clients[N_CLIENTS];
        pthread_t threads[N_CLIENTS];
        int64_t start = now_nsec();
        unsigned done = 0;

        for (size_t i = 0; i < N_CLIENTS; i++) {
                clients[i] = (struct client){.handle = handle,
                        .key = key,
                        .algorithm = algorithm,
                        .until_nsec = start + SLICE_NSEC};
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
static int wait_for_copy(struct tokend *handle, const char *key, const char *algorithm)
{
        for (unsigned i = 0; i < LOADS_MAX; i++) {
                struct tokend_key *got;
                int there;

                if (sign(handle, key, algorithm, i) < 0 ||
                        tokend_get(handle, key, 10000, &got, NULL) != TOKEND_OK)
                        return -1;
                there = got->accelerated_by != NULL;
                tokend_key_free(got);
                if (there)
                        return 0;
                usleep(1000);
        }
        return -1;
}

static int compare(struct tokend *handle, size_t kind)
{
        double rates[N_PLACES] = {0};
        int failed = 0;

        if (wait_for_copy(handle, kinds[kind].keys[ACCELERATED], kinds[kind].algorithm) < 0)
                return -1;
        for (size_t round = 0; round < N_ROUNDS; round++) {
                for (size_t i = 0; i < N_PLACES; i++) {
                        size_t place = (round + i) % N_PLACES;
                        double rate = slice(handle, kinds[kind].keys[place], kinds[kind].algorithm, &failed);

                        if (rate < 0)
                                return -1;
                        rates[place] += rate / N_ROUNDS;
                }
        }
        printf("%-9s %7d  %12.0f %12.0f %10.2f\n", kinds[kind].name, N_CLIENTS, rates[ALONE],
                rates[ACCELERATED], rates[ACCELERATED] / rates[ALONE]);
        fflush(stdout);
        return failed;
}

int accelerated_run(struct tokend *handle)
{
        int failed = 0;

        printf("\nkeys of the internal token, with SoftHSM2 as its accelerator\n%-9s %7s  %12s %12s %10s\n",
                "key", "clients", "alone/s", "with/s", "ratio");
        for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
                int r = compare(handle, kind);

                if (r < 0)
                        return -1;
                failed += r;
        }
        return failed;
}

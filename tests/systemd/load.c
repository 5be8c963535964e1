/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Clients that sign without a pause, each with a handle of its own, for the tests under systemd:
 * `load SOCKET KEY CLIENTS`. Includes tokend.h and nothing else of ours.
 *
 * For every line on standard input it prints one, `DONE FAILED LONGEST_MS TEXT` since the start, as soon as
 * each client has had an answer to a request that it began after the line came. At the end of input it stops;
 * exit status 1 where anything failed. TEXT is the first failure.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "client/tokend.h"

#define N_CLIENTS_MAX 64

struct client {
        pthread_t thread;
        struct load *load;
        struct tokend *handle;
        uint64_t n_answers; /* under the lock of the load */
};

struct load {
        pthread_mutex_t lock;
        pthread_cond_t answered;
        const char *key;
        bool stop;
        uint64_t done, failed;
        int64_t longest_ms;
        struct tokend_failure first;
        int n_clients;
        struct client clients[N_CLIENTS_MAX];
};

static int64_t now_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static enum tokend_error sign(struct client *client, struct tokend_failure *failure)
{
        static const unsigned char digest[32] = {1, 2, 3};
        unsigned char *signature = NULL;
        size_t length = 0;
        enum tokend_error r = tokend_sign(client->handle, client->load->key, "ecdsa_sha256", TOKEND_DIGEST,
                digest, sizeof(digest), 0, &signature, &length, failure);

        tokend_free(signature);
        return r;
}

/* Takes down one answer; whether to go on. */
static bool account(struct client *client, const struct tokend_failure *failure, int64_t taken_ms)
{
        struct load *load = client->load;
        bool go_on;

        pthread_mutex_lock(&load->lock);
        client->n_answers++;
        if (failure->error == TOKEND_OK)
                load->done++;
        else if (load->failed++ == 0)
                load->first = *failure;
        if (taken_ms > load->longest_ms)
                load->longest_ms = taken_ms;
        pthread_cond_broadcast(&load->answered);
        go_on = !load->stop;
        pthread_mutex_unlock(&load->lock);
        return go_on;
}

static void *run_client(void *userdata)
{
        struct client *client = userdata;
        struct tokend_failure failure;
        int64_t began;

        do {
                failure = (struct tokend_failure){0};
                began = now_ms();
                failure.error = sign(client, &failure);
        } while (account(client, &failure, now_ms() - began));
        return NULL;
}

/* The second answer from now on is to a request that was begun from now on. */
static void wait_for_all(struct load *load)
{
        uint64_t target[N_CLIENTS_MAX];

        for (int i = 0; i < load->n_clients; i++)
                target[i] = load->clients[i].n_answers + 2;
        for (int i = 0; i < load->n_clients; i++)
                while (load->clients[i].n_answers < target[i])
                        pthread_cond_wait(&load->answered, &load->lock);
}

static void report(const struct load *load)
{
        printf("%ju %ju %jd %s: %s\n", (uintmax_t)load->done, (uintmax_t)load->failed,
                (intmax_t)load->longest_ms, tokend_error_name(load->first.error), load->first.text);
        fflush(stdout);
}

static int start(struct load *load, const char *path)
{
        for (int i = 0; i < load->n_clients; i++) {
                struct client *client = &load->clients[i];

                client->load = load;
                client->handle = tokend_open(path, 0);
                if (!client->handle || pthread_create(&client->thread, NULL, run_client, client) != 0) {
                        perror("load");
                        return -1;
                }
        }
        return 0;
}

int main(int argc, char **argv)
{
        static struct load load = {.lock = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER};
        char line[64];

        load.n_clients = argc == 4 ? atoi(argv[3]) : 0;
        if (load.n_clients < 1 || load.n_clients > N_CLIENTS_MAX) {
                fprintf(stderr, "usage: load SOCKET KEY CLIENTS\n");
                return 2;
        }
        load.key = argv[2];
        if (start(&load, argv[1]) < 0)
                return 2;
        while (fgets(line, sizeof(line), stdin)) {
                pthread_mutex_lock(&load.lock);
                wait_for_all(&load);
                report(&load);
                pthread_mutex_unlock(&load.lock);
        }
        pthread_mutex_lock(&load.lock);
        load.stop = true;
        pthread_mutex_unlock(&load.lock);
        for (int i = 0; i < load.n_clients; i++) {
                pthread_join(load.clients[i].thread, NULL);
                tokend_close(load.clients[i].handle);
        }
        return load.failed > 0;
}

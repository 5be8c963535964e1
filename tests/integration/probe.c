/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A user of libtokend, for test_library.py: `probe SOCKET WHAT [ARGUMENT]`. Includes tokend.h and nothing
 * else of ours. Prints one line for what it saw; exit status 0 where all went as it should.
 *
 *     threads  N threads sign with one handle, each ROUNDS times; no failure is allowed, whatever happens to
 * the daemon fork     a child signs with its parent's handle while the parent does slow     while one thread
 * generates a large key, another signs: its longest wait is told errors   what each call says of a thing that
 * is not there deadline a call to a socket that never answers ends when its deadline does
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/tokend.h"

static const unsigned char digest[32] = {1, 2, 3};

struct crowd {
        struct tokend *handle;
        const char *key;
        int rounds;
        atomic_int done, failed;
        atomic_bool stop;
        struct tokend_failure failure; /* of one that failed */
};

static int64_t now_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static enum tokend_error sign_within(
        struct tokend *handle, const char *key, int timeout_ms, struct tokend_failure *failure)
{
        unsigned char *signature = NULL;
        size_t length = 0;
        enum tokend_error r = tokend_sign(handle, key, "ecdsa_sha256", TOKEND_DIGEST, digest, sizeof(digest),
                timeout_ms, &signature, &length, failure);

        if (r == TOKEND_OK && length < 60)
                r = TOKEND_PROTOCOL_VIOLATION;
        tokend_free(signature);
        return r;
}

static enum tokend_error sign_once(struct tokend *handle, const char *key, struct tokend_failure *failure)
{
        return sign_within(handle, key, 30000, failure);
}

static void *sign_many(void *userdata)
{
        struct crowd *crowd = userdata;

        for (int i = 0; i < crowd->rounds && !crowd->stop; i++) {
                struct tokend_failure failure = {0};

                if (sign_once(crowd->handle, crowd->key, &failure) == TOKEND_OK) {
                        crowd->done++;
                } else if (crowd->failed++ == 0) {
                        crowd->failure = failure;
                }
        }
        return NULL;
}

static int run_threads(struct tokend *handle, const char *key, int n_threads, int rounds)
{
        struct crowd crowd = {.handle = handle, .key = key, .rounds = rounds};
        pthread_t threads[64];

        for (int i = 0; i < n_threads; i++) {
                if (pthread_create(&threads[i], NULL, sign_many, &crowd) != 0)
                        return 1;
        }
        for (int i = 0; i < n_threads; i++)
                pthread_join(threads[i], NULL);
        printf("%d signed, %d failed %s %s\n", crowd.done, crowd.failed, crowd.failure.name,
                crowd.failure.text);
        return crowd.failed || crowd.done != n_threads * rounds;
}

static int run_fork(struct tokend *handle, const char *key)
{
        struct tokend_failure failure;
        int status;
        pid_t pid;

        if (sign_once(handle, key, &failure) != TOKEND_OK)
                return 1;
        fflush(stdout);
        pid = fork();
        if (pid < 0)
                return 1;
        if (pid == 0) {
                int r = run_threads(handle, key, 4, 50);

                tokend_close(handle);
                fflush(stdout);
                _exit(r);
        }
        if (run_threads(handle, key, 4, 50) != 0)
                return 1;
        return waitpid(pid, &status, 0) != pid || status != 0;
}

static int run_slow(struct tokend *handle, const char *key, const char *nickname)
{
        struct tokend_template template = {.struct_size = sizeof(template),
                .token = "hsm",
                .nickname = nickname,
                .type = "rsa",
                .size = 4096};
        struct crowd crowd = {.handle = handle, .key = key, .rounds = 1 << 30};
        struct tokend_failure failure;
        struct tokend_key *made = NULL;
        pthread_t thread;
        enum tokend_error r;

        if (pthread_create(&thread, NULL, sign_many, &crowd) != 0)
                return 1;
        r = tokend_generate(handle, &template, 0, &made, &failure);
        crowd.stop = true;
        pthread_join(thread, NULL);
        if (r != TOKEND_OK) {
                printf("generate: %s\n", failure.text);
                return 1;
        }
        printf("%d signed meanwhile, %d failed, %s\n", crowd.done, crowd.failed, made->nickname);
        tokend_key_free(made);
        return crowd.failed || crowd.done < 5;
}

static int expect(const char *what, enum tokend_error got, enum tokend_error wanted,
        const struct tokend_failure *failure)
{
        if (got == wanted && failure->error == wanted && failure->text[0])
                return 0;
        printf("%s: %s instead of %s\n", what, tokend_error_name(got), tokend_error_name(wanted));
        return 1;
}

static int run_errors(struct tokend *handle, const char *key)
{
        struct tokend_template taken = {
                .struct_size = sizeof(taken), .token = "hsm", .nickname = "k", .type = "ec"};
        struct tokend_failure f;
        struct tokend_key *one = NULL;
        struct tokend_keys *all = NULL;
        unsigned char *signature = NULL, random[5000];
        size_t length;
        bool valid = true;
        int bad = 0;

        bad += expect("get", tokend_get(handle, "hsm:nothing", 0, &one, &f), TOKEND_KEY_NOT_FOUND, &f);
        bad += expect("list", tokend_list(handle, "nowhere", NULL, 0, &all, &f), TOKEND_TOKEN_NOT_FOUND, &f);
        bad += expect("generate", tokend_generate(handle, &taken, 0, &one, &f), TOKEND_NICKNAME_EXISTS, &f);
        bad += expect("sign",
                tokend_sign(
                        handle, key, "rsa_pss_sha256", TOKEND_DIGEST, digest, 32, 0, &signature, &length, &f),
                TOKEND_ALGORITHM_NOT_SUPPORTED, &f);
        bad += expect("digest",
                tokend_sign(
                        handle, key, "ecdsa_sha256", TOKEND_DIGEST, digest, 31, 0, &signature, &length, &f),
                TOKEND_INVALID_PARAMETER, &f);
        bad += expect("timeout", tokend_get(handle, key, 600001, &one, &f), TOKEND_INVALID_ARGUMENT, &f);
        if (one || all || signature)
                bad++;
        if (tokend_list(handle, NULL, "k", 0, &all, &f) != TOKEND_OK || all->n_keys != 1 ||
                strcmp(all->keys[0]->type, "ec") != 0)
                bad++;
        tokend_keys_free(all);
        if (tokend_random(handle, random, sizeof(random), 0, &f) != TOKEND_OK)
                bad++;
        if (tokend_sign(handle, key, "ecdsa_sha256", TOKEND_MESSAGE, "m", 1, 0, &signature, &length, &f) !=
                        TOKEND_OK ||
                tokend_verify(handle, key, "ecdsa_sha256", TOKEND_MESSAGE, "m", 1, signature, length, 0,
                        &valid, &f) != TOKEND_OK ||
                !valid ||
                tokend_verify(handle, key, "ecdsa_sha256", TOKEND_MESSAGE, "n", 1, signature, length, 0,
                        &valid, &f) != TOKEND_OK ||
                valid)
                bad++;
        tokend_free(signature);
        taken.nickname = "short-lived";
        if (tokend_generate(handle, &taken, 0, &one, &f) != TOKEND_OK ||
                tokend_delete(handle, "hsm:short-lived", 0, &f) != TOKEND_OK)
                bad++;
        tokend_key_free(one);
        printf("%d wrong\n", bad);
        return bad;
}

static int run_deadline(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct tokend_failure failure;
        int64_t start = now_ms(), took;
        enum tokend_error r;
        struct tokend *handle;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 5) < 0)
                return 1;
        handle = tokend_open(path, 0);
        if (!handle)
                return 1;
        r = sign_within(handle, "hsm:k", 700, &failure);
        took = now_ms() - start;
        printf("%s after %d ms\n", failure.name, (int)took);
        tokend_close(handle);
        close(fd);
        return r != TOKEND_TIMED_OUT || took < 650 || took > 5000;
}

/* With nothing to print on: a second call on the same connection comes behind what was printed. */
static int run_print(struct tokend *handle, const char *key)
{
        struct tokend_failure failure;

        for (int i = 0; i < 2; i++) {
                if (sign_once(handle, key, &failure) != TOKEND_OK)
                        return 1;
                for (int fd = 0; fd < 3; fd++)
                        (void)!write(fd, "printed", sizeof("printed"));
        }
        return 0;
}

int main(int argc, char **argv)
{
        struct tokend *handle;
        int r = 2;

        if (argc < 3)
                return 2;
        if (strcmp(argv[2], "deadline") == 0)
                return run_deadline(argv[1]);
        handle = tokend_open(argv[1], 0);
        if (!handle)
                return 2;
        if (strcmp(argv[2], "threads") == 0 && argc > 3)
                r = run_threads(handle, "hsm:k", 8, atoi(argv[3]));
        else if (strcmp(argv[2], "fork") == 0)
                r = run_fork(handle, "hsm:k");
        else if (strcmp(argv[2], "slow") == 0 && argc > 3)
                r = run_slow(handle, "hsm:k", argv[3]);
        else if (strcmp(argv[2], "errors") == 0)
                r = run_errors(handle, "hsm:k");
        else if (strcmp(argv[2], "print") == 0)
                r = run_print(handle, "hsm:k");
        tokend_close(handle);
        return r;
}

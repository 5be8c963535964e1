/* SPDX-License-Identifier: MPL-2.0 */
/* Started calls of libtokend: many at once, given up, in a callback, over a fork, and when the handle is closed. That each call gives the
 * same either way is in test_client_calls.c. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/by_loop.h"
#include "tests/unit/fake_daemon.h"
#include "tests/unit/suite.h"

#define LONG_MS 60000
#define N_CALLS 50

#define SIGNATURE "{\"parameters\":{\"signature\":\"c2lnbmVk\"}}"
#define STATUS                                                                                               \
        "{\"parameters\":{\"version\":\"1\",\"startedUSec\":5,\"tokens\":[],\"instances\":[]},"              \
        "\"continues\":true}"

static struct fake fake;
static struct tokend *handle;

static void begin(fake_handler handler)
{
        fake_init(&fake, handler);
        fake_start(&fake);
        handle = tokend_open(fake.path, 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(handle);
}

static void end(void)
{
        tokend_close(handle);
        fake_done(&fake);
}

/* One that is started, and what came of it. */
struct job {
        struct tokend *call;
        unsigned char *signature;
        size_t length;
        struct tokend_failure failure;
        enum tokend_error error;
        int n_done;
        struct job *other; /* what its callback gives up */
};

static void give_up(struct job *job)
{
        tokend_cancel(job->call);
        job->call = NULL;
}

static void done(enum tokend_error error, void *userdata)
{
        struct job *job = userdata;

        CU_ASSERT_EQUAL(error == TOKEND_OK, job->signature != NULL);
        job->call = NULL;
        job->error = error;
        job->n_done++;
        if (job->other && job->other->n_done == 0)
                give_up(job->other);
}

static enum tokend_error start_within(struct job *job, const char *message, int timeout_ms)
{
        job->call = tokend_later(handle, done, job);
        return tokend_sign(job->call, "k", "ed25519", TOKEND_MESSAGE, message, strlen(message), timeout_ms,
                &job->signature, &job->length, &job->failure);
}

static void start(struct job *job, const char *message)
{
        CU_ASSERT_EQUAL(start_within(job, message, LONG_MS), TOKEND_STARTED);
}

static bool signs(struct fake *f, int fd, const char *request)
{
        fake_send(fd, SIGNATURE);
        return true;
}

static bool is_silent(struct fake *f, int fd, const char *request)
{
        return true;
}

static void test_many(void)
{
        struct job jobs[N_CALLS] = {0};
        int n_done = 0;

        begin(signs);
        for (int i = 0; i < N_CALLS; i++)
                start(&jobs[i], "m");
        while (n_done < N_CALLS) {
                by_loop_turn(handle);
                n_done = 0;
                for (int i = 0; i < N_CALLS; i++)
                        n_done += jobs[i].n_done;
        }
        for (int i = 0; i < N_CALLS; i++) {
                CU_ASSERT_EQUAL(jobs[i].error, TOKEND_OK);
                CU_ASSERT_EQUAL(jobs[i].length, 6);
                tokend_free(jobs[i].signature);
        }
        CU_ASSERT_EQUAL(tokend_process(handle), 0);
        end();
}

/* A call fails before anything is started: no callback, and nothing is lost. */
static void test_at_once(void)
{
        struct job job = {0};

        begin(signs);
        CU_ASSERT_EQUAL(start_within(&job, "m", -1), TOKEND_INVALID_ARGUMENT);
        CU_ASSERT_EQUAL(job.failure.error, TOKEND_INVALID_ARGUMENT);
        CU_ASSERT_EQUAL(start_within(&job, "m", LONG_MS), TOKEND_STARTED);
        CU_ASSERT_PTR_NULL(tokend_later(job.call, done, &job));
        CU_ASSERT_EQUAL(errno, EINVAL);
        while (job.n_done == 0)
                by_loop_turn(handle);
        CU_ASSERT_EQUAL(job.n_done, 1);
        tokend_free(job.signature);
        CU_ASSERT_EQUAL(tokend_sign(NULL, "k", "ed25519", TOKEND_MESSAGE, "m", 1, LONG_MS, &job.signature,
                                &job.length, &job.failure),
                TOKEND_NO_MEMORY);
        end();
}

static void test_cancel(void)
{
        struct job first = {0}, second = {0};

        begin(is_silent);
        start(&first, "m");
        CU_ASSERT_EQUAL(tokend_process(handle), 0);
        give_up(&first);
        tokend_cancel(NULL);
        fake.handler = signs;
        start(&second, "m");
        while (second.n_done == 0)
                by_loop_turn(handle);
        CU_ASSERT_EQUAL(first.n_done, 0);
        CU_ASSERT_PTR_NULL(first.signature);
        /* Whatever the daemon answers to the first would be lost with its connection. */
        CU_ASSERT_EQUAL(fake.n_connections, 2);
        tokend_free(second.signature);
        end();
}

/* Two that are ready in one turn: the callback of either gives the other up. */
static void test_cancel_in_callback(void)
{
        struct job jobs[2] = {{.other = &jobs[1]}, {.other = &jobs[0]}};

        begin(signs);
        fake_stop(&fake);
        tokend_close(handle);
        handle = tokend_open(fake.path, TOKEND_NO_WAIT);
        start(&jobs[0], "m");
        start(&jobs[1], "m");
        by_loop_turn(handle);
        CU_ASSERT_EQUAL(jobs[0].n_done + jobs[1].n_done, 1);
        CU_ASSERT_EQUAL(jobs[0].n_done ? jobs[0].error : jobs[1].error, TOKEND_CANNOT_CONNECT);
        CU_ASSERT_EQUAL(tokend_process(handle), 0);
        end();
}

static bool tells_on(struct fake *f, int fd, const char *request)
{
        for (int i = 0; i < 5; i++)
                fake_send(fd, STATUS);
        return true;
}

static bool stop_at_two(const struct tokend_status *status, void *userdata)
{
        struct job *job = userdata;

        if (++job->n_done == 2)
                give_up(job);
        return true;
}

static void test_cancel_in_watch(void)
{
        struct job job = {0};

        begin(tells_on);
        job.call = tokend_later(handle, done, &job);
        CU_ASSERT_EQUAL(tokend_watch(job.call, 10, LONG_MS, stop_at_two, &job, NULL), TOKEND_STARTED);
        while (job.call)
                by_loop_turn(handle);
        CU_ASSERT_EQUAL(job.n_done, 2);
        CU_ASSERT_EQUAL(tokend_process(handle), 0);
        end();
}

/* The child has none of the parent's calls, and makes its own; the parent's end as if there were no child. */
static void test_fork(void)
{
        struct job job = {0}, own = {0};
        int status = -1;
        pid_t child;

        begin(is_silent);
        start(&job, "m");
        fake.handler = signs;
        child = fork();
        if (child == 0) {
                int bad = tokend_process(handle) != 0;

                bad |= start_within(&own, "m", LONG_MS) != TOKEND_STARTED;
                while (own.n_done == 0)
                        by_loop_turn(handle);
                bad |= own.error != TOKEND_OK || job.n_done > 0;
                _exit(bad);
        }
        waitpid(child, &status, 0);
        CU_ASSERT_EQUAL(status, 0);
        fake_stop(&fake); /* the first is lost, and repeated */
        fake_start(&fake);
        while (job.n_done == 0)
                by_loop_turn(handle);
        CU_ASSERT_EQUAL(job.error, TOKEND_OK);
        tokend_free(job.signature);
        end();
}

static void test_close(void)
{
        struct job jobs[3] = {0};

        begin(is_silent);
        for (int i = 0; i < 3; i++)
                start(&jobs[i], "m");
        CU_ASSERT_EQUAL(tokend_process(handle), 0);
        end();
        for (int i = 0; i < 3; i++)
                CU_ASSERT_EQUAL(jobs[i].n_done, 0);
}

/* A program that becomes a daemon closes what it has, and goes on. */
static void test_descriptors_closed(void)
{
        struct job job = {0};
        int fd, status = -1;
        pid_t child;

        begin(signs);
        CU_ASSERT_TRUE(tokend_get_fd(handle) >= 0);
        child = fork();
        if (child == 0) {
                fd = tokend_get_fd(handle);
                for (int i = 3; i < 100; i++)
                        close(i);
                (void)!pipe((int[2]){0});
                start(&job, "m");
                while (job.n_done == 0)
                        by_loop_turn(handle);
                _exit(job.error != TOKEND_OK || fd < 0);
        }
        waitpid(child, &status, 0);
        CU_ASSERT_EQUAL(status, 0);
        end();
}

SUITE(client_loop, {"many are started on one handle, and each ends once", test_many},
        {"what fails at once was not started", test_at_once},
        {"one that is given up does not call back, and others go on", test_cancel},
        {"a callback gives up what is ready in the same turn", test_cancel_in_callback},
        {"a callback of a watch gives up that watch", test_cancel_in_watch},
        {"a child has none of its parent's calls, and makes its own", test_fork},
        {"calls that are in progress end with their handle", test_close},
        {"a program that closed all descriptors goes on", test_descriptors_closed});

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a worker that was taken over sends to the broker: the whole broker, with clients whose requests the worker has, on the stage of
 * tests/unit/bench_*.c. Whatever comes, nothing but its own token suffers: a request that it has is answered, and the next worker
 * serves.
 *
 * The first byte says what a client has asked of it, and what else is out. Then come steps: a byte that says what is done, and what
 * that takes.
 */
#include <string.h>

#include "proto/limits.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/bench.h"

enum step {
        STEP_RAW,   /* a message of these bytes */
        STEP_REPLY, /* a REPLY to what it has, of this status, with this payload and text */
        STEP_RIGHT, /* the right answer */
        STEP_CALL,  /* a client asks for something */
        STEP_TIME,  /* a second passes */
        STEP_ANEW,  /* it dies, and there is another */
        STEP_PATCH, /* a message of these bytes, with the number of what it has as its first field */
        N_STEPS,
};

struct input {
        const uint8_t *at;
        size_t left;
};

static uint8_t byte(struct input *input)
{
        if (input->left == 0)
                return 0;
        input->left--;
        return *input->at++;
}

/* A length byte, and so many bytes: what there is of them. */
static struct wire_bytes bytes(struct input *input)
{
        size_t length = byte(input);
        struct wire_bytes found;

        if (length > input->left)
                length = input->left;
        found = wire_bytes(input->at, length);
        input->at += length;
        input->left -= length;
        return found;
}

static uint64_t number_of_one(const struct fake_worker *worker, unsigned which)
{
        return worker->n_out > 0 ? worker->out[which % worker->n_out].number : 0;
}

/* It is not waited for an answer any more. */
static void forget_one(struct fake_worker *worker, uint64_t number)
{
        for (size_t i = 0; i < worker->n_out; i++)
                if (worker->out[i].number == number) {
                        worker->out[i] = worker->out[--worker->n_out];
                        return;
                }
}

static void send_raw(struct fake_worker *worker, struct input *input, bool patched)
{
        struct wire_bytes message = bytes(input);
        uint8_t copy[256];
        uint64_t number = number_of_one(worker, 0);

        memcpy(copy, message.data, message.length);
        /* Behind the type, one byte. */
        if (patched && message.length > sizeof(number))
                memcpy(copy + 1, &number, sizeof(number));
        (void)channel_send(worker->fd, copy, message.length, NULL, 0);
}

static void send_reply(struct fake_worker *worker, struct input *input)
{
        struct message_reply reply = {.request = number_of_one(worker, byte(input)), .status = byte(input)};
        struct wire_bytes text;
        char copy[256];

        reply.ckr = byte(input);
        reply.device_usec = byte(input);
        reply.payload = bytes(input);
        text = bytes(input);
        memcpy(copy, text.data, text.length);
        copy[text.length] = '\0';
        reply.text = copy;
        forget_one(worker, reply.request);
        (void)message_send_reply(worker->fd, &reply, NULL, 0);
}

/* Counts what was asked. */
static void do_step(struct stage *stage, struct input *input, size_t *n_asked)
{
        struct fake_worker *worker = &stage->home;
        enum step step = byte(input) % N_STEPS;

        if (step == STEP_CALL) {
                client_call(stage, &stage->a, call_of(byte(input) % N_WHAT, false));
                ++*n_asked;
        } else if (step == STEP_TIME)
                stage_advance(stage, now_usec() + USEC_PER_SEC);
        else if (step == STEP_ANEW) {
                worker_kill(stage, worker);
                worker_start(stage, worker);
        } else if (worker->fd >= 0) {
                if (step == STEP_REPLY)
                        send_reply(worker, input);
                else if (step == STEP_RIGHT && worker->n_out > 0)
                        worker_answer(stage, worker, 0, ANSWER_OK);
                else if (step != STEP_RIGHT)
                        send_raw(worker, input, step == STEP_PATCH);
        }
        stage_run(stage);
}

static void answer_all(struct stage *stage)
{
        while (worker_answer_all(stage, &stage->home) || worker_answer_all(stage, &stage->fast))
                ;
}

static bool is_at_work(const struct stage *stage)
{
        LINK_FOREACH(at, (struct link *)(uintptr_t)&stage->broker.tokens)
        {
                const struct token *token = LINK_OF(at, struct token, link);

                if (token_queued(token) > 0 || token->worker->n_out > 0)
                        return true;
        }
        return false;
}

/* The broker is there; another worker serves what a client asks now, and every request before it has been answered. */
static void check_whole(struct stage *stage, size_t n_asked)
{
        CHECK(!stage->ended);
        worker_kill(stage, &stage->home);
        worker_start(stage, &stage->home);
        answer_all(stage);
        for (unsigned i = 0; i < 8 && (stage->a.n < n_asked || is_at_work(stage)); i++) {
                if (stage->home.fd < 0)
                        worker_start(stage, &stage->home);
                stage_advance(stage, now_usec() + 100 * USEC_PER_SEC);
                answer_all(stage);
        }
        CHECK(stage->a.n == n_asked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct input input = {data, size};
        struct bench_cell cell = {.where = AT_OUT, .records = REC_OFF};
        struct stage stage;
        uint8_t first = byte(&input);
        unsigned n_faults = bench_n_faults(), n_steps = 0;
        size_t n_asked = 1;

        if (size < 2)
                return 0;
        cell.what = first % N_WHAT;
        cell.accel = first & 0x80 ? ACCEL_THERE : ACCEL_NONE;
        bench_quiet(true);
        bench_begin(&cell);
        CHECK(stage_open(&stage, &cell) == 0);
        client_call(&stage, &stage.a, call_of(cell.what, false));
        while (input.left > 0 && n_steps++ < 24 && !stage.ended)
                do_step(&stage, &input, &n_asked);
        check_whole(&stage, n_asked);
        stage_close(&stage);
        bench_begin(NULL);
        bench_quiet(false);
        /* What bench_fault() said. */
        fflush(stdout);
        CHECK(bench_n_faults() == n_faults);
        return 0;
}

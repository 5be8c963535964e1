/* SPDX-License-Identifier: MPL-2.0 */
/* See bench.h: workers on channels, and the token behind them. What a worker answers with OK it has done. */
#include <fcntl.h>
#include <string.h>

#include "tests/unit/bench_token.h"

/* CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, CKM_AES_KEY_GEN. */
static const uint8_t mechanisms[] = {
        0x40, 0x10, 0, 0, 0, 0, 0, 0, 0x41, 0x10, 0, 0, 0, 0, 0, 0, 0x80, 0x10, 0, 0, 0, 0, 0, 0};

#define CKR_DEVICE_ERROR      0x30U
#define CKR_FUNCTION_REJECTED 0x200U
/* The accelerator's number of the copy of the key. */
#define COPY 5U

/* ---- what comes ---- */

static bool is_ours(
        const struct stage *stage, const struct fake_worker *worker, const struct fake_request *request)
{
        switch (request->type) {
        case MESSAGE_TYPE_SIGN:
                return request->key == token_number(worker, OBJECT_OURS);
        case MESSAGE_TYPE_RANDOM:
                return request->length == 16;
        case MESSAGE_TYPE_SIGN_COPY:
        case MESSAGE_TYPE_DECRYPT:
        case MESSAGE_TYPE_DERIVE:
        case MESSAGE_TYPE_VERIFY:
        case MESSAGE_TYPE_GENERATE:
        case MESSAGE_TYPE_DELETE:
        case MESSAGE_TYPE_IMPORT:
        case MESSAGE_TYPE_RENAME:
        case MESSAGE_TYPE_SECRET_GENERATE:
        case MESSAGE_TYPE_SECRET_DELETE:
        case MESSAGE_TYPE_SEALED_GENERATE:
        case MESSAGE_TYPE_UNWRAP:
        case MESSAGE_TYPE_WRAP:
        case MESSAGE_TYPE_SECRET_DERIVE:
        case MESSAGE_TYPE_CIPHER:
        case MESSAGE_TYPE_SIGN_SEALED:
                return true;
        default:
                return false;
        }
}

static void take(struct stage *stage, struct fake_worker *worker, enum message_type type, struct wire *wire)
{
        union operation_message message;
        const struct operation_info *info = operation_info(type);
        struct fake_request *request = &worker->out[worker->n_out];

        BENCH_CHECK(stage, info && info->get(wire, &message) == 0);
        BENCH_CHECK(stage, worker->n_out < worker->threads);
        if (worker->n_out >= worker->threads)
                return;
        worker->n_out++;
        *request =
                (struct fake_request){.number = message.head.request, .key = message.head.key, .type = type};
        if (type == MESSAGE_TYPE_RANDOM)
                request->length = message.random.length;
        request->sealed = bench_asked(type, &message);
        request->ours = stage->watching && is_ours(stage, worker, request);
        stage->token.n_sent += request->ours;
        if (type == MESSAGE_TYPE_GENERATE)
                memcpy(stage->token.new_id, message.generate.id.data, sizeof(stage->token.new_id));
        if (type == MESSAGE_TYPE_SECRET_GENERATE)
                memcpy(stage->token.new_id, message.secret_generate.id.data, sizeof(stage->token.new_id));
}

/* What a worker answers by itself. */
static bool answer_own(struct stage *stage, struct fake_worker *worker)
{
        for (size_t i = 0; i < worker->n_out; i++) {
                enum message_type type = worker->out[i].type;

                if ((type == MESSAGE_TYPE_REFRESH && worker->loads) ||
                        (type == MESSAGE_TYPE_LOAD && worker->copies) || type == MESSAGE_TYPE_FORGET_COPY) {
                        worker_answer(stage, worker, i, ANSWER_OK);
                        return true;
                }
        }
        return false;
}

void worker_end(struct stage *stage, struct fake_worker *worker)
{
        if (worker->fd < 0)
                return;
        close(worker->fd);
        worker->fd = -1;
        worker->n_out = 0;
        (void)message_send_gone(stage->control,
                &(struct message_gone){.token = worker->token, .life = worker->life}, NULL, 0);
}

bool worker_receive(struct stage *stage, struct fake_worker *worker)
{
        static uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
        struct wire wire = {.data = buffer};
        bool any = false;
        int r;

        while (worker->fd >= 0) {
                r = channel_receive_plain(worker->fd, buffer, sizeof(buffer), &wire.size);
                if (r < 0)
                        break;
                any = true;
                if (r == 1) {
                        /* The broker wants no more of it. */
                        worker_end(stage, worker);
                        break;
                }
                take(stage, worker, message_type(&wire), &wire);
                wire = (struct wire){.data = buffer};
        }
        return answer_own(stage, worker) || any;
}

size_t worker_ours(const struct fake_worker *worker)
{
        for (size_t i = 0; i < worker->n_out; i++)
                if (worker->out[i].ours)
                        return i;
        return 0;
}

/* ---- what is done, and answered ---- */

static void perform(struct stage *stage, const struct fake_request *request)
{
        struct fake_token *token = &stage->token;

        switch (request->type) {
        case MESSAGE_TYPE_GENERATE:
                token->has_new = true;
                break;
        case MESSAGE_TYPE_DELETE:
                token->has_key = false;
                break;
        case MESSAGE_TYPE_IMPORT:
                if (stage->cell.what == DO_REPLACE)
                        token->has_renewed = true;
                else
                        token->has_certificate = true;
                break;
        case MESSAGE_TYPE_RENAME:
                token->renamed = true;
                break;
        case MESSAGE_TYPE_SECRET_GENERATE:
                token->has_new_secret = true;
                break;
        case MESSAGE_TYPE_SECRET_DELETE:
                token->has_secret = false;
                break;
        default:
                break;
        }
        token->n_done += request->ours;
}

void worker_do(struct stage *stage, struct fake_worker *worker)
{
        size_t i = worker_ours(worker);

        if (i < worker->n_out && worker->out[i].ours)
                perform(stage, &worker->out[i]);
}

static struct wire_bytes payload_number(uint64_t number, uint64_t second, size_t n)
{
        static uint8_t bytes[16];
        struct wire wire = {.data = bytes, .size = sizeof(bytes)};

        wire_put_u64(&wire, number);
        wire_put_u64(&wire, second);
        return wire_bytes(bytes, n);
}

static struct wire_bytes payload_sealed(const struct fake_sealed *key)
{
        static uint8_t bytes[512];
        struct wire wire = {.data = bytes, .size = sizeof(bytes)};

        wire_put_bytes(&wire, bench_sealed(key));
        wire_put_bytes(&wire, wire_bytes(NULL, 0));
        return wire_bytes(bytes, wire.at);
}

/* The payload of an OK; objects that were made are told before. */
static struct wire_bytes payload_of(
        struct stage *stage, struct fake_worker *worker, const struct fake_request *request)
{
        static const uint8_t signature[] = {0x30, 6, 2, 1, 1, 2, 1, 1}, zeros[LIMIT_RANDOM];
        enum object imported;

        switch (request->type) {
        case MESSAGE_TYPE_SIGN:
        case MESSAGE_TYPE_SIGN_COPY:
        case MESSAGE_TYPE_SIGN_SEALED:
                return wire_bytes(signature, sizeof(signature));
        case MESSAGE_TYPE_SEALED_GENERATE:
        case MESSAGE_TYPE_UNWRAP:
        case MESSAGE_TYPE_SECRET_DERIVE:
                return payload_sealed(&request->sealed);
        case MESSAGE_TYPE_SECRET_GENERATE:
                token_tell_change(stage, worker, OBJECT_NEW_SECRET);
                return payload_number(token_number(worker, OBJECT_NEW_SECRET), 0, 8);
        case MESSAGE_TYPE_WRAP:
        case MESSAGE_TYPE_CIPHER:
                return wire_bytes(zeros, 32);
        case MESSAGE_TYPE_DECRYPT:
                return wire_bytes(zeros, 48);
        case MESSAGE_TYPE_DERIVE:
                return wire_bytes(zeros, 32);
        case MESSAGE_TYPE_VERIFY:
                return wire_bytes("\1", 1);
        case MESSAGE_TYPE_RANDOM:
                return wire_bytes(zeros, request->length);
        case MESSAGE_TYPE_GENERATE:
                token_tell_change(stage, worker, OBJECT_NEW);
                return payload_number(token_number(worker, OBJECT_NEW), 0, 8);
        case MESSAGE_TYPE_SETTLE:
                return payload_number(token_number(worker, OBJECT_NEW), 0, 8);
        case MESSAGE_TYPE_IMPORT:
                imported = stage->cell.what == DO_REPLACE ? OBJECT_RENEWED : OBJECT_CERT;
                token_tell_change(stage, worker, imported);
                return payload_number(token_number(worker, imported), 0, 8);
        case MESSAGE_TYPE_RENAME:
                token_tell_change(stage, worker, OBJECT_OURS);
                return payload_number(token_number(worker, OBJECT_OURS), 0, 8);
        case MESSAGE_TYPE_LOAD:
                return payload_number(COPY, 0, 16);
        default:
                return wire_bytes(NULL, 0);
        }
}

/* Whether the object that a SETTLE asks for is there. */
static bool is_there(const struct stage *stage)
{
        return stage->cell.what == DO_GENERATE ? stage->token.has_new : stage->token.has_key;
}

static enum reply_status status_of(
        const struct stage *stage, const struct fake_request *request, enum fake_answer answer)
{
        switch (answer) {
        case ANSWER_REFUSED:
                return REPLY_CKR;
        case ANSWER_CLAIMED:
                return REPLY_CLAIMED;
        case ANSWER_DEVICE_LOST:
                return REPLY_DEVICE_LOST;
        case ANSWER_OK:
                break;
        }
        return request->type == MESSAGE_TYPE_SETTLE && !is_there(stage) ? REPLY_KEY_GONE : REPLY_OK;
}

void worker_answer(struct stage *stage, struct fake_worker *worker, size_t i, enum fake_answer answer)
{
        struct fake_request request = worker->out[i];
        struct message_reply reply = {.request = request.number, .device_usec = 100, .text = ""};

        if (answer == ANSWER_OK)
                perform(stage, &request);
        worker->out[i] = worker->out[--worker->n_out];
        stage->token.n_claimed += answer == ANSWER_CLAIMED;
        reply.status = status_of(stage, &request, answer);
        if (answer == ANSWER_REFUSED)
                reply.ckr = CKR_FUNCTION_REJECTED;
        else if (answer == ANSWER_DEVICE_LOST)
                reply.ckr = CKR_DEVICE_ERROR;
        else if (request.type == MESSAGE_TYPE_REFRESH)
                token_tell_all(stage, worker);
        else if (reply.status == REPLY_OK)
                reply.payload = payload_of(stage, worker, &request);
        (void)message_send_reply(worker->fd, &reply, NULL, 0);
}

/* An OK that is not a possible answer, where there is such a thing; and what is not a message at all. */
void worker_rave(struct fake_worker *worker)
{
        static const uint8_t nonsense[LIMIT_SIGNATURE + 1] = {0xee, 1, 2, 3};
        size_t i = worker_ours(worker);
        const struct operation_info *info = i < worker->n_out ? operation_info(worker->out[i].type) : NULL;

        if (info && info->answer != ANSWER_NOTHING) {
                (void)message_send_reply(worker->fd,
                        &(struct message_reply){.request = worker->out[i].number,
                                .status = REPLY_OK,
                                .payload = wire_bytes(nonsense, sizeof(nonsense)),
                                .text = ""},
                        NULL, 0);
                worker->out[i] = worker->out[--worker->n_out];
        }
        (void)channel_send(worker->fd, nonsense, sizeof(nonsense), NULL, 0);
}

bool worker_answer_all(struct stage *stage, struct fake_worker *worker)
{
        bool any = false;

        while (worker->fd >= 0 && worker->n_out > 0) {
                worker_answer(stage, worker, 0, ANSWER_OK);
                stage_run(stage);
                any = true;
        }
        return (worker == &stage->home && worker_answer_all(stage, &stage->next)) || any;
}

/* ---- its life ---- */

void worker_start(struct stage *stage, struct fake_worker *worker)
{
        const struct message_hello hello = {.version = MESSAGE_VERSION,
                .label = worker->token,
                .manufacturer = "",
                .model = "",
                .serial = "",
                .slot_description = "",
                .slot_manufacturer = "",
                .library_description = "",
                .library_manufacturer = "",
                .library_version = "",
                .threads = worker->threads,
                .mechanisms = wire_bytes(mechanisms, sizeof(mechanisms))};
        int fds[2];

        if (channel_pair(fds) < 0)
                return;
        (void)fcntl(fds[1], F_SETFL, O_NONBLOCK);
        worker->fd = fds[1];
        worker->life = ++stage->life;
        worker->n_out = 0;
        (void)message_send_worker(stage->control,
                &(struct message_worker){.token = worker->token,
                        .life = worker->life,
                        .epoch = (uint32_t)worker->life,
                        .beside = worker == &stage->next},
                &fds[0], 1);
        close(fds[0]);
        (void)message_send_hello(worker->fd, &hello, NULL, 0);
        stage_run(stage);
}

void worker_kill(struct stage *stage, struct fake_worker *worker)
{
        worker_end(stage, worker);
        stage_run(stage);
}

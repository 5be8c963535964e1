/* SPDX-License-Identifier: MPL-2.0 */
/* See audit-server.h. */
#include "daemon/audit/audit-server.h"

#include <stdio.h>
#include <string.h>

#include "daemon/audit/foreign-record.h"
#include "daemon/audit/own-kind.h"
#include "daemon/sandbox/landlock.h"
#include "daemon/util/audit.h"
#include "daemon/util/log.h"

/* How long a rotation waits for the signature of the head, and when one that failed is tried again. */
#define ROTATE_WAIT_USEC (3U * USEC_PER_SEC)
#define AGAIN_USEC       (60U * USEC_PER_SEC)
/* Who asks again and again for a new file gets one in this time: the broker can. */
#define ORDER_GAP_USEC USEC_PER_SEC
/* How often old files are looked for. */
#define DAY_USEC   (UINT64_C(86400) * USEC_PER_SEC)
#define SWEEP_USEC (UINT64_C(3600) * USEC_PER_SEC)

static const struct chain *chain_of(const struct audit_server *server)
{
        return file_chain(server->keeper.file);
}

static bool can_sign(const struct audit_server *server)
{
        return server->signer.interval_usec > 0 && server->broker_fd >= 0 && server->keeper.ok;
}

/* ---- sending to the broker ---- */

void audit_server_broker_gone(struct audit_server *server)
{
        closep(&server->broker_fd);
        server->broker_fd = -1;
        server->owed = ANSWER_NONE;
        server->owed_state = server->unanswered = server->refused = false;
        signer_forget(&server->signer);
        server->last_number = 0;
}

/* True: it was sent, or the broker is gone. */
static bool was_sent(struct audit_server *server, int r)
{
        if (r == -EAGAIN)
                return false;
        /* What it sent before it went is still to be read, and then its end is seen. */
        if (r < 0 && r != -EPIPE && r != -ECONNRESET)
                log_warning("audit: an answer cannot be sent to the broker: %s", strerror(-r));
        return true;
}

static int send_answer(const struct audit_server *server)
{
        if (server->owed == ANSWER_SAFE)
                return message_send_safe(server->broker_fd,
                        &(struct message_safe){.number = server->owed_number, .seq = chain_of(server)->seq},
                        NULL, 0);
        return message_send_unsafe(
                server->broker_fd, &(struct message_unsafe){.number = server->owed_number}, NULL, 0);
}

static int send_state(const struct audit_server *server)
{
        const struct keeper *keeper = &server->keeper;
        struct message_audit_state state = {.ok = keeper->ok,
                .reason = keeper->ok ? "" : keeper->reason,
                .seq = chain_of(server)->seq,
                .lost = keeper->lost,
                .signed_seq = server->signer.signed_seq,
                .signed_usec = server->signer.signed_wall_usec,
                .rotated_seq = server->rotated_seq};

        return message_send_audit_state(server->broker_fd, &state, NULL, 0);
}

static int send_head(const struct audit_server *server)
{
        char text[SIGNED_HEAD_MESSAGE_SIZE];
        size_t length = signed_head_message(&server->signer.head, text);

        return message_send_head(server->broker_fd,
                &(struct message_head){.seq = server->signer.head.seq, .message = wire_bytes(text, length)},
                NULL, 0);
}

/* The state goes before the answer: whoever is told UNSAFE then knows why. */
bool audit_server_flush(struct audit_server *server)
{
        if (server->broker_fd < 0)
                return true;
        if (server->owed_state && server->started) {
                if (!was_sent(server, send_state(server)))
                        return false;
                server->owed_state = false;
        }
        if (server->owed != ANSWER_NONE) {
                if (!was_sent(server, send_answer(server)))
                        return false;
                server->owed = ANSWER_NONE;
        }
        if (server->signer.owed) {
                if (!was_sent(server, send_head(server)))
                        return false;
                server->signer.owed = false;
        }
        return true;
}

/* ---- the disk ---- */

void audit_server_rotate(struct audit_server *server)
{
        server->rotate = true;
        server->rotate_until_usec = now_usec() + ROTATE_WAIT_USEC;
}

void audit_server_order(struct audit_server *server)
{
        if (server->order_usec == 0)
                server->order_usec = MAX_OF(now_usec(), server->next_order_usec);
}

static void step_order(struct audit_server *server, uint64_t now)
{
        if (server->order_usec == 0 || now < server->order_usec)
                return;
        server->order_usec = 0;
        server->next_order_usec = now + ORDER_GAP_USEC;
        audit_server_rotate(server);
}

bool audit_server_commit(struct audit_server *server)
{
        bool was_ok = server->keeper.ok, done;

        done = keeper_commit(&server->keeper, now_usec());
        /* What this process cannot write any more gets its answer from the next one. */
        if (server->unanswered && !server->keeper.over) {
                server->owed = done && !server->refused ? ANSWER_SAFE : ANSWER_UNSAFE;
                server->owed_number = server->last_number;
                server->unanswered = server->refused = false;
        }
        if (was_ok != server->keeper.ok)
                server->owed_state = true;
        if (done && server->rotate_size > 0 && file_length(server->keeper.file) >= server->rotate_size &&
                !server->rotate && now_usec() >= server->next_rotate_usec) {
                audit_server_rotate(server);
        }
        return done;
}

int audit_server_start(struct audit_server *server, const struct message_audit_start *start)
{
        int r;

        if (start->version != MESSAGE_VERSION || (server->started && strcmp(server->path, start->path) != 0))
                return -EPROTO;
        if (!server->started) {
                server->path = strdup(start->path);
                r = server->path ? keeper_init(&server->keeper, server->path, landlock_directory) : -ENOMEM;
                if (r < 0)
                        return r;
                server->started = true;
                server->owed_state = true;
        }
        server->rotate_size = start->rotate_size;
        server->keep_days = start->keep_days;
        server->sweep_usec = 0;
        signer_set_interval(&server->signer, start->sign_interval_usec, now_usec());
        /* The first record, now: it shows whether the file can be written. */
        (void)audit_server_commit(server);
        return 0;
}

void audit_server_record(struct audit_server *server, const struct message_record *record)
{
        size_t length = strlen(record->text);
        const char *fault = foreign_record_fault(record->text, length);

        if (record->number <= server->last_number) {
                audit_server_refuse(server, "a record whose number does not rise");
                return;
        }
        server->last_number = record->number;
        server->unanswered = true;
        if (fault) {
                /* Whoever needs this record is not told that it is safe. */
                server->refused = true;
                audit_server_refuse(server, fault);
        } else
                keeper_add(&server->keeper, record->text, length);
}

void audit_server_refuse(struct audit_server *server, const char *fault)
{
        char when[AUDIT_TIME_SIZE], text[512];
        int length;

        audit_time(wall_usec(), when);
        length = snprintf(text, sizeof(text), "{\"time\":\"%s\",\"kind\":\"%s\",\"reason\":\"%s\"}", when,
                own_kind_name(OWN_REFUSED), fault);
        log_error("audit: refused what the broker sent: %s", fault);
        keeper_add(&server->keeper, text, (size_t)length);
}

/* ---- signing and rotating ---- */

static void rotate_now(struct audit_server *server, const char *reason)
{
        uint64_t seq = chain_of(server)->seq;
        int r = file_rotate(server->keeper.file, reason == NULL, reason);

        server->rotate = false;
        if (r == 0) {
                server->rotated_seq = seq;
                server->sweep_usec = 0;
                server->owed_state = true;
        }
        if (r < 0) {
                log_error("audit: %s cannot be rotated: %s", server->path, strerror(-r));
                server->next_rotate_usec = now_usec() + AGAIN_USEC;
        }
        (void)audit_server_commit(server);
}

void audit_server_head_signed(struct audit_server *server, const struct message_head_signed *answer)
{
        char text[LIMIT_AUDIT_RECORD + 1];
        const char *reason = NULL;
        size_t length;
        int r;

        r = signer_take(&server->signer, answer, now_usec(), text, &length, &reason);
        if (r == 0) {
                keeper_add(&server->keeper, text, length);
                if (!audit_server_commit(server))
                        return;
                signer_done(&server->signer);
                server->owed_state = true;
        }
        if (r != 1 && server->rotate)
                rotate_now(server, reason);
}

static void step_rotate(struct audit_server *server, uint64_t now)
{
        struct signer *signer = &server->signer;

        if (!server->rotate || !server->keeper.ok)
                return;
        if (signer->signed_seq > 0 && !signer_has_unsigned(signer, chain_of(server)))
                rotate_now(server, NULL);
        else if (signer->interval_usec == 0)
                rotate_now(server, "no AuditKey= is set");
        else if (!can_sign(server))
                rotate_now(server, "the broker is not there");
        else if (now >= server->rotate_until_usec)
                rotate_now(server, "the signature did not come in time");
        else if (signer->until_usec == 0)
                signer_ask(signer, chain_of(server), now);
}

void audit_server_drain(struct audit_server *server, uint64_t deadline_usec)
{
        server->drain_until_usec = MAX_OF(deadline_usec, UINT64_C(1));
        server->signer.next_usec = 0;
}

static void step_drain(struct audit_server *server, uint64_t now)
{
        struct signer *signer = &server->signer;

        if (server->drain_until_usec == 0)
                return;
        if (can_sign(server) && signer_has_unsigned(signer, chain_of(server)) &&
                now < server->drain_until_usec) {
                /* A signature that just failed is not asked for again. */
                if (signer->until_usec == 0 && now >= signer->next_usec)
                        signer_ask(signer, chain_of(server), now);
                if (signer->until_usec > 0)
                        return;
        }
        server->drain_until_usec = 0;
        (void)message_send_drained(server->control_fd, &(struct message_drained){0}, NULL, 0);
}

/* The record that a file goes is on the disk before it goes. */
static void step_sweep(struct audit_server *server, uint64_t now)
{
        int r;

        if (server->keep_days == 0 || now < server->sweep_usec || !server->keeper.ok)
                return;
        server->sweep_usec = now + SWEEP_USEC;
        r = file_sweep(server->keeper.file, server->keep_days * DAY_USEC);
        if (r < 0)
                log_error("audit: old files beside %s cannot be removed: %s", server->path, strerror(-r));
}

void audit_server_step(struct audit_server *server)
{
        uint64_t now;

        if (server->unanswered || server->keeper.batch.n > 0 || !server->keeper.ok)
                (void)audit_server_commit(server);
        now = now_usec();
        signer_step(&server->signer, chain_of(server), can_sign(server), now);
        step_order(server, now);
        step_rotate(server, now);
        step_drain(server, now);
        step_sweep(server, now);
}

uint64_t audit_server_next(const struct audit_server *server)
{
        uint64_t next = USEC_NEVER;

        if (!server->started)
                return next;
        if (!server->keeper.ok)
                next = MIN_OF(next, server->keeper.retry_usec);
        next = MIN_OF(next, signer_next(&server->signer, chain_of(server), can_sign(server)));
        if (server->rotate && server->keeper.ok)
                next = MIN_OF(next, server->rotate_until_usec);
        if (server->order_usec > 0)
                next = MIN_OF(next, server->order_usec);
        if (server->drain_until_usec > 0)
                next = MIN_OF(next, server->drain_until_usec);
        if (server->keep_days > 0 && server->keeper.ok)
                next = MIN_OF(next, server->sweep_usec);
        return next;
}

void audit_server_done(struct audit_server *server)
{
        if (server->started) {
                server->keeper.retry_usec = 0;
                if (!audit_server_commit(server) && !server->keeper.over)
                        log_error("audit: %zu records could not be written", server->keeper.batch.n);
                (void)audit_server_flush(server);
                keeper_done(&server->keeper);
        }
        free(server->path);
        closep(&server->broker_fd);
        closep(&server->control_fd);
}

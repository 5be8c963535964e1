/* SPDX-License-Identifier: MPL-2.0 */
/* See bench.h: tokend-audit, or a journal. What it was told is kept, each record once. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/bench.h"

static bool is_journal(const struct stage *stage)
{
        return stage->cell.records == REC_JOURNAL || stage->cell.records == REC_JOURNAL_REQUIRED;
}

/* An end of each pair goes to the broker, as the supervisor would send it. */
static void open_channel(struct stage *stage)
{
        int fds[2];

        if (channel_pair(fds) < 0)
                return;
        (void)fcntl(fds[1], F_SETFL, O_NONBLOCK);
        (void)message_send_channel(stage->control, &(struct message_channel){.epoch = 0}, &fds[0], 1);
        (void)message_send_audit_state(fds[1], &(struct message_audit_state){.ok = 1, .reason = ""}, NULL, 0);
        close(fds[0]);
        stage->audit.fd = fds[1];
}

static void open_journal(struct stage *stage)
{
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return;
        (void)message_send_journal(stage->control, &(struct message_journal){.unused = 0}, &fds[0], 1);
        close(fds[0]);
        stage->audit.journal = fds[1];
}

void fake_audit_start(struct stage *stage, bool journal)
{
        if (journal != is_journal(stage) || stage->cell.records == REC_OFF)
                return;
        stage->audit.absent = false;
        if (journal)
                open_journal(stage);
        else
                open_channel(stage);
        stage_run(stage);
}

void fake_audit_stop(struct stage *stage)
{
        closep(&stage->audit.fd);
        closep(&stage->audit.journal);
        stage->audit.fd = stage->audit.journal = -1;
        stage->audit.absent = true;
        stage->audit.unanswered = 0;
        stage->audit.n_asked = stage->audit.n_signed = 0;
        stage_run(stage);
}

void fake_audit_ask(struct stage *stage)
{
        stage->audit.n_asked += stage->audit.fd >= 0;
        if (stage->audit.fd >= 0)
                (void)message_send_head(stage->audit.fd,
                        &(struct message_head){.seq = 1, .message = wire_bytes("head", 4)}, NULL, 0);
        stage_run(stage);
}

/* ---- records ---- */

/* What stands behind the key, up to the character that ends it. */
static void take_value(const char *text, const char *key, char end, char *ret, size_t size)
{
        const char *at = strstr(text, key), *behind = at ? strchr(at + strlen(key), end) : NULL;
        size_t n = behind ? MIN_OF((size_t)(behind - at) - strlen(key), size - 1) : 0;

        if (n > 0)
                memcpy(ret, at + strlen(key), n);
        ret[n] = '\0';
}

static bool is_there(const struct fake_audit *audit, uint64_t number)
{
        for (size_t i = 0; i < audit->n; i++)
                if (audit->list[i].number == number)
                        return true;
        return false;
}

static void keep(struct stage *stage, struct fake_record record, const char *request)
{
        struct fake_audit *audit = &stage->audit;

        record.request = request ? strtoull(request, NULL, 10) : 0;
        if (record.number != 0 && is_there(audit, record.number))
                return;
        BENCH_CHECK(stage, audit->n < ARRAY_SIZE(audit->list));
        if (audit->n < ARRAY_SIZE(audit->list))
                audit->list[audit->n++] = record;
}

static void keep_line(struct stage *stage, uint64_t number, const char *text)
{
        struct fake_record record = {.number = number};
        static const char key[] = "\"request\":";
        const char *request = strstr(text, key);

        take_value(text, "\"kind\":\"", '"', record.kind, sizeof(record.kind));
        take_value(text, "\"result\":\"", '"', record.result, sizeof(record.result));
        keep(stage, record, request ? request + strlen(key) : NULL);
}

static void keep_fields(struct stage *stage, const char *text)
{
        struct fake_record record = {0};
        static const char key[] = "\nTOKEND_REQUEST=";
        const char *request = strstr(text, key);

        take_value(text, "\nTOKEND_KIND=", '\n', record.kind, sizeof(record.kind));
        take_value(text, "\nTOKEND_RESULT=", '\n', record.result, sizeof(record.result));
        keep(stage, record, request ? request + strlen(key) : NULL);
}

static bool serve_channel(struct stage *stage)
{
        static uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
        struct fake_audit *audit = &stage->audit;
        struct wire wire = {.data = buffer};
        struct message_record record;
        bool any = false;
        int r;

        while ((r = channel_receive_plain(audit->fd, buffer, sizeof(buffer), &wire.size)) == 0) {
                enum message_type type = message_type(&wire);

                any = true;
                audit->n_signed += type == MESSAGE_TYPE_HEAD_SIGNED;
                if (type == MESSAGE_TYPE_RECORD && message_get_record(&wire, &record) == 0) {
                        keep_line(stage, record.number, record.text);
                        audit->unanswered = record.number;
                }
                wire = (struct wire){.data = buffer};
        }
        if (r == 1) {
                /* The broker wants no more of it: the supervisor starts another, or none. */
                close(audit->fd);
                audit->fd = -1;
                audit->unanswered = audit->n_asked = audit->n_signed = 0;
                return true;
        }
        if (audit->unanswered == 0 || audit->keeping == WITHHOLDS)
                return any;
        if (audit->keeping == REFUSES)
                (void)message_send_unsafe(
                        audit->fd, &(struct message_unsafe){.number = audit->unanswered}, NULL, 0);
        else
                (void)message_send_safe(
                        audit->fd, &(struct message_safe){.number = audit->unanswered}, NULL, 0);
        audit->unanswered = 0;
        return true;
}

static bool serve_journal(struct stage *stage)
{
        static char buffer[32 * 1024];
        bool any = false;
        ssize_t n;

        if (stage->audit.keeping == WITHHOLDS)
                return false;
        while ((n = recv(stage->audit.journal, buffer, sizeof(buffer) - 1, 0)) > 0) {
                buffer[n] = '\0';
                keep_fields(stage, buffer);
                any = true;
        }
        return any;
}

bool fake_audit_serve(struct stage *stage)
{
        bool any = stage->audit.fd >= 0 && serve_channel(stage);

        if (stage->audit.journal >= 0)
                any |= serve_journal(stage);
        return any;
}

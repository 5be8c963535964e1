/* SPDX-License-Identifier: MPL-2.0 */
/* See bench_token.h. */
#include "tests/unit/bench_token.h"

#include "daemon/util/algorithm.h"
#include "daemon/util/secret-algorithm.h"

static const uint8_t certificate[] = {0x30, 0x1a, 0x30, 0x13, 0x02, 0x01, 0x01, 0x30, 0x00, 0x30, 0x00, 0x30,
        0x00, 0x30, 0x00, 0x30, 0x06, 0x30, 0x00, 0x03, 0x02, 0x00, 0x55, 0x30, 0x00, 0x03, 0x01, 0x00};

/* Of one public key; they differ in serial number and signature. */
static const uint8_t old[] = {0x30, 0x3b, 0x30, 0x13, 0x02, 0x01, 0x01, 0x30, 0x00, 0x30, 0x00, 0x30, 0x00,
        0x30, 0x00, 0x30, 0x06, 0x30, 0x00, 0x03, 0x02, 0x00, 0x55, 0x30, 0x00, 0x03, 0x22, 0x00, 0x06, 0x06,
        0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06,
        0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06};
static const uint8_t renewed[] = {0x30, 0x3b, 0x30, 0x13, 0x02, 0x01, 0x02, 0x30, 0x00, 0x30, 0x00, 0x30,
        0x00, 0x30, 0x00, 0x30, 0x06, 0x30, 0x00, 0x03, 0x02, 0x00, 0x55, 0x30, 0x00, 0x03, 0x22, 0x00, 0x07,
        0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07,
        0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07};

void token_tell(struct stage *stage, const struct fake_worker *worker, enum object object)
{
        static const char *const nicknames[] = {[OBJECT_OURS] = "key",
                [OBJECT_PLAIN] = "plain",
                [OBJECT_NEW] = "new",
                [OBJECT_CERT] = "cert",
                [OBJECT_OLD] = "old",
                [OBJECT_RENEWED] = "old",
                [OBJECT_AUDIT] = "audit",
                [OBJECT_RSA] = "rsa",
                [OBJECT_OLD_SECRET] = "secret",
                [OBJECT_NEW_SECRET] = "master"};
        struct message_entry entry = {.number = token_number(worker, object),
                .kind = OBJECT_KEY,
                .nickname = nicknames[object],
                .id = wire_bytes(nicknames[object], 3),
                .key_type = KEY_EC,
                .size = 256,
                .usage = USAGE_SIGN | USAGE_DERIVE,
                .der = wire_bytes(nicknames[object], 3),
                .subject = "",
                .issuer = "",
                .serial = ""};

        if (object == OBJECT_OLD_SECRET || object == OBJECT_NEW_SECRET) {
                entry.kind = OBJECT_SECRET;
                entry.key_type = SECRET_AES;
                entry.size = 32;
                entry.usage = USAGE_ENCRYPT;
                entry.der = wire_bytes(NULL, 0);
        }
        if (object == OBJECT_RSA) {
                entry.key_type = KEY_RSA;
                entry.size = 2048;
                entry.usage = USAGE_DECRYPT;
        }
        if (object == OBJECT_OURS && stage->token.renamed)
                entry.nickname = "newer";
        if (object == OBJECT_OURS)
                entry.flags = FLAG_SENSITIVE | FLAG_ALWAYS_SENSITIVE | FLAG_EXTRACTABLE;
        if (object == OBJECT_NEW || object == OBJECT_NEW_SECRET)
                entry.id = wire_bytes(stage->token.new_id, sizeof(stage->token.new_id));
        if (object == OBJECT_CERT || object == OBJECT_OLD || object == OBJECT_RENEWED) {
                entry.kind = OBJECT_CERTIFICATE;
                entry.key_type = 0;
                entry.size = entry.usage = 0;
                entry.der = wire_bytes(certificate, sizeof(certificate));
                entry.serial = "01";
        }
        if (object == OBJECT_OLD)
                entry.der = wire_bytes(old, sizeof(old));
        if (object == OBJECT_RENEWED) {
                entry.der = wire_bytes(renewed, sizeof(renewed));
                entry.serial = "02";
        }
        (void)message_send_entry(worker->fd, &entry, NULL, 0);
}

void token_tell_change(struct stage *stage, const struct fake_worker *worker, enum object object)
{
        if (object == OBJECT_RENEWED)
                (void)message_send_drop(worker->fd,
                        &(struct message_drop){.number = token_number(worker, OBJECT_OLD)}, NULL, 0);
        token_tell(stage, worker, object);
        (void)message_send_settled(worker->fd, &(struct message_settled){.generation = 2}, NULL, 0);
}

void token_tell_all(struct stage *stage, const struct fake_worker *worker)
{
        if (!worker->accelerator) {
                if (stage->token.has_key)
                        token_tell(stage, worker, OBJECT_OURS);
                token_tell(stage, worker, OBJECT_PLAIN);
                token_tell(stage, worker, OBJECT_AUDIT);
                token_tell(stage, worker, OBJECT_RSA);
                if (stage->token.has_secret)
                        token_tell(stage, worker, OBJECT_OLD_SECRET);
                if (stage->token.has_new_secret)
                        token_tell(stage, worker, OBJECT_NEW_SECRET);
                if (stage->token.has_new)
                        token_tell(stage, worker, OBJECT_NEW);
                token_tell(stage, worker, stage->token.has_renewed ? OBJECT_RENEWED : OBJECT_OLD);
                if (stage->token.has_certificate)
                        token_tell(stage, worker, OBJECT_CERT);
        }
        (void)message_send_settled(worker->fd, &(struct message_settled){.generation = 1}, NULL, 0);
}

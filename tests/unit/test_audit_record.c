/* SPDX-License-Identifier: MPL-2.0 */
/* Records as JSON and as journal fields, with names that were made to deceive, and the sender to the journal. */
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/util/audit.h"
#include "daemon/util/printable.h"
#include "proto/limits.h"
#include "tests/unit/suite.h"

static const uint8_t id[] = {0x01, 0xff}, digest[] = {0xab, 0xcd};

static struct audit_record record_full(void)
{
        return (struct audit_record){.kind = AUDIT_SIGN,
                .when_usec = UINT64_C(1764009708123456),
                .instance = "ca",
                .has_peer = true,
                .uid = 17,
                .gid = 18,
                .pid = 4711,
                .unit = "pki-tomcatd@ca.service",
                .token = "hsm",
                .nickname = "CA Signing",
                .key_id = id,
                .key_id_length = sizeof(id),
                .algorithm = "rsa_pkcs1_sha256",
                .digest = digest,
                .digest_length = sizeof(digest),
                .result = "ok",
                .request = 99,
                .attempt = 1};
}

static void test_json(void)
{
        struct audit_record record = record_full();
        char text[LIMIT_AUDIT_RECORD];
        size_t length;

        CU_ASSERT_EQUAL(audit_json(&record, text, sizeof(text), &length), 0);
        CU_ASSERT_EQUAL(length, strlen(text));
        CU_ASSERT_STRING_EQUAL(text,
                "{\"time\":\"2025-11-24T18:41:48.123456Z\",\"kind\":\"sign\",\"operation\":\"sign\","
                "\"result\":\"ok\","
                "\"instance\":\"ca\",\"uid\":17,\"gid\":18,\"pid\":4711,\"unit\":\"pki-tomcatd@ca.service\","
                "\"token\":\"hsm\",\"key\":\"CA "
                "Signing\",\"keyId\":\"01ff\",\"algorithm\":\"rsa_pkcs1_sha256\","
                "\"digest\":\"abcd\",\"request\":99,\"attempt\":1}");
}

static void test_left_out(void)
{
        struct audit_record record = {
                .kind = AUDIT_LOGIN, .token = "hsm", .result = "TokenError", .ckr = "CKR_PIN_INCORRECT"};
        char text[512];
        size_t length;

        CU_ASSERT_EQUAL(audit_json(&record, text, sizeof(text), &length), 0);
        CU_ASSERT_STRING_EQUAL(text,
                "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"kind\":\"login\",\"operation\":\"login\","
                "\"result\":\"TokenError\",\"token\":\"hsm\",\"ckr\":\"CKR_PIN_INCORRECT\"}");
}

static void test_message(void)
{
        struct audit_record record = {.kind = AUDIT_SIGN, .of_message = true};
        char text[512];
        size_t length;

        CU_ASSERT_EQUAL(audit_json(&record, text, sizeof(text), &length), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, ",\"messageLength\":0}"));
}

static void test_hostile(void)
{
        static const struct {
                const char *name, *json;
        } names[] = {
                {"\",\"result\":\"ok", "\"\\\",\\\"result\\\":\\\"ok\""},
                {"a\nb\tc\x1b[2J\x7f", "\"a\\u000ab\\u0009c\\u001b[2J\\u007f\""},
                {"back\\slash", "\"back\\\\slash\""},
                {"\xc3\xbc \xe2\x82\xac \xf0\x9f\x94\x91", "\"\xc3\xbc \xe2\x82\xac \xf0\x9f\x94\x91\""},
                {"\xc2\x9b"
                 "2J",
                        "\"\\u009b2J\""},
                {"\xe2\x80\xae"
                 "AC",
                        "\"\\u202eAC\""},
                {"zero\xe2\x80\x8bwidth", "\"zero\\u200bwidth\""},
                {"\xff\xc0\x80x", "\"\\ufffd\\ufffd\\ufffdx\""},
                {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
                {"cut \xe2\x82", "\"cut \\ufffd\\ufffd\""},
                {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
        };
        char text[128];

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                CU_ASSERT_EQUAL(audit_quote(names[i].name, text, sizeof(text)), strlen(names[i].json));
                CU_ASSERT_STRING_EQUAL(text, names[i].json);
        }
}

/* Each field of text, in both renderings: nothing but lines of NAME=value, and what a terminal shows as it is. */
static void test_printable(void)
{
        static const char hostile[] = "\x1b[2J\xc2\x9b"
                                      "a\nPRIORITY=0\r\xe2\x80\xae\xff\xed\xa0\x80\xf3\xa0\x81\x81\"}";
        static struct journal_record fields;
        struct audit_record record = record_full();
        char text[LIMIT_AUDIT_RECORD];
        size_t length, n_lines = 0;

        record.instance = record.unit = record.token = record.nickname = record.operation = hostile;
        record.algorithm = record.result = record.ckr = record.reason = hostile;
        CU_ASSERT_EQUAL_FATAL(audit_json(&record, text, sizeof(text), &length), 0);
        CU_ASSERT_EQUAL(printable_run(text, length, ""), length);
        CU_ASSERT_EQUAL_FATAL(audit_journal(&record, &fields), 0);
        for (size_t at = 0, n; at < fields.length; at += n + 1, n_lines++) {
                const char *line = fields.data + at, *end = memchr(line, '\n', fields.length - at);

                CU_ASSERT_PTR_NOT_NULL_FATAL(end);
                n = (size_t)(end - line);
                CU_ASSERT_EQUAL(printable_run(line, n, ""), n);
                CU_ASSERT_PTR_NOT_NULL(memchr(line, '=', n));
                CU_ASSERT(strncmp(line, "TOKEND_", 7) == 0 || strncmp(line, "MESSAGE", 7) == 0 ||
                          strncmp(line, "PRIORITY=4", 10) == 0 ||
                          strncmp(line, "SYSLOG_IDENTIFIER=", 18) == 0);
        }
        CU_ASSERT(n_lines > 12);
}

static void test_one_object(void)
{
        struct audit_record record = record_full();
        struct json_object *object, *member;
        char text[LIMIT_AUDIT_RECORD];
        size_t length;

        record.nickname = "x\",\"kind\":\"delete\n";
        record.reason = "\"}\n{\"";
        CU_ASSERT_EQUAL_FATAL(audit_json(&record, text, sizeof(text), &length), 0);
        CU_ASSERT_PTR_NULL(memchr(text, '\n', length));
        object = json_tokener_parse(text);
        CU_ASSERT_PTR_NOT_NULL_FATAL(object);
        CU_ASSERT(json_object_object_get_ex(object, "kind", &member));
        CU_ASSERT_STRING_EQUAL(json_object_get_string(member), "sign");
        CU_ASSERT(json_object_object_get_ex(object, "key", &member));
        CU_ASSERT_STRING_EQUAL(json_object_get_string(member), record.nickname);
        json_object_put(object);
}

static void test_no_room(void)
{
        struct audit_record record = record_full();
        char text[LIMIT_AUDIT_RECORD], small[LIMIT_AUDIT_RECORD];
        size_t length, other = 77;

        CU_ASSERT_EQUAL(audit_json(&record, text, sizeof(text), &length), 0);
        for (size_t size = 1; size <= length; size++)
                CU_ASSERT_EQUAL(audit_json(&record, small, size, &other), -EMSGSIZE);
        CU_ASSERT_EQUAL(other, 77);
        CU_ASSERT_EQUAL(audit_json(&record, small, length + 1, &other), 0);
        record.key_id_length = LIMIT_KEY_ID + 1;
        CU_ASSERT_EQUAL(audit_json(&record, text, sizeof(text), &length), -EMSGSIZE);
        record.kind = 0;
        CU_ASSERT_EQUAL(audit_json(&record, text, sizeof(text), &length), -EINVAL);
}

/* Every string as long as a client or a token can make it. */
static void test_long_names(void)
{
        static char control[4097], wide[4097], cut[1024 + 8], text[LIMIT_AUDIT_RECORD + 1];
        static struct journal_record fields;
        static uint8_t bytes[LIMIT_KEY_ID];
        struct audit_record record = record_full();
        struct json_object *object, *member;
        size_t length;

        memset(control, 1, sizeof(control) - 1);
        memset(wide, 'w', sizeof(wide) - 1);
        record.instance = record.unit = record.token = record.operation = record.algorithm = control;
        record.result = record.ckr = record.reason = record.detail = record.sealed = control;
        record.nickname = wide;
        record.key_id = record.digest = bytes;
        record.key_id_length = record.digest_length = sizeof(bytes);
        CU_ASSERT_EQUAL_FATAL(audit_json(&record, text, sizeof(text), &length), 0);
        object = json_tokener_parse(text);
        CU_ASSERT_PTR_NOT_NULL_FATAL(object);
        CU_ASSERT(json_object_object_get_ex(object, "key", &member));
        memset(cut, 'w', 1024);
        strcpy(cut + 1024, "\xe2\x80\xa6");
        CU_ASSERT_STRING_EQUAL(json_object_get_string(member), cut);
        CU_ASSERT(json_object_object_get_ex(object, "unit", &member));
        /* Six bytes each. */
        CU_ASSERT_EQUAL(json_object_get_string_len(member), 1024 / 6 + 3);
        json_object_put(object);
        CU_ASSERT_EQUAL(audit_journal(&record, &fields), 0);

        record = record_full();
        record.nickname = control;
        CU_ASSERT_EQUAL(audit_journal(&record, &fields), 0);
        CU_ASSERT_PTR_NOT_NULL(memmem(fields.data, fields.length, ": ok\n", 5));
}

/* Whether the fields hold one of this name and value, in either framing. */
static bool has_field(const struct journal_record *record, const char *name, const char *value, size_t length)
{
        char wanted[2048];
        size_t n = (size_t)snprintf(
                wanted, sizeof(wanted), "%s%c", name, memchr(value, '\n', length) ? '\n' : '=');

        if (memchr(value, '\n', length)) {
                memset(wanted + n, 0, 8);
                wanted[n] = (char)length;
                n += 8;
        }
        memcpy(wanted + n, value, length);
        n += length;
        wanted[n++] = '\n';
        return memmem(record->data, record->length, wanted, n) != NULL;
}
#define HAS(record, name, value) has_field(record, name, value, sizeof(value) - 1)

static void test_journal(void)
{
        struct audit_record record = record_full();
        static struct journal_record fields;

        record.nickname = "two\nlines\nMESSAGE=forged";
        CU_ASSERT_EQUAL(audit_journal(&record, &fields), 0);
        CU_ASSERT(HAS(&fields, "MESSAGE_ID", "064d8fdbdff84aef805098ac97d963e8"));
        CU_ASSERT(HAS(&fields, "MESSAGE",
                "ca (uid 17, pid 4711): sign hsm:two\\x0alines\\x0aMESSAGE=forged rsa_pkcs1_sha256: ok"));
        CU_ASSERT(HAS(&fields, "PRIORITY", "6"));
        CU_ASSERT(HAS(&fields, "TOKEND_KEY", "two\\x0alines\\x0aMESSAGE=forged"));
        CU_ASSERT(HAS(&fields, "TOKEND_DIGEST", "abcd"));
        CU_ASSERT(HAS(&fields, "TOKEND_PEER_UNIT", "pki-tomcatd@ca.service"));
        record.result = "PermissionDenied";
        CU_ASSERT_EQUAL(audit_journal(&record, &fields), 0);
        CU_ASSERT(HAS(&fields, "PRIORITY", "4"));
}

static void test_kinds(void)
{
        for (unsigned i = 1; i < AUDIT_KIND_MAX_; i++) {
                CU_ASSERT_PTR_NOT_NULL(audit_kind_name(i));
                CU_ASSERT_EQUAL_FATAL(strspn(audit_message_id(i), "0123456789abcdef"), 32);
                for (unsigned j = 1; j < i; j++)
                        CU_ASSERT_STRING_NOT_EQUAL(audit_message_id(i), audit_message_id(j));
        }
        CU_ASSERT_PTR_NULL(audit_kind_name(0));
        CU_ASSERT_PTR_NULL(audit_message_id(AUDIT_KIND_MAX_));
}

/* The catalog is read from the top of the project, where make runs the tests. */
static void test_catalog(void)
{
        FILE *file = fopen("systemd/tokend.catalog", "re");
        static char text[65536];

        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        fclose(file);
        for (unsigned i = 1; i < AUDIT_KIND_MAX_; i++) {
                char line[64];

                (void)snprintf(line, sizeof(line), "\n-- %s\n", audit_message_id(i));
                CU_ASSERT_PTR_NOT_NULL(strstr(text, line));
        }
}

/* A placeholder whose field a record lacks would be shown as it is. */
static void test_placeholders(void)
{
        FILE *file = fopen("systemd/tokend.catalog", "re");
        static char text[65536];
        static struct journal_record fields;

        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        fclose(file);
        for (unsigned i = 1; i < AUDIT_KIND_MAX_; i++) {
                /* What each record of the kind has at least. */
                struct audit_record record = {.kind = i, .token = i == AUDIT_LOGIN ? "hsm" : NULL};
                char head[64];
                const char *at, *end;

                CU_ASSERT_EQUAL_FATAL(audit_journal(&record, &fields), 0);
                (void)snprintf(head, sizeof(head), "\n-- %s\n", audit_message_id(i));
                at = strstr(text, head);
                CU_ASSERT_PTR_NOT_NULL_FATAL(at);
                end = strstr(at + 1, "\n-- ");
                while ((at = strchr(at + 1, '@')) && (!end || at < end)) {
                        size_t length = strcspn(at + 1, "@");
                        char field[64];

                        (void)snprintf(field, sizeof(field), "\n%.*s=", (int)length, at + 1);
                        if (!memmem(fields.data, fields.length, field, strlen(field)))
                                CU_FAIL(field);
                        at += length + 1;
                }
        }
}

static void test_sentences(void)
{
        static struct journal_record fields;
        struct audit_record record = {.kind = AUDIT_DENIED,
                .has_peer = true,
                .uid = 7,
                .pid = 8,
                .operation = "sign",
                .result = "PermissionDenied",
                .reason = "no-instance",
                .detail = "no [Instance] matches"};

        CU_ASSERT_EQUAL_FATAL(audit_journal(&record, &fields), 0);
        fields.data[fields.length] = '\0';
        CU_ASSERT_PTR_NOT_NULL(strstr(
                fields.data, "\nTOKEND_WHO=A caller of no instance (user 7, process 8, unit unknown)\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(fields.data, "\nTOKEND_WHAT=no key\n"));
        CU_ASSERT_PTR_NOT_NULL(
                strstr(fields.data, "\nTOKEND_END=PermissionDenied, no-instance, no [Instance] matches\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(fields.data, ": no-instance: no [Instance] matches\n"));
}

static void test_names(void)
{
        static const char *const bad[] = {"", "_PID", "1A", "a", "A=B", "A\nB",
                "A1234567890123456789012345678901234567890123456789012345678901234"};
        static struct journal_record fields;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                journal_record_init(&fields);
                journal_put_text(&fields, bad[i], "x");
                CU_ASSERT(fields.bad);
                CU_ASSERT_EQUAL(journal_send(-1, &fields), -EMSGSIZE);
        }
}

static void test_too_much(void)
{
        static struct journal_record fields;
        static char value[JOURNAL_RECORD_MAX];

        journal_record_init(&fields);
        journal_put(&fields, "A", value, sizeof(value) - 3);
        CU_ASSERT_FALSE(fields.bad);
        CU_ASSERT_EQUAL(fields.length, sizeof(value));
        journal_put(&fields, "B", "", 0);
        CU_ASSERT(fields.bad);
}

struct fake {
        char directory[32], path[64];
        int fd;
};

static void fake_bind(struct fake *fake)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        fake->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        strcpy(address.sun_path, fake->path);
        CU_ASSERT_EQUAL_FATAL(bind(fake->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void fake_close(struct fake *fake)
{
        close(fake->fd);
        unlink(fake->path);
}

static void test_send(void)
{
        struct fake fake = {.directory = "/tmp/tokend-journal-XXXXXX"};
        static struct journal_record fields;
        char got[256];
        int fd, n = 0, r;

        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(fake.directory));
        (void)snprintf(fake.path, sizeof(fake.path), "%s/socket", fake.directory);
        journal_record_init(&fields);
        journal_put_text(&fields, "MESSAGE", "one");
        journal_put(&fields, "TOKEND_KEY", "a\nb", 3);
        CU_ASSERT_EQUAL(journal_open(fake.path, &fd), -ENOENT);
        fake_bind(&fake);
        CU_ASSERT_EQUAL_FATAL(journal_open(fake.path, &fd), 0);
        CU_ASSERT_EQUAL(journal_unread(fd), 0);
        CU_ASSERT_EQUAL(journal_send(fd, &fields), 0);
        CU_ASSERT(journal_unread(fd) > 0);
        CU_ASSERT_EQUAL(recv(fake.fd, got, sizeof(got), 0), 35);
        CU_ASSERT_EQUAL(journal_unread(fd), 0);
        CU_ASSERT_EQUAL(memcmp(got, "MESSAGE=one\nTOKEND_KEY\n\3\0\0\0\0\0\0\0a\nb\n", 35), 0);
        /* It does not read: never blocked, and said. */
        while ((r = journal_send(fd, &fields)) == 0)
                n++;
        CU_ASSERT_EQUAL(r, -EAGAIN);
        CU_ASSERT(n > 0);
        CU_ASSERT(recv(fake.fd, got, sizeof(got), 0) > 0);
        CU_ASSERT_EQUAL(journal_send(fd, &fields), 0);
        /* Its socket goes: that is said each time. */
        close(fake.fd);
        CU_ASSERT_EQUAL(journal_send(fd, &fields), -ECONNREFUSED);
        CU_ASSERT_EQUAL(journal_send(fd, &fields), -ECONNREFUSED);
        close(fd);
        CU_ASSERT_EQUAL(journal_open(fake.path, &fd), -ECONNREFUSED);
        unlink(fake.path);
        rmdir(fake.directory);
}

/* Big records: the bound is ours, not the system's, and poll(2) tells when it is over. */
static void test_bound(void)
{
        struct fake fake = {.directory = "/tmp/tokend-journal-XXXXXX"};
        static struct journal_record fields;
        static char value[JOURNAL_RECORD_MAX - 3];
        struct pollfd pollfd = {.events = POLLOUT};
        int n = 0, r;

        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(fake.directory));
        (void)snprintf(fake.path, sizeof(fake.path), "%s/socket", fake.directory);
        fake_bind(&fake);
        CU_ASSERT_EQUAL_FATAL(journal_open(fake.path, &pollfd.fd), 0);
        journal_record_init(&fields);
        journal_put(&fields, "A", value, sizeof(value));
        while ((r = journal_send(pollfd.fd, &fields)) == 0)
                n++;
        CU_ASSERT_EQUAL(r, -EAGAIN);
        CU_ASSERT(n >= 2 && n <= 9);
        CU_ASSERT_EQUAL(poll(&pollfd, 1, 0), 0);
        while (recv(fake.fd, value, sizeof(value), 0) > 0)
                ;
        CU_ASSERT_EQUAL(poll(&pollfd, 1, 0), 1);
        CU_ASSERT_EQUAL(journal_send(pollfd.fd, &fields), 0);
        close(pollfd.fd);
        fake_close(&fake);
        rmdir(fake.directory);
}

SUITE(audit_record, {"a record as JSON has every field once", test_json},
        {"what a record does not have is left out", test_left_out},
        {"an empty message that was signed has its length", test_message},
        {"names made to deceive are escaped", test_hostile},
        {"no field of a record does anything on a terminal or to the journal", test_printable},
        {"no name breaks out of its field or its line", test_one_object},
        {"a record that does not fit is an error, not cut", test_no_room},
        {"long names are cut: every record fits", test_long_names},
        {"a record as journal fields cannot be forged by a newline", test_journal},
        {"each kind has a name and an id of its own", test_kinds},
        {"the catalog explains each kind", test_catalog},
        {"and asks for no field that a record of that kind may lack", test_placeholders},
        {"its sentences say who, what and how it ended", test_sentences},
        {"journal fields of a bad name are not sent", test_names},
        {"a journal record is bounded", test_too_much},
        {"what journald leaves unread is bounded, and poll tells when it reads again", test_bound},
        {"the journal's sender never blocks, and says when journald's socket is gone", test_send});

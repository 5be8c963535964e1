/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/broker/audit: records for a journal that is there, is not there, does not read, or must be there. The journal is a
 * socket of this test's; records are logins, which nobody waits for. */
#include "daemon/broker/audit/audit-broker.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/broker/audit/to-journal.h"
#include "daemon/broker/broker.h"
#include "daemon/broker/model/registry.h"
#include "daemon/util/journal.h"
#include "tests/unit/suite.h"

struct fixture {
        struct broker broker;
        struct token *token;
        char directory[32], path[64];
        int control, journald;
};

static struct config *parse(const char *text)
{
        struct config *config = NULL;

        CU_ASSERT_EQUAL_FATAL(config_parse("f", text, strlen(text), NULL, NULL, &config), 0);
        return config;
}

static void listen_as_journald(struct fixture *f)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        f->journald = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
        CU_ASSERT_EQUAL_FATAL(bind(f->journald, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void set_up(struct fixture *f, const char *audit, bool there)
{
        char text[128];
        int fds[2];

        *f = (struct fixture){.directory = "/tmp/tk-XXXXXX", .journald = -1};
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->directory));
        snprintf(f->path, sizeof(f->path), "%s/socket", f->directory);
        if (there)
                listen_as_journald(f);
        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        f->control = fds[1];
        CU_ASSERT_EQUAL_FATAL(broker_init(&f->broker, fds[0]), 0);
        closep(&f->broker.audit->journal_fd);
        if (there)
                CU_ASSERT_EQUAL_FATAL(journal_open(f->path, &f->broker.audit->journal_fd), 0);
        snprintf(text, sizeof(text), "[Daemon]\n%s\n", audit);
        CU_ASSERT_EQUAL_FATAL(broker_configure(&f->broker, parse(text), true), 0);
        f->token = registry_token(&f->broker, "internal");
        CU_ASSERT_PTR_NOT_NULL_FATAL(f->token);
}

static void tear_down(struct fixture *f)
{
        broker_done(&f->broker);
        close(f->control);
        if (f->journald >= 0)
                close(f->journald);
        (void)unlink(f->path);
        (void)rmdir(f->directory);
}

/* What the supervisor does when the broker asks for a socket; whether it asked. */
static bool answer(struct fixture *f)
{
        uint8_t buffer[256];
        struct wire wire = {.data = buffer};
        int fds[LIMIT_CHANNEL_FDS] = {-1, -1}, fd;

        if (recv(f->control, buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT) < 0 ||
                channel_receive(f->control, buffer, sizeof(buffer), &wire.size, fds) != 0 ||
                message_type(&wire) != MESSAGE_TYPE_JOURNAL_PLEASE)
                return false;
        if (journal_open(f->path, &fd) == 0)
                audit_journal_attach(&f->broker, fd);
        return true;
}

static void put(struct fixture *f, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                audit_login(f->broker.audit, f->token->name, true, NULL);
        audit_flush(&f->broker);
}

/* Reads what there is; how many records of that kind. */
static unsigned received(struct fixture *f, const char *kind)
{
        char buffer[JOURNAL_RECORD_MAX + 1], field[64];
        unsigned n = 0;
        ssize_t length;

        snprintf(field, sizeof(field), "\nTOKEND_KIND=%s\n", kind);
        while ((length = recv(f->journald, buffer, sizeof(buffer) - 1, 0)) > 0) {
                buffer[length] = '\0';
                n += strstr(buffer, field) != NULL;
        }
        return n;
}

static void test_there(void)
{
        struct fixture f;

        set_up(&f, "Audit=journal", true);
        put(&f, 3);
        CU_ASSERT_EQUAL(received(&f, "login"), 3);
        CU_ASSERT_TRUE(f.broker.audit->ok);
        CU_ASSERT_TRUE(link_is_empty(&f.broker.audit->items));
        tear_down(&f);
}

static void test_none(void)
{
        struct fixture f;

        set_up(&f, "Audit=none", true);
        put(&f, 3);
        CU_ASSERT_EQUAL(received(&f, "login"), 0);
        CU_ASSERT_TRUE(f.broker.audit->ok);
        CU_ASSERT_EQUAL(f.broker.audit->lost, 0);
        tear_down(&f);
}

static void test_absent(void)
{
        struct fixture f;

        set_up(&f, "Audit=journal", false);
        CU_ASSERT_FALSE(f.broker.audit->ok);
        CU_ASSERT_STRING_EQUAL(f.broker.audit->reason, "journald does not run");
        CU_ASSERT_FALSE(audit_refuses(f.broker.audit));
        put(&f, 3);
        CU_ASSERT_EQUAL(f.broker.audit->lost, 3);
        CU_ASSERT_TRUE(link_is_empty(&f.broker.audit->items));
        listen_as_journald(&f);
        (void)audit_tick(&f.broker, now_usec() + 60 * USEC_PER_SEC);
        CU_ASSERT_TRUE(answer(&f));
        CU_ASSERT_TRUE(f.broker.audit->ok);
        put(&f, 1);
        CU_ASSERT_EQUAL(received(&f, "login"), 1);
        tear_down(&f);
}

static void test_absent_required(void)
{
        struct fixture f;

        set_up(&f, "Audit=journal\nAuditRequired=yes", false);
        CU_ASSERT_TRUE(audit_refuses(f.broker.audit));
        put(&f, 2);
        CU_ASSERT_EQUAL(f.broker.audit->lost, 0);
        listen_as_journald(&f);
        f.broker.audit->retry_usec = now_usec();
        (void)audit_tick(&f.broker, now_usec());
        CU_ASSERT_TRUE(answer(&f));
        /* It has them, and has not read them. */
        CU_ASSERT_TRUE(audit_refuses(f.broker.audit));
        CU_ASSERT_EQUAL(received(&f, "login"), 2);
        (void)audit_tick(&f.broker, now_usec());
        CU_ASSERT_FALSE(audit_refuses(f.broker.audit));
        CU_ASSERT_TRUE(link_is_empty(&f.broker.audit->items));
        CU_ASSERT_EQUAL(received(&f, "audit-back"), 1);
        tear_down(&f);
}

/* journald's listening socket goes, with what it had not read, and there is another at the same path. */
static void renew(const char *audit, unsigned n_received, unsigned n_lost)
{
        struct fixture f;

        set_up(&f, audit, true);
        put(&f, 2);
        close(f.journald);
        (void)unlink(f.path);
        put(&f, 1);
        CU_ASSERT_FALSE(f.broker.audit->ok);
        CU_ASSERT_STRING_EQUAL(f.broker.audit->reason, "journald does not run");
        (void)answer(&f);
        f.broker.audit->retry_usec = now_usec();
        (void)audit_tick(&f.broker, now_usec());
        CU_ASSERT_TRUE(answer(&f));
        CU_ASSERT_FALSE(f.broker.audit->ok);
        listen_as_journald(&f);
        f.broker.audit->retry_usec = now_usec();
        (void)audit_tick(&f.broker, now_usec());
        CU_ASSERT_TRUE(answer(&f));
        CU_ASSERT_EQUAL(received(&f, "login"), n_received);
        (void)audit_tick(&f.broker, now_usec());
        CU_ASSERT_TRUE(f.broker.audit->ok);
        CU_ASSERT_EQUAL(f.broker.audit->lost, n_lost);
        tear_down(&f);
}

static void test_renewed(void)
{
        renew("Audit=journal", 0, 1);
        renew("Audit=journal\nAuditRequired=yes", 3, 0);
}

static void test_not_reading(void)
{
        struct fixture f;

        set_up(&f, "Audit=journal", true);
        put(&f, 1000);
        CU_ASSERT_FALSE(link_is_empty(&f.broker.audit->items));
        CU_ASSERT_TRUE(f.broker.audit->ok);
        (void)audit_tick(&f.broker, now_usec() + 2 * USEC_PER_SEC);
        CU_ASSERT_FALSE(f.broker.audit->ok);
        CU_ASSERT_STRING_EQUAL(f.broker.audit->reason, "journald does not read");
        for (unsigned n = 0, i = 0; n < 1000 && i < 1000; i++) {
                n += received(&f, "login");
                (void)audit_tick(&f.broker, now_usec());
        }
        CU_ASSERT_TRUE(link_is_empty(&f.broker.audit->items));
        CU_ASSERT_TRUE(f.broker.audit->ok);
        CU_ASSERT_EQUAL(f.broker.audit->lost, 0);
        tear_down(&f);
}

static void test_backlog(void)
{
        struct fixture f;

        set_up(&f, "Audit=journal\nAuditRequired=yes", true);
        put(&f, 20000);
        CU_ASSERT_TRUE(f.broker.audit->n_bytes <= LIMIT_AUDIT_BACKLOG);
        CU_ASSERT_TRUE(f.broker.audit->n_bytes > LIMIT_AUDIT_BACKLOG / 2);
        CU_ASSERT_TRUE(f.broker.audit->lost > 0);
        /* What could not be kept any more is given up, and what was is not. */
        for (unsigned i = 0; i < 20000 && !link_is_empty(&f.broker.audit->items); i++) {
                (void)received(&f, "login");
                (void)audit_tick(&f.broker, now_usec());
        }
        CU_ASSERT_TRUE(link_is_empty(&f.broker.audit->items));
        CU_ASSERT_EQUAL(f.broker.audit->n_bytes, 0);
        tear_down(&f);
}

SUITE(broker_audit, {"records are sent to the journal that is there", test_there},
        {"with Audit=none nothing is recorded, and nothing is lost", test_none},
        {"a journal that is not there is no trouble where it need not be", test_absent},
        {"one that must be there refuses everything until it has read what was kept", test_absent_required},
        {"after journald's socket was made anew records are kept again", test_renewed},
        {"what a journal does not read waits, and is read later", test_not_reading},
        {"LIMIT_AUDIT_BACKLOG bytes of records wait, and not more", test_backlog});

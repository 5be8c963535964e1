/* SPDX-License-Identifier: MPL-2.0 */
/* Changes of state as records of a journald that the test is itself. */
#include "daemon/util/event.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/util/log.h"
#include "tests/unit/suite.h"

struct fixture {
        char directory[32];
        struct sockaddr_un address;
        int journald, given, line[2];
};

/* What came, as a string; "": nothing did. */
static const char *came(int fd)
{
        static char text[65536];
        ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

        text[n > 0 ? n : 0] = '\0';
        return text;
}

static void set_up(struct fixture *f)
{
        *f = (struct fixture){.directory = "/tmp/tk-XXXXXX", .address.sun_family = AF_UNIX};
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->directory));
        snprintf(f->address.sun_path, sizeof(f->address.sun_path), "%s/journal", f->directory);
        f->journald = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        CU_ASSERT_EQUAL_FATAL(bind(f->journald, (struct sockaddr *)&f->address, sizeof(f->address)), 0);
        CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, f->line), 0);
        f->given = dup(STDERR_FILENO);
        CU_ASSERT_EQUAL_FATAL(dup2(f->line[1], STDERR_FILENO), STDERR_FILENO);
        setenv("JOURNAL_STREAM", "1:1", 1);
        log_open("unit");
        log_open_journal(f->address.sun_path);
        /* What another suite left unsaid. */
        log_error("begins");
        CU_ASSERT_PTR_NOT_NULL(strstr(came(f->line[0]), "begins"));
}

static void tear_down(struct fixture *f)
{
        unsetenv("JOURNAL_STREAM");
        (void)dup2(f->given, STDERR_FILENO);
        log_open("unit");
        log_open_journal(f->address.sun_path);
        close(f->given);
        close(f->line[0]);
        close(f->line[1]);
        if (f->journald >= 0)
                close(f->journald);
        (void)unlink(f->address.sun_path);
        (void)rmdir(f->directory);
}

static const struct event failed = {.kind = EVENT_TOKEN_FAILED,
        .token = "hsm",
        .state = "failed",
        .reason = "the PIN\nwas \x1b[1mrefused",
        .remedy = "Correct it."};

static void test_record(void)
{
        struct fixture f;

        set_up(&f);
        log_event(3, &failed, "token %s is failed", "hsm");
        CU_ASSERT_STRING_EQUAL(came(f.journald),
                "MESSAGE=token hsm is failed\nMESSAGE_ID=93a75a3af26c43c1983d7862e33fea9c\nPRIORITY=3\n"
                "SYSLOG_IDENTIFIER=tokend\nTOKEND_EVENT=token-failed\nTOKEND_TOKEN=hsm\nTOKEND_STATE=failed\n"
                "TOKEND_REASON=the PIN\\x0awas \\x1b[1mrefused\nTOKEND_REMEDY=Correct it.\n");
        /* Once. */
        CU_ASSERT_STRING_EQUAL(came(f.line[0]), "");
        tear_down(&f);
}

static void test_gone(void)
{
        struct fixture f;

        set_up(&f);
        close(f.journald);
        f.journald = -1;
        for (int i = 0; i < 2; i++) {
                log_event(3, &failed, "token %s is failed", "hsm");
                CU_ASSERT_STRING_EQUAL(came(f.line[0]), "<3>token hsm is failed\n");
        }
        tear_down(&f);
}

static void test_no_journal(void)
{
        struct fixture f;

        set_up(&f);
        unsetenv("JOURNAL_STREAM");
        log_open("unit");
        log_open_journal(f.address.sun_path);
        log_event(3, &failed, "token %s is failed", "hsm");
        CU_ASSERT_PTR_NOT_NULL(strstr(came(f.line[0]), "]: token hsm is failed\n"));
        CU_ASSERT_STRING_EQUAL(came(f.journald), "");
        tear_down(&f);
}

static void test_unread(void)
{
        struct fixture f;

        set_up(&f);
        for (int i = 0; i < 2000; i++)
                log_event(3, &failed, "token %s is failed", "hsm");
        CU_ASSERT_STRING_EQUAL(came(f.line[0]), "");
        while (*came(f.journald))
                ;
        log_error("after");
        CU_ASSERT_PTR_NOT_NULL(strstr(came(f.line[0]), "log lines lost: "));
        tear_down(&f);
}

static void test_ids(void)
{
        FILE *file = fopen("systemd/tokend.catalog", "re");
        static char text[65536];

        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        fclose(file);
        for (unsigned i = 1; i < EVENT_MAX_; i++) {
                char line[64];

                CU_ASSERT_EQUAL_FATAL(strspn(event_message_id(i), "0123456789abcdef"), 32);
                for (unsigned j = 1; j < i; j++)
                        CU_ASSERT_STRING_NOT_EQUAL(event_message_id(i), event_message_id(j));
                (void)snprintf(line, sizeof(line), "\n-- %s\n", event_message_id(i));
                CU_ASSERT_PTR_NOT_NULL(strstr(text, line));
        }
        CU_ASSERT_PTR_NULL(event_name(EVENT_MAX_));
        CU_ASSERT_PTR_NULL(event_message_id(EVENT_NONE_));
}

SUITE(util_event, {"a change of state is one record, with its fields", test_record},
        {"where journald is gone it is a line", test_gone},
        {"where standard error is not the journal it is a line, too", test_no_journal},
        {"a journald that does not read stops nobody, and what is lost is counted", test_unread},
        {"each kind has an id of its own, and the catalog explains it", test_ids});

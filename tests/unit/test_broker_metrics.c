/* SPDX-License-Identifier: MPL-2.0 */
/* The metrics of tokens, as far as no running daemon can show them. */
#include "daemon/broker/methods/metric-tokens.h"

#include <stdio.h>
#include <string.h>

#include "daemon/broker/model/registry.h"
#include "tests/unit/suite.h"

static const struct config_token config = {.name = (char *)"hsm", .sessions = 4};

struct stage {
        struct broker broker;
        struct token token;
        unsigned n;
};

static void stage_open(struct stage *stage)
{
        *stage = (struct stage){.token = {.name = config.name, .config = &config, .state = TOKEN_READY}};
        link_init(&stage->broker.tokens);
        link_append(&stage->broker.tokens, &stage->token.link);
        stage->token.worker = &stage->token.workers[0];
        stage->token.other = &stage->token.workers[1];
        queue_init(&stage->token.queue);
        link_init(&stage->token.first);
        link_init(&stage->token.waiting);
        link_init(&stage->token.held);
        link_init(&stage->token.paused);
        link_init(&stage->token.unsettled);
        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &stage->token.directory), 0);
}

static void stage_close(struct stage *stage)
{
        directory_free(stage->token.directory);
        queue_done(&stage->token.queue);
}

/* A certificate that ends so many seconds after 1970. */
static void put(struct stage *stage, const char *nickname, uint64_t seconds)
{
        char der[8];
        int n = snprintf(der, sizeof(der), "%u", ++stage->n);
        const struct message_entry entry = {.number = stage->n,
                .kind = OBJECT_CERTIFICATE,
                .nickname = nickname,
                .id = wire_bytes(der, (size_t)n),
                .der = wire_bytes(der, (size_t)n),
                .subject = "CN=x",
                .issuer = "CN=x",
                .serial = "1",
                .not_after_usec = seconds * USEC_PER_SEC};

        CU_ASSERT_EQUAL_FATAL(directory_put(stage->token.directory, &entry), 0);
}

/* The samples of that family and no other lines; the caller frees. */
static char *samples(struct stage *stage, const char *family)
{
        struct output all = {0}, found = {0};

        metric_tokens_put(&stage->broker, &all);
        output_bytes(&all, "", 1);
        for (char *line = strtok(all.data, "\n"); line; line = strtok(NULL, "\n"))
                if (strncmp(line, family, strlen(family)) == 0)
                        output_format(&found, "%s\n", line);
        output_bytes(&found, "", 1);
        output_done(&all);
        CU_ASSERT_PTR_NOT_NULL_FATAL(found.data);
        return found.data;
}

static size_t count(const char *text, const char *word)
{
        size_t n = 0;

        for (; (text = strstr(text, word)); text++)
                n++;
        return n;
}

#define ENDS "tokend_certificate_not_after_seconds{"

static void test_renewed(void)
{
        struct stage stage;
        _cleanup_(freep) char *text = NULL;

        stage_open(&stage);
        put(&stage, "tls", 900);
        put(&stage, "tls", 300);
        put(&stage, "ca", 500);
        put(&stage, "unread", 0);
        put(&stage, "", 800);
        put(&stage, "", 700);
        text = samples(&stage, ENDS);
        CU_ASSERT_STRING_EQUAL(text,
                ENDS "token=\"hsm\",nickname=\"ca\"} 500\n" ENDS "token=\"hsm\",nickname=\"\"} 700\n" ENDS
                     "token=\"hsm\",nickname=\"tls\"} 900\n");
        stage_close(&stage);
}

static void test_alike(void)
{
        struct stage stage;
        _cleanup_(freep) char *text = NULL;

        stage_open(&stage);
        put(&stage, "a\xe2\x80\xae", 500);
        put(&stage, "a\\xe2\\x80\\xae", 400);
        text = samples(&stage, ENDS);
        CU_ASSERT_STRING_EQUAL(text, ENDS "token=\"hsm\",nickname=\"a\\\\xe2\\\\x80\\\\xae\"} 400\n");
        stage_close(&stage);
}

static void test_bounded(void)
{
        struct stage stage;
        _cleanup_(freep) char *text = NULL;
        char name[16];

        stage_open(&stage);
        for (unsigned i = 0; i < LIMIT_METRIC_CERTIFICATES + 50; i++) {
                snprintf(name, sizeof(name), "c%04u", i);
                put(&stage, name, 10000 - i);
        }
        text = samples(&stage, ENDS);
        CU_ASSERT_EQUAL(count(text, "\n"), LIMIT_METRIC_CERTIFICATES);
        /* The last one ends first. */
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"c0305\""));
        CU_ASSERT_PTR_NULL(strstr(text, "\"c0000\""));
        stage_close(&stage);
}

static void test_operations(void)
{
        struct stage stage;
        _cleanup_(freep) char *text = NULL;

        stage_open(&stage);
        stage.token.ends[MESSAGE_TYPE_SIGN][0] = 7;
        stage.token.ends[MESSAGE_TYPE_CERT_REQUEST][1] = 2;
        text = samples(&stage, "tokend_token_operations_total");
        CU_ASSERT_STRING_EQUAL(text,
                "tokend_token_operations_total{token=\"hsm\",operation=\"sign\",result=\"ok\"} 7\n"
                "tokend_token_operations_total{token=\"hsm\",operation=\"cert_request\",result="
                "\"TokenError\"} "
                "2\n");
        stage_close(&stage);
}

SUITE(broker_metrics,
        {"of the certificates of one nickname the last to end counts, of those without one the first",
                test_renewed},
        {"two nicknames that are shown alike are one sample", test_alike},
        {"LIMIT_METRIC_CERTIFICATES: no more certificates are shown, and those that end first are",
                test_bounded},
        {"requests are counted by operation and by their end", test_operations});

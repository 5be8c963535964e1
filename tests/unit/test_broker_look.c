/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker makes of a look: the worker, the supervisor and the process that looks are this test. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/broker/broker.h"
#include "daemon/broker/token/live.h"
#include "daemon/broker/token/look.h"
#include "daemon/broker/token/worker.h"
#include "daemon/util/algorithm.h"
#include "tests/unit/suite.h"

#define SERIAL "one"

struct stage {
        struct broker broker;
        struct token *token;
        uint64_t life;
        int control, worker, look;
};

static void settle(struct stage *stage)
{
        while (sd_event_run(stage->broker.loop.event, 0) > 0)
                ;
}

static void hello(int fd, const char *serial, uint64_t slot)
{
        const struct message_hello message = {.version = MESSAGE_VERSION,
                .label = "label",
                .manufacturer = "",
                .model = "",
                .serial = serial,
                .slot_description = "",
                .slot_manufacturer = "",
                .library_description = "",
                .library_manufacturer = "",
                .library_version = "",
                .slot_id = slot,
                .threads = 1};

        CU_ASSERT_EQUAL_FATAL(message_send_hello(fd, &message, NULL, 0), 0);
}

/* A key whose id is one byte. */
static void entry(int fd, uint8_t id)
{
        const struct message_entry message = {.number = id,
                .kind = OBJECT_KEY,
                .nickname = "",
                .id = wire_bytes(&id, 1),
                .key_type = KEY_EC,
                .size = 256,
                .usage = USAGE_SIGN,
                .der = wire_bytes(&id, 1),
                .subject = "",
                .issuer = "",
                .serial = ""};

        CU_ASSERT_EQUAL_FATAL(message_send_entry(fd, &message, NULL, 0), 0);
}

static void settled(int fd)
{
        CU_ASSERT_EQUAL_FATAL(message_send_settled(fd, &(struct message_settled){1}, NULL, 0), 0);
}

/* Answers the REFRESH that is out. */
static void refresh(struct stage *stage)
{
        uint8_t buffer[1024];
        struct wire wire = {.data = buffer};

        settle(stage);
        CU_ASSERT_EQUAL_FATAL(channel_receive_plain(stage->worker, buffer, sizeof(buffer), &wire.size), 0);
        CU_ASSERT_EQUAL_FATAL(message_type(&wire), MESSAGE_TYPE_REFRESH);
        const struct message_reply reply = {.request = wire_get_u64(&wire), .status = REPLY_OK, .text = ""};
        CU_ASSERT_EQUAL(message_send_reply(stage->worker, &reply, NULL, 0), 0);
        settle(stage);
}

/* A worker that shows the keys 1 to n_keys. */
static void work(struct stage *stage, uint8_t n_keys)
{
        int fds[2];

        if (stage->worker >= 0)
                close(stage->worker);
        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        stage->worker = fds[1];
        stage->life++;
        CU_ASSERT_EQUAL_FATAL(
                worker_attach(stage->token, false, fds[0], stage->life, (uint32_t)stage->life), 0);
        hello(stage->worker, SERIAL, 1);
        settle(stage);
        for (uint8_t id = 1; id <= n_keys; id++)
                entry(stage->worker, id);
        settled(stage->worker);
        refresh(stage);
        CU_ASSERT_EQUAL(stage->token->worker->phase, WORKER_SERVING);
}

static void set_up(struct stage *stage, uint8_t n_keys)
{
        static const char text[] = "[Daemon]\nAudit=none\n[Token t]\nModule=/module.so\n";
        struct config *config = NULL;
        int fds[2];

        *stage = (struct stage){.worker = -1, .look = -1};
        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        stage->control = fds[1];
        CU_ASSERT_EQUAL_FATAL(fcntl(stage->control, F_SETFL, O_NONBLOCK), 0);
        CU_ASSERT_EQUAL_FATAL(broker_init(&stage->broker, fds[0]), 0);
        CU_ASSERT_EQUAL_FATAL(config_parse("f", text, strlen(text), NULL, NULL, &config), 0);
        CU_ASSERT_EQUAL_FATAL(broker_configure(&stage->broker, config, true), 0);
        stage->token = registry_token(&stage->broker, "t");
        work(stage, n_keys);
}

static void tear_down(struct stage *stage)
{
        broker_done(&stage->broker);
        close(stage->control);
        close(stage->worker);
        if (stage->look >= 0)
                close(stage->look);
}

/* Begins a look that comes to the token of that serial number, in that slot. */
static void look(struct stage *stage, const char *serial, uint64_t slot)
{
        int fds[2];

        if (stage->look >= 0)
                close(stage->look);
        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        stage->look = fds[1];
        CU_ASSERT_EQUAL_FATAL(look_attach(stage->token, fds[0]), 0);
        hello(stage->look, serial, slot);
}

/* Ends it after it showed the keys 1 to n_keys, and lets the worker refresh what it shows. */
static void look_shows(struct stage *stage, uint8_t n_keys)
{
        look(stage, SERIAL, 1);
        for (uint8_t id = 1; id <= n_keys; id++)
                entry(stage->look, id);
        settled(stage->look);
        refresh(stage);
}

/* Whether such a message for the supervisor is there; those before it are dropped. */
static bool told(struct stage *stage, enum message_type type)
{
        uint8_t buffer[8192];
        struct wire wire = {.data = buffer};

        settle(stage);
        while (channel_receive_plain(stage->control, buffer, sizeof(buffer), &wire.size) == 0) {
                if (message_type(&wire) == type)
                        return true;
                wire = (struct wire){.data = buffer};
        }
        return false;
}

/* The worker saw all of its keys from the first to the last go. */
static void keys_go(struct stage *stage, uint8_t first, uint8_t last)
{
        for (uint64_t number = first; number <= last; number++)
                CU_ASSERT_EQUAL(message_send_drop(stage->worker, &(struct message_drop){number}, NULL, 0), 0);
        settled(stage->worker);
        settle(stage);
}

/* ---- tests ---- */

static void test_another(void)
{
        struct stage stage;

        set_up(&stage, 1);
        look(&stage, SERIAL, 1);
        settle(&stage);
        CU_ASSERT_FALSE(told(&stage, MESSAGE_TYPE_REPLACE));
        look(&stage, "two", 1);
        CU_ASSERT_TRUE(told(&stage, MESSAGE_TYPE_REPLACE));
        tear_down(&stage);
}

/* Some modules number slots anew in each process. */
static void test_another_slot(void)
{
        struct stage stage;

        set_up(&stage, 1);
        look(&stage, SERIAL, 2);
        CU_ASSERT_TRUE(told(&stage, MESSAGE_TYPE_REPLACE));
        work(&stage, 1);
        look(&stage, SERIAL, 2);
        CU_ASSERT_FALSE(told(&stage, MESSAGE_TYPE_REPLACE));
        tear_down(&stage);
}

static void test_unbrought(void)
{
        struct stage stage;

        set_up(&stage, 2);
        look_shows(&stage, 2);
        CU_ASSERT_FALSE(told(&stage, MESSAGE_TYPE_REPLACE));
        look_shows(&stage, 4);
        CU_ASSERT_TRUE(told(&stage, MESSAGE_TYPE_REPLACE));
        /* The next worker does not show them either: no other one will. */
        work(&stage, 2);
        look_shows(&stage, 4);
        CU_ASSERT_FALSE(told(&stage, MESSAGE_TYPE_REPLACE));
        look_shows(&stage, 5);
        CU_ASSERT_TRUE(told(&stage, MESSAGE_TYPE_REPLACE));
        tear_down(&stage);
}

static void test_all_gone(void)
{
        struct stage stage;

        set_up(&stage, 1);
        keys_go(&stage, 1, 1);
        CU_ASSERT_TRUE(token_is_unsure(stage.token));
        CU_ASSERT_TRUE(told(&stage, MESSAGE_TYPE_LOOK_PLEASE));
        CU_ASSERT_TRUE(token_missed(stage.token));
        /* They are there: another worker will show them. */
        look_shows(&stage, 1);
        CU_ASSERT_TRUE(token_is_unsure(stage.token));
        CU_ASSERT_TRUE(told(&stage, MESSAGE_TYPE_REPLACE));
        work(&stage, 1);
        CU_ASSERT_FALSE(token_is_unsure(stage.token));
        /* They are gone, indeed. */
        keys_go(&stage, 1, 1);
        CU_ASSERT_TRUE(token_is_unsure(stage.token));
        look_shows(&stage, 0);
        CU_ASSERT_FALSE(token_is_unsure(stage.token));
        CU_ASSERT_FALSE(told(&stage, MESSAGE_TYPE_REPLACE));
        tear_down(&stage);
}

static void test_some_gone(void)
{
        struct stage stage;

        set_up(&stage, 6);
        keys_go(&stage, 1, 1);
        CU_ASSERT_FALSE(token_is_unsure(stage.token));
        keys_go(&stage, 2, 3);
        CU_ASSERT_FALSE(token_is_unsure(stage.token));
        keys_go(&stage, 4, 5);
        CU_ASSERT_TRUE(token_is_unsure(stage.token));
        tear_down(&stage);
}

/* No look comes, or one that ends before it saw all: what the worker says is believed in the end. */
static void test_no_look(void)
{
        struct stage stage;

        set_up(&stage, 1);
        keys_go(&stage, 1, 1);
        CU_ASSERT_TRUE(told(&stage, MESSAGE_TYPE_LOOK_PLEASE));
        look(&stage, SERIAL, 1);
        close(stage.look);
        stage.look = -1;
        settle(&stage);
        CU_ASSERT_TRUE(token_is_unsure(stage.token));
        CU_ASSERT_TRUE(stage.token->look.wanted);
        (void)look_tick(stage.token, stage.token->look.unsure_usec);
        CU_ASSERT_FALSE(token_is_unsure(stage.token));
        tear_down(&stage);
}

static void test_misses(void)
{
        struct stage stage;

        set_up(&stage, 1);
        look_missed(stage.token);
        look_missed(stage.token);
        CU_ASSERT_FALSE(stage.token->look.wanted);
        /* One second later. */
        stage.token->missed_usec -= USEC_PER_SEC;
        look_missed(stage.token);
        CU_ASSERT_TRUE(told(&stage, MESSAGE_TYPE_LOOK_PLEASE));
        tear_down(&stage);
}

SUITE(broker_look, {"a look that comes to another token has the worker replaced", test_another},
        {"a look that comes to another slot has it replaced once", test_another_slot},
        {"what a new worker does not bring either costs no other worker", test_unbrought},
        {"keys that went at once are believed to be gone after a look", test_all_gone},
        {"one key of several that went is believed to be gone", test_some_gone},
        {"what no look answers is believed in the end", test_no_look},
        {"lookups in vain of one second count once", test_misses});

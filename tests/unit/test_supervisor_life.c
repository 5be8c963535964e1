/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/supervisor/life.c: the table of a token's life, with a clock that the test turns. */
#include "daemon/supervisor/child.h"
#include "daemon/supervisor/life.h"

#include <string.h>

#include "tests/unit/suite.h"

#define MS    USEC_PER_MSEC
#define START (10 * USEC_PER_SEC)

static struct moment at(uint64_t now)
{
        return (struct moment){.now_usec = now, .wall_usec = 1000000 + now};
}

static void to_ready(struct life *life, uint64_t now)
{
        life_started(life, at(now), START);
        life_up(life, at(now));
        life_serving(life, at(now));
}

static void test_good(void)
{
        struct life life;

        life_init(&life, at(5));
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        CU_ASSERT_EQUAL(life.wake_usec, 5);
        CU_ASSERT_EQUAL(life.since_usec, 1000005);
        CU_ASSERT_FALSE(life_runs(&life));
        life_started(&life, at(10), START);
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        CU_ASSERT_EQUAL(life.wake_usec, 10 + START);
        CU_ASSERT(life_runs(&life));
        life_up(&life, at(0));
        CU_ASSERT_EQUAL(life.wake_usec, USEC_NEVER);
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        life_serving(&life, at(20));
        CU_ASSERT_EQUAL(life.state, TOKEN_READY);
        CU_ASSERT_STRING_EQUAL(life.reason, "");
        CU_ASSERT_EQUAL(life.since_usec, 1000020);
        CU_ASSERT_EQUAL(life_restarts(&life), 0);
        /* The broker's successor says it again: nothing is new. */
        life_serving(&life, at(30));
        CU_ASSERT_EQUAL(life.since_usec, 1000020);
}

static void test_killed(void)
{
        struct life life;

        life_init(&life, at(0));
        to_ready(&life, 0);
        life_reaped(&life, at(100), "the worker was killed by signal 9 (Killed)");
        CU_ASSERT_EQUAL(life.state, TOKEN_RECOVERING);
        CU_ASSERT_STRING_EQUAL(life.reason, "the worker was killed by signal 9 (Killed)");
        CU_ASSERT_EQUAL(life.phase, LIFE_WAITING);
        CU_ASSERT_EQUAL(life.wake_usec, 100);
        to_ready(&life, 100);
        CU_ASSERT_EQUAL(life.state, TOKEN_READY);
        CU_ASSERT_EQUAL(life_restarts(&life), 1);
}

static void test_backoff(void)
{
        static const uint64_t expected_ms[] = {50, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
        struct life life;
        uint64_t now = 0;

        life_init(&life, at(now));
        for (size_t i = 0; i < ARRAY_SIZE(expected_ms); i++) {
                life_started(&life, at(now), START);
                life_reaped(&life, at(now), "the worker exited with status 1");
                CU_ASSERT_EQUAL(life.wake_usec - now, expected_ms[i] * MS);
                CU_ASSERT_EQUAL(life.state, TOKEN_RECOVERING);
                now = life.wake_usec;
        }
        /* One that served begins the row anew. */
        to_ready(&life, now);
        life_reaped(&life, at(now), "x");
        CU_ASSERT_EQUAL(life.wake_usec, now);
        life_started(&life, at(now), START);
        life_reaped(&life, at(now), "x");
        CU_ASSERT_EQUAL(life.wake_usec - now, 50 * MS);
        CU_ASSERT_EQUAL(backoff_usec(4000000000U), 5000 * MS);
}

static void test_finishes(void)
{
        struct life life;

        life_init(&life, at(0));
        to_ready(&life, 0);
        life_renew(&life, at(10), START);
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        CU_ASSERT_EQUAL(life.phase, LIFE_SERVING);
        CU_ASSERT_EQUAL(life.wake_usec, 10 + START);
        /* Another change gives it no more time. */
        life_renew(&life, at(20), START);
        CU_ASSERT_EQUAL(life.wake_usec, 10 + START);
        life_reaped(&life, at(30), "x");
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        CU_ASSERT_EQUAL(life.wake_usec, 30);
}

/* Clients wait for the next broker: never longer than a second, however many ended at once. */
static void test_next_start(void)
{
        struct child child = {0};

        for (unsigned i = 0; i < 40; i++) {
                uint64_t now = now_usec(), next;

                child.started_usec = now;
                next = child_next_start(&child);
                CU_ASSERT(next <= now_usec() + USEC_PER_SEC);
                CU_ASSERT(i > 0 || next <= now_usec());
                CU_ASSERT(i < 10 || next >= now + USEC_PER_SEC);
        }
}

static void test_up_is_not_served(void)
{
        struct life life;

        life_init(&life, at(0));
        life_started(&life, at(0), START);
        life_up(&life, at(0));
        life_reaped(&life, at(0), "x");
        CU_ASSERT_EQUAL(life.wake_usec, 50 * MS);
}

static void test_either_order(void)
{
        struct life life;

        life_init(&life, at(0));
        life_started(&life, at(0), START);
        life_serving(&life, at(1));
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        CU_ASSERT_EQUAL(life.wake_usec, START);
        life_up(&life, at(2));
        CU_ASSERT_EQUAL(life.state, TOKEN_READY);
        CU_ASSERT_EQUAL(life.wake_usec, USEC_NEVER);
        /* Of the next worker nothing is known yet. */
        life_reaped(&life, at(3), "x");
        life_started(&life, at(3), START);
        life_up(&life, at(4));
        CU_ASSERT_EQUAL(life.state, TOKEN_RECOVERING);
}

static void test_spin(void)
{
        struct life life;
        uint64_t now = 0;

        life_init(&life, at(now));
        for (int i = 0; i < 10; i++) {
                to_ready(&life, now);
                life_reaped(&life, at(++now), "x");
                CU_ASSERT_EQUAL(life.wake_usec, now);
        }
        to_ready(&life, now);
        life_reaped(&life, at(now), "x");
        CU_ASSERT_EQUAL(life.wake_usec, now + 50 * MS);
        to_ready(&life, now);
        life_reaped(&life, at(now), "x");
        CU_ASSERT_EQUAL(life.wake_usec, now + 100 * MS);
        /* One that served for a second is above suspicion. */
        to_ready(&life, now);
        now += USEC_PER_SEC;
        life_reaped(&life, at(now), "x");
        CU_ASSERT_EQUAL(life.wake_usec, now);
}

/* Whoever took the broker over may say so of each worker. */
static void test_replaced(void)
{
        struct life life;
        uint64_t now = 0, begun;

        life_init(&life, at(now));
        for (unsigned i = 0; i < 30; i++) {
                to_ready(&life, now);
                begun = now;
                now += 9 * USEC_PER_SEC;
                life_replaced(&life, at(now), "x");
                CU_ASSERT_EQUAL(life.state, TOKEN_RECOVERING);
                life_reaped(&life, at(now), "x");
                CU_ASSERT(i >= 10 || life.wake_usec == now);
                CU_ASSERT(i < 20 || life.wake_usec - begun > 10 * USEC_PER_SEC);
                now = life.wake_usec;
        }
        /* One that lived longer begins the row anew. */
        to_ready(&life, now);
        now += 10 * USEC_PER_SEC;
        life_replaced(&life, at(now), "x");
        life_reaped(&life, at(now), "x");
        CU_ASSERT_EQUAL(life.wake_usec, now);
        /* What ends by itself does not count so. */
        for (unsigned i = 0; i < 30; i++) {
                to_ready(&life, now);
                now += 2 * USEC_PER_SEC;
                life_reaped(&life, at(now), "x");
                CU_ASSERT_EQUAL(life.wake_usec, now);
        }
}

static void test_absent(void)
{
        struct life life;

        life_init(&life, at(0));
        for (int i = 0; i < 20; i++) {
                life_started(&life, at(0), START);
                life_ending(&life, at(1), WORKER_END_ABSENT, "no token matches");
                CU_ASSERT_EQUAL(life.state, TOKEN_RECOVERING);
                CU_ASSERT_STRING_EQUAL(life.reason, "no token matches");
                life_reaped(&life, at(2), "the worker exited with status 0");
                CU_ASSERT_STRING_EQUAL(life.reason, "no token matches");
                CU_ASSERT_EQUAL(life.wake_usec, 2 + 500 * MS);
        }
        /* Since when: since the first time. */
        CU_ASSERT_EQUAL(life.since_usec, 1000001);
        /* They only looked; and the one that finds it restarts nothing. */
        to_ready(&life, 3);
        CU_ASSERT_EQUAL(life_restarts(&life), 0);
        life_reaped(&life, at(100), "the worker was killed by signal 9 (Killed)");
        life_started(&life, at(101), START);
        CU_ASSERT_EQUAL(life_restarts(&life), 1);
        life_ending(&life, at(102), WORKER_END_ABSENT, "no token matches");
        life_reaped(&life, at(103), "x");
        to_ready(&life, 104);
        CU_ASSERT_EQUAL(life_restarts(&life), 1);
}

static void test_absent_long(void)
{
        static const struct {
                uint64_t after_s, wait_ms;
        } rows[] = {{0, 500}, {50, 500}, {100, 1000}, {300, 3000}, {500, 5000}, {86400, 5000}};
        struct life life;

        life_init(&life, at(0));
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                uint64_t now = 1 + rows[i].after_s * USEC_PER_SEC;

                life_started(&life, at(now), START);
                life_ending(&life, at(now), WORKER_END_ABSENT, "no token matches");
                life_reaped(&life, at(now), "x");
                CU_ASSERT_EQUAL(life.wake_usec, now + rows[i].wait_ms * MS);
        }
        /* Once it was there it is asked often again. */
        to_ready(&life, 90000 * USEC_PER_SEC);
        life_ending(&life, at(90001 * USEC_PER_SEC), WORKER_END_ABSENT, "gone");
        life_reaped(&life, at(90001 * USEC_PER_SEC), "x");
        CU_ASSERT_EQUAL(life.wake_usec, 90001 * USEC_PER_SEC + 500 * MS);
}

static void test_device(void)
{
        struct life life;

        life_init(&life, at(0));
        to_ready(&life, 0);
        life_ending(&life, at(7), WORKER_END_DEVICE, "CKR_DEVICE_REMOVED");
        CU_ASSERT_EQUAL(life.state, TOKEN_RECOVERING);
        life_reaped(&life, at(9), "x");
        CU_ASSERT_EQUAL(life.wake_usec, 9);
        /* A device that is broken at every start is asked twice a second, however often that was in vain. */
        for (unsigned i = 0; i < 20; i++) {
                life_started(&life, at(9), START);
                life_ending(&life, at(9), WORKER_END_DEVICE, "CKR_DEVICE_ERROR");
                life_reaped(&life, at(9), "x");
                CU_ASSERT_EQUAL(life.wake_usec, 9 + 500 * MS);
        }
}

static void test_pin(void)
{
        struct life life;

        life_init(&life, at(0));
        life_started(&life, at(0), START);
        life_ending(&life, at(1), WORKER_END_PIN, "the PIN is wrong");
        CU_ASSERT_EQUAL(life.state, TOKEN_FAILED);
        life_reaped(&life, at(2), "x");
        CU_ASSERT_EQUAL(life.phase, LIFE_FAILED);
        CU_ASSERT_EQUAL(life.wake_usec, USEC_NEVER);
        CU_ASSERT_STRING_EQUAL(life.reason, "the PIN is wrong");
        /* Nothing that comes late wakes it. */
        life_serving(&life, at(3));
        life_reaped(&life, at(3), "x");
        CU_ASSERT_EQUAL(life.phase, LIFE_FAILED);
        CU_ASSERT_EQUAL(life.state, TOKEN_FAILED);
        life_renew(&life, at(4), 0);
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        CU_ASSERT_EQUAL(life.wake_usec, 4);
        CU_ASSERT_STRING_EQUAL(life.reason, "");
}

static void test_full(void)
{
        struct life life;

        life_init(&life, at(0));
        life_started(&life, at(0), START);
        life_ending(&life, at(1), WORKER_END_FULL, "more than 100000 objects");
        /* As the supervisor ends it. */
        life_condemned(&life, at(1), false, "more than 100000 objects");
        CU_ASSERT_EQUAL(life.state, TOKEN_FAILED);
        CU_ASSERT_STRING_EQUAL(life.reason, "more than 100000 objects");
        life_reaped(&life, at(2), "x");
        CU_ASSERT_EQUAL(life.phase, LIFE_FAILED);
        CU_ASSERT_EQUAL(life.wake_usec, USEC_NEVER);
        life_renew(&life, at(3), 0);
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        CU_ASSERT_EQUAL(life.wake_usec, 3);
}

static void test_store(void)
{
        struct life life;

        life_init(&life, at(0));
        to_ready(&life, 0);
        /* It served: the next one sees at once what is there. */
        life_ending(&life, at(1), WORKER_END_STORE, "cert9.db is another file");
        CU_ASSERT_EQUAL(life.state, TOKEN_FAILED);
        life_reaped(&life, at(2), "x");
        CU_ASSERT_EQUAL(life.wake_usec, 2);
        life_started(&life, at(2), START);
        life_ending(&life, at(3), WORKER_END_STORE, "not mounted");
        life_reaped(&life, at(4), "x");
        CU_ASSERT_EQUAL(life.phase, LIFE_WAITING);
        CU_ASSERT_EQUAL(life.state, TOKEN_FAILED);
        CU_ASSERT_EQUAL(life.wake_usec, 4 + 500 * USEC_PER_MSEC);
        CU_ASSERT_EQUAL(life_restarts(&life), 1);
        /* It is there again. */
        life_started(&life, at(life.wake_usec), START);
        CU_ASSERT_EQUAL(life.state, TOKEN_FAILED);
        life_up(&life, at(life.wake_usec));
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        CU_ASSERT_STRING_EQUAL(life.reason, "");
        life_serving(&life, at(USEC_PER_SEC));
        CU_ASSERT_EQUAL(life.state, TOKEN_READY);
}

static void test_pin_of_look(void)
{
        struct life life;

        life_init(&life, at(0));
        to_ready(&life, 0);
        life_reaped(&life, at(1), "x");
        life_fail(&life, at(2), "the PIN was refused to a look");
        CU_ASSERT_EQUAL(life.state, TOKEN_FAILED);
        CU_ASSERT_EQUAL(life.phase, LIFE_FAILED);
        CU_ASSERT_EQUAL(life.wake_usec, USEC_NEVER);
        CU_ASSERT_EQUAL(life.since_usec, 1000002);
        CU_ASSERT_EQUAL(life_restarts(&life), 0);
        life_renew(&life, at(3), 0);
        CU_ASSERT_EQUAL(life.phase, LIFE_WAITING);
        CU_ASSERT_EQUAL(life.wake_usec, 3);
}

/* We kill it as overdue while its word that the PIN was refused is on its way: the PIN is not tried again. */
static void test_pin_crosses_kill(void)
{
        struct life life;

        life_init(&life, at(0));
        life_started(&life, at(0), START);
        life_condemned(&life, at(1), true, "not up in time");
        life_ending(&life, at(2), WORKER_END_PIN, "the PIN is wrong");
        life_reaped(&life, at(3), "x");
        CU_ASSERT_EQUAL(life.phase, LIFE_FAILED);
        /* And the other way round. */
        life_init(&life, at(0));
        life_started(&life, at(0), START);
        life_ending(&life, at(1), WORKER_END_PIN, "the PIN is wrong");
        life_condemned(&life, at(2), false, "no answer");
        life_reaped(&life, at(3), "x");
        CU_ASSERT_EQUAL(life.phase, LIFE_FAILED);
        CU_ASSERT_STRING_EQUAL(life.reason, "the PIN is wrong");
}

static void test_overdue(void)
{
        static const unsigned factors[] = {1, 2, 4, 8, 16, 32, 64, 64};
        struct life life;
        uint64_t now = 0;

        life_init(&life, at(now));
        for (size_t i = 0; i < ARRAY_SIZE(factors); i++) {
                life_started(&life, at(now), START);
                CU_ASSERT_EQUAL(life.wake_usec - now, factors[i] * START);
                now = life.wake_usec;
                life_condemned(&life, at(now), true, "not up in time");
                CU_ASSERT_EQUAL(life.state, TOKEN_RECOVERING);
                life_reaped(&life, at(now), "x");
                CU_ASSERT_STRING_EQUAL(life.reason, "not up in time");
                CU_ASSERT(life.wake_usec > now);
                now = life.wake_usec;
        }
        to_ready(&life, now);
        life_reaped(&life, at(now), "x");
        life_started(&life, at(now), START);
        CU_ASSERT_EQUAL(life.wake_usec - now, START);
}

static void test_hung_start(void)
{
        struct life life;

        life_init(&life, at(0));
        for (unsigned i = 0; i < 3; i++) {
                CU_ASSERT_EQUAL(life_patience(&life), i);
                life_started(&life, at(i), START);
                life_ending(&life, at(i), WORKER_END_HUNG, "C_Login did not come back");
                life_reaped(&life, at(i), "x");
                CU_ASSERT_EQUAL(life.wake_usec - i, backoff_usec(i));
        }
        /* A call that hangs in use says nothing of the next start. */
        to_ready(&life, 9);
        life_ending(&life, at(9), WORKER_END_HUNG, "C_Sign did not come back");
        life_reaped(&life, at(9), "x");
        CU_ASSERT_EQUAL(life_patience(&life), 0);
}

static void test_renew_running(void)
{
        struct life life;

        life_init(&life, at(0));
        to_ready(&life, 0);
        life_renew(&life, at(5), 0);
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        /* The old one's words are about the old section, its readiness too. */
        life_ending(&life, at(6), WORKER_END_ERROR, "old");
        life_serving(&life, at(6));
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        CU_ASSERT_STRING_EQUAL(life.reason, "");
        life_reaped(&life, at(7), "the worker exited with status 0");
        CU_ASSERT_EQUAL(life.wake_usec, 7);
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        to_ready(&life, 7);
        CU_ASSERT_EQUAL(life.state, TOKEN_READY);
}

/* The PIN of the old section may be wrong: that is no word on the new. */
static void test_renew_with_old_pin(void)
{
        struct life life;

        life_init(&life, at(0));
        life_started(&life, at(0), START);
        life_renew(&life, at(5), 0);
        life_ending(&life, at(6), WORKER_END_PIN, "old");
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        life_reaped(&life, at(7), "x");
        CU_ASSERT_EQUAL(life.phase, LIFE_WAITING);
        CU_ASSERT_EQUAL(life.wake_usec, 7);
}

/* A worker of another section takes the place of one that serves, and of one that does not. */
static void test_succeed(void)
{
        struct life life, newcomer;

        life_init(&life, at(0));
        to_ready(&life, 10);
        life_init(&newcomer, at(100));
        to_ready(&newcomer, 200);
        life_succeed(&life, &newcomer);
        CU_ASSERT_EQUAL(life.phase, LIFE_SERVING);
        CU_ASSERT_EQUAL(life.state, TOKEN_READY);
        CU_ASSERT_EQUAL(life.since_usec, 1000010);
        CU_ASSERT_EQUAL(life.wake_usec, USEC_NEVER);
        CU_ASSERT_EQUAL(life_restarts(&life), 1);
        life_reaped(&life, at(300), "killed");
        life_succeed(&life, &newcomer);
        CU_ASSERT_EQUAL(life.state, TOKEN_READY);
        CU_ASSERT_EQUAL(life.since_usec, 1000200);
        CU_ASSERT_EQUAL(life_restarts(&life), 2);
}

/* An operator wants no worker: one that runs may finish, and none follows it before it is wanted again. */
static void test_disabled(void)
{
        struct life life;

        life_init(&life, at(0));
        to_ready(&life, 0);
        life_disable(&life, at(100), 50, "drained");
        CU_ASSERT_EQUAL(life.state, TOKEN_DISABLED);
        CU_ASSERT_EQUAL(life.wake_usec, 150);
        life_ending(&life, at(110), WORKER_END_DEVICE, "lost");
        CU_ASSERT_STRING_EQUAL(life.reason, "drained");
        life_reaped(&life, at(120), "ended");
        CU_ASSERT_EQUAL(life.phase, LIFE_DISABLED);
        CU_ASSERT_EQUAL(life.wake_usec, USEC_NEVER);
        life_renew(&life, at(200), 0);
        CU_ASSERT_EQUAL(life.phase, LIFE_WAITING);
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        /* Of one that still ends, the next starts when it is gone. */
        life_started(&life, at(200), START);
        life_disable(&life, at(210), 0, "disabled");
        life_up(&life, at(220));
        CU_ASSERT_EQUAL(life.state, TOKEN_DISABLED);
        life_renew(&life, at(230), 0);
        life_reaped(&life, at(240), "ended");
        CU_ASSERT_EQUAL(life.phase, LIFE_WAITING);
        CU_ASSERT_EQUAL(life.wake_usec, 240);
        life_disable(&life, at(250), 0, "disabled");
        CU_ASSERT_EQUAL(life.phase, LIFE_DISABLED);
}

static void test_order(void)
{
        struct life life;

        /* Nothing that comes out of turn does anything. */
        life_init(&life, at(0));
        life_up(&life, at(0));
        life_serving(&life, at(1));
        life_ending(&life, at(1), WORKER_END_PIN, "x");
        life_reaped(&life, at(1), "x");
        CU_ASSERT_EQUAL(life.phase, LIFE_WAITING);
        CU_ASSERT_EQUAL(life.state, TOKEN_STARTING);
        CU_ASSERT_EQUAL(life.wake_usec, 0);
}

static void test_reason(void)
{
        char text[REASON_SIZE + 10];
        struct life life;

        life_init(&life, at(0));
        life_fail(&life, at(0), "a\nMAINPID=1\x7f\xff");
        CU_ASSERT_STRING_EQUAL(life.reason, "a\\x0aMAINPID=1\\x7f\\xff");
        /* 254 bytes and a character of three: it goes as a whole. */
        memset(text, 'x', sizeof(text));
        strcpy(text + 254, "\xe2\x82\xac");
        life_fail(&life, at(0), text);
        CU_ASSERT_EQUAL(strlen(life.reason), 254);
        strcpy(text + 252, "\xe2\x82\xac");
        life_fail(&life, at(0), text);
        CU_ASSERT_EQUAL(strlen(life.reason), 255);
}

static void test_names(void)
{
        CU_ASSERT_STRING_EQUAL(token_state_name(TOKEN_STARTING), "starting");
        CU_ASSERT_STRING_EQUAL(token_state_name(TOKEN_READY), "ready");
        CU_ASSERT_STRING_EQUAL(token_state_name(TOKEN_RECOVERING), "recovering");
        CU_ASSERT_STRING_EQUAL(token_state_name(TOKEN_FAILED), "failed");
        CU_ASSERT_STRING_EQUAL(token_state_name(TOKEN_DISABLED), "disabled");
        CU_ASSERT_STRING_EQUAL(token_state_name(TOKEN_STATE_MAX_), "?");
}

SUITE(supervisor_life, {"a worker that starts, is up and serves makes the token ready", test_good},
        {"one that served is replaced at once, and says why it died", test_killed},
        {"one that never served is replaced after 50 ms, doubling to 5 s", test_backoff},
        {"to be up is not yet to serve", test_up_is_not_served},
        {"up and serving may come in either order", test_either_order},
        {"one that dies as soon as it serves, again and again, is slowed down", test_spin},
        {"so is one that the broker wants to be replaced, again and again", test_replaced},
        {"an absent token is asked every 500 ms", test_absent},
        {"and less often, up to every 5 s, when it is absent for long", test_absent_long},
        {"a device lost in use is looked for at once", test_device},
        {"a PIN that was refused is not tried again until something changed", test_pin},
        {"a token with too many objects fails, and is tried again after a reload", test_full},
        {"one whose databases are gone fails, and comes back by itself", test_store},
        {"nor is one that was refused to a look", test_pin_of_look},
        {"a refused PIN counts, whatever else ended the worker", test_pin_crosses_kill},
        {"a start that takes too long is given up, and the next may take longer", test_overdue},
        {"a call of a start that hangs: back-off, and the next start's may take longer", test_hung_start},
        {"a changed section replaces a worker that runs", test_renew_running},
        {"one that may finish first has its time, and no more with the next change", test_finishes},
        {"the next process of another kind starts within a second", test_next_start},
        {"a refused PIN of the old section is no word on the new", test_renew_with_old_pin},
        {"what comes out of turn does nothing", test_order},
        {"an operator wants no worker, and wants one again", test_disabled},
        {"a worker of another section goes on in the place of one", test_succeed},
        {"a reason is text, and cut between characters", test_reason},
        {"states have the names of the interface", test_names});

/* SPDX-License-Identifier: MPL-2.0 */
/* The gate before the module: what a worker that is to end waits for. */
#include "daemon/worker/device/call-gate.h"

#include <pthread.h>

#include "daemon/util/macros.h"
#include "tests/unit/suite.h"

#define LONG_USEC (3600 * USEC_PER_SEC)

static struct call_gate gate;
static sem_t begun;

static void test_nobody_inside(void)
{
        call_gate_init(&gate);
        call_gate_enter(&gate);
        call_gate_leave(&gate);
        call_gate_close(&gate);
        CU_ASSERT(call_gate_wait(&gate, 0));
}

static void test_call_does_not_return(void)
{
        call_gate_init(&gate);
        call_gate_enter(&gate);
        call_gate_close(&gate);
        CU_ASSERT(!call_gate_wait(&gate, now_usec()));
        call_gate_leave(&gate);
        CU_ASSERT(call_gate_wait(&gate, 0));
}

/* Two calls; each ends once the other side waits or goes on. */
static void *leave_twice(void *userdata)
{
        call_gate_leave(&gate);
        call_gate_leave(&gate);
        return NULL;
}

static void test_calls_return(void)
{
        pthread_t thread;

        call_gate_init(&gate);
        call_gate_enter(&gate);
        call_gate_enter(&gate);
        call_gate_close(&gate);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, leave_twice, NULL), 0);
        CU_ASSERT(call_gate_wait(&gate, now_usec() + LONG_USEC));
        (void)pthread_join(thread, NULL);
}

static void *enter(void *userdata)
{
        (void)sem_post(&begun);
        call_gate_enter(&gate);
        *(bool *)userdata = true;
        return NULL;
}

static void test_closed(void)
{
        bool entered = false;
        pthread_t thread;

        call_gate_init(&gate);
        (void)sem_init(&begun, 0, 0);
        call_gate_enter(&gate);
        call_gate_close(&gate);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, enter, &entered), 0);
        while (sem_wait(&begun) < 0)
                ;
        call_gate_leave(&gate);
        CU_ASSERT(call_gate_wait(&gate, now_usec() + LONG_USEC));
        (void)pthread_cancel(thread);
        (void)pthread_join(thread, NULL);
        CU_ASSERT(!entered);
}

SUITE(worker_call_gate, {"a closed gate with nobody inside does not wait", test_nobody_inside},
        {"a call that does not return is waited for as long as it may take", test_call_does_not_return},
        {"the wait ends when the last call returns", test_calls_return},
        {"a call that comes after the gate was closed does not begin", test_closed});

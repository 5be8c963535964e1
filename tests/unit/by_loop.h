/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Calls of libtokend in both ways: waited for, and started and gone on with by an event loop, of which this is the smallest. One
 * thread.
 */
#pragma once

#include "client/tokend.h"

/* CALL(tokend_get, handle, "k", …): the same result either way. */
#define CALL(function, handle, ...) by_loop_end(handle, function(by_loop_begin(handle), __VA_ARGS__))

/* Which way CALL() goes, for the tests that run within. */
void by_loop_set(bool yes);

struct tokend *by_loop_begin(struct tokend *handle);
enum tokend_error by_loop_end(struct tokend *handle, enum tokend_error error);

/* Waits until the loop of the handle can go on, and goes on. */
void by_loop_turn(struct tokend *handle);

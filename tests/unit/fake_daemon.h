/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A daemon that says whatever a test wants: one thread, a socket in a directory of its own. For the tests of
 * libtokend.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct fake;

/* One whole request. Answers with fake_send(). false: close the connection now. Runs in the fake's thread. */
typedef bool (*fake_handler)(struct fake *fake, int fd, const char *request);

struct fake {
        char directory[32];
        char path[64];
        int listener, stop[2];
        pthread_t thread;
        bool running;
        _Atomic(fake_handler) handler; /* may be another while it serves */
        atomic_int n_connections;      /* accepted since fake_init() */
        atomic_int n_requests;
        int held; /* a descriptor that a handler answers later, or -1 */
        void *userdata;
};

void fake_init(struct fake *fake, fake_handler handler);
void fake_start(struct fake *fake);
/* Closes its connections and removes the socket. What it counted stays. */
void fake_stop(struct fake *fake);
void fake_done(struct fake *fake);

/* text and its NUL. */
void fake_send(int fd, const char *text);
/* Just these bytes. */
void fake_send_bytes(int fd, const void *bytes, size_t n);

/* Whether the request is for this method, "Keys.Sign". */
bool fake_is(const char *request, const char *method);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The module between C_Initialize and C_Finalize: one object, reference counted, so that a call in one thread outlives a C_Finalize in
 * another, or in an atexit handler. It is guarded by lock.h, and a child of a fork goes on with its sessions and handles.
 *
 *     the C_ functions (calls-*.c) → module.c → session.c, catalogue.c, object.c → attribute.c
 */
#pragma once

#include "client/pkcs11/catalogue.h"
#include "client/pkcs11/lock.h"

struct p11_session;

struct module {
        unsigned refs; /* under the lock of all: module.c */
        struct settings settings;
        struct tokend *calls; /* waits for a daemon that is being restarted */
        struct tokend *looks; /* does not: without a daemon there are no slots, at once */

        /* Under the lock. */
        struct catalogue *catalogue; /* NULL: not loaded yet */
        uint64_t asked_usec;         /* when the daemon was asked for it, by now_usec() */
        pid_t asking; /* the process of which a thread is asking; a child of it has no such thread */
        uint64_t patience_usec; /* until when a search waits for a token; 0: none does */
        struct handles handles;
        struct p11_session *sessions;
        size_t n_sessions;
        struct p11_object **promised; /* keys that have no name yet: promise.h */
        size_t n_promised;
        bool logged_in;
};

/* The module with a reference, or NULL: C_Initialize was not called. */
struct module *module_enter(void);
void module_leave(struct module *module);
DEFINE_CLEANUP(struct module *, module_leave);

/* Begins a C_ function: `module`, or CKR_CRYPTOKI_NOT_INITIALIZED. */
#define ENTER_MODULE                                                                                         \
        _cleanup_(module_leavep) struct module *module = module_enter();                                     \
        if (!module)                                                                                         \
        return CKR_CRYPTOKI_NOT_INITIALIZED

CK_RV module_begin(void);
CK_RV module_end(void);

/* The catalogue as it was at most a second ago; as it is now, if fresh. If the daemon cannot be asked, what was known before. *ret is
 * a reference. CKR_HOST_MEMORY. */
CK_RV module_catalogue(struct module *module, bool fresh, struct catalogue **ret);

/* Waits until the daemon knows the objects of a token that it does not know yet: a program may start at the moment when a process of the
 * daemon was replaced. A program waits LOOK_MS at most, once. false: there is nothing new. */
bool module_await(struct module *module, CK_SLOT_ID slot);

/* The object of the token or of a session that has this handle; *ret is a reference. wrong: what to return if there is none. */
CK_RV module_object_of(struct module *module, CK_OBJECT_HANDLE handle, CK_RV wrong, struct p11_object **ret);

/* The slot of the catalogue. CKR_SLOT_ID_INVALID. *ret_catalogue, which owns it, is a reference. */
CK_RV module_slot_of(
        struct module *module, CK_SLOT_ID id, struct catalogue **ret_catalogue, const struct p11_slot **ret);

/* What a program is told of a failure of a call. wrong: of a parameter that the daemon refused; denied: of a right that is missing. */
CK_RV module_error(const struct tokend_failure *failure, CK_RV wrong, CK_RV denied);

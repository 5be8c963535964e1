/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Sessions: they are the module's own, and no session of the device belongs to one. Each has at most one operation of each kind, a search
 * and its objects. All functions take the lock of the module themselves.
 */
#pragma once

#include "client/pkcs11/module.h"

enum operation_kind {
        OPERATION_SIGN,
        OPERATION_VERIFY,
        OPERATION_DIGEST,
        OPERATION_ENCRYPT,
        OPERATION_DECRYPT,
        OPERATION_FIND,
        OPERATION_KINDS_,
};

/* What a session has begun. Whoever has taken it is its owner, and alone in it. */
struct p11_operation {
        enum operation_kind kind;
        bool begun; /* a part of its input was given */
        void (*free_state)(void *state);
        void *state;
};

/* A new operation with a state of its own, which free_state frees; it is freed too if memory is short, which gives NULL. */
struct p11_operation *operation_new(enum operation_kind kind, void *state, void (*free_state)(void *state));
void operation_free(struct p11_operation *operation);
DEFINE_CLEANUP(struct p11_operation *, operation_free);

CK_RV p11_session_open(struct module *module, CK_SLOT_ID slot, CK_FLAGS flags, CK_SESSION_HANDLE *ret);
/* CKR_SESSION_HANDLE_INVALID. */
CK_RV p11_session_close(struct module *module, CK_SESSION_HANDLE handle);
/* slot NULL: all sessions, as the module ends. */
void p11_session_close_all(struct module *module, const CK_SLOT_ID *slot);

/* Any of the outputs may be NULL. CKR_SESSION_HANDLE_INVALID. */
CK_RV p11_session_info(
        struct module *module, CK_SESSION_HANDLE handle, CK_SLOT_ID *ret_slot, CK_FLAGS *ret_flags);

/* Gives the session an operation, or takes it away for a while. CKR_SESSION_HANDLE_INVALID; CKR_OPERATION_ACTIVE: it has one of this
 * kind; CKR_OPERATION_NOT_INITIALIZED: it has none, or another thread is in it. p11_session_put() takes the operation in every case. */
CK_RV p11_session_begin(struct module *module, CK_SESSION_HANDLE handle, struct p11_operation *operation);
CK_RV p11_session_take(struct module *module, CK_SESSION_HANDLE handle, enum operation_kind kind,
        struct p11_operation **ret);
void p11_session_put(struct module *module, CK_SESSION_HANDLE handle, struct p11_operation *operation);
/* Takes it for a call that ends it. whole: all of the input comes with that call; CKR_OPERATION_ACTIVE, and the operation stays, if
 * parts of it were given. good: the call's arguments are; CKR_ARGUMENTS_BAD, which ends the operation. */
CK_RV p11_session_take_to_end(struct module *module, CK_SESSION_HANDLE handle, enum operation_kind kind,
        bool whole, bool good, struct p11_operation **ret);
/* Ends an operation of this kind; it may have none. CKR_SESSION_HANDLE_INVALID. */
CK_RV p11_session_cancel(struct module *module, CK_SESSION_HANDLE handle, enum operation_kind kind);

/* Gives the session an object of its own, and takes a reference. *ret: its handle. CKR_SESSION_HANDLE_INVALID, CKR_HOST_MEMORY. */
CK_RV p11_session_add(
        struct module *module, CK_SESSION_HANDLE handle, struct p11_object *object, CK_OBJECT_HANDLE *ret);
/* Puts an object in the place of another one, whose handle it gets, and takes a reference. CKR_OBJECT_HANDLE_INVALID: that is gone. */
CK_RV p11_session_replace(struct module *module, const struct p11_object *old, struct p11_object *object);
/* CKR_OBJECT_HANDLE_INVALID. */
CK_RV p11_session_remove(struct module *module, CK_OBJECT_HANDLE object);

/* Under the lock: the object of a session of any thread, or NULL. Visits those on a slot in the order in which they were made. */
struct p11_object *p11_session_object(const struct module *module, CK_OBJECT_HANDLE handle);
void p11_session_each_object(const struct module *module, CK_SLOT_ID slot,
        void (*visit)(struct p11_object *object, void *userdata), void *userdata);

/* How many sessions are open on the slot. */
CK_ULONG p11_session_count(struct module *module, CK_SLOT_ID slot, bool read_write);

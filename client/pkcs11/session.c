/* SPDX-License-Identifier: MPL-2.0 */
/* See session.h. Sessions lie in an array in the order of their handles, which only grow. */
#include "client/pkcs11/session.h"

#include <string.h>

struct p11_session {
        CK_SESSION_HANDLE handle;
        CK_SLOT_ID slot;
        CK_FLAGS flags;
        struct p11_operation *operations[OPERATION_KINDS_];
        struct p11_object **objects;
        size_t n_objects;
};

struct p11_operation *operation_new(enum operation_kind kind, void *state, void (*free_state)(void *state))
{
        struct p11_operation *operation = calloc(1, sizeof(*operation));

        if (!operation) {
                free_state(state);
                return NULL;
        }
        *operation = (struct p11_operation){kind, false, free_state, state};
        return operation;
}

void operation_free(struct p11_operation *operation)
{
        if (!operation)
                return;
        operation->free_state(operation->state);
        free(operation);
}

static void empty(struct p11_session *session)
{
        for (size_t i = 0; i < OPERATION_KINDS_; i++)
                operation_free(session->operations[i]);
        for (size_t i = 0; i < session->n_objects; i++)
                object_unref(session->objects[i]);
        free(session->objects);
}

static int compare(const void *handle, const void *session)
{
        CK_SESSION_HANDLE a = *(const CK_SESSION_HANDLE *)handle,
                          b = ((const struct p11_session *)session)->handle;

        return a < b ? -1 : a > b;
}

/* Under the lock. NULL: there is none. */
static struct p11_session *find(const struct module *module, CK_SESSION_HANDLE handle)
{
        if (module->n_sessions == 0)
                return NULL;
        return bsearch(&handle, module->sessions, module->n_sessions, sizeof(*module->sessions), compare);
}

CK_RV p11_session_open(struct module *module, CK_SLOT_ID slot, CK_FLAGS flags, CK_SESSION_HANDLE *ret)
{
        struct p11_session *grown;
        CK_RV rv = CKR_HOST_MEMORY;

        module_lock();
        grown = reallocarray(module->sessions, module->n_sessions + 1, sizeof(*grown));
        if (grown) {
                module->sessions = grown;
                *ret = handles_next(&module->handles);
                grown[module->n_sessions++] =
                        (struct p11_session){.handle = *ret, .slot = slot, .flags = flags};
                rv = CKR_OK;
        }
        module_unlock();
        return rv;
}

/* Under the lock. Its content is freed by the caller, outside. */
static struct p11_session take_out(struct module *module, struct p11_session *session)
{
        struct p11_session taken = *session;
        size_t behind = module->n_sessions - (size_t)(session - module->sessions) - 1;

        memmove(session, session + 1, behind * sizeof(*session));
        module->n_sessions--;
        if (module->n_sessions == 0)
                module->logged_in = false;
        return taken;
}

CK_RV p11_session_close(struct module *module, CK_SESSION_HANDLE handle)
{
        struct p11_session *session, closed = {0};

        module_lock();
        session = find(module, handle);
        if (session)
                closed = take_out(module, session);
        module_unlock();
        empty(&closed);
        return session ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

void p11_session_close_all(struct module *module, const CK_SLOT_ID *slot)
{
        bool found = true;

        while (found) {
                struct p11_session closed = {0};

                module_lock();
                found = false;
                for (size_t i = module->n_sessions; i-- > 0 && !found;)
                        if (!slot || module->sessions[i].slot == *slot) {
                                closed = take_out(module, &module->sessions[i]);
                                found = true;
                        }
                module_unlock();
                empty(&closed);
        }
}

CK_RV p11_session_info(
        struct module *module, CK_SESSION_HANDLE handle, CK_SLOT_ID *ret_slot, CK_FLAGS *ret_flags)
{
        const struct p11_session *session;

        module_lock();
        session = find(module, handle);
        if (session && ret_slot)
                *ret_slot = session->slot;
        if (session && ret_flags)
                *ret_flags = session->flags;
        module_unlock();
        return session ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

CK_RV p11_session_begin(struct module *module, CK_SESSION_HANDLE handle, struct p11_operation *operation)
{
        _cleanup_(operation_freep) struct p11_operation *owned = operation;
        struct p11_session *session;
        CK_RV rv = CKR_OK;

        if (!operation)
                return CKR_HOST_MEMORY;
        module_lock();
        session = find(module, handle);
        if (!session)
                rv = CKR_SESSION_HANDLE_INVALID;
        else if (session->operations[operation->kind])
                rv = CKR_OPERATION_ACTIVE;
        else
                session->operations[operation->kind] = TAKE_PTR(owned);
        module_unlock();
        return rv;
}

CK_RV p11_session_take(
        struct module *module, CK_SESSION_HANDLE handle, enum operation_kind kind, struct p11_operation **ret)
{
        struct p11_session *session;
        CK_RV rv = CKR_OK;

        module_lock();
        session = find(module, handle);
        if (!session)
                rv = CKR_SESSION_HANDLE_INVALID;
        else if (!session->operations[kind])
                rv = CKR_OPERATION_NOT_INITIALIZED;
        else
                *ret = TAKE_PTR(session->operations[kind]);
        module_unlock();
        return rv;
}

void p11_session_put(struct module *module, CK_SESSION_HANDLE handle, struct p11_operation *operation)
{
        (void)p11_session_begin(module, handle, operation);
}

CK_RV p11_session_take_to_end(struct module *module, CK_SESSION_HANDLE handle, enum operation_kind kind,
        bool whole, bool good, struct p11_operation **ret)
{
        _cleanup_(operation_freep) struct p11_operation *operation = NULL;
        CK_RV rv = p11_session_take(module, handle, kind, &operation);

        if (rv != CKR_OK)
                return rv;
        if (!good)
                return CKR_ARGUMENTS_BAD;
        if (whole && operation->begun) {
                p11_session_put(module, handle, TAKE_PTR(operation));
                return CKR_OPERATION_ACTIVE;
        }
        *ret = TAKE_PTR(operation);
        return CKR_OK;
}

CK_RV p11_session_cancel(struct module *module, CK_SESSION_HANDLE handle, enum operation_kind kind)
{
        _cleanup_(operation_freep) struct p11_operation *operation = NULL;
        CK_RV rv = p11_session_take(module, handle, kind, &operation);

        return rv == CKR_OPERATION_NOT_INITIALIZED ? CKR_OK : rv;
}

/* ---- objects ---- */

CK_RV p11_session_add(
        struct module *module, CK_SESSION_HANDLE handle, struct p11_object *object, CK_OBJECT_HANDLE *ret)
{
        struct p11_session *session;
        struct p11_object **grown;
        CK_RV rv = CKR_SESSION_HANDLE_INVALID;

        module_lock();
        session = find(module, handle);
        if (session) {
                grown = reallocarray(session->objects, session->n_objects + 1, sizeof(struct p11_object *));
                rv = grown ? CKR_OK : CKR_HOST_MEMORY;
                if (grown) {
                        session->objects = grown;
                        object->session = handle;
                        *ret = object->handle = handles_next(&module->handles);
                        grown[session->n_objects++] = object_ref(object);
                }
        }
        module_unlock();
        return rv;
}

/* Under the lock: where the object hangs, or NULL. */
static struct p11_object **place_of(
        const struct module *module, CK_OBJECT_HANDLE handle, struct p11_session **ret)
{
        for (size_t i = 0; i < module->n_sessions; i++)
                for (size_t j = 0; j < module->sessions[i].n_objects; j++)
                        if (module->sessions[i].objects[j]->handle == handle) {
                                *ret = &module->sessions[i];
                                return &module->sessions[i].objects[j];
                        }
        return NULL;
}

CK_RV p11_session_replace(struct module *module, const struct p11_object *old, struct p11_object *object)
{
        _cleanup_(object_unrefp) struct p11_object *replaced = NULL;
        struct p11_session *session;
        struct p11_object **place;

        module_lock();
        place = place_of(module, old->handle, &session);
        if (place) {
                replaced = *place;
                object->session = old->session;
                object->handle = old->handle;
                *place = object_ref(object);
        }
        module_unlock();
        return replaced ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

CK_RV p11_session_remove(struct module *module, CK_OBJECT_HANDLE handle)
{
        _cleanup_(object_unrefp) struct p11_object *removed = NULL;
        struct p11_session *session;
        struct p11_object **place;

        module_lock();
        place = place_of(module, handle, &session);
        if (place) {
                removed = *place;
                memmove(place, place + 1,
                        (session->n_objects - (size_t)(place - session->objects) - 1) * sizeof(*place));
                session->n_objects--;
        }
        module_unlock();
        return removed ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

struct p11_object *p11_session_object(const struct module *module, CK_OBJECT_HANDLE handle)
{
        struct p11_session *session;
        struct p11_object **place = place_of(module, handle, &session);

        return place ? *place : NULL;
}

void p11_session_each_object(const struct module *module, CK_SLOT_ID slot,
        void (*visit)(struct p11_object *object, void *userdata), void *userdata)
{
        for (size_t i = 0; i < module->n_sessions; i++)
                for (size_t j = 0; module->sessions[i].slot == slot && j < module->sessions[i].n_objects; j++)
                        visit(module->sessions[i].objects[j], userdata);
}

CK_ULONG p11_session_count(struct module *module, CK_SLOT_ID slot, bool read_write)
{
        CK_ULONG n = 0;

        module_lock();
        for (size_t i = 0; i < module->n_sessions; i++)
                n += module->sessions[i].slot == slot &&
                     (!read_write || (module->sessions[i].flags & CKF_RW_SESSION));
        module_unlock();
        return n;
}

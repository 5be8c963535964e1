/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the daemon holds for this program: the slots, and the objects on their tokens, as they were at one moment. A catalogue does not
 * change (but for the time when it was last found to be true) and is reference counted, so that a search keeps its result.
 */
#pragma once

#include "client/pkcs11/handles.h"
#include "client/pkcs11/settings.h"

/* Milliseconds for each question. A program must come up although the daemon, or a token, does not answer. */
#define LOOK_MS 10000

struct p11_slot {
        CK_SLOT_ID id;                    /* of the name, so that it stays when tokens come and go */
        const struct tokend_token *token; /* of the catalogue's tokens */
        char *uri;                        /* "pkcs11:token=…": as an object's name begins */
        bool awaited;                     /* the daemon does not know its objects yet, and will */
};

struct catalogue {
        atomic_uint refs;
        struct tokend_tokens *tokens;
        struct tokend_secrets *secrets; /* NULL: the daemon has none for the caller */
        size_t n_slots, n_objects;
        struct p11_slot *slots;
        struct p11_object **objects;           /* in the order in which a search finds them */
        struct p11_object **by_handle;         /* the same, in the order of their handles */
        char *keys_state, *certificates_state; /* of the daemon's lists; NULL: it gave none */
};

/* Asks the daemon. old: what was known before, or NULL. *ret: a new catalogue, or another reference to the old one, if nothing
 * changed. Objects have no handles yet. */
enum tokend_error catalogue_load(struct tokend *handle, const struct settings *settings,
        struct catalogue *old, struct catalogue **ret);

/* What is known without a daemon: nothing. NULL: no memory. */
struct catalogue *catalogue_empty(void);

/* Gives each object its handle, if it has none yet. CKR_HOST_MEMORY. */
CK_RV catalogue_number(struct catalogue *catalogue, struct handles *handles);

struct catalogue *catalogue_ref(struct catalogue *catalogue);
/* NULL is fine. */
void catalogue_unref(struct catalogue *catalogue);
DEFINE_CLEANUP(struct catalogue *, catalogue_unref);

/* NULL: there is none. */
const struct p11_slot *catalogue_slot(const struct catalogue *catalogue, CK_SLOT_ID id);
struct p11_object *catalogue_object(const struct catalogue *catalogue, CK_OBJECT_HANDLE handle);

/* Whether the caller has this right on the token (a word of Allow=), and whether the device has this mechanism ("CKM_…"). */
bool slot_allows(const struct p11_slot *slot, const char *right);
bool slot_has(const struct p11_slot *slot, const char *mechanism);
/* Whether the device wraps keys with it, and unwraps them. */
bool slot_wraps(const struct p11_slot *slot, const char *mechanism);
bool slot_unwraps(const struct p11_slot *slot, const char *mechanism);

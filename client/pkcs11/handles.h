/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The handles of objects. An object of a token has one number for as long as the process lives: it is found again by what the
 * object is (token, class, id, public key or certificate), so it survives that the catalogue is read anew, and the number of an
 * object that was deleted never becomes another's. Its user holds a lock.
 */
#pragma once

#include <nss/pkcs11.h>
#include <stdbool.h>

#include "client/pkcs11/object.h"

struct handle_row;

/* Begins as {0}. */
struct handles {
        struct handle_row *rows;
        size_t n, size;
        CK_ULONG last; /* of objects and sessions */
};

void handles_done(struct handles *handles);

/* The number of the object, drawn where it has none yet. 0: no memory. */
CK_ULONG handles_of(struct handles *handles, const struct p11_object *object);

/* The object went with what a call did to another one: its program may delete it once all the same. */
void handles_went(struct handles *handles, CK_ULONG handle);
/* Whether it is such an object's number, or that of a public half, which goes with its private half. The next time it is not. */
bool handles_delete_gone(struct handles *handles, CK_ULONG handle);

/* The object gets this number, which nothing else has. CKR_HOST_MEMORY. */
CK_RV handles_bind(struct handles *handles, const struct p11_object *object, CK_ULONG handle);

/* A number that nothing had before. */
CK_ULONG handles_next(struct handles *handles);

/* SPDX-License-Identifier: MPL-2.0 */
/* Attributes of an object as the token gives them, which may be none, too long, or a lie. Errors as in session.h. */
#pragma once

#include "daemon/util/der.h"
#include "daemon/worker/device/attribute.h"
#include "daemon/worker/device/session.h"

/* Instead of the length of an attribute that was not read. */
#define ATTRIBUTE_MISSING  CK_UNAVAILABLE_INFORMATION /* the token does not know it, or does not show it */
#define ATTRIBUTE_TOO_LONG (CK_UNAVAILABLE_INFORMATION - 1) /* for its buffer */

/* Reads up to 16 attributes in one call. One that was not read gets one of these lengths. Some tokens stop at the first of these, and
 * the code that they return is of any of them: then each attribute is read by itself. So it is if the token fails at the object: what
 * it gives is kept, and the result is that of an attribute that failed. */
int attributes_read(struct session *session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attributes, size_t n);

/* r: of a call that reads. It failed because of an attribute, and not because of the object or the session; it failed because of the
 * object: the session and the token are well. */
bool attributes_are_meant(const struct session *session, int r);
bool attributes_object_is_meant(struct session *session, int r);

/* What was read: its bytes, none if it was not read; whether it is a CK_BBOOL that is not CK_FALSE. */
bool attribute_was_read(const CK_ATTRIBUTE *attribute);
struct der attribute_bytes(const CK_ATTRIBUTE *attribute);
bool attribute_is_true(const CK_ATTRIBUTE *attribute);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A list of attributes with their values, as an object of PKCS #11 has them. Values are copied. Written by one thread; after
 * that it may be read by any number.
 */
#pragma once

#include <nss/pkcs11.h>
#include <stdbool.h>

#include "daemon/util/buffer.h"

struct attribute;

/* Begins as {0}. */
struct attributes {
        struct attribute *list;
        size_t n;
        struct buffer values; /* its `failed` also says that an attribute is missing from the list */
};

/* Overwrites the values, and frees all. */
void attributes_wipe(struct attributes *attributes);

/* Adds an attribute. If memory is short, attributes_failed() says so afterwards. */
void attributes_add(struct attributes *attributes, CK_ATTRIBUTE_TYPE type, const void *value, size_t length);
void attributes_add_text(struct attributes *attributes, CK_ATTRIBUTE_TYPE type, const char *value);
void attributes_add_bool(struct attributes *attributes, CK_ATTRIBUTE_TYPE type, bool value);
void attributes_add_ulong(struct attributes *attributes, CK_ATTRIBUTE_TYPE type, CK_ULONG value);
bool attributes_failed(const struct attributes *attributes);

/* Adds what the template has, and then what `from` has and it does not. */
void attributes_copy(struct attributes *attributes, const struct attributes *from,
        const CK_ATTRIBUTE *template, CK_ULONG n);

/* false: the list has no attribute of this type. The value belongs to the list. */
bool attributes_get(const struct attributes *attributes, CK_ATTRIBUTE_TYPE type, const void **ret_value,
        size_t *ret_length);

/* ---- templates: what a caller gave, n of them, already known not to be NULL ---- */

/* The attribute of this type in a template, or NULL. */
const CK_ATTRIBUTE *template_find(const CK_ATTRIBUTE *template, CK_ULONG n, CK_ATTRIBUTE_TYPE type);

/* CKR_OK, whether or not it is there: *ret is untouched where it is not. CKR_ATTRIBUTE_VALUE_INVALID: it has the wrong size. */
CK_RV template_bool(const CK_ATTRIBUTE *template, CK_ULONG n, CK_ATTRIBUTE_TYPE type, bool *ret);
CK_RV template_ulong(const CK_ATTRIBUTE *template, CK_ULONG n, CK_ATTRIBUTE_TYPE type, CK_ULONG *ret);

/* CKR_ARGUMENTS_BAD: a template that is NULL but has members, or a member without its value. */
CK_RV template_check(const CK_ATTRIBUTE *template, CK_ULONG n);

/* Whether each attribute of the template is in the list, with the same value. */
bool attributes_match(const struct attributes *attributes, const CK_ATTRIBUTE *template, CK_ULONG n);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The entries of a PKCS #11 template, as initializers of CK_ATTRIBUTE. Its pointers lack a const, but no
 * module writes to a template by which it creates or finds objects.
 */
#pragma once

#include <nss/pkcs11.h>
#include <stdint.h>
#include <string.h>

#define ATTRIBUTE(type, pointer, length)                                                                     \
        {                                                                                                    \
                (type), (void *)(uintptr_t)(pointer), (length)                                               \
        }
static const CK_BBOOL attribute_bools[] = {CK_FALSE, CK_TRUE};
#define ATTRIBUTE_BOOL(type, value) ATTRIBUTE(type, &attribute_bools[(value) ? 1 : 0], sizeof(CK_BBOOL))
/* Also for a class, a key type, a certificate type: all of them are CK_ULONG. The value lives until the end
 * of the block. */
#define ATTRIBUTE_ULONG(type, value) ATTRIBUTE(type, &(const CK_ULONG){(value)}, sizeof(CK_ULONG))
#define ATTRIBUTE_TEXT(type, text)   ATTRIBUTE(type, text, strlen(text))
/* bytes: a struct der or a struct wire_bytes. */
#define ATTRIBUTE_BYTES(type, bytes) ATTRIBUTE(type, (bytes).data, (bytes).length)

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the test programs that load the module share: they find a token and its keys `rsa` and `ec`, sign and verify, and end with status 1 at
 * the first CKR that is not CKR_OK.
 */
#pragma once

#include <dlfcn.h>
#define CK_PKCS11_3_0 1
#include <nss/pkcs11.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MUST(call)                                                                                           \
        do {                                                                                                 \
                CK_RV rv_ = (call);                                                                          \
                if (rv_ != CKR_OK) {                                                                         \
                        fprintf(stderr, "%d: " #call " gave 0x%lx\n", __LINE__, rv_);                        \
                        _exit(1);                                                                            \
                }                                                                                            \
        } while (0)

#define CHECK(what)                                                                                          \
        do {                                                                                                 \
                if (!(what)) {                                                                               \
                        fprintf(stderr, "%d: does not hold: " #what "\n", __LINE__);                         \
                        _exit(1);                                                                            \
                }                                                                                            \
        } while (0)

static CK_FUNCTION_LIST *f;
static CK_SLOT_ID slot;

static inline CK_OBJECT_HANDLE find(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, const char *label)
{
        CK_ATTRIBUTE template[] = {
                {CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
        CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;
        CK_ULONG n = 0;

        MUST(f->C_FindObjectsInit(session, template, 2));
        MUST(f->C_FindObjects(session, &found, 1, &n));
        MUST(f->C_FindObjectsFinal(session));
        if (n != 1) {
                fprintf(stderr, "there is no %s\n", label);
                _exit(1);
        }
        return found;
}

/* How many objects there are; with this label, unless it is NULL. */
static inline CK_ULONG count_objects(CK_SESSION_HANDLE session, const char *label)
{
        CK_ATTRIBUTE template = {CKA_LABEL, (void *)(uintptr_t)label, label ? strlen(label) : 0};
        CK_OBJECT_HANDLE found[64];
        CK_ULONG n = 0;

        MUST(f->C_FindObjectsInit(session, &template, label ? 1 : 0));
        MUST(f->C_FindObjects(session, found, 64, &n));
        MUST(f->C_FindObjectsFinal(session));
        return n;
}

static inline void sign_once(
        CK_SESSION_HANDLE session, const char *label, CK_MECHANISM_TYPE type, unsigned long i)
{
        CK_MECHANISM mechanism = {type, NULL, 0};
        CK_OBJECT_HANDLE key = find(session, CKO_PRIVATE_KEY, label);
        CK_BYTE signature[512];
        CK_ULONG n = sizeof(signature);

        MUST(f->C_SignInit(session, &mechanism, key));
        MUST(f->C_Sign(session, (CK_BYTE *)&i, sizeof(i), signature, &n));
        MUST(f->C_VerifyInit(session, &mechanism, find(session, CKO_PUBLIC_KEY, label)));
        MUST(f->C_Verify(session, (CK_BYTE *)&i, sizeof(i), signature, n));
}

/* What a signature comes to, without a search. */
static inline CK_RV sign_with(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
        CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
        CK_BYTE digest[32] = {1}, signature[64];
        CK_ULONG n = sizeof(signature);
        CK_RV rv = f->C_SignInit(session, &mechanism, key);

        return rv == CKR_OK ? f->C_Sign(session, digest, sizeof(digest), signature, &n) : rv;
}

/* Tells whoever started it, and waits for a line. */
static inline void wait_for_line(void)
{
        char line[16];

        printf("ready\n");
        (void)fflush(stdout);
        CHECK(fgets(line, sizeof(line), stdin));
}

static inline void find_slot(const char *label)
{
        CK_SLOT_ID slots[64];
        CK_TOKEN_INFO info;
        CK_ULONG n = 64;

        MUST(f->C_GetSlotList(CK_TRUE, slots, &n));
        for (CK_ULONG i = 0; i < n; i++)
                if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK && info.label[strlen(label)] == ' ' &&
                        memcmp(info.label, label, strlen(label)) == 0) {
                        slot = slots[i];
                        return;
                }
        fprintf(stderr, "there is no token %s\n", label);
        _exit(1);
}

/* Loads the module and asks for its functions; the library, or NULL. */
static inline void *load(const char *path)
{
        CK_RV (*get_list)(CK_FUNCTION_LIST **);
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

        if (!library)
                return NULL;
        *(void **)&get_list = dlsym(library, "C_GetFunctionList");
        MUST(get_list(&f));
        return library;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* What conformance.c and conformance_secrets.c share: a module that is loaded, a slot and a session of it, and how calls are judged. */
#pragma once

#include <dlfcn.h>
#define CK_PKCS11_3_0 1
#include <nss/pkcs11.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NO_SESSION    0x7fffffffUL
#define NO_OBJECT     0x7ffffffeUL
#define NO_SLOT       0x7ffffffdUL

static unsigned n_passed, n_failed;
static CK_FUNCTION_LIST_3_0 *f;
static CK_SLOT_ID slot;
static CK_SESSION_HANDLE session;

static void check(const char *what, unsigned line, bool right, CK_RV found)
{
        if (right) {
                n_passed++;
                return;
        }
        n_failed++;
        printf("line %u: %s gave 0x%lx\n", line, what, found);
}
/* The CKR of a call. */
#define GIVES(expected, call)                                                                                \
        do {                                                                                                 \
                CK_RV found_ = (call);                                                                       \
                check(#call " should give " #expected, __LINE__, found_ == (expected), found_);              \
        } while (0)
#define HOLDS(condition) check(#condition " should hold", __LINE__, (condition), 0)

static void *load(const char *path)
{
        CK_RV (*get_interface)(CK_UTF8CHAR *, CK_VERSION *, CK_INTERFACE **, CK_FLAGS);
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        CK_INTERFACE *interface;

        if (!library) {
                fprintf(stderr, "%s\n", dlerror());
                exit(1);
        }
        *(void **)&get_interface = dlsym(library, "C_GetInterface");
        if (!get_interface || get_interface(NULL, NULL, &interface, CKF_INTERFACE_FORK_SAFE) != CKR_OK) {
                fprintf(stderr, "%s has no interface that survives a fork\n", path);
                exit(1);
        }
        f = interface->pFunctionList;
        return library;
}

static void find_slot(const char *label)
{
        CK_SLOT_ID slots[64];
        CK_ULONG n = ARRAY_SIZE(slots);
        CK_TOKEN_INFO info;

        GIVES(CKR_OK, f->C_GetSlotList(CK_TRUE, slots, &n));
        for (CK_ULONG i = 0; i < n; i++)
                if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
                        memcmp(info.label, label, strlen(label)) == 0 && info.label[strlen(label)] == ' ') {
                        slot = slots[i];
                        return;
                }
        fprintf(stderr, "there is no token %s\n", label);
        exit(1);
}

static CK_OBJECT_HANDLE find(CK_OBJECT_CLASS class, const char *label)
{
        CK_ATTRIBUTE template[] = {
                {CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
        CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;
        CK_ULONG n = 0;

        GIVES(CKR_OK, f->C_FindObjectsInit(session, template, 2));
        GIVES(CKR_OK, f->C_FindObjects(session, &found, 1, &n));
        HOLDS(n == 1);
        GIVES(CKR_OK, f->C_FindObjectsFinal(session));
        return found;
}

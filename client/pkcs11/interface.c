/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The three functions that the library exports: they give the tables of all others, for PKCS #11 2.40 and 3.0. NSS asks for an interface
 * that survives a fork first; this one does.
 */
#define CK_PKCS11_3_0 1
#include <nss/pkcs11.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/util/macros.h"

#define EXPORTED __attribute__((visibility("default")))

#define CK_PKCS11_FUNCTION_INFO(name) .name = name,
static CK_FUNCTION_LIST_3_0 functions_3_0 = {
        .version = {3, 0},
#undef CK_PKCS11_2_0_ONLY
#include <nss/pkcs11f.h>
};
#define CK_PKCS11_2_0_ONLY 1
static CK_FUNCTION_LIST functions_2_40 = {
        .version = {2, 40},
#include <nss/pkcs11f.h>
};
#undef CK_PKCS11_FUNCTION_INFO

static char interface_name[] = "PKCS 11";
static CK_INTERFACE interfaces[] = {
        {(CK_UTF8CHAR_PTR)interface_name, &functions_3_0, CKF_INTERFACE_FORK_SAFE},
        {(CK_UTF8CHAR_PTR)interface_name, &functions_2_40, CKF_INTERFACE_FORK_SAFE},
};

EXPORTED CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ppFunctionList)
{
        if (!ppFunctionList)
                return CKR_ARGUMENTS_BAD;
        *ppFunctionList = &functions_2_40;
        return CKR_OK;
}

EXPORTED CK_RV C_GetInterfaceList(CK_INTERFACE_PTR pInterfacesList, CK_ULONG_PTR pulCount)
{
        CK_ULONG room;

        if (!pulCount)
                return CKR_ARGUMENTS_BAD;
        room = *pulCount;
        *pulCount = ARRAY_SIZE(interfaces);
        if (!pInterfacesList)
                return CKR_OK;
        if (room < ARRAY_SIZE(interfaces))
                return CKR_BUFFER_TOO_SMALL;
        memcpy(pInterfacesList, interfaces, sizeof(interfaces));
        return CKR_OK;
}

/* Both tables begin with their version. */
static bool is_asked_for(
        const CK_INTERFACE *interface, const char *name, const CK_VERSION *version, CK_FLAGS flags)
{
        const CK_VERSION *own = interface->pFunctionList;

        return (!name || strcmp(name, interface_name) == 0) &&
               (!version || (version->major == own->major && version->minor == own->minor)) &&
               (flags & ~interface->flags) == 0;
}

EXPORTED CK_RV C_GetInterface(CK_UTF8CHAR_PTR pInterfaceName, CK_VERSION_PTR pVersion,
        CK_INTERFACE_PTR_PTR ppInterface, CK_FLAGS flags)
{
        if (!ppInterface)
                return CKR_ARGUMENTS_BAD;
        for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
                if (is_asked_for(&interfaces[i], (const char *)pInterfaceName, pVersion, flags)) {
                        *ppInterface = &interfaces[i];
                        return CKR_OK;
                }
        return CKR_ARGUMENTS_BAD;
}

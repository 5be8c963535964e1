/* SPDX-License-Identifier: MPL-2.0 */
/* Beginning and end, slots, tokens and their mechanisms. */
#include <string.h>

#include "client/pkcs11/mechanism.h"
#include "client/pkcs11/session.h"

/* A field that is padded with blanks; a character of UTF-8 is not cut. */
static void put_field(CK_UTF8CHAR *field, size_t size, const char *text)
{
        size_t length = text ? strlen(text) : 0;

        if (length > size)
                for (length = size; length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80;)
                        length--;
        memset(field, ' ', size);
        if (length > 0)
                memcpy(field, text, length);
}
#define PUT_FIELD(field, text) put_field((field), sizeof(field), (text))

/* Own mutexes are used, whatever was given: a program that lets nobody use those cannot be served. In NSS's header another member stands
 * where the standard has pReserved. */
static CK_RV check_initialize(const CK_C_INITIALIZE_ARGS *args)
{
        bool any, all;

        if (!args)
                return CKR_OK;
        if (args->LibraryParameters)
                return CKR_ARGUMENTS_BAD;
        any = args->CreateMutex || args->DestroyMutex || args->LockMutex || args->UnlockMutex;
        all = args->CreateMutex && args->DestroyMutex && args->LockMutex && args->UnlockMutex;
        if (any != all)
                return CKR_ARGUMENTS_BAD;
        return any && !(args->flags & CKF_OS_LOCKING_OK) ? CKR_CANT_LOCK : CKR_OK;
}

CK_RV C_Initialize(CK_VOID_PTR pInitArgs)
{
        CK_RV rv = check_initialize(pInitArgs);

        return rv == CKR_OK ? module_begin() : rv;
}

CK_RV C_Finalize(CK_VOID_PTR pReserved)
{
        return pReserved ? CKR_ARGUMENTS_BAD : module_end();
}

CK_RV C_GetInfo(CK_INFO_PTR pInfo)
{
        ENTER_MODULE;

        if (!pInfo)
                return CKR_ARGUMENTS_BAD;
        memset(pInfo, 0, sizeof(*pInfo));
        pInfo->cryptokiVersion = (CK_VERSION){3, 0};
        PUT_FIELD(pInfo->manufacturerID, "tokend");
        PUT_FIELD(pInfo->libraryDescription, "tokend's keys");
        pInfo->libraryVersion = (CK_VERSION){0, 1};
        return CKR_OK;
}

/* ---- slots ---- */

/* Copies numbers to a caller who may ask for their count first. */
static CK_RV give_list(const CK_ULONG *numbers, size_t n, CK_ULONG *list, CK_ULONG *count)
{
        CK_ULONG room = *count;

        *count = n;
        if (!list)
                return CKR_OK;
        if (room < n)
                return CKR_BUFFER_TOO_SMALL;
        if (n > 0)
                memcpy(list, numbers, n * sizeof(*numbers));
        return CKR_OK;
}

CK_RV C_GetSlotList(CK_BBOOL tokenPresent, CK_SLOT_ID_PTR pSlotList, CK_ULONG_PTR pulCount)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        _cleanup_(freep) CK_ULONG *ids = NULL;
        CK_RV rv;

        ENTER_MODULE;

        if (!pulCount)
                return CKR_ARGUMENTS_BAD;
        rv = module_catalogue(module, false, &catalogue);
        if (rv != CKR_OK)
                return rv;
        ids = calloc(catalogue->n_slots + 1, sizeof(*ids));
        if (!ids)
                return CKR_HOST_MEMORY;
        for (size_t i = 0; i < catalogue->n_slots; i++)
                ids[i] = catalogue->slots[i].id;
        return give_list(ids, catalogue->n_slots, pSlotList, pulCount);
}

/* A token is there for as long as it is configured: while it recovers, calls wait. */
CK_RV C_GetSlotInfo(CK_SLOT_ID slotID, CK_SLOT_INFO_PTR pInfo)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        const struct p11_slot *slot;
        CK_RV rv;

        ENTER_MODULE;

        if (!pInfo)
                return CKR_ARGUMENTS_BAD;
        rv = module_slot_of(module, slotID, &catalogue, &slot);
        if (rv != CKR_OK)
                return rv;
        memset(pInfo, 0, sizeof(*pInfo));
        PUT_FIELD(pInfo->slotDescription, slot->token->name);
        PUT_FIELD(pInfo->manufacturerID, "tokend");
        pInfo->flags = CKF_TOKEN_PRESENT | CKF_HW_SLOT;
        return CKR_OK;
}

static bool may_write(const struct p11_slot *slot)
{
        return slot_allows(slot, "generate") || slot_allows(slot, "delete") || slot_allows(slot, "import") ||
               slot_allows(slot, "delete-cert");
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slotID, CK_TOKEN_INFO_PTR pInfo)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        const struct p11_slot *slot;
        CK_RV rv;

        ENTER_MODULE;

        if (!pInfo)
                return CKR_ARGUMENTS_BAD;
        rv = module_slot_of(module, slotID, &catalogue, &slot);
        if (rv != CKR_OK)
                return rv;
        memset(pInfo, 0, sizeof(*pInfo));
        PUT_FIELD(pInfo->label, slot->token->name);
        PUT_FIELD(pInfo->manufacturerID, slot->token->manufacturer);
        PUT_FIELD(pInfo->model, slot->token->model);
        PUT_FIELD(pInfo->serialNumber, slot->token->serial);
        pInfo->flags = CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED;
        if (slot_allows(slot, "random"))
                pInfo->flags |= CKF_RNG;
        if (!may_write(slot))
                pInfo->flags |= CKF_WRITE_PROTECTED;
        pInfo->ulMaxSessionCount = pInfo->ulMaxRwSessionCount = CK_EFFECTIVELY_INFINITE;
        pInfo->ulSessionCount = p11_session_count(module, slotID, false);
        pInfo->ulRwSessionCount = p11_session_count(module, slotID, true);
        pInfo->ulMaxPinLen = 255;
        pInfo->ulTotalPublicMemory = pInfo->ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
        pInfo->ulTotalPrivateMemory = pInfo->ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
        memset(pInfo->utcTime, ' ', sizeof(pInfo->utcTime));
        return CKR_OK;
}

CK_RV C_GetMechanismList(CK_SLOT_ID slotID, CK_MECHANISM_TYPE_PTR pMechanismList, CK_ULONG_PTR pulCount)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        const struct mechanism *mechanism;
        const struct p11_slot *slot;
        CK_ULONG types[256];
        size_t n = 0;
        CK_RV rv;

        ENTER_MODULE;

        if (!pulCount)
                return CKR_ARGUMENTS_BAD;
        rv = module_slot_of(module, slotID, &catalogue, &slot);
        if (rv != CKR_OK)
                return rv;
        for (size_t i = 0; (mechanism = mechanism_at(i)) && n < ARRAY_SIZE(types); i++)
                if (mechanism_flags(mechanism, slot) != 0)
                        types[n++] = mechanism->type;
        return give_list(types, n, pMechanismList, pulCount);
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slotID, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR pInfo)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        const struct mechanism *mechanism = mechanism_find(type);
        const struct p11_slot *slot;
        CK_FLAGS flags;
        CK_RV rv;

        ENTER_MODULE;

        if (!pInfo)
                return CKR_ARGUMENTS_BAD;
        rv = module_slot_of(module, slotID, &catalogue, &slot);
        if (rv != CKR_OK)
                return rv;
        flags = mechanism ? mechanism_flags(mechanism, slot) : 0;
        if (flags == 0)
                return CKR_MECHANISM_INVALID;
        mechanism_info(mechanism, flags, pInfo);
        return CKR_OK;
}

/* Nothing is ever put in or taken out. */
CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID_PTR pSlot, CK_VOID_PTR pReserved)
{
        ENTER_MODULE;

        if (!pSlot || pReserved)
                return CKR_ARGUMENTS_BAD;
        return flags & CKF_DONT_BLOCK ? CKR_NO_EVENT : CKR_FUNCTION_NOT_SUPPORTED;
}

/* ---- random ---- */

CK_RV C_GenerateRandom(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pRandomData, CK_ULONG ulRandomLen)
{
        struct tokend_failure failure = {0};
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!pRandomData && ulRandomLen > 0)
                return CKR_ARGUMENTS_BAD;
        if (ulRandomLen == 0)
                return CKR_OK;
        (void)tokend_random(module->calls, pRandomData, ulRandomLen, module->settings.timeout_ms, &failure);
        return module_error(&failure, CKR_ARGUMENTS_BAD, CKR_RANDOM_NO_RNG);
}

/* The device needs no help. */
CK_RV C_SeedRandom(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSeed, CK_ULONG ulSeedLen)
{
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        return !pSeed && ulSeedLen > 0 ? CKR_ARGUMENTS_BAD : CKR_RANDOM_SEED_NOT_SUPPORTED;
}

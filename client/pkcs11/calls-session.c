/* SPDX-License-Identifier: MPL-2.0 */
/* Sessions and the login, which there is none of: who a program is, the daemon knows of its socket. */
#include "client/pkcs11/session.h"

CK_RV C_OpenSession(CK_SLOT_ID slotID, CK_FLAGS flags, CK_VOID_PTR pApplication, CK_NOTIFY Notify,
        CK_SESSION_HANDLE_PTR phSession)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        const struct p11_slot *slot;
        CK_RV rv;

        ENTER_MODULE;

        if (!phSession)
                return CKR_ARGUMENTS_BAD;
        if (!(flags & CKF_SERIAL_SESSION))
                return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
        rv = module_slot_of(module, slotID, &catalogue, &slot);
        return rv == CKR_OK ? p11_session_open(module, slotID, flags, phSession) : rv;
}

CK_RV C_CloseSession(CK_SESSION_HANDLE hSession)
{
        ENTER_MODULE;

        return p11_session_close(module, hSession);
}

CK_RV C_CloseAllSessions(CK_SLOT_ID slotID)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        const struct p11_slot *slot;
        CK_RV rv;

        ENTER_MODULE;

        rv = module_slot_of(module, slotID, &catalogue, &slot);
        if (rv == CKR_OK)
                p11_session_close_all(module, &slotID);
        return rv;
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE hSession, CK_SESSION_INFO_PTR pInfo)
{
        CK_SLOT_ID slot;
        CK_FLAGS flags;
        CK_RV rv;

        ENTER_MODULE;

        if (!pInfo)
                return CKR_ARGUMENTS_BAD;
        rv = p11_session_info(module, hSession, &slot, &flags);
        if (rv != CKR_OK)
                return rv;
        *pInfo = (CK_SESSION_INFO){.slotID = slot,
                .state = flags & CKF_RW_SESSION ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS,
                .flags = flags & (CKF_RW_SESSION | CKF_SERIAL_SESSION)};
        return CKR_OK;
}

/* Whatever is given is right, and is not looked at. The second time is an error, as the standard has it. */
static CK_RV log_in(struct module *module, CK_SESSION_HANDLE session, CK_USER_TYPE user)
{
        CK_RV rv = p11_session_info(module, session, NULL, NULL);

        if (rv != CKR_OK)
                return rv;
        if (user == CKU_CONTEXT_SPECIFIC)
                return CKR_OPERATION_NOT_INITIALIZED;
        if (user != CKU_USER)
                return CKR_USER_TYPE_INVALID;
        module_lock();
        rv = module->logged_in ? CKR_USER_ALREADY_LOGGED_IN : CKR_OK;
        module->logged_in = true;
        module_unlock();
        return rv;
}

CK_RV C_Login(CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, CK_CHAR_PTR pPin, CK_ULONG ulPinLen)
{
        ENTER_MODULE;

        return !pPin && ulPinLen > 0 ? CKR_ARGUMENTS_BAD : log_in(module, hSession, userType);
}

CK_RV C_LoginUser(CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, CK_CHAR_PTR pPin, CK_ULONG ulPinLen,
        CK_UTF8CHAR_PTR pUsername, CK_ULONG ulUsernameLen)
{
        ENTER_MODULE;

        if ((!pPin && ulPinLen > 0) || (!pUsername && ulUsernameLen > 0))
                return CKR_ARGUMENTS_BAD;
        return log_in(module, hSession, userType);
}

CK_RV C_Logout(CK_SESSION_HANDLE hSession)
{
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        module_lock();
        module->logged_in = false;
        module_unlock();
        return CKR_OK;
}

CK_RV C_SessionCancel(CK_SESSION_HANDLE hSession, CK_FLAGS flags)
{
        static const struct {
                CK_FLAGS flag;
                enum operation_kind kind;
        } rows[] = {{CKF_SIGN, OPERATION_SIGN}, {CKF_VERIFY, OPERATION_VERIFY},
                {CKF_DIGEST, OPERATION_DIGEST}, {CKF_ENCRYPT, OPERATION_ENCRYPT},
                {CKF_DECRYPT, OPERATION_DECRYPT}, {CKF_FIND_OBJECTS, OPERATION_FIND}};
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        for (size_t i = 0; rv == CKR_OK && i < ARRAY_SIZE(rows); i++)
                if (flags & rows[i].flag)
                        rv = p11_session_cancel(module, hSession, rows[i].kind);
        return rv;
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * conformance MODULE TOKEN: calls every function of a PKCS #11 module with every argument that is wrong, and says where its CKR is not
 * the one of the standard. The token holds keys `rsa` and `ec` that sign. Prints `N passed, N failed` at its end.
 */
#include "tests/integration/conformance.h"

static CK_OBJECT_HANDLE rsa, rsa_public, ec, ec_public;

/* ---- interfaces, beginning, end ---- */

static void test_interfaces(void)
{
        CK_VERSION v3 = {3, 0}, v2 = {2, 40}, v9 = {9, 0};
        CK_UTF8CHAR name[] = "PKCS 11", other[] = "Vendor";
        CK_FUNCTION_LIST *list = NULL;
        CK_INTERFACE interfaces[8], *interface;
        CK_ULONG n = 0;

        GIVES(CKR_ARGUMENTS_BAD, f->C_GetFunctionList(NULL));
        GIVES(CKR_OK, f->C_GetFunctionList(&list));
        HOLDS(list && list->version.major == 2 && list->version.minor == 40);
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetInterfaceList(NULL, NULL));
        GIVES(CKR_OK, f->C_GetInterfaceList(NULL, &n));
        HOLDS(n >= 2);
        n = 1;
        GIVES(CKR_BUFFER_TOO_SMALL, f->C_GetInterfaceList(interfaces, &n));
        n = 8;
        GIVES(CKR_OK, f->C_GetInterfaceList(interfaces, &n));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetInterface(NULL, NULL, NULL, 0));
        GIVES(CKR_OK, f->C_GetInterface(name, &v3, &interface, 0));
        GIVES(CKR_OK, f->C_GetInterface(name, &v2, &interface, 0));
        HOLDS(((CK_FUNCTION_LIST *)interface->pFunctionList)->version.major == 2);
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetInterface(name, &v9, &interface, 0));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetInterface(other, NULL, &interface, 0));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetInterface(NULL, NULL, &interface, 1UL << 20));
        /* Each pointer of both tables leads somewhere. */
        for (size_t i = 0; i < (sizeof(*f) - sizeof(void *)) / sizeof(void *); i++)
                HOLDS(((void **)f)[i + 1]);
        for (size_t i = 0; i < (sizeof(*list) - sizeof(void *)) / sizeof(void *); i++)
                HOLDS(((void **)list)[i + 1]);
}

static CK_RV no_mutex(void *mutex)
{
        return CKR_OK;
}

static CK_RV no_new_mutex(void **mutex)
{
        return CKR_OK;
}

static void test_initialize(void)
{
        /* Where the standard has pReserved, NSS's header has another name. */
        CK_C_INITIALIZE_ARGS reserved = {.LibraryParameters = (CK_CHAR_PTR *)&slot},
                             some = {.CreateMutex = no_new_mutex},
                             own = {no_new_mutex, no_mutex, no_mutex, no_mutex, 0, NULL, NULL},
                             both = {no_new_mutex, no_mutex, no_mutex, no_mutex, CKF_OS_LOCKING_OK, NULL,
                                     NULL},
                             no_threads = {.flags = CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS};
        CK_INFO info;
        CK_ULONG n;

        GIVES(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GetInfo(&info));
        GIVES(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GetSlotList(CK_TRUE, NULL, &n));
        GIVES(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_CloseSession(1));
        GIVES(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_Finalize(NULL));
        GIVES(CKR_ARGUMENTS_BAD, f->C_Initialize(&reserved));
        GIVES(CKR_ARGUMENTS_BAD, f->C_Initialize(&some));
        GIVES(CKR_CANT_LOCK, f->C_Initialize(&own));
        GIVES(CKR_OK, f->C_Initialize(&both));
        GIVES(CKR_OK, f->C_Finalize(NULL));
        GIVES(CKR_OK, f->C_Initialize(&no_threads));
        GIVES(CKR_CRYPTOKI_ALREADY_INITIALIZED, f->C_Initialize(NULL));
        GIVES(CKR_ARGUMENTS_BAD, f->C_Finalize(&slot));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetInfo(NULL));
        GIVES(CKR_OK, f->C_GetInfo(&info));
        HOLDS(info.cryptokiVersion.major == 3 && info.flags == 0);
}

/* ---- slots ---- */

static void test_slots(const char *label)
{
        CK_MECHANISM_TYPE mechanisms[256];
        CK_MECHANISM_INFO mechanism;
        CK_SLOT_INFO slot_info;
        CK_TOKEN_INFO token_info;
        CK_ULONG n = 0;

        GIVES(CKR_ARGUMENTS_BAD, f->C_GetSlotList(CK_TRUE, NULL, NULL));
        GIVES(CKR_OK, f->C_GetSlotList(CK_FALSE, NULL, &n));
        HOLDS(n >= 1);
        n = 0;
        GIVES(CKR_BUFFER_TOO_SMALL, f->C_GetSlotList(CK_TRUE, mechanisms, &n));
        find_slot(label);
        GIVES(CKR_SLOT_ID_INVALID, f->C_GetSlotInfo(NO_SLOT, &slot_info));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetSlotInfo(slot, NULL));
        GIVES(CKR_OK, f->C_GetSlotInfo(slot, &slot_info));
        HOLDS((slot_info.flags & CKF_TOKEN_PRESENT) && !(slot_info.flags & CKF_REMOVABLE_DEVICE));
        GIVES(CKR_SLOT_ID_INVALID, f->C_GetTokenInfo(NO_SLOT, &token_info));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetTokenInfo(slot, NULL));
        GIVES(CKR_OK, f->C_GetTokenInfo(slot, &token_info));
        HOLDS((token_info.flags & CKF_TOKEN_INITIALIZED) && !(token_info.flags & CKF_LOGIN_REQUIRED));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetMechanismList(slot, NULL, NULL));
        GIVES(CKR_SLOT_ID_INVALID, f->C_GetMechanismList(NO_SLOT, NULL, &n));
        GIVES(CKR_OK, f->C_GetMechanismList(slot, NULL, &n));
        HOLDS(n > 10);
        n = 1;
        GIVES(CKR_BUFFER_TOO_SMALL, f->C_GetMechanismList(slot, mechanisms, &n));
        n = ARRAY_SIZE(mechanisms);
        GIVES(CKR_OK, f->C_GetMechanismList(slot, mechanisms, &n));
        for (CK_ULONG i = 0; i < n; i++)
                GIVES(CKR_OK, f->C_GetMechanismInfo(slot, mechanisms[i], &mechanism));
        GIVES(CKR_MECHANISM_INVALID, f->C_GetMechanismInfo(slot, CKM_RSA_X_509, &mechanism));
        GIVES(CKR_MECHANISM_INVALID, f->C_GetMechanismInfo(slot, CKM_VENDOR_DEFINED | 7, &mechanism));
        GIVES(CKR_SLOT_ID_INVALID, f->C_GetMechanismInfo(NO_SLOT, CKM_RSA_PKCS, &mechanism));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetMechanismInfo(slot, CKM_RSA_PKCS, NULL));
        GIVES(CKR_OK, f->C_GetMechanismInfo(slot, CKM_RSA_PKCS, &mechanism));
        HOLDS((mechanism.flags & CKF_SIGN) && mechanism.ulMinKeySize >= 1024);
        GIVES(CKR_ARGUMENTS_BAD, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL));
        GIVES(CKR_NO_EVENT, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, mechanisms, NULL));
}

/* ---- sessions ---- */

static void test_sessions(void)
{
        CK_SESSION_HANDLE other, second;
        CK_SESSION_INFO info;
        CK_UTF8CHAR pin[] = "anything";

        GIVES(CKR_SESSION_PARALLEL_NOT_SUPPORTED, f->C_OpenSession(slot, 0, NULL, NULL, &other));
        GIVES(CKR_ARGUMENTS_BAD, f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, NULL));
        GIVES(CKR_SLOT_ID_INVALID, f->C_OpenSession(NO_SLOT, CKF_SERIAL_SESSION, NULL, NULL, &other));
        GIVES(CKR_OK, f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &other));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetSessionInfo(other, NULL));
        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_GetSessionInfo(NO_SESSION, &info));
        GIVES(CKR_OK, f->C_GetSessionInfo(other, &info));
        HOLDS(info.slotID == slot && info.state == CKS_RO_USER_FUNCTIONS);
        GIVES(CKR_OK, f->C_CloseSession(other));
        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_CloseSession(other));
        GIVES(CKR_OK, f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &second));
        HOLDS(second != other);
        GIVES(CKR_OK, f->C_GetSessionInfo(second, &info));
        HOLDS(info.state == CKS_RW_USER_FUNCTIONS);
        GIVES(CKR_OK, f->C_Login(second, CKU_USER, pin, 8));
        GIVES(CKR_USER_ALREADY_LOGGED_IN, f->C_Login(second, CKU_USER, pin, 8));
        GIVES(CKR_OK, f->C_Logout(second));
        GIVES(CKR_OK, f->C_Login(second, CKU_USER, NULL, 0));
        GIVES(CKR_ARGUMENTS_BAD, f->C_Login(second, CKU_USER, NULL, 4));
        GIVES(CKR_USER_TYPE_INVALID, f->C_Login(second, CKU_SO, pin, 8));
        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_Login(NO_SESSION, CKU_USER, pin, 8));
        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_Logout(NO_SESSION));
        GIVES(CKR_SLOT_ID_INVALID, f->C_CloseAllSessions(NO_SLOT));
        GIVES(CKR_OK, f->C_CloseAllSessions(slot));
        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_GetSessionInfo(second, &info));
        GIVES(CKR_OK, f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
        GIVES(CKR_FUNCTION_NOT_SUPPORTED, f->C_InitToken(slot, pin, 8, pin));
        GIVES(CKR_FUNCTION_NOT_SUPPORTED, f->C_InitPIN(session, pin, 8));
        GIVES(CKR_FUNCTION_NOT_SUPPORTED, f->C_SetPIN(session, pin, 8, pin, 8));
}

/* ---- objects ---- */

static void test_finding(void)
{
        CK_OBJECT_HANDLE found[64];
        CK_ATTRIBUTE bad = {CKA_LABEL, NULL, 4};
        CK_OBJECT_CLASS class = 0x12345678;
        CK_ATTRIBUTE strange = {CKA_CLASS, &class, sizeof(class)};
        CK_ULONG n = 9, all = 0;

        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_FindObjectsInit(NO_SESSION, NULL, 0));
        GIVES(CKR_ARGUMENTS_BAD, f->C_FindObjectsInit(session, NULL, 1));
        GIVES(CKR_ARGUMENTS_BAD, f->C_FindObjectsInit(session, &bad, 1));
        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjects(session, found, 1, &n));
        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjectsFinal(session));
        GIVES(CKR_OK, f->C_FindObjectsInit(session, NULL, 0));
        GIVES(CKR_OPERATION_ACTIVE, f->C_FindObjectsInit(session, NULL, 0));
        GIVES(CKR_ARGUMENTS_BAD, f->C_FindObjects(session, NULL, 1, &n));
        GIVES(CKR_ARGUMENTS_BAD, f->C_FindObjects(session, found, 1, NULL));
        do {
                GIVES(CKR_OK, f->C_FindObjects(session, found, 3, &n));
                HOLDS(n <= 3);
                all += n;
        } while (n > 0);
        HOLDS(all >= 4);
        GIVES(CKR_OK, f->C_FindObjectsFinal(session));
        GIVES(CKR_OK, f->C_FindObjectsInit(session, &strange, 1));
        GIVES(CKR_OK, f->C_FindObjects(session, found, 3, &n));
        HOLDS(n == 0);
        GIVES(CKR_OK, f->C_FindObjectsFinal(session));
        rsa = find(CKO_PRIVATE_KEY, "rsa");
        rsa_public = find(CKO_PUBLIC_KEY, "rsa");
        ec = find(CKO_PRIVATE_KEY, "ec");
        ec_public = find(CKO_PUBLIC_KEY, "ec");
        HOLDS(rsa == find(CKO_PRIVATE_KEY, "rsa") && rsa != ec && rsa != rsa_public);
}

static void test_attributes(void)
{
        unsigned char buffer[1024], label[3];
        CK_ATTRIBUTE one = {CKA_MODULUS, NULL, 0};
        CK_ATTRIBUTE mixed[] = {{CKA_PRIVATE_EXPONENT, buffer, sizeof(buffer)},
                {CKA_LABEL, label, sizeof(label)}, {CKA_VENDOR_DEFINED | 9, buffer, 4}};
        CK_ULONG size;

        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_GetAttributeValue(NO_SESSION, rsa, &one, 1));
        GIVES(CKR_OBJECT_HANDLE_INVALID, f->C_GetAttributeValue(session, NO_OBJECT, &one, 1));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetAttributeValue(session, rsa, NULL, 1));
        GIVES(CKR_OK, f->C_GetAttributeValue(session, rsa, &one, 1));
        HOLDS(one.ulValueLen == 256);
        one.pValue = buffer;
        one.ulValueLen = 255;
        GIVES(CKR_BUFFER_TOO_SMALL, f->C_GetAttributeValue(session, rsa, &one, 1));
        HOLDS(one.ulValueLen == CK_UNAVAILABLE_INFORMATION);
        /* A member that fails does not keep the others from being served. */
        GIVES(CKR_ATTRIBUTE_SENSITIVE, f->C_GetAttributeValue(session, rsa, mixed, 3));
        HOLDS(mixed[0].ulValueLen == CK_UNAVAILABLE_INFORMATION && mixed[1].ulValueLen == 3 &&
                memcmp(label, "rsa", 3) == 0 && mixed[2].ulValueLen == CK_UNAVAILABLE_INFORMATION);
        GIVES(CKR_ARGUMENTS_BAD, f->C_GetObjectSize(session, rsa, NULL));
        GIVES(CKR_OBJECT_HANDLE_INVALID, f->C_GetObjectSize(session, NO_OBJECT, &size));
        GIVES(CKR_OK, f->C_GetObjectSize(session, rsa, &size));
}

/* A session that reads alone changes nothing, and a private key in the clear is taken from nobody. */
static void test_writing(void)
{
        CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY, certificate = CKO_CERTIFICATE, data = CKO_DATA;
        CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
        CK_KEY_TYPE type = CKK_RSA;
        CK_BYTE value[] = {1, 0, 1};
        CK_ULONG bits = 2048, small = 1024;
        CK_ATTRIBUTE key[] = {{CKA_CLASS, &private_key, sizeof(private_key)},
                {CKA_KEY_TYPE, &type, sizeof(type)}, {CKA_TOKEN, &yes, 1}, {CKA_PRIVATE_EXPONENT, value, 3}};
        CK_ATTRIBUTE cert[] = {{CKA_CLASS, &certificate, sizeof(certificate)}, {CKA_TOKEN, &yes, 1}};
        CK_ATTRIBUTE rubbish[] = {{CKA_CLASS, &certificate, sizeof(certificate)}, {CKA_TOKEN, &yes, 1},
                {CKA_LABEL, value, 1}, {CKA_VALUE, value, 3}};
        CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;
        CK_BYTE bytes[4];
        CK_ATTRIBUTE secret[] = {{CKA_CLASS, &secret_key, sizeof(secret_key)},
                {CKA_KEY_TYPE, &type, sizeof(type)}, {CKA_VALUE, value, 3}};
        CK_ATTRIBUTE read = {CKA_VALUE, bytes, sizeof(bytes)};
        CK_ATTRIBUTE other = {CKA_CLASS, &data, sizeof(data)};
        CK_ATTRIBUTE public_template[] = {{CKA_MODULUS_BITS, &bits, sizeof(bits)}},
                     small_template[] = {{CKA_MODULUS_BITS, &small, sizeof(small)}};
        CK_ATTRIBUTE open_template[] = {{CKA_TOKEN, &yes, 1}, {CKA_SENSITIVE, &no, 1}},
                     good_template[] = {{CKA_TOKEN, &yes, 1}};
        CK_ATTRIBUTE label = {CKA_LABEL, value, 3}, id = {CKA_ID, value, 3};
        CK_MECHANISM generate = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0}, sign = {CKM_RSA_PKCS, NULL, 0};
        CK_SESSION_HANDLE writer;
        CK_OBJECT_HANDLE made, half;

        GIVES(CKR_OK, f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &writer));
        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_CreateObject(NO_SESSION, key, 4, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_CreateObject(writer, NULL, 4, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_CreateObject(writer, key, 4, NULL));
        GIVES(CKR_TEMPLATE_INCOMPLETE, f->C_CreateObject(writer, key, 0, &made));
        GIVES(CKR_SESSION_READ_ONLY, f->C_CreateObject(session, key, 4, &made));
        GIVES(CKR_TOKEN_WRITE_PROTECTED, f->C_CreateObject(writer, key, 4, &made));
        GIVES(CKR_TEMPLATE_INCOMPLETE, f->C_CreateObject(writer, cert, 2, &made));
        GIVES(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(writer, rubbish, 4, &made));
        GIVES(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(writer, &other, 1, &made));
        type = CKK_GENERIC_SECRET;
        GIVES(CKR_TEMPLATE_INCOMPLETE, f->C_CreateObject(session, secret, 2, &made));
        GIVES(CKR_OK, f->C_CreateObject(session, secret, 3, &made));
        GIVES(CKR_OK, f->C_GetAttributeValue(session, made, &read, 1));
        HOLDS(read.ulValueLen == 3 && memcmp(bytes, value, 3) == 0);
        GIVES(CKR_OK, f->C_DestroyObject(session, made));
        type = CKK_AES;
        GIVES(CKR_TOKEN_WRITE_PROTECTED, f->C_CreateObject(session, secret, 3, &made));
        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_DestroyObject(NO_SESSION, rsa));
        GIVES(CKR_OBJECT_HANDLE_INVALID, f->C_DestroyObject(writer, NO_OBJECT));
        GIVES(CKR_SESSION_READ_ONLY, f->C_DestroyObject(session, rsa));
        GIVES(CKR_SESSION_READ_ONLY, f->C_SetAttributeValue(session, rsa, &label, 1));
        GIVES(CKR_ARGUMENTS_BAD, f->C_SetAttributeValue(writer, rsa, NULL, 1));
        GIVES(CKR_OBJECT_HANDLE_INVALID, f->C_SetAttributeValue(writer, NO_OBJECT, &label, 1));
        GIVES(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(writer, rsa, &id, 1));
        GIVES(CKR_ACTION_PROHIBITED, f->C_CopyObject(writer, rsa, NULL, 0, &made));
        GIVES(CKR_ARGUMENTS_BAD, f->C_CopyObject(writer, rsa, NULL, 0, NULL));
        GIVES(CKR_OBJECT_HANDLE_INVALID, f->C_CopyObject(writer, NO_OBJECT, NULL, 0, &made));
        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_CopyObject(NO_SESSION, rsa, NULL, 0, &made));
        GIVES(CKR_SESSION_READ_ONLY,
                f->C_GenerateKeyPair(session, &generate, public_template, 1, good_template, 1, &made, &half));
        GIVES(CKR_ARGUMENTS_BAD,
                f->C_GenerateKeyPair(writer, NULL, public_template, 1, good_template, 1, &made, &half));
        GIVES(CKR_ARGUMENTS_BAD,
                f->C_GenerateKeyPair(writer, &generate, public_template, 1, good_template, 1, NULL, &half));
        GIVES(CKR_MECHANISM_INVALID,
                f->C_GenerateKeyPair(writer, &sign, public_template, 1, good_template, 1, &made, &half));
        GIVES(CKR_TEMPLATE_INCONSISTENT,
                f->C_GenerateKeyPair(writer, &generate, public_template, 1, open_template, 2, &made, &half));
        GIVES(CKR_KEY_SIZE_RANGE,
                f->C_GenerateKeyPair(writer, &generate, small_template, 1, good_template, 1, &made, &half));
        GIVES(CKR_TEMPLATE_INCOMPLETE,
                f->C_GenerateKeyPair(writer, &generate, NULL, 0, good_template, 1, &made, &half));
        GIVES(CKR_OK, f->C_CloseSession(writer));
}

/* A pair is two objects, whichever is deleted first. */
static void test_pairs(void)
{
        CK_BBOOL yes = CK_TRUE;
        CK_BYTE p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, ed25519[] = {6, 3, 0x2b, 0x65, 0x70},
                ed448[] = {6, 3, 0x2b, 0x65, 0x71};
        CK_ATTRIBUTE curve = {CKA_EC_PARAMS, p256, sizeof(p256)}, label = {CKA_LABEL, NULL, 0},
                     alias = {CKA_ID, (void *)"alias", 5}, bytes = {CKA_ID, p256, sizeof(p256)},
                     private_template[] = {{CKA_TOKEN, &yes, 1}, {CKA_LABEL, (void *)"pair", 4}};
        CK_MECHANISM generate = {CKM_EC_KEY_PAIR_GEN, NULL, 0},
                     edwards = {CKM_EC_EDWARDS_KEY_PAIR_GEN, NULL, 0};
        CK_MECHANISM_INFO info;
        CK_SESSION_HANDLE writer;
        CK_OBJECT_HANDLE private, public;

        GIVES(CKR_OK, f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &writer));
        GIVES(CKR_OK,
                f->C_GenerateKeyPair(writer, &generate, &curve, 1, private_template, 2, &public, &private));
        GIVES(CKR_OK, f->C_DestroyObject(writer, private));
        GIVES(CKR_OBJECT_HANDLE_INVALID, f->C_DestroyObject(writer, private));
        GIVES(CKR_OBJECT_HANDLE_INVALID, f->C_GetAttributeValue(writer, public, &label, 1));
        GIVES(CKR_OK, f->C_DestroyObject(writer, public));
        GIVES(CKR_OBJECT_HANDLE_INVALID, f->C_DestroyObject(writer, public));
        GIVES(CKR_OK,
                f->C_GenerateKeyPair(writer, &generate, &curve, 1, private_template, 2, &public, &private));
        GIVES(CKR_OK, f->C_DestroyObject(writer, public));
        GIVES(CKR_OK, f->C_DestroyObject(writer, private));
        /* Without a label the key is named later. Java gives it an alias by its CKA_ID. */
        GIVES(CKR_OK,
                f->C_GenerateKeyPair(writer, &generate, &curve, 1, private_template, 1, &public, &private));
        GIVES(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(writer, private, &bytes, 1));
        GIVES(CKR_OK, f->C_SetAttributeValue(writer, private, &alias, 1));
        GIVES(CKR_OK, f->C_GetAttributeValue(writer, public, &label, 1));
        HOLDS(label.ulValueLen == 5);
        GIVES(CKR_ATTRIBUTE_READ_ONLY, f->C_SetAttributeValue(writer, private, &alias, 1));
        GIVES(CKR_OK, f->C_DestroyObject(writer, private));
        GIVES(CKR_CURVE_NOT_SUPPORTED,
                f->C_GenerateKeyPair(writer, &edwards, &curve, 1, private_template, 2, &public, &private));
        curve = (CK_ATTRIBUTE){CKA_EC_PARAMS, ed448, sizeof(ed448)};
        GIVES(CKR_CURVE_NOT_SUPPORTED,
                f->C_GenerateKeyPair(writer, &edwards, &curve, 1, private_template, 2, &public, &private));
        curve = (CK_ATTRIBUTE){CKA_EC_PARAMS, ed25519, sizeof(ed25519)};
        GIVES(CKR_CURVE_NOT_SUPPORTED,
                f->C_GenerateKeyPair(writer, &generate, &curve, 1, private_template, 2, &public, &private));
        if (f->C_GetMechanismInfo(slot, edwards.mechanism, &info) == CKR_OK) {
                GIVES(CKR_OK, f->C_GenerateKeyPair(
                                      writer, &edwards, &curve, 1, private_template, 2, &public, &private));
                GIVES(CKR_OK, f->C_DestroyObject(writer, private));
        }
        GIVES(CKR_OK, f->C_CloseSession(writer));
}

/* ---- signing ---- */

static void test_sign_init(void)
{
        CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32},
                               mixed = {CKM_SHA256, CKG_MGF1_SHA384, 32},
                               long_salt = {CKM_SHA256, CKG_MGF1_SHA256, 223};
        CK_MECHANISM pkcs = {CKM_RSA_PKCS, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0},
                     none = {CKM_RSA_X_509, NULL, 0}, bare_pss = {CKM_RSA_PKCS_PSS, NULL, 0},
                     good_pss = {CKM_RSA_PKCS_PSS, &pss, sizeof(pss)},
                     mixed_pss = {CKM_RSA_PKCS_PSS, &mixed, sizeof(mixed)},
                     short_pss = {CKM_RSA_PKCS_PSS, &pss, sizeof(pss) - 1},
                     long_pss = {CKM_RSA_PKCS_PSS, &long_salt, sizeof(long_salt)},
                     extra = {CKM_RSA_PKCS, &pss, sizeof(pss)}, null_parameter = {CKM_RSA_PKCS_PSS, NULL, 24},
                     digest = {CKM_SHA256, NULL, 0};

        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_SignInit(NO_SESSION, &pkcs, rsa));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_SignInit(session, &pkcs, NO_OBJECT));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_SignInit(session, &pkcs, rsa_public));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_VerifyInit(session, &pkcs, rsa));
        GIVES(CKR_KEY_TYPE_INCONSISTENT, f->C_SignInit(session, &ecdsa, rsa));
        GIVES(CKR_KEY_TYPE_INCONSISTENT, f->C_SignInit(session, &pkcs, ec));
        GIVES(CKR_KEY_TYPE_INCONSISTENT, f->C_VerifyInit(session, &pkcs, ec_public));
        GIVES(CKR_MECHANISM_INVALID, f->C_SignInit(session, &none, rsa));
        GIVES(CKR_MECHANISM_INVALID, f->C_SignInit(session, &digest, rsa));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(session, &bare_pss, rsa));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(session, &mixed_pss, rsa));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(session, &short_pss, rsa));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(session, &long_pss, rsa));
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(session, &extra, rsa));
        GIVES(CKR_ARGUMENTS_BAD, f->C_SignInit(session, &null_parameter, rsa));
        GIVES(CKR_OK, f->C_SignInit(session, &good_pss, rsa));
        GIVES(CKR_OPERATION_ACTIVE, f->C_SignInit(session, &good_pss, rsa));
        /* Without a mechanism: the operation ends. */
        GIVES(CKR_OK, f->C_SignInit(session, NULL, 0));
        GIVES(CKR_OK, f->C_SignInit(session, &pkcs, rsa));
        GIVES(CKR_OK, f->C_SessionCancel(session, CKF_SIGN));
}

static void test_sign(void)
{
        CK_BYTE data[300] = {1, 2, 3}, signature[512];
        CK_MECHANISM pkcs = {CKM_RSA_PKCS, NULL, 0}, hashed = {CKM_SHA256_RSA_PKCS, NULL, 0},
                     ecdsa = {CKM_ECDSA_SHA256, NULL, 0};
        CK_ULONG n = 0;

        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_Sign(session, data, 3, signature, &n));
        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_SignUpdate(session, data, 3));
        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_SignFinal(session, signature, &n));
        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_Sign(NO_SESSION, data, 3, signature, &n));
        /* A question for the size, and a small buffer, leave the operation. */
        GIVES(CKR_OK, f->C_SignInit(session, &hashed, rsa));
        GIVES(CKR_OK, f->C_Sign(session, data, 3, NULL, &n));
        HOLDS(n == 256);
        n = 255;
        GIVES(CKR_BUFFER_TOO_SMALL, f->C_Sign(session, data, 3, signature, &n));
        HOLDS(n == 256);
        n = sizeof(signature);
        GIVES(CKR_OK, f->C_Sign(session, data, 3, signature, &n));
        HOLDS(n == 256);
        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_Sign(session, data, 3, signature, &n));
        GIVES(CKR_OK, f->C_VerifyInit(session, &hashed, rsa_public));
        GIVES(CKR_OK, f->C_Verify(session, data, 3, signature, n));
        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_Verify(session, data, 3, signature, n));
        GIVES(CKR_OK, f->C_VerifyInit(session, &hashed, rsa_public));
        GIVES(CKR_SIGNATURE_LEN_RANGE, f->C_Verify(session, data, 3, signature, n - 1));
        signature[9] ^= 1;
        GIVES(CKR_OK, f->C_VerifyInit(session, &hashed, rsa_public));
        GIVES(CKR_SIGNATURE_INVALID, f->C_Verify(session, data, 3, signature, n));
        /* In parts. */
        GIVES(CKR_OK, f->C_SignInit(session, &ecdsa, ec));
        GIVES(CKR_OK, f->C_SignUpdate(session, data, 1));
        GIVES(CKR_OPERATION_ACTIVE, f->C_Sign(session, data, 3, signature, &n));
        GIVES(CKR_OK, f->C_SignUpdate(session, data + 1, 2));
        n = 3;
        GIVES(CKR_BUFFER_TOO_SMALL, f->C_SignFinal(session, signature, &n));
        GIVES(CKR_OK, f->C_SignFinal(session, signature, &n));
        HOLDS(n == 64);
        GIVES(CKR_OK, f->C_VerifyInit(session, &ecdsa, ec_public));
        GIVES(CKR_OK, f->C_VerifyUpdate(session, data, 2));
        GIVES(CKR_OK, f->C_VerifyUpdate(session, data + 2, 1));
        GIVES(CKR_OK, f->C_VerifyFinal(session, signature, n));
        /* What does not fit under the padding. */
        n = sizeof(signature);
        GIVES(CKR_OK, f->C_SignInit(session, &pkcs, rsa));
        GIVES(CKR_DATA_LEN_RANGE, f->C_Sign(session, data, 246, signature, &n));
        GIVES(CKR_OK, f->C_SignInit(session, &pkcs, rsa));
        GIVES(CKR_ARGUMENTS_BAD, f->C_Sign(session, NULL, 3, signature, &n));
}

/* With the public half, in the module; the token decrypts. */
static void encrypts(CK_MECHANISM *mechanism, CK_ULONG longest)
{
        CK_BYTE message[256], encrypted[256], decrypted[256];
        CK_ULONG n = sizeof(encrypted), m;

        for (CK_ULONG i = 0; i < sizeof(message); i++)
                message[i] = (CK_BYTE)(i * 7);
        GIVES(CKR_OK, f->C_EncryptInit(session, mechanism, rsa_public));
        GIVES(CKR_DATA_LEN_RANGE, f->C_Encrypt(session, message, longest + 1, encrypted, &n));
        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_Encrypt(session, message, 1, encrypted, &n));
        for (CK_ULONG length = 0; length <= longest;
                length += length + 64 < longest ? 64 : longest - length) {
                GIVES(CKR_OK, f->C_EncryptInit(session, mechanism, rsa_public));
                GIVES(CKR_OK, f->C_Encrypt(session, message, length, NULL, &n));
                HOLDS(n == 256);
                n = 255;
                GIVES(CKR_BUFFER_TOO_SMALL, f->C_Encrypt(session, message, length, encrypted, &n));
                n = 256;
                GIVES(CKR_OK, f->C_Encrypt(session, message, length, encrypted, &n));
                HOLDS(n == 256);
                m = sizeof(decrypted);
                GIVES(CKR_OK, f->C_DecryptInit(session, mechanism, rsa));
                GIVES(CKR_OK, f->C_Decrypt(session, encrypted, n, decrypted, &m));
                HOLDS(m == length && memcmp(decrypted, message, m) == 0);
                if (length == longest)
                        break;
        }
}

/* SoftHSM2 decrypts OAEP with SHA-1 and without a label alone. */
static void test_encrypt(bool soft_hsm)
{
        CK_BYTE label[] = "label";
        CK_RSA_PKCS_OAEP_PARAMS params = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0},
                                mixed = {CKM_SHA_1, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
        CK_MECHANISM pkcs1 = {CKM_RSA_PKCS, NULL, 0}, oaep = {CKM_RSA_PKCS_OAEP, &params, sizeof(params)},
                     no_oaep = {CKM_RSA_PKCS_OAEP, &mixed, sizeof(mixed)};
        CK_MECHANISM_INFO info;

        GIVES(CKR_OK, f->C_GetMechanismInfo(slot, CKM_RSA_PKCS, &info));
        HOLDS(info.flags & CKF_ENCRYPT);
        encrypts(&pkcs1, 256 - 11);
        encrypts(&oaep, 256 - 42);
        params = (CK_RSA_PKCS_OAEP_PARAMS){CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, label, 5};
        if (!soft_hsm)
                encrypts(&oaep, 256 - 66);
        params = (CK_RSA_PKCS_OAEP_PARAMS){CKM_SHA512, CKG_MGF1_SHA512, CKZ_DATA_SPECIFIED, NULL, 0};
        if (!soft_hsm)
                encrypts(&oaep, 256 - 130);
        GIVES(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(session, &no_oaep, rsa_public));
        GIVES(CKR_KEY_HANDLE_INVALID, f->C_EncryptInit(session, &pkcs1, rsa));
        GIVES(CKR_KEY_TYPE_INCONSISTENT, f->C_EncryptInit(session, &pkcs1, ec_public));
}

static void test_digest(void)
{
        static const CK_BYTE abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
        CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0}, sign = {CKM_RSA_PKCS, NULL, 0};
        CK_BYTE data[] = "abc", digest[64];
        CK_ULONG n = 0;

        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_DigestInit(NO_SESSION, &sha256));
        GIVES(CKR_MECHANISM_INVALID, f->C_DigestInit(session, &sign));
        GIVES(CKR_OPERATION_NOT_INITIALIZED, f->C_Digest(session, data, 3, digest, &n));
        GIVES(CKR_OK, f->C_DigestInit(session, &sha256));
        GIVES(CKR_OPERATION_ACTIVE, f->C_DigestInit(session, &sha256));
        GIVES(CKR_OK, f->C_Digest(session, data, 3, NULL, &n));
        HOLDS(n == 32);
        n = 31;
        GIVES(CKR_BUFFER_TOO_SMALL, f->C_Digest(session, data, 3, digest, &n));
        GIVES(CKR_OK, f->C_Digest(session, data, 3, digest, &n));
        HOLDS(memcmp(digest, abc, sizeof(abc)) == 0);
        GIVES(CKR_OK, f->C_DigestInit(session, &sha256));
        GIVES(CKR_OK, f->C_DigestUpdate(session, data, 1));
        GIVES(CKR_OK, f->C_DigestUpdate(session, data + 1, 2));
        memset(digest, 0, sizeof(digest));
        GIVES(CKR_OK, f->C_DigestFinal(session, digest, &n));
        HOLDS(memcmp(digest, abc, sizeof(abc)) == 0);
}

static void test_random(void)
{
        CK_BYTE bytes[16];

        GIVES(CKR_SESSION_HANDLE_INVALID, f->C_GenerateRandom(NO_SESSION, bytes, 16));
        GIVES(CKR_ARGUMENTS_BAD, f->C_GenerateRandom(session, NULL, 16));
        GIVES(CKR_OK, f->C_GenerateRandom(session, bytes, 16));
        GIVES(CKR_RANDOM_SEED_NOT_SUPPORTED, f->C_SeedRandom(session, bytes, 16));
        GIVES(CKR_FUNCTION_NOT_PARALLEL, f->C_GetFunctionStatus(session));
        GIVES(CKR_FUNCTION_NOT_PARALLEL, f->C_CancelFunction(session));
}

int main(int argc, char **argv)
{
        void *library;

        if (argc != 3) {
                fprintf(stderr, "usage: conformance MODULE TOKEN\n");
                return 2;
        }
        library = load(argv[1]);
        test_interfaces();
        test_initialize();
        test_slots(argv[2]);
        test_sessions();
        test_finding();
        test_attributes();
        test_writing();
        test_pairs();
        test_sign_init();
        test_sign();
        test_encrypt(strcmp(argv[2], "hsm") == 0);
        test_digest();
        test_random();
        GIVES(CKR_OK, f->C_Finalize(NULL));
        GIVES(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_CloseSession(session));
        dlclose(library);
        printf("%u passed, %u failed\n", n_passed, n_failed);
        return n_failed > 0;
}

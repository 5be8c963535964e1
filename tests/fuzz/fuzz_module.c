/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the PKCS #11 module makes of a daemon's replies: a program that loads it walks through slots, objects and operations. Each line is
 * what the daemon sends on one connection before it closes it, with a NUL behind it; the module connects again for the next call.
 */
#include <errno.h>
#include <nss/pkcs11.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/internal.h"
#include "tests/fuzz/fuzz.h"

#define OBJECTS_MAX 32

static const uint8_t *lines, *lines_end;
static int peer = -1; /* the daemon's end of the last connection: what is sent there is missed by nobody */

static void close_peer(void)
{
        if (peer >= 0)
                close(peer);
        peer = -1;
}

/* The library calls these by their names (-Wl,--wrap). */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
int __wrap_socket_connect(struct pool_connection *connection, const char *path)
{
        const uint8_t *end;
        struct stat status;
        int fds[2];

        if (lines == lines_end)
                return -EACCES;
        end = memchr(lines, '\n', (size_t)(lines_end - lines));
        if (!end)
                end = lines_end;
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
        CHECK(dup2(fds[0], connection->fd) >= 0 && fstat(connection->fd, &status) == 0);
        connection->ino = status.st_ino;
        close(fds[0]);
        (void)send(fds[1], lines, (size_t)(end - lines), MSG_NOSIGNAL);
        (void)send(fds[1], "", 1, MSG_NOSIGNAL);
        lines = end < lines_end ? end + 1 : end;
        CHECK(shutdown(fds[1], SHUT_WR) == 0);
        close_peer();
        peer = fds[1];
        return 0;
}

/* It waits before it tries again. */
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
        return 0;
}

/* ---- a program ---- */

static CK_FUNCTION_LIST *f;

/* Every attribute is as long as it was said to be. */
static void read_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
        static const CK_ATTRIBUTE_TYPE types[] = {CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_LABEL, CKA_ID,
                CKA_VALUE, CKA_VALUE_LEN, CKA_CERTIFICATE_TYPE, CKA_ISSUER, CKA_SERIAL_NUMBER, CKA_SUBJECT,
                CKA_KEY_TYPE, CKA_SENSITIVE, CKA_SIGN, CKA_DECRYPT, CKA_MODULUS, CKA_MODULUS_BITS,
                CKA_PUBLIC_EXPONENT, CKA_EC_PARAMS, CKA_EC_POINT, CKA_PUBLIC_KEY_INFO, CKA_PROFILE_ID};

        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                CK_ATTRIBUTE attribute = {types[i], NULL, 0};
                CK_ULONG length;

                if (f->C_GetAttributeValue(session, object, &attribute, 1) != CKR_OK)
                        continue;
                length = attribute.ulValueLen;
                attribute.pValue = malloc(length + 1);
                CHECK(attribute.pValue);
                CHECK(f->C_GetAttributeValue(session, object, &attribute, 1) == CKR_OK);
                CHECK(attribute.ulValueLen == length);
                free(attribute.pValue);
        }
}

/* The output has just the bytes that the module asked for. */
static void sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE type)
{
        CK_MECHANISM mechanism = {type, NULL, 0};
        CK_BYTE input[32] = {0}, *signature;
        CK_ULONG needed = 0, n;

        if (f->C_SignInit(session, &mechanism, key) != CKR_OK)
                return;
        CHECK(f->C_Sign(session, input, sizeof(input), NULL, &needed) == CKR_OK);
        signature = malloc(needed + 1);
        CHECK(signature);
        n = needed;
        if (f->C_Sign(session, input, sizeof(input), signature, &n) == CKR_OK)
                CHECK(n == needed);
        free(signature);
}

static void verify(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE type)
{
        CK_MECHANISM mechanism = {type, NULL, 0};
        CK_BYTE input[32] = {0}, signature[256] = {1};

        if (f->C_VerifyInit(session, &mechanism, key) == CKR_OK)
                (void)f->C_Verify(session, input, sizeof(input), signature, type == CKM_ECDSA ? 64 : 256);
}

static void decrypt(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
        CK_MECHANISM mechanism = {CKM_RSA_PKCS, NULL, 0};
        CK_BYTE input[256] = {1}, *output;
        CK_ULONG n = 0;

        if (f->C_DecryptInit(session, &mechanism, key) != CKR_OK ||
                f->C_Decrypt(session, input, sizeof(input), NULL, &n) != CKR_OK)
                return;
        output = malloc(n + 1);
        CHECK(output);
        (void)f->C_Decrypt(session, input, sizeof(input), output, &n);
        free(output);
}

static void derive(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
        CK_BYTE point[65] = {4};
        CK_ECDH1_DERIVE_PARAMS parameters = {CKD_NULL, 0, NULL, sizeof(point), point};
        CK_MECHANISM mechanism = {CKM_ECDH1_DERIVE, &parameters, sizeof(parameters)};
        CK_OBJECT_CLASS class = CKO_SECRET_KEY;
        CK_KEY_TYPE type = CKK_GENERIC_SECRET;
        CK_BBOOL no = CK_FALSE;
        CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)},
                {CKA_SENSITIVE, &no, sizeof(no)}};
        CK_OBJECT_HANDLE secret;

        if (f->C_DeriveKey(session, &mechanism, key, template, 3, &secret) == CKR_OK)
                read_attributes(session, secret);
}

static void use_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
        read_attributes(session, object);
        sign(session, object, CKM_ECDSA);
        sign(session, object, CKM_RSA_PKCS);
        sign(session, object, CKM_EDDSA);
        verify(session, object, CKM_ECDSA);
        verify(session, object, CKM_RSA_PKCS);
        decrypt(session, object);
        derive(session, object);
}

static void generate(CK_SESSION_HANDLE session)
{
        CK_BYTE curve[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, label[] = {'n'};
        CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
        CK_BBOOL yes = CK_TRUE;
        CK_ATTRIBUTE public[] = {{CKA_EC_PARAMS, curve, sizeof(curve)}, {CKA_TOKEN, &yes, sizeof(yes)}};
        CK_ATTRIBUTE private[] = {{CKA_LABEL, label, sizeof(label)}, {CKA_TOKEN, &yes, sizeof(yes)}};
        CK_OBJECT_HANDLE halves[2];

        if (f->C_GenerateKeyPair(session, &mechanism, public, 2, private, 2, &halves[0], &halves[1]) ==
                CKR_OK)
                read_attributes(session, halves[1]);
}

static void use_slot(CK_SLOT_ID slot)
{
        CK_OBJECT_HANDLE found[OBJECTS_MAX];
        CK_SESSION_HANDLE session;
        CK_MECHANISM_TYPE types[256];
        CK_MECHANISM_INFO mechanism;
        CK_TOKEN_INFO token;
        CK_SLOT_INFO info;
        CK_BYTE bytes[16];
        CK_ULONG n = ARRAY_SIZE(types);

        CHECK(f->C_GetSlotInfo(slot, &info) == CKR_OK && f->C_GetTokenInfo(slot, &token) == CKR_OK);
        CHECK(f->C_GetMechanismList(slot, types, &n) == CKR_OK);
        for (CK_ULONG i = 0; i < n; i++)
                CHECK(f->C_GetMechanismInfo(slot, types[i], &mechanism) == CKR_OK);
        CHECK(f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) == CKR_OK);
        CHECK(f->C_FindObjectsInit(session, NULL, 0) == CKR_OK);
        CHECK(f->C_FindObjects(session, found, OBJECTS_MAX, &n) == CKR_OK);
        CHECK(f->C_FindObjectsFinal(session) == CKR_OK);
        for (CK_ULONG i = 0; i < n; i++)
                use_object(session, found[i]);
        (void)f->C_GenerateRandom(session, bytes, sizeof(bytes));
        generate(session);
        if (n > 0)
                (void)f->C_DestroyObject(session, found[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        CK_SLOT_ID slots[4];
        CK_ULONG n = ARRAY_SIZE(slots);

        lines = data;
        lines_end = data + size;
        CHECK(C_GetFunctionList(&f) == CKR_OK && f->C_Initialize(NULL) == CKR_OK);
        if (f->C_GetSlotList(CK_TRUE, slots, &n) == CKR_OK)
                for (CK_ULONG i = 0; i < n; i++)
                        use_slot(slots[i]);
        CHECK(f->C_Finalize(NULL) == CKR_OK);
        close_peer();
        return 0;
}

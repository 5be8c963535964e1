/* SPDX-License-Identifier: MPL-2.0 */
/* See wraps.h. */
#include "tests/bench/wraps.h"

#include <stdlib.h>
#include <string.h>

#include <nss/pkcs11.h>
#include <nss/secmod.h>
#include <nss/secmodt.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct tokend_algorithm kwp = {.struct_size = sizeof(kwp), .name = "aes_kwp"};
static const struct tokend_secret_template an_aes_key = {.struct_size = sizeof(an_aes_key),
        .type = "aes",
        .length = 32,
        .usage = TOKEND_USAGE_WRAP | TOKEND_USAGE_UNWRAP};

static int make(struct wraps *w, CK_OBJECT_HANDLE *ret)
{
        CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
        CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
        CK_ULONG length = 32;
        CK_ATTRIBUTE template[] = {{CKA_TOKEN, &no, sizeof(no)}, {CKA_SENSITIVE, &yes, sizeof(yes)},
                {CKA_EXTRACTABLE, &yes, sizeof(yes)}, {CKA_WRAP, &yes, sizeof(yes)},
                {CKA_UNWRAP, &yes, sizeof(yes)}, {CKA_VALUE_LEN, &length, sizeof(length)}};

        return w->functions->C_GenerateKey(w->session, &mechanism, template, N_OF(template), ret) == CKR_OK
                       ? 0
                       : -1;
}

int wraps_open(struct wraps *w, struct tokend *handle, PK11SlotInfo *slot, CK_SESSION_HANDLE session)
{
        *w = (struct wraps){.handle = handle,
                .functions = PK11_GetModule(slot)->functionList,
                .session = session,
                .mechanism = PK11_DoesMechanism(slot, CKM_AES_KEY_WRAP_KWP) ? CKM_AES_KEY_WRAP_KWP
                                                                            : CKM_AES_KEY_WRAP_PAD};
        if (make(w, &w->kek) < 0 || make(w, &w->key) < 0 || wraps_wrap_direct(w) != 0)
                return -1;
        if (tokend_secret_generate(handle, "bench", &an_aes_key, 60000, &w->sealed_kek, NULL) != TOKEND_OK ||
                tokend_secret_generate(handle, "bench", &an_aes_key, 60000, &w->sealed_key, NULL) !=
                        TOKEND_OK)
                return -1;
        return tokend_secret_wrap(handle, tokend_sealed_text(w->sealed_kek), NULL, 0, &kwp,
                       tokend_sealed_text(w->sealed_key), 10000, &w->theirs, &w->n_theirs, NULL) == TOKEND_OK
                       ? 0
                       : -1;
}

int wraps_wrap_direct(void *userdata)
{
        struct wraps *w = userdata;
        CK_MECHANISM mechanism = {w->mechanism, NULL, 0};
        CK_ULONG n = sizeof(w->wrapped);

        if (w->functions->C_WrapKey(w->session, &mechanism, w->kek, w->key, w->wrapped, &n) != CKR_OK)
                return 1;
        w->n_wrapped = n;
        return 0;
}

int wraps_wrap_tokend(void *userdata)
{
        struct wraps *w = userdata;
        unsigned char *wrapped;
        size_t n;

        if (tokend_secret_wrap(w->handle, tokend_sealed_text(w->sealed_kek), NULL, 0, &kwp,
                    tokend_sealed_text(w->sealed_key), 10000, &wrapped, &n, NULL) != TOKEND_OK)
                return 1;
        free(wrapped);
        return 0;
}

int wraps_unwrap_direct(void *userdata)
{
        struct wraps *w = userdata;
        CK_MECHANISM mechanism = {w->mechanism, NULL, 0};
        CK_OBJECT_CLASS class = CKO_SECRET_KEY;
        CK_KEY_TYPE type = CKK_AES;
        CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
        CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)},
                {CKA_TOKEN, &no, sizeof(no)}, {CKA_SENSITIVE, &yes, sizeof(yes)},
                {CKA_EXTRACTABLE, &yes, sizeof(yes)}};
        CK_OBJECT_HANDLE key;

        return w->functions->C_UnwrapKey(w->session, &mechanism, w->kek, w->wrapped, w->n_wrapped, template,
                       N_OF(template), &key) != CKR_OK ||
               w->functions->C_DestroyObject(w->session, key) != CKR_OK;
}

int wraps_unwrap_tokend(void *userdata)
{
        struct wraps *w = userdata;
        struct tokend_sealed *key;

        if (tokend_secret_unwrap(w->handle, tokend_sealed_text(w->sealed_kek), &kwp, w->theirs, w->n_theirs,
                    &an_aes_key, 10000, &key, NULL) != TOKEND_OK)
                return 1;
        tokend_sealed_free(key);
        return 0;
}

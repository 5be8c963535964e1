/* SPDX-License-Identifier: MPL-2.0 */
/* See slot-token.h. */
#include "daemon/worker/device/slot-token.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/util/ckr.h"
#include "daemon/util/text.h"

int failure_set(struct failure *failure, enum worker_end end, CK_RV ckr, const char *format, ...)
{
        va_list args;

        failure->end = end;
        failure->ckr = ckr;
        va_start(args, format);
        vsnprintf(failure->reason, sizeof(failure->reason), format, args);
        va_end(args);
        return 1;
}

int failure_ckr(struct failure *failure, CK_RV ckr, const char *what)
{
        char name[CKR_TEXT];
        enum worker_end end = WORKER_END_ERROR;

        switch (ckr_class(ckr)) {
        case CKR_CLASS_PIN:
                end = WORKER_END_PIN;
                break;
        case CKR_CLASS_DEVICE:
                /* The device is there no more, or not yet: asked again soon, as for one that is absent. */
                end = ckr == CKR_TOKEN_NOT_PRESENT || ckr == CKR_DEVICE_REMOVED || ckr == CKR_SLOT_ID_INVALID
                              ? WORKER_END_ABSENT
                              : WORKER_END_ERROR;
                break;
        default:
                break;
        }
        return failure_set(failure, end, ckr, "%s: %s", what, ckr_text(ckr, name));
}

void slot_token_init(struct slot_token *token, const struct config_token *config, bool look)
{
        *token = (struct slot_token){
                .config = config, .look = look, .internal = strcmp(config->module, "internal") == 0};
        call_gate_init(&token->gate);
        pthread_mutex_init(&token->login_lock, NULL);
        pthread_mutex_init(&token->generate_lock, NULL);
}

void slot_token_field(char *out, const CK_UTF8CHAR *field, size_t length)
{
        while (length > 0 && (field[length - 1] == ' ' || field[length - 1] == '\0'))
                length--;
        memcpy(out, field, length);
        out[length] = '\0';
        if (length > 0 && !text_is_utf8(out, length)) {
                for (size_t i = 0; i < length; i++)
                        if ((unsigned char)out[i] >= 0x80)
                                out[i] = '?';
        }
        for (size_t i = 0; i < length; i++)
                if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
                        out[i] = '?';
}

/* A maximum that the token really states; 0 where it states none. */
static CK_ULONG real_maximum(CK_ULONG maximum)
{
        return maximum == CK_UNAVAILABLE_INFORMATION || maximum == CK_EFFECTIVELY_INFINITE ? 0 : maximum;
}

static int read_mechanisms(struct slot_token *token, struct failure *failure)
{
        CK_ULONG n = 0;
        CK_RV rv = token->p11->C_GetMechanismList(token->slot, NULL, &n);

        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_GetMechanismList");
        token->mechanisms = calloc(n + 1, sizeof(*token->mechanisms));
        if (!token->mechanisms)
                return failure_set(failure, WORKER_END_ERROR, 0, "out of memory");
        rv = token->p11->C_GetMechanismList(token->slot, token->mechanisms, &n);
        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_GetMechanismList");
        token->n_mechanisms = n;
        return 0;
}

int slot_token_read(struct slot_token *token, struct failure *failure)
{
        CK_ULONG all, rw;
        CK_RV rv = token->p11->C_GetTokenInfo(token->slot, &token->info);

        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_GetTokenInfo");
        slot_token_field(token->label, token->info.label, sizeof(token->info.label));
        slot_token_field(token->manufacturer, token->info.manufacturerID, sizeof(token->info.manufacturerID));
        slot_token_field(token->model, token->info.model, sizeof(token->info.model));
        slot_token_field(token->serial, token->info.serialNumber, sizeof(token->info.serialNumber));
        token->budget = token->config->sessions;
        all = real_maximum(token->info.ulMaxSessionCount);
        rw = real_maximum(token->info.ulMaxRwSessionCount);
        if (all > 0 && all < token->budget)
                token->budget = (unsigned)all;
        if (rw > 0 && rw < token->budget)
                token->budget = (unsigned)rw;
        return read_mechanisms(token, failure);
}

bool slot_token_has_mechanism(const struct slot_token *token, CK_MECHANISM_TYPE mechanism)
{
        for (size_t i = 0; i < token->n_mechanisms; i++)
                if (token->mechanisms[i] == mechanism)
                        return true;
        return false;
}

unsigned slot_token_threads(const struct slot_token *token)
{
        if (!token->thread_safe || token->budget < 4)
                return 1;
        return token->budget - 2;
}

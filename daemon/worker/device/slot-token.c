/* SPDX-License-Identifier: MPL-2.0 */
/* See slot-token.h. */
#include "daemon/worker/device/slot-token.h"

#include <string.h>

#include "daemon/util/text.h"

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

/* The maximum that the token states; 0 if it states none. */
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
                return -ENOMEM;
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

/* SPDX-License-Identifier: MPL-2.0 */
/* See slot-token.h. */
#include "daemon/worker/device/slot-token.h"

#include <stdio.h>
#include <string.h>

#include "daemon/util/text.h"

/* More doublings would outlast every device. */
#define PATIENCE_MAX 6U

void slot_token_init(
        struct slot_token *token, const struct config_token *config, bool look, unsigned patience)
{
        *token = (struct slot_token){
                .config = config, .look = look, .internal = strcmp(config->module, "internal") == 0};
        token->start.limit_usec = config->timeout_usec << MIN_OF(patience, PATIENCE_MAX);
        call_gate_init(&token->gate);
        pthread_mutex_init(&token->login_lock, NULL);
        pthread_mutex_init(&token->create_lock, NULL);
}

void slot_token_calls(struct slot_token *token, const char *name)
{
        struct start_call *start = &token->start;

        if (atomic_load_explicit(&start->over, memory_order_relaxed))
                return;
        if (name)
                atomic_store(&start->name, name);
        atomic_store(&start->since_usec, name ? now_usec() : 0);
}

uint64_t slot_token_overdue(const struct slot_token *token, uint64_t now, const char **ret)
{
        const struct start_call *start = &token->start;
        uint64_t since = atomic_load(&start->since_usec);

        if (atomic_load(&start->over))
                return USEC_NEVER;
        if (since == 0)
                return MAX_OF(start->limit_usec / 4, UINT64_C(1));
        if (now < since + start->limit_usec)
                return since + start->limit_usec - now;
        *ret = atomic_load(&start->name);
        return 0;
}

/* The maximum that the token states; 0 if it states none. */
static CK_ULONG real_maximum(CK_ULONG maximum)
{
        return maximum == CK_UNAVAILABLE_INFORMATION || maximum == CK_EFFECTIVELY_INFINITE ? 0 : maximum;
}

static int read_mechanisms(struct slot_token *token, struct failure *failure)
{
        CK_ULONG n = 0, max;
        CK_RV rv;

        slot_token_calls(token, "C_GetMechanismList");
        rv = token->p11->C_GetMechanismList(token->slot, NULL, &n);

        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_GetMechanismList");
        if (n > LIMIT_MECHANISMS)
                return failure_set(failure, WORKER_END_FULL, 0,
                        "the token says that it has %lu mechanisms, and tokend keeps no more than %u", n,
                        LIMIT_MECHANISMS);
        max = n;
        token->mechanisms = calloc(n + 1, sizeof(*token->mechanisms));
        if (!token->mechanisms)
                return -ENOMEM;
        rv = token->p11->C_GetMechanismList(token->slot, token->mechanisms, &n);
        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_GetMechanismList");
        token->n_mechanisms = MIN_OF(n, max);
        slot_token_calls(token, NULL);
        return 0;
}

static void identify_slot(CK_FUNCTION_LIST_PTR p11, CK_SLOT_ID slot, struct uri_token *identity)
{
        CK_SLOT_INFO info;

        if (p11->C_GetSlotInfo(slot, &info) != CKR_OK)
                return;
        text_field(identity->parts[URI_SLOT_DESCRIPTION], info.slotDescription, sizeof(info.slotDescription));
        text_field(identity->parts[URI_SLOT_MANUFACTURER], info.manufacturerID, sizeof(info.manufacturerID));
}

static void identify_library(CK_FUNCTION_LIST_PTR p11, struct uri_token *identity)
{
        CK_INFO info;

        if (p11->C_GetInfo(&info) != CKR_OK)
                return;
        text_field(identity->parts[URI_LIBRARY_DESCRIPTION], info.libraryDescription,
                sizeof(info.libraryDescription));
        text_field(
                identity->parts[URI_LIBRARY_MANUFACTURER], info.manufacturerID, sizeof(info.manufacturerID));
        snprintf(identity->parts[URI_LIBRARY_VERSION], sizeof(identity->parts[URI_LIBRARY_VERSION]), "%u.%u",
                info.libraryVersion.major, info.libraryVersion.minor);
}

void slot_token_identity(
        CK_FUNCTION_LIST_PTR p11, CK_SLOT_ID slot, const CK_TOKEN_INFO *info, struct uri_token *ret)
{
        struct uri_token identity = {.slot_id = slot};

        text_field(identity.parts[URI_TOKEN], info->label, sizeof(info->label));
        text_field(identity.parts[URI_SERIAL], info->serialNumber, sizeof(info->serialNumber));
        text_field(identity.parts[URI_MANUFACTURER], info->manufacturerID, sizeof(info->manufacturerID));
        text_field(identity.parts[URI_MODEL], info->model, sizeof(info->model));
        identify_slot(p11, slot, &identity);
        identify_library(p11, &identity);
        *ret = identity;
}

int slot_token_read(struct slot_token *token, struct failure *failure)
{
        CK_ULONG all, rw;
        CK_RV rv;

        slot_token_calls(token, "C_GetTokenInfo");
        rv = token->p11->C_GetTokenInfo(token->slot, &token->info);
        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_GetTokenInfo");
        slot_token_identity(token->p11, token->slot, &token->info, &token->identity);
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

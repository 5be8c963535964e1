/* SPDX-License-Identifier: MPL-2.0 */
/* See slot-token.h. */
#include "daemon/worker/device/slot-token.h"

#include <string.h>

#include "daemon/worker/device/slot-identity.h"

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

/* Appends what a slot lists to what there is, without what is there already. */
static int add_mechanisms(struct slot_token *token, CK_SLOT_ID slot, struct failure *failure)
{
        _cleanup_(freep) CK_MECHANISM_TYPE *list = NULL;
        size_t n_all = token->n_mechanisms;
        CK_ULONG n = 0, max;
        CK_RV rv;

        slot_token_calls(token, "C_GetMechanismList");
        rv = token->p11->C_GetMechanismList(slot, NULL, &n);

        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_GetMechanismList");
        if (n > LIMIT_MECHANISMS)
                return failure_set(failure, WORKER_END_FULL, 0,
                        "the token says that it has %lu mechanisms, and tokend keeps no more than %u", n,
                        LIMIT_MECHANISMS);
        max = n;
        list = calloc(n + 1, sizeof(*list));
        token->mechanisms = reallocarray(token->mechanisms, n_all + n + 1, sizeof(*token->mechanisms));
        token->mechanism_flags =
                reallocarray(token->mechanism_flags, n_all + n + 1, sizeof(*token->mechanism_flags));
        if (!list || !token->mechanisms || !token->mechanism_flags)
                return -ENOMEM;
        rv = token->p11->C_GetMechanismList(slot, list, &n);
        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_GetMechanismList");
        slot_token_calls(token, "C_GetMechanismInfo");
        for (CK_ULONG i = 0; i < MIN_OF(n, max); i++) {
                CK_MECHANISM_INFO info = {0};

                if (slot_token_has_mechanism(token, list[i]))
                        continue;
                if (token->p11->C_GetMechanismInfo(slot, list[i], &info) != CKR_OK)
                        info.flags = 0;
                token->mechanisms[token->n_mechanisms] = list[i];
                token->mechanism_flags[token->n_mechanisms++] = info.flags;
        }
        slot_token_calls(token, NULL);
        return 0;
}

/* The slots of softoken are one implementation: that of its databases does what the other lists, and lists only what needs a private
 * key (docs/tokens.md). */
static int add_softoken(struct slot_token *token, struct failure *failure)
{
        CK_SLOT_ID slots[64];
        CK_ULONG n = ARRAY_SIZE(slots);
        int r = 0;

        if (token->p11->C_GetSlotList(CK_FALSE, slots, &n) != CKR_OK)
                return 0;
        for (CK_ULONG i = 0; i < n && r == 0; i++)
                if (slots[i] != token->slot)
                        r = add_mechanisms(token, slots[i], failure);
        return r;
}

static int read_mechanisms(struct slot_token *token, struct failure *failure)
{
        int r;

        token->n_mechanisms = 0;
        token->softoken =
                strcmp(token->identity.parts[URI_LIBRARY_MANUFACTURER], "Mozilla Foundation") == 0 &&
                strncmp(token->identity.parts[URI_LIBRARY_DESCRIPTION], "NSS ", 4) == 0;
        r = add_mechanisms(token, token->slot, failure);
        return r == 0 && token->softoken ? add_softoken(token, failure) : r;
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

bool slot_token_can(const struct slot_token *token, CK_MECHANISM_TYPE mechanism, CK_FLAGS flags)
{
        for (size_t i = 0; i < token->n_mechanisms; i++)
                if (token->mechanisms[i] == mechanism)
                        return !token->mechanism_flags || token->mechanism_flags[i] == 0 ||
                               (token->mechanism_flags[i] & flags) == flags;
        return false;
}

unsigned slot_token_threads(const struct slot_token *token)
{
        if (!token->thread_safe || token->budget < 4)
                return 1;
        return token->budget - 2;
}

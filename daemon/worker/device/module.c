/* SPDX-License-Identifier: MPL-2.0 */
/* See module.h. */
#include "daemon/worker/device/module.h"

#include <dlfcn.h>
#include <nspr/prerror.h>
#include <nss/nss.h>
#include <nss/pk11pub.h>
#include <nss/secmod.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/util/text.h"
#include "daemon/util/uri.h"
#include "daemon/worker/device/internal.h"
#include "daemon/worker/device/slot-identity.h"

/* The module specification of NSS: NAME="VALUE", with quotes and backslashes of the value escaped. */
static char *module_spec(const char *path)
{
        _cleanup_(freep) char *escaped = calloc(2, strlen(path) + 1);
        char *out = escaped;

        if (!escaped)
                return NULL;
        for (const char *c = path; *c; c++) {
                if (*c == '"' || *c == '\\')
                        *out++ = '\\';
                *out++ = *c;
        }
        return text_format("library=\"%s\" name=\"tokend\"", escaped);
}

/* Through dlopen() first, because NSS does not say why a library could not be loaded. The handle is kept:
 * vendor libraries do not survive being unloaded. */
static int load_library(const char *path, void **ret_symbol, struct failure *failure)
{
        void *library, *symbol;
        struct stat st;

        /* dlopen() would wait for the writer of a FIFO, and hold what else loads. */
        if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
                return failure_set(failure, WORKER_END_ERROR, 0,
                        "Module=%s is not a regular file, and no library is loaded from it", path);
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library)
                return failure_set(
                        failure, WORKER_END_ERROR, 0, "the module cannot be loaded: %s", dlerror());
        symbol = dlsym(library, "C_GetFunctionList");
        if (!symbol)
                return failure_set(
                        failure, WORKER_END_ERROR, 0, "%s is not a PKCS #11 module: %s", path, dlerror());
        *ret_symbol = symbol;
        return 0;
}

static int load_into_nss(struct slot_token *token, struct failure *failure)
{
        _cleanup_(freep) char *spec = module_spec(token->config->module);
        SECMODModule *module;
        void *symbol;
        int r;

        if (!spec)
                return -ENOMEM;
        slot_token_calls(token, "dlopen");
        r = load_library(token->config->module, &symbol, failure);
        if (r != 0)
                return r;
        if (NSS_NoDB_Init(NULL) != SECSuccess)
                return failure_set(failure, WORKER_END_ERROR, 0, "NSS cannot be initialized: %s",
                        PR_ErrorToString(PR_GetError(), PR_LANGUAGE_I_DEFAULT));
        slot_token_calls(token, "C_Initialize");
        module = SECMOD_LoadUserModule(spec, NULL, PR_FALSE);
        if (!module || !module->loaded)
                return failure_set(failure, WORKER_END_DEVICE, 0, "the module %s cannot be initialized: %s",
                        token->config->module, PR_ErrorToString(PR_GetError(), PR_LANGUAGE_I_DEFAULT));
        token->p11 = module->functionList;
        token->thread_safe = module->isThreadSafe;
        return 0;
}

static int initialize_bare(struct slot_token *token, struct failure *failure)
{
        CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
        CK_RV rv;

        slot_token_calls(token, "C_Initialize");
        rv = token->p11->C_Initialize(&args);
        if (rv == CKR_CANT_LOCK)
                rv = token->p11->C_Initialize(NULL);
        return rv == CKR_OK ? 0 : failure_ckr(failure, rv, "C_Initialize");
}

static int load_bare(struct slot_token *token, struct failure *failure)
{
        CK_C_GetFunctionList get;
        void *symbol;
        CK_RV rv;
        int r;

        r = load_library(token->config->module, &symbol, failure);
        if (r != 0)
                return r;
        memcpy(&get, &symbol, sizeof(get));
        rv = get(&token->p11);
        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_GetFunctionList");
        return initialize_bare(token, failure);
}

/* The tokens that match. */
struct found {
        const struct uri *uri; /* NULL: any token matches */
        size_t n;
        struct uri_token first;
        bool differs[URI_PARTS]; /* not all of them are equal in that part */
        char list[512];          /* for the message */
        char others[384];        /* likewise, those that do not match */
};

/* "LABEL (slot N, serial S)" */
static void add_to_list(char *list, size_t size, const struct uri_token *identity)
{
        const char *serial = identity->parts[URI_SERIAL];
        size_t at = strlen(list);

        snprintf(list + at, size - at, "%s%s (slot %ju, %s%s)", at > 0 ? ", " : "",
                identity->parts[URI_TOKEN], (uintmax_t)identity->slot_id,
                *serial ? "serial " : "no serial number", serial);
}

static void consider_slot(struct found *found, CK_FUNCTION_LIST_PTR p11, CK_SLOT_ID slot)
{
        struct uri_token identity;
        CK_TOKEN_INFO info;

        /* SoftHSM has one empty slot, whose token is not initialized. */
        if (p11->C_GetTokenInfo(slot, &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED))
                return;
        slot_token_identity(p11, slot, &info, &identity);
        if (found->uri && !uri_matches_token(found->uri, &identity)) {
                add_to_list(found->others, sizeof(found->others), &identity);
                return;
        }
        if (found->n++ == 0)
                found->first = identity;
        for (size_t part = 0; part < URI_PARTS; part++)
                if (strcmp(identity.parts[part], found->first.parts[part]) != 0)
                        found->differs[part] = true;
        add_to_list(found->list, sizeof(found->list), &identity);
}

/* The message names what can tell the tokens apart, as it would be written in Uri=. */
static int refuse_many(const struct found *found, struct failure *failure)
{
        char differences[192] = "";

        for (size_t part = 0; part < URI_PARTS; part++) {
                size_t at = strlen(differences);

                if (found->differs[part])
                        snprintf(differences + at, sizeof(differences) - at, "%s=, ", uri_part_name(part));
        }
        /* Whoever shows the reason may cut its end, and the configuration has the URI. */
        return failure_set(failure, WORKER_END_ERROR, 0,
                "%zu tokens match%s, but it must be exactly one; they differ in %sslot-id=: %s", found->n,
                found->uri ? " Uri=" : " (no Uri= is configured)", differences, found->list);
}

static int scan_slots(struct slot_token *token, struct found *found, struct failure *failure)
{
        _cleanup_(freep) CK_SLOT_ID *slots = NULL;
        CK_ULONG n = 0, max = 0;
        CK_RV rv;

        slot_token_calls(token, "C_GetSlotList");
        rv = token->p11->C_GetSlotList(CK_TRUE, NULL, &n);
        if (rv == CKR_OK && n > LIMIT_SLOTS)
                return failure_set(failure, WORKER_END_FULL, 0,
                        "the module says that it has %lu slots, and tokend looks at no more than %u", n,
                        LIMIT_SLOTS);
        if (rv == CKR_OK) {
                max = n += 8; /* slots that may have appeared since */
                slots = calloc(n, sizeof(*slots));
                if (!slots)
                        return -ENOMEM;
                rv = token->p11->C_GetSlotList(CK_TRUE, slots, &n);
        }
        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_GetSlotList");
        for (CK_ULONG i = 0; i < MIN_OF(n, max); i++) {
                slot_token_calls(token, "C_GetTokenInfo");
                consider_slot(found, token->p11, slots[i]);
        }
        return 0;
}

static int find_slot(struct slot_token *token, struct failure *failure)
{
        const char *text = token->config->uri;
        struct uri uri = {0};
        struct found found = {0};
        int r;

        if (text) {
                if (uri_parse(text, &uri) < 0)
                        return failure_set(
                                failure, WORKER_END_ERROR, 0, "Uri=%s is not a valid PKCS #11 URI", text);
                found.uri = &uri;
        }
        r = scan_slots(token, &found, failure);
        uri_done(&uri);
        if (r != 0)
                return r;
        if (found.n == 0)
                return failure_set(failure, WORKER_END_ABSENT, CKR_TOKEN_NOT_PRESENT,
                        "no slot has a token that matches %s; %s%s", text ? text : "(any)",
                        found.others[0] ? "there is " : "the module shows no token", found.others);
        if (found.n > 1)
                return refuse_many(&found, failure);
        token->slot = found.first.slot_id;
        return 0;
}

static int load(struct slot_token *token, struct failure *failure)
{
        int r;

        if (token->internal)
                r = internal_load(token, failure);
        else
                r = token->look ? load_bare(token, failure) : load_into_nss(token, failure);
        if (r == 0 && !token->internal)
                r = find_slot(token, failure);
        return r != 0 ? r : slot_token_read(token, failure);
}

int module_load(struct slot_token *token, struct failure *failure)
{
        int r;

        call_gate_enter(&token->gate);
        r = load(token, failure);
        slot_token_calls(token, NULL);
        call_gate_leave(&token->gate);
        return r;
}

void module_close(const struct slot_token *token)
{
        /* NSS's databases have no sessions that outlive a process. */
        if (!token->internal && atomic_load(&token->start.over))
                (void)token->p11->C_CloseAllSessions(token->slot);
}

static int load_again(struct slot_token *token, struct failure *failure)
{
        int r;

        slot_token_calls(token, "C_Finalize");
        (void)token->p11->C_Finalize(NULL);
        atomic_store(&token->n_open, 0);
        free(TAKE_PTR(token->mechanisms));
        r = initialize_bare(token, failure);
        if (r == 0)
                r = find_slot(token, failure);
        return r != 0 ? r : slot_token_read(token, failure);
}

int module_again(struct slot_token *token, struct failure *failure)
{
        int r;

        call_gate_enter(&token->gate);
        r = load_again(token, failure);
        slot_token_calls(token, NULL);
        call_gate_leave(&token->gate);
        return r;
}

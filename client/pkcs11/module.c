/* SPDX-License-Identifier: MPL-2.0 */
/* See module.h. */
#include "client/pkcs11/module.h"

#include <string.h>
#include <unistd.h>

#include "client/pkcs11/session.h"

#define SETTINGS_FILE "/etc/tokend/pkcs11.conf"

/* How long a catalogue is believed without a question to the daemon. */
#define CATALOGUE_USEC USEC_PER_SEC

/* The one global: PKCS #11 has no handle for a module. owner: the process that called C_Initialize last; a child that calls it goes
 * on with what it inherited. Both under the lock. */
static struct module *current;
static pid_t owner;

static void destroy(struct module *module)
{
        p11_session_close_all(module, NULL);
        for (size_t i = 0; i < module->n_promised; i++)
                object_unref(module->promised[i]);
        free(module->promised);
        catalogue_unref(module->catalogue);
        free(module->sessions);
        handles_done(&module->handles);
        tokend_close(module->calls);
        tokend_close(module->looks);
        settings_done(&module->settings);
        free(module);
}

struct module *module_enter(void)
{
        struct module *module;

        module_lock();
        module = current;
        if (module)
                module->refs++;
        module_unlock();
        return module;
}

void module_leave(struct module *module)
{
        bool last;

        module_lock();
        last = --module->refs == 0;
        module_unlock();
        if (last)
                destroy(module);
}

static struct module *create(void)
{
        _cleanup_(module_leavep) struct module *module = calloc(1, sizeof(*module));

        if (!module)
                return NULL;
        module->refs = 1;
        if (settings_read(&module->settings, SETTINGS_FILE) < 0)
                return NULL;
        module->calls = tokend_open(module->settings.socket, 0);
        module->looks = tokend_open(module->settings.socket, TOKEND_NO_WAIT);
        return module->calls && module->looks ? TAKE_PTR(module) : NULL;
}

CK_RV module_begin(void)
{
        _cleanup_(module_leavep) struct module *module = create();
        CK_RV rv = CKR_OK;

        if (!module || module_lock_at_fork() != 0)
                return CKR_HOST_MEMORY;
        module_lock();
        if (!current)
                current = TAKE_PTR(module);
        else if (owner == getpid())
                rv = CKR_CRYPTOKI_ALREADY_INITIALIZED;
        owner = getpid();
        module_unlock();
        return rv;
}

CK_RV module_end(void)
{
        struct module *module;

        module_lock();
        module = TAKE_PTR(current);
        module_unlock();
        if (!module)
                return CKR_CRYPTOKI_NOT_INITIALIZED;
        module_leave(module);
        return CKR_OK;
}

/* ---- the catalogue ---- */

/* Under the lock. Whether what is known will do; if not, the caller is the one who asks the daemon. */
static bool is_good(struct module *module, bool fresh)
{
        if (module->catalogue && !fresh &&
                (module->asking == getpid() || now_usec() - module->asked_usec < CATALOGUE_USEC))
                return true;
        module->asking = getpid();
        return false;
}

/* Under the lock. Takes the reference to loaded, unless it is NULL. What another thread asked for later is kept: it may have what a
 * program has just made. */
static CK_RV settle(struct module *module, struct catalogue *loaded, uint64_t asked_usec)
{
        CK_RV rv;

        module->asking = 0;
        if (!loaded)
                return CKR_OK;
        rv = catalogue_number(loaded, &module->handles);
        if (rv == CKR_OK && asked_usec >= module->asked_usec) {
                struct catalogue *old = module->catalogue;

                module->catalogue = loaded;
                loaded = old;
                module->asked_usec = asked_usec;
        }
        catalogue_unref(loaded);
        return rv;
}

CK_RV module_catalogue(struct module *module, bool fresh, struct catalogue **ret)
{
        _cleanup_(catalogue_unrefp) struct catalogue *old = NULL;
        struct catalogue *loaded = NULL;
        uint64_t asked_usec = now_usec();
        bool good;
        CK_RV rv;

        module_lock();
        if (module->catalogue)
                old = catalogue_ref(module->catalogue);
        good = is_good(module, fresh);
        module_unlock();
        if (good) {
                *ret = TAKE_PTR(old);
                return CKR_OK;
        }
        if (catalogue_load(module->looks, &module->settings, old, &loaded) != TOKEND_OK && !old)
                loaded = catalogue_empty();
        module_lock();
        rv = settle(module, loaded, asked_usec);
        if (rv == CKR_OK && !module->catalogue)
                rv = CKR_HOST_MEMORY;
        if (rv == CKR_OK)
                *ret = catalogue_ref(module->catalogue);
        module_unlock();
        return rv;
}

/* Milliseconds that are left. */
static int patience(struct module *module)
{
        uint64_t now = now_usec();
        int left;

        module_lock();
        if (module->patience_usec == 0)
                module->patience_usec = now + LOOK_MS * (uint64_t)1000;
        left = module->patience_usec > now ? (int)((module->patience_usec - now) / 1000) : 0;
        module_unlock();
        return left;
}

bool module_await(struct module *module, CK_SLOT_ID slot)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        struct tokend_keys *none = NULL;
        const struct p11_slot *awaited;
        int left;

        if (module_slot_of(module, slot, &catalogue, &awaited) != CKR_OK || !awaited->awaited)
                return false;
        left = patience(module);
        /* The daemon waits with a list of one token, as with any other request. This one is of no key. */
        if (left == 0 ||
                tokend_list(module->calls, awaited->token->name, "-", left, &none, NULL) != TOKEND_OK)
                return false;
        tokend_keys_free(none);
        module_lock();
        module->patience_usec = 0;
        module_unlock();
        return true;
}

CK_RV module_object_of(struct module *module, CK_OBJECT_HANDLE handle, CK_RV wrong, struct p11_object **ret)
{
        struct p11_object *object = NULL;

        module_lock();
        if (module->catalogue)
                object = catalogue_object(module->catalogue, handle);
        if (!object)
                object = p11_session_object(module, handle);
        for (size_t i = 0; i < module->n_promised && !object; i++)
                if (module->promised[i]->handle == handle)
                        object = module->promised[i];
        if (object)
                *ret = object_ref(object);
        module_unlock();
        return object ? CKR_OK : wrong;
}

CK_RV module_slot_of(
        struct module *module, CK_SLOT_ID id, struct catalogue **ret_catalogue, const struct p11_slot **ret)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        const struct p11_slot *slot;
        CK_RV rv = module_catalogue(module, false, &catalogue);

        if (rv != CKR_OK)
                return rv;
        slot = catalogue_slot(catalogue, id);
        if (!slot)
                return CKR_SLOT_ID_INVALID;
        *ret = slot;
        *ret_catalogue = TAKE_PTR(catalogue);
        return CKR_OK;
}

/* ---- errors ---- */

/* The CKR of a TokenError that says something about the request. All others are the device's. */
static CK_RV ckr_of(const char *text)
{
        static const struct {
                const char *name;
                CK_RV rv;
        } rows[] = {
                {"CKR_DATA_LEN_RANGE", CKR_DATA_LEN_RANGE},
                {"CKR_DATA_INVALID", CKR_DATA_INVALID},
                {"CKR_ENCRYPTED_DATA_INVALID", CKR_ENCRYPTED_DATA_INVALID},
                {"CKR_ENCRYPTED_DATA_LEN_RANGE", CKR_ENCRYPTED_DATA_LEN_RANGE},
                {"CKR_KEY_SIZE_RANGE", CKR_KEY_SIZE_RANGE},
                {"CKR_KEY_TYPE_INCONSISTENT", CKR_KEY_TYPE_INCONSISTENT},
                {"CKR_KEY_FUNCTION_NOT_PERMITTED", CKR_KEY_FUNCTION_NOT_PERMITTED},
                {"CKR_MECHANISM_INVALID", CKR_MECHANISM_INVALID},
                {"CKR_MECHANISM_PARAM_INVALID", CKR_MECHANISM_PARAM_INVALID},
                {"CKR_TEMPLATE_INCONSISTENT", CKR_TEMPLATE_INCONSISTENT},
                {"CKR_WRAPPED_KEY_INVALID", CKR_WRAPPED_KEY_INVALID},
                {"CKR_WRAPPED_KEY_LEN_RANGE", CKR_WRAPPED_KEY_LEN_RANGE},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                const char *found = strstr(text, rows[i].name);

                if (found && !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", found[strlen(rows[i].name)]))
                        return rows[i].rv;
        }
        return CKR_DEVICE_ERROR;
}

/* Never CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT or CKR_SESSION_HANDLE_INVALID: NSS, Java and libp11 would throw away what they
 * have, and not come back when the token does. */
CK_RV module_error(const struct tokend_failure *failure, CK_RV wrong, CK_RV denied)
{
        switch (failure->error) {
        case TOKEND_OK:
                return CKR_OK;
        case TOKEND_KEY_NOT_FOUND:
        case TOKEND_SECRET_NOT_FOUND:
        case TOKEND_NOT_OUR_SEAL:
        case TOKEND_AMBIGUOUS_NAME:
                return CKR_KEY_HANDLE_INVALID;
        case TOKEND_CERTIFICATE_NOT_FOUND:
                return CKR_OBJECT_HANDLE_INVALID;
        case TOKEND_NICKNAME_EXISTS:
        case TOKEND_NOT_A_CERTIFICATE:
                return CKR_ATTRIBUTE_VALUE_INVALID;
        case TOKEND_TOKEN_NOT_FOUND:
                return CKR_SLOT_ID_INVALID;
        case TOKEND_ALGORITHM_NOT_SUPPORTED:
                return CKR_MECHANISM_INVALID;
        case TOKEND_PERMISSION_DENIED:
                return denied;
        case TOKEND_INVALID_PARAMETER:
        case TOKEND_INVALID_ARGUMENT:
                return wrong;
        case TOKEND_TOKEN_ERROR:
                return ckr_of(failure->text);
        case TOKEND_OUTCOME_UNKNOWN:
        case TOKEND_AUDIT_UNAVAILABLE:
                return CKR_FUNCTION_FAILED;
        case TOKEND_METHOD_NOT_FOUND:
        case TOKEND_INTERFACE_NOT_FOUND:
        case TOKEND_METHOD_NOT_IMPLEMENTED:
                return CKR_FUNCTION_NOT_SUPPORTED;
        case TOKEND_NO_MEMORY:
                return CKR_HOST_MEMORY;
        default:
                return CKR_DEVICE_ERROR;
        }
}

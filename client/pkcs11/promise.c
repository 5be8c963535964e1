/* SPDX-License-Identifier: MPL-2.0 */
/* See promise.h. */
#include "client/pkcs11/promise.h"

#include <string.h>
#include <sys/random.h>

#include "client/pkcs11/write.h"
#include "daemon/util/secret-algorithm.h"
#include "daemon/util/text.h"
#include "proto/limits.h"

CK_RV promise_add(struct module *module, struct p11_object *object, CK_OBJECT_HANDLE *ret)
{
        struct p11_object **grown;

        module_lock();
        grown = reallocarray(module->promised, module->n_promised + 1, sizeof(struct p11_object *));
        if (grown) {
                module->promised = grown;
                *ret = object->handle = handles_next(&module->handles);
                grown[module->n_promised++] = object_ref(object);
        }
        module_unlock();
        return grown ? CKR_OK : CKR_HOST_MEMORY;
}

CK_RV promise_forget(struct module *module, CK_OBJECT_HANDLE handle)
{
        _cleanup_(object_unrefp) struct p11_object *forgotten = NULL;

        module_lock();
        for (size_t i = 0; i < module->n_promised && !forgotten; i++)
                if (module->promised[i]->handle == handle) {
                        forgotten = module->promised[i];
                        module->promised[i] = module->promised[--module->n_promised];
                }
        module_unlock();
        return forgotten ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

/* The id that the program gave, or one that nothing has: by it the key is told from others before it is made. */
static CK_RV choose_id(const struct p11_object *object, char ret[static 2 * LIMIT_NEW_ID + 1])
{
        unsigned char chosen[16];
        const void *id = chosen;
        size_t length = 0;

        (void)attributes_get(&object->attributes, CKA_ID, &id, &length);
        if (length > LIMIT_NEW_ID)
                return CKR_ATTRIBUTE_VALUE_INVALID;
        if (length == 0) {
                length = sizeof(chosen);
                id = chosen;
                if (getrandom(chosen, length, 0) != (ssize_t)length)
                        return CKR_FUNCTION_FAILED;
        }
        text_hex(id, length, ret);
        return CKR_OK;
}

/* The handle of the promise becomes that of the key, which no search can have found yet. */
static CK_RV bind(struct module *module, const struct p11_slot *slot, CK_OBJECT_HANDLE handle,
        const struct tokend_secret *secret)
{
        _cleanup_(object_unrefp) struct p11_object *object =
                object_secret_key((struct object_place){slot->id, slot->uri}, secret);
        CK_RV rv;

        if (!object)
                return CKR_HOST_MEMORY;
        module_lock();
        rv = handles_bind(&module->handles, object, handle);
        module_unlock();
        return rv;
}

static CK_RV make(struct module *module, const struct p11_slot *slot, const struct p11_object *object,
        const char *nickname)
{
        struct tokend_secret_template wanted = {.struct_size = sizeof(wanted),
                .type = secret_type_info(object->secret_type)->name,
                .length = (int)object->length,
                .usage = object->usage};
        struct tokend_failure failure = {0};
        char id[2 * LIMIT_NEW_ID + 1];
        CK_RV rv = choose_id(object, id);

        if (rv == CKR_OK)
                rv = bind(module, slot, object->handle,
                        &(struct tokend_secret){.token = slot->token->name,
                                .nickname = nickname,
                                .type = wanted.type,
                                .length = wanted.length,
                                .usage = wanted.usage,
                                .id = id});
        if (rv != CKR_OK)
                return rv;
        wanted.id = id;
        (void)tokend_secret_generate_on_token(
                module->calls, slot->token->name, nickname, &wanted, 0, &failure);
        return module_error(&failure, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TOKEN_WRITE_PROTECTED);
}

CK_RV promise_keep(struct module *module, const struct p11_object *object, const CK_ATTRIBUTE *label)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL, *fresh = NULL;
        _cleanup_(freep) char *nickname = NULL;
        const struct p11_slot *slot;
        CK_RV rv = template_text(label, 1, CKA_LABEL, &nickname);

        if (rv == CKR_OK && !nickname)
                rv = CKR_ATTRIBUTE_VALUE_INVALID;
        if (rv == CKR_OK)
                rv = label_check(module, nickname);
        if (rv == CKR_OK)
                rv = module_slot_of(module, object->slot, &catalogue, &slot);
        if (rv == CKR_OK)
                rv = make(module, slot, object, nickname);
        if (rv == CKR_OK)
                rv = module_catalogue(module, true, &fresh);
        if (rv == CKR_OK)
                (void)promise_forget(module, object->handle);
        return rv;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* See secret-use.h. */
#include "daemon/worker/secrets/secret-use.h"

#include "daemon/util/algorithm.h"
#include "daemon/worker/core/session-copy.h"

/* Bits of a tag of GCM, which follows the ciphertext. */
#define TAG_BITS 128U

/* ---- keys ---- */

/* A private or a secret key of the token. */
static bool find_permanent(struct operation *operation, bool private, uint64_t number, struct used_key *ret)
{
        struct inventory_key *key = &ret->permanent;

        if (!(private ? inventory_key : inventory_secret)(operation->inventory, number, key))
                return false;
        ret->is_permanent = true;
        /* Softoken unwraps and derives with a copy what it does with the key. Of other tokens that is not known. */
        ret->handle = private && operation->session->token->internal
                              ? session_copy_object(operation, key, false)
                              : key->handle;
        ret->size = key->size;
        ret->type = !private                   ? key->key_type
                    : key->key_type == KEY_RSA ? SECRET_RSA
                    : key->key_type == KEY_EC  ? SECRET_EC
                                               : 0;
        return true;
}

static int check_permanent(struct operation *operation, const struct used_key *key, unsigned usage)
{
        if (!(key->permanent.usage & usage))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the key is not made for this: %s",
                        usage_name(usage));
        if (key->permanent.always_authenticate)
                return operation_answer(operation, REPLY_NOT_SUPPORTED,
                        "the key wants the PIN for each use (CKA_ALWAYS_AUTHENTICATE)");
        return 0;
}

int used_key_find(struct operation *operation, const struct secret_algorithm_info *algorithm,
        const char *instance, struct wire_bytes sealed, uint64_t number, unsigned usage, struct used_key *ret)
{
        bool private = algorithm->key_types & (SECRET_BIT(SECRET_RSA) | SECRET_BIT(SECRET_EC));
        struct used_key key = {0};
        struct opened_key opened;
        int r;

        if (sealed.length > 0) {
                r = seal_open(operation, instance, sealed, "key", usage, &opened);
                if (r != 0)
                        return r;
                key = (struct used_key){.handle = opened.handle, .type = opened.type, .size = opened.size};
        } else {
                if (!find_permanent(operation, private, number, &key))
                        return operation_answer(operation, REPLY_KEY_GONE, "there is no such key");
                r = check_permanent(operation, &key, usage);
                if (r != 0)
                        return r;
        }
        if (!(algorithm->key_types & SECRET_BIT(key.type)))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the algorithm does not fit the key");
        *ret = key;
        return 0;
}

bool used_key_is_still(struct operation *operation, const struct used_key *key)
{
        return !key->is_permanent || inventory_has_still(operation->inventory, &key->permanent);
}

/* ---- mechanisms ---- */

static CK_BYTE_PTR bytes(struct wire_bytes from)
{
        return from.length > 0 ? (CK_BYTE_PTR)(uintptr_t)from.data : NULL;
}

static void put_oaep(struct used_mechanism *m, unsigned algorithm, struct wire_bytes label)
{
        bool sha1 = algorithm == SECRET_WRAP_OAEP_SHA1;

        m->oaep = (CK_RSA_PKCS_OAEP_PARAMS){.hashAlg = sha1 ? CKM_SHA_1 : CKM_SHA256,
                .mgf = sha1 ? CKG_MGF1_SHA1 : CKG_MGF1_SHA256,
                .source = CKZ_DATA_SPECIFIED,
                .pSourceData = bytes(label),
                .ulSourceDataLen = label.length};
}

/* Sets the parameter, and returns its length. */
static CK_ULONG put_parameter(
        struct used_mechanism *m, unsigned algorithm, const struct used_parameters *parameters)
{
        switch (m->info->form) {
        case FORM_NONE:
        case FORM_IV:
                return 0;
        case FORM_OAEP:
                put_oaep(m, algorithm, parameters->label);
                return sizeof(m->oaep);
        case FORM_GCM:
                m->gcm = (CK_GCM_PARAMS){.pIv = bytes(parameters->iv),
                        .ulIvLen = parameters->iv.length,
                        .ulIvBits = 8 * parameters->iv.length,
                        .pAAD = bytes(parameters->aad),
                        .ulAADLen = parameters->aad.length,
                        .ulTagBits = TAG_BITS};
                return sizeof(m->gcm);
        case FORM_ECDH:
                m->ecdh = (CK_ECDH1_DERIVE_PARAMS){.kdf = CKD_NULL,
                        .ulPublicDataLen = parameters->point.length,
                        .pPublicData = bytes(parameters->point)};
                return sizeof(m->ecdh);
        case FORM_DATA:
                m->data = (CK_KEY_DERIVATION_STRING_DATA){
                        .pData = bytes(parameters->data), .ulLen = parameters->data.length};
                return sizeof(m->data);
        case FORM_BIT:
                m->bit = parameters->bit;
                return sizeof(m->bit);
        case FORM_KEY:
                m->key = parameters->key;
                return sizeof(m->key);
        }
        return 0;
}

static int check_parameters(struct operation *operation, const struct secret_algorithm_info *info,
        const struct used_parameters *parameters)
{
        if (parameters->iv.length != info->iv_length)
                return operation_invalid(operation, "iv", "%s takes an IV of %zu bytes, not %zu", info->name,
                        info->iv_length, parameters->iv.length);
        if (parameters->label.length > 0 && info->form != FORM_OAEP)
                return operation_invalid(operation, "label", "%s takes no label", info->name);
        if (parameters->aad.length > 0 && info->form != FORM_GCM)
                return operation_invalid(operation, "aad", "%s authenticates nothing", info->name);
        return 0;
}

int used_mechanism_init(struct operation *operation, struct used_mechanism *m, unsigned algorithm,
        enum secret_does does, CK_FLAGS flag, const struct used_parameters *parameters)
{
        const struct slot_token *token = operation->session->token;
        int r;

        *m = (struct used_mechanism){.info = secret_algorithm_info(algorithm)};
        if (!m->info || !(m->info->does & does))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "there is no such algorithm");
        m->mechanism.mechanism = m->info->mechanism;
        if (algorithm == SECRET_AES_KWP)
                m->mechanism = seal_keys_mechanism(token);
        if (!slot_token_can(token, m->mechanism.mechanism, flag))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token lacks %s", m->info->name);
        r = check_parameters(operation, m->info, parameters);
        if (r != 0)
                return r;
        m->mechanism.ulParameterLen = put_parameter(m, algorithm, parameters);
        m->mechanism.pParameter = m->mechanism.ulParameterLen > 0 ? (void *)&m->oaep : NULL;
        if (m->info->form == FORM_IV) {
                m->mechanism.pParameter = bytes(parameters->iv);
                m->mechanism.ulParameterLen = parameters->iv.length;
        }
        return 0;
}

/* ---- templates ---- */

int used_shape(
        struct operation *operation, unsigned type, unsigned size, unsigned usage, struct secret_shape *ret)
{
        const struct secret_type_info *info = secret_type_info(type);

        if (!info || (usage & ~info->usages) != 0 ||
                !(secret_size_fits(type, size) || (info->is_private && size == 0)))
                return operation_invalid(operation, "template", "there is no such key");
        *ret = (struct secret_shape){.type = type, .usage = usage, .size = size};
        return 0;
}

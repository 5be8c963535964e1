/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Key pairs. One of a session is sealed. On a token, with a label, the key has its nickname at once. Without one it is named later: by the certificate that is put there for it
 * (NSS, JSS), or by its CKA_LABEL.
 */
#include "client/pkcs11/asked-key.h"
#include "client/pkcs11/mechanism.h"
#include "client/pkcs11/write.h"

struct pair {
        const CK_ATTRIBUTE *public, *private;
        CK_ULONG n_public, n_private;
        char *label, *id;
        struct tokend_template wanted;
};

static void pair_done(struct pair *pair)
{
        free(pair->label);
        free(pair->id);
}

/* Of one of the two templates, the private one first. */
static CK_RV pair_text(struct pair *pair, CK_ATTRIBUTE_TYPE type, char **ret)
{
        CK_RV rv = template_text(pair->private, pair->n_private, type, ret);

        return rv == CKR_OK && !*ret ? template_text(pair->public, pair->n_public, type, ret) : rv;
}

static CK_RV pair_id(struct pair *pair)
{
        CK_RV rv = template_id(pair->private, pair->n_private, &pair->id);

        return rv == CKR_OK && !pair->id ? template_id(pair->public, pair->n_public, &pair->id) : rv;
}

/* A key on the token is sensitive and not extractable: a template that wants anything else does not get a key that it does not
 * expect. */
static CK_RV check_private(const struct pair *pair)
{
        bool sensitive = true, extractable = false;
        CK_RV rv = template_bool(pair->private, pair->n_private, CKA_SENSITIVE, &sensitive);
        if (rv == CKR_OK)
                rv = template_bool(pair->private, pair->n_private, CKA_EXTRACTABLE, &extractable);
        if (rv != CKR_OK)
                return rv;
        return sensitive && !extractable ? CKR_OK : CKR_TEMPLATE_INCONSISTENT;
}

static unsigned possible_usage(CK_KEY_TYPE type)
{
        switch (type) {
        case CKK_RSA:
                return TOKEND_USAGE_SIGN | TOKEND_USAGE_DECRYPT | TOKEND_USAGE_UNWRAP;
        case CKK_EC:
                return TOKEND_USAGE_SIGN | TOKEND_USAGE_DERIVE;
        default:
                return TOKEND_USAGE_SIGN;
        }
}

static CK_RV take_rsa(struct pair *pair)
{
        static const CK_BYTE f4[] = {1, 0, 1};
        const CK_ATTRIBUTE *exponent = template_find(pair->public, pair->n_public, CKA_PUBLIC_EXPONENT);
        struct der value = exponent ? der_unsigned((struct der){exponent->pValue, exponent->ulValueLen})
                                    : (struct der){f4, sizeof(f4)};
        CK_ULONG bits = 0;
        CK_RV rv = template_ulong(pair->public, pair->n_public, CKA_MODULUS_BITS, &bits);

        if (rv != CKR_OK)
                return rv;
        if (bits == 0)
                return CKR_TEMPLATE_INCOMPLETE;
        if (bits < 2048 || bits > 8192)
                return CKR_KEY_SIZE_RANGE;
        if (!der_is_same(value, (struct der){f4, sizeof(f4)}))
                return CKR_ATTRIBUTE_VALUE_INVALID;
        pair->wanted.type = "rsa";
        pair->wanted.size = (int)bits;
        return CKR_OK;
}

static CK_RV take_curve(struct pair *pair, CK_KEY_TYPE type)
{
        const CK_ATTRIBUTE *params = template_find(pair->public, pair->n_public, CKA_EC_PARAMS);
        unsigned bits;

        pair->wanted.type = type == CKK_EC ? "ec" : "ed25519";
        if (!params)
                return type == CKK_EC ? CKR_TEMPLATE_INCOMPLETE : CKR_OK;
        bits = spki_curve_bits((struct der){params->pValue, params->ulValueLen});
        if (bits == 0 || (bits == 255) != (type == CKK_EC_EDWARDS))
                return CKR_CURVE_NOT_SUPPORTED;
        pair->wanted.curve = type == CKK_EC ? curve_name(bits) : NULL;
        return CKR_OK;
}

static CK_RV take_pair(struct pair *pair, const struct p11_slot *slot, CK_KEY_TYPE type)
{
        CK_RV rv = check_private(pair);

        if (rv == CKR_OK)
                rv = pair_text(pair, CKA_LABEL, &pair->label);
        if (rv == CKR_OK)
                rv = pair_id(pair);
        if (rv == CKR_OK)
                rv = asked_usage(
                        pair->private, pair->n_private, slot, possible_usage(type), 0, &pair->wanted.usage);
        if (rv == CKR_OK)
                rv = type == CKK_RSA ? take_rsa(pair) : take_curve(pair, type);
        pair->wanted.struct_size = sizeof(pair->wanted);
        pair->wanted.token = slot->token->name;
        pair->wanted.nickname = pair->label;
        pair->wanted.id = pair->id;
        return rv;
}

/* The handles of a key that was made, which a fresh catalogue has. */
static CK_RV find_made(struct module *module, CK_SLOT_ID slot, const struct tokend_key *key,
        CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        CK_RV rv = module_catalogue(module, true, &catalogue);

        if (rv != CKR_OK)
                return rv;
        *ret_public = *ret_private = CK_INVALID_HANDLE;
        for (size_t i = 0; i < catalogue->n_objects; i++) {
                const struct p11_object *object = catalogue->objects[i];

                if (object->slot != slot || !object->spki ||
                        !der_is_same((struct der){object->spki, object->spki_length},
                                (struct der){key->public_key, key->public_key_length}))
                        continue;
                *(object->class == CKO_PRIVATE_KEY ? ret_private : ret_public) = object->handle;
        }
        return *ret_public && *ret_private ? CKR_OK : CKR_FUNCTION_FAILED;
}

static CK_RV generate_on_token(struct module *module, const struct p11_slot *slot, struct pair *pair,
        CK_KEY_TYPE type, CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret_private)
{
        _cleanup_(key_freep) struct tokend_key *key = NULL;
        struct tokend_failure failure = {0};
        CK_RV rv = take_pair(pair, slot, type);

        if (rv == CKR_OK)
                rv = label_check(module, pair->label);
        if (rv != CKR_OK)
                return rv;
        (void)tokend_generate(module->calls, &pair->wanted, 0, &key, &failure);
        rv = module_error(&failure, CKR_TEMPLATE_INCONSISTENT, CKR_TOKEN_WRITE_PROTECTED);
        return rv == CKR_OK ? find_made(module, slot->id, key, ret_public, ret_private) : rv;
}

/* A pair of the session: its private half is a sealed key. */
static CK_RV generate_for_session(struct module *module, CK_SESSION_HANDLE session,
        const struct p11_slot *slot, struct pair *pair, CK_KEY_TYPE type, CK_OBJECT_HANDLE *ret_public,
        CK_OBJECT_HANDLE *ret_private)
{
        _cleanup_(sealed_freep) struct tokend_sealed *sealed = NULL;
        _cleanup_(object_unrefp) struct p11_object *public = NULL;
        struct tokend_failure failure = {0};
        struct p11_asked key;
        CK_RV rv = type == CKK_RSA ? take_rsa(pair) : take_curve(pair, type);

        if (rv == CKR_OK)
                rv = asked_key_take(pair->private, pair->n_private, slot, CKO_PRIVATE_KEY, type, &key);
        if (rv != CKR_OK)
                return rv;
        key.wanted.size = pair->wanted.size;
        key.wanted.curve = pair->wanted.curve;
        (void)tokend_secret_generate(module->calls, slot->token->name, &key.wanted, 0, &sealed, &failure);
        rv = module_error(&failure, CKR_TEMPLATE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED);
        if (rv == CKR_OK)
                rv = object_sealed_public_key(slot->id, pair->public, pair->n_public, sealed, &public);
        if (rv == CKR_OK)
                rv = p11_session_add(module, session, public, ret_public);
        return rv == CKR_OK ? add_sealed(module, session, &key, pair->private, pair->n_private, sealed, true,
                                      ret_private)
                            : rv;
}

CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
        CK_ATTRIBUTE_PTR pPublicKeyTemplate, CK_ULONG ulPublicKeyAttributeCount,
        CK_ATTRIBUTE_PTR pPrivateKeyTemplate, CK_ULONG ulPrivateKeyAttributeCount,
        CK_OBJECT_HANDLE_PTR phPublicKey, CK_OBJECT_HANDLE_PTR phPrivateKey)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        _cleanup_(pair_done) struct pair pair = {pPublicKeyTemplate, pPrivateKeyTemplate,
                ulPublicKeyAttributeCount, ulPrivateKeyAttributeCount, NULL, NULL, {0}};
        const struct mechanism *mechanism;
        const struct p11_slot *slot;
        bool on_token = false;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!pMechanism || !phPublicKey || !phPrivateKey ||
                template_check(pair.public, pair.n_public) != CKR_OK ||
                template_check(pair.private, pair.n_private) != CKR_OK)
                return CKR_ARGUMENTS_BAD;
        mechanism = mechanism_find(pMechanism->mechanism);
        if (!mechanism || !(mechanism->flags & CKF_GENERATE_KEY_PAIR))
                return CKR_MECHANISM_INVALID;
        if (pMechanism->ulParameterLen > 0)
                return CKR_MECHANISM_PARAM_INVALID;
        if (mechanism->key_type == CKK_EC_EDWARDS && module->settings.no_ed25519)
                return CKR_MECHANISM_INVALID;
        rv = template_bool(pair.private, pair.n_private, CKA_TOKEN, &on_token);
        if (rv == CKR_OK)
                rv = writable_slot(module, hSession, on_token, &catalogue, &slot);
        if (rv != CKR_OK)
                return rv;
        return on_token ? generate_on_token(
                                  module, slot, &pair, mechanism->key_type, phPublicKey, phPrivateKey)
                        : generate_for_session(module, hSession, slot, &pair, mechanism->key_type,
                                  phPublicKey, phPrivateKey);
}

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Wrapping and unwrapping. What is unwrapped becomes a sealed key of the session; it is never in the clear in this process. What can be
 * wrapped is a sealed key: a key that lies on a token stays there.
 */
#include <string.h>

#include "client/pkcs11/algorithm.h"
#include "client/pkcs11/write.h"
#include "proto/limits.h"

/* Lengths of a key whose template does not say its length. */
#define LENGTHS_MAX 3U

static bool is_rsa(const struct p11_algorithm *algorithm)
{
        return algorithm->info->key_types == SECRET_BIT(SECRET_RSA);
}

static bool fits_secret(const struct p11_algorithm *algorithm, const struct p11_object *key)
{
        return key->class == CKO_SECRET_KEY && key->secret_type != 0 && key->name &&
               (algorithm->info->key_types & SECRET_BIT(key->secret_type));
}

static CK_RV take_algorithm(const CK_MECHANISM *mechanism, struct p11_algorithm *ret)
{
        CK_RV rv = algorithm_take(mechanism, DOES_WRAP, ret);

        if (rv == CKR_OK && !ret->info) {
                algorithm_done(ret);
                rv = CKR_MECHANISM_PARAM_INVALID;
        }
        return rv;
}

/* ---- wrapping ---- */

static CK_RV check_wrapping(const struct p11_algorithm *algorithm, const struct p11_object *with)
{
        bool may = with->usage & TOKEND_USAGE_WRAP;
        const void *value;
        size_t length;

        if (is_rsa(algorithm)) {
                if (with->class != CKO_PUBLIC_KEY || with->key_type != CKK_RSA || !with->spki)
                        return CKR_WRAPPING_KEY_TYPE_INCONSISTENT;
                may = attributes_get(&with->attributes, CKA_WRAP, &value, &length) &&
                      *(const CK_BBOOL *)value != CK_FALSE;
        } else if (!fits_secret(algorithm, with)) {
                return CKR_WRAPPING_KEY_TYPE_INCONSISTENT;
        }
        return may ? CKR_OK : CKR_KEY_FUNCTION_NOT_PERMITTED;
}

static CK_RV check_wrapped(const struct p11_algorithm *algorithm, const struct p11_object *key)
{
        const void *value;
        size_t length;

        if (key->class != CKO_SECRET_KEY && key->class != CKO_PRIVATE_KEY)
                return CKR_KEY_HANDLE_INVALID;
        if (!key->sealed || (attributes_get(&key->attributes, CKA_EXTRACTABLE, &value, &length) &&
                                    *(const CK_BBOOL *)value == CK_FALSE))
                return CKR_KEY_UNEXTRACTABLE;
        if (key->class == CKO_PRIVATE_KEY)
                return algorithm->info->wraps_private ? CKR_OK : CKR_KEY_NOT_WRAPPABLE;
        return key->length % algorithm->info->unit == 0 ? CKR_OK : CKR_KEY_SIZE_RANGE;
}

/* Asks the daemon, also where the program asks for the length alone: of a private key nobody else knows it. */
static CK_RV wrap(struct module *module, const struct p11_algorithm *algorithm, const struct p11_object *with,
        const struct p11_object *key, CK_BYTE *out, CK_ULONG *length)
{
        _cleanup_(freep) unsigned char *wrapped = NULL;
        struct tokend_failure failure = {0};
        bool rsa = is_rsa(algorithm);
        CK_ULONG room = *length;
        size_t n = 0;
        CK_RV rv;

        (void)tokend_secret_wrap(module->calls, rsa ? NULL : with->name, rsa ? with->spki : NULL,
                rsa ? with->spki_length : 0, &algorithm->call, key->name, module->settings.timeout_ms,
                &wrapped, &n, &failure);
        rv = module_error(&failure, CKR_KEY_SIZE_RANGE, CKR_KEY_FUNCTION_NOT_PERMITTED);
        if (rv != CKR_OK)
                return rv;
        *length = n;
        if (!out)
                return CKR_OK;
        if (room < n)
                return CKR_BUFFER_TOO_SMALL;
        memcpy(out, wrapped, n);
        return CKR_OK;
}

CK_RV C_WrapKey(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hWrappingKey,
        CK_OBJECT_HANDLE hKey, CK_BYTE_PTR pWrappedKey, CK_ULONG_PTR pulWrappedKeyLen)
{
        _cleanup_(algorithm_done) struct p11_algorithm algorithm = {0};
        _cleanup_(object_unrefp) struct p11_object *with = NULL, *key = NULL;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!pMechanism || !pulWrappedKeyLen || (!pMechanism->pParameter && pMechanism->ulParameterLen > 0))
                return CKR_ARGUMENTS_BAD;
        rv = module_object_of(module, hWrappingKey, CKR_WRAPPING_KEY_HANDLE_INVALID, &with);
        if (rv == CKR_OK)
                rv = module_object_of(module, hKey, CKR_KEY_HANDLE_INVALID, &key);
        if (rv == CKR_OK)
                rv = take_algorithm(pMechanism, &algorithm);
        if (rv == CKR_OK)
                rv = check_wrapping(&algorithm, with);
        if (rv == CKR_OK)
                rv = check_wrapped(&algorithm, key);
        return rv == CKR_OK ? wrap(module, &algorithm, with, key, pWrappedKey, pulWrappedKeyLen) : rv;
}

/* ---- unwrapping ---- */

static CK_RV check_unwrapping(const struct p11_algorithm *algorithm, const struct p11_object *with)
{
        if (is_rsa(algorithm) ? with->class != CKO_PRIVATE_KEY || with->key_type != CKK_RSA
                              : !fits_secret(algorithm, with))
                return CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT;
        return with->usage & TOKEND_USAGE_UNWRAP ? CKR_OK : CKR_KEY_FUNCTION_NOT_PERMITTED;
}

/* Bytes that wrap a secret of this length, but for RSA. */
static size_t wrapped_length(const struct secret_algorithm_info *info, size_t length)
{
        if (info->form == FORM_IV)
                return info->unit > 1 ? length : (length / info->iv_length + 1) * info->iv_length;
        return info->mechanism == CKM_DES3_ECB ? length : 8 + (length + 7) / 8 * 8;
}

/* How long the key may be that is wrapped in these bytes, where the template does not say it (NSS leaves it to the device): into
 * ret, whose number is returned. 0: it may be too many, or none. */
static size_t possible_lengths(
        const struct p11_algorithm *algorithm, unsigned type, size_t wrapped, int ret[static LENGTHS_MAX])
{
        size_t n = 0;

        for (unsigned length = 1; length <= LIMIT_GENERIC_SECRET; length++) {
                if (!secret_size_fits(type, length) || length % algorithm->info->unit != 0 ||
                        (!is_rsa(algorithm) && wrapped_length(algorithm->info, length) != wrapped))
                        continue;
                if (n == LENGTHS_MAX)
                        return 0;
                ret[n++] = (int)length;
        }
        return n;
}

/* One try for each length. Which of them it was is all that a program learns of it. */
static CK_RV unwrap(struct module *module, const struct p11_algorithm *algorithm,
        const struct p11_object *with, const void *wrapped, size_t length, struct p11_asked *key,
        struct tokend_sealed **ret)
{
        int lengths[LENGTHS_MAX] = {key->wanted.length};
        struct tokend_failure failure = {0};
        size_t n = 1;

        if (key->class == CKO_SECRET_KEY && key->wanted.length == 0) {
                n = possible_lengths(algorithm, key->type, length, lengths);
                if (n == 0)
                        return CKR_TEMPLATE_INCOMPLETE;
        }
        for (size_t i = 0; i < n; i++) {
                key->wanted.length = lengths[i];
                failure.error = TOKEND_OK;
                if (tokend_secret_unwrap(module->calls, with->name, &algorithm->call, wrapped, length,
                            &key->wanted, module->settings.timeout_ms, ret,
                            &failure) != TOKEND_INVALID_PARAMETER)
                        break;
        }
        return module_error(&failure, CKR_WRAPPED_KEY_INVALID, CKR_KEY_FUNCTION_NOT_PERMITTED);
}

CK_RV C_UnwrapKey(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hUnwrappingKey,
        CK_BYTE_PTR pWrappedKey, CK_ULONG ulWrappedKeyLen, CK_ATTRIBUTE_PTR pTemplate,
        CK_ULONG ulAttributeCount, CK_OBJECT_HANDLE_PTR phKey)
{
        _cleanup_(algorithm_done) struct p11_algorithm algorithm = {0};
        _cleanup_(object_unrefp) struct p11_object *with = NULL;
        _cleanup_(sealed_freep) struct tokend_sealed *sealed = NULL;
        struct p11_asked key;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!pMechanism || !phKey || (!pMechanism->pParameter && pMechanism->ulParameterLen > 0) ||
                !pWrappedKey || template_check(pTemplate, ulAttributeCount) != CKR_OK)
                return CKR_ARGUMENTS_BAD;
        rv = module_object_of(module, hUnwrappingKey, CKR_UNWRAPPING_KEY_HANDLE_INVALID, &with);
        if (rv == CKR_OK)
                rv = take_algorithm(pMechanism, &algorithm);
        if (rv == CKR_OK)
                rv = check_unwrapping(&algorithm, with);
        if (rv == CKR_OK)
                rv = session_key_asked(module, hSession, pTemplate, ulAttributeCount,
                        CK_UNAVAILABLE_INFORMATION, CK_UNAVAILABLE_INFORMATION, &key);
        if (rv == CKR_OK && (ulWrappedKeyLen == 0 || ulWrappedKeyLen > LIMIT_WRAPPED))
                rv = CKR_WRAPPED_KEY_LEN_RANGE;
        if (rv == CKR_OK)
                rv = unwrap(module, &algorithm, with, pWrappedKey, ulWrappedKeyLen, &key, &sealed);
        return rv == CKR_OK
                       ? add_sealed(module, hSession, &key, pTemplate, ulAttributeCount, sealed, false, phKey)
                       : rv;
}

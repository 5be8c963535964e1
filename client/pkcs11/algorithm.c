/* SPDX-License-Identifier: MPL-2.0 */
/* See algorithm.h. */
#include "client/pkcs11/algorithm.h"

#include <stdio.h>
#include <string.h>

#include "client/pkcs11/hash.h"
#include "proto/limits.h"

/* Of AES-GCM: the one that the daemon makes. */
#define TAG_BITS 128U

/* The first algorithm of this mechanism that does this; of OAEP, that with this name. */
static const struct secret_algorithm_info *find(
        CK_MECHANISM_TYPE type, enum secret_does does, const char *name)
{
        for (unsigned i = 1; i < SECRET_ALGORITHM_MAX_; i++) {
                const struct secret_algorithm_info *info = secret_algorithm_info(i);

                if (info->mechanism == type && (info->does & does) &&
                        (!name || strcmp(info->name, name) == 0))
                        return info;
        }
        return NULL;
}

const struct secret_algorithm_info *algorithm_find(CK_MECHANISM_TYPE type, enum secret_does does)
{
        return find(type, does, NULL);
}

/* Two parameters, each of which may be empty, one behind the other. */
static CK_RV keep(struct p11_algorithm *algorithm, const void *one, size_t n, const void *other, size_t m)
{
        if ((!one && n > 0) || (!other && m > 0))
                return CKR_MECHANISM_PARAM_INVALID;
        algorithm->parameters = malloc(n + m + 1);
        if (!algorithm->parameters)
                return CKR_HOST_MEMORY;
        if (n > 0)
                memcpy(algorithm->parameters, one, n);
        if (m > 0)
                memcpy(algorithm->parameters + n, other, m);
        return CKR_OK;
}

static CK_RV take_oaep(struct p11_algorithm *algorithm, const CK_MECHANISM *mechanism)
{
        const CK_RSA_PKCS_OAEP_PARAMS *params = mechanism->pParameter;
        const struct module_hash *hash;
        CK_RV rv;

        if (!params || mechanism->ulParameterLen != sizeof(*params))
                return CKR_MECHANISM_PARAM_INVALID;
        hash = module_hash_of(params->hashAlg);
        if (!hash || hash->mechanism == CKM_SHA224 || hash->mgf != params->mgf ||
                params->ulSourceDataLen > LIMIT_OAEP_LABEL ||
                (params->source != CKZ_DATA_SPECIFIED &&
                        (params->source != 0 || params->ulSourceDataLen > 0)))
                return CKR_MECHANISM_PARAM_INVALID;
        (void)snprintf(algorithm->name, sizeof(algorithm->name), "rsa_oaep_%s", hash->name);
        rv = keep(algorithm, params->pSourceData, params->ulSourceDataLen, NULL, 0);
        algorithm->call.label = algorithm->parameters;
        algorithm->call.label_length = params->ulSourceDataLen;
        return rv;
}

static CK_RV take_gcm(struct p11_algorithm *algorithm, const CK_MECHANISM *mechanism)
{
        const CK_GCM_PARAMS_V3 *params = mechanism->pParameter;
        const CK_NSS_GCM_PARAMS *old = mechanism->pParameter;
        CK_GCM_PARAMS_V3 given;
        CK_RV rv;

        if (params && mechanism->ulParameterLen == sizeof(*params))
                given = *params;
        else if (old && mechanism->ulParameterLen == sizeof(*old)) /* as in the text of 2.40 */
                given = (CK_GCM_PARAMS_V3){
                        old->pIv, old->ulIvLen, 8 * old->ulIvLen, old->pAAD, old->ulAADLen, old->ulTagBits};
        else
                return CKR_MECHANISM_PARAM_INVALID;
        if (given.ulIvLen != algorithm->info->iv_length || given.ulAADLen > LIMIT_CIPHER_AAD ||
                given.ulTagBits != TAG_BITS)
                return CKR_MECHANISM_PARAM_INVALID;
        rv = keep(algorithm, given.pIv, given.ulIvLen, given.pAAD, given.ulAADLen);
        algorithm->call.iv = algorithm->parameters;
        algorithm->call.iv_length = given.ulIvLen;
        algorithm->call.aad = rv == CKR_OK ? algorithm->parameters + given.ulIvLen : NULL;
        algorithm->call.aad_length = given.ulAADLen;
        return rv;
}

static CK_RV take_iv(struct p11_algorithm *algorithm, const CK_MECHANISM *mechanism)
{
        CK_RV rv;

        if (mechanism->ulParameterLen != algorithm->info->iv_length)
                return CKR_MECHANISM_PARAM_INVALID;
        rv = keep(algorithm, mechanism->pParameter, mechanism->ulParameterLen, NULL, 0);
        algorithm->call.iv = algorithm->parameters;
        algorithm->call.iv_length = algorithm->info->iv_length;
        return rv;
}

static CK_RV take_parameter(struct p11_algorithm *algorithm, const CK_MECHANISM *mechanism)
{
        switch (algorithm->info->form) {
        case FORM_OAEP:
                return take_oaep(algorithm, mechanism);
        case FORM_GCM:
                return take_gcm(algorithm, mechanism);
        case FORM_IV:
                return take_iv(algorithm, mechanism);
        default:
                return mechanism->ulParameterLen > 0 ? CKR_MECHANISM_PARAM_INVALID : CKR_OK;
        }
}

CK_RV algorithm_take(const CK_MECHANISM *mechanism, enum secret_does does, struct p11_algorithm *ret)
{
        struct p11_algorithm algorithm = {.info = algorithm_find(mechanism->mechanism, does)};
        CK_RV rv;

        if (!algorithm.info)
                return CKR_MECHANISM_INVALID;
        (void)snprintf(algorithm.name, sizeof(algorithm.name), "%s", algorithm.info->name);
        rv = take_parameter(&algorithm, mechanism);
        if (rv != CKR_OK) {
                algorithm_done(&algorithm);
                return rv;
        }
        algorithm.info = find(mechanism->mechanism, does, algorithm.name);
        *ret = algorithm;
        ret->call.struct_size = sizeof(ret->call);
        ret->call.name = ret->name;
        return CKR_OK;
}

void algorithm_done(struct p11_algorithm *algorithm)
{
        if (algorithm->parameters)
                explicit_bzero(algorithm->parameters, algorithm->call.iv_length +
                                                              algorithm->call.label_length +
                                                              algorithm->call.aad_length);
        free(algorithm->parameters);
        *algorithm = (struct p11_algorithm){0};
}

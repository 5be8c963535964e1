/* SPDX-License-Identifier: MPL-2.0 */
/* See ciphering.h. */
#include "client/pkcs11/ciphering.h"

#include <string.h>

#include "client/pkcs11/algorithm.h"
#include "client/pkcs11/rsa.h"
#include "proto/limits.h"

#define TAG_LENGTH 16U /* of AES-GCM, behind the ciphertext */
#define BLOCK_MAX  16U

struct p11_ciphering {
        struct p11_object *key;
        struct p11_algorithm algorithm;
        const struct module_hash *oaep; /* of RSA with a public key, which is done here; NULL: PKCS #1 v1.5 */
        bool encrypts, pads;
        size_t block;                   /* of what goes out as it comes in; 0: nothing does */
        const char *bare;               /* the algorithm without its padding, for all blocks but the last */
        unsigned char chain[BLOCK_MAX]; /* the IV of the next block */
        struct buffer input;            /* what was not sent yet */
        bool is_done;
        struct buffer output; /* what the end gave */
};

/* Its bytes are overwritten. */
static void wipe(struct buffer *buffer)
{
        if (buffer->data)
                explicit_bzero(buffer->data, buffer->size);
        buffer_done(buffer);
}

void ciphering_free(void *pointer)
{
        struct p11_ciphering *ciphering = pointer;

        if (!ciphering)
                return;
        object_unref(ciphering->key);
        algorithm_done(&ciphering->algorithm);
        wipe(&ciphering->input);
        wipe(&ciphering->output);
        free(ciphering);
}
DEFINE_CLEANUP(struct p11_ciphering *, ciphering_free);

/* ---- beginning ---- */

/* With a private key the token decrypts (io.tokend.Keys.Decrypt), with a public one the module encrypts. */
static bool is_rsa(CK_MECHANISM_TYPE type)
{
        return type == CKM_RSA_PKCS || type == CKM_RSA_PKCS_OAEP;
}

static CK_RV check_public(const struct p11_object *key)
{
        const CK_ATTRIBUTE encrypts = {CKA_ENCRYPT, &(CK_BBOOL){CK_TRUE}, sizeof(CK_BBOOL)};

        if (key->class != CKO_PUBLIC_KEY)
                return CKR_KEY_HANDLE_INVALID;
        if (key->key_type != CKK_RSA)
                return CKR_KEY_TYPE_INCONSISTENT;
        return attributes_match(&key->attributes, &encrypts, 1) ? CKR_OK : CKR_KEY_FUNCTION_NOT_PERMITTED;
}

static CK_RV check_key(const CK_MECHANISM *mechanism, bool encrypts, const struct p11_object *key)
{
        const struct secret_algorithm_info *info;
        bool rsa = is_rsa(mechanism->mechanism);

        if (rsa && encrypts)
                return check_public(key);
        info = algorithm_find(mechanism->mechanism, rsa ? DOES_WRAP : DOES_CIPHER);
        if (!info)
                return CKR_MECHANISM_INVALID;
        if (key->class != (rsa ? CKO_PRIVATE_KEY : CKO_SECRET_KEY) || !key->name)
                return CKR_KEY_HANDLE_INVALID;
        if (rsa ? key->key_type != CKK_RSA : !(info->key_types & SECRET_BIT(key->secret_type)))
                return CKR_KEY_TYPE_INCONSISTENT;
        if (!(key->usage & (encrypts ? TOKEND_USAGE_ENCRYPT : TOKEND_USAGE_DECRYPT)) || (rsa && key->sealed))
                return CKR_KEY_FUNCTION_NOT_PERMITTED;
        return CKR_OK;
}

static const char *without_padding(CK_MECHANISM_TYPE type, const char *name)
{
        switch (type) {
        case CKM_AES_CBC_PAD:
                return "aes_cbc";
        case CKM_DES3_CBC_PAD:
                return "des3_cbc";
        default:
                return name;
        }
}

CK_RV ciphering_new(
        const CK_MECHANISM *mechanism, enum operation_kind kind, struct p11_object *key, void **ret)
{
        _cleanup_(ciphering_freep) struct p11_ciphering *ciphering = NULL;
        bool encrypts = kind == OPERATION_ENCRYPT, rsa = is_rsa(mechanism->mechanism);
        CK_RV rv = check_key(mechanism, encrypts, key);

        if (rv != CKR_OK)
                return rv;
        ciphering = calloc(1, sizeof(*ciphering));
        if (!ciphering)
                return CKR_HOST_MEMORY;
        rv = algorithm_take(mechanism, rsa ? DOES_WRAP : DOES_CIPHER, &ciphering->algorithm);
        if (rv != CKR_OK)
                return rv;
        ciphering->algorithm.call.struct_size = sizeof(ciphering->algorithm.call);
        ciphering->algorithm.call.name = ciphering->algorithm.name;
        ciphering->key = object_ref(key);
        ciphering->encrypts = encrypts;
        if (rsa && mechanism->mechanism == CKM_RSA_PKCS_OAEP)
                ciphering->oaep =
                        module_hash_of(((const CK_RSA_PKCS_OAEP_PARAMS *)mechanism->pParameter)->hashAlg);
        if (!rsa && mechanism->mechanism != CKM_AES_GCM) {
                ciphering->block = secret_type_info(key->secret_type)->key_type == CKK_AES ? 16 : 8;
                ciphering->bare = without_padding(mechanism->mechanism, ciphering->algorithm.name);
                ciphering->pads = ciphering->bare != ciphering->algorithm.name;
                if (ciphering->algorithm.call.iv_length > 0)
                        memcpy(ciphering->chain, ciphering->algorithm.call.iv, ciphering->block);
        }
        *ret = TAKE_PTR(ciphering);
        return CKR_OK;
}

/* ---- blocks ---- */

static CK_RV encrypt_rsa(
        const struct p11_ciphering *ciphering, const void *data, size_t length, struct buffer *out)
{
        const struct p11_object *key = ciphering->key;
        const struct rsa_padding padding = {
                ciphering->oaep, ciphering->algorithm.call.label, ciphering->algorithm.call.label_length};
        uint8_t made[RSA_BYTES_MAX];
        CK_RV rv = rsa_encrypt((struct der){key->spki, key->spki_length}, &padding, data, length, made);

        if (rv == CKR_OK)
                buffer_put(out, made, (key->bits + 7) / 8);
        return rv;
}

static CK_RV ask(struct p11_ciphering *ciphering, const struct module *module, const char *name,
        const void *data, size_t length, struct buffer *out)
{
        struct tokend_algorithm call = ciphering->algorithm.call;
        int timeout_ms = module->settings.timeout_ms;
        const char *key = ciphering->key->name;
        struct tokend_failure failure = {0};
        unsigned char *made = NULL;
        size_t n = 0;

        if (ciphering->key->class == CKO_PUBLIC_KEY)
                return encrypt_rsa(ciphering, data, length, out);
        call.name = name;
        if (ciphering->block > 0 && call.iv_length > 0)
                call.iv = ciphering->chain;
        if (ciphering->encrypts)
                (void)tokend_secret_encrypt(
                        module->calls, key, &call, data, length, timeout_ms, &made, &n, &failure);
        else if (is_rsa(ciphering->algorithm.info ? ciphering->algorithm.info->mechanism : CKM_RSA_PKCS_OAEP))
                (void)tokend_decrypt(module->calls, key, name, data, length, call.label, call.label_length,
                        timeout_ms, &made, &n, &failure);
        else
                (void)tokend_secret_decrypt(
                        module->calls, key, &call, data, length, timeout_ms, &made, &n, &failure);
        if (failure.error == TOKEND_OK)
                buffer_put(out, made, n);
        tokend_secret_free(made, n);
        return module_error(&failure, ciphering->encrypts ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_INVALID,
                CKR_KEY_FUNCTION_NOT_PERMITTED);
}

/* Whole blocks, of which more are to come: the first `length` bytes of the input. */
static CK_RV pass(
        struct p11_ciphering *ciphering, const struct module *module, size_t length, struct buffer *out)
{
        const char *input = ciphering->input.data;
        size_t block = ciphering->block, before = out->length;
        CK_RV rv;

        for (size_t at = 0; at < length;) {
                size_t n = MIN_OF(length - at, (size_t)LIMIT_CIPHER);

                rv = ask(ciphering, module, ciphering->bare, input + at, n, out);
                if (rv == CKR_OK && out->failed)
                        rv = CKR_HOST_MEMORY;
                at += n;
                if (rv == CKR_OK && out->length - before != at)
                        rv = CKR_DEVICE_ERROR;
                if (rv != CKR_OK)
                        return rv;
                memcpy(ciphering->chain, (ciphering->encrypts ? out->data + before : input) + at - block,
                        block);
        }
        memmove(ciphering->input.data, input + length, ciphering->input.length - length);
        ciphering->input.length -= length;
        return CKR_OK;
}

size_t ciphering_part(const struct p11_ciphering *ciphering, size_t length)
{
        size_t whole;

        if (ciphering->block == 0)
                return 0;
        whole = (ciphering->input.length + length) / ciphering->block * ciphering->block;
        /* The last block has the padding, and whether it is the last is not known yet. */
        if (ciphering->pads && !ciphering->encrypts && whole > 0 && whole == ciphering->input.length + length)
                whole -= ciphering->block;
        return whole;
}

/* Bytes that can be collected for the request at the end. */
static size_t longest(const struct p11_ciphering *ciphering)
{
        if (!ciphering->algorithm.info || is_rsa(ciphering->algorithm.info->mechanism))
                return (ciphering->key->bits + 7) / 8;
        return ciphering->encrypts ? LIMIT_CIPHER : LIMIT_CIPHER + TAG_LENGTH;
}

static CK_RV add(struct p11_ciphering *ciphering, const void *part, size_t length)
{
        if (ciphering->block == 0 && length > longest(ciphering) - ciphering->input.length)
                return ciphering->encrypts ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE;
        if (length > 0)
                buffer_put(&ciphering->input, part, length);
        return ciphering->input.failed ? CKR_HOST_MEMORY : CKR_OK;
}

CK_RV ciphering_update(struct p11_ciphering *ciphering, const struct module *module, const void *part,
        size_t length, uint8_t *out)
{
        struct buffer made = {0};
        size_t n = ciphering_part(ciphering, length);
        CK_RV rv = add(ciphering, part, length);

        if (rv == CKR_OK && n > 0)
                rv = pass(ciphering, module, n, &made);
        if (rv == CKR_OK && n > 0)
                memcpy(out, made.data, n);
        wipe(&made);
        return rv;
}

/* ---- the end ---- */

size_t ciphering_rest(const struct p11_ciphering *ciphering, size_t length, bool *ret_exact)
{
        size_t n = ciphering->input.length + length;

        *ret_exact = true;
        if (ciphering->is_done)
                return ciphering->output.length;
        *ret_exact = ciphering->encrypts || (ciphering->block > 0 && !ciphering->pads);
        if (ciphering->block > 0)
                return ciphering->encrypts && ciphering->pads ? (n / ciphering->block + 1) * ciphering->block
                                                              : n;
        if (!ciphering->algorithm.info || is_rsa(ciphering->algorithm.info->mechanism))
                return longest(ciphering);
        if (ciphering->encrypts)
                return n + TAG_LENGTH;
        *ret_exact = true;
        return n > TAG_LENGTH ? n - TAG_LENGTH : 0;
}

/* Whether the input can be what the end is given. */
static bool fits(const struct p11_ciphering *ciphering)
{
        size_t n = ciphering->input.length;

        if (ciphering->block > 0)
                return (ciphering->pads && ciphering->encrypts) ||
                       (n % ciphering->block == 0 && !(ciphering->pads && n == 0));
        if (!ciphering->algorithm.info || is_rsa(ciphering->algorithm.info->mechanism))
                return ciphering->encrypts || n == longest(ciphering);
        return ciphering->encrypts || n >= TAG_LENGTH;
}

static CK_RV finish(struct p11_ciphering *ciphering, const struct module *module)
{
        struct buffer *input = &ciphering->input;
        CK_RV rv = CKR_OK;

        if (!fits(ciphering))
                return ciphering->encrypts ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE;
        /* What does not fit into one request; the last one has the padding. */
        if (ciphering->block > 0 && input->length > LIMIT_CIPHER)
                rv = pass(ciphering, module, (input->length - 1) / LIMIT_CIPHER * LIMIT_CIPHER,
                        &ciphering->output);
        if (rv == CKR_OK && (input->length > 0 || ciphering->pads || ciphering->block == 0))
                rv = ask(ciphering, module, ciphering->algorithm.name, input->data, input->length,
                        &ciphering->output);
        return rv == CKR_OK && ciphering->output.failed ? CKR_HOST_MEMORY : rv;
}

CK_RV ciphering_end(struct p11_ciphering *ciphering, const struct module *module, const void *rest,
        size_t length, const uint8_t **ret, size_t *ret_length)
{
        CK_RV rv = CKR_OK;

        if (!ciphering->is_done) {
                rv = add(ciphering, rest, length);
                if (rv == CKR_OK)
                        rv = finish(ciphering, module);
        }
        if (rv != CKR_OK)
                return rv;
        ciphering->is_done = true;
        *ret = (const uint8_t *)ciphering->output.data;
        *ret_length = ciphering->output.length;
        return CKR_OK;
}

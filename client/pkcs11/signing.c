/* SPDX-License-Identifier: MPL-2.0 */
/* See signing.h. */
#include "client/pkcs11/signing.h"

#include <stdio.h>
#include <string.h>

#include "client/pkcs11/module.h"

/* Bytes of a message that is signed whole (Ed25519): what fits into a request. */
#define MESSAGE_MAX 98304U

struct p11_signing {
        const struct mechanism *mechanism;
        struct p11_object *key;
        const struct module_hash *hash; /* of the digest; NULL: it is not known, or there is none */
        size_t salt_length;             /* of PSS */
        struct hashing *hashing;        /* NULL: the input is taken as it is */
        struct buffer input;
};

void signing_free(void *pointer)
{
        struct p11_signing *signing = pointer;

        if (!signing)
                return;
        object_unref(signing->key);
        hashing_free(signing->hashing);
        buffer_done(&signing->input);
        free(signing);
}
DEFINE_CLEANUP(struct p11_signing *, signing_free);

/* ---- beginning ---- */

/* The salt that the program wants, at most the longest there is room for. The engine of libp11 0.4.12 hands OpenSSL's own words on: -1 is
 * that of the hash, and -2 and -3 are the longest. */
static bool take_salt(struct p11_signing *signing, CK_ULONG wanted)
{
        size_t longest = (signing->key->bits + 6) / 8;

        if (longest < signing->hash->length + 2)
                return false;
        longest -= signing->hash->length + 2;
        if (wanted == (CK_ULONG)-1)
                wanted = signing->hash->length;
        else if (wanted == (CK_ULONG)-2 || wanted == (CK_ULONG)-3)
                wanted = longest;
        signing->salt_length = wanted;
        return wanted <= longest;
}

static CK_RV take_pss(struct p11_signing *signing, const CK_MECHANISM *mechanism)
{
        const CK_RSA_PKCS_PSS_PARAMS *params = mechanism->pParameter;
        const struct module_hash *hash;

        if (!params || mechanism->ulParameterLen != sizeof(*params))
                return CKR_MECHANISM_PARAM_INVALID;
        hash = module_hash_of(params->hashAlg);
        if (!hash || hash->mgf != params->mgf || hash->mechanism == CKM_SHA224)
                return CKR_MECHANISM_PARAM_INVALID;
        if (signing->mechanism->hash != CK_UNAVAILABLE_INFORMATION &&
                signing->mechanism->hash != hash->mechanism)
                return CKR_MECHANISM_PARAM_INVALID;
        signing->hash = hash;
        return take_salt(signing, params->sLen) ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
}

static CK_RV take_parameters(struct p11_signing *signing, const CK_MECHANISM *mechanism)
{
        if (signing->mechanism->scheme == MODULE_PSS)
                return take_pss(signing, mechanism);
        /* CK_EDDSA_PARAMS, without which it is the plain Ed25519: a context is not. */
        return mechanism->ulParameterLen > 0 ? CKR_MECHANISM_PARAM_INVALID : CKR_OK;
}

static CK_RV check_key(const struct mechanism *mechanism, CK_FLAGS purpose, const struct p11_object *key)
{
        bool sign = purpose == CKF_SIGN;

        if (key->class != (sign ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY))
                return CKR_KEY_HANDLE_INVALID;
        if (key->key_type != mechanism->key_type)
                return CKR_KEY_TYPE_INCONSISTENT;
        if (sign && !(key->usage & TOKEND_USAGE_SIGN))
                return CKR_KEY_FUNCTION_NOT_PERMITTED;
        return sign || key->spki ? CKR_OK : CKR_KEY_HANDLE_INVALID;
}

CK_RV signing_new(const CK_MECHANISM *mechanism, enum operation_kind kind, struct p11_object *key, void **ret)
{
        _cleanup_(signing_freep) struct p11_signing *signing = calloc(1, sizeof(*signing));
        CK_FLAGS purpose = kind == OPERATION_SIGN ? CKF_SIGN : CKF_VERIFY;
        const struct mechanism *row = mechanism_find(mechanism->mechanism);
        CK_RV rv;

        if (!signing)
                return CKR_HOST_MEMORY;
        if (!row || !(row->flags & purpose))
                return CKR_MECHANISM_INVALID;
        rv = check_key(row, purpose, key);
        if (rv != CKR_OK)
                return rv;
        signing->mechanism = row;
        signing->key = object_ref(key);
        if (row->hash != CK_UNAVAILABLE_INFORMATION) {
                signing->hash = module_hash_of(row->hash);
                signing->hashing = hashing_new(signing->hash);
                if (!signing->hashing)
                        return CKR_HOST_MEMORY;
        }
        rv = take_parameters(signing, mechanism);
        if (rv == CKR_OK)
                *ret = TAKE_PTR(signing);
        return rv;
}

/* ---- input ---- */

CK_RV signing_add(struct p11_signing *signing, const void *data, size_t length)
{
        if (signing->hashing) {
                hashing_add(signing->hashing, data, length);
                return CKR_OK;
        }
        if (length > MESSAGE_MAX - signing->input.length)
                return CKR_DATA_LEN_RANGE;
        if (length > 0)
                buffer_put(&signing->input, data, length);
        return signing->input.failed ? CKR_HOST_MEMORY : CKR_OK;
}

/* Bytes of r and of s. */
static size_t coordinate_length(const struct p11_signing *signing)
{
        return (signing->key->bits + 7) / 8;
}

size_t signing_length(const struct p11_signing *signing)
{
        switch (signing->mechanism->scheme) {
        case MODULE_ECDSA:
                return 2 * coordinate_length(signing);
        case MODULE_EDDSA:
                return 64;
        default:
                return (signing->key->bits + 7) / 8;
        }
}

/* ---- what the daemon is asked ---- */

struct question {
        char algorithm[32];
        enum tokend_input kind;
        const uint8_t *input;
        size_t length;
        int salt_length; /* -1: that of the hash */
};

/* One of the daemon's algorithms, or its raw form: of a hash that it has no algorithm for. */
static void name_algorithm(struct question *question, const char *scheme, const struct module_hash *hash)
{
        if (hash && hash->length >= 32)
                (void)snprintf(question->algorithm, sizeof(question->algorithm), "%s_%s", scheme, hash->name);
        else
                (void)snprintf(question->algorithm, sizeof(question->algorithm), "%s", scheme);
}

/* The DigestInfo that the module or the program made: of SHA-2 it is known to the daemon, which then also records the hash. */
static CK_RV ask_pkcs1(struct p11_signing *signing, struct question *question)
{
        const struct module_hash *hash;
        const uint8_t *digest;

        if (question->length == 0 || question->length + 11 > signing_length(signing))
                return CKR_DATA_LEN_RANGE;
        hash = module_hash_of_info(question->input, question->length, &digest);
        if (hash && hash->length >= 32) {
                question->input = digest;
                question->length = hash->length;
        } else
                hash = NULL;
        name_algorithm(question, "rsa_pkcs1", hash);
        return CKR_OK;
}

static CK_RV ask_pss(struct p11_signing *signing, struct question *question)
{
        if (question->length != signing->hash->length)
                return CKR_DATA_LEN_RANGE;
        (void)snprintf(question->algorithm, sizeof(question->algorithm), "rsa_pss_%s", signing->hash->name);
        if (signing->salt_length != signing->hash->length)
                question->salt_length = (int)signing->salt_length;
        return CKR_OK;
}

/* A digest as long as one of SHA-2 signs the same, whatever made it. A longer one counts with its leftmost bits. */
static CK_RV ask_ecdsa(struct question *question)
{
        if (question->length == 0)
                return CKR_DATA_LEN_RANGE;
        question->length = MIN_OF(question->length, (size_t)MODULE_DIGEST_MAX);
        switch (question->length) {
        case 32:
        case 48:
        case 64:
                (void)snprintf(question->algorithm, sizeof(question->algorithm), "ecdsa_sha%zu",
                        question->length * 8);
                break;
        default:
                name_algorithm(question, "ecdsa", NULL);
        }
        return CKR_OK;
}

/* Puts the digest of what was added into the input. */
static bool close_input(struct p11_signing *signing)
{
        uint8_t digest[MODULE_DIGEST_MAX];

        if (!signing->hashing)
                return !signing->input.failed;
        hashing_end(signing->hashing, digest);
        signing->input.length = 0;
        if (signing->mechanism->scheme == MODULE_PKCS1)
                buffer_put(&signing->input, signing->hash->info, signing->hash->info_length);
        buffer_put(&signing->input, digest, signing->hash->length);
        return !signing->input.failed;
}

static CK_RV ask(struct p11_signing *signing, struct question *question)
{
        *question = (struct question){.kind = TOKEND_DIGEST, .salt_length = -1};
        if (!close_input(signing))
                return CKR_HOST_MEMORY;
        question->input = (const uint8_t *)signing->input.data;
        question->length = signing->input.length;
        switch (signing->mechanism->scheme) {
        case MODULE_PKCS1:
                return ask_pkcs1(signing, question);
        case MODULE_PSS:
                return ask_pss(signing, question);
        case MODULE_ECDSA:
                return ask_ecdsa(question);
        default:
                question->kind = TOKEND_MESSAGE;
                (void)snprintf(question->algorithm, sizeof(question->algorithm), "ed25519");
                return CKR_OK;
        }
}

/* ---- signatures of ECDSA: r and s behind each other here, a DER sequence at the daemon ---- */

static bool put_integer(struct der value, uint8_t *out, size_t length)
{
        value = der_unsigned(value);
        if (value.length > length)
                return false;
        memset(out, 0, length - value.length);
        memcpy(out + length - value.length, value.data, value.length);
        return true;
}

static bool from_der(struct der signature, uint8_t *out, size_t length)
{
        struct der both, r, s;

        return der_take(&signature, DER_TAG_SEQUENCE, &both) && signature.length == 0 &&
               der_take(&both, DER_TAG_INTEGER, &r) && der_take(&both, DER_TAG_INTEGER, &s) &&
               both.length == 0 && put_integer(r, out, length) && put_integer(s, out + length, length);
}

/* out has room for 2 * 66 bytes and their heads. Returns the length; 0: r or s is 0. */
static size_t to_der(const uint8_t *signature, size_t length, uint8_t *out)
{
        struct der r = {signature, length}, s = {signature + length, length};
        size_t n_r = der_put_unsigned(NULL, r), n_s = der_put_unsigned(NULL, s), head;

        if (n_r == 0 || n_s == 0)
                return 0;
        head = der_head(out, DER_TAG_SEQUENCE, n_r + n_s);
        (void)der_put_unsigned(out + head, r);
        (void)der_put_unsigned(out + head + n_r, s);
        return head + n_r + n_s;
}

/* ---- asking ---- */

/* A sealed key is asked for its signature by another method, which takes the salt of the hash alone. */
static CK_RV ask_for_signature(const struct p11_signing *signing, struct tokend *handle, int timeout_ms,
        const struct question *question, unsigned char **ret, size_t *ret_length)
{
        const char *key = signing->key->name;
        struct tokend_failure failure = {0};

        if (!signing->key->sealed)
                (void)tokend_sign_salted(handle, key, question->algorithm, question->kind, question->input,
                        question->length, question->salt_length, timeout_ms, ret, ret_length, &failure);
        else if (question->salt_length < 0)
                (void)tokend_secret_sign(handle, key, question->algorithm, question->kind, question->input,
                        question->length, timeout_ms, ret, ret_length, &failure);
        else
                return CKR_MECHANISM_PARAM_INVALID;
        return module_error(&failure, CKR_DATA_LEN_RANGE, CKR_KEY_FUNCTION_NOT_PERMITTED);
}

CK_RV signing_make(struct p11_signing *signing, struct tokend *handle, int timeout_ms, uint8_t *signature)
{
        size_t length = signing_length(signing), made_length = 0;
        _cleanup_(freep) unsigned char *made = NULL;
        struct question question;
        CK_RV rv = ask(signing, &question);

        if (rv == CKR_OK)
                rv = ask_for_signature(signing, handle, timeout_ms, &question, &made, &made_length);
        if (rv != CKR_OK)
                return rv;
        if (signing->mechanism->scheme == MODULE_ECDSA)
                return from_der((struct der){made, made_length}, signature, length / 2) ? CKR_OK
                                                                                        : CKR_DEVICE_ERROR;
        if (made_length != length)
                return CKR_DEVICE_ERROR;
        memcpy(signature, made, length);
        return CKR_OK;
}

CK_RV signing_verify(struct p11_signing *signing, struct tokend *handle, int timeout_ms,
        const uint8_t *signature, size_t length)
{
        uint8_t der[2 * 66 + 16];
        struct tokend_failure failure = {0};
        struct question question;
        bool valid = false;
        CK_RV rv;

        if (length != signing_length(signing))
                return CKR_SIGNATURE_LEN_RANGE;
        rv = ask(signing, &question);
        if (rv != CKR_OK)
                return rv;
        if (question.salt_length >= 0)
                return CKR_MECHANISM_PARAM_INVALID; /* the daemon's Verify takes the salt of the hash alone */
        if (signing->mechanism->scheme == MODULE_ECDSA) {
                length = to_der(signature, length / 2, der);
                if (length == 0)
                        return CKR_SIGNATURE_INVALID;
                signature = der;
        }
        if (tokend_verify_with(handle, signing->key->spki, signing->key->spki_length, question.algorithm,
                    question.kind, question.input, question.length, signature, length, timeout_ms, &valid,
                    &failure) != TOKEND_OK)
                return module_error(&failure, CKR_DATA_LEN_RANGE, CKR_KEY_FUNCTION_NOT_PERMITTED);
        return valid ? CKR_OK : CKR_SIGNATURE_INVALID;
}

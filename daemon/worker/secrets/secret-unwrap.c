/* SPDX-License-Identifier: MPL-2.0 */
/*
 * UNWRAP: a key that another key wrapped comes in, and leaves as a sealed one. It is in the clear within the module alone. Called
 * by a session thread through operation_run(); may run twice.
 *
 * What is wrong with the wrapped bytes is one error. With RSA so is what comes out of them: who may unwrap with a key must not
 * learn more about a ciphertext than PKCS #11 itself tells.
 */
#include <string.h>

#include "daemon/worker/core/attributes.h"
#include "daemon/worker/secrets/secret-public.h"
#include "daemon/worker/secrets/secret-use.h"

struct unwrapping {
        const struct message_unwrap *message;
        struct secret_shape shape;
        const char *misfit; /* the parameter that is wrong if another key comes out than the template says */
        struct used_mechanism mechanism;
        struct used_key key;
};

/* How many bytes wrap a secret of this size; 0: any number may. */
static size_t wrapped_length(const struct used_mechanism *m, const struct used_key *key, size_t size)
{
        switch (m->info->form) {
        case FORM_OAEP:
                return (key->size + 7U) / 8U;
        case FORM_IV:
                return m->info->unit > 1 ? size : (size / m->info->iv_length + 1) * m->info->iv_length;
        default:
                if (m->info->key_types == SECRET_BIT(SECRET_RSA))
                        return (key->size + 7U) / 8U;
                return m->mechanism.mechanism == CKM_DES3_ECB ? size : 8 + (size + 7U) / 8U * 8U;
        }
}

static int check_lengths(struct operation *operation, const struct unwrapping *unwrapping)
{
        const struct secret_algorithm_info *info = unwrapping->mechanism.info;
        struct wire_bytes wrapped = unwrapping->message->wrapped;
        size_t block = info->iv_length > 0 ? info->iv_length : 8, wanted;
        bool is_rsa = info->key_types == SECRET_BIT(SECRET_RSA);

        if (wrapped.length == 0 || wrapped.length > LIMIT_WRAPPED || (!is_rsa && wrapped.length % block != 0))
                return operation_invalid(
                        operation, "wrapped", "expected a wrapped key, found %zu bytes", wrapped.length);
        if (secret_type_info(unwrapping->shape.type)->is_private)
                return 0;
        if (unwrapping->shape.size % info->unit != 0)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "%s wraps no key of %u bytes",
                        info->name, unwrapping->shape.size);
        wanted = wrapped_length(&unwrapping->mechanism, &unwrapping->key, unwrapping->shape.size);
        if (wrapped.length != wanted)
                return operation_invalid(operation, is_rsa ? "wrapped" : unwrapping->misfit,
                        "such a key is wrapped in %zu bytes, not %zu", wanted, wrapped.length);
        return 0;
}

/* An RSA key decrypts no number that is not below its modulus. Some tokens call that a bad argument, as others a hash of OAEP that they
 * lack (SoftHSM). */
static bool is_too_great(struct session *session, const struct unwrapping *unwrapping)
{
        struct wire_bytes wrapped = unwrapping->message->wrapped;
        uint8_t value[LIMIT_RSA_BITS_MAX / 8 + 8];
        CK_ATTRIBUTE attribute = ATTRIBUTE(CKA_MODULUS, value, sizeof(value));
        struct der modulus;

        if (unwrapping->key.type != SECRET_RSA ||
                attributes_read(session, unwrapping->key.handle, &attribute, 1) != 0)
                return false;
        modulus = der_unsigned(attribute_bytes(&attribute));
        return modulus.length == wrapped.length && memcmp(wrapped.data, modulus.data, modulus.length) >= 0;
}

/* usage: instead of that of the template. public: of an EC key, as far as it is known. */
static int unwrap(struct operation *operation, struct unwrapping *unwrapping, unsigned usage,
        struct wire_bytes public, CK_OBJECT_HANDLE *ret)
{
        struct session *session = operation->session;
        struct wire_bytes wrapped = unwrapping->message->wrapped;
        struct secret_shape shape = unwrapping->shape;
        struct secret_template template;
        int r;

        shape.usage = usage;
        secret_template(&template, &shape, false);
        secret_template_point(session->token, &template, &shape, public);
        r = secret_blame(operation,
                P11(session, C_UnwrapKey, session->handle, &unwrapping->mechanism.mechanism,
                        unwrapping->key.handle, (CK_BYTE_PTR)(uintptr_t)wrapped.data, wrapped.length,
                        template.attributes, template.n, ret),
                "wrapped");
        if (r == REPLY_NOT_SUPPORTED && is_too_great(session, unwrapping))
                return operation_invalid(operation, "wrapped", "it is not below the modulus");
        return r;
}

/* The public half of what comes out, and its size. */
static int find_public(
        struct operation *operation, struct unwrapping *unwrapping, uint8_t **ret, size_t *ret_length)
{
        struct session *session = operation->session;
        unsigned usage = unwrapping->shape.usage | secret_public_usage(unwrapping->shape.type);
        CK_OBJECT_HANDLE handle;
        int r = unwrap(operation, unwrapping, usage, wire_bytes(NULL, 0), &handle);

        if (r != 0)
                return r;
        r = secret_check(operation, handle, &unwrapping->shape, unwrapping->misfit);
        if (r == 0)
                r = secret_blame(operation,
                        secret_public(operation, handle, &unwrapping->shape, ret, ret_length), "wrapped");
        session_destroy(session, handle);
        return r;
}

static int unwrap_private(struct operation *operation, struct unwrapping *unwrapping)
{
        const struct message_unwrap *message = unwrapping->message;
        _cleanup_(freep) uint8_t *public = NULL;
        CK_OBJECT_HANDLE handle;
        size_t length = 0;
        int r = find_public(operation, unwrapping, &public, &length);

        if (r == 0)
                r = unwrap(
                        operation, unwrapping, unwrapping->shape.usage, wire_bytes(public, length), &handle);
        if (r != 0)
                return r;
        return seal_close(operation, message->instance, message->again, handle, &unwrapping->shape,
                wire_bytes(public, length), unwrapping->misfit);
}

/* A token that does not tell the length of what came out (SoftHSM) makes a cipher's key of any number of bytes: whether it is one shows
 * when it encrypts. */
static int try_cipher(struct operation *operation, struct unwrapping *unwrapping)
{
        struct session *session = operation->session;
        bool aes = unwrapping->shape.type == SECRET_AES;
        CK_MECHANISM mechanism = {aes ? CKM_AES_ECB : CKM_DES3_ECB, NULL, 0};
        uint8_t block[16] = {0}, out[16];
        CK_ULONG length = sizeof(out);
        CK_OBJECT_HANDLE handle;
        int r;

        if (unwrapping->shape.type == SECRET_GENERIC ||
                !slot_token_can(session->token, mechanism.mechanism, CKF_ENCRYPT))
                return 0;
        r = unwrap(operation, unwrapping, USAGE_ENCRYPT, wire_bytes(NULL, 0), &handle);
        if (r != 0)
                return r;
        r = P11(session, C_EncryptInit, session->handle, &mechanism, handle);
        if (r == 0)
                r = P11(session, C_Encrypt, session->handle, block, aes ? 16 : 8, out, &length);
        if (session_class(session, r) == CKR_CLASS_REQUEST)
                r = operation_invalid(operation, unwrapping->misfit, "the key has another length");
        else
                r = secret_blame(operation, r, unwrapping->misfit);
        session_destroy(session, handle);
        return r;
}

static int unwrap_secret(struct operation *operation, struct unwrapping *unwrapping)
{
        const struct message_unwrap *message = unwrapping->message;
        CK_OBJECT_HANDLE handle;
        int r = unwrap(operation, unwrapping, unwrapping->shape.usage, wire_bytes(NULL, 0), &handle);

        if (r != 0)
                return r;
        r = secret_check(operation, handle, &unwrapping->shape, unwrapping->misfit);
        if (r == 0)
                r = try_cipher(operation, unwrapping);
        if (r != 0) {
                session_destroy(operation->session, handle);
                return r;
        }
        r = seal_close(operation, message->instance, message->again, handle, &unwrapping->shape,
                wire_bytes(NULL, 0), unwrapping->misfit);
        /* Whether it seals such a key tells of what RSA decrypted. */
        if (r == REPLY_NOT_SUPPORTED && unwrapping->key.type == SECRET_RSA)
                r = operation_invalid(operation, "wrapped", "the token seals no such key");
        return r;
}

static int begin(struct operation *operation, struct unwrapping *unwrapping)
{
        const struct message_unwrap *message = unwrapping->message;
        const struct used_parameters parameters = {.iv = message->iv, .label = message->label};
        struct seal_keys keys;
        int r = used_shape(operation, message->type, message->size, message->usage, &unwrapping->shape);

        if (r == 0)
                r = used_mechanism_init(operation, &unwrapping->mechanism, message->algorithm, DOES_WRAP,
                        CKF_UNWRAP, &parameters);
        if (r != 0)
                return r;
        unwrapping->shape.came_in = true;
        unwrapping->misfit =
                unwrapping->mechanism.info->key_types == SECRET_BIT(SECRET_RSA) ? "wrapped" : "template";
        if (secret_type_info(unwrapping->shape.type)->is_private &&
                !unwrapping->mechanism.info->wraps_private)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "%s wraps no private keys",
                        unwrapping->mechanism.info->name);
        /* Before anything is made, so that a claim of another host costs nothing but the wait. */
        return seal_keys_get(operation, message->instance, message->again, &keys);
}

int unwrap_attempt(struct operation *operation, const void *request)
{
        const struct message_unwrap *message = request;
        struct unwrapping unwrapping = {.message = message};
        int r = begin(operation, &unwrapping);

        while (r == 0) {
                r = used_key_find(operation, unwrapping.mechanism.info, message->instance, message->sealed,
                        message->key, USAGE_UNWRAP, &unwrapping.key);
                if (r == 0)
                        r = check_lengths(operation, &unwrapping);
                if (r != 0)
                        return r;
                r = secret_type_info(unwrapping.shape.type)->is_private
                            ? unwrap_private(operation, &unwrapping)
                            : unwrap_secret(operation, &unwrapping);
                if (used_key_is_still(operation, &unwrapping.key))
                        return r;
                operation->result.payload_length = 0;
        }
        return r;
}

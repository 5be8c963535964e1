/* SPDX-License-Identifier: MPL-2.0 */
/*
 * LOAD: wraps a key of this token for its accelerator and sends it there, over the peer channel. In the clear the key is
 * nowhere but within the two modules. Called by a session thread through operation_run(); changes nothing on the token.
 */
#include "daemon/worker/accel/accel.h"

#include <string.h>
#include <sys/socket.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/ckr.h"
#include "daemon/util/spki.h"

/* How long the accelerator may take for a word, and, once it has given one, for taking the copy in. What comes later is not lost: the
 * next LOAD of the key finds its copy there. */
#define WORD_USEC     (500U * USEC_PER_MSEC)
#define TRANSFER_USEC (3U * USEC_PER_SEC)
/* Where the thread that waits is the only one, and nobody's signature is made meanwhile. */
#define ALONE_USEC (100U * USEC_PER_MSEC)

static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

/* ---- the channel ---- */

/* The channel to the accelerator's worker of now. false: there is none. */
static bool channel_is_there(struct accel *accel)
{
        struct accel_channel fresh;

        while (accel_channels_take(accel->channels, &fresh)) {
                accel_channel_close(&accel->channel);
                accel->channel = fresh;
        }
        return accel->channel.fd >= 0;
}

static void set_timeout(int fd, int option, uint64_t usec)
{
        struct timeval timeout = {(time_t)(usec / USEC_PER_SEC), (suseconds_t)(usec % USEC_PER_SEC)};

        (void)setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeout));
}

/* The number that every message of a peer begins with. */
static uint64_t number_of(struct wire wire)
{
        return wire_get_u64(&wire);
}

static uint64_t patience_usec(const struct operation *operation, uint64_t usec)
{
        return slot_token_threads(operation->session->token) > 1 ? usec : ALONE_USEC;
}

/* The answer with this number, in buffer; what came too late for an earlier question is dropped. -EAGAIN: not in time. */
static int receive(
        struct accel *accel, uint64_t usec, uint8_t *buffer, struct wire *ret, enum message_type *ret_type)
{
        uint64_t until = now_usec() + usec;

        for (uint64_t now = now_usec(); now < until; now = now_usec()) {
                struct wire wire = {.data = buffer};
                int r;

                set_timeout(accel->channel.fd, SO_RCVTIMEO, MAX_OF(until - now, UINT64_C(1000)));
                r = channel_receive_plain(accel->channel.fd, buffer, LIMIT_CHANNEL_MESSAGE, &wire.size);
                if (r != 0)
                        return r > 0 ? -EPIPE : r;
                *ret_type = message_type(&wire);
                if (number_of(wire) == accel->number) {
                        *ret = wire;
                        return 0;
                }
        }
        return -EAGAIN;
}

static CK_RV no_answer(struct operation *operation, int error)
{
        struct accel *accel = operation->accel;

        if (error != -EAGAIN)
                accel_channel_close(&accel->channel);
        return operation_answer(
                operation, REPLY_BUSY, "the accelerator's worker does not answer: %s", strerror(-error));
}

/* TRANSFERRED, as the answer to LOAD. */
static CK_RV transferred(struct operation *operation, struct wire *wire)
{
        struct message_transferred message;
        struct result *result = &operation->result;
        struct wire out = {.data = result->payload, .size = sizeof(result->payload)};

        if (message_get_transferred(wire, &message) < 0 || message.status == 0 ||
                message.status >= REPLY_STATUS_MAX_)
                return no_answer(operation, -EBADMSG);
        result->ckr = message.ckr;
        /* Of its states none is this worker's. */
        if (message.status != REPLY_OK)
                return operation_answer(operation,
                        message.status == REPLY_NOT_SUPPORTED ? REPLY_NOT_SUPPORTED : REPLY_BUSY, "%s",
                        message.text);
        wire_put_u64(&out, message.copy);
        wire_put_u64(&out, message.evicted);
        result->payload_length = out.at;
        return CKR_OK;
}

/* ---- wrapping ---- */

struct wrapped {
        uint8_t wrapping_key[TRANSPORT_BITS], key[WRAPPED_KEY_MAX];
        CK_ULONG n_wrapping_key, n_key;
};

static CK_RV create_transport(
        struct session *session, const struct message_transport_key *message, CK_OBJECT_HANDLE *ret)
{
        CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
        CK_KEY_TYPE type = CKK_RSA;
        CK_ATTRIBUTE template[] = {
                {CKA_CLASS, &class, sizeof(class)},
                {CKA_KEY_TYPE, &type, sizeof(type)},
                {CKA_TOKEN, (void *)(uintptr_t)&no, sizeof(no)},
                {CKA_PRIVATE, (void *)(uintptr_t)&no, sizeof(no)},
                {CKA_WRAP, (void *)(uintptr_t)&yes, sizeof(yes)},
                {CKA_MODULUS, (void *)(uintptr_t)message->modulus.data, message->modulus.length},
                {CKA_PUBLIC_EXPONENT, (void *)(uintptr_t)message->exponent.data, message->exponent.length},
        };

        return P11(session, C_CreateObject, session->handle, template, ARRAY_SIZE(template), ret);
}

/* For this one copy, and gone after it. It can leave the token, wrapped, or it could not reach the other. */
static CK_RV make_wrapping_key(struct session *session, CK_OBJECT_HANDLE *ret)
{
        CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
        CK_ULONG length = 32;
        CK_ATTRIBUTE template[] = {
                {CKA_TOKEN, (void *)(uintptr_t)&no, sizeof(no)},
                {CKA_SENSITIVE, (void *)(uintptr_t)&yes, sizeof(yes)},
                {CKA_EXTRACTABLE, (void *)(uintptr_t)&yes, sizeof(yes)},
                {CKA_WRAP, (void *)(uintptr_t)&yes, sizeof(yes)},
                {CKA_ENCRYPT, (void *)(uintptr_t)&no, sizeof(no)},
                {CKA_DECRYPT, (void *)(uintptr_t)&no, sizeof(no)},
                {CKA_VALUE_LEN, &length, sizeof(length)},
        };

        return P11(session, C_GenerateKey, session->handle, &mechanism, template, ARRAY_SIZE(template), ret);
}

static CK_RV wrap_both(struct session *session, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE transport,
        CK_OBJECT_HANDLE wrapping_key, struct wrapped *out)
{
        CK_RSA_PKCS_OAEP_PARAMS params;
        CK_MECHANISM kwp = {wrap_mechanism(session->token), NULL, 0}, oaep = wrap_oaep(&params);
        CK_RV rv;

        out->n_key = sizeof(out->key);
        out->n_wrapping_key = sizeof(out->wrapping_key);
        rv = P11(session, C_WrapKey, session->handle, &kwp, wrapping_key, key, out->key, &out->n_key);
        if (rv == CKR_OK)
                rv = P11(session, C_WrapKey, session->handle, &oaep, transport, wrapping_key,
                        out->wrapping_key, &out->n_wrapping_key);
        return rv;
}

static CK_RV wrap(struct session *session, CK_OBJECT_HANDLE key,
        const struct message_transport_key *transport, struct wrapped *out)
{
        CK_OBJECT_HANDLE public, wrapping_key;
        CK_RV rv = create_transport(session, transport, &public);

        if (rv != CKR_OK)
                return rv;
        rv = make_wrapping_key(session, &wrapping_key);
        if (rv == CKR_OK) {
                rv = wrap_both(session, key, public, wrapping_key, out);
                (void)P11(session, C_DestroyObject, session->handle, wrapping_key);
        }
        (void)P11(session, C_DestroyObject, session->handle, public);
        return rv;
}

/* Another try would end as this one did. */
static bool never_wraps(CK_RV rv)
{
        return rv == CKR_KEY_NOT_WRAPPABLE || rv == CKR_KEY_UNEXTRACTABLE || rv == CKR_KEY_SIZE_RANGE ||
               rv == CKR_MECHANISM_INVALID || rv == CKR_FUNCTION_NOT_SUPPORTED;
}

/* ---- LOAD ---- */

static bool is_transport(const struct message_transport_key *message)
{
        struct der modulus = der_unsigned((struct der){message->modulus.data, message->modulus.length});

        return modulus.length >= TRANSPORT_BITS / 8 && modulus.length <= TRANSPORT_BITS / 2 &&
               (modulus.data[0] & 0x80) && message->exponent.length > 0 && message->exponent.length <= 8;
}

static CK_RV send_key(
        struct operation *operation, const struct message_load *load, const struct wrapped *wrapped)
{
        struct accel *accel = operation->accel;
        uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
        struct message_transfer transfer = {.number = ++accel->number,
                .spki = load->spki,
                .wrapping_key = wire_bytes(wrapped->wrapping_key, wrapped->n_wrapping_key),
                .key = wire_bytes(wrapped->key, wrapped->n_key)};
        enum message_type type;
        struct wire wire;
        int r = message_send_transfer(accel->channel.fd, &transfer, NULL, 0);

        if (r == 0)
                r = receive(accel, patience_usec(operation, TRANSFER_USEC), buffer, &wire, &type);
        if (r == 0 && type != MESSAGE_TYPE_TRANSFERRED)
                r = -EBADMSG;
        return r < 0 ? no_answer(operation, r) : transferred(operation, &wire);
}

static CK_RV load_locked(struct operation *operation, const struct message_load *load, CK_OBJECT_HANDLE key)
{
        struct accel *accel = operation->accel;
        uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
        struct message_transport_key transport;
        struct wrapped wrapped;
        char name[CKR_TEXT];
        enum message_type type;
        struct wire wire;
        int r = -ENOTCONN;
        CK_RV rv;

        if (channel_is_there(accel)) {
                set_timeout(accel->channel.fd, SO_SNDTIMEO, WORD_USEC);
                r = message_send_transport(accel->channel.fd,
                        &(struct message_transport){.number = ++accel->number, .spki = load->spki}, NULL, 0);
        }
        if (r == 0)
                r = receive(accel, patience_usec(operation, WORD_USEC), buffer, &wire, &type);
        if (r < 0)
                return no_answer(operation, r);
        /* It has a copy already, or cannot have any. */
        if (type == MESSAGE_TYPE_TRANSFERRED)
                return transferred(operation, &wire);
        if (type != MESSAGE_TYPE_TRANSPORT_KEY || message_get_transport_key(&wire, &transport) < 0 ||
                !is_transport(&transport))
                return no_answer(operation, -EBADMSG);
        rv = wrap(operation->session, key, &transport, &wrapped);
        if (never_wraps(rv))
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the token does not wrap it: %s", ckr_text(rv, name));
        return rv == CKR_OK ? send_key(operation, load, &wrapped) : rv;
}

CK_RV load_attempt(struct operation *operation, const void *request)
{
        const unsigned wanted = FLAG_SENSITIVE | FLAG_ALWAYS_SENSITIVE | FLAG_EXTRACTABLE;
        const struct message_load *load = request;
        const struct slot_token *token = operation->session->token;
        struct accel *accel = operation->accel;
        struct inventory_key key;
        CK_RV rv;

        if (!inventory_key(operation->inventory, load->key, &key))
                return operation_answer(operation, REPLY_KEY_GONE, "no such key");
        if ((key.flags & wanted) != wanted || !(key.usage & USAGE_SIGN) || key.always_authenticate)
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the key is not one that may be loaded");
        if (!token->config->accelerator || !wrap_can(token))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token loads no keys");
        pthread_mutex_lock(&accel->load_lock);
        rv = load_locked(operation, load, key.handle);
        pthread_mutex_unlock(&accel->load_lock);
        return rv;
}

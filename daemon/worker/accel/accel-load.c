/* SPDX-License-Identifier: MPL-2.0 */
/*
 * LOAD: wraps a key of this token for its accelerator and sends it there, over the peer channel. Only within
 * the two modules the key is in the clear. Called by a session thread through operation_run(); changes
 * nothing on the token.
 */
#include "daemon/worker/accel/accel.h"

#include <string.h>
#include <sys/socket.h>

#include "daemon/util/algorithm.h"
#include "daemon/worker/device/attribute.h"

/* How long the accelerator may take to answer, and, once it has answered, to take the copy in. A copy that it
 * takes in later is not lost: the next LOAD of the key finds it there. */
#define WORD_USEC     (500U * USEC_PER_MSEC)
#define TRANSFER_USEC (3U * USEC_PER_SEC)
/* The same if the thread that waits is the only one, so that no signature is made meanwhile. */
#define ALONE_USEC (100U * USEC_PER_MSEC)

/* ---- the channel ---- */

/* Takes the newest channel to the accelerator's worker. false: there is none. */
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

/* Every message between peers begins with a number. */
static uint64_t number_of(struct wire wire)
{
        return wire_get_u64(&wire);
}

static uint64_t patience_usec(const struct operation *operation, uint64_t usec)
{
        return slot_token_threads(operation->session->token) > 1 ? usec : ALONE_USEC;
}

/* The answer to the last question, in buffer. Answers to earlier questions, which came too late, are dropped.
 * -EAGAIN: it did not come in time. */
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

static int no_answer(struct operation *operation, int error)
{
        struct accel *accel = operation->accel;

        if (error != -EAGAIN)
                accel_channel_close(&accel->channel);
        return operation_answer(
                operation, REPLY_BUSY, "the accelerator's worker does not answer: %s", strerror(-error));
}

/* TRANSFERRED, as the answer to LOAD. */
static int transferred(struct operation *operation, struct wire *wire)
{
        struct message_transferred message;
        struct result *result = &operation->result;
        struct wire out = {.data = result->payload, .size = sizeof(result->payload)};

        if (message_get_transferred(wire, &message) < 0 || message.status == 0 ||
                message.status >= REPLY_STATUS_MAX_)
                return no_answer(operation, -EBADMSG);
        result->ckr = message.ckr;
        /* Any other status is about the state of that worker, not of this one. */
        if (message.status != REPLY_OK)
                return operation_answer(operation,
                        message.status == REPLY_NOT_SUPPORTED ? REPLY_NOT_SUPPORTED : REPLY_BUSY, "%s",
                        message.text);
        wire_put_u64(&out, message.copy);
        wire_put_u64(&out, message.evicted);
        result->payload_length = out.at;
        return 0;
}

/* ---- wrapping ---- */

struct wrapped {
        uint8_t wrapping_key[TRANSPORT_BITS], key[WRAPPED_KEY_MAX];
        CK_ULONG n_wrapping_key, n_key;
};

static int create_transport(
        struct session *session, const struct message_transport_key *message, CK_OBJECT_HANDLE *ret)
{
        CK_ATTRIBUTE template[] = {
                ATTRIBUTE_ULONG(CKA_CLASS, CKO_PUBLIC_KEY),
                ATTRIBUTE_ULONG(CKA_KEY_TYPE, CKK_RSA),
                ATTRIBUTE_BOOL(CKA_TOKEN, false),
                ATTRIBUTE_BOOL(CKA_PRIVATE, false),
                ATTRIBUTE_BOOL(CKA_WRAP, true),
                ATTRIBUTE_BYTES(CKA_MODULUS, message->modulus),
                ATTRIBUTE_BYTES(CKA_PUBLIC_EXPONENT, message->exponent),
        };

        return P11(session, C_CreateObject, session->handle, template, ARRAY_SIZE(template), ret);
}

/* Made for one copy and destroyed after it. It is extractable, because it has to travel wrapped to the
 * accelerator. */
static int make_wrapping_key(struct session *session, CK_OBJECT_HANDLE *ret)
{
        CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
        CK_ATTRIBUTE template[] = {
                ATTRIBUTE_BOOL(CKA_TOKEN, false),
                ATTRIBUTE_BOOL(CKA_SENSITIVE, true),
                ATTRIBUTE_BOOL(CKA_EXTRACTABLE, true),
                ATTRIBUTE_BOOL(CKA_WRAP, true),
                ATTRIBUTE_BOOL(CKA_ENCRYPT, false),
                ATTRIBUTE_BOOL(CKA_DECRYPT, false),
                ATTRIBUTE_ULONG(CKA_VALUE_LEN, 32),
        };

        return P11(session, C_GenerateKey, session->handle, &mechanism, template, ARRAY_SIZE(template), ret);
}

static int wrap_both(struct session *session, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE transport,
        CK_OBJECT_HANDLE wrapping_key, struct wrapped *out)
{
        CK_RSA_PKCS_OAEP_PARAMS params;
        CK_MECHANISM kwp = {accel_mechanism(session->token), NULL, 0}, oaep = accel_oaep(&params);
        int r;

        out->n_key = sizeof(out->key);
        out->n_wrapping_key = sizeof(out->wrapping_key);
        r = P11(session, C_WrapKey, session->handle, &kwp, wrapping_key, key, out->key, &out->n_key);
        if (r == 0)
                r = P11(session, C_WrapKey, session->handle, &oaep, transport, wrapping_key,
                        out->wrapping_key, &out->n_wrapping_key);
        return r;
}

static int wrap(struct session *session, CK_OBJECT_HANDLE key, const struct message_transport_key *transport,
        struct wrapped *out)
{
        CK_OBJECT_HANDLE public, wrapping_key;
        int r = create_transport(session, transport, &public);

        if (r != 0)
                return r;
        r = make_wrapping_key(session, &wrapping_key);
        if (r == 0) {
                r = wrap_both(session, key, public, wrapping_key, out);
                session_destroy(session, wrapping_key);
        }
        session_destroy(session, public);
        return r;
}

/* Another try would end in the same way. */
static bool never_wraps(const struct session *session, int r)
{
        return session_said(session, r, CKR_KEY_NOT_WRAPPABLE) ||
               session_said(session, r, CKR_KEY_UNEXTRACTABLE) ||
               session_said(session, r, CKR_KEY_SIZE_RANGE) ||
               session_said(session, r, CKR_MECHANISM_INVALID) ||
               session_said(session, r, CKR_FUNCTION_NOT_SUPPORTED);
}

/* ---- LOAD ---- */

static bool is_transport(const struct message_transport_key *message)
{
        struct der modulus = der_unsigned((struct der){message->modulus.data, message->modulus.length});

        return modulus.length >= TRANSPORT_BITS / 8 && modulus.length <= TRANSPORT_BITS / 2 &&
               (modulus.data[0] & 0x80) && message->exponent.length > 0 && message->exponent.length <= 8;
}

static int send_key(
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

static int load_locked(struct operation *operation, const struct message_load *load, CK_OBJECT_HANDLE key)
{
        struct accel *accel = operation->accel;
        uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
        struct message_transport_key transport;
        struct wrapped wrapped;
        char name[CKR_TEXT];
        enum message_type type;
        struct wire wire;
        int r = -ENOTCONN;

        if (channel_is_there(accel)) {
                set_timeout(accel->channel.fd, SO_SNDTIMEO, WORD_USEC);
                r = message_send_transport(accel->channel.fd,
                        &(struct message_transport){.number = ++accel->number, .spki = load->spki}, NULL, 0);
        }
        if (r == 0)
                r = receive(accel, patience_usec(operation, WORD_USEC), buffer, &wire, &type);
        if (r < 0)
                return no_answer(operation, r);
        /* The accelerator has a copy already, or cannot take one. */
        if (type == MESSAGE_TYPE_TRANSFERRED)
                return transferred(operation, &wire);
        if (type != MESSAGE_TYPE_TRANSPORT_KEY || message_get_transport_key(&wire, &transport) < 0 ||
                !is_transport(&transport))
                return no_answer(operation, -EBADMSG);
        r = wrap(operation->session, key, &transport, &wrapped);
        if (never_wraps(operation->session, r))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token cannot wrap the key: %s",
                        ckr_text(operation->session->failed.ckr, name));
        return r == 0 ? send_key(operation, load, &wrapped) : r;
}

int load_attempt(struct operation *operation, const void *request)
{
        const unsigned wanted = FLAG_SENSITIVE | FLAG_ALWAYS_SENSITIVE | FLAG_EXTRACTABLE;
        const struct message_load *load = request;
        const struct slot_token *token = operation->session->token;
        struct accel *accel = operation->accel;
        struct inventory_key key;
        int r;

        if (!inventory_key(operation->inventory, load->key, &key))
                return operation_answer(operation, REPLY_KEY_GONE, "there is no such key");
        if ((key.flags & wanted) != wanted || !(key.usage & USAGE_SIGN) || key.always_authenticate ||
                key.restricted)
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the key must not be loaded into an accelerator");
        if (!token->config->accelerator || !accel_can_wrap(token))
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the token cannot load keys into an accelerator");
        /* The accelerator checks that the copy is of the public key: what has the handle by now does not
         * matter. */
        pthread_mutex_lock(&accel->load_lock);
        r = load_locked(operation, load, key.handle);
        pthread_mutex_unlock(&accel->load_lock);
        return r;
}

/* SPDX-License-Identifier: MPL-2.0 */
/* The steps that the methods of io.tokend.Secrets share, beside those of steps.h. Every one may be called twice. */
#pragma once

#include "daemon/broker/methods/steps.h"
#include "daemon/channel/sealed.h"
#include "gen/broker/methods/methods.h"

/* What a client's names of keys say: sealed keys as bytes, and the instance that they are for. They lie in op->buffer. */
struct sealed_names {
        struct wire_bytes key, other; /* empty where the name is none of a sealed key, or NULL */
        const char *instance;
        const char *key_text,
                *other_text; /* `sealed:` and the fingerprint of the key; the fingerprint of the other; NULL: empty */
};

/* Reads both names, sets op->token where one of them is a sealed key, and op->key to how records and errors call the key. What is no
 * sealed key of the caller's, or of no token that it sees, is NotOurSeal. key, other: may be NULL. */
_must_check_ bool op_take_sealed(struct op *op, const char *key, const char *other, struct sealed_names *ret);

/* The key of a request: the sealed one, or what is named (of: OBJECT_KEY, OBJECT_SECRET) on the token of the other sealed key. */
_must_check_ bool op_find_used(struct op *op, const char *name, enum object_kind of,
        const struct sealed_names *names, void (*again)(struct op *op));

/* What a template asks for. */
struct wanted_key {
        uint8_t type;
        uint32_t size, usage;
};
/* Whether it can be; else the op has failed. makes: what is not said has its default. */
_must_check_ bool op_take_template(struct op *op, const struct secrets_template_parameters *template,
        bool makes, struct wanted_key *ret);

/* `sealed:` and base64, of the op's result, into op->reply_text, and the public half that follows it. false: no memory. */
_must_check_ bool op_put_sealed(struct op *op, struct wire_bytes *ret_public);

/* As op_finish_payload(), for an op that made a sealed key: its fingerprint is recorded. */
void op_finish_sealed(struct op *op);

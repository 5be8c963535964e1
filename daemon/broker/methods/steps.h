/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The steps that methods share. A method is one function that reads from top to bottom: take the parameters, find what they name,
 * see whether the caller may, submit; its reply is rendered by a second one. What a caller may not see goes the same way as what
 * is not there, refresh and all.
 *
 * A step that finds returns true where the method goes on now. false: the op has failed, or waits for a token's directory; then
 * `again`, which is the method itself, is called when the directory is there, and begins anew: what a method does before it has
 * found everything must bear being done twice.
 */
#pragma once

#include "daemon/broker/model/name.h"
#include "daemon/broker/op/op.h"

/* What is wrong with a nickname that nickname_may_be_given() refuses. */
#define NICKNAME_REASON                                                                                      \
        "expected 1 to 128 bytes of UTF-8 without a control character and without a colon, and not "         \
        "\"unnamed ...\""
/* Of digest and message, where not exactly one is given. */
#define NO_PUBLIC_REASON                                                                                     \
        "the token shows no public key that is known to be this one's: none of its CKA_ID, and not exactly " \
        "one of its label"
#define INPUT_REASON "expected exactly one of digest and message"

/* Whether op->entry can be used so: it is of the right type, and was made for this (enum key_usage). Else the op has failed. */
_must_check_ bool op_key_is_fit(struct op *op, bool type_fits, unsigned usage);

/* The key of that name: op->token and op->entry are set. parameter: where the name stood. */
_must_check_ bool op_find_key(
        struct op *op, const char *name, const char *parameter, void (*again)(struct op *op));
/* Likewise a certificate: its name is the parameter `certificate`. */
_must_check_ bool op_find_certificate(
        struct op *op, const char *name, const char *serial, void (*again)(struct op *op));
/* Likewise a secret. */
_must_check_ bool op_find_secret(
        struct op *op, const char *name, const char *parameter, void (*again)(struct op *op));
/* The token of that name (NULL: the caller's own) if the caller may see it: op->token is set. Waits for nothing. */
_must_check_ bool op_find_token(struct op *op, const char *name);
/* The directory of op->token. */
_must_check_ bool op_find_directory(struct op *op, void (*again)(struct op *op));
/* Waits until the token's directory is there, or was renewed. */
void op_wait(struct op *op, struct token *token, void (*again)(struct op *op));

/* What an instance sees by a name, as far as the directories know: of several objects, or of none, `entry` means nothing. token: where
 * it is, or would be; NULL: on none that the instance sees. */
struct finding {
        size_t n;
        struct token *token;
        struct entry *entry;
        struct name name; /* done by finding_done() */
};
/* 1: a URI that does not parse; -ENOMEM. Otherwise the caller calls finding_done(). */
int finding_make(struct broker *broker, const struct config_instance *policy, enum object_kind kind,
        const char *text, struct finding *ret);
void finding_done(struct finding *finding);

/* InvalidParameter: what is wrong with the name of a key, that is a URI. */
void op_bad_name(struct op *op, const char *name, const char *parameter);

/* The words of Allow= of an instance, for a reply; userdata: a struct config_instance. */
void steps_put_rights(struct output *output, void *userdata);

/* Hands the op, whose kind and input are set, to op->token, by way of the records and of an accelerator. then is called with the end
 * in op->end, once. */
void op_submit(struct op *op, void (*then)(struct op *op));

/* The op ends without a device: done (END_OK), or refused for what the directory says. */
void op_refuse(struct op *op, enum op_end end);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * io.tokend.Certificates: Get, Request, SelfSign, Import and Delete. What a subject or a certificate says is read by
 * the worker; here is decided whose a certificate is, and who may put it where.
 */
#include <string.h>

#include "daemon/broker/methods/steps.h"
#include "daemon/broker/model/audit-key.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/spki.h"
#include "daemon/util/text.h"
#include "daemon/util/unnamed.h"
#include "gen/broker/methods/methods.h"
#include "gen/proto/enums.h"

/* ---- Get ---- */

void certificates_get(struct op *op)
{
        const struct certificates_get_parameters *p = (void *)op->parameters;

        if (op_find_certificate(op, p->certificate, p->serial_number, certificates_get) &&
                op_may(op, RIGHT_LIST))
                op_done(op);
}

enum render certificates_get_render(struct op *op, struct output *output)
{
        certificates_get_reply_put(output, &(struct certificates_get_reply){{entry_put, op->entry}});
        return RENDER_LAST;
}

/* ---- what is signed with a key: Request, SelfSign ---- */

/* The names, each ended by a NUL, into op->buffer. 1: one of them is not a DNS name, or the list is empty. */
static int take_dns_names(struct op *op, struct json_object *names, struct wire_bytes *ret)
{
        size_t n = names ? json_object_array_length(names) : 0, length = 0;
        unsigned char *at;

        *ret = wire_bytes(NULL, 0);
        if (!names)
                return 0;
        if (n == 0)
                return 1;
        for (size_t i = 0; i < n; i++) {
                const char *name = json_object_get_string(json_object_array_get_idx(names, i));

                if (!text_is_dns_name(name))
                        return 1;
                length += strlen(name) + 1;
        }
        at = op->buffer = malloc(length);
        if (!at)
                return -ENOMEM;
        *ret = wire_bytes(at, length);
        for (size_t i = 0; i < n; i++)
                at = (unsigned char *)stpcpy(
                             (char *)at, json_object_get_string(json_object_array_get_idx(names, i))) +
                     1;
        return 0;
}

/* What is signed about a subject with op->entry: the algorithm and the names. Whether all fits; else the op has failed. */
static bool take_subject(struct op *op, const char *algorithm_name, struct json_object *dns_names,
        unsigned *ret_algorithm, struct wire_bytes *ret_names)
{
        const struct entry *key = op->entry;
        unsigned algorithm = algorithm_name ? algorithm_from_name(algorithm_name)
                                            : algorithm_default(key->key_type, key->size);
        int r;

        if (key->der_length == 0)
                return op_invalid(op, "key", NO_PUBLIC_REASON);
        if (algorithm == 0)
                return op_invalid(op, "algorithm",
                        algorithm_name ? "expected one of " KEYS_SIGNATURE_ALGORITHM_WORDS
                                       : "it is missing, and for this key there is no usual one");
        op->algorithm = algorithm_info(algorithm)->name;
        op->invalid = "subject";
        /* X.509 has Ed25519; the library that makes the certificates does not. */
        if (!op_key_is_fit(op,
                    algorithm != ED25519 && !algorithm_is_raw(algorithm) &&
                            algorithm_fits(algorithm, key->key_type, key->size),
                    USAGE_SIGN))
                return false;
        r = take_dns_names(op, dns_names, ret_names);
        if (r > 0)
                op_invalid(op, "dnsNames",
                        "expected one DNS name or more: letters, digits, hyphens and dots, in ASCII");
        else if (r < 0)
                op_refuse(op, END_NO_MEMORY);
        *ret_algorithm = algorithm;
        return r == 0;
}

void certificates_request(struct op *op)
{
        const struct certificates_request_parameters *p = (void *)op->parameters;
        struct wire_bytes names;
        unsigned algorithm;

        if (!op_find_key(op, p->key, "key", certificates_request) || !op_may(op, RIGHT_REQUEST) ||
                !take_subject(op, p->algorithm, p->dns_names, &algorithm, &names))
                return;
        op->kind = MESSAGE_TYPE_CERT_REQUEST;
        op->input.cert_request = (struct message_cert_request){
                .algorithm = (uint8_t)algorithm, .subject = p->subject, .dns_names = names};
        op_submit(op, op_finish_payload);
}

enum render certificates_request_render(struct op *op, struct output *output)
{
        certificates_request_reply_put(
                output, &(struct certificates_request_reply){wire_bytes(op->result, op->n_result)});
        return RENDER_LAST;
}

/* Whether something other than the key (NULL: anything) bears the nickname on the token. */
static bool is_taken(const struct token *token, const char *nickname, const struct entry *key)
{
        struct entry *entry = NULL;

        while ((entry = directory_nickname(token->directory, nickname, entry)))
                if (entry != key)
                        return true;
        return false;
}

void certificates_self_sign(struct op *op)
{
        const struct certificates_self_sign_parameters *p = (void *)op->parameters;
        const struct entry *key;
        struct wire_bytes names;
        unsigned algorithm;

        if (!op_find_key(op, p->key, "key", certificates_self_sign) || !op_may(op, RIGHT_REQUEST) ||
                !op_may(op, RIGHT_IMPORT))
                return;
        key = op->entry;
        if (!nickname_may_be_given(key->nickname)) {
                op_invalid(op, "key", "the key has no nickname under which a certificate could lie");
                return;
        }
        if (!take_subject(op, p->algorithm, p->dns_names, &algorithm, &names))
                return;
        op->nickname = key->nickname;
        if (is_taken(op->token, key->nickname, key)) {
                op_refuse(op, END_NICKNAME_EXISTS);
                return;
        }
        op->kind = MESSAGE_TYPE_SELF_SIGN;
        op->input.self_sign = (struct message_self_sign){.algorithm = (uint8_t)algorithm,
                .subject = p->subject,
                .days = (uint32_t)p->validity_days,
                .ca = p->ca,
                .dns_names = names};
        op_submit(op, op_finish);
}

enum render certificates_self_sign_render(struct op *op, struct output *output)
{
        certificates_self_sign_reply_put(
                output, &(struct certificates_self_sign_reply){{entry_put, op->made}});
        return RENDER_LAST;
}

/* ---- Import ---- */

/* The key on the token that a certificate of this public key is of, as the caller may reach it. */
struct owner {
        struct entry *key;     /* whose nickname it is; NULL: none */
        struct entry *unnamed; /* that has no name yet; NULL: none */
        bool seen, is_others;  /* a key of that public key has another nickname; the caller may not see it */
};

static struct owner find_owner(const struct op *op, struct der spki, const char *nickname)
{
        const struct config_instance *policy = op_policy(op);
        struct owner owner = {0};
        struct entry *key = NULL;

        while ((key = directory_next(op->token->directory, OBJECT_KEY, key))) {
                if (!spki_is_same((struct der){key->der, key->der_length}, spki))
                        continue;
                if (!policy_sees_entry(policy, key))
                        owner.is_others = true;
                else if (entry_name(key, nickname))
                        owner.key = key;
                else if (nickname_is_unnamed(key->nickname) && !owner.unnamed)
                        owner.unnamed = key;
                else
                        owner.seen = true;
        }
        return owner;
}

/* A certificate of that nickname: it is the one that is imported, or goes for it, or is in the way. */
static enum op_end replace_one(struct op *op, struct entry *at, const struct entry *key, struct der spki)
{
        const struct certificates_import_parameters *p = (void *)op->parameters;
        struct der of;
        int r;

        if (at->kind != OBJECT_CERTIFICATE || at->der_length < CERTIFICATE_MARK ||
                !spki_of_certificate((struct der){at->der, at->der_length}, &of) || !spki_is_same(of, spki))
                return END_NICKNAME_EXISTS;
        if (bytes_equal(at->der, at->der_length, p->certificate.data, p->certificate.length) &&
                (!key || bytes_equal(at->id, at->id_length, key->id, key->id_length))) {
                op->was_there = true;
                return END_OK;
        }
        r = op_replace(op, at);
        return r == 0 ? END_OK : r == -ENOMEM ? END_NO_MEMORY : END_NICKNAME_EXISTS;
}

/* Finds what the certificate is to replace. key: whose nickname it is; NULL: none that is the certificate's. Else the op has failed. */
static bool take_replaced(struct op *op, const struct entry *key, struct der spki)
{
        const struct certificates_import_parameters *p = (void *)op->parameters;
        enum op_end end = END_OK;
        struct entry *at = NULL;

        while (!key && (at = directory_nickname(op->token->directory, p->nickname, at)))
                if (at->kind == OBJECT_KEY)
                        return op_invalid(
                                op, "certificate", "its public key is not that of the key of this nickname");
        while (end == END_OK && (at = directory_nickname(op->token->directory, p->nickname, at)))
                if (at != key)
                        end = replace_one(op, at, key, spki);
        if (end != END_OK) {
                op_refuse(op, end);
                return false;
        }
        /* A key without a label of its own gets this one, and is not called by its other certificates any more. */
        return !key || op->n_replaced == 0 || key->n_names == 1 ||
               !policy_others_lose(op->broker->config, op_policy(op), op->token->config, key, p->nickname) ||
               op_may(op, RIGHT_DELETE);
}

/* The marks of what goes. */
static bool take_marks(struct op *op, struct wire_bytes *ret)
{
        *ret = wire_bytes(NULL, 0);
        if (op->n_replaced == 0)
                return true;
        op->buffer = malloc(op->n_replaced * CERTIFICATE_MARK);
        if (!op->buffer) {
                op_refuse(op, END_NO_MEMORY);
                return false;
        }
        for (size_t i = 0; i < op->n_replaced; i++)
                memcpy(op->buffer + i * CERTIFICATE_MARK,
                        certificate_mark((struct der){op->replaced[i]->der, op->replaced[i]->der_length})
                                .data,
                        CERTIFICATE_MARK);
        *ret = wire_bytes(op->buffer, op->n_replaced * CERTIFICATE_MARK);
        return true;
}

/* Whether the caller may import the certificate under that nickname: whose it is decides. op->entry becomes its key, or NULL. Else
 * the op has failed. */
static bool may_import(struct op *op, const struct certificates_import_parameters *p)
{
        struct owner owner;
        struct der spki;

        if (p->certificate.length > LIMIT_CERTIFICATE) {
                op_fail_with(op, PROTO_NOT_A_CERTIFICATE, "reason", "it is longer than 64 KiB");
                return false;
        }
        if (!spki_of_certificate((struct der){p->certificate.data, p->certificate.length}, &spki)) {
                op_fail_with(op, PROTO_NOT_A_CERTIFICATE, "reason", "it is not one X.509 certificate in DER");
                return false;
        }
        owner = find_owner(op, spki, p->nickname);
        if (owner.is_others || !policy_sees_nickname(op_policy(op), p->nickname))
                op_denied(op, config_right_name(RIGHT_IMPORT), DENIAL_NOT_THIS_KEY);
        else if (op_is_for_audit_key(op) || audit_key_is_same(op->broker, spki))
                op_denied(op, config_right_name(RIGHT_IMPORT), DENIAL_AUDIT_KEY);
        else if (!owner.key && owner.seen)
                op_invalid(op, "nickname", "the key of this certificate has another nickname: give that one");
        else if (!p->replace && is_taken(op->token, p->nickname, owner.key))
                op_refuse(op, END_NICKNAME_EXISTS);
        else if (!p->replace || take_replaced(op, owner.key, spki)) {
                op_set_entry(op, owner.key ? owner.key : owner.unnamed);
                return true;
        }
        return false;
}

static void on_imported(struct op *op)
{
        if (op->end == END_OK)
                op_settle_replaced(op);
        op_finish(op);
}

void certificates_import(struct op *op)
{
        const struct certificates_import_parameters *p = (void *)op->parameters;
        struct wire_bytes marks;

        if (!op_may(op, RIGHT_IMPORT))
                return;
        if (!nickname_may_be_given(p->nickname)) {
                op_invalid(op, "nickname", NICKNAME_REASON);
                return;
        }
        if (!op_find_token(op, p->token))
                return;
        op->key = op->nickname = p->nickname;
        op->algorithm = "";
        op->invalid = "certificate";
        if (!op_find_directory(op, certificates_import) || !may_import(op, p) || !take_marks(op, &marks))
                return;
        op->kind = MESSAGE_TYPE_IMPORT;
        op->input.import = (struct message_import){.nickname = p->nickname,
                .names = op->entry && !entry_name(op->entry, p->nickname),
                .der = wire_bytes(p->certificate.data, p->certificate.length),
                .replace = p->replace,
                .marks = marks};
        op_submit(op, on_imported);
}

static void put_replaced(struct output *output, void *userdata)
{
        const struct op *op = userdata;

        for (size_t i = 0; i < op->n_replaced; i++) {
                output_text(output, i > 0 ? "," : "");
                output_string(output, op->replaced[i]->serial);
        }
}

enum render certificates_import_render(struct op *op, struct output *output)
{
        const struct certificates_import_parameters *p = (void *)op->parameters;
        bool unchanged = op->was_there && op->n_replaced == 0;

        certificates_import_reply_put(
                output, &(struct certificates_import_reply){{entry_put, op->made},
                                {p->replace ? put_replaced : NULL, op}, p->replace ? &unchanged : NULL});
        return RENDER_LAST;
}

/* ---- Delete ---- */

void certificates_delete(struct op *op)
{
        const struct certificates_delete_parameters *p = (void *)op->parameters;

        if (!op_find_certificate(op, p->certificate, p->serial_number, certificates_delete) ||
                !op_may(op, RIGHT_DELETE_CERT))
                return;
        op->algorithm = "";
        op->invalid = "certificate";
        op->kind = MESSAGE_TYPE_CERT_DELETE;
        op_submit(op, op_finish);
}

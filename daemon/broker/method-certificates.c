/* SPDX-License-Identifier: MPL-2.0 */
/*
 * io.tokend.Certificates: Get, Request, SelfSign, Import and Delete. What a subject or a certificate says is read by
 * the worker; here is decided whose a certificate is, and who may put it where.
 */
#include "gen/broker/methods.h"

#include <string.h>

#include "daemon/util/spki.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/text.h"

static void no_memory(struct request *request, struct token *token)
{
        request_fail_job(request, token, &(struct job_result){.end = JOB_NO_MEMORY});
}

static void nickname_exists(struct request *request, struct token *token)
{
        request_fail_job(request, token, &(struct job_result){.end = JOB_NICKNAME_EXISTS});
}

/* ---- Get ---- */

void certificates_get(struct request *request)
{
        struct certificates_get_parameters *p = (void *)request->parameters;
        struct token *token;
        struct entry *entry;

        if (request_find_certificate(request, p->certificate, &token, &entry) != 0 ||
                !request_may(request, RIGHT_LIST))
                return;
        request->entry = entry_ref(entry);
        request_done(request);
}

enum render certificates_get_render(struct request *request, struct output *output)
{
        certificates_get_reply_put(output, &(struct certificates_get_reply){{entry_put, request->entry}});
        return RENDER_LAST;
}

/* ---- what is signed with a key: Request, SelfSign ---- */

/* The algorithm of that name, or the default for the key; 0: unknown name. */
static unsigned choose_algorithm(const char *name, const struct entry *key)
{
        return name ? algorithm_from_name(name) : algorithm_default(key->key_type, key->size);
}

/* The names, each ended by a NUL, into the job. 1: one of them is none, or there are none at all. */
static int take_dns_names(struct json_object *names, struct job *job)
{
        size_t n = names ? json_object_array_length(names) : 0, length = 0;
        unsigned char *at;

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
        at = job->data = malloc(length);
        if (!at)
                return -ENOMEM;
        job->n_data = length;
        for (size_t i = 0; i < n; i++)
                at = (unsigned char *)stpcpy(
                             (char *)at, json_object_get_string(json_object_array_get_idx(names, i))) +
                     1;
        return 0;
}

/* What the parameters of Request and SelfSign have in common. */
struct certificate_subject {
        const char *name, *algorithm;
        struct json_object *dns_names;
};

/* A job that signs something about the subject with the key; NULL: the request has failed. */
static struct job *signing_job(struct request *request, enum job_kind kind, struct token *token,
        struct entry *key, const struct certificate_subject *subject)
{
        _cleanup_(job_freep) struct job *job = NULL;
        unsigned algorithm = choose_algorithm(subject->algorithm, key);
        int r;

        if (algorithm == 0) {
                request_invalid(request, "algorithm");
                return NULL;
        }
        request->algorithm = algorithm_info(algorithm)->name;
        request->invalid = "subject";
        /* X.509 has Ed25519, the library that makes the certificates has not. */
        if (algorithm == ED25519 || !algorithm_fits(algorithm, key->key_type, key->size) ||
                !(key->usage & USAGE_SIGN)) {
                request_fail_job(request, token, &(struct job_result){.end = JOB_NOT_SUPPORTED});
                return NULL;
        }
        job = job_new(kind);
        r = job ? take_dns_names(subject->dns_names, job) : -ENOMEM;
        if (r == 1) {
                request_invalid(request, "dnsNames");
                return NULL;
        }
        if (r == 0) {
                job->subject = strdup(subject->name);
                job->entry = entry_ref(key);
                job->algorithm = (uint8_t)algorithm;
        }
        if (r < 0 || !job->subject) {
                no_memory(request, token);
                return NULL;
        }
        return TAKE_PTR(job);
}

void certificates_request(struct request *request)
{
        struct certificates_request_parameters *p = (void *)request->parameters;
        struct token *token;
        struct entry *key;
        struct job *job;

        if (request_find_key(request, p->key, "key", &token, &key) != 0 ||
                !request_may(request, RIGHT_REQUEST))
                return;
        job = signing_job(request, JOB_CERT_REQUEST, token, key,
                &(struct certificate_subject){p->subject, p->algorithm, p->dns_names});
        if (job)
                request_submit(request, token, job, request_keep_payload);
}

enum render certificates_request_render(struct request *request, struct output *output)
{
        certificates_request_reply_put(output,
                &(struct certificates_request_reply){wire_bytes(request->payload, request->n_payload)});
        return RENDER_LAST;
}

static void keep_certificate(struct request *request, struct token *token, const struct job_result *result)
{
        if (result->end != JOB_OK) {
                request_fail_job(request, token, result);
                return;
        }
        entry_unref(request->entry);
        request->entry = entry_ref(result->entry);
        request_done(request);
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

void certificates_self_sign(struct request *request)
{
        struct certificates_self_sign_parameters *p = (void *)request->parameters;
        struct token *token;
        struct entry *key;
        struct job *job;

        if (request_find_key(request, p->key, "key", &token, &key) != 0 ||
                !request_may(request, RIGHT_REQUEST) || !request_may(request, RIGHT_IMPORT))
                return;
        if (!text_is_nickname(key->nickname, strlen(key->nickname))) {
                request_invalid(request, "key");
                return;
        }
        job = signing_job(request, JOB_SELF_SIGN, token, key,
                &(struct certificate_subject){p->subject, p->algorithm, p->dns_names});
        if (!job)
                return;
        /* For the nickname in the errors: the job's own reference goes with it. */
        request->entry = entry_ref(key);
        request->nickname = key->nickname;
        if (is_taken(token, key->nickname, key)) {
                job_free(job);
                nickname_exists(request, token);
                return;
        }
        job->days = (uint32_t)p->validity_days;
        job->ca = p->ca;
        request_submit(request, token, job, keep_certificate);
}

enum render certificates_self_sign_render(struct request *request, struct output *output)
{
        certificates_self_sign_reply_put(
                output, &(struct certificates_self_sign_reply){{entry_put, request->entry}});
        return RENDER_LAST;
}

/* ---- Import ---- */

/* The key on the token that a certificate of this public key is of, as the caller may reach it. */
struct owner {
        struct entry *key;    /* whose nickname it is; NULL: none */
        bool seen, is_others; /* a key of that public key has another nickname; the caller may not see it */
};

static struct owner find_owner(
        struct request *request, struct token *token, struct der spki, const char *nickname)
{
        const struct config_instance *policy = request->connection->instance->config;
        struct owner owner = {0};
        struct entry *key = NULL;

        while ((key = directory_next(token->directory, OBJECT_KEY, key))) {
                if (!spki_is_same((struct der){key->der, key->der_length}, spki))
                        continue;
                if (!policy_sees_nickname(policy, key->nickname))
                        owner.is_others = true;
                else if (strcmp(key->nickname, nickname) == 0)
                        owner.key = key;
                else
                        owner.seen = true;
        }
        return owner;
}

/* Whose it is decides whether the caller may import it under that nickname. *ret: its key, or NULL. */
static bool import_may(struct request *request, struct token *token,
        const struct certificates_import_parameters *p, struct entry **ret)
{
        const struct config_instance *policy = request->connection->instance->config;
        struct owner owner;
        struct der spki;

        if (p->certificate.length > LIMIT_CERTIFICATE) {
                request_fail_with(request, PROTO_NOT_A_CERTIFICATE, "reason", "it is longer than 64 KiB");
                return false;
        }
        if (!spki_of_certificate((struct der){p->certificate.data, p->certificate.length}, &spki)) {
                request_fail_with(
                        request, PROTO_NOT_A_CERTIFICATE, "reason", "it is not one X.509 certificate in DER");
                return false;
        }
        owner = find_owner(request, token, spki, p->nickname);
        if (owner.is_others || !policy_sees_nickname(policy, p->nickname)) {
                request_denied(request, config_right_name(RIGHT_IMPORT));
                return false;
        }
        if (!owner.key && owner.seen) {
                request_invalid(request, "nickname");
                return false;
        }
        if (is_taken(token, p->nickname, owner.key)) {
                nickname_exists(request, token);
                return false;
        }
        *ret = owner.key;
        return true;
}

void certificates_import(struct request *request)
{
        struct certificates_import_parameters *p = (void *)request->parameters;
        struct entry *key = NULL;
        struct token *token;
        struct job *job;

        if (!request_may(request, RIGHT_IMPORT))
                return;
        if (!text_is_nickname(p->nickname, strlen(p->nickname))) {
                request_invalid(request, "nickname");
                return;
        }
        token = request_find_token(request, p->token);
        if (!token || !request_has_directory(request, token))
                return;
        request->key = request->nickname = p->nickname;
        request->algorithm = "";
        request->invalid = "certificate";
        if (!import_may(request, token, p, &key))
                return;
        job = job_new(JOB_IMPORT);
        if (job)
                job->nickname = strdup(p->nickname);
        if (!job || !job->nickname) {
                job_free(job);
                no_memory(request, token);
                return;
        }
        job->entry = key ? entry_ref(key) : NULL;
        job->n_data = p->certificate.length;
        job->data = TAKE_PTR(p->certificate.data);
        request_submit(request, token, job, keep_certificate);
}

enum render certificates_import_render(struct request *request, struct output *output)
{
        certificates_import_reply_put(
                output, &(struct certificates_import_reply){{entry_put, request->entry}});
        return RENDER_LAST;
}

/* ---- Delete ---- */

static void delete_done(struct request *request, struct token *token, const struct job_result *result)
{
        if (result->end == JOB_OK)
                request_done(request);
        else
                request_fail_job(request, token, result);
}

void certificates_delete(struct request *request)
{
        struct certificates_delete_parameters *p = (void *)request->parameters;
        struct token *token;
        struct entry *entry;
        struct job *job;

        if (request_find_certificate(request, p->certificate, &token, &entry) != 0 ||
                !request_may(request, RIGHT_DELETE))
                return;
        request->algorithm = "";
        request->invalid = "certificate";
        job = job_new(JOB_CERT_DELETE);
        if (!job) {
                no_memory(request, token);
                return;
        }
        job->entry = entry_ref(entry);
        request_submit(request, token, job, delete_done);
}

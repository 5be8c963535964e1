/* SPDX-License-Identifier: MPL-2.0 */
/* io.tokend.Keys: Sign, Verify and Random. What does not fit the key is refused here, before the device is
 * asked. */
#include "gen/broker/methods.h"

#include <string.h>

#include "daemon/util/algorithm.h"

/* The name of the parameter that cannot be; NULL: all fits together. */
static const char *check_input(const char *algorithm, const struct field_bytes *digest,
        const struct field_bytes *message, unsigned *ret_algorithm)
{
        unsigned number = algorithm_from_name(algorithm);

        if (number == 0)
                return "algorithm";
        if (digest->data && (message->data || number == ED25519))
                return "digest";
        if (!digest->data && !message->data)
                return number == ED25519 ? "message" : "digest";
        *ret_algorithm = number;
        return NULL;
}

static bool digest_fits(unsigned algorithm, const struct field_bytes *digest)
{
        return !digest->data || digest->length == hash_length(algorithm_info(algorithm)->hash);
}

static void take_bytes(struct field_bytes *bytes, unsigned char **ret, size_t *ret_length)
{
        *ret = TAKE_PTR(bytes->data);
        *ret_length = bytes->length;
}

/* What is signed, out of the parameters and into the job. */
static void take_input(
        struct job *job, unsigned algorithm, struct field_bytes *digest, struct field_bytes *message)
{
        job->algorithm = (uint8_t)algorithm;
        job->prehashed = digest->data != NULL;
        take_bytes(digest->data ? digest : message, &job->data, &job->n_data);
}

static bool make_job(struct request *request, struct token *token, enum job_kind kind, struct job **ret)
{
        struct job *job = job_new(kind);

        if (!job) {
                request_fail_job(request, token, &(struct job_result){.end = JOB_NO_MEMORY});
                return false;
        }
        *ret = job;
        return true;
}

/* ---- Sign ---- */

void keys_sign(struct request *request)
{
        struct keys_sign_parameters *p = (void *)request->parameters;
        struct token *token;
        struct entry *entry;
        struct job *job;
        unsigned algorithm = 0;
        const char *bad = check_input(p->algorithm, &p->digest, &p->message, &algorithm);

        if (bad) {
                request_invalid(request, bad);
                return;
        }
        request->algorithm = p->algorithm;
        request->invalid = p->digest.data ? "digest" : "message";
        request->deadline_usec = request->received_usec + (uint64_t)p->timeout_ms * USEC_PER_MSEC;
        if (request_find_key(request, p->key, "key", &token, &entry) != 0 ||
                !request_may(request, RIGHT_SIGN))
                return;
        if (!algorithm_fits(algorithm, entry->key_type, entry->size) || !(entry->usage & USAGE_SIGN)) {
                request_fail_job(request, token, &(struct job_result){.end = JOB_NOT_SUPPORTED});
                return;
        }
        if (!digest_fits(algorithm, &p->digest)) {
                request_invalid(request, "digest");
                return;
        }
        if (!make_job(request, token, JOB_SIGN, &job))
                return;
        job->entry = entry_ref(entry);
        take_input(job, algorithm, &p->digest, &p->message);
        request_submit(request, token, job, request_keep_payload);
}

enum render keys_sign_render(struct request *request, struct output *output)
{
        keys_sign_reply_put(
                output, &(struct keys_sign_reply){wire_bytes(request->payload, request->n_payload)});
        return RENDER_LAST;
}

/* ---- Verify ---- */

static const char *verify_check(const struct keys_verify_parameters *p, unsigned *ret_algorithm)
{
        if (p->key && p->public_key.data)
                return "publicKey";
        if (!p->key && !p->public_key.data)
                return "key";
        return check_input(p->algorithm, &p->digest, &p->message, ret_algorithm);
}

/* The key's own public half into the job; or what the caller gave. */
static int verify_take_key(struct keys_verify_parameters *p, const struct entry *entry, struct job *job)
{
        if (!entry) {
                take_bytes(&p->public_key, &job->spki, &job->n_spki);
                return 0;
        }
        job->spki = malloc(entry->der_length);
        if (!job->spki)
                return -ENOMEM;
        memcpy(job->spki, entry->der, entry->der_length);
        job->n_spki = entry->der_length;
        return 0;
}

void keys_verify(struct request *request)
{
        struct keys_verify_parameters *p = (void *)request->parameters;
        struct token *token;
        struct entry *entry = NULL;
        struct job *job;
        unsigned algorithm = 0;
        const char *bad = verify_check(p, &algorithm);

        if (bad) {
                request_invalid(request, bad);
                return;
        }
        request->algorithm = p->algorithm;
        request->invalid = p->key ? "signature" : "publicKey";
        request->key = "";
        if (p->key && request_find_key(request, p->key, "key", &token, &entry) != 0)
                return;
        if (!request_may(request, RIGHT_VERIFY))
                return;
        if (!p->key) {
                token = request_find_token(request, NULL);
                if (!token)
                        return;
        }
        if (entry && (!algorithm_fits(algorithm, entry->key_type, entry->size) || entry->der_length == 0)) {
                request_fail_job(request, token, &(struct job_result){.end = JOB_NOT_SUPPORTED});
                return;
        }
        if (!digest_fits(algorithm, &p->digest)) {
                request_invalid(request, "digest");
                return;
        }
        if (!make_job(request, token, JOB_VERIFY, &job))
                return;
        take_input(job, algorithm, &p->digest, &p->message);
        take_bytes(&p->signature, &job->signature, &job->n_signature);
        if (verify_take_key(p, entry, job) < 0) {
                job_free(job);
                request_fail_job(request, token, &(struct job_result){.end = JOB_NO_MEMORY});
                return;
        }
        request_submit(request, token, job, request_keep_payload);
}

enum render keys_verify_render(struct request *request, struct output *output)
{
        keys_verify_reply_put(output, &(struct keys_verify_reply){request->payload[0] != 0});
        return RENDER_LAST;
}

/* ---- Random ---- */

void keys_random(struct request *request)
{
        struct keys_random_parameters *p = (void *)request->parameters;
        struct token *token;
        struct job *job;

        if (!request_may(request, RIGHT_RANDOM))
                return;
        token = request_find_token(request, NULL);
        if (!token)
                return;
        request->key = request->algorithm = "";
        request->invalid = "length";
        if (!make_job(request, token, JOB_RANDOM, &job))
                return;
        job->length = (uint32_t)p->length;
        request_submit(request, token, job, request_keep_payload);
}

enum render keys_random_render(struct request *request, struct output *output)
{
        keys_random_reply_put(
                output, &(struct keys_random_reply){wire_bytes(request->payload, request->n_payload)});
        return RENDER_LAST;
}

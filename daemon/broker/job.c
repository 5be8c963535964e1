/* SPDX-License-Identifier: MPL-2.0 */
/* See job.h. What a job is on the channel, and what may come back for it. Touches no descriptor. */
#include "daemon/broker/job.h"

#include "daemon/broker/broker.h"
#include "daemon/util/algorithm.h"

struct job *job_new(enum job_kind kind)
{
        struct job *job = calloc(1, sizeof(*job));

        if (!job)
                return NULL;
        job->kind = kind;
        job->item.slow = job_changes(job);
        job->deadline_usec = USEC_NEVER;
        link_init(&job->link);
        link_init(&job->item.link);
        return job;
}

void job_move_data(struct job *to, struct job *from)
{
        to->data = TAKE_PTR(from->data);
        to->n_data = from->n_data;
        to->spki = TAKE_PTR(from->spki);
        to->n_spki = from->n_spki;
        to->signature = TAKE_PTR(from->signature);
        to->n_signature = from->n_signature;
        from->n_data = from->n_spki = from->n_signature = 0;
}

void job_set_instance(struct job *job, struct instance *instance)
{
        if (instance)
                instance->n_jobs++;
        if (job->instance)
                job->instance->n_jobs--;
        job->instance = instance;
}

void job_free(struct job *job)
{
        if (!job)
                return;
        job_set_instance(job, NULL);
        entry_unref(job->entry);
        free(job->data);
        free(job->spki);
        free(job->signature);
        free(job->nickname);
        free(job->audit_rest);
        free(job->subject);
        free(job);
}

static void put_settle(const struct job *job, struct wire *wire)
{
        struct wire_bytes id = wire_bytes(job->id, sizeof(job->id));

        if (job->kind == JOB_DELETE)
                id = wire_bytes(job->entry->id, job->entry->id_length);
        message_put_settle(
                wire, &(struct message_settle){.request = job->number,
                              .nickname = job->kind == JOB_DELETE ? job->entry->nickname : job->nickname,
                              .id = id});
}

static void put_certificate_job(const struct job *job, uint64_t key, struct wire *wire)
{
        struct wire_bytes data = wire_bytes(job->data, job->n_data);

        switch (job->kind) {
        case JOB_CERT_REQUEST:
                message_put_cert_request(wire, &(struct message_cert_request){.request = job->number,
                                                       .key = key,
                                                       .algorithm = job->algorithm,
                                                       .subject = job->subject,
                                                       .dns_names = data});
                break;
        case JOB_SELF_SIGN:
                message_put_self_sign(wire, &(struct message_self_sign){.request = job->number,
                                                    .key = key,
                                                    .algorithm = job->algorithm,
                                                    .subject = job->subject,
                                                    .days = job->days,
                                                    .ca = job->ca,
                                                    .dns_names = data,
                                                    .again = job->n_claimed > 0});
                break;
        case JOB_IMPORT:
                message_put_import(wire, &(struct message_import){.request = job->number,
                                                 .key = key,
                                                 .nickname = job->nickname,
                                                 .der = data,
                                                 .again = job->n_claimed > 0});
                break;
        case JOB_CERT_DELETE:
                message_put_cert_delete(
                        wire, &(struct message_cert_delete){.request = job->number, .key = key});
                break;
        default:
                wire->bad = true;
                break;
        }
}

static void put_sign_copy(const struct job *job, struct wire *wire)
{
        message_put_sign_copy(wire, &(struct message_sign_copy){.request = job->number,
                                            .key = job->copy,
                                            .algorithm = job->algorithm,
                                            .prehashed = job->prehashed,
                                            .data = wire_bytes(job->data, job->n_data)});
}

void job_put(const struct job *job, uint64_t key, bool all, struct wire *wire)
{
        struct wire_bytes data = wire_bytes(job->data, job->n_data);

        if (job->settling) {
                put_settle(job, wire);
                return;
        }
        switch (job->kind) {
        case JOB_LOOKUP:
                wire->bad = true;
                break;
        case JOB_SIGN:
                if (job->copy != 0) {
                        put_sign_copy(job, wire);
                        break;
                }
                message_put_sign(wire, &(struct message_sign){.request = job->number,
                                               .key = key,
                                               .algorithm = job->algorithm,
                                               .prehashed = job->prehashed,
                                               .data = data});
                break;
        case JOB_VERIFY:
                message_put_verify(wire, &(struct message_verify){.request = job->number,
                                                 .spki = wire_bytes(job->spki, job->n_spki),
                                                 .algorithm = job->algorithm,
                                                 .prehashed = job->prehashed,
                                                 .data = data,
                                                 .signature = wire_bytes(job->signature, job->n_signature)});
                break;
        case JOB_RANDOM:
                message_put_random(
                        wire, &(struct message_random){.request = job->number, .length = job->length});
                break;
        case JOB_GENERATE:
                message_put_generate(wire, &(struct message_generate){.request = job->number,
                                                   .nickname = job->nickname,
                                                   .id = wire_bytes(job->id, sizeof(job->id)),
                                                   .key_type = job->key_type,
                                                   .size = job->size,
                                                   .usage = job->usage,
                                                   .loadable = job->loadable,
                                                   .again = job->n_claimed > 0});
                break;
        case JOB_DELETE:
                message_put_delete(wire, &(struct message_delete){.request = job->number, .key = key});
                break;
        case JOB_CERT_REQUEST:
        case JOB_SELF_SIGN:
        case JOB_IMPORT:
        case JOB_CERT_DELETE:
                put_certificate_job(job, key, wire);
                break;
        case JOB_UNCLAIM:
                message_put_unclaim(
                        wire, &(struct message_unclaim){
                                      .request = job->number, .nickname = job->nickname, .claimant = data});
                break;
        case JOB_PROBE:
                message_put_probe(wire, &(struct message_probe){.request = job->number});
                break;
        case JOB_LOAD:
                message_put_load(wire, &(struct message_load){.request = job->number,
                                               .key = key,
                                               .spki = wire_bytes(job->entry->der, job->entry->der_length)});
                break;
        case JOB_FORGET_COPY:
                message_put_forget_copy(
                        wire, &(struct message_forget_copy){.request = job->number, .key = job->copy});
                break;
        case JOB_REFRESH:
                message_put_refresh(wire, &(struct message_refresh){.request = job->number, .all = all});
                break;
        }
}

/* A DER ECDSA-Sig-Value: two integers of at most the curve's bytes and one more for the sign, each with a
 * header. */
static bool ecdsa_is_possible(unsigned bits, struct wire_bytes signature)
{
        size_t longest = 2 * ((bits + 7U) / 8U + 1 + 2) + 3;

        return signature.length >= 8 && signature.length <= longest && signature.data[0] == 0x30;
}

static bool signature_is_possible(const struct entry *key, struct wire_bytes signature)
{
        switch (key->key_type) {
        case KEY_RSA:
                return signature.length == (key->size + 7U) / 8U;
        case KEY_EC:
                return ecdsa_is_possible(key->size, signature);
        default:
                return signature.length == 64;
        }
}

bool job_accepts(const struct job *job, struct wire_bytes payload)
{
        if (job->settling)
                return true;
        switch (job->kind) {
        case JOB_SIGN:
                return signature_is_possible(job->entry, payload);
        case JOB_VERIFY:
                return payload.length == 1 && payload.data[0] <= 1;
        case JOB_RANDOM:
                return payload.length == job->length;
        case JOB_LOAD:
                return payload.length == 2 * sizeof(uint64_t);
        case JOB_CERT_REQUEST:
                return payload.length > 2 && payload.data[0] == 0x30;
        case JOB_GENERATE:
        case JOB_SELF_SIGN:
        case JOB_IMPORT:
                return payload.length == sizeof(uint64_t);
        default:
                return true;
        }
}

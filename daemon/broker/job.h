/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One thing asked of a token's worker. Made by a method (or by the token for itself), given to
 * token_submit(), owned by the token from then on: it calls done exactly once, unless the job was cancelled
 * or detached, and frees it.
 */
#pragma once

#include "daemon/broker/model/directory.h"
#include "daemon/broker/base/list.h"
#include "daemon/broker/base/queue.h"
#include "daemon/channel/message.h"

struct instance;
struct request;
struct token;

enum job_kind {
        JOB_LOOKUP, /* waits for the directory to be there, or to be renewed; asks nothing by itself */
        JOB_SIGN,
        JOB_VERIFY,
        JOB_RANDOM,
        JOB_CERT_REQUEST,
        JOB_GENERATE, /* this and the next ones change the token */
        JOB_DELETE,
        JOB_SELF_SIGN,
        JOB_IMPORT,
        JOB_CERT_DELETE, /* the last that a client asks for as a user of keys */
        JOB_UNCLAIM,
        JOB_PROBE,
        JOB_REFRESH,
        JOB_LOAD,        /* of a key, to an accelerator */
        JOB_FORGET_COPY, /* by an accelerator */
};

/* Where a job is; the list it is in follows from it. */
enum job_place {
        JOB_NOWHERE,
        JOB_WAITING,   /* a lookup */
        JOB_QUEUED,    /* in its instance's queue */
        JOB_FIRST,     /* before all queues: a suspect, or what an operator asks for */
        JOB_PAUSED,    /* another host claims its nickname: queued again at resume_usec */
        JOB_OUT,       /* with the worker */
        JOB_AWAY,      /* its trial is with an accelerator (accelerator.h) */
        JOB_UNSETTLED, /* it changes the token, and its worker died: SETTLE, or the next directory, decides */
};

enum job_end {
        JOB_OK,
        JOB_CKR,
        JOB_KEY_GONE,
        JOB_NICKNAME_EXISTS,
        JOB_NOT_SUPPORTED,
        JOB_INVALID,
        JOB_FULL,        /* its instance has as many waiting as it may */
        JOB_UNAVAILABLE, /* the token is not ready; state and reason are the token's */
        JOB_REMOVED,     /* the token is not configured any more */
        JOB_DEADLINE,    /* it never reached the device */
        JOB_DEADLINE_EXECUTED,
        JOB_WORKER_LOST,
        JOB_OUTCOME_UNKNOWN,
        JOB_UNRECORDED, /* it could not be recorded, and was not done */
        JOB_DROPPED,    /* it was not done, and nobody waits for it any more */
        JOB_NO_MEMORY,
};

struct job_result {
        enum job_end end;
        uint64_t ckr, device_usec;
        struct wire_bytes payload; /* good during the call of done */
        struct entry *entry;       /* of what was made; borrowed */
        const char *text;          /* the worker's sentence, or NULL; good during the call of done */
};

struct job {
        struct queue_item item;
        struct link link;
        enum job_kind kind;
        enum job_place place;
        struct token *token;
        struct instance *instance;      /* NULL: none of a client's */
        struct queue_flow *reservation; /* of a lookup, and of what pauses */
        uint64_t number, begun_usec, deadline_usec;
        bool suspect;         /* its worker died, or lost the device, while it was out */
        bool settling;        /* what is out is its SETTLE */
        unsigned n_settles;   /* how often its SETTLE did not come back */
        struct job *trial;    /* while it is away */
        struct job *trial_of; /* of a trial that somebody waits for */
        bool hurried;      /* a trial whose time its request's deadline cut: that it is late says nothing */
        uint64_t copy;     /* sign: with that of an accelerator (0: with the key); the one to forget */
        uint64_t lost_ckr; /* of the device that was lost with it; 0: the worker just died */

        unsigned n_claimed; /* how often its nickname was claimed by another host */
        uint64_t resume_usec;

        bool audited;                  /* what becomes of it is recorded */
        bool repeated;                 /* that it is about to be sent again is recorded */
        unsigned attempt;              /* how often it was sent */
        struct audit_rest *audit_rest; /* what is left of the request that it outlives; NULL: nothing */

        struct entry *entry; /* the key (import: of the certificate, or NULL) or certificate; a reference */
        uint8_t algorithm, prehashed;
        unsigned char *data, *spki, *signature; /* owned */
        size_t n_data, n_spki, n_signature;
        uint32_t length; /* random */
        char *nickname;  /* that is to be given, or of the claim; owned */
        char *subject;   /* owned */
        uint32_t days;
        bool ca;
        unsigned char id[16];
        uint8_t key_type;
        uint32_t size, usage;
        bool loadable;

        void (*done)(struct job *job, const struct job_result *result);
        void *userdata;
        /* What userdata's request goes on with; used by resolve.c alone. */
        void (*request_done)(struct request *request, struct token *token, const struct job_result *result);
};

/* NULL when memory is short. */
struct job *job_new(enum job_kind kind);
/* Of one that was not submitted. */
void job_free(struct job *job);
DEFINE_CLEANUP(struct job *, job_free);

/* Moves the input (data, public key, signature) of one job to another; the first has none afterwards. */
void job_move_data(struct job *to, struct job *from);

/* Counts the job as the instance's (NULL: nobody's) until it is freed, so that a reload does not free the instance before. */
void job_set_instance(struct job *job, struct instance *instance);

/* Whether it changes the token: never run twice. */
static inline bool job_changes(const struct job *job)
{
        return job->kind >= JOB_GENERATE && job->kind <= JOB_UNCLAIM;
}

/* Whether what became of it is seen in the directory of the next worker; else SETTLE asks for it. */
static inline bool job_is_settled_by_directory(const struct job *job)
{
        return job->kind >= JOB_SELF_SIGN && job->kind <= JOB_UNCLAIM;
}

/* Whether the token may be doing it, or have done it. */
static inline bool job_is_under_way(const struct job *job)
{
        return job->place == JOB_OUT || job->place == JOB_AWAY || job->place == JOB_UNSETTLED;
}

/* Whether it counts as one of a client's requests of this token. */
static inline bool job_is_request(const struct job *job)
{
        return job->kind >= JOB_SIGN && job->kind <= JOB_CERT_DELETE;
}

/* Puts it into wire as the message that asks the worker for it (or for its SETTLE). key: its number in the
 * directory. */
void job_put(const struct job *job, uint64_t key, bool all, struct wire *wire);

/* Whether the payload of an OK reply can be an answer to this job. A worker is not trusted. */
bool job_accepts(const struct job *job, struct wire_bytes payload);

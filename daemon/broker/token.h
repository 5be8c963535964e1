/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One token as the broker has it: its directory, its queues, the one channel to its worker, and what is out
 * on it.
 *
 * token.c         submitting, waiting, deadlines, the end of a job
 * token-pump.c    sending
 * worker.c        the worker's life: hello, directory, death
 * worker-reply.c  its replies
 * look.c          the look of a fresh process
 * claim.c         other hosts' claims on nicknames, for the status
 */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/broker/model/claim.h"
#include "daemon/broker/base/histogram.h"
#include "daemon/broker/job.h"
#include "daemon/config/config.h"

struct broker;

enum worker_phase {
        WORKER_NONE,    /* none, or dead */
        WORKER_GREETED, /* its channel is here, its HELLO is not */
        WORKER_LOADING, /* its directory comes */
        WORKER_SERVING,
};

struct worker {
        enum worker_phase phase;
        int fd;
        sd_event_source *source;
        uint64_t life;
        uint32_t epoch, counter;
        unsigned threads, busy; /* busy: still at work for a broker that is gone */
        struct link out;        /* jobs that it has */
        size_t n_out;
        bool slow_out, refresh_out;
        bool blocked;    /* its channel is full */
        bool ending;     /* it said that it ends itself: nothing more goes to it */
        bool retiring;   /* it is to be replaced when nothing is out any more */
        bool stalled;    /* an accelerator's: a trial outlived its time, and nothing was heard since */
        unsigned n_late; /* an accelerator's: hurried trials that were late, since anything was heard */
        bool no_random;  /* an accelerator's: it has no generator of its own */
        char *retire_reason;
        bool old; /* it was there before this broker, and has not said how often it has logged in */
        uint32_t sessions_open, session_limit, logins;
};

/* What a look saw: who each object is, and no more. */
struct sight {
        struct sight *next;
        unsigned char kind;
        size_t n_id;
        unsigned char id[LIMIT_KEY_ID];
};

struct look_channel {
        int fd;
        sd_event_source *source;
        bool wanted; /* LOOK_PLEASE is to be sent when its time has come */
        bool saw;    /* SETTLED came, and a refresh was asked for: compare after it */
        uint64_t asked_usec, settled_usec;
        size_t n_seen;
        struct sight *seen;
};

struct token {
        struct broker *broker;
        struct link link; /* in the broker's list, in the order of the configuration */
        char *name;
        const struct config_token *config; /* of the configuration in force; NULL while being removed */
        enum token_state state;
        char *reason;
        uint64_t since_usec;
        uint32_t restarts;

        bool full;  /* its last worker told of more objects than are kept */
        bool known; /* a HELLO was here: what follows is the token's own word */
        char *label, *manufacturer, *model, *serial;
        uint64_t *mechanisms;
        size_t n_mechanisms;

        struct directory *directory; /* NULL: there has never been one */
        struct directory *loading;   /* of a new worker, while it comes */
        struct worker worker;
        struct look_channel look;

        struct queue queue;
        struct link first, waiting, paused, unsettled, away;
        size_t n_waiting, n_suspects; /* suspects: in first or out */
        bool refresh_wanted;
        uint64_t refresh_sent_usec, refresh_due_usec;
        uint64_t refreshed_usec; /* when the last refresh that succeeded was sent */
        unsigned misses;         /* that a refresh did not mend, since the last look */
        bool dirty;              /* has to be pumped */

        struct claims claims;

        uint64_t requests, errors, logins_before;
        /* Of an accelerator: what it did, and what others had to do instead. Of the others: what an accelerator did for
         * them, and what they had to do although one is configured. */
        uint64_t accelerated, fallbacks, loads;
        size_t n_copies;                          /* of its keys on its accelerator; of others' keys on it */
        struct link copies;                       /* of others' keys on it; copies.h */
        bool loading_key;                         /* a LOAD is under way */
        uint64_t load_after_usec, load_wait_usec; /* the next one, after one that failed */
        uint64_t last_ckr, last_ckr_usec;
        uint64_t latency_usec; /* of one request on the device, moving average */
        struct histogram device, whole;
};

/* config: of the configuration in force. The caller frees. */
int token_new(struct broker *broker, const struct config_token *config, struct token **ret);
/* Ends every job with JOB_REMOVED. NULL is fine. */
void token_free(struct token *token);

/* Queues or sends it, or ends it at once. Takes it in any case. */
void token_submit(struct token *token, struct job *job);

/* The client is gone: what was not sent is forgotten, what was sent is for nobody. */
void token_cancel(struct job *job);

/* Whether a name that is not in the directory is worth a lookup: then the caller waits by a JOB_LOOKUP. */
bool token_missed(struct token *token);
/* Asks for a refresh of now: what has gone by since is in it. false: the token's state forbids it. */
bool token_refresh(struct token *token);
/* A lookup did not find it either. */
void token_missed_again(struct token *token);

/* Whether requests may hope for it: it is ready, or will be by itself. */
static inline bool token_has_hope(const struct token *token)
{
        return token->state != TOKEN_FAILED;
}

bool token_has_mechanism(const struct token *token, uint64_t mechanism);

/* When an instance that is refused for its queue's length might try again, in ms. */
unsigned token_retry_ms(const struct token *token);

/* How many requests wait for it. */
size_t token_queued(const struct token *token);

/* Sends what may be sent. */
void token_pump(struct token *token);
/* Deadlines that have passed, what is due; returns when to come again. */
uint64_t token_tick(struct token *token, uint64_t now);
/* From the supervisor. */
void token_set_state(struct token *token, const struct message_token *message);

/* ---- inside the module ---- */

/* Tells whoever waits, counts, and frees. */
void token_end_job(struct token *token, struct job *job, const struct job_result *result);
/* The same but keeps the job, which is out and whose answer is for nobody from now on. */
void token_answer_job(struct token *token, struct job *job, const struct job_result *result);
void token_end(struct token *token, struct job *job, enum job_end end);
/* Puts it before the queues. */
void token_put_first(struct token *token, struct job *job);
/* Another host claims its nickname: it is tried again after a while. */
void token_pause(struct token *token, struct job *job);
/* What it waits for cannot come: every job that is not with the worker ends so. */
void token_end_waiting(struct token *token, enum job_end end);
/* The token has failed: nothing that waits can be done. */
void token_give_up(struct token *token);
/* The directory was renewed (or will not be): lookups go on. */
void token_wake_lookups(struct token *token);

/* ---- worker.c ---- */

/* A worker's channel, taken over. */
int worker_attach(struct token *token, int fd, uint64_t life, uint32_t epoch);
/* The supervisor reaped the worker of that life. */
void worker_gone(struct token *token, uint64_t life);
/* Forgets the channel, without a word to anybody. */
void worker_detach(struct token *token);
/* Asks for the replacement, at once or (grace) when nothing is out. */
void worker_replace(struct token *token, const char *reason, bool grace);
/* Nothing is out: does what had to wait for that. */
void worker_idle(struct token *token);
/* Watches for room in the channel, or stops. */
void worker_watch(struct token *token, bool writable);

/* Its worker died over a job that changes the token: what became of it is to be found out. */
void worker_job_unsettled(struct token *token, struct job *job);
/* Once more, with the next worker or when this one has nothing else: it may have been the job that the worker died of. */
void worker_job_suspected(struct token *token, struct job *job, uint64_t ckr);

/* ---- worker-reply.c ---- */

/* -errno: the reply cannot be. */
int worker_on_reply(struct token *token, struct wire *wire);

/* ---- look.c ---- */

/* The supervisor's LOOK: its channel, taken over. */
int look_attach(struct token *token, int fd);
/* Asks for a look where one is worth it: not on a database of our own, not more than once in 5 s. */
void look_please(struct token *token);
/* Asks when its time has come; returns when to come again. */
uint64_t look_tick(struct token *token, uint64_t now);
/* A refresh is done: is what the look saw here? */
void look_compare(struct token *token);
/* What the look may have seen is gone from the token by now. */
void look_dropped(struct token *token, const struct entry *entry);
void look_forget(struct token *token);

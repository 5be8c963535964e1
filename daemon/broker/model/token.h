/* SPDX-License-Identifier: MPL-2.0 */
/* One token as the broker has it: what is known of it, what waits for it, the channel to its worker, and what the worker
 * has. Data alone: the room token/ moves it. */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/broker/base/histogram.h"
#include "daemon/broker/base/queue.h"
#include "daemon/broker/model/claim.h"
#include "daemon/broker/model/directory.h"
#include "daemon/channel/sealed.h"
#include "daemon/config/config.h"
#include "daemon/util/uri.h"

struct broker;
struct op;

enum worker_phase {
        WORKER_NONE,    /* none, or dead */
        WORKER_GREETED, /* its channel is here, its HELLO is not */
        WORKER_LOADING, /* its directory comes */
        WORKER_LOADED,  /* of a newcomer: its directory is here, and it is to take the place of the other */
        WORKER_SERVING,
};

/* The ways in which a request's stay on a token ends: those of enum op_end. */
#define TOKEN_ENDS 19U

/* A thread of the worker that has something to do. */
struct slot {
        uint64_t number; /* as the reply will bear it; 0: the slot is free */
        enum message_type kind;
        struct op *op; /* a reference; NULL: its answer is for nobody, the thread is busy all the same */
};

struct mechanisms {
        uint64_t *types; /* CKM_ */
        size_t n;
};

/* What a worker told of its token, as long as it does not serve yet. */
struct introduction {
        struct uri_token identity;
        struct mechanisms mechanisms, wraps, unwraps;
        struct directory *directory; /* NULL: there was no HELLO */
        struct claims claims;
};

struct worker {
        struct token *token;
        enum worker_phase phase;
        struct introduction said;
        bool load_wanted; /* of a newcomer: its directory is to be asked for, when no change is under way */
        bool leaving;     /* another serves in its place: it finishes what it has */
        uint64_t load_due_usec; /* of a newcomer: when that is tried again; USEC_NEVER */
        int fd;
        sd_event_source *source;
        uint64_t life;
        uint32_t epoch, counter;
        unsigned threads, busy; /* busy: still at work for a broker that is gone */
        unsigned n_out;         /* slots that are not free */
        struct slot slots[LIMIT_SESSIONS_MAX];
        bool blocked; /* its channel is full */
        bool ending; /* it said that it ends itself, or its replacement was asked for: nothing more goes to it */
        bool retiring;   /* it is to be replaced when nothing is out any more */
        bool stalled;    /* an accelerator's: a trial outlived its time, and nothing was heard since */
        unsigned n_late; /* an accelerator's: hurried trials that were late, since anything was heard */
        bool no_random;  /* an accelerator's: it has no generator of its own */
        char *retire_reason;
        bool old; /* it was there before this broker, and has not said how often it has logged in */
        uint32_t sessions_open, session_limit, logins;
        uint32_t copies, copies_faster, copies_not_faster, copying; /* as SESSIONS tells */
        struct output told; /* the renewal that is under way (told.h) */
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
        bool wanted;  /* LOOK_PLEASE is to be sent when its time has come */
        bool saw;     /* SETTLED came, and a refresh was asked for: compare after it */
        bool another; /* its HELLO was another token's than the worker's */
        bool urgent;  /* without the time that lies between two looks otherwise */
        uint64_t asked_usec, settled_usec;
        size_t n_seen;
        struct sight *seen;
        struct sight *
                unbrought; /* what an earlier look saw, and the worker that was started for it does not show */
        struct sight made;       /* the id that the last generate began with, which it changes at its end */
        uint64_t unbrought_slot; /* likewise the slot, plus 1; 0: none */
        size_t n_went;           /* keys that the refresh that comes in dropped, without a request of ours */
        uint64_t
                unsure_usec; /* until then the directory is believed in nothing that it lacks; 0: it is believed */
};

/* What a verdict is on: an operation with one algorithm by one key, which is the token's own or sealed. */
struct verdict_subject {
        enum message_type kind; /* NONE_: nothing is blamed. What signs with a key of the token is a SIGN */
        unsigned algorithm;     /* as the operation numbers them; 0: it has none */
        struct entry *key;      /* NULL: a sealed key */
        /* As the records name them: the sealed key that is used, and another that is. Empty: none. */
        char sealed[sizeof(SEALED_PREFIX) + 2 * SEALED_FINGERPRINT], other[2 * SEALED_FINGERPRINT + 1];
};

/* What is remembered of it (verdict.h). */
struct key_verdict {
        struct verdict_subject of; /* its key is counted; kind NONE_: the place is free */
        unsigned n;                /* failures in a row */
        bool death;                /* the last one ended its worker */
        bool tried;                /* its time was over, and one request was sent */
        uint64_t ckr, until_usec;  /* ckr 0: the worker just died */
};

/* What is gone from a token (vanished.h). */
struct vanished_object {
        struct entry *entry; /* counted */
        uint64_t since_usec; /* wall clock, when it was told; 0: it was not yet */
};
struct vanished {
        size_t n;
        struct vanished_object objects[LIMIT_VANISHED];
        size_t more[OBJECT_SECRET + 1],
                more_told[OBJECT_SECRET + 1]; /* of each kind, those that are not in objects */
};

/* The vague errors of a token since anything succeeded (verdict.h). */
struct doubt {
        unsigned n;
        uint64_t subject; /* of the first: the number of its object; 0: the token as a whole */
        bool others;      /* there was another subject */
        uint64_t since_usec;
        uint64_t again_usec; /* before that no worker is replaced for them */
        unsigned n_lost;     /* workers in a row that were */
};

struct token {
        struct broker *broker;
        struct link link; /* in the broker's list, in the order of the configuration */
        char *name;
        const struct config_token
                *config; /* of the configuration in force, or, while it is going, of the one before */
        bool going;      /* it is not configured any more, and about to be freed */
        enum token_state state;
        char *reason;
        uint64_t since_usec;
        uint32_t restarts;

        uint64_t
                closed_usec; /* when its worker's channel ended, as long as the supervisor has not told of its end; 0: it did not */
        uint8_t end; /* enum worker_end of the last worker that ended without another that serves; 0: none did */
        bool known; /* a HELLO was here: what follows is the token's own word */
        struct uri_token identity;
        struct mechanisms mechanisms, wraps, unwraps; /* of the device; those of them that do so */

        struct directory *directory; /* NULL: there has never been one */
        /* Those two: the worker that serves, or is to serve, and another beside it, which is a newcomer or leaves. */
        struct worker workers[2], *worker, *other;
        struct look_channel look;

        /* What waits, by the state of the op: queued, first, waiting, held, paused, unsettled. */
        struct queue queue;
        struct link first, waiting, held, paused, unsettled;
        struct link asked; /* what operators want of it, for the supervisor to answer */
        size_t n_suspects; /* in first, or out */
        bool refresh_wanted;
        bool unlisted; /* the last refresh failed, and the log says why */
        uint64_t refresh_sent_usec, refresh_due_usec;
        uint64_t refreshed_usec; /* when the last refresh that succeeded was sent */
        unsigned misses;         /* that a refresh did not mend, since the last look */
        uint64_t missed_usec;    /* when the last of them was counted; 0: none was */
        bool dirty;              /* has to be pumped */

        /* A worker died while it copied a key: the next ones make no copies until then; 0: they may. */
        uint64_t no_copies_until_usec, no_copies_usec;
        struct claims claims;
        struct vanished vanished;
        struct key_verdict verdicts[LIMIT_VERDICTS];
        struct doubt doubt;

        uint64_t requests, errors, logins_before;
        /* Of an accelerator: what it did, and what others had to do instead. Of the others: what an accelerator did for
         * them, and what they had to do although one is configured. */
        uint64_t accelerated, fallbacks, loads;
        size_t n_copies;                          /* of its keys on its accelerator; of others' keys on it */
        struct link copies;                       /* of others' keys on it; copies.h */
        bool loading_key;                         /* a LOAD is under way */
        uint64_t load_after_usec, load_wait_usec; /* the next one, after one that failed */
        uint64_t last_ckr, last_ckr_usec;
        uint64_t refresh_ckr;  /* of the last refresh that failed; 0: the worker had no memory */
        uint64_t latency_usec; /* of one request on the device, moving average */
        struct histogram device, whole;
        uint64_t ends[MESSAGE_TYPE_SETTLE][TOKEN_ENDS]; /* requests, by their kind and by enum op_end */
};

/* Whether requests may hope for it: it is ready, or will be by itself. */
static inline bool token_has_hope(const struct token *token)
{
        return token->state != TOKEN_FAILED && token->state != TOKEN_DISABLED;
}

/* Whether what its directory does not have may be on the token all the same, and a look will say so. */
static inline bool token_is_unsure(const struct token *token)
{
        return token->look.unsure_usec != 0;
}

/* Whether another worker is about to take the place of the one that serves. */
static inline bool worker_is_newcomer(const struct worker *worker)
{
        return worker == worker->token->other && worker->phase != WORKER_NONE && !worker->leaving;
}

/* The worker has nothing to do, as far as the broker knows. */
static inline bool worker_is_idle(const struct worker *worker)
{
        return worker->n_out + worker->busy == 0;
}

/* What a HELLO says of the token. -EBADMSG: it cannot be. */
int token_identity(const struct message_hello *hello, struct uri_token *ret);

/* What both workers have in hand. */
size_t token_out(const struct token *token);

/* Whether an operation of that kind is out. */
bool worker_has_out(const struct worker *worker, enum message_type kind);

/* How many sessions there will be at most. */
unsigned token_session_limit(const struct token *token);

bool token_has_mechanism(const struct token *token, uint64_t mechanism);

/* When an instance that is refused for its queue's length might try again, in ms. */
unsigned token_retry_ms(const struct token *token);

/* How many requests wait for it. */
size_t token_queued(const struct token *token);

/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One request, from its receipt to its reply: what was asked, by whom, where it is, and how it ended. A refresh, a
 * load of a key, the signature of the audit's head are ops as well: of the daemon's own, without a client.
 *
 * Its state says where it is, and the list it hangs in follows from the state (the second column):
 *
 *   OP_NEW        its client's order   not begun: a request before it runs alone
 *   OP_WAITING    token->waiting       for the token's directory
 *   OP_HELD       token->held          until the record that it begins is safe
 *   OP_QUEUED     at->queue            for its instance's turn
 *   OP_FIRST      at->first            before all queues: a suspect, or what the daemon asks
 *   OP_ASKED      token->asked         an operator's: the supervisor does it
 *   OP_PAUSED     token->paused        another host claims its nickname: queued again at resume_usec
 *   OP_OUT        worker->slots        with a worker of at
 *   OP_UNSETTLED  token->unsettled     its worker died over it; SETTLE or the next directory says what became of it
 *   OP_SETTLING   worker->slots        its SETTLE is with a worker
 *   OP_AT_HAND    -                    a function works on it right now
 *   OP_ENDED      -                    nothing more happens to it; its reply may wait for its record and its turn
 *
 * `token` is its own; `at` is where it waits or is out: the token itself, or an accelerator that tries it (route). Whoever
 * keeps a pointer to an op counts as a reference: its client, the slot or list that it is in (one for both), its record.
 *
 * `then` goes on with it, once: with the next step of its method when the directory is there, and after its end on the
 * device. It finds the end in `end`. There is no other way by which an op goes on.
 */
#pragma once

#include "daemon/broker/model/context.h"
#include "daemon/broker/model/registry.h"
#include "daemon/channel/message.h"
#include "daemon/util/audit.h"
#include "proto/error.h"
#include "proto/fields.h"

enum op_state {
        OP_NEW,
        OP_WAITING,
        OP_HELD,
        OP_QUEUED,
        OP_FIRST,
        OP_PAUSED,
        OP_ASKED,
        OP_OUT,
        OP_UNSETTLED,
        OP_SETTLING,
        OP_AT_HAND,
        OP_ENDED,
};

/* How its stay on a token ended. */
enum op_end {
        END_OK,
        END_CKR,
        END_KEY_GONE,
        END_NICKNAME_EXISTS,
        END_NOT_SUPPORTED,
        END_INVALID,     /* the worker refused what it was given: text says why */
        END_FULL,        /* its instance has as many waiting as it may */
        END_UNAVAILABLE, /* the token is not ready; state and reason are the token's */
        END_REMOVED,     /* the token is not configured any more */
        END_DEADLINE,    /* it never reached the device */
        END_DEADLINE_EXECUTED,
        END_WORKER_LOST,
        END_OUTCOME_UNKNOWN,
        END_NOT_OUR_SEAL,
        END_NOT_ITS_USAGE, /* a sealed key is not for this; text is the word of Allow= */
        END_UNRECORDED,    /* it could not be recorded, and was not done */
        END_DENIED,        /* a reload took the right away before it was done */
        END_DROPPED,       /* nobody waits for it any more, and it was not done */
        END_NO_MEMORY,     /* the broker's; it was not done */
};

enum render {
        RENDER_LAST,   /* that was the (last) reply */
        RENDER_MORE,   /* others follow, as soon as there is room */
        RENDER_LATER,  /* others follow, when op->next_usec has come */
        RENDER_FAILED, /* nothing was written, and op_fail() was called */
};

/* Which socket a method is served on. */
enum method_socket {
        ON_KEYS = 1,
        ON_STATUS = 2,
        ON_BOTH = 3,
};

struct method {
        const char *name;      /* behind the interface */
        const char *interface; /* whose errors it gives */
        enum method_socket socket;
        unsigned right; /* enum config_right; 0: nobody's to give */
        unsigned audit; /* enum audit_kind of its records; 0: none are made */
        bool secret;    /* what it is given or gives is wiped by whoever held it */
        bool parallel;  /* runs beside others of its connection that are parallel */
        const struct field *fields;
        size_t n_fields, parameters_size;
        /* Does it, or starts it: sooner or later op_done() or op_fail() is called. */
        void (*begin)(struct op *op);
        /* Writes the parameters of one reply. NULL: there are none. */
        enum render (*render)(struct op *op, struct output *output);
};

/* What an op knows of a connection, which embeds this. */
struct client {
        struct broker *broker;
        enum listen_kind kind;
        struct link dirty;         /* in the broker's list: something of it changed */
        struct caller *caller;     /* counted */
        struct instance *instance; /* counted; NULL: it matches none. A reload may make it another */
        struct link ops;           /* in the order of their receipt: the first one's reply is next */
        size_t n_ops;
        size_t n_bytes; /* of their messages */
        bool deaf;      /* it has closed: no reply reaches it. What it sent oneway before is done */
        bool gone;      /* it may not go on, or memory is short: freed when the event at hand is over */
};

/* What a List goes through, a few in each reply. */
struct listing {
        size_t n, at;
        char state[2 * sizeof(uint64_t) + 1]; /* hexadecimal */
        bool unchanged;
        struct output unavailable; /* elements of an array, as JSON; no bytes where there are none */
        struct entry *entries[];
};

/* A try on an accelerator, beside the way to its own token. */
struct route {
        uint64_t deadline_usec; /* then the try is over, and the op goes to its own token */
        uint64_t copy;          /* the accelerator's number of the copy to sign with; 0: it needs none */
        bool hurried;           /* the op's own deadline cut the time: that the try is late says nothing */
        void (*then)(struct op *op);
};

struct op {
        unsigned refs;
        struct link link;       /* in the list of its state */
        struct link in_client;  /* in its client's list, until its last reply is written */
        struct queue_item item; /* while it is queued */

        /* Who asked. */
        struct broker *broker;
        struct client *client;     /* NULL: nobody waits for a reply (any more) */
        struct caller *caller;     /* counted; NULL: it is the daemon's own */
        struct instance *instance; /* counted: whose it counts as */
        /* Of May alone, while it is judged: whose right is asked for. Borrowed. */
        const struct config_instance *as;
        unsigned as_right;
        const struct method *method;
        struct json_object *message; /* what the strings in parameters lie in */
        size_t n_bytes;              /* of the message */
        size_t cost;                 /* bytes of the broker that it takes of its user's account */
        bool oneway, more;
        uint64_t received_usec, deadline_usec;

        /* What. */
        enum message_type kind; /* of the operation; MESSAGE_TYPE_NONE_: none yet */
        union operation_message input;
        struct token *token; /* its own; NULL: none yet, or it has ended */
        struct entry *entry; /* the key or certificate it is about; counted */
        uint64_t object; /* the number that this had when the op was sent; 0: it was not, or it is settled */
        struct entry **
                replaced; /* what an import is to replace; once it has ended, what it has; counted, LIMIT_REPLACED at most */
        size_t n_replaced;
        bool was_there;        /* likewise: the very certificate was there before */
        unsigned char *buffer; /* of input, where it is not in the parameters; owned */
        uint64_t number;       /* in the records; 0: it is in none yet */
        uint64_t cookie;  /* of an op of the daemon's own: what it is for; of an operator's: its number */
        const char *word; /* of an operator's, as the records name it; static */
        /* As the errors name them; NULL: as nothing. */
        const char *key, *algorithm, *nickname;
        const char *invalid; /* the parameter that the worker refused, if it refuses one */
        enum object_kind of; /* what key names, and what may not be there; 0: a key */
        const char *
                sealed; /* in the records: the fingerprint of the sealed key that it is about, beside key; NULL: none */

        /* Where. */
        enum op_state state;
        struct token *at;
        struct worker *worker; /* of at: who has it, while it is out or its SETTLE is; else NULL */
        struct queue_flow
                *reservation; /* its place among what its instance has waiting, while it is not queued */
        struct route route;   /* while at is not token */
        bool audited;         /* what becomes of it is recorded */
        bool announced;       /* its `begun` is recorded: so must its end be */
        bool suspect;         /* its worker died, or lost the device, while it was out */
        unsigned lacks;       /* END_NOT_SUPPORTED: the usage that its key was not made for, or 0 */
        unsigned attempt;     /* how often it was sent */
        unsigned repeated;    /* the attempt that the records said would be the next */
        unsigned n_settles;   /* how often its SETTLE did not come back */
        uint64_t lost_ckr;    /* of the device that was lost with it; 0: the worker just died */
        unsigned n_claimed;   /* how often its nickname was claimed by another host */
        uint64_t resume_usec;

        /* How it goes on. */
        void (*then)(struct op *op);
        void (*again)(
                struct op *op); /* steps.c's: its method, when the directory that it waits for is there */
        bool looked;            /* likewise: it has waited for a directory already */

        /* How it ended. */
        enum op_end end;
        uint64_t ckr, device_usec;
        struct wire_bytes payload; /* of the worker's answer; good during then() */
        const char *text;          /* the worker's sentence, or NULL; good during then() */
        const char *refused; /* of END_INVALID: the parameter that the worker refused; good during then() */
        struct entry *made;  /* what was made, or found; counted */
        const char *denied;  /* of PermissionDenied: the operation; static */
        enum denial denial;  /* likewise: why */
        const char *why;     /* likewise, a sentence for operators; good until its record is made */
        enum proto_error error;
        char *error_parameters;    /* the JSON object; NULL: an empty one */
        bool answered;             /* its client's answer is known: op_done() or op_fail() was called */
        bool recorded;             /* that answer is in the records */
        struct audit_item *record; /* the record that its reply, or its beginning, waits for; NULL: none */
        void (*on_safe)(struct op *op,
                bool may); /* record.c's: what goes on when that is safe, or cannot be made so */

        /* What its reply is rendered from. */
        unsigned char *result;
        size_t n_result, result_at; /* result_at: what is written of it */
        char *reply_text;        /* of Check: what stands in each reply; of Probe, Retry and the like: why */
        const char *reply_state; /* of Retry and the like: the token's; static */
        uint64_t next_usec;      /* of Watch: when the next reply is due */
        struct listing *listing;

        _Alignas(max_align_t) unsigned char parameters[];
};

/* An op of the daemon's own. NULL: no memory. The caller holds the one reference. */
struct op *op_new(struct broker *broker, enum message_type kind);
/* A client's, in its list; method may be NULL. message is taken over. NULL: no memory. */
struct op *op_receive(
        struct client *client, const struct method *method, struct json_object *message, size_t n_bytes);

/* It takes so many bytes more of its user's account, until it is freed. */
void op_charge(struct op *op, size_t n_bytes);

struct op *op_ref(struct op *op);
/* NULL is fine. */
void op_unref(struct op *op);
DEFINE_CLEANUP(struct op *, op_unref);

/* Overwrites what its message and its result say, where its method's are secret. */
void op_wipe(struct op *op);

/* Takes it out of its client's list: its reply was written, or its client is gone. */
void op_leave_client(struct op *op);

static inline bool op_is(const struct op *op, unsigned class)
{
        const struct operation_info *info = operation_info(op->kind);

        return info && (info->class & class);
}

/* Whether an accelerator tries it. */
static inline bool op_is_tried(const struct op *op)
{
        return op->at && op->at != op->token;
}

/* Whether the worker may be doing it, or have done it. */
static inline bool op_is_under_way(const struct op *op)
{
        return op->state == OP_OUT || op->state == OP_UNSETTLED || op->state == OP_SETTLING;
}

/* Whether a reply to it would reach anybody. */
static inline bool op_has_reader(const struct op *op)
{
        return op->client && !op->client->deaf;
}

/* Whether it is still to be done: for a client that waits, for the daemon itself, or because it was sent oneway. */
static inline bool op_is_wanted(const struct op *op)
{
        return !op->answered && (op_has_reader(op) || op->oneway || !op->caller);
}

/* Where it is until it goes on: the try on an accelerator, or its own. */
static inline uint64_t op_due_usec(const struct op *op)
{
        return op_is_tried(op) ? op->route.deadline_usec : op->deadline_usec;
}

static inline bool op_is_parallel(const struct op *op)
{
        return !op->method || op->method->parallel;
}

/* The instance of its client, of now: a reload may have made it another since the request came. NULL: it may nothing any
 * more. */
const struct config_instance *op_policy(const struct op *op);
/* From now on it counts as that instance's. */
void op_set_instance(struct op *op, struct instance *instance);

void op_set_entry(struct op *op, struct entry *entry);

/* An import is to replace that certificate. -ENOMEM; -E2BIG: it would be too many. */
int op_replace(struct op *op, struct entry *certificate);
/* It has ended: what it was to replace, and is still there, it has not replaced. */
void op_settle_replaced(struct op *op);

void op_begin(struct op *op);
/* Goes on: calls then, or what the try on an accelerator has in its place. */
void op_go_on(struct op *op, enum op_end end);

/* ---- the answer. After the first of these calls nothing changes it, and what becomes of the op is for the records. ---- */

void op_done(struct op *op);
/* parameters: a JSON object, taken over; NULL: none. */
void op_fail(struct op *op, enum proto_error error, char *parameters);
/* Likewise, with the object in an output; where memory was short its client is gone. */
void op_fail_output(struct op *op, enum proto_error error, struct output *output);
/* With one string, and with two. */
void op_fail_with(struct op *op, enum proto_error error, const char *name, const char *value);
void op_fail_with_two(struct op *op, enum proto_error error, const char *name, const char *value,
        const char *name_2, const char *value_2);
/* InvalidParameter, and what is wrong with the value. Returns false, for who has to say whether the op goes on. */
#define OP_REASON_SIZE 1024

/* Whether its caller is root or the daemon's own user. */
static inline bool op_is_operators(const struct op *op)
{
        return op->caller->uid == 0 || op->caller->uid == op->broker->own_uid;
}

/* Why the token does not work, for the caller: what there is besides, which a reason has behind "; ", is for operators alone. */
const char *op_reason(const struct op *op, const struct token *token, char text[static OP_REASON_SIZE]);

bool op_invalid(struct op *op, const char *parameter, const char *reason);
/* PermissionDenied, counted and logged. Returns false. */
bool op_denied(struct op *op, const char *operation, enum denial denial);
/* Whether it would use or change the key of AuditKey=, or what bears its name. */
bool op_is_for_audit_key(const struct op *op);
/* Why its client has not the right, which nobody has to the audit's key. */
enum denial op_denial(const struct op *op, unsigned right);
/* Whether it has; else the op has failed. */
bool op_may(struct op *op, unsigned right);
/* AuditUnavailable. */
void op_fail_unrecorded(struct op *op);
/* What op->end means to the client. With END_OK it is done. */
void op_finish(struct op *op);
/* Ends it so, where it has not come to a token. */
void op_fail_end(struct op *op, struct token *token, enum op_end end);
/* As op_finish(), and keeps the payload of the answer for the reply. */
void op_finish_payload(struct op *op);

/* Something of the client changed: it is served at the end of the event. */
void client_touch(struct client *client);

/* One whole message (a JSON object and a NUL) into output, if there is one to be written. */
enum render op_render(struct op *op, struct output *output);
